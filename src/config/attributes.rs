//! The names that SCIM gives to what an account has (RFC 7643 §4.1 and §4.3). A platform may have others, so a name
//! that is none of them is no error; more often it is a slip, and then something is never sent in silence.

use super::account::DEFAULTS;
use crate::core::expression::nearest;
use crate::core::model::{AttrPath, ENTERPRISE};

/// An attribute with its parts; those of a value that comes several times are everybody's.
type Attribute = (&'static str, &'static [&'static str]);

const VALUE: &[&str] = &["value", "display", "type", "primary"];

const CORE: [Attribute; 20] = [
    ("active", &[]),
    (
        "addresses",
        &[
            "formatted",
            "streetAddress",
            "locality",
            "region",
            "postalCode",
            "country",
            "type",
            "primary",
        ],
    ),
    ("displayName", &[]),
    ("emails", VALUE),
    ("entitlements", VALUE),
    ("externalId", &[]),
    ("ims", VALUE),
    ("locale", &[]),
    (
        "name",
        &[
            "formatted",
            "familyName",
            "givenName",
            "middleName",
            "honorificPrefix",
            "honorificSuffix",
        ],
    ),
    ("nickName", &[]),
    ("phoneNumbers", VALUE),
    ("photos", VALUE),
    ("preferredLanguage", &[]),
    ("profileUrl", &[]),
    ("roles", VALUE),
    ("timezone", &[]),
    ("title", &[]),
    ("userName", &[]),
    ("userType", &[]),
    ("x509Certificates", VALUE),
];

const OF_ENTERPRISE: [Attribute; 6] = [
    ("costCenter", &[]),
    ("department", &[]),
    ("division", &[]),
    ("employeeNumber", &[]),
    ("manager", &["value", "$ref", "displayName"]),
    ("organization", &[]),
];

/// What is odd about the name of an attribute, and the right one that is nearest.
pub(super) fn doubt(path: &AttrPath) -> Option<String> {
    let parts = path.parts();
    let known: &[Attribute] = match parts.schema {
        None => &CORE,
        Some(schema) if schema.eq_ignore_ascii_case(ENTERPRISE) => &OF_ENTERPRISE,
        // Whoever has a schema of their own gives it a name of their own.
        Some(schema) if schema.to_ascii_lowercase().starts_with("urn:ietf:") => {
            let meant = format!("{ENTERPRISE}:{}", parts.attribute);
            return Some(words(path, "schema", Some(meant)));
        }
        Some(_) => return None,
    };
    let head = |name: &str| match parts.schema {
        Some(schema) => format!("{schema}:{name}"),
        None => name.to_owned(),
    };
    let found = known.iter().find(|(name, _)| name.eq_ignore_ascii_case(parts.attribute));
    let Some((name, of)) = found else {
        let near =
            nearest(parts.attribute, known.iter().map(|(name, _)| *name)).map(|one| head(&one));
        let meant = near.or_else(|| elsewhere(parts.attribute));
        return Some(words(path, "attribute", meant));
    };
    let sub = parts.sub?;
    if of.iter().any(|known| known.eq_ignore_ascii_case(sub)) {
        return None;
    }
    let meant = nearest(sub, of.iter().copied()).map(|one| format!("{}.{one}", head(name)));
    Some(words(path, "part of an attribute", meant))
}

/// A part of another attribute, or an attribute of another schema, that has this name.
fn elsewhere(name: &str) -> Option<String> {
    let last = |path: &str| path.rsplit(['.', ':']).next().unwrap_or_default().to_lowercase();
    let found = DEFAULTS.iter().find(|(known, _)| last(known) == name.to_lowercase());
    found.map(|(known, _)| (*known).to_owned())
}

fn words(path: &AttrPath, what: &str, meant: Option<String>) -> String {
    let meant = meant.map(|meant| format!("did you mean `{meant}`? ")).unwrap_or_default();
    format!(
        "`{path}`: SCIM has no {what} of this name (RFC 7643); {meant}A platform that does not know it refuses or \
         ignores it"
    )
}
