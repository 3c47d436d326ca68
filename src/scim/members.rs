//! Who is in a group, as a target tells it. Some show members only when they are asked for by name
//! (RFC 7643 §2.4, `returned: request`), some never, some no more than a first hundred.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Map, Value};

use super::address::{self, Collection};
use super::client::{Call, Client};
use super::dialect::MembersRead;
use super::pace::Permit;
use super::resource::members;
use super::{GroupResource, Reader, ScimError, lenient};
use crate::core::model::ScimId;

/// The members of ours in a group that is read and put back, but for those whom the change is about.
#[derive(Debug, Clone, Default)]
pub struct OtherMembers {
    /// Those whom the target should show.
    pub shown: Vec<ScimId>,
    /// Those who stay in the group also where the target does not show them: their accounts are active, and no
    /// change takes them out.
    pub stay: Vec<ScimId>,
}

/// How members turned out to be shown, for as long as the process runs.
#[derive(Debug, Default)]
pub(super) struct Learned {
    /// A plain read has shown some.
    plain: AtomicBool,
    /// Only a read that names them has.
    named: AtomicBool,
}

impl Reader {
    /// The group with this id and its members, read as `members_read` says; `None` when the target does
    /// not have it. Where a plain read shows nobody, a second one names the attribute.
    pub async fn group_with_members(
        &self,
        permit: Permit,
        id: &ScimId,
    ) -> Result<Option<GroupResource>, ScimError> {
        let (_, group) = self.0.group(permit, id).await?;
        Ok(group.and_then(GroupResource::read))
    }

    /// The same before a change of the group, with the right to send that.
    pub async fn group_before(
        &self,
        permit: Permit,
        id: &ScimId,
    ) -> Result<(Permit, Option<GroupResource>), ScimError> {
        let (permit, group) = self.0.group(permit, id).await?;
        Ok((permit.again().await, group.and_then(GroupResource::read)))
    }

    /// Whether members are shown only where they are asked for by name.
    pub(super) fn names_members(&self) -> bool {
        match self.0.options.dialect.members_read {
            MembersRead::Attributes => true,
            MembersRead::Auto => self.0.members.named.load(Ordering::Relaxed),
            MembersRead::Plain | MembersRead::Never => false,
        }
    }
}

impl Client {
    /// GETs a group with its members. The permit comes back for whoever has to write then.
    pub(super) async fn group(
        &self,
        permit: Permit,
        id: &ScimId,
    ) -> Result<(Permit, Option<Value>), ScimError> {
        let plain = self.resource(&permit, Collection::Groups, id).await?;
        let Some(Value::Object(mut group)) = plain else { return Ok((permit, plain)) };
        let shows = shows_members(&group);
        let asks = match self.options.dialect.members_read {
            MembersRead::Plain => false,
            MembersRead::Attributes => true,
            MembersRead::Auto => !shows && !self.members.plain.load(Ordering::Relaxed),
            MembersRead::Never => {
                group.remove(&lenient::key_of(&group, "members"));
                false
            }
        };
        if shows {
            self.members.plain.store(true, Ordering::Relaxed);
        }
        if !asks {
            return Ok((permit, Some(Value::Object(group))));
        }
        let permit = permit.again().await;
        let mut url = address::resource(&self.options.url, Collection::Groups, id)?;
        url.set_query(Some("attributes=members"));
        // A target that cannot be asked so has told all that it tells.
        let is_certain = self.options.dialect.members_read == MembersRead::Attributes
            || self.members.named.load(Ordering::Relaxed);
        let named = match self.send(&permit, Call::get(url)).await {
            Ok(named) => named.map(|answer| answer.json),
            Err(error) if is_certain => return Err(error),
            Err(_) => None,
        };
        if let Some(Value::Object(mut named)) = named
            && let Some(found) = named.remove(&lenient::key_of(&named, "members"))
        {
            if !members(&found).is_empty() {
                self.members.named.store(true, Ordering::Relaxed);
            }
            group.insert(lenient::key_of(&group, "members"), found);
        }
        Ok((permit, Some(Value::Object(group))))
    }
}

fn shows_members(group: &Map<String, Value>) -> bool {
    let found = group.get(&lenient::key_of(group, "members"));
    found.is_some_and(|found| !members(found).is_empty())
}

/// Whether a list names the account by this id: exactly, or in another letter case, unless that is exactly
/// another account of ours.
pub(super) fn is_meant(listed: &ScimId, id: &ScimId, others: &[ScimId]) -> bool {
    listed == id
        || (listed.as_str().to_lowercase() == id.as_str().to_lowercase()
            && !others.contains(listed))
}

/// Those whom a list does not show: exactly, or in another letter case where one alone fits.
pub(super) fn missing_in<'a>(ids: &'a [ScimId], shown: &BTreeSet<ScimId>) -> Vec<&'a ScimId> {
    let mut missing: Vec<_> = ids.iter().filter(|id| !shown.contains(*id)).collect();
    let mut folded: BTreeMap<String, u32> = BTreeMap::new();
    if !missing.is_empty() {
        let exact: BTreeSet<&ScimId> = ids.iter().collect();
        for id in shown.iter().filter(|id| !exact.contains(id)) {
            *folded.entry(id.as_str().to_lowercase()).or_default() += 1;
        }
    }
    missing.retain(|id| folded.get(&id.as_str().to_lowercase()) != Some(&1));
    missing
}

/// Whether a list of this length looks as if the target had cut it: as long as a page.
pub fn looks_cut(length: usize) -> bool {
    /// Pages are made of so many.
    const PAGE: usize = 50;
    length > 0 && length.is_multiple_of(PAGE)
}
