//! The property names and JSON types of Graph's `user` and `group`, as the v1.0 metadata gives them.
//!
//! Written out here, rather than shared with the client, so that a name misspelt on one side is found by
//! the other. A test compares both tables with the metadata itself.

use serde_json::Value;

/// The JSON shape of a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A string.
    Text,
    /// A boolean.
    Flag,
    /// A whole number.
    Number,
    /// A point in time, written as a string.
    Time,
    /// An array of strings.
    Texts,
    /// An array of objects.
    List,
    /// An object, or an enumeration written as a string.
    Other,
}

impl Shape {
    /// Whether `value` has this shape; null fits every shape, since it means "cleared".
    pub fn fits(self, value: &Value) -> bool {
        match (self, value) {
            (_, Value::Null) | (Self::Text | Self::Time | Self::Other, Value::String(_)) => true,
            (Self::Flag, Value::Bool(_)) | (Self::Number, Value::Number(_)) => true,
            (Self::Texts, Value::Array(items)) => items.iter().all(Value::is_string),
            (Self::List, Value::Array(items)) => items.iter().all(Value::is_object),
            (Self::Other, Value::Object(_)) => true,
            _ => false,
        }
    }
}

/// The shape of the user property `name`, or `None` where Graph has no such property.
pub fn user_property(name: &str) -> Option<Shape> {
    property(USER, name)
}

/// The shape of the group property `name`, or `None` where Graph has no such property.
pub fn group_property(name: &str) -> Option<Shape> {
    property(GROUP, name)
}

fn property(table: &[(&str, Shape)], name: &str) -> Option<Shape> {
    let found = table.binary_search_by(|(known, _)| (*known).cmp(name)).ok();
    found.and_then(|at| table.get(at)).map(|(_, shape)| *shape)
}

/// Structural properties of a user, in the order of their names.
pub const USER: &[(&str, Shape)] = &[
    ("aboutMe", Shape::Text),
    ("accountEnabled", Shape::Flag),
    ("ageGroup", Shape::Text),
    ("assignedLicenses", Shape::List),
    ("assignedPlans", Shape::List),
    ("authorizationInfo", Shape::Other),
    ("birthday", Shape::Time),
    ("businessPhones", Shape::Texts),
    ("city", Shape::Text),
    ("companyName", Shape::Text),
    ("consentProvidedForMinor", Shape::Text),
    ("country", Shape::Text),
    ("createdDateTime", Shape::Time),
    ("creationType", Shape::Text),
    ("customSecurityAttributes", Shape::Other),
    ("deletedDateTime", Shape::Time),
    ("department", Shape::Text),
    ("deviceEnrollmentLimit", Shape::Number),
    ("displayName", Shape::Text),
    ("employeeHireDate", Shape::Time),
    ("employeeId", Shape::Text),
    ("employeeLeaveDateTime", Shape::Time),
    ("employeeOrgData", Shape::Other),
    ("employeeType", Shape::Text),
    ("externalUserState", Shape::Text),
    ("externalUserStateChangeDateTime", Shape::Time),
    ("faxNumber", Shape::Text),
    ("givenName", Shape::Text),
    ("hireDate", Shape::Time),
    ("id", Shape::Text),
    ("identities", Shape::List),
    ("identityParentId", Shape::Text),
    ("imAddresses", Shape::Texts),
    ("interests", Shape::Texts),
    ("isManagementRestricted", Shape::Flag),
    ("isResourceAccount", Shape::Flag),
    ("jobTitle", Shape::Text),
    ("lastPasswordChangeDateTime", Shape::Time),
    ("legalAgeGroupClassification", Shape::Text),
    ("licenseAssignmentStates", Shape::List),
    ("mail", Shape::Text),
    ("mailNickname", Shape::Text),
    ("mailboxSettings", Shape::Other),
    ("mobilePhone", Shape::Text),
    ("mySite", Shape::Text),
    ("officeLocation", Shape::Text),
    ("onPremisesDistinguishedName", Shape::Text),
    ("onPremisesDomainName", Shape::Text),
    ("onPremisesExtensionAttributes", Shape::Other),
    ("onPremisesImmutableId", Shape::Text),
    ("onPremisesLastSyncDateTime", Shape::Time),
    ("onPremisesProvisioningErrors", Shape::List),
    ("onPremisesSamAccountName", Shape::Text),
    ("onPremisesSecurityIdentifier", Shape::Text),
    ("onPremisesSyncEnabled", Shape::Flag),
    ("onPremisesUserPrincipalName", Shape::Text),
    ("otherMails", Shape::Texts),
    ("passwordPolicies", Shape::Text),
    ("passwordProfile", Shape::Other),
    ("pastProjects", Shape::Texts),
    ("postalCode", Shape::Text),
    ("preferredDataLocation", Shape::Text),
    ("preferredLanguage", Shape::Text),
    ("preferredName", Shape::Text),
    ("print", Shape::Other),
    ("provisionedPlans", Shape::List),
    ("proxyAddresses", Shape::Texts),
    ("responsibilities", Shape::Texts),
    ("schools", Shape::Texts),
    ("securityIdentifier", Shape::Text),
    ("serviceProvisioningErrors", Shape::List),
    ("showInAddressList", Shape::Flag),
    ("signInActivity", Shape::Other),
    ("signInSessionsValidFromDateTime", Shape::Time),
    ("skills", Shape::Texts),
    ("state", Shape::Text),
    ("streetAddress", Shape::Text),
    ("surname", Shape::Text),
    ("usageLocation", Shape::Text),
    ("userPrincipalName", Shape::Text),
    ("userType", Shape::Text),
];

