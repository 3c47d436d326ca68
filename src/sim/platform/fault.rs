//! What can be made to go wrong on purpose. Everything is off until a test sets it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::answer::{ScimError, answer};
use super::habits::AnswerHabits;
use super::schema::Kind;
use super::stubborn::{Kept, NameForm, Untaken};
use crate::sim::http::{Request, Response};

/// What kind of path a request went to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PathKind {
    /// A collection: `/Users`, `/Groups`.
    Collection(Kind),
    /// One resource: `/Users/{id}`.
    Item(Kind),
    /// `/Users/.search`, `/Groups/.search`.
    Search(Kind),
    /// `/.search`, which looks for users and groups at once.
    SearchAll,
    /// `/ServiceProviderConfig`, `/ResourceTypes`, `/Schemas` and what is below them.
    Discovery,
    /// Anything else.
    Other,
}

/// Which requests a fault is meant for; what is `None` fits all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Matcher {
    /// Upper-case method.
    pub method: Option<String>,
    /// Kind of path.
    pub path: Option<PathKind>,
}

impl Matcher {
    /// Fits requests of that method to that kind of path.
    pub fn of(method: &str, path: PathKind) -> Self {
        Self { method: Some(method.to_owned()), path: Some(path) }
    }

    fn fits(&self, method: &str, path: PathKind) -> bool {
        self.method.as_deref().is_none_or(|wanted| wanted == method)
            && self.path.is_none_or(|wanted| wanted == path)
    }
}

/// What `Retry-After` says on an answer 429.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfter {
    /// No such header.
    Absent,
    /// Seconds (RFC 9110 §10.2.3).
    Seconds(u64),
    /// A date that many seconds from now.
    Date(u64),
    /// Anything, such as `soon` or `99999999999`.
    Text(String),
}

/// One thing that goes wrong with one request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// This status, and nothing was done. 401 and 403 look as if the token were refused.
    StatusBefore(u16),
    /// The request takes effect, then this status is answered.
    StatusAfter(u16),
    /// 429 and nothing was done; no violation is counted.
    TooManyRequests(RetryAfter),
    /// 503 that asks for patience, and nothing was done.
    Unavailable(RetryAfter),
    /// A page for people with this status, as a proxy gives it; nothing was done.
    Html(u16),
    /// The way to somewhere else with this status, and nothing was done.
    Redirect(u16),
    /// 200 with an error of SCIM that names this status, and nothing was done.
    ErrorInSuccess(u16),
    /// The request takes effect, and the second half of the answer's body is missing.
    CutBody,
    /// Of a PATCH only the first operation is carried out; the answer is 200 with the resource as it is.
    FirstOperationOnly,
    /// A change is confirmed with 200, and nothing is done; the answer shows the resource as it is.
    NoOperation,
    /// The request takes effect, and this status and body are answered.
    AnswersWith(u16, String),
    /// The request takes effect, and the answer is about the resource with this id.
    OtherId(String),
    /// A change is confirmed with 204, and the resource with this id is changed instead.
    OnAnother(String),
    /// A change is confirmed with 204, and the resource is deleted.
    DeletesIt,
}

/// People that the platform will not have, for reasons that nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// Top-level attribute that decides, for example `userName`.
    pub attribute: String,
    /// A piece of text in that attribute, compared without regard to case.
    pub contains: String,
    /// Status of the refusal, for example 400.
    pub status: u16,
}

