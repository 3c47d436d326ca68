//! Reads `[targets.NAME]` with its scope.

use std::collections::BTreeSet;

use url::Url;

use super::reading::{Entry, Reading, Table, Wrong};
use super::{Target, account, budget, dialect, groups};
use crate::core::expression::{Expression, Subject};
use crate::core::model::ObjectId;
use crate::core::policy::{Adopt, Policy};
use crate::scim::dialect::Dialect;

/// Everybody who may sign in, but guests.
const PEOPLE: &str = "person.accountEnabled and person.userType != \"Guest\"";

/// The fastest pace that can be asked for: as good as none.
const REQUESTS_PER_SECOND_MAX: f64 = 10_000.0;

const REQUESTS_PER_SECOND: f64 = 10.0;
const CONCURRENCY: u32 = 8;

pub(super) fn read(mut table: Table, reading: &mut Reading<'_>) -> Option<Target> {
    let expected = "the base of the SCIM API, as \"https://platform.example.no/scim/v2\"";
    let url = table.required("url", expected, reading, base);
    let preset = table.optional("preset", reading, |entry| entry.choice(&[("generic", ())]));
    let expected = "the file that holds the bearer token";
    let token_file = table
        .required("token_file", expected, reading, |entry| Ok(entry.filled()?.to_owned()))
        .map(|file| reading.secret_file(&file));
    let token_expires = table.optional("token_expires", reading, Entry::date);
    let requests_per_second = table
        .optional("requests_per_second", reading, |entry| entry.positive(REQUESTS_PER_SECOND_MAX))
        .unwrap_or(REQUESTS_PER_SECOND);
    let concurrency = table
        .optional("concurrency", reading, |entry| entry.whole(&(1..=64)))
        .unwrap_or(CONCURRENCY);
    let adopt = table.optional("adopt", reading, |entry| {
        let choices =
            [("never", Adopt::Never), ("approve", Adopt::Approve), ("automatic", Adopt::Automatic)];
        entry.choice(&choices)
    });
    let never = table.take("never").map_or_else(BTreeSet::new, |entry| never(&entry, reading));
    // The one preset there is has the defaults.
    let () = preset.unwrap_or_default();
    let dialect = table
        .table("dialect", reading)
        .map_or_else(Dialect::default, |table| dialect::read(table, Dialect::default(), reading));
    let scope = table.table("scope", reading).and_then(|table| scope(table, reading));
    let account = table.table("account", reading).and_then(|table| account::read(table, reading));
    let groups = table.take("groups").map_or_else(Vec::new, |entry| groups::read(&entry, reading));
    let budgets = table.table("budget", reading).map(|table| budget::read(table, reading));
    table.finish(reading);
    let (people, people_of) = scope?;
    let account::Mapping { expressions, written } = account?;
    Some(Target {
        url: url?,
        token_file: token_file?,
        token_expires,
        requests_per_second,
        concurrency: usize::try_from(concurrency).ok()?,
        dialect,
        written,
        policy: Policy {
            people,
            people_of,
            account: expressions,
            groups,
            budgets: budgets?,
            adopt: adopt.unwrap_or_default(),
            never,
            own_account: None,
        },
    })
}

/// Accounts that are never touched: login names, or ids on the target.
fn never(entry: &Entry, reading: &mut Reading<'_>) -> BTreeSet<String> {
    const EXPECTED: &str = "expected a list of login names or of ids on the platform";
    let mut names = BTreeSet::new();
    let Some(items) = entry.node.items() else {
        reading.refuse(&entry.node.place, &entry.key, EXPECTED);
        return names;
    };
    for (at, node) in items.into_iter().enumerate() {
        let item = Entry { key: format!("{}[{at}]", entry.key), name: entry.name.clone(), node };
        match item.filled() {
            Ok(name) => drop(names.insert(name.to_lowercase())),
            Err(wrong) => reading.refuse(&item.node.place, &item.key, wrong),
        }
    }
    names
}

fn base(entry: &Entry) -> Result<Url, Wrong> {
    let mut url = entry.url()?;
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

fn scope(
    mut table: Table,
    reading: &mut Reading<'_>,
) -> Option<(Expression, Option<BTreeSet<ObjectId>>)> {
    let people = table.optional("people", reading, |entry| entry.filter(Subject::Person));
    let people = match people {
        Some(people) => Some(people),
        None => Expression::parse(PEOPLE, Subject::Person).ok(),
    };
    let groups = table.take("groups").map(|entry| people_of(&entry, reading));
    table.finish(reading);
    Some((people?, groups))
}

fn people_of(entry: &Entry, reading: &mut Reading<'_>) -> BTreeSet<ObjectId> {
    const EXPECTED: &str = "expected a list of object ids of groups";
    let mut ids = BTreeSet::new();
    let Some(items) = entry.node.items() else {
        reading.refuse(&entry.node.place, &entry.key, EXPECTED);
        return ids;
    };
    if items.is_empty() {
        let message = "is empty, so that nobody would be in scope; leave the key out instead";
        reading.refuse(&entry.node.place, &entry.key, message);
    }
    for (at, node) in items.into_iter().enumerate() {
        let item = Entry { key: format!("{}[{at}]", entry.key), name: entry.name.clone(), node };
        match item.guid() {
            Ok(id) if ids.insert(id) => {}
            Ok(_) => reading.refuse(&item.node.place, &item.key, "is there twice"),
            Err(wrong) => reading.refuse(&item.node.place, &item.key, wrong),
        }
    }
    ids
}
