//! A fake SCIM 2.0 platform (RFC 7643, RFC 7644) as a pure function from request to response.
//!
//! Time comes in as `now_ms`, ids come from a seed: the same requests give the same bytes. It shares no
//! type with our SCIM client, so that a misspelt attribute cannot cancel out on both sides, and the strict
//! personality is judged by software that we did not write (`tests/third_party/`).
//!
//! It deliberately has no sorting, no ETags, no Bulk and no `/Me`, and says so in its
//! `ServiceProviderConfig`. A platform that breaks the RFCs is the strict one with [`Quirk`]s; what goes wrong once or for some
//! people only is a [`fault::Faults`].

mod answer;
mod discovery;
pub mod fault;
mod filter;
pub mod habits;
mod members;
mod patch;
mod projection;
pub mod record;
mod render;
mod renumber;
mod replica;
mod resources;
mod schema;
mod store;
pub mod stubborn;
#[cfg(test)]
mod tests;
mod value;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

pub use answer::ScimError;
use fault::{Faults, PathKind, RetryAfter, too_many};
use record::{Bucket, Counters, Rate, Write};
pub use resources::Twins;
pub use schema::Kind;
pub use store::Resource;
use store::{Row, Store};
use value::Rigour;

use crate::sim::http::{Request, Response};

/// How a platform reads the RFCs; each stands for a set of [`Quirk`]s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Personality {
    /// As written.
    Strict,
    /// Takes almost anything, drops `title`, and answers in shapes that a client must survive.
    Sloppy,
    /// Trained on Entra's old habits: a member is removed by the array form only, and the form with a
    /// value filter empties the group.
    Legacy,
}

/// One way in which a platform leaves the RFCs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quirk {
    /// Takes any spelling of `op`, booleans as text, null as absent, unknown attributes and schemas, dotted
    /// keys in a path-less PATCH, any media type; makes the value that `emails[type eq "work"].value` names.
    Lenient,
    /// Forgets what is written to this top-level attribute, and answers as if it had been kept.
    Drops(String),
    /// Ids are numbers in JSON.
    NumericIds,
    /// `active` is answered as `"True"` or `"False"`.
    ActiveAsText,
    /// `active` is answered as the number 0 or 1.
    ActiveAsNumber,
    /// `active` is answered as the text `"0"` or `"1"`.
    ActiveAsDigit,
    /// `active` is answered as the word `"enabled"` or `"inactive"`.
    ActiveAsWord,
    /// `active` is left out when it is false.
    InactiveNotTold,
    /// `active` is never answered.
    ActiveNotTold,
    /// `totalResults` is answered as text.
    TotalAsText,
    /// `totalResults` of a listing without a filter is always this number.
    TotalAlways(usize),
    /// A listing without a filter begins at the first row, whatever `startIndex` says.
    StartIgnored,
    /// A listing without a filter is empty from this row on, whatever `totalResults` says.
    ListsNoMoreThan(usize),
    /// A listing without a filter shows the newest first.
    NewestFirst,
    /// A filter on this attribute is answered with everybody.
    FilterMatchesAll(String),
    /// `meta` is never answered.
    NoMeta,
    /// Every second successful PATCH of a user is answered 204 without the resource.
    PatchSometimesEmpty,
    /// A filter on an attribute that is not in the schema gives 200 with nothing, not 400.
    UnknownFilterMatchesNothing,
    /// A filter on `externalId` gives 200 with nothing.
    ExternalIdFilterMatchesNothing,
    /// `remove` of `members` with an array as value removes those only; to the letter of RFC 7644
    /// §3.5.2.2 it removes all.
    MemberArrayRemoves,
    /// `remove` of `members[value eq "…"]` removes every member.
    MemberFilterEmpties,
}

