//! Writing a file whole or not at all.

use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::{PermissionsExt as _, fchown};
use std::path::Path;

use crate::store::folder_of;

/// User and group that a file is given to.
pub(super) type Owner = (u32, u32);

/// Puts a file of this mode where `file` was, or nothing yet: whoever looks sees the old bytes or the new
/// ones, also after a power cut, and until the end nobody but the owner can read it.
pub(super) fn replace(
    file: &Path,
    bytes: &[u8],
    mode: u32,
    owner: Option<Owner>,
) -> io::Result<()> {
    let mut new = tempfile::Builder::new().prefix(".manntall-").tempfile_in(folder_of(file))?;
    new.write_all(bytes)?;
    if let Some((user, group)) = owner {
        fchown(new.as_file(), Some(user), Some(group))?;
    }
    // At the end, and whatever the umask: the service's user has to read the configuration.
    new.as_file().set_permissions(Permissions::from_mode(mode))?;
    new.as_file().sync_all()?;
    new.persist(file)?;
    Ok(())
}
