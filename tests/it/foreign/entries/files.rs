//! What lies in files that others may have written or damaged: configurations and the expressions in them,
//! saved plans, backups, certificates and the records of the store.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;

use manntall::audit::Stored;
use manntall::config;
use manntall::core::expression::{Evaluated, Expression, Input, Subject};
use manntall::core::model::{AccountEntry, Datum, Escrow, Properties, SourceUser, Timestamp};
use manntall::cycle::records::{Key, Pause, Proof, Recovery, TargetRecord, decode, encode};
use manntall::cycle::state::State;
use manntall::graph::delta::Walk;
use manntall::store::memory::MemoryStore;
use manntall::store::{Batch, Store, StoreError, backup as backups};
use manntall::transport::certificate as certificates;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A configuration file: every error has its place in it, and what is accepted is accepted again.
pub(crate) fn configuration(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let parse = || config::parse(text.to_owned(), Path::new("/x/manntall.toml"), &BTreeMap::new());
    let errors = match parse() {
        Ok(config) => {
            assert_eq!(config::digest(&config), config::digest(&parse().expect("the same")));
            assert!(config.user_properties().contains("accountEnabled"));
            for (_, file) in config.secret_files() {
                assert!(file.is_absolute(), "{}", file.display());
            }
            return;
        }
        Err(errors) => errors,
    };
    assert!(!errors.errors().is_empty());
    for error in errors.errors() {
        let place = (error.line, error.column);
        // Where a line ends is a place as well, and so is the end of the file.
        let line = text.split('\n').nth(error.line.saturating_sub(1));
        let columns = line.map(|line| line.chars().count() + 1);
        let is_inside = columns.is_some_and(|columns| (1..=columns).contains(&error.column));
        assert!(place == (0, 0) || error.line > 0 && is_inside, "{error:?}");
        assert!(!error.message.is_empty());
    }
    let shown = errors.to_string();
    assert!(!shown.contains(acts), "{shown:?}");
    // Of thousands only the first ones are shown.
    for error in errors.errors().iter().take(20).filter(|error| error.line > 0) {
        // What is not shown is marked where it begins.
        let column = if shown.contains('…') { String::new() } else { error.column.to_string() };
        assert!(shown.contains(&format!(":{}:{column}", error.line)), "{shown}");
    }
    assert!(errors.coloured().len() >= shown.len());
}

/// An expression: errors have their place in it, and no result depends on what is unknown.
pub(crate) fn expression(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for subject in [Subject::Person, Subject::Group, Subject::Key] {
        let expression = match Expression::parse(text, subject) {
            Ok(expression) => expression,
            Err(error) => {
                assert!(text.get(error.at.clone()).is_some(), "{error:?}");
                continue;
            }
        };
        assert_eq!(expression.text(), text);
        let again = Expression::parse(expression.text(), subject).expect("the same");
        assert_eq!(again.reads(), expression.reads());
        let _ = expression.may_select();
        if subject == Subject::Key {
            let _ = expression.evaluate(Input::Key("Vann og avløp"));
            continue;
        }
        let evaluate = |properties: &Properties| {
            expression.evaluate(Input::Properties(&Arc::new(properties.clone())))
        };
        let nothing = evaluate(&Properties::new());
        for other in [0, 1] {
            let whole: Properties =
                expression.reads().iter().map(|name| (name.clone(), value(name, other))).collect();
            let result = evaluate(&whole);
            if let Evaluated::Unknown(_) = result {
                // A part was asked of what has none here: that shape is not Graph's.
                continue;
            }
            assert_eq!(evaluate(&whole), result, "the same says the same");
            if let Evaluated::Known(_) = nothing {
                assert_eq!(nothing, result, "{text:?} guesses what is unknown");
            }
            for hidden in expression.reads() {
                let mut seen = whole.clone();
                seen.remove(hidden.as_str());
                match evaluate(&seen) {
                    Evaluated::Unknown(names) => assert!(names.contains(hidden)),
                    told => assert_eq!(told, result, "{text:?} guesses {hidden}"),
                }
            }
        }
    }
}

/// A value as Graph might tell it of this property; another one for each `other`.
fn value(name: &str, other: usize) -> Datum {
    let list = |items: &[&str]| Datum::List(items.iter().map(|item| Datum::from(*item)).collect());
    match name {
        "accountEnabled" => Datum::Bool(other == 0),
        "businessPhones" | "otherMails" | "proxyAddresses" | "imAddresses" | "groupTypes" => {
            [list(&["+47 22 00 00 01", "b"]), list(&[])][other].clone()
        }
        "employeeOrgData" | "onPremisesExtensionAttributes" => {
            let parts = [("division", "Nord"), ("extensionAttribute1", "x")];
            let map = parts.map(|(name, part)| (name.to_owned(), Datum::from(part)));
            [Datum::Map(map.into()), Datum::Null][other].clone()
        }
        _ => [Datum::from("Kari Nordmann"), Datum::Null][other].clone(),
    }
}

/// A saved plan: whatever it holds, what is shown of it does nothing but stand there, also where it is
/// refused.
pub(crate) fn saved_plan(bytes: &[u8]) {
    let shown = match manntall::cli::words_of_saved_plan(bytes) {
        Ok(shown) => shown,
        Err(why) => return assert!(!why.contains('\u{1b}') && !why.contains(acts), "{why:?}"),
    };
    // Our own colours begin with an escape and end with `m`.
    let mut parts = shown.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (style, text) = part.split_once('m').expect("a style");
        assert!(style.bytes().all(|byte| byte.is_ascii_digit() || byte == b';'), "{style:?}");
        plain.push_str(text);
    }
    assert!(!plain.contains(acts), "{plain:?}");
}