/// Structural properties of a group, in the order of their names.
pub const GROUP: &[(&str, Shape)] = &[
    ("accessType", Shape::Other),
    ("allowExternalSenders", Shape::Flag),
    ("assignedLabels", Shape::List),
    ("assignedLicenses", Shape::List),
    ("autoSubscribeNewMembers", Shape::Flag),
    ("classification", Shape::Text),
    ("createdDateTime", Shape::Time),
    ("deletedDateTime", Shape::Time),
    ("description", Shape::Text),
    ("displayName", Shape::Text),
    ("expirationDateTime", Shape::Time),
    ("groupTypes", Shape::Texts),
    ("hasMembersWithLicenseErrors", Shape::Flag),
    ("hideFromAddressLists", Shape::Flag),
    ("hideFromOutlookClients", Shape::Flag),
    ("id", Shape::Text),
    ("infoCatalogs", Shape::Texts),
    ("isArchived", Shape::Flag),
    ("isAssignableToRole", Shape::Flag),
    ("isFavorite", Shape::Flag),
    ("isManagementRestricted", Shape::Flag),
    ("isSubscribedByMail", Shape::Flag),
    ("licenseProcessingState", Shape::Other),
    ("mail", Shape::Text),
    ("mailEnabled", Shape::Flag),
    ("mailNickname", Shape::Text),
    ("membershipRule", Shape::Text),
    ("membershipRuleProcessingState", Shape::Text),
    ("onPremisesDomainName", Shape::Text),
    ("onPremisesExtensionAttributes", Shape::Other),
    ("onPremisesLastSyncDateTime", Shape::Time),
    ("onPremisesNetBiosName", Shape::Text),
    ("onPremisesProvisioningErrors", Shape::List),
    ("onPremisesSamAccountName", Shape::Text),
    ("onPremisesSecurityIdentifier", Shape::Text),
    ("onPremisesSyncEnabled", Shape::Flag),
    ("organizationId", Shape::Text),
    ("preferredDataLocation", Shape::Text),
    ("preferredLanguage", Shape::Text),
    ("proxyAddresses", Shape::Texts),
    ("renewedDateTime", Shape::Time),
    ("resourceBehaviorOptions", Shape::Texts),
    ("resourceProvisioningOptions", Shape::Texts),
    ("securityEnabled", Shape::Flag),
    ("securityIdentifier", Shape::Text),
    ("serviceProvisioningErrors", Shape::List),
    ("theme", Shape::Text),
    ("uniqueName", Shape::Text),
    ("unseenConversationsCount", Shape::Number),
    ("unseenCount", Shape::Number),
    ("unseenMessagesCount", Shape::Number),
    ("visibility", Shape::Text),
    ("welcomeMessageEnabled", Shape::Flag),
];
