//! Reads secret files, and refuses those that others can read.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use secrecy::SecretString;

/// Larger than any token, secret or key.
const SIZE_MAX: u64 = 64 * 1024;

/// Where systemd puts credentials. It grants access by an access control list there, which shows as
/// group permissions although no group has any (systemd.exec, "LoadCredential=").
const CREDENTIALS: &str = "/run/credentials";

/// Why a secret file cannot be used. Says what to do.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// There is no such file.
    #[error("there is no file {}; write the secret into it and run: chmod 600 {}", .0.display(), .0.display())]
    Missing(PathBuf),
    /// The file cannot be read by this user.
    #[error(
        "the secret file {} cannot be read{}: run the command as the user of the service (sudo -u manntall manntall …), \
         and give the file to that user (chown manntall {}) where it is not theirs",
        path.display(), owner.map(|owner| format!(", which belongs to user {owner}")).unwrap_or_default(), path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The number of the user whose it is, where the system tells.
        owner: Option<u32>,
        /// What the system said.
        source: std::io::Error,
    },
    /// Others can read the file.
    #[error(
        "the secret file {} can be read by others (mode {mode:04o}); run: chmod 600 {}",
        path.display(), path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file holds nothing.
    #[error("the secret file {} is empty; write the secret into it", .0.display())]
    Empty(PathBuf),
    /// The file holds something else.
    #[error("the file {} is no secret: {reason}", path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: &'static str,
    },
}

/// Reads the secret in the file at `path`, without the line end that editors leave behind it.
///
/// Refuses a file that its group or others can access. The permissions checked are those of the file
/// that was opened, so nothing can be swapped in between.
pub fn secret(path: &Path) -> Result<SecretString, SecretError> {
    let unreadable = |source: std::io::Error| {
        if source.kind() == std::io::ErrorKind::NotFound {
            return SecretError::Missing(path.to_owned());
        }
        let owner = std::fs::metadata(path).ok().map(|facts| facts.uid());
        SecretError::Unreadable { path: path.to_owned(), owner, source }
    };
    let unfit = |reason| SecretError::Unfit { path: path.to_owned(), reason };
    // Opening a pipe would wait for its writer.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(unfit("it is not a regular file"));
    }
    let file = File::open(path).map_err(unreadable)?;
    let facts = file.metadata().map_err(unreadable)?;
    let mode = facts.permissions().mode() & 0o7777;
    let others = if path.starts_with(CREDENTIALS) { 0o007 } else { 0o077 };
    if mode & others != 0 {
        return Err(SecretError::Exposed { path: path.to_owned(), mode });
    }
    let mut text = String::new();
    file.take(SIZE_MAX + 1).read_to_string(&mut text).map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidData => unfit("it is not text"),
        _ => unreadable(error),
    })?;
    if text.len() as u64 > SIZE_MAX {
        return Err(unfit("it is longer than 64 KiB"));
    }
    let kept = text.strip_suffix('\n').unwrap_or(&text);
    let kept = kept.strip_suffix('\r').unwrap_or(kept);
    if kept.trim().is_empty() {
        return Err(SecretError::Empty(path.to_owned()));
    }
    Ok(SecretString::from(kept.to_owned()))
}
