//! Read your writes: what a PUT sends is a resource as it was just read, and reads may come from a copy that is
//! behind. Whatever was written within the last minute is put over what is read, or the PUT would undo it.
//!
//! What a process wrote that has ended is not known here. Of a group the ledger says who is in it, and
//! [`Writer`](super::Writer) puts back who is missing. A value or a removal that such a PUT undoes is found by the
//! next complete comparison.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value};

use super::address::Collection;
use super::dialect::{ClearValue, Dialect, MemberRemove, UpdateMethod};
use super::merge;
use crate::core::model::{AttrPath, Attributes, Datum, ScimId};

/// Copies are taken to be behind by no more than this.
const BEHIND_MAX: Duration = Duration::from_secs(60);

/// What was written to one target lately, for as long as the process runs: a configuration that is loaded anew
/// changes the writer, and copies stay behind.
#[derive(Debug, Default)]
pub struct RecentWrites {
    wrote: Mutex<BTreeMap<(Collection, ScimId), Wrote>>,
}

/// What was written to one resource.
#[derive(Debug, Default)]
struct Wrote {
    at: Duration,
    values: BTreeMap<AttrPath, (Datum, ClearValue)>,
    /// Whether each was put into the group, or taken out.
    members: BTreeMap<ScimId, bool>,
}

impl RecentWrites {
    /// These values were written.
    fn note_values<'a>(
        &self,
        resource: (Collection, &ScimId),
        elapsed: Duration,
        values: impl Iterator<Item = (&'a AttrPath, &'a Datum, ClearValue)>,
    ) {
        let values = values.map(|(path, value, clear)| (path.clone(), (value.clone(), clear)));
        self.note(resource, elapsed, |wrote| wrote.values.extend(values));
    }

    /// These members were put into a group, or taken out.
    fn note_members(&self, id: &ScimId, elapsed: Duration, members: &[ScimId], are_in: bool) {
        let members = members.iter().map(|member| (member.clone(), are_in));
        self.note((Collection::Groups, id), elapsed, |wrote| wrote.members.extend(members));
    }

    fn note(
        &self,
        (kind, id): (Collection, &ScimId),
        elapsed: Duration,
        add: impl FnOnce(&mut Wrote),
    ) {
        let mut all = self.lock();
        all.retain(|_, wrote| !is_old(wrote, elapsed));
        let wrote = all.entry((kind, id.clone())).or_default();
        wrote.at = elapsed;
        add(wrote);
    }

    /// Puts what was written lately over what was read; whether that was something else.
    pub(super) fn put_over(
        &self,
        (kind, id): (Collection, &ScimId),
        elapsed: Duration,
        found: &mut Map<String, Value>,
    ) -> bool {
        let all = self.lock();
        let wrote = all.get(&(kind, id.clone())).filter(|wrote| !is_old(wrote, elapsed));
        let Some(wrote) = wrote else { return false };
        let read = found.clone();
        for (path, (value, clear)) in &wrote.values {
            merge::set(found, path, value, *clear);
        }
        let named = |are_in: bool| -> Vec<ScimId> {
            let members = wrote.members.iter().filter(|(_, is_in)| **is_in == are_in);
            members.map(|(id, _)| id.clone()).collect()
        };
        if !wrote.members.is_empty() {
            merge::remove_members(found, &named(false), &[]);
            merge::add_members(found, &named(true), &[]);
        }
        *found != read
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(Collection, ScimId), Wrote>> {
        self.wrote.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the dialect sends any PUT: nothing is kept otherwise.
fn puts(dialect: &Dialect) -> bool {
    dialect.update_method == UpdateMethod::PutMerge
        || dialect.member_remove == MemberRemove::PutMerge
}

fn is_old(wrote: &Wrote, elapsed: Duration) -> bool {
    elapsed.saturating_sub(wrote.at) > BEHIND_MAX
}

impl super::client::Client {
    /// Values were written by a change of a resource.
    pub(super) fn note_values(
        &self,
        resource: (Collection, &ScimId),
        (held, changes): (&Attributes, &Attributes),
    ) {
        if !puts(&self.options.dialect) {
            return;
        }
        let clear = self.options.dialect.clear_value;
        let values = changes
            .iter()
            .map(|(path, value)| (path, value, super::patch::clear_of(path, held, clear)));
        self.recent.note_values(resource, self.clock.elapsed(), values);
    }

    /// These members were put into a group, or taken out.
    pub(super) fn note_members(&self, id: &ScimId, members: &[ScimId], are_in: bool) {
        if puts(&self.options.dialect) {
            self.recent.note_members(id, self.clock.elapsed(), members, are_in);
        }
    }
}
