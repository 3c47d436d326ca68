//! Asking a target what it holds. Only GET requests leave here.

use std::sync::Arc;

use serde_json::Value;
use url::Url;

use super::address::{self, Collection};
use super::client::{Answer, Call, Client};
use super::pace::Permit;
use super::walk::{Cursor, ListPage};
use super::{GroupResource, ScimError, ScimOptions, UserResource, lenient};
use crate::clock::Clock;
use crate::core::model::ScimId;
use crate::transport::SharedTransport;

/// How many hits a look-up of one unique value asks for: enough to see that there is more than one,
/// or that the target does not filter at all.
const HITS_MAX: usize = 10;

/// Reads one target.
#[derive(Clone)]
pub struct Reader(pub(super) Arc<Client>);

/// What to look a resource up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatchBy<'a> {
    /// Our own id of it, compared to the letter.
    ExternalId(&'a str),
    /// Login name of a user, compared without regard to case (RFC 7643 §4.1.1).
    UserName(&'a str),
    /// Name of a group, compared to the letter.
    DisplayName(&'a str),
}

/// What a target says about itself: a hint, not a promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Discovery {
    /// Whether the target has a `/ServiceProviderConfig`; without one the rest are the defaults.
    pub told: bool,
    /// `patch.supported`.
    pub patch: bool,
    /// `filter.supported`.
    pub filter: bool,
    /// `filter.maxResults`.
    pub max_results: Option<usize>,
}

/// Whether a listing shows members.
#[derive(Debug, Clone, Copy)]
enum MembersIn {
    /// As far as the target does so by itself.
    Plain,
    /// It is asked to leave them out.
    Left,
    /// They are asked for by name.
    Named,
}

impl MatchBy<'_> {
    /// The attribute that is asked for.
    pub fn attribute(self) -> &'static str {
        match self {
            Self::ExternalId(_) => "externalId",
            Self::UserName(_) => "userName",
            Self::DisplayName(_) => "displayName",
        }
    }

    fn value(&self) -> &str {
        match self {
            Self::ExternalId(value) | Self::UserName(value) | Self::DisplayName(value) => value,
        }
    }

    fn matches(self, resource: &Value) -> bool {
        let Some(found) = lenient::text_of(resource, self.attribute()) else { return false };
        match self {
            Self::UserName(wanted) => found.to_lowercase() == wanted.to_lowercase(),
            Self::ExternalId(wanted) | Self::DisplayName(wanted) => found == wanted,
        }
    }
}

