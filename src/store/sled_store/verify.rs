//! What is compared when the store is opened: the records with the store's own proof, and that with the
//! witness.

use super::folder::{Folder, io_at};
use super::witness::{FORMAT, PROOF_KEY, Proof, Unreadable, Witness};
use super::{bad_record, envelope, translate};
use crate::store::{StoreError, hex};

/// What the witness says.
pub(super) enum Witnessed {
    /// What the store should hold at the least.
    Proof(Witness),
    /// There is none.
    Missing(String),
    /// There is one, which cannot be read.
    Spoilt(String),
}

impl Witnessed {
    /// The generation that the store should have reached at the least.
    pub(super) fn generation(&self) -> u64 {
        match self {
            Self::Proof(witness) => witness.proof.generation,
            Self::Missing(_) | Self::Spoilt(_) => 0,
        }
    }

    /// The segments of the data file that had a sound header.
    pub(super) fn segments(&self) -> &[u64] {
        match self {
            Self::Proof(witness) => &witness.segments,
            Self::Missing(_) | Self::Spoilt(_) => &[],
        }
    }
}

/// Reads the witness. One of another format, unlike a spoilt one, is an error.
pub(super) fn read_witness(folder: &Folder) -> Result<Witnessed, StoreError> {
    let path = folder.witness.display();
    match std::fs::read(&folder.witness) {
        Ok(text) => match Proof::parse(&text) {
            Ok(witness) => Ok(Witnessed::Proof(witness)),
            Err(Unreadable::Format(found)) => Err(other_format(folder, found)),
            Err(Unreadable::Broken(why)) => Ok(Witnessed::Spoilt(format!(
                "{path} cannot be read ({why}), so the age of the store cannot be told"
            ))),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Witnessed::Missing(
            format!("{path} is missing, so the age of the store cannot be told"),
        )),
        Err(error) => Err(io_at(&folder.witness)(error)),
    }
}

fn other_format(folder: &Folder, found: u32) -> StoreError {
    let (folder, known) = (folder.text(), FORMAT);
    if found > known {
        StoreError::Newer { folder, found, known }
    } else {
        StoreError::Older { folder, found, known }
    }
}

fn parse(folder: &Folder, what: &str, text: &[u8]) -> Result<Proof, StoreError> {
    Proof::parse(text).map_err(|unreadable| match unreadable {
        Unreadable::Format(found) => other_format(folder, found),
        Unreadable::Broken(why) => folder.damaged(&format!("{what} cannot be read ({why})")),
    })
}

/// Reads every record and compares what is there with the store's own proof; `None` when the store
/// is empty.
pub(super) fn verify(folder: &Folder, db: &sled::Db) -> Result<Option<Proof>, StoreError> {
    let mut counted = Proof::of_nothing(String::new());
    let mut proof = None;
    walk(folder, db, b"", 1, |key, sealed| {
        let payload = envelope::open(key, sealed).ok_or_else(|| bad_record(folder, key))?;
        if key == PROOF_KEY {
            proof = Some(parse(folder, "its proof", payload)?);
        } else {
            counted.add(key, sealed);
        }
        Ok(())
    })?;
    match &proof {
        None if counted.records.is_empty() => {}
        None => return Err(folder.damaged("it has lost its proof of what it should hold")),
        Some(proof) if proof.records != counted.records => {
            return Err(folder.damaged(&format!(
                "it should hold {:?} records and holds {:?}",
                proof.records, counted.records
            )));
        }
        Some(proof) if proof.digest != counted.digest => {
            return Err(folder.damaged("some records are older than others"));
        }
        Some(_) => {}
    }
    Ok(proof)
}

/// Visits the sealed records in key order.
///
/// One in so many, `looked_up`, is looked up once more: each of them shows that the index is sound, and a
/// few are enough for the sake of memory. sled lets go of pages over its limit only when 64
/// uses of pages have gathered in one of 256 groups, and a plain scan uses each page once: the
/// whole store of 50,000 people would stay in memory (86 MB, with the look-ups 32 MB).
pub(super) fn walk(
    folder: &Folder,
    db: &sled::Db,
    prefix: &[u8],
    looked_up: usize,
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    for (at, record) in db.scan_prefix(prefix).enumerate() {
        let (key, sealed) = record.map_err(|error| translate(folder, error))?;
        if at % looked_up == 0 {
            let again = db.get(&key).map_err(|error| translate(folder, error))?;
            if again.as_ref() != Some(&sealed) {
                return Err(folder.damaged(&format!("the index of key {} is damaged", hex(&key))));
            }
        }
        visit(&key, &sealed)?;
    }
    Ok(())
}

/// Compares a store that is sound in itself with its witness. Level or ahead is fine; anything else is
/// a doubt, in words. A witness of another installation is damage: nobody can say which of the two
/// belongs here, and links to another platform would be worse than none.
pub(super) fn compare(
    folder: &Folder,
    stored: &Proof,
    witness: &Proof,
) -> Result<Option<String>, StoreError> {
    if stored.install_id != witness.install_id {
        return Err(folder.damaged("the witness beside it is that of another installation"));
    }
    if stored.generation < witness.generation {
        return Ok(Some(format!(
            "the store is at generation {} and was at {}{}: it has gone back in time",
            stored.generation,
            witness.generation,
            witness.in_words()
        )));
    }
    if stored.generation == witness.generation && stored != witness {
        return Ok(Some("the store holds other records than the witness says".to_owned()));
    }
    Ok(None)
}
