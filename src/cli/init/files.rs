//! Writing what `init` makes: each file whole or not at all, secrets for their owner only from the first
//! byte on.

use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown};
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};

use crate::cli::files::{Owner, replace};
use crate::cli::{Exit, Failure};
use crate::store::folder_of;

/// Whom the secrets are for: root writes them for the owner of the state folder, or of the one that it will
/// be made in, which is the service's user; everybody else for themselves.
pub(super) fn owner_for(state_dir: &Path) -> Option<Owner> {
    let root = rustix::process::geteuid().is_root();
    let facts = state_dir.ancestors().find_map(|folder| std::fs::metadata(folder).ok());
    let facts = facts.filter(|_| root)?;
    Some((facts.uid(), facts.gid()))
}

/// Writes a secret with mode 0600, in a folder with mode 0700 if it has to be made.
pub(super) fn write_secret(
    file: &Path,
    secret: &SecretString,
    owner: Option<Owner>,
) -> Result<(), Failure> {
    write(file, &format!("{}\n", secret.expose_secret()), 0o600, owner)
}

/// Writes a file that is no secret.
pub(super) fn write_plain(file: &Path, text: &str) -> Result<(), Failure> {
    write(file, text, 0o644, None)
}

fn write(file: &Path, text: &str, mode: u32, owner: Option<Owner>) -> Result<(), Failure> {
    let attempt = || {
        let folder = folder_of(file);
        if !folder.exists() {
            let folder_mode = if mode == 0o600 { 0o700 } else { 0o755 };
            DirBuilder::new().recursive(true).mode(folder_mode).create(folder)?;
            if let Some((user, group)) = owner {
                chown(folder, Some(user), Some(group))?;
            }
        }
        replace(file, text.as_bytes(), mode, owner)
    };
    attempt().map_err(|error: std::io::Error| {
        Failure::new(Exit::Failed, format!("{} cannot be written: {error}", file.display()))
    })
}
