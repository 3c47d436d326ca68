//! The state folder on disk: who may read it, who holds it, and making its directories durable.
//!
//! ```text
//! <folder>/store.lock     held while the store is open; names the process
//! <folder>/witness.json   the proof of age, see the witness module
//! <folder>/store/         sled's own files, personal data: for the owner only
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _,
    PermissionsExt as _,
};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, flock};
use rustix::io::Errno;
use rustix::process::{geteuid, umask};

use crate::store::{Room, StoreError, user_name};

/// So much room there has to be before a store that found none is opened again: two segments of sled's
/// log, so that it does not fail again at the first commit.
const ROOM_MIN: usize = 2 * super::SEGMENT_BYTES;

/// The paths of one state folder.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    pub(super) root: PathBuf,
    pub(super) store: PathBuf,
    pub(super) data: PathBuf,
    pub(super) witness: PathBuf,
    lock: PathBuf,
}

/// The lock on a state folder, held until it is dropped.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Said aloud, since closing the file is not enough while a child process that is just being
        // started has a copy of it. Should it fail, the lock ends with the process.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

impl Folder {
    pub(super) fn new(root: &Path) -> Self {
        let store = root.join("store");
        Self {
            root: root.to_owned(),
            data: store.join("db"),
            witness: root.join("witness.json"),
            lock: root.join("store.lock"),
            store,
        }
    }

    /// Whether there is anything of a store here.
    pub(super) fn holds_something(&self) -> Result<bool, StoreError> {
        let exists = |path: &Path| path.try_exists().map_err(io_at(path));
        Ok(exists(&self.store)? || exists(&self.witness)?)
    }

    /// Makes the folders that are missing, for the owner only.
    pub(super) fn create(&self) -> Result<(), StoreError> {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(&self.store).map_err(io_at(&self.store))
    }

    /// Keeps from sled the summaries of its log (`snap.*`) over which it would fail. One that it was writing
    /// when its process was killed, and that has not got its name yet, it would take for the latest: it is
    /// removed, and the one before is still there. Where the data file is gone or empty they mean nothing:
    /// they are kept under another name.
    pub(super) fn sort_out_summaries(&self) -> Result<(), StoreError> {
        let has_data = self.data.metadata().is_ok_and(|data| data.len() > 0);
        for path in self.entries()? {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if !name.starts_with("snap.") {
                continue;
            }
            if name.ends_with(".generating") {
                fs::remove_file(&path).map_err(io_at(&path))?;
            } else if !has_data {
                let aside = self.store.join(format!("lost-{name}"));
                fs::rename(&path, aside).map_err(io_at(&path))?;
            }
        }
        Ok(())
    }

    /// What lies in sled's folder, as far as there is one.
    fn entries(&self) -> Result<Vec<PathBuf>, StoreError> {
        let Ok(entries) = fs::read_dir(&self.store) else { return Ok(Vec::new()) };
        entries.map(|entry| Ok(entry.map_err(io_at(&self.store))?.path())).collect()
    }