/// What moves the cursor, or turns the direction of a line.
fn acts(c: char) -> bool {
    c.is_control() && c != '\n' || ('\u{202a}'..='\u{202e}').contains(&c) || c == '\u{200f}'
}

/// A backup: what is accepted is a whole backup to the letter, and comes back as it was put in.
pub(crate) fn backup(bytes: &[u8]) {
    let read = |bytes: &[u8]| backups::read(bytes, Path::new("/x/backup"));
    let backup = match read(bytes) {
        Ok(backup) => backup,
        Err(error) => return assert!(!error.to_string().contains(acts), "{error:?}"),
    };
    let lines = bytes.split(|&byte| byte == b'\n').count() - 1;
    assert!((1..=2).contains(&lines.saturating_sub(backup.len())));
    // One byte of what the checksum covers, and it is no backup any more.
    let covered = bytes.iter().rposition(|&byte| byte == b'}').expect("an end") - 1;
    let end = bytes[..covered].iter().rposition(|&byte| byte == b'\n').expect("a line");
    for at in [0, end / 2, end - 1] {
        let mut spoilt = bytes.to_vec();
        spoilt[at] ^= 1;
        assert!(read(&spoilt).is_err(), "byte {at}");
    }
    let (header, store) = (backup.header.clone(), MemoryStore::new());
    if backup.restore(&store).is_ok() {
        let mut written = Vec::new();
        backups::write(&store, &header, &mut written).expect("memory");
        let (again, other) = (read(&written).expect("whole"), MemoryStore::new());
        again.restore(&other).expect("what was taken once");
        assert_eq!(store.digest(), other.digest());
    }
}

/// Certificates in PEM: as many ends as certificates.
pub(crate) fn certificate(bytes: &[u8]) {
    if let Ok(ends) = certificates::ends(bytes) {
        const BEGIN: &[u8] = b"-----BEGIN";
        let begun = bytes.windows(BEGIN.len()).filter(|window| *window == BEGIN).count();
        assert!(!ends.is_empty() && ends.len() <= begun);
    }
}

/// The keys of records; the first byte of the input chooses one.
pub(crate) const KEYS: [&[u8]; 16] = [
    b"walk/\0\x05asker\0",
    b"user/\x01\x05asker1111111111111111",
    b"group/\x02\x05asker1111111111111111",
    b"edges/\x03\x05asker1111111111111111\0",
    b"account/\x05\x05asker1111111111111111",
    b"target-group/\x06\x01\x01x\x01y",
    b"members/\x07\x01\x01x\x01y\0",
    b"escrow/\x08\0\x05asker1111111111111111",
    b"doubt/\x09\0\x05asker1111111111111111",
    b"target/\x0a",
    b"held/\x0b\0",
    b"approval/\x0c\0",
    b"journal/\0\0\0\0\0\0\0\0",
    b"report/\x12",
    b"rules/\x16",
    b"",
];

/// The state that holds the one record that the input is; `None` where the store takes no such record.
fn state(bytes: &[u8]) -> Option<Result<State, StoreError>> {
    let (choice, value) = bytes.split_first().unwrap_or((&0, bytes));
    let key = match KEYS.get(usize::from(*choice) % KEYS.len()) {
        Some(key) if !key.is_empty() => key.to_vec(),
        // A key of any bytes.
        _ => value.iter().copied().take(20).collect(),
    };
    // Staged elements and the journal are not read back from their keys.
    let is_read = |key: &Key| !matches!(key, Key::Staged(..) | Key::Journal(_));
    if let Some(key) = Key::parse(&key).filter(is_read) {
        assert_eq!(Key::parse(&key.bytes()).as_ref(), Some(&key));
    }
    let store = MemoryStore::new();
    store.commit(Batch { records: vec![(key, Some(value.to_vec()))] }).ok()?;
    Some(State::load(Arc::new(store), Timestamp(0)))
}

/// Whether the input is a record that a state is loaded from.
pub(crate) fn is_whole_record(bytes: &[u8]) -> bool {
    state(bytes).is_some_and(|state| state.is_ok())
}

/// A record of the store: what is not one is damage, and what is one comes back as it was.
pub(crate) fn store_record(bytes: &[u8]) {
    comes_back(bytes.get(1..).unwrap_or_default());
    match state(bytes) {
        Some(Ok(state)) => assert!(state.journal().is_ok()),
        Some(Err(error)) => assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}"),
        None => {}
    }
}

/// What is read as a record of some kind is the same after it was written and read again.
fn comes_back(bytes: &[u8]) {
    fn one<T: Serialize + DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) {
        if let Some(value) = decode::<T>(bytes) {
            assert_eq!(decode::<T>(&encode(&value)), Some(value));
        }
    }
    one::<Walk>(bytes);
    one::<SourceUser>(bytes);
    one::<AccountEntry>(bytes);
    one::<Escrow>(bytes);
    one::<TargetRecord>(bytes);
    one::<Proof>(bytes);
    one::<Pause>(bytes);
    one::<Recovery>(bytes);
    one::<Stored>(bytes);
}
