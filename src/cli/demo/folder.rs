//! A folder of its own for one demonstration, gone when it ends.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::cli::{Exit, Failure};
use crate::random::Random;

/// The folder.
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes an empty one that nobody else can read.
    pub(super) fn make(environment: &BTreeMap<String, String>) -> Result<Self, Failure> {
        let above = environment.get("TMPDIR").map_or("/tmp", String::as_str);
        let path = Path::new(above).join(format!("manntall-demo-{}", Random::system().guid()));
        let made = std::fs::DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|error| failed(&path, &error))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file into it, for its owner only.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<PathBuf, Failure> {
        let path = self.0.join(name);
        let mut options = std::fs::OpenOptions::new();
        let opened = options.write(true).create_new(true).mode(0o600).open(&path);
        opened
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|error| failed(&path, &error))?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed stays in a folder for temporary things.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn failed(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("{} cannot be written: {error}", path.display()))
}