impl Reader {
    /// A reader of the target described by `options`.
    pub fn new(options: ScimOptions, transport: SharedTransport, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Client::new(options, transport, clock, Arc::default())))
    }

    /// The same reader, asking for so many resources at once.
    #[must_use]
    pub fn in_pages_of(&self, page_size: usize) -> Self {
        let Client { options, transport, clock, .. } = &*self.0;
        let mut options = options.clone();
        options.dialect.page_size = page_size;
        Self::new(options, transport.clone(), Arc::clone(clock))
    }

    /// What the target says about itself. Targets without `/ServiceProviderConfig` exist.
    pub async fn discover(&self, permit: Permit) -> Result<Discovery, ScimError> {
        let call = Call::get(address::service_provider_config(&self.0.options.url));
        let answer = self.0.send(&permit, call).await?;
        let json = answer.as_ref().map_or(&Value::Null, |answer| &answer.json);
        let at = |name: &str, member: &str| {
            lenient::get(json, name).and_then(|part| lenient::get(part, member))
        };
        Ok(Discovery {
            told: answer.is_some(),
            patch: at("patch", "supported").and_then(lenient::boolean).unwrap_or(true),
            filter: at("filter", "supported").and_then(lenient::boolean).unwrap_or(true),
            max_results: at("filter", "maxResults").and_then(lenient::count).filter(|n| *n > 0),
        })
    }

    /// The users with this value. More than one is a conflict to report, never a choice; none is no
    /// proof of absence.
    pub async fn user_by(
        &self,
        permit: Permit,
        by: MatchBy<'_>,
    ) -> Result<Vec<UserResource>, ScimError> {
        let hits = self.look_up(permit, Collection::Users, by, None).await?;
        read_all(hits, UserResource::read)
    }

    /// The groups with this value, without their members.
    pub async fn group_by(
        &self,
        permit: Permit,
        by: MatchBy<'_>,
    ) -> Result<Vec<GroupResource>, ScimError> {
        let hits = self.look_up(permit, Collection::Groups, by, Some("members")).await?;
        read_all(hits, GroupResource::read)
    }

    /// The user with this id; `None` when the target does not have it.
    pub async fn user(
        &self,
        permit: Permit,
        id: &ScimId,
    ) -> Result<Option<UserResource>, ScimError> {
        let answer = self.0.resource(&permit, Collection::Users, id).await?;
        Ok(answer.and_then(UserResource::read))
    }

    /// The same just before it is changed, under the permit of that change.
    pub async fn user_now(
        &self,
        permit: &Permit,
        id: &ScimId,
    ) -> Result<Option<UserResource>, ScimError> {
        let answer = self.0.resource(permit, Collection::Users, id).await?;
        Ok(answer.and_then(UserResource::read))
    }

    /// As [`Reader::user_now`], of a group without its members.
    pub async fn group_now(
        &self,
        permit: &Permit,
        id: &ScimId,
    ) -> Result<Option<GroupResource>, ScimError> {
        let answer = self.0.resource_but(permit, Collection::Groups, id, "members").await?;
        Ok(answer.and_then(GroupResource::read))
    }

    /// The group with this id and its members; `None` when the target does not have it.
    pub async fn group(
        &self,
        permit: Permit,
        id: &ScimId,
    ) -> Result<Option<GroupResource>, ScimError> {
        let answer = self.0.resource(&permit, Collection::Groups, id).await?;
        Ok(answer.and_then(GroupResource::read))
    }

    /// One page of all users.
    pub async fn list_users(
        &self,
        permit: Permit,
        cursor: &Cursor,
    ) -> Result<ListPage<UserResource>, ScimError> {
        self.list(permit, Collection::Users, cursor, MembersIn::Plain, UserResource::read).await
    }

    /// One page of all groups, without their members.
    pub async fn list_groups(
        &self,
        permit: Permit,
        cursor: &Cursor,
    ) -> Result<ListPage<GroupResource>, ScimError> {
        self.list(permit, Collection::Groups, cursor, MembersIn::Left, GroupResource::read).await
    }

    /// One page of all groups with their members, as far as the target tells them in a listing.
    pub async fn list_groups_with_members(
        &self,
        permit: Permit,
        cursor: &Cursor,
    ) -> Result<ListPage<GroupResource>, ScimError> {
        let shown = if self.names_members() { MembersIn::Named } else { MembersIn::Plain };
        self.list(permit, Collection::Groups, cursor, shown, GroupResource::read).await
    }

    async fn look_up(
        &self,
        permit: Permit,
        kind: Collection,
        by: MatchBy<'_>,
        excluded: Option<&str>,
    ) -> Result<Vec<Value>, ScimError> {
        let filter = address::equals(by.attribute(), by.value());
        let count = HITS_MAX.to_string();
        let mut query = vec![("filter", filter.as_str()), ("count", count.as_str())];
        query.extend(excluded.map(|names| ("excludedAttributes", names)));
        let url = address::collection(&self.0.options.url, kind, &query);
        let call = Call::look_up(url, by.attribute()).private([by.value().to_owned()]);
        let answer =
            self.0.send(&permit, call).await?.ok_or_else(|| kind.missing(&self.0.options.url))?;
        let (found, total) = self.0.listed(answer)?;
        let received = found.len();
        let hits: Vec<Value> = found.into_iter().filter(|hit| by.matches(hit)).collect();
        // Something else came with the hits, and there is more than we got: what we look for may be
        // in the rest. Where nothing but something else came, the target filters by something else than
        // it was asked, such as the name that somebody had before: that is no answer at all.
        let all = received < HITS_MAX && total.is_none_or(|total| total <= received);
        let only_others = hits.is_empty() && received > 0;
        if only_others || (!all && (hits.is_empty() || hits.len() < received)) {
            return Err(ScimError::FilterIgnored { attribute: by.attribute() });
        }
        Ok(hits)
    }

    async fn list<T>(
        &self,
        permit: Permit,
        kind: Collection,
        cursor: &Cursor,
        members: MembersIn,
        read: impl Fn(Value) -> Option<T>,
    ) -> Result<ListPage<T>, ScimError> {
        let asked = self.0.options.dialect.page_size.max(1);
        let (start, count) = (cursor.start().to_string(), asked.to_string());
        let mut query = vec![("startIndex", start.as_str()), ("count", count.as_str())];
        query.extend(match members {
            MembersIn::Plain => None,
            MembersIn::Left => Some(("excludedAttributes", "members")),
            MembersIn::Named => Some(("attributes", "externalId,displayName,members")),
        });
        let call = Call::get(address::collection(&self.0.options.url, kind, &query));
        let answer =
            self.0.send(&permit, call).await?.ok_or_else(|| kind.missing(&self.0.options.url))?;
        let (found, total) = self.0.listed(answer)?;
        let received = found.len();
        let items: Vec<T> = found.into_iter().filter_map(read).collect();
        Ok(ListPage { unreadable: received - items.len(), items, total })
    }
}