/// How to make a platform.
#[derive(Debug, Clone)]
pub struct PlatformOptions {
    /// Where clients reach it, for example `http://127.0.0.1:8080/scim/v2`.
    pub base_url: String,
    /// The bearer token that it takes.
    pub token: String,
    /// In what it leaves the RFCs; [`PlatformOptions::new`] sets those of the personality.
    pub quirks: BTreeSet<Quirk>,
    /// Its rate limit, if any.
    pub rate: Option<Rate>,
    /// Most resources on a page; also the default page size.
    pub page_size_max: usize,
    /// Where ids come from.
    pub seed: u64,
    /// Whether members in a POST of a group are kept; else they are ignored without a word.
    pub group_create_with_members: bool,
    /// Media types that it takes for bodies; empty means any.
    pub content_types: Vec<String>,
    /// Whether the list of writes keeps the bodies.
    pub keep_bodies: bool,
}

impl PlatformOptions {
    /// A platform of that personality, without rate limit, pages of at most 100.
    pub fn new(
        personality: Personality,
        base_url: impl Into<String>,
        token: impl Into<String>,
    ) -> Self {
        let quirks: &[Quirk] = match personality {
            Personality::Strict => &[],
            Personality::Sloppy => &[
                Quirk::Lenient,
                Quirk::NumericIds,
                Quirk::ActiveAsText,
                Quirk::TotalAsText,
                Quirk::NoMeta,
                Quirk::PatchSometimesEmpty,
                Quirk::UnknownFilterMatchesNothing,
                Quirk::MemberArrayRemoves,
            ],
            Personality::Legacy => {
                &[Quirk::Lenient, Quirk::MemberArrayRemoves, Quirk::MemberFilterEmpties]
            }
        };
        let mut quirks: BTreeSet<_> = quirks.iter().cloned().collect();
        let mut content_types = Vec::new();
        match personality {
            Personality::Strict => {
                content_types =
                    ["application/scim+json", "application/json"].map(str::to_owned).to_vec();
            }
            Personality::Sloppy => {
                quirks.insert(Quirk::Drops("title".to_owned()));
            }
            Personality::Legacy => {}
        }
        Self {
            base_url: base_url.into(),
            token: token.into(),
            quirks,
            rate: None,
            page_size_max: 100,
            seed: 0,
            group_create_with_members: true,
            content_types,
            keep_bodies: false,
        }
    }
}

/// The platform.
#[derive(Debug)]
pub struct Platform {
    options: PlatformOptions,
    store: Store,
    random: fastrand::Rng,
    next_number: u64,
    bucket: Option<Bucket>,
    patches: u64,
    note: String,
    /// What is to go wrong.
    pub faults: Faults,
    /// Who was in each group and since when, where a copy lags behind.
    copies: BTreeMap<String, Vec<(u64, BTreeSet<u64>)>>,
    /// What each resource was and until when, where all reads come from a copy.
    replica: BTreeMap<String, Vec<(u64, Row)>>,
    /// Requests that came.
    pub requests: Counters,
    /// Writes that came, in order.
    pub writes: Vec<Write>,
    /// Requests that were answered 429 because they were over the rate limit.
    pub violations: u64,
}

/// A request on its way through the platform.
struct Call<'a> {
    request: &'a Request,
    kind: PathKind,
    segments: Vec<String>,
    query: Vec<(String, String)>,
    now_ms: u64,
}

impl Call<'_> {
    fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn id(&self) -> &str {
        self.segments.get(1).map_or("", String::as_str)
    }

    /// The body, if it is JSON and of a media type that the platform takes.
    fn body(&self, content_types: &[String]) -> Result<Value, ScimError> {
        let media_type = self.request.header("content-type").unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim();
        let is_taken = content_types.iter().any(|known| known.eq_ignore_ascii_case(media_type));
        if !content_types.is_empty() && !is_taken {
            return Err(ScimError::plain(415, format!("no bodies of type \"{media_type}\"")));
        }
        serde_json::from_slice(&self.request.body)
            .map_err(|error| ScimError::bad("invalidSyntax", format!("no JSON: {error}")))
    }
}