/// What a platform does with the members of groups, beside what the RFCs say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a habit of its own")]
pub struct MemberHabits {
    /// Every list of members ends after so many.
    pub shown_max: Option<usize>,
    /// Every list of members is `[]`.
    pub never_shown: bool,
    /// Members are shown only to whom asks for them by name (`returned: request`, RFC 7643 §2.4).
    pub shown_by_name: bool,
    /// Members are shown with their ids in capitals, and taken so, too.
    pub in_capitals: bool,
    /// Members are shown by `$ref` alone, and taken so, too.
    pub by_reference: bool,
    /// Members are shown under ids that no account has.
    pub under_other_ids: bool,
    /// A PATCH of a group is answered with the group.
    pub answers: bool,
    /// A PATCH of members is confirmed, and nothing is done.
    pub ignored: bool,
    /// Whoever would be a member after so many is left out without a word.
    pub kept_max: Option<usize>,
    /// More values in one list are refused.
    pub batch_max: Option<usize>,
    /// Accounts that are left out of every group without a word.
    pub dropped: BTreeSet<String>,
    /// Accounts for which a list that names them is refused, with this status.
    pub refused: BTreeMap<String, u16>,
    /// To add whoever is a member already is refused with this status.
    pub repeats_refused: Option<u16>,
    /// To take out whoever is no member is refused with this status.
    pub absent_refused: Option<u16>,
    /// Whoever becomes inactive is taken out of every group.
    pub leavers_taken_out: bool,
    /// A PATCH of a group changes the members whom it had so many milliseconds before, as from a copy that lags.
    pub stale_ms: Option<u64>,
    /// A PATCH of a group that sets anything but its `displayName` empties it.
    pub replace_empties: bool,
    /// A PATCH that takes out one member by filter takes out all of them.
    pub removal_empties: bool,
}

impl MemberHabits {
    /// Refuses a list of members as a whole.
    pub(super) fn check(&self, items: &[Value]) -> Result<(), ScimError> {
        if self.batch_max.is_some_and(|most| items.len() > most) {
            let detail = "One or more Group members are invalid";
            return Err(ScimError::bad("invalidValue", detail));
        }
        let mut ids = items.iter().filter_map(|item| item.get("value")?.as_str());
        match ids.find_map(|id| self.refused.get(id)) {
            Some(status) => Err(ScimError::plain(*status, "a member is not possible")),
            None => Ok(()),
        }
    }

    /// Leaves out of a group as it is answered what the platform does not show.
    pub(super) fn hide(&self, group: &mut Map<String, Value>, is_named: bool) {
        if self.shown_by_name && !is_named {
            group.remove("members");
        }
        if self.never_shown {
            group.insert("members".to_owned(), Value::Array(Vec::new()));
        }
        let members = group.get_mut("members").and_then(Value::as_array_mut);
        for member in members.into_iter().flatten().filter_map(Value::as_object_mut) {
            if self.by_reference {
                member.remove("value");
            }
            if let Some(Value::String(id)) = member.get_mut("value") {
                *id = if self.in_capitals { id.to_uppercase() } else { std::mem::take(id) };
                if self.under_other_ids {
                    id.insert_str(0, "m-");
                }
            }
        }
        if let (Some(most), Some(Value::Array(members))) =
            (self.shown_max, group.get_mut("members"))
        {
            members.truncate(most);
        }
    }
}

/// All faults of a platform.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Faults that each strike once: a request takes the first one that fits it.
    pub fail_next: VecDeque<(Matcher, Fault)>,
    /// Writes of users that are refused with a text that holds the person's data.
    pub refuse_users: Vec<Refusal>,
    /// Attributes that it does not take, in this way or that.
    pub untaken: Vec<Untaken>,
    /// Attributes of single users that stay as they are, whatever is confirmed.
    pub kept: Vec<Kept>,
    /// What it makes of the `userName` of users.
    pub user_names: Option<NameForm>,
    /// What it makes of the `displayName` of groups.
    pub group_names: Option<NameForm>,
    /// New users are made inactive, whatever is sent.
    pub creates_inactive: bool,
    /// Active users that stay so: a change that makes one inactive is confirmed and shown, and is not stored.
    pub stays_active: BTreeSet<String>,
    /// Users without an e-mail address are shown with an empty one, and one that is sent is refused.
    pub blanks: bool,
    /// Users that filters and lists do not show, though their `userName` is taken.
    pub hidden_ids: BTreeSet<String>,
    /// Users and groups that are as if they were not there: 404 for their ids, and no filter or list shows
    /// them, though their names are taken.
    pub unfindable: BTreeSet<String>,
    /// A listing without a filter ends after so many, and announces no more.
    pub listed_max: Option<usize>,
    /// Filters and lists do not show what was created within so many milliseconds.
    pub read_lag_ms: u64,
    /// All reads come from a copy that is so many milliseconds behind; answers to writes do not.
    pub copy_lag_ms: u64,
    /// Every seat is taken: new users are refused with this status.
    pub no_seats: Option<u16>,
    /// What it does with members.
    pub members: MemberHabits,
    /// What it makes of ids, versions, listings and creates.
    pub answers: AnswerHabits,
    /// A gateway that has lost its way: requests that fit any of these are answered 404 with a JSON
    /// body, and do not reach the platform.
    pub gateway_not_found: Vec<Matcher>,
    /// Filters on these attributes are answered with this status, whatever they ask for.
    pub filter_fails: BTreeMap<String, u16>,
    /// These users and groups are shown without an id wherever several are shown.
    pub without_id: BTreeSet<String>,
    /// Lists hold this many `null` beside the resources.
    pub null_rows: usize,
    /// In every answer the user with this id has so many bytes at this top-level attribute.
    pub oversized: Option<(String, String, usize)>,
    /// What `Location` and `meta.location` say in every answer.
    pub location: Option<String>,
    /// Users by a piece of their `userName`: whatever is asked or told about one of them is answered so.
    pub alone: Vec<(String, Fault)>,
    /// How often that was.
    pub alone_met: u64,
}

