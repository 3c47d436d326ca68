//! `/ServiceProviderConfig`, `/ResourceTypes` and `/Schemas` (RFC 7644 §4, RFC 7643 §5 to §7).

use serde_json::{Map, Value, json};

use super::schema::{Attribute, Kind, Mutability, Returned, Type, Uniqueness};

const KINDS: [Kind; 2] = [Kind::User, Kind::Group];

/// What the platform says that it can do.
pub(super) fn service_provider_config(base_url: &str, page_size_max: usize) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": { "supported": true },
        "bulk": { "supported": false, "maxOperations": 0, "maxPayloadSize": 0 },
        "filter": { "supported": true, "maxResults": page_size_max },
        "changePassword": { "supported": false },
        "sort": { "supported": false },
        "etag": { "supported": false },
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "Bearer token",
            "description": "A token in the Authorization header (RFC 6750)",
            "primary": true,
        }],
        "meta": {
            "resourceType": "ServiceProviderConfig",
            "location": format!("{base_url}/ServiceProviderConfig"),
        },
    })
}

/// The resource types, each with its name as id.
pub(super) fn resource_types(base_url: &str) -> Vec<(String, Value)> {
    KINDS.into_iter().map(|kind| (kind.name().to_owned(), resource_type(base_url, kind))).collect()
}

fn resource_type(base_url: &str, kind: Kind) -> Value {
    let extensions: Vec<_> = kind
        .extension()
        .into_iter()
        .map(|extension| json!({ "schema": extension.name, "required": false }))
        .collect();
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
        "id": kind.name(),
        "name": kind.name(),
        "endpoint": format!("/{}", kind.endpoint()),
        "schema": kind.urn(),
        "schemaExtensions": extensions,
        "meta": {
            "resourceType": "ResourceType",
            "location": format!("{base_url}/ResourceTypes/{}", kind.name()),
        },
    })
}

/// The schemas, each with its URN as id.
pub(super) fn schemas(base_url: &str) -> Vec<(String, Value)> {
    let mut result = Vec::new();
    for kind in KINDS {
        result.push(schema(base_url, kind.urn(), kind.name(), kind.core()));
        if let Some(extension) = kind.extension() {
            result.push(schema(base_url, extension.name, "EnterpriseUser", extension.sub));
        }
    }
    result
}

fn schema(base_url: &str, urn: &str, name: &str, attributes: &[Attribute]) -> (String, Value) {
    let attributes: Vec<_> = attributes.iter().map(describe).collect();
    let schema = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
        "id": urn,
        "name": name,
        "attributes": attributes,
        "meta": { "resourceType": "Schema", "location": format!("{base_url}/Schemas/{urn}") },
    });
    (urn.to_owned(), schema)
}

fn describe(attribute: &Attribute) -> Value {
    let kind = match attribute.kind {
        Type::String => "string",
        Type::Boolean => "boolean",
        Type::DateTime => "dateTime",
        Type::Reference => "reference",
        Type::Binary => "binary",
        Type::Complex => "complex",
    };
    let mutability = match attribute.mutability {
        Mutability::ReadOnly => "readOnly",
        Mutability::ReadWrite => "readWrite",
        Mutability::Immutable => "immutable",
        Mutability::WriteOnly => "writeOnly",
    };
    let returned = match attribute.returned {
        Returned::Always => "always",
        Returned::Never => "never",
        Returned::Default => "default",
    };
    let uniqueness = match attribute.uniqueness {
        Uniqueness::None => "none",
        Uniqueness::Server => "server",
    };
    let mut map = Map::from_iter([
        ("name".to_owned(), Value::from(attribute.name)),
        ("type".to_owned(), Value::from(kind)),
        ("multiValued".to_owned(), Value::from(attribute.multi)),
        ("required".to_owned(), Value::from(attribute.required)),
        ("caseExact".to_owned(), Value::from(attribute.case_exact)),
        ("mutability".to_owned(), Value::from(mutability)),
        ("returned".to_owned(), Value::from(returned)),
        ("uniqueness".to_owned(), Value::from(uniqueness)),
    ]);
    if !attribute.canonical.is_empty() {
        map.insert("canonicalValues".to_owned(), Value::from(attribute.canonical.to_vec()));
    }
    if !attribute.references.is_empty() {
        map.insert("referenceTypes".to_owned(), Value::from(attribute.references.to_vec()));
    }
    if !attribute.sub.is_empty() {
        let sub: Vec<_> = attribute.sub.iter().map(describe).collect();
        map.insert("subAttributes".to_owned(), Value::from(sub));
    }
    Value::Object(map)
}