impl Platform {
    /// An empty platform.
    pub fn new(options: PlatformOptions) -> Self {
        Self {
            store: Store::default(),
            random: fastrand::Rng::with_seed(options.seed),
            next_number: 1000,
            bucket: options.rate.map(Bucket::new),
            patches: 0,
            note: String::new(),
            faults: Faults::default(),
            copies: BTreeMap::new(),
            replica: BTreeMap::new(),
            requests: Counters::default(),
            writes: Vec::new(),
            violations: 0,
            options,
        }
    }

    /// The options it was made with.
    pub fn options(&self) -> &PlatformOptions {
        &self.options
    }

    /// All accounts, hidden ones too, in the order they came.
    pub fn users(&self) -> impl Iterator<Item = &Resource> {
        self.store.all(Kind::User).map(|row| self.store.picture(row))
    }

    /// All groups, in the order they came.
    pub fn groups(&self) -> impl Iterator<Item = &Resource> {
        self.store.all(Kind::Group).map(|row| self.store.picture(row))
    }

    /// The account with this id.
    pub fn user(&self, id: &str) -> Option<&Resource> {
        self.store.get(Kind::User, id).map(|row| self.store.picture(row))
    }

    /// The group with this id.
    pub fn group(&self, id: &str) -> Option<&Resource> {
        self.store.get(Kind::Group, id).map(|row| self.store.picture(row))
    }

    /// Answers one request. `now_ms` is Unix time in milliseconds and must not run backwards.
    pub fn handle(&mut self, request: &Request, now_ms: u64) -> Response {
        let own;
        let request = if self.faults.answers.ids_in_capitals {
            own = self.with_own_ids(request);
            &own
        } else {
            request
        };
        let call = self.route(request, now_ms);
        self.requests.count(&request.method, call.kind);
        if let Some(Err(seconds)) = self.bucket.as_mut().map(|bucket| bucket.take(now_ms)) {
            self.violations += 1;
            return too_many(&RetryAfter::Seconds(seconds), now_ms);
        }
        if let Some(response) = self.faults.gateway(&request.method, call.kind) {
            return response;
        }
        let path_of = match call.kind {
            PathKind::Item(Kind::User) => {
                self.user(call.id()).map(|one| one.user_name().to_owned())
            }
            _ => None,
        };
        let fault = match self.faults.about_one(request, path_of.as_deref()) {
            Some(fault) => Some(fault),
            None => self.faults.take(&request.method, call.kind),
        };
        if let Some(response) = fault.as_ref().and_then(|fault| fault.before(now_ms)) {
            return response;
        }
        if let Err(error) = self.admit(request) {
            return error.response();
        }
        self.note.clear();
        let instead = fault.as_ref().and_then(|fault| fault.instead_of(request));
        let call = match &instead {
            Some(request) => self.route(request, now_ms),
            None => call,
        };
        self.leave_behind(&call);
        let response = self.dispatch(&call).unwrap_or_else(|error| error.response());
        let response = match &fault {
            Some(fault) => fault.after(response),
            None => response,
        };
        let response = self.faults.relocate(response);
        self.log_write(&call, &response);
        response
    }

