//! What is compared when the store is opened: the records with the store's own proof, and that with the
//! witness.

use super::folder::{Folder, io_at};
use super::witness::{FORMAT, PROOF_KEY, Proof, Unreadable};
use super::{bad_record, envelope, translate};
use crate::store::{StoreError, hex};

/// The witness, if there is one.
pub(super) fn read_witness(folder: &Folder) -> Result<Option<Proof>, StoreError> {
    match std::fs::read(&folder.witness) {
        Ok(text) => Ok(Some(parse(folder, "the witness", &text)?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_at(&folder.witness)(error)),
    }
}

fn parse(folder: &Folder, what: &str, text: &[u8]) -> Result<Proof, StoreError> {
    Proof::parse(text).map_err(|unreadable| match unreadable {
        Unreadable::Newer(found) => {
            StoreError::Newer { folder: folder.text(), found, known: FORMAT }
        }
        Unreadable::Broken(why) => folder.damaged(&format!("{what} cannot be read ({why})")),
    })
}

/// Reads every record and compares what is there with the store's own proof; `None` when the store
/// is empty.
pub(super) fn verify(folder: &Folder, db: &sled::Db) -> Result<Option<Proof>, StoreError> {
    let mut counted = Proof::of_nothing(String::new());
    let mut proof = None;
    walk(folder, db, b"", |key, sealed| {
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
/// Each is looked up once more, for the sake of memory. sled lets go of pages over its limit only when 64
/// uses of pages have gathered in one of 256 groups, and a plain scan uses each page once: the
/// whole store of 50,000 people would stay in memory (86 MB, with the look-ups 32 MB).
pub(super) fn walk(
    folder: &Folder,
    db: &sled::Db,
    prefix: &[u8],
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    for record in db.scan_prefix(prefix) {
        let (key, sealed) = record.map_err(|error| translate(folder, error))?;
        let again = db.get(&key).map_err(|error| translate(folder, error))?;
        if again.as_ref() != Some(&sealed) {
            return Err(folder.damaged(&format!("the index of key {} is damaged", hex(&key))));
        }
        visit(&key, &sealed)?;
    }
    Ok(())
}

/// Accepts a store that is level with its witness or ahead of it.
pub(super) fn compare(
    folder: &Folder,
    stored: Proof,
    witness: &Proof,
) -> Result<Proof, StoreError> {
    if stored.install_id != witness.install_id {
        return Err(folder.damaged("the witness beside it is that of another installation"));
    }
    if stored.generation < witness.generation {
        return Err(folder.damaged(&format!(
            "it is at generation {} and was at {}: it has gone back in time",
            stored.generation, witness.generation
        )));
    }
    if stored.generation == witness.generation && stored != *witness {
        return Err(folder.damaged("it holds other records than the witness says"));
    }
    Ok(stored)
}
