//! Complaints: the reason that a target gives, wherever it stands in the answer, and what it is about.
//! RFC 7644 §3.12 has `detail` and `scimType`; what is met instead are SCIM 1.1 `Errors`, the forms of web
//! frameworks, the reason in an extension or deeper down, and JSON in a text.

use std::collections::BTreeSet;

use serde_json::Value;

use super::error::page_title;
use super::lenient;
use super::words::{Words, redacted};
use crate::core::model::AttrPath;
use crate::transport::Response;

/// Longer answers to a request that failed are read as text, and only their beginning.
const PARSED_MAX: usize = 256 * 1024;
/// So much of a text is enough.
const TEXT_MAX: usize = 4_000;
/// So many reasons are taken from one answer.
const REASONS_MAX: usize = 4;
/// So many places of an answer are looked at.
const VISITS_MAX: usize = 2_000;

/// Wording of duplicates in answers that carry no `scimType`, seen with 400 and 500.
const DUPLICATE: [&str; 6] =
    ["already exist", "already taken", "is taken", "already in use", "duplicate", "must be unique"];
/// How platforms say that every paid seat is taken. No standard has a code for it; seen with 400, 402,
/// 403, 409 and 507.
const NO_SEAT: [&str; 8] = [
    "licen",
    "seat",
    "user limit",
    "users limit",
    "maximum number of users",
    "quota",
    "plan limit",
    "subscription",
];
/// Codes that speak of an attribute and not of its value (RFC 7644 §3.12).
const OF_ATTRIBUTES: [&str; 2] = ["invalidPath", "mutability"];
/// Wording that does.
const NOT_TAKEN: [&str; 16] = [
    "not supported",
    "unsupported",
    "not implemented",
    "unknown attribute",
    "unknown field",
    "unknown path",
    "unrecognized",
    "unrecognised",
    "not recognized",
    "invalid path",
    "invalid attribute",
    "extra fields",
    "extra inputs",
    "additional properties",
    "read-only",
    "readonly",
];

/// Members of an answer that hold a reason, the most telling first.
const REASON: [&str; 10] = [
    "detail",
    "details",
    "message",
    "description",
    "msg",
    "error_description",
    "errorMessage",
    "reason",
    "errors",
    "validationErrors",
];
/// Members that hold one where nothing else does.
const PERHAPS: [&str; 3] = ["error", "title", "fault"];
/// Members that name an attribute.
const PLACE: [&str; 8] =
    ["loc", "path", "attribute", "attributes", "field", "property", "param", "pointer"];

/// What a refusal is about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct About {
    /// The attributes of the request that it names; none where it names none of them, or all.
    pub paths: Vec<AttrPath>,
    /// Whose refusal it is.
    pub extent: Extent,
}

/// Whether a refusal is about one value or about an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Extent {
    /// One value, as far as is known.
    #[default]
    Value,
    /// An element that a value filter did not find (`noTarget`): of one account, or of all.
    Element,
    /// The attribute, whatever its value.
    Attribute,
}

/// A target's complaint.
#[expect(
    clippy::struct_excessive_bools,
    reason = "a complaint may say several of these things at once"
)]
pub(super) struct Complaint {
    pub(super) duplicate: bool,
    pub(super) too_many: bool,
    pub(super) no_seat: bool,
    pub(super) bad_filter: bool,
    pub(super) words: Words,
    pub(super) about: About,
}

impl Complaint {
    /// Reads the answer to a request that sent these values at these paths.
    pub(super) fn read(response: &Response, sent: &[String], wrote: &[AttrPath]) -> Self {
        let status = response.status;
        let found = Found::read(&response.body);
        let scim_type = &found.scim_type;
        let detail = found.reasons.join("; ");
        let lower = detail.to_lowercase();
        let worded = matches!(status, 400 | 500) && DUPLICATE.iter().any(|w| lower.contains(w));
        let typed = matches!(status, 400 | 500) && scim_type.eq_ignore_ascii_case("uniqueness");
        let words = Words::of_complaint(scim_type, &detail, sent);
        // A 409 says that a value is taken, unless it speaks of seats. The person's own data is no part
        // of what is looked at.
        let told = words.told().unwrap_or_default().to_lowercase();
        let no_seat = NO_SEAT.iter().any(|word| told.contains(word));
        let is = |code: &&str| code.eq_ignore_ascii_case(scim_type);
        let extent = if scim_type.eq_ignore_ascii_case("noTarget") {
            Extent::Element
        } else if status == 501
            || OF_ATTRIBUTES.iter().any(is)
            || NOT_TAKEN.iter().any(|word| lower.contains(word))
        {
            Extent::Attribute
        } else {
            Extent::Value
        };
        let paths = named(&found.places, &redacted(&detail, sent), wrote);
        Self {
            no_seat,
            duplicate: (status == 409 && !no_seat) || typed || worded,
            too_many: status == 400 && scim_type.eq_ignore_ascii_case("tooMany"),
            bad_filter: status == 400 && scim_type.eq_ignore_ascii_case("invalidFilter"),
            words,
            about: About { paths, extent },
        }
    }
}

/// What an answer holds.
#[derive(Default)]
struct Found {
    scim_type: String,
    reasons: Vec<String>,
    /// Names that stand where an attribute is named.
    places: BTreeSet<String>,
    visits: usize,
}

impl Found {
    fn read(body: &[u8]) -> Self {
        let mut found = Self::default();
        let json = if body.len() <= PARSED_MAX { lenient::parse(body) } else { None };
        if let Some(json) = json {
            found.collect(&json, None);
        } else {
            let head = body.get(..body.len().min(4 * TEXT_MAX)).unwrap_or_default();
            let text = page_title(body).unwrap_or_else(|| String::from_utf8_lossy(head).into());
            found.reason(&text, None);
        }
        found
    }

