//! Changing what a target holds. A dry run never builds a [`Writer`].

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::address::{self, Collection};
use super::body;
use super::client::{Answer, Call, Client};
use super::dialect::{MemberRemove, MembersRead, UpdateMethod};
use super::members::{OtherMembers, looks_cut, missing_in};
use super::merge;
use super::pace::Permit;
use super::patch;
use super::recent::RecentWrites;
use super::resource::members;
use super::{About, GroupResource, ScimError, ScimOptions, UserResource, lenient};
use crate::clock::Clock;
use crate::core::model::{AttrPath, Attributes, Datum, ScimId, Timestamp};
use crate::transport::{Method, SharedTransport};

/// Writes to one target.
#[derive(Clone)]
pub struct Writer(Arc<Client>);

impl Writer {
    /// A writer to the target described by `options`, to which `recent` was written lately.
    pub fn new(
        options: ScimOptions,
        transport: SharedTransport,
        clock: Arc<dyn Clock>,
        recent: Arc<RecentWrites>,
    ) -> Self {
        Self(Arc::new(Client::new(options, transport, clock, recent)))
    }

    /// Creates a user.
    pub async fn create_user(
        &self,
        permit: Permit,
        attributes: &Attributes,
    ) -> Result<UserResource, ScimError> {
        let url = address::collection(&self.0.options.url, Collection::Users, &[]);
        let call = Call::create(url, body::user(attributes)).writes(attributes.keys());
        let answer = self.create(&permit, Collection::Users, call).await?;
        let was_there = was_there(&answer);
        created(answer, UserResource::read).map(|user| UserResource { was_there, ..user })
    }

    /// Creates a group. Whether it may have `members` from the start, the dialect says, and the
    /// caller obeys.
    pub async fn create_group(
        &self,
        permit: Permit,
        external_id: &str,
        display_name: &str,
        members: &[ScimId],
    ) -> Result<GroupResource, ScimError> {
        let url = address::collection(&self.0.options.url, Collection::Groups, &[]);
        let call = Call::create(url, body::group(external_id, display_name, members));
        let answer = self.create(&permit, Collection::Groups, call).await?;
        let was_there = was_there(&answer);
        created(answer, GroupResource::read).map(|group| GroupResource { was_there, ..group })
    }

    /// Makes what differs between `held` (all that the target is believed to hold) and `wanted` as
    /// wanted; other paths stay as they are. `None` when the target did not show the result, or when
    /// nothing differed and nothing was sent.
    pub async fn update_user(
        &self,
        permit: Permit,
        id: &ScimId,
        held: &Attributes,
        wanted: &Attributes,
    ) -> Result<Option<UserResource>, ScimError> {
        let answer = self
            .update(permit, (Collection::Users, id), (held, wanted), &OtherMembers::default())
            .await?;
        Ok(answer.and_then(UserResource::read))
    }

    /// Changes the attributes of a group, as [`Writer::update_user`] does; never its members, which are
    /// believed to be `members`.
    pub async fn update_group(
        &self,
        permit: Permit,
        id: &ScimId,
        (held, wanted): (&Attributes, &Attributes),
        members: &OtherMembers,
    ) -> Result<Option<GroupResource>, ScimError> {
        let of = (Collection::Groups, id);
        let answer = self.update(permit, of, (held, wanted), members).await?;
        Ok(answer.and_then(GroupResource::read))
    }

    /// Puts members into a group; nothing is sent for nobody. `others` should be members already; see
    /// `put_group`. `None` when the target did not show the result.
    pub async fn add_members(
        &self,
        permit: Permit,
        id: &ScimId,
        members: &[ScimId],
        others: &OtherMembers,
    ) -> Result<Option<GroupResource>, ScimError> {
        if members.is_empty() {
            return Ok(None);
        }
        // A server may take attributes by PUT and members by PATCH alone, and ignore those in a PUT.
        let answer = match self.0.options.dialect.member_remove {
            MemberRemove::ValueFilter | MemberRemove::ValueArray => {
                let operations = patch::add_members(members);
                self.patch(permit, Collection::Groups, id, operations).await?
            }
            MemberRemove::PutMerge => {
                let edit = |group: &mut Map<String, Value>| {
                    merge::add_members(group, members, &others.shown);
                };
                self.put_group(permit, id, others, (edit, Vec::new())).await?
            }
        };
        self.0.note_members(id, members, true);
        Ok(answer.and_then(GroupResource::read))
    }