impl Faults {
    pub(super) fn take(&mut self, method: &str, path: PathKind) -> Option<Fault> {
        let at = self.fail_next.iter().position(|(matcher, _)| matcher.fits(method, path))?;
        self.fail_next.remove(at).map(|(_, fault)| fault)
    }

    /// The fault that strikes whatever is about one user. `path_of` is the `userName` of whom the path
    /// names.
    pub(super) fn about_one(&mut self, request: &Request, path_of: Option<&str>) -> Option<Fault> {
        if self.alone.is_empty() {
            return None;
        }
        let query = request.target.split_once('?').map_or("", |(_, query)| query);
        let asked =
            url::form_urlencoded::parse(query.as_bytes()).map(|(_, value)| value.into_owned());
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let texts: Vec<String> = asked.chain([body]).chain(path_of.map(str::to_owned)).collect();
        let found = self.alone.iter().find(|(name, _)| {
            let name = name.to_lowercase();
            texts.iter().any(|text| text.to_lowercase().contains(&name))
        });
        let fault = found.map(|(_, fault)| fault.clone())?;
        self.alone_met += 1;
        Some(fault)
    }

    /// The gateway's answer, if the request does not get past it.
    pub(super) fn gateway(&self, method: &str, path: PathKind) -> Option<Response> {
        let lost = self.gateway_not_found.iter().any(|matcher| matcher.fits(method, path));
        let body = serde_json::json!({ "error": "no Route matched with those values" });
        lost.then(|| answer(404, &body))
    }

    /// Refuses a new user while every seat is taken.
    pub(super) fn check_seat(&self) -> Result<(), ScimError> {
        match self.no_seats {
            Some(status) => {
                Err(ScimError::plain(status, "The licence limit of your plan has been reached."))
            }
            None => Ok(()),
        }
    }

    /// Lets every answer say that the resource is somewhere else.
    pub(super) fn relocate(&self, mut response: Response) -> Response {
        let Some(location) = &self.location else { return response };
        response.headers.retain(|(name, _)| name != "location");
        response.headers.push(("location".to_owned(), location.clone()));
        if let Ok(mut body) = serde_json::from_slice::<Value>(&response.body) {
            let listed = body.get_mut("Resources").and_then(Value::as_array_mut);
            listed.into_iter().flatten().for_each(|one| relocate(one, location));
            relocate(&mut body, location);
            response.body = body.to_string().into_bytes();
        }
        response
    }

    /// Refuses a person, quoting the data as many platforms do.
    pub(super) fn check_user(&self, attributes: &Map<String, Value>) -> Result<(), ScimError> {
        let refusal = self.refuse_users.iter().find(|refusal| {
            attributes
                .get(&refusal.attribute)
                .and_then(Value::as_str)
                .is_some_and(|text| text.to_lowercase().contains(&refusal.contains.to_lowercase()))
        });
        match refusal {
            Some(refusal) => Err(ScimError {
                status: refusal.status,
                scim_type: (refusal.status == 400).then_some("invalidValue"),
                detail: format!("cannot save {}", Value::Object(attributes.clone())),
            }),
            None => Ok(()),
        }
    }
}