/// Hits that all have an id. One that cannot be read is there all the same, so that nothing can be said
/// without it.
fn read_all<T>(hits: Vec<Value>, read: impl Fn(Value) -> Option<T>) -> Result<Vec<T>, ScimError> {
    let all: Option<Vec<T>> = hits.into_iter().map(read).collect();
    all.ok_or(ScimError::Unreadable)
}

impl Client {
    /// GETs one resource and checks that it is the one asked for.
    pub(super) async fn resource(
        &self,
        permit: &Permit,
        kind: Collection,
        id: &ScimId,
    ) -> Result<Option<Value>, ScimError> {
        self.one(permit, id, address::resource(&self.options.url, kind, id)?).await
    }

    /// The same without these attributes, where the target can leave them out.
    async fn resource_but(
        &self,
        permit: &Permit,
        kind: Collection,
        id: &ScimId,
        excluded: &str,
    ) -> Result<Option<Value>, ScimError> {
        let mut url = address::resource(&self.options.url, kind, id)?;
        url.query_pairs_mut().append_pair("excludedAttributes", excluded);
        self.one(permit, id, url).await
    }

    async fn one(
        &self,
        permit: &Permit,
        id: &ScimId,
        url: Url,
    ) -> Result<Option<Value>, ScimError> {
        let call = Call::get_one(url);
        let Some(answer) = self.send(permit, call).await? else { return Ok(None) };
        match lenient::get(&answer.json, "id").and_then(lenient::id) {
            // In which letter case it is told, the target decides.
            Some(found) if found.is_spelled_like(id) => Ok(Some(answer.json)),
            _ => Err(ScimError::Mismatch),
        }
    }

    /// The resources of a list answer and its `totalResults`. `Resources` may be missing when there
    /// are none; an object with neither is no list, and must not pass for an empty one.
    fn listed(&self, answer: Answer) -> Result<(Vec<Value>, Option<usize>), ScimError> {
        let mut json = answer.json;
        let total = lenient::get(&json, "totalResults").and_then(lenient::count);
        let resources = json.as_object_mut().and_then(|object| {
            let key = lenient::key_of(object, "Resources");
            object.remove(&key)
        });
        let resources = match resources {
            None | Some(Value::Null) if total.is_none() => {
                let what = "an object came where a list was asked for".to_owned();
                return Err(ScimError::NotScim { host: self.host(), what: what.into() });
            }
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(items)) => items,
            Some(one) => vec![one],
        };
        Ok((resources, total))
    }
}
