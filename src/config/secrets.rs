//! Reads secret files, and refuses those that others can read or replace.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use secrecy::SecretString;

/// Larger than any token, secret or key.
const SIZE_MAX: u64 = 64 * 1024;

/// Where systemd puts credentials. It grants access by an access control list there, which shows as
/// group permissions although no group has any (systemd.exec, "LoadCredential=").
const CREDENTIALS: &str = "/run/credentials";

/// Why a secret file cannot be used. Says what to do, and never quotes what may be the secret itself.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// There is no such file.
    #[error("{}", missing(.0))]
    Missing(PathBuf),
    /// The file cannot be read by this user.
    #[error(
        "the secret file {0} cannot be read{1}: run the command as the user of the service (sudo -u manntall manntall …), \
         and give the file to that user (chown manntall {0}) where it is not theirs",
        shown(path), owner.map(|owner| format!(", which belongs to user {owner}")).unwrap_or_default()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The number of the user whose it is, where the system tells.
        owner: Option<u32>,
        /// What the system said.
        source: io::Error,
    },
    /// Others can read the file.
    #[error(
        "the secret file {0} can be read by others (mode {mode:04o}); run: chmod 600 {0}",
        shown(path)
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Somebody else owns the file, or can put another one in its place.
    #[error("the secret file {} is not safe: {why}", shown(path))]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What is wrong, and the command that helps.
        why: String,
    },
    /// The file holds nothing.
    #[error("the secret file {} is empty; write the secret into it", shown(.0))]
    Empty(PathBuf),
    /// The file holds something else.
    #[error("the file {} is no secret: {reason}", shown(path))]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: &'static str,
    },
}

/// The path, where it is one for certain: the file is there, or the folder in which the operator wrote
/// that it is. A secret that was written where the name of its file belongs is none.
fn quotable(path: &Path) -> Option<String> {
    let text = path.to_string_lossy();
    // A name without a folder: see `Reading::resolve`.
    let has_folder = !text.contains("/./");
    let is_there = fs::symlink_metadata(path).is_ok();
    let folder_is_there = || path.parent().is_some_and(Path::is_dir);
    (is_there || (has_folder && folder_is_there())).then(|| text.replace("/./", "/"))
}

/// The path, or words in its place.
pub fn shown(path: &Path) -> String {
    quotable(path).unwrap_or_else(|| "(not shown, since it may be the secret itself)".to_owned())
}

fn missing(path: &Path) -> String {
    match quotable(path) {
        Some(path) => {
            format!("there is no file {path}; write the secret into it and run: chmod 600 {path}")
        }
        None => {
            "it names no file: it must be the path of a file that holds the secret, not the secret \
                 itself, such as \"/etc/manntall/secrets/NAME\". What stands there is not shown"
                .to_owned()
        }
    }
}

/// Reads the secret in the file at `path`, without the line end that editors leave behind it.
///
/// Refuses a file that its group or others can access, and one that somebody else owns or can replace. The
/// facts checked are those of the file that was opened, so nothing can be swapped in between.
pub fn secret(path: &Path) -> Result<SecretString, SecretError> {
    let unreadable = |source: io::Error| {
        if matches!(source.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) {
            return SecretError::Missing(path.to_owned());
        }
        // A name that no file can have is no name of a file.
        if source.raw_os_error() == Some(rustix::io::Errno::NAMETOOLONG.raw_os_error())
            || source.kind() == ErrorKind::InvalidInput
        {
            return SecretError::Missing(path.to_owned());
        }
        let owner = fs::metadata(path).ok().map(|facts| facts.uid());
        SecretError::Unreadable { path: path.to_owned(), owner, source }
    };
    let unfit = |reason| SecretError::Unfit { path: path.to_owned(), reason };
    let foreign = |why| SecretError::Foreign { path: path.to_owned(), why };
    let place = fs::canonicalize(path).map_err(unreadable)?;
    // Opening a pipe would wait for its writer.
    if !fs::metadata(&place).map_err(unreadable)?.is_file() {
        return Err(unfit("it is not a regular file"));
    }
    let file = open(&place).map_err(unreadable)?;
    let facts = file.metadata().map_err(unreadable)?;
    if !facts.is_file() {
        return Err(unfit("it is not a regular file"));
    }
    let mode = facts.permissions().mode() & 0o7777;
    let others = if place.starts_with(CREDENTIALS) { 0o007 } else { 0o077 };
    if mode & others != 0 {
        return Err(SecretError::Exposed { path: path.to_owned(), mode });
    }
    if let Some(why) = strange(path, &place, &facts) {
        return Err(foreign(why));
    }
    let mut text = String::new();
    file.take(SIZE_MAX + 1).read_to_string(&mut text).map_err(|error| match error.kind() {
        ErrorKind::InvalidData => unfit("it is not text"),
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

/// Opens what lies there, and follows nothing that was put there since.
fn open(place: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    OpenOptions::new().read(true).custom_flags(flags).open(place)
}

/// Why a file, reached by `path` and lying at `place`, is not only ours and root's to change, with the
/// command that helps; nothing where it is.
pub(super) fn strange(path: &Path, place: &Path, facts: &fs::Metadata) -> Option<String> {
    let me = rustix::process::geteuid().as_raw();
    let is_ours = |uid: u32| uid == me || uid == 0;
    let shown = place.display();
    if !is_ours(facts.uid()) {
        let owner = facts.uid();
        return Some(format!(
            "it belongs to user {owner}, and this is user {me}: run the command as the user of the service \
             (sudo -u manntall manntall …), or give it to whoever runs it: chown {me} {shown}"
        ));
    }
    // A link is as good as whoever may change it.
    if let Ok(link) = fs::symlink_metadata(path)
        && link.file_type().is_symlink()
        && !is_ours(link.uid())
    {
        let owner = link.uid();
        return Some(format!("a link of user {owner} leads to it; name the file itself: {shown}"));
    }
    for folder in [path.parent(), place.parent()].into_iter().flatten() {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let Ok(facts) = fs::metadata(folder) else { continue };
        let mode = facts.permissions().mode();
        let shown = folder.display();
        if !is_ours(facts.uid()) {
            let owner = facts.uid();
            return Some(format!(
                "its folder {shown} belongs to user {owner}, who can put another file there; run: chown root \
                 {shown}"
            ));
        }
        // In a folder such as /tmp nobody replaces what is another's.
        if mode & 0o022 != 0 && mode & 0o1000 == 0 {
            return Some(format!(
                "others can put another file into its folder {shown} (mode {:04o}); run: chmod go-w {shown}",
                mode & 0o7777
            ));
        }
    }
    None
}
