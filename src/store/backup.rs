//! Backups: the records of a store in one file, and back.
//!
//! ```text
//! {"format":"manntall-backup/3","created":"…","install_id":"…","generation":n}
//! {"k":"…base64…","v":"…base64…"}            one line a record, in key order
//! {"records":n,"sha256":"…"}                   over every byte above
//! ```
//!
//! A backup is one consistent state, taken without stopping whoever writes. What the bytes mean is not
//! known here. It holds personal data, as the store does: for its owner only.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Seek as _, Write};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::{Batch, Record, Store, StoreError, folder_of, hex, sled_store};

/// What the first line begins with, before the format of the store whose records it holds.
const FORMAT: &str = "manntall-backup/";

fn format() -> String {
    format!("{FORMAT}{}", sled_store::FORMAT)
}

/// Records put back in one commit.
const RECORDS_PER_COMMIT: usize = 500;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    format: String,
    /// When it was made.
    pub created: String,
    /// Of which installation.
    pub install_id: String,
    /// At which commit.
    pub generation: u64,
}

impl Header {
    /// The header of a backup made now.
    pub fn new(created: String, install_id: String, generation: u64) -> Self {
        Self { format: format(), created, install_id, generation }
    }
}

#[derive(Serialize, Deserialize)]
struct Line {
    k: String,
    v: String,
}

#[derive(Serialize, Deserialize)]
struct Trailer {
    records: u64,
    sha256: String,
}

/// A backup that was read and found whole.
#[derive(Debug)]
pub struct Backup {
    /// Its first line.
    pub header: Header,
    records: Vec<Record>,
}

/// Writes a backup to `to` and gives the number of records. The store goes on meanwhile; commits wait.
pub fn write(store: &dyn Store, header: &Header, to: &mut dyn Write) -> Result<u64, StoreError> {
    let mut to = Summed { to, sum: Sha256::new() };
    let mut done = to.line(header);
    let mut records = 0;
    store.for_each(b"", &mut |key, value| {
        if done.is_ok() {
            let line = Line { k: STANDARD.encode(key), v: STANDARD.encode(value) };
            done = to.line(&line);
            records += 1;
        }
    })?;
    let sha256 = hex(&to.sum.clone().finalize());
    done.and_then(|()| to.line(&Trailer { records, sha256 })).map_err(|error| failed(&error))?;
    Ok(records)
}

/// A file that is being written for its owner only. It takes its name when it is whole, and without
/// that leaves nothing behind.
#[derive(Debug)]
pub struct NewFile {
    path: PathBuf,
    file: BufWriter<NamedTempFile>,
    /// Over all lines that were taken but the last.
    sum: Sha256,
    last: Vec<u8>,
}

impl NewFile {
    /// Begins the file `path`, which must not exist yet.
    pub fn create(path: &Path) -> Result<Self, StoreError> {
        if path.try_exists().map_err(|error| failed_at(path, &error))? {
            let error = io::Error::from(io::ErrorKind::AlreadyExists);
            return Err(failed_at(path, &error));
        }
        let file = tempfile::Builder::new().prefix(".manntall-").tempfile_in(folder_of(path));
        let file = BufWriter::new(file.map_err(|error| failed_at(path, &error))?);
        Ok(Self { path: path.to_owned(), file, sum: Sha256::new(), last: Vec::new() })
    }

    /// Takes the next lines of a backup that somebody else has written.
    pub fn take(&mut self, lines: &[u8]) -> Result<(), StoreError> {
        for line in lines.split_inclusive(|&byte| byte == b'\n') {
            self.sum.update(&self.last);
            self.last.clear();
            self.last.extend_from_slice(line);
        }
        self.file.write_all(lines).map_err(|error| failed_at(&self.path, &error))
    }

    /// Whether all of it was taken, and nothing else.
    pub fn check(&self) -> Result<(), StoreError> {
        let trailer: Option<Trailer> = serde_json::from_slice(&self.last).ok();
        if trailer.is_some_and(|trailer| trailer.sha256 == hex(&self.sum.clone().finalize())) {
            return Ok(());
        }
        let detail = "the backup has not arrived whole; nothing was kept of it".to_owned();
        Err(StoreError::Backup { detail })
    }

    /// Takes a backup whole, and gives the number of records.
    pub fn fill(&mut self, store: &dyn Store, header: &Header) -> Result<u64, StoreError> {
        write(store, header, &mut self.file)
    }