    /// Takes members out of a group, in the form that the dialect names and no other; nothing is sent
    /// for nobody. `others` should stay. `None` when the target did not show the result.
    pub async fn remove_members(
        &self,
        permit: Permit,
        id: &ScimId,
        members: &[ScimId],
        others: &OtherMembers,
    ) -> Result<Option<GroupResource>, ScimError> {
        if members.is_empty() {
            return Ok(None);
        }
        let answer = match self.0.options.dialect.member_remove {
            MemberRemove::ValueFilter => {
                let operations = patch::remove_members_by_filter(members);
                self.patch(permit, Collection::Groups, id, operations).await?
            }
            MemberRemove::ValueArray => {
                let operations = patch::remove_members_by_value(members);
                self.patch(permit, Collection::Groups, id, operations).await?
            }
            MemberRemove::PutMerge => {
                let edit = |group: &mut Map<String, Value>| {
                    merge::remove_members(group, members, &others.shown);
                };
                self.put_group(permit, id, others, (edit, Vec::new())).await?
            }
        };
        self.0.note_members(id, members, false);
        Ok(answer.and_then(GroupResource::read))
    }

    /// Deletes a group. A 404 is [`ScimError::Gone`], as for any change: whether the group is gone, or
    /// something in between has lost its way, this answer does not say.
    pub async fn delete_group(&self, permit: Permit, id: &ScimId) -> Result<(), ScimError> {
        let url = address::resource(&self.0.options.url, Collection::Groups, id)?;
        let call = Call::change(Method::Delete, url);
        let answer = self.0.change(permit, (Collection::Groups, id), call).await?;
        answer.map(|_| ()).ok_or(ScimError::Gone)
    }

    async fn create(
        &self,
        permit: &Permit,
        kind: Collection,
        call: Call,
    ) -> Result<Answer, ScimError> {
        let answer = self.0.send(permit, call).await?;
        answer.ok_or_else(|| kind.missing(&self.0.options.url))
    }

    async fn update(
        &self,
        permit: Permit,
        (kind, id): (Collection, &ScimId),
        (held, wanted): (&Attributes, &Attributes),
        members: &OtherMembers,
    ) -> Result<Option<Value>, ScimError> {
        let changes = patch::differing(held, wanted);
        if changes.is_empty() {
            return Ok(None);
        }
        let clear = self.0.options.dialect.clear_value;
        let answer = match self.0.options.dialect.update_method {
            UpdateMethod::Patch => {
                let operations = patch::operations(held, &changes, clear);
                let before = held.values().filter_map(Datum::as_text).map(str::to_owned);
                let url = address::resource(&self.0.options.url, kind, id)?;
                let call = Call::change(Method::Patch, url).body(patch::request(&operations));
                let call = call.private(before).writes(changes.keys());
                shown(self.0.change(permit, (kind, id), call).await?, id)?
            }
            UpdateMethod::PutMerge => {
                let edit = |resource: &mut Map<String, Value>| {
                    for (path, value) in &changes {
                        merge::set(resource, path, value, patch::clear_of(path, held, clear));
                    }
                };
                let edit = (edit, changes.keys().cloned().collect());
                match kind {
                    Collection::Users => self.put_user(permit, id, edit).await?,
                    Collection::Groups => self.put_group(permit, id, members, edit).await?,
                }
            }
        };
        self.0.note_values((kind, id), (held, &changes));
        Ok(answer)
    }

    async fn patch(
        &self,
        permit: Permit,
        kind: Collection,
        id: &ScimId,
        operations: Vec<Value>,
    ) -> Result<Option<Value>, ScimError> {
        let url = address::resource(&self.0.options.url, kind, id)?;
        let call = Call::change(Method::Patch, url).body(patch::request(&operations));
        shown(self.0.change(permit, (kind, id), call).await?, id)
    }

    /// Two requests: GET, and PUT of the same account with `edit` made to it, and what was written lately. Without
    /// a difference there is no PUT.
    async fn put_user(
        &self,
        permit: Permit,
        id: &ScimId,
        edit: (impl FnOnce(&mut Map<String, Value>), Vec<AttrPath>),
    ) -> Result<Option<Value>, ScimError> {
        let found = self.0.resource(&permit, Collection::Users, id).await?;
        let (found, is_behind) = self.up_to_date(Collection::Users, id, found)?;
        self.put(permit, Collection::Users, id, (found, is_behind), edit).await
    }

