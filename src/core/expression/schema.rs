//! The names that expressions may use: Graph v1.0 properties of `user` and `group` that a delta query
//! returns and tracks. Left out on purpose: properties kept outside the directory (`skills`,
//! `birthday`, `hireDate`, `mailboxSettings`, `signInActivity` …), which delta never shows; lists of
//! complex values (`identities`, `assignedLicenses` …); secrets; `employeeLeaveDateTime`, which is null
//! both when nobody leaves and when a permission is missing; and `id`, which is no property of what is
//! kept but its key.

use super::Subject;
use crate::core::model::Datum;

/// Type of a value, as far as it is known before evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text; also dates, which Graph writes as text.
    Text,
    /// True or false.
    Bool,
    /// A whole number.
    Int,
    /// A list of texts.
    List,
    /// A complex value with these text parts.
    Complex(&'static [&'static str]),
    /// `none`.
    Null,
    /// Not known before evaluation.
    Any,
}

impl Kind {
    /// The kind in an error message.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Bool => "true or false",
            Self::Int => "a number",
            Self::List => "a list",
            Self::Complex(_) => "a value with parts",
            Self::Null => "none",
            Self::Any => "a value",
        }
    }

    /// Whether the value is null or of this kind. What only the tenant knows is one value or a list of such.
    pub(super) fn holds(self, value: &Datum) -> bool {
        let is_single = |value: &Datum| !matches!(value, Datum::List(_) | Datum::Map(_));
        match (self, value) {
            (_, Datum::Null)
            | (Self::Text, Datum::Text(_))
            | (Self::Bool, Datum::Bool(_))
            | (Self::Int, Datum::Int(_)) => true,
            (Self::List, Datum::List(items)) => {
                items.iter().all(|item| matches!(item, Datum::Text(_)))
            }
            (Self::Complex(names), Datum::Map(parts)) => names.iter().all(|name| {
                let part = parts.get(*name);
                // A part in other letters is no part that is not there.
                let is_told = |told: &String| told != name && told.eq_ignore_ascii_case(name);
                part.is_none_or(|part| matches!(part, Datum::Text(_) | Datum::Null))
                    && !parts.keys().any(is_told)
            }),
            (Self::Any, Datum::List(items)) => items.iter().all(is_single),
            (Self::Any, value) => is_single(value),
            _ => false,
        }
    }

    /// The kind of a value that is either of the two.
    pub(super) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Null, kind) | (kind, Self::Null) => kind,
            (one, two) if one == two => one,
            _ => Self::Any,
        }
    }

    /// Whether a value of this kind may turn out to be of the other kind.
    pub(super) fn may_be(self, other: Self) -> bool {
        self == other || matches!(self, Self::Any | Self::Null) || matches!(other, Self::Any)
    }
}

/// Sorted by name.
type Table = &'static [(&'static str, Kind)];

/// The properties of the subject; empty for [`Subject::Key`].
pub(super) fn table(subject: Subject) -> Table {
    match subject {
        Subject::Person | Subject::User => USER,
        Subject::Group => GROUP,
        Subject::Key => &[],
    }
}

/// The kind of a top-level property, where there is one of that name.
pub(super) fn property(subject: Subject, name: &str) -> Option<Kind> {
    let table = table(subject);
    if let Some((_, kind)) = table.iter().find(|(known, _)| *known == name) {
        return Some(*kind);
    }
    (!table.is_empty() && is_directory_extension(name)).then_some(Kind::Any)
}

/// The right name for one that people know from Active Directory, Entra's mapping table or elsewhere.
pub(super) fn alias(subject: Subject, name: &str) -> Option<&'static str> {
    const ALIASES: &[(&str, &str)] = &[
        ("facsimileTelephoneNumber", "faxNumber"),
        ("firstName", "givenName"),
        ("lastName", "surname"),
        ("mobile", "mobilePhone"),
        ("physicalDeliveryOfficeName", "officeLocation"),
        ("sn", "surname"),
        ("telephoneNumber", "businessPhones"),
        ("title", "jobTitle"),
        ("upn", "userPrincipalName"),
    ];
    let right = ALIASES.iter().find(|(wrong, _)| wrong.eq_ignore_ascii_case(name))?.1;
    property(subject, right).map(|_| right)
}

/// `extension_{application id without hyphens}_{name}`: a directory extension, whose type only the
/// tenant knows (Graph, "Add custom data to resources").
fn is_directory_extension(name: &str) -> bool {
    let Some((id, rest)) = name.strip_prefix("extension_").and_then(|tail| tail.split_once('_'))
    else {
        return false;
    };
    id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) && !rest.is_empty()
}

