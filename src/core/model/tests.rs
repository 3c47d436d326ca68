//! Ids and paths survive the trip through text.

use super::*;

#[test]
fn object_id_reads_either_case_and_writes_lower() {
    let id = ObjectId::parse("0B6A0F52-6b0b-4c2e-9c0a-2f1f8d7f4a01").map(|id| id.to_string());
    assert_eq!(id.as_deref(), Some("0b6a0f52-6b0b-4c2e-9c0a-2f1f8d7f4a01"));
    for wrong in [
        "",
        "0b6a0f52",
        "0b6a0f52-6b0b-4c2e-9c0a-2f1f8d7f4a0g",
        "0b6a0f526b0b-4c2e-9c0a-2f1f8d7f4a01-",
    ] {
        assert_eq!(ObjectId::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn attribute_path_splits_into_its_parts() {
    let parts = |text: &str| {
        AttrPath::parse(text).map(|path| {
            let AttrParts { schema, attribute, filter, sub } = path.parts();
            format!("{schema:?} {attribute} {filter:?} {sub:?}")
        })
    };
    assert_eq!(parts("title").as_deref(), Some("None title None None"));
    assert_eq!(parts("name.givenName").as_deref(), Some("None name None Some(\"givenName\")"));
    assert_eq!(
        parts("emails[type eq \"work\"].value").as_deref(),
        Some("None emails Some((\"type\", \"work\")) Some(\"value\")")
    );
    assert_eq!(
        parts(&format!("{ENTERPRISE}:department")),
        Some(format!("Some({ENTERPRISE:?}) department None None"))
    );
    for wrong in ["", "a b", "emails[type eq work].value", "emails[type eq \"work\"]", "name."] {
        assert_eq!(parts(wrong), None, "{wrong}");
    }
}

#[test]
fn text_of_strangers_makes_no_new_source() {
    let object = "0b6a0f52-6b0b-4c2e-9c0a-2f1f8d7f4a01";
    assert_eq!(PersonId::parse(&format!("never-configured/{object}")), None);
    assert_eq!(GroupKey::parse(&format!("group:never-configured/{object}")), None);
    assert_eq!(SourceName::known("never-configured"), None);
}

#[test]
fn what_is_nested_too_deeply_is_refused_and_does_not_use_up_the_stack() {
    let nested = |depth: usize| {
        let mut bytes = [4, 1].repeat(depth);
        bytes.push(0);
        postcard::from_bytes::<Datum>(&bytes)
    };
    assert!(nested(127).is_ok(), "as deep as JSON is read");
    assert!(nested(50_000).is_err());
    assert!(nested(127).is_ok(), "the next value is read as ever");
}

#[test]
fn group_key_survives_text() {
    SourceName::new("asker");
    for text in ["group:asker/0b6a0f52-6b0b-4c2e-9c0a-2f1f8d7f4a01", "rule:sections/Vann/avløp"] {
        assert_eq!(GroupKey::parse(text).map(|key| key.to_string()).as_deref(), Some(text));
    }
}

#[test]
fn values_lie_in_the_order_of_their_names_and_the_last_of_a_name_counts() {
    let told = [("mail", "b"), ("city", "Asker"), ("mail", "a")];
    let fields: Properties =
        told.into_iter().map(|(name, value)| (name, Datum::from(value))).collect();
    let shown: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(shown, ["city=\"Asker\"", "mail=\"a\""]);
    let read: Option<Properties> =
        postcard::to_stdvec(&fields).ok().and_then(|bytes| postcard::from_bytes(&bytes).ok());
    assert_eq!(read, Some(fields));
}

#[test]
fn a_record_that_claims_more_values_than_there_is_memory_for_is_only_damaged() {
    let claims = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
    assert!(postcard::from_bytes::<Properties>(&claims).is_err());
}