    /// The same of a group, whatever is changed in it: whom the PUT leaves out is taken out. So a list that lacks
    /// most of those whom it should show, or is as long as a page and is not known to be whole, is not put back. A
    /// few who stay and are not shown are put back with it, once each of their accounts has been read: some servers
    /// refuse a list with an account that is gone.
    async fn put_group(
        &self,
        permit: Permit,
        id: &ScimId,
        others: &OtherMembers,
        edit: (impl FnOnce(&mut Map<String, Value>), Vec<AttrPath>),
    ) -> Result<Option<Value>, ScimError> {
        if self.0.options.dialect.members_read == MembersRead::Never {
            return Err(not_whole("members_read = \"never\" says that members are not shown"));
        }
        let (mut permit, found) = self.0.group(permit, id).await?;
        let (found, is_behind) = self.up_to_date(Collection::Groups, id, found)?;
        let shown = lenient::get(&found, "members").map(members).unwrap_or_default();
        let (all, lacks) = (others.shown.len(), missing_in(&others.shown, &shown).len());
        let missing = missing_in(&others.stay, &shown);
        let is_cut = looks_cut(shown.len()) && (all == 0 || lacks > 0);
        if is_cut || lacks * 2 > all || missing.len() > PUT_BACK_MAX {
            let seen = shown.len();
            return Err(not_whole(&format!("it shows {seen}, and lacks {lacks} of {all} of ours")));
        }
        let mut back = Vec::new();
        for account in missing {
            permit = permit.again().await;
            if self.0.resource(&permit, Collection::Users, account).await?.is_some() {
                back.push(account);
            }
        }
        let (edit, wrote) = edit;
        let edit = |group: &mut Map<String, Value>| {
            let before = group.clone();
            edit(group);
            if is_behind || *group != before {
                merge::append_members(group, &back);
            }
        };
        self.put(permit, Collection::Groups, id, (found, is_behind), (edit, wrote)).await
    }

    /// What was read, with what was written lately put over it; and whether the read was behind that.
    fn up_to_date(
        &self,
        kind: Collection,
        id: &ScimId,
        found: Option<Value>,
    ) -> Result<(Value, bool), ScimError> {
        let Value::Object(mut found) = found.ok_or(ScimError::Gone)? else {
            return Err(ScimError::Mismatch);
        };
        let elapsed = self.0.clock.elapsed();
        let is_behind = self.0.recent.put_over((kind, id), elapsed, &mut found);
        Ok((Value::Object(found), is_behind))
    }

    async fn put(
        &self,
        permit: Permit,
        kind: Collection,
        id: &ScimId,
        (found, is_behind): (Value, bool),
        (edit, wrote): (impl FnOnce(&mut Map<String, Value>), Vec<AttrPath>),
    ) -> Result<Option<Value>, ScimError> {
        let url = address::resource(&self.0.options.url, kind, id)?;
        let Value::Object(before) = &found else { return Err(ScimError::Mismatch) };
        // Some servers show an empty text for what they do not have, and refuse to take it back.
        let before = merge::without_empty(before.clone());
        let mut after = before.clone();
        edit(&mut after);
        if after == before && !is_behind {
            return Ok(Some(found));
        }
        let permit = permit.again().await;
        let call = Call::change(Method::Put, url).body(merge::writable(after, kind.core_schema()));
        let call = call.writes(&wrote);
        shown(self.0.change(permit, (kind, id), call).await?, id)
    }
}

/// So many members of ours are put back at the most who are not shown; where more are missing, it is the list that
/// lacks them.
const PUT_BACK_MAX: usize = 20;

/// A member list that must not be put back.
fn not_whole(why: &str) -> ScimError {
    let words = format!(
        "the group's list of members cannot be read whole ({why}), and a PUT of it would take the others \
         out; set what sends a PATCH instead of \"put_merge\" under [targets.*.dialect]"
    );
    ScimError::Rejected { status: 200, words: words.into(), about: About::default() }
}

/// The resource in the answer to a change: there need not be one (204, or 200 with something else),
/// but it must not be another one.
fn shown(answer: Option<Answer>, id: &ScimId) -> Result<Option<Value>, ScimError> {
    let json = answer.ok_or(ScimError::Gone)?.json;
    match lenient::get(&json, "id").and_then(lenient::id) {
        None => Ok(None),
        Some(found) if found.is_spelled_like(id) => Ok(Some(json)),
        Some(_) => Err(ScimError::Mismatch),
    }
}

/// What a create came to: the resource in the answer. A `Location` alone is not believed, since there are gateways
/// that write it; and an answer that only says that the request was taken (202, RFC 9110 §15.3.3) names a task, if
/// anything.
fn created<T>(answer: Answer, read: impl Fn(Value) -> Option<T>) -> Result<T, ScimError> {
    const ACCEPTED: u16 = 202;
    let Answer { json, status, .. } = answer;
    let made = (status != ACCEPTED).then(|| read(json)).flatten();
    made.ok_or(ScimError::Unnamed { status })
}

/// Whether the answer to a create is about something that was there before: 200 in place of 201 (RFC 7644 §3.3), or
/// made more than a day ago by the clock that the answer tells.
fn was_there(answer: &Answer) -> bool {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let made =
        lenient::get(&answer.json, "meta").and_then(|meta| lenient::text_of(meta, "created"));
    let made = made.and_then(|text| text.parse::<jiff::Timestamp>().ok());
    let is_old = match (made, answer.date) {
        (Some(made), Some(now)) => now.since(Timestamp(made.as_millisecond())) > DAY,
        _ => false,
    };
    answer.status == 200 || is_old
}