    /// Takes the lock that lets one process in. The kernel drops it when the process ends, however it
    /// ends, so a file left behind holds nobody up; the process id in it is only for the message.
    pub(super) fn lock(&self) -> Result<Lock, StoreError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(&self.lock).map_err(io_at(&self.lock))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut text = String::new();
                let holder = file.read_to_string(&mut text).ok().and_then(|_| text.parse().ok());
                return Err(self.locked(holder));
            }
            Err(error) => return Err(io_at(&self.lock)(error.into())),
        }
        file.set_len(0).map_err(io_at(&self.lock))?;
        write!(file, "{}", std::process::id()).map_err(io_at(&self.lock))?;
        Ok(Lock(file))
    }

    /// Refuses a store that others may read or that belongs to somebody else, and sees to it that what
    /// this process creates from here on is for the owner only: sled asks for no file modes.
    pub(super) fn keep_private(&self) -> Result<(), StoreError> {
        umask(Mode::from_raw_mode(0o077));
        self.require(&self.root, 0o022)?;
        self.close_to_readers();
        // Others may go through the folder itself: the control socket can be there.
        self.require(&self.root, 0o066)?;
        for path in [&self.store, &self.witness, &self.lock] {
            self.require(path, 0o077)?;
        }
        for path in [&self.witness, &self.lock] {
            require_file(path)?;
        }
        for path in self.entries()? {
            self.require(&path, 0o077)?;
            // The one folder that sled makes in its own.
            if path.file_name().is_none_or(|name| name != "blobs") {
                require_file(&path)?;
            }
        }
        Ok(())
    }

    /// Lets nobody else list what lies in the folder. Where it cannot be done the folder is refused.
    fn close_to_readers(&self) {
        if let Ok(found) = fs::symlink_metadata(&self.root)
            && found.is_dir()
            && found.mode() & 0o044 != 0
        {
            let closed = Permissions::from_mode(found.mode() & 0o7733);
            let _ = fs::set_permissions(&self.root, closed);
        }
    }

    /// Refuses `path`, if it exists, when it has one of the `forbidden` mode bits or another owner.
    fn require(&self, path: &Path, forbidden: u32) -> Result<(), StoreError> {
        let found = match fs::symlink_metadata(path) {
            Ok(found) => found,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(io_at(path)(error)),
        };
        let (owner, me) = (found.uid(), geteuid().as_raw());
        if owner != me {
            let next = match owner {
                // Only root could have made it, and root is not who runs Manntall here.
                0 => format!("give it back: sudo chown -R {me} {}", self.root.display()),
                _ => {
                    format!("run the command as its owner: sudo -u {} manntall …", user_name(owner))
                }
            };
            let (path, owner, me) = (path.display(), user_name(owner), user_name(me));
            return Err(StoreError::Io {
                detail: format!("{path} belongs to the user {owner} and this is {me}; {next}"),
            });
        }
        let mode = found.mode() & 0o7777;
        if mode & forbidden != 0 {
            let change = if forbidden & 0o011 == 0 { "chmod go-rw" } else { "chmod -R go=" };
            return Err(StoreError::Io {
                detail: format!(
                    "{} is open to others (mode {mode:04o}) and holds personal data; close it: \
                     {change} {}",
                    path.display(),
                    path.display()
                ),
            });
        }
        Ok(())
    }

    /// Makes the creation of sled's files and folders durable. sled syncs none of them, nor `conf`.
    pub(super) fn sync_all(&self) -> Result<(), StoreError> {
        let sync = |path: &Path| File::open(path).and_then(|file| file.sync_all());
        for path in [&self.store.join("conf"), &self.data, &self.store, &self.root] {
            sync(path).map_err(io_at(path))?;
        }
        // The entry of the folder itself. Where others made it for us, such as the service manager, we may
        // not be allowed to open the folder above, and it was made long ago.
        match self.root.parent() {
            Some(parent) if parent.as_os_str().is_empty() => sync(Path::new(".")),
            Some(parent) => sync(parent),
            None => Ok(()),
        }
        .or_else(|error| match error.kind() {
            std::io::ErrorKind::PermissionDenied => Ok(()),
            _ => Err(io_at(&self.root)(error)),
        })
    }

    /// Moves the store and its witness into a folder of their own. A witness that is left alone by a
    /// crash in between speaks of a store that is empty now, which is as it should be.
    pub(super) fn move_aside(&self, stamp: &str) -> Result<PathBuf, StoreError> {
        let aside = self.root.join(format!("aside-{stamp}"));
        DirBuilder::new().mode(0o700).create(&aside).map_err(io_at(&aside))?;
        for path in [&self.store, &self.witness] {
            if let Some(name) = path.file_name()
                && path.try_exists().map_err(io_at(path))?
            {
                fs::rename(path, aside.join(name)).map_err(io_at(path))?;
            }
        }
        for path in [&aside, &self.root] {
            File::open(path).and_then(|folder| folder.sync_all()).map_err(io_at(path))?;
        }
        Ok(aside)
    }

    pub(super) fn locked(&self, holder: Option<u32>) -> StoreError {
        StoreError::Locked { folder: self.text(), holder }
    }

    pub(super) fn absent(&self) -> StoreError {
        StoreError::Absent { folder: self.text() }
    }

    /// Damage; what can be done about it is for the command to say.
    pub(super) fn damaged(&self, what: &str) -> StoreError {
        StoreError::Damaged { folder: self.text(), detail: what.to_owned() }
    }

    pub(super) fn text(&self) -> String {
        self.root.display().to_string()
    }
}

/// Refuses `path`, if it exists, when it is no regular file: whoever opens a named pipe waits for its other
/// end, and a device gives no end of bytes.
fn require_file(path: &Path) -> Result<(), StoreError> {
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io_at(path)(error)),
    };
    if found.is_file() {
        return Ok(());
    }
    let kind = found.file_type();
    let what = match () {
        () if kind.is_dir() => "a folder",
        () if kind.is_fifo() => "a named pipe",
        () if kind.is_socket() => "a socket",
        () => "a device",
    };
    let path = path.display();
    Err(StoreError::Io {
        detail: format!(
            "{path} is {what} and no regular file, so it is not opened; move it away. Without its witness a \
             state is compared with both sides before anything is taken from anybody"
        ),
    })
}

/// Turns an error of the system into ours, naming the path.
pub(super) fn io_at(path: &Path) -> impl Fn(std::io::Error) -> StoreError {
    use std::io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    move |error| {
        let detail = format!("{}: {error}", path.display());
        match error.kind() {
            StorageFull | QuotaExceeded | ReadOnlyFilesystem => StoreError::NoRoom { detail },
            PermissionDenied => StoreError::Io {
                detail: format!(
                    "{detail}; the state is its owner's alone: sudo -u manntall manntall …"
                ),
            },
            _ => StoreError::Io { detail },
        }
    }
}

/// The room on the disk of `folder`, where the system tells.
pub(super) fn room(folder: &Path) -> Option<Room> {
    let found = rustix::fs::statvfs(folder).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    Some(Room { free: bytes(found.f_bavail), total: bytes(found.f_blocks) })
}

/// See [`crate::store::try_room`].
pub(in crate::store) fn try_room(folder: &Path) -> Result<(), StoreError> {
    if let Some(Room { free, .. }) = room(folder).filter(|room| room.free < ROOM_MIN as u64) {
        let detail = format!("{}: {free} bytes are free, {ROOM_MIN} are needed", folder.display());
        return Err(StoreError::NoRoom { detail });
    }
    let probe = folder.join("room.probe");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let written = options.open(&probe).and_then(|mut file| {
        file.write_all(&vec![0; ROOM_MIN])?;
        file.sync_all()
    });
    // It may never have been made.
    let _ = fs::remove_file(&probe);
    written.map_err(io_at(&probe))
}
