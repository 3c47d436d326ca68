//! What a refusal says, and which of the attributes it is about.

use serde_json::json;

use super::bench::{Bench, attributes};
use crate::core::model::{Attributes, ENTERPRISE, ScimId};
use crate::scim::{About, Extent, ScimError};

fn wanted() -> Attributes {
    let manager = format!("{ENTERPRISE}:manager");
    attributes([
        ("displayName", "Kari".into()),
        ("name.givenName", "Kari".into()),
        ("title", "Sjef".into()),
        ("phoneNumbers[type eq \"mobile\"].value", "+4790000000".into()),
        ("addresses[type eq \"work\"].locality", "Asker".into()),
        (&manager, "9f20".into()),
    ])
}

async fn refused(status: u16, body: &str) -> ScimError {
    let bench = Bench::new();
    bench.answer(status, body);
    let (permit, id) = (bench.permit().await, ScimId::new("9f1f"));
    bench.writer.update_user(permit, &id, &Attributes::new(), &wanted()).await.unwrap_err()
}

async fn about(status: u16, body: &str) -> (Vec<String>, Extent) {
    let error = refused(status, body).await;
    let About { paths, extent } = error.about().cloned().unwrap_or_default();
    (paths.iter().map(ToString::to_string).collect(), extent)
}

#[tokio::test]
async fn a_refusal_is_about_the_attributes_that_it_names() {
    let phone = "phoneNumbers[type eq \"mobile\"].value";
    let address = "addresses[type eq \"work\"].locality";
    let manager = format!("{ENTERPRISE}:manager");
    let attribute = Extent::Attribute;
    for (status, body, expected, extent) in [
        (
            400,
            json!({"scimType": "invalidPath", "detail": "Unsupported PATCH path: phoneNumbers"}),
            phone,
            attribute,
        ),
        (
            400,
            json!({"detail": "Unsupported path: addresses[type eq \"work\"].locality"}),
            address,
            attribute,
        ),
        (501, json!({"detail": "title is not implemented"}), "title", attribute),
        (
            400,
            json!({"scimType": "noTarget", "detail": "no phoneNumbers of this type"}),
            phone,
            Extent::Element,
        ),
        (
            422,
            json!({"detail": [{"loc": ["body", "title"], "msg": "Extra inputs are not permitted"}]}),
            "title",
            attribute,
        ),
        (
            422,
            json!({"detail": [{"loc": ["body", "phone_numbers", 0, "value"], "msg": "too short"}]}),
            phone,
            Extent::Value,
        ),
        (400, json!({"errors": {"title": ["is too long"]}}), "title", Extent::Value),
        (
            400,
            json!({"errors": [{"field": "name.givenName", "message": "is too long"}]}),
            "name.givenName",
            Extent::Value,
        ),
        (
            400,
            json!({"scimType": "invalidValue", "detail": format!("bad value for {manager}")}),
            &manager,
            Extent::Value,
        ),
        (
            400,
            json!({"urn:x:Error": {"message": "The manager does not exist"}}),
            &manager,
            Extent::Value,
        ),
    ] {
        let expected = (vec![expected.to_owned()], extent);
        assert_eq!(about(status, &body.to_string()).await, expected, "{body}");
    }
}

#[tokio::test]
async fn a_refusal_that_names_nothing_or_everything_is_about_nothing() {
    for body in [
        json!({"detail": "Bad Request"}),
        json!({"detail": "the name is bad"}),
        json!({"detail": "cannot save displayName givenName title phoneNumbers addresses manager"}),
        json!({"detail": [{"loc": ["body", "emails"], "msg": "Field required"}]}),
    ] {
        assert_eq!(about(400, &body.to_string()).await, (vec![], Extent::Value), "{body}");
    }
    // A value of ours that is the name of an attribute names nothing.
    let bench = Bench::new();
    bench.answer(400, r#"{"detail":"manager is no good word"}"#);
    let (permit, id) = (bench.permit().await, ScimId::new("9f1f"));
    let manager = format!("{ENTERPRISE}:manager");
    let wanted = attributes([("title", "Manager".into()), (&manager, "9f20".into())]);
    let error = bench.writer.update_user(permit, &id, &Attributes::new(), &wanted).await;
    assert_eq!(error.unwrap_err().about().unwrap().paths, []);
}

#[tokio::test]
async fn the_field_that_is_missing_is_told() {
    let body = json!({"detail": [{"loc": ["body", "emails"], "msg": "Field required"}]});
    let error = refused(422, &body.to_string()).await;
    assert_eq!(error.told(), Some("emails: Field required"));
    let body = json!({"detail": "Validation failed", "errors": {"emails": ["is required"]}});
    let error = refused(400, &body.to_string()).await;
    assert_eq!(error.told(), Some("Validation failed; emails: is required"));
}

#[tokio::test]
async fn answers_of_any_size_give_a_short_reason() {
    for size in [100_000, 1_000_000, 10_000_000] {
        let long = "x y ".repeat(size / 4);
        let nested = "[".repeat(size);
        for body in [long.clone(), json!({ "detail": long }).to_string(), nested] {
            let error = refused(400, &body).await;
            let told = error.told().unwrap_or_default();
            assert!(told.chars().count() <= 201, "{} characters", told.chars().count());
            assert!(error.to_string().len() <= 200);
        }
    }
}