    /// It is whole: it is on the disk, under its name, when this returns.
    pub fn keep(self) -> Result<(), StoreError> {
        let Self { path, file, .. } = self;
        let keep = || {
            let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.as_file().sync_all()?;
            file.persist_noclobber(&path)?;
            File::open(folder_of(&path))?.sync_all()
        };
        keep().map_err(|error: io::Error| failed_at(&path, &error))
    }
}

/// Writes a backup into a file in `folder` that nobody else can open and that is gone when it is closed.
pub fn write_aside(
    store: &dyn Store,
    header: &Header,
    folder: &Path,
) -> Result<(u64, BufReader<File>), StoreError> {
    let failed = |error: io::Error| failed_at(folder, &error);
    let mut writer = BufWriter::new(tempfile::tempfile_in(folder).map_err(failed)?);
    let records = write(store, header, &mut writer)?;
    let mut file = writer.into_inner().map_err(|error| failed(error.into_error()))?;
    file.rewind().map_err(failed)?;
    Ok((records, BufReader::new(file)))
}

/// Reads a backup whole, and refuses one that is cut short or changed.
pub fn read_file(path: &Path) -> Result<Backup, StoreError> {
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    read(BufReader::new(file), path)
}

/// Reads a backup from what lies at `path`: see [`read_file`].
pub fn read(from: impl BufRead, path: &Path) -> Result<Backup, StoreError> {
    let spoilt = |what: String| StoreError::Backup {
        detail: format!(
            "{} is no whole backup: {what}; nothing was changed. Take another one",
            path.display()
        ),
    };
    let mut lines = from.split(b'\n');
    let mut next = || lines.next().transpose().map_err(|error| unreadable(path, &error));
    let first = next()?.ok_or_else(|| spoilt("it is empty".to_owned()))?;
    let header: Header = serde_json::from_slice(&first)
        .map_err(|_| spoilt("its first line is not that of a backup".to_owned()))?;
    if header.format != format() {
        return Err(spoilt(format!("its format is {:?}, not {}", header.format, format())));
    }
    let mut sum = Sha256::new();
    let mut take = |line: &[u8]| sum.update([line, b"\n"].concat());
    take(&first);
    let mut records = Vec::new();
    while let Some(line) = next()? {
        if let Ok(Line { k, v }) = serde_json::from_slice(&line) {
            take(&line);
            match (STANDARD.decode(k), STANDARD.decode(v)) {
                (Ok(key), Ok(value)) => records.push((key, value)),
                _ => return Err(spoilt(format!("line {} cannot be read", records.len() + 2))),
            }
            continue;
        }
        let trailer: Trailer = serde_json::from_slice(&line)
            .map_err(|_| spoilt(format!("line {} cannot be read", records.len() + 2)))?;
        if trailer.records != records.len() as u64 || trailer.sha256 != hex(&sum.finalize()) {
            return Err(spoilt("its checksum is that of other records".to_owned()));
        }
        return match next()? {
            None => Ok(Backup { header, records }),
            Some(_) => Err(spoilt("something follows its end".to_owned())),
        };
    }
    Err(spoilt("its end is missing".to_owned()))
}

impl Backup {
    /// How many records it holds.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Puts everything into `store`, which must be empty. Should it be cut short, what is there is no
    /// state: the caller begins again with an empty store.
    pub fn restore(self, store: &dyn Store) -> Result<(), StoreError> {
        let mut records =
            self.records.into_iter().map(|(key, value)| (key, Some(value))).peekable();
        while records.peek().is_some() {
            let records = records.by_ref().take(RECORDS_PER_COMMIT).collect();
            store.commit(Batch { records })?;
        }
        Ok(())
    }
}

/// Sums up what passes through.
struct Summed<'a> {
    to: &'a mut dyn Write,
    sum: Sha256,
}

impl Summed<'_> {
    fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.sum.update(&text);
        self.to.write_all(&text)
    }
}

fn failed(error: &io::Error) -> StoreError {
    StoreError::Backup { detail: format!("the backup cannot be written: {error}") }
}

fn failed_at(path: &Path, error: &io::Error) -> StoreError {
    let next = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "; choose a place that is open to the user of this command"
        }
        _ => "",
    };
    let detail = format!("the backup {} cannot be written: {error}{next}", path.display());
    StoreError::Backup { detail }
}

fn unreadable(path: &Path, error: &io::Error) -> StoreError {
    let next = match error.kind() {
        io::ErrorKind::NotFound => "; nothing was changed. Look for the right name",
        io::ErrorKind::PermissionDenied => {
            "; nothing was changed. Let the user of this command read it, or copy it to where that user may"
        }
        _ => "; nothing was changed",
    };
    let detail = format!("the backup {} cannot be read: {error}{next}", path.display());
    StoreError::Backup { detail }
}