const EXTENSION_ATTRIBUTES: Kind = Kind::Complex(&[
    "extensionAttribute1",
    "extensionAttribute2",
    "extensionAttribute3",
    "extensionAttribute4",
    "extensionAttribute5",
    "extensionAttribute6",
    "extensionAttribute7",
    "extensionAttribute8",
    "extensionAttribute9",
    "extensionAttribute10",
    "extensionAttribute11",
    "extensionAttribute12",
    "extensionAttribute13",
    "extensionAttribute14",
    "extensionAttribute15",
]);

const USER: Table = &[
    ("accountEnabled", Kind::Bool),
    ("ageGroup", Kind::Text),
    ("businessPhones", Kind::List),
    ("city", Kind::Text),
    ("companyName", Kind::Text),
    ("consentProvidedForMinor", Kind::Text),
    ("country", Kind::Text),
    ("createdDateTime", Kind::Text),
    ("creationType", Kind::Text),
    ("department", Kind::Text),
    ("displayName", Kind::Text),
    ("employeeHireDate", Kind::Text),
    ("employeeId", Kind::Text),
    ("employeeOrgData", Kind::Complex(&["costCenter", "division"])),
    ("employeeType", Kind::Text),
    ("externalUserState", Kind::Text),
    ("externalUserStateChangeDateTime", Kind::Text),
    ("faxNumber", Kind::Text),
    ("givenName", Kind::Text),
    ("imAddresses", Kind::List),
    ("isManagementRestricted", Kind::Bool),
    ("isResourceAccount", Kind::Bool),
    ("jobTitle", Kind::Text),
    ("lastPasswordChangeDateTime", Kind::Text),
    ("legalAgeGroupClassification", Kind::Text),
    ("mail", Kind::Text),
    ("mailNickname", Kind::Text),
    // A navigation property; here the object id of the manager as text.
    ("manager", Kind::Text),
    ("mobilePhone", Kind::Text),
    ("officeLocation", Kind::Text),
    ("onPremisesDistinguishedName", Kind::Text),
    ("onPremisesDomainName", Kind::Text),
    ("onPremisesExtensionAttributes", EXTENSION_ATTRIBUTES),
    ("onPremisesImmutableId", Kind::Text),
    ("onPremisesLastSyncDateTime", Kind::Text),
    ("onPremisesSamAccountName", Kind::Text),
    ("onPremisesSecurityIdentifier", Kind::Text),
    ("onPremisesSyncEnabled", Kind::Bool),
    ("onPremisesUserPrincipalName", Kind::Text),
    ("otherMails", Kind::List),
    ("passwordPolicies", Kind::Text),
    ("postalCode", Kind::Text),
    ("preferredDataLocation", Kind::Text),
    ("preferredLanguage", Kind::Text),
    ("proxyAddresses", Kind::List),
    ("securityIdentifier", Kind::Text),
    ("showInAddressList", Kind::Bool),
    ("signInSessionsValidFromDateTime", Kind::Text),
    ("state", Kind::Text),
    ("streetAddress", Kind::Text),
    ("surname", Kind::Text),
    ("usageLocation", Kind::Text),
    ("userPrincipalName", Kind::Text),
    ("userType", Kind::Text),
];

const GROUP: Table = &[
    ("classification", Kind::Text),
    ("createdDateTime", Kind::Text),
    ("description", Kind::Text),
    ("displayName", Kind::Text),
    ("expirationDateTime", Kind::Text),
    ("groupTypes", Kind::List),
    ("isAssignableToRole", Kind::Bool),
    ("isManagementRestricted", Kind::Bool),
    ("mail", Kind::Text),
    ("mailEnabled", Kind::Bool),
    ("mailNickname", Kind::Text),
    ("membershipRule", Kind::Text),
    ("membershipRuleProcessingState", Kind::Text),
    ("onPremisesDomainName", Kind::Text),
    ("onPremisesExtensionAttributes", EXTENSION_ATTRIBUTES),
    ("onPremisesLastSyncDateTime", Kind::Text),
    ("onPremisesNetBiosName", Kind::Text),
    ("onPremisesSamAccountName", Kind::Text),
    ("onPremisesSecurityIdentifier", Kind::Text),
    ("onPremisesSyncEnabled", Kind::Bool),
    ("preferredDataLocation", Kind::Text),
    ("preferredLanguage", Kind::Text),
    ("proxyAddresses", Kind::List),
    ("renewedDateTime", Kind::Text),
    ("resourceBehaviorOptions", Kind::List),
    ("resourceProvisioningOptions", Kind::List),
    ("securityEnabled", Kind::Bool),
    ("securityIdentifier", Kind::Text),
    ("theme", Kind::Text),
    ("uniqueName", Kind::Text),
    ("visibility", Kind::Text),
];