    fn reason(&mut self, text: &str, place: Option<&str>) {
        let text: String = text.trim().chars().take(TEXT_MAX).collect();
        if text.is_empty() {
            return;
        }
        let text = match place {
            Some(place) if !text.contains(place) => format!("{place}: {text}"),
            _ => text,
        };
        if self.reasons.len() < REASONS_MAX && !self.reasons.contains(&text) {
            self.reasons.push(text);
        }
    }

    /// Takes in what is at or below `json`, which is about `place`.
    fn collect(&mut self, json: &Value, place: Option<&str>) {
        self.visits += 1;
        if self.visits > VISITS_MAX {
            return;
        }
        match json {
            Value::String(text) => {
                let inner = text.trim_start();
                let inner = inner.starts_with(['{', '[']).then(|| lenient::parse(inner.as_bytes()));
                match inner.flatten() {
                    Some(inner) => self.collect(&inner, place),
                    None => self.reason(text, place),
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.collect(item, place)),
            Value::Object(members) => {
                if let Some(code) = lenient::text_of(json, "scimType")
                    && self.scim_type.is_empty()
                {
                    self.scim_type = code.chars().take(TEXT_MAX).collect();
                }
                let own = self.place(json);
                let place = own.as_deref().or(place);
                let before = self.reasons.len();
                for name in REASON {
                    if let Some(one) = lenient::get(json, name) {
                        self.of_member(one, place, true);
                    }
                }
                for (_, one) in members.iter().filter(|(name, _)| name.starts_with("urn:")) {
                    self.of_member(one, place, false);
                }
                for name in PERHAPS {
                    if let (Some(one), true) =
                        (lenient::get(json, name), self.reasons.len() == before)
                    {
                        self.of_member(one, place, false);
                    }
                }
                if self.reasons.len() == before {
                    let deeper = members.values().filter(|one| one.is_object() || one.is_array());
                    deeper.for_each(|one| self.collect(one, place));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// A member that holds a reason: it, or, where that can be, one by the name of each attribute.
    fn of_member(&mut self, json: &Value, place: Option<&str>, may_be_map: bool) {
        let by_attribute = json.as_object().filter(|members| {
            let mut known = REASON.iter().chain(&PLACE);
            may_be_map
                && !members.is_empty()
                && !known.any(|name| lenient::get(json, name).is_some())
        });
        let Some(members) = by_attribute else { return self.collect(json, place) };
        for (name, one) in members {
            let is_text = |one: &Value| lenient::elements(one).iter().any(Value::is_string);
            if is_text(one) && !name.eq_ignore_ascii_case("scimType") {
                self.places.insert(name.to_lowercase());
                self.collect(one, Some(name));
            } else {
                self.collect(one, place);
            }
        }
    }

    /// The attribute that an object names.
    fn place(&mut self, json: &Value) -> Option<String> {
        let mut parts: Vec<String> = Vec::new();
        for name in PLACE {
            let Some(one) = lenient::get(json, name) else { continue };
            let texts = lenient::elements(one).iter().filter_map(Value::as_str);
            // FastAPI begins with where in the request it stands.
            let texts = texts.filter(|text| !matches!(*text, "body" | "query"));
            parts.extend(texts.take(8).map(|text| text.chars().take(200).collect()));
        }
        self.places.extend(parts.iter().map(|part| part.to_lowercase()));
        (!parts.is_empty()).then(|| parts.join("."))
    }
}

/// Which of the paths written are named: in the places first, and else in what is said.
fn named(places: &BTreeSet<String>, said: &str, wrote: &[AttrPath]) -> Vec<AttrPath> {
    let of = |texts: &[&str], is_place: bool| -> Vec<AttrPath> {
        let lower: Vec<String> = texts.iter().map(|text| text.to_lowercase()).collect();
        let split = |c: char| !c.is_ascii_alphanumeric() && c != '_';
        let words: BTreeSet<String> =
            lower.iter().flat_map(|text| text.split(split)).map(|w| w.replace('_', "")).collect();
        let found = wrote.iter().filter(|path| names(path, &lower, &words, is_place));
        found.cloned().collect()
    };
    let places: Vec<&str> = places.iter().map(String::as_str).collect();
    let mut found = of(&places, true);
    if found.is_empty() {
        found = of(&[said], false);
    }
    // What names most of it names nothing, as an answer that shows the whole request.
    if found.len() > 1 && found.len() * 2 > wrote.len() { Vec::new() } else { found }
}

fn names(path: &AttrPath, texts: &[String], words: &BTreeSet<String>, is_place: bool) -> bool {
    /// Words of everyday speech, which name an attribute only where an attribute is named.
    const EVERYDAY: [&str; 4] = ["name", "active", "roles", "groups"];
    let whole = path.as_str().to_lowercase();
    if texts.iter().any(|text| text.contains(&whole) && (is_place || whole.len() > 6)) {
        return true;
    }
    let parts = path.parts();
    let attribute = parts.attribute.to_lowercase();
    let is_named = |name: &str| {
        let one = name.trim_end_matches('s');
        words.contains(name) || (is_place && words.contains(one))
    };
    if let (None, Some(sub)) = (parts.filter, parts.sub) {
        let sub = sub.to_lowercase();
        return is_named(&sub);
    }
    (is_place || !EVERYDAY.contains(&attribute.as_str())) && is_named(&attribute)
}
