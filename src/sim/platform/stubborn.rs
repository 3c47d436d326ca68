//! What a platform does with single attributes: it refuses some by their name, and confirms others without
//! storing them.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Platform;
use super::answer::ScimError;
use super::schema::{ENTERPRISE, Kind};

/// An attribute that the platform does not take.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Untaken {
    /// Its name, for example `title`; one of the enterprise extension by its own name.
    pub attribute: String,
    /// How it says so.
    pub form: Form,
    /// Whether that is so in a create.
    #[serde(default)]
    pub in_creates: bool,
}

/// How a platform does not take an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// 400 `invalidPath`, with the path.
    InvalidPath,
    /// 501.
    NotImplemented,
    /// 400 `noTarget`.
    NoTarget,
    /// 200, and the old value stays.
    Ignored,
    /// The same where the value is taken away; other values are stored.
    IgnoredWhenCleared,
}

/// What one person's attributes become.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// A piece of the person's `userName`.
    pub user_name: String,
    /// The attribute that stays as it is, whatever is confirmed.
    pub attribute: String,
}

/// What the platform makes of a `userName`, or of a group's `displayName`, whatever it confirms.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NameForm {
    /// In small letters.
    Lowercase,
    /// At this domain.
    Domain(String),
    /// So many characters of it.
    Truncated(usize),
    /// The one that it was given first, for ever.
    Kept,
}

impl NameForm {
    /// Makes of the name of a user or group what the platform keeps.
    pub(super) fn settle(
        &self,
        kind: Kind,
        old: Option<&Map<String, Value>>,
        new: &mut Map<String, Value>,
    ) {
        let attribute = if kind == Kind::User { "userName" } else { "displayName" };
        let name = |user: &Map<String, Value>| {
            user.get(attribute).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let sent = name(new);
        let kept = match self {
            Self::Lowercase => sent.to_lowercase(),
            Self::Domain(domain) => {
                let local = sent.split_once('@').map_or(&*sent, |(local, _)| local);
                format!("{local}@{domain}")
            }
            Self::Truncated(most) => sent.chars().take(*most).collect(),
            Self::Kept => old.map_or(sent, name),
        };
        new.insert(attribute.to_owned(), kept.into());
    }
}

impl Platform {
    /// Some users stay active, whatever was stored and shown.
    pub(super) fn forget_departure(
        &mut self,
        kind: Kind,
        id: &str,
        was: &Map<String, Value>,
        now_ms: u64,
    ) {
        if kind != Kind::User || !self.faults.stays_active.contains(id) {
            return;
        }
        let Some(row) = self.store.get(kind, id) else { return };
        let mut attributes = row.attributes();
        if was.get("active") != attributes.get("active") {
            attributes.insert("active".to_owned(), Value::Bool(true));
            self.store.set_attributes(kind, id, &attributes, now_ms);
        }
    }
}

/// Refuses or drops what is written to an attribute that is not taken.
pub(super) fn settle(
    untaken: &[Untaken],
    kept: &[Kept],
    old: Option<&Map<String, Value>>,
    new: &mut Map<String, Value>,
) -> Result<(), ScimError> {
    let nothing = Map::new();
    let before = old.unwrap_or(&nothing);
    for Untaken { attribute, form, in_creates } in untaken {
        let (was, is) = (value(before, attribute), value(new, attribute));
        if was == is || (old.is_none() && !in_creates) {
            continue;
        }
        match form {
            Form::InvalidPath => {
                let detail = format!("Unsupported path: {attribute}");
                return Err(ScimError::bad("invalidPath", detail));
            }
            Form::NoTarget => {
                let detail = format!("nothing is found at {attribute}");
                return Err(ScimError::bad("noTarget", detail));
            }
            Form::NotImplemented => {
                return Err(ScimError::plain(501, format!("{attribute} is not implemented")));
            }
            Form::Ignored => set(new, attribute, was),
            Form::IgnoredWhenCleared if is.is_none() => set(new, attribute, was),
            Form::IgnoredWhenCleared => {}
        }
    }
    for Kept { user_name, attribute } in kept {
        let name = new.get("userName").and_then(Value::as_str).unwrap_or_default();
        if old.is_some() && name.contains(user_name) {
            set(new, attribute, value(before, attribute));
        }
    }
    Ok(())
}

/// Refuses an e-mail address without text.
pub(super) fn refuse_blanks(body: &Value) -> Result<(), ScimError> {
    let emails = body.get("emails").and_then(Value::as_array).into_iter().flatten();
    if emails.into_iter().any(|one| one.get("value").and_then(Value::as_str) == Some("")) {
        return Err(ScimError::bad("invalidValue", "an address may not be empty"));
    }
    Ok(())
}

fn value(user: &Map<String, Value>, attribute: &str) -> Option<Value> {
    let extension = || user.get(ENTERPRISE.name)?.get(attribute);
    user.get(attribute).or_else(extension).cloned()
}

fn set(user: &mut Map<String, Value>, attribute: &str, value: Option<Value>) {
    const EXTENDED: [&str; 4] = ["manager", "department", "employeeNumber", "costCenter"];
    let home = if EXTENDED.contains(&attribute) {
        let extension = user.entry(ENTERPRISE.name).or_insert_with(|| json!({}));
        match extension.as_object_mut() {
            Some(extension) => extension,
            None => return,
        }
    } else {
        user
    };
    match value {
        Some(value) => drop(home.insert(attribute.to_owned(), value)),
        None => drop(home.remove(attribute)),
    }
}