    fn route<'a>(&self, request: &'a Request, now_ms: u64) -> Call<'a> {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let after_scheme = self.options.base_url.split_once("://").map_or("", |(_, rest)| rest);
        let base = after_scheme.split_once('/').map_or("", |(_, path)| path.trim_end_matches('/'));
        let below = path.trim_start_matches('/').strip_prefix(base).unwrap_or_default();
        let segments: Vec<String> =
            below.split('/').filter(|part| !part.is_empty()).map(decode).collect();
        let names: Vec<&str> = segments.iter().map(String::as_str).collect();
        let kind = match names.as_slice() {
            ["Users", rest @ ..] => resource_path(Kind::User, rest),
            ["Groups", rest @ ..] => resource_path(Kind::Group, rest),
            [".search"] => PathKind::SearchAll,
            ["ServiceProviderConfig" | "ResourceTypes" | "Schemas"]
            | ["ResourceTypes" | "Schemas", _] => PathKind::Discovery,
            _ => PathKind::Other,
        };
        let query = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Call { request, kind, segments, query, now_ms }
    }

    /// Checks the token.
    fn admit(&self, request: &Request) -> Result<(), ScimError> {
        let token = request.header("authorization").and_then(|value| value.split_once(' '));
        let (scheme, token) = token.unwrap_or_default();
        if !scheme.eq_ignore_ascii_case("bearer") || token.trim() != self.options.token {
            return Err(ScimError::plain(401, "the bearer token is missing or wrong"));
        }
        Ok(())
    }

    fn dispatch(&mut self, call: &Call) -> Result<Response, ScimError> {
        self.check_version(call)?;
        match (call.request.method.as_str(), call.kind) {
            (_, PathKind::Item(kind)) if self.faults.unfindable.contains(call.id()) => {
                Err(resources::not_found(kind, call.id()))
            }
            ("GET", PathKind::Discovery) => self.discover(call),
            ("GET", PathKind::Collection(kind)) => self.list(kind, call),
            ("POST", PathKind::Search(kind)) => self.search(&[kind], call),
            ("POST", PathKind::SearchAll) => self.search(&[Kind::User, Kind::Group], call),
            ("POST", PathKind::Collection(kind)) => self.create(kind, call),
            ("GET", PathKind::Item(kind)) => self.read(kind, call),
            ("PUT", PathKind::Item(kind)) => self.replace(kind, call),
            ("PATCH", PathKind::Item(kind)) => self.patch(kind, call),
            ("DELETE", PathKind::Item(kind)) => self.delete(kind, call),
            (_, PathKind::Other) => match call.segments.first().map(String::as_str) {
                // RFC 7644 §3.7 and §3.11: what is not supported is 501.
                Some("Bulk" | "Me") => Err(ScimError::plain(501, "not supported")),
                _ => Err(ScimError::plain(404, "no such endpoint")),
            },
            (method, _) => Err(ScimError::plain(405, format!("{method} is not possible here"))),
        }
    }

    fn log_write(&mut self, call: &Call, response: &Response) {
        let is_write = matches!(call.kind, PathKind::Collection(_) | PathKind::Item(_))
            && call.request.method != "GET";
        if !is_write {
            return;
        }
        let body = if self.options.keep_bodies { call.request.body.as_slice() } else { &[] };
        self.writes.push(Write {
            at_ms: call.now_ms,
            method: call.request.method.clone(),
            target: call.segments.join("/"),
            body: String::from_utf8_lossy(body).into_owned(),
            summary: std::mem::take(&mut self.note),
            status: response.status,
        });
    }

    fn has(&self, quirk: &Quirk) -> bool {
        self.options.quirks.contains(quirk)
    }

    fn rigour(&self) -> Rigour {
        if self.has(&Quirk::Lenient) { Rigour::Lenient } else { Rigour::Strict }
    }

    fn new_id(&mut self) -> String {
        if let Some(reused) = self.faults.answers.reused.pop() {
            return reused;
        }
        if self.has(&Quirk::NumericIds) {
            self.next_number += 1;
            return self.next_number.to_string();
        }
        uuid::Builder::from_random_bytes(self.random.u128(..).to_be_bytes()).into_uuid().to_string()
    }
}

fn resource_path(kind: Kind, rest: &[&str]) -> PathKind {
    match rest {
        [] => PathKind::Collection(kind),
        [".search"] => PathKind::Search(kind),
        [_] => PathKind::Item(kind),
        _ => PathKind::Other,
    }
}

/// Percent-decodes one path segment. A plus sign stays one: only queries of forms mean a space by it.
fn decode(segment: &str) -> String {
    let escaped = segment.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    url::form_urlencoded::parse(escaped.as_bytes())
        .next()
        .map(|(name, _)| name.into_owned())
        .unwrap_or_default()
}

/// An instant from Unix milliseconds, the last one there is when the number is absurd.
fn instant(ms: u64) -> jiff::Timestamp {
    i64::try_from(ms)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
        .unwrap_or(jiff::Timestamp::MAX)
}