impl Fault {
    /// The answer of a fault that strikes before anything is done.
    pub(super) fn before(&self, now_ms: u64) -> Option<Response> {
        match self {
            Self::StatusBefore(status) => Some(ScimError::plain(*status, "fault").response()),
            Self::TooManyRequests(retry_after) => Some(too_many(retry_after, now_ms)),
            Self::Unavailable(retry_after) => Some(asks_to_wait(503, retry_after, now_ms)),
            Self::Redirect(status) => Some(Response {
                status: *status,
                headers: vec![("location".to_owned(), "https://elsewhere.example.com/".to_owned())],
                body: Vec::new(),
            }),
            Self::ErrorInSuccess(status) => {
                let error = ScimError::plain(*status, "fault").response();
                Some(Response { status: 200, ..error })
            }
            Self::Html(status) => Some(Response {
                status: *status,
                headers: vec![("content-type".to_owned(), "text/html".to_owned())],
                body: b"<html><body><h1>Service unavailable</h1></body></html>".to_vec(),
            }),
            Self::StatusAfter(_)
            | Self::AnswersWith(..)
            | Self::CutBody
            | Self::FirstOperationOnly
            | Self::NoOperation
            | Self::OtherId(_)
            | Self::OnAnother(_)
            | Self::DeletesIt => None,
        }
    }

    /// What becomes of the answer of a request that took effect.
    pub(super) fn after(&self, mut response: Response) -> Response {
        match self {
            Self::StatusAfter(status) => ScimError::plain(*status, "fault").response(),
            Self::AnswersWith(status, body) => {
                Response { status: *status, headers: Vec::new(), body: body.clone().into_bytes() }
            }
            Self::CutBody => {
                response.body.truncate(response.body.len() / 2);
                response
            }
            Self::OtherId(id) => {
                if let Ok(Value::Object(mut body)) = serde_json::from_slice(&response.body) {
                    body.insert("id".to_owned(), id.as_str().into());
                    response.body = Value::Object(body).to_string().into_bytes();
                }
                response
            }
            Self::OnAnother(_) | Self::DeletesIt => {
                Response { status: 204, headers: Vec::new(), body: Vec::new() }
            }
            Self::StatusBefore(_)
            | Self::TooManyRequests(_)
            | Self::Unavailable(_)
            | Self::Html(_)
            | Self::Redirect(_)
            | Self::ErrorInSuccess(_)
            | Self::FirstOperationOnly
            | Self::NoOperation => response,
        }
    }

    /// The request that the platform carries out, where it is not the one that came.
    pub(super) fn instead_of(&self, request: &Request) -> Option<Request> {
        match self {
            Self::FirstOperationOnly => {
                let mut body: Value = serde_json::from_slice(&request.body).ok()?;
                body.get_mut("Operations")?.as_array_mut()?.truncate(1);
                Some(Request { body: body.to_string().into_bytes(), ..request.clone() })
            }
            Self::OnAnother(id) => {
                let (collection, _) = request.target.rsplit_once('/')?;
                Some(Request { target: format!("{collection}/{id}"), ..request.clone() })
            }
            Self::DeletesIt => {
                Some(Request { method: "DELETE".to_owned(), body: Vec::new(), ..request.clone() })
            }
            Self::NoOperation => Some(Request { method: "GET".to_owned(), ..request.clone() }),
            _ => None,
        }
    }
}

fn relocate(resource: &mut Value, location: &str) {
    if let Some(meta) = resource.get_mut("meta").and_then(Value::as_object_mut) {
        meta.insert("location".to_owned(), location.into());
    }
}

/// The answer 429.
pub(super) fn too_many(retry_after: &RetryAfter, now_ms: u64) -> Response {
    asks_to_wait(429, retry_after, now_ms)
}

fn asks_to_wait(status: u16, retry_after: &RetryAfter, now_ms: u64) -> Response {
    let mut response = ScimError::plain(status, "too many requests").response();
    let value = match retry_after {
        RetryAfter::Absent => return response,
        RetryAfter::Seconds(seconds) => seconds.to_string(),
        RetryAfter::Date(seconds) => http_date(now_ms.saturating_add(seconds.saturating_mul(1000))),
        RetryAfter::Text(text) => text.clone(),
    };
    response.headers.push(("retry-after".to_owned(), value));
    response
}

/// A date as HTTP writes it (RFC 9110 §5.6.7).
fn http_date(ms: u64) -> String {
    super::instant(ms).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
