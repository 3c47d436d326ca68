//! What goes over the wire for each kind of change and dialect.

use insta::assert_snapshot;

use super::bench::{Bench, attributes};
use crate::core::model::{Attributes, Datum, ENTERPRISE, ScimId};
use crate::scim::ScimError;
use crate::scim::dialect::{ClearValue, Dialect, MemberRemove, UpdateMethod};
use crate::scim::members::OtherMembers;
use crate::transport::Method;

fn kari() -> Attributes {
    let department = format!("{ENTERPRISE}:department");
    let manager = format!("{ENTERPRISE}:manager");
    attributes([
        ("externalId", "5f0c2b1e-7d0f-4c59-9a51-0f2f6d1a77c3".into()),
        ("userName", "kari.nordmann@asker.example.no".into()),
        ("active", true.into()),
        ("name.givenName", "Kari".into()),
        ("name.familyName", "Nordmann".into()),
        ("title", Datum::Null),
        ("nickName", "".into()),
        ("emails[type eq \"work\"].value", "kari.nordmann@asker.example.no".into()),
        ("phoneNumbers[type eq \"mobile\"].value", "+4790000000".into()),
        (&department, "Hjemmetjenesten".into()),
        (&manager, "9f1e".into()),
    ])
}

/// What PATCH sends for a change from `held` to `wanted`.
async fn update(dialect: Dialect, held: Attributes, wanted: Attributes) -> String {
    let bench = Bench::speaking(dialect);
    bench.answer(204, "");
    let permit = bench.permit().await;
    let id = ScimId::new("9f1f");
    let answer = bench.writer.update_user(permit, &id, &held, &wanted).await.unwrap();
    assert_eq!(answer, None);
    bench.sent().join("\n")
}

#[tokio::test]
async fn create_is_nested_without_nulls_and_names_its_schemas() {
    let bench = Bench::new();
    bench.answer(201, r#"{"id":"9f1f","userName":"kari.nordmann@asker.example.no"}"#);
    let created = bench.writer.create_user(bench.permit().await, &kari()).await.unwrap();
    assert_eq!(created.id, ScimId::new("9f1f"));
    assert_snapshot!(bench.sent().join("\n"), @r#"
    POST /Users
      schemas ["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"]
      {"active":true,"emails":[{"primary":true,"type":"work","value":"kari.nordmann@asker.example.no"}],"externalId":"5f0c2b1e-7d0f-4c59-9a51-0f2f6d1a77c3","name":{"familyName":"Nordmann","givenName":"Kari"},"phoneNumbers":[{"type":"mobile","value":"+4790000000"}],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Hjemmetjenesten","manager":{"value":"9f1e"}},"userName":"kari.nordmann@asker.example.no"}
    "#);
}

#[tokio::test]
async fn requests_carry_type_agent_and_a_token_of_the_moment() {
    let bench = Bench::new();
    bench.answer(201, r#"{"id":1}"#);
    bench.writer.create_user(bench.permit().await, &kari()).await.unwrap();
    let [request] = bench.requests().try_into().unwrap();
    assert_eq!(request.method, Method::Post);
    let header = |name| request.headers.iter().find(|(key, _)| *key == name).unwrap().1.as_str();
    assert_eq!(header("content-type"), "application/scim+json");
    assert_eq!(header("accept"), "application/scim+json, application/json;q=0.9");
    assert!(header("user-agent").starts_with("manntall/"));
    assert!(request.bearer_secret().is_some());
}

#[tokio::test]
async fn create_without_an_id_in_its_body_is_uncertain_whatever_its_location_says() {
    for (body, location) in
        [("", "/Users"), ("{}", "/Users/"), (r#"{"id":""}"#, ""), ("", "/scim/v2/Users/7")]
    {
        let bench = Bench::new();
        bench.answer_with(201, body, &[("location", location)]);
        let error = bench.writer.create_user(bench.permit().await, &kari()).await.unwrap_err();
        assert!(matches!(error, ScimError::Unnamed { status: 201 }), "{error:?}");
    }
}

#[tokio::test]
async fn update_sends_only_what_differs_one_operation_each() {
    let manager = format!("{ENTERPRISE}:manager");
    let mut wanted = kari();
    wanted.extend(attributes([
        ("active", false.into()),
        ("name.familyName", "Nordmann-Åsen".into()),
        ("emails[type eq \"work\"].value", "kari.asen@asker.example.no".into()),
        ("phoneNumbers[type eq \"mobile\"].value", Datum::Null),
        (&manager, "9f1f".into()),
        ("title", "".into()),
    ]));
    assert_snapshot!(update(Dialect::default(), kari(), wanted).await, @r#"
    PATCH /Users/9f1f
      {"op":"replace","path":"active","value":false}
      {"op":"replace","path":"emails[type eq \"work\"].value","value":"kari.asen@asker.example.no"}
      {"op":"replace","path":"name.familyName","value":"Nordmann-Åsen"}
      {"op":"remove","path":"phoneNumbers[type eq \"mobile\"]"}
      {"op":"replace","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager","value":{"value":"9f1f"}}
    "#);
}

#[tokio::test]
async fn clearing_follows_the_dialect() {
    let title = || attributes([("title", "Helsefagarbeider".into())]);
    let gone = || attributes([("title", Datum::Null)]);
    assert_snapshot!(update(Dialect::default(), title(), gone()).await, @r#"
    PATCH /Users/9f1f
      {"op":"remove","path":"title"}
    "#);
    let empty = Dialect { clear_value: ClearValue::ReplaceEmpty, ..Dialect::default() };
    assert_snapshot!(update(empty.clone(), title(), gone()).await, @r#"
    PATCH /Users/9f1f
      {"op":"replace","path":"title","value":""}
    "#);
    let manager = format!("{ENTERPRISE}:manager");
    let held = attributes([(&manager, "9f1e".into())]);
    assert_snapshot!(update(empty, held, attributes([(&manager, Datum::Null)])).await, @r#"
    PATCH /Users/9f1f
      {"op":"remove","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager"}
    "#);
}

#[tokio::test]
async fn missing_element_is_added_whole_and_a_held_one_is_changed_in_place() {
    let street = "addresses[type eq \"work\"].streetAddress";
    let town = "addresses[type eq \"work\"].locality";
    let email = "emails[type eq \"work\"].value";
    let wanted = || {
        attributes([
            (street, "Knud Askers vei 25".into()),
            (town, "Asker".into()),
            (email, "kari@asker.example.no".into()),
        ])
    };
    let nothing = attributes([(street, Datum::Null), (email, Datum::Null)]);
    assert_snapshot!(update(Dialect::default(), nothing, wanted()).await, @r#"
    PATCH /Users/9f1f
      {"op":"add","path":"addresses","value":[{"locality":"Asker","streetAddress":"Knud Askers vei 25","type":"work"}]}
      {"op":"add","path":"emails","value":[{"primary":true,"type":"work","value":"kari@asker.example.no"}]}
    "#);
    let part = attributes([(town, "Asker".into()), (email, "kari@asker.example.no".into())]);
    assert_snapshot!(update(Dialect::default(), part, wanted()).await, @r#"
    PATCH /Users/9f1f
      {"op":"replace","path":"addresses[type eq \"work\"].streetAddress","value":"Knud Askers vei 25"}
    "#);
    let street_gone = attributes([(street, Datum::Null)]);
    assert_snapshot!(update(Dialect::default(), wanted(), street_gone).await, @r#"
    PATCH /Users/9f1f
      {"op":"remove","path":"addresses[type eq \"work\"].streetAddress"}
    "#);
}

#[tokio::test]
async fn nothing_is_sent_when_nothing_differs() {
    let bench = Bench::new();
    let id = ScimId::new("9f1f");
    let mut wanted = kari();
    wanted.extend(attributes([("title", "".into())]));
    let answer = bench.writer.update_user(bench.permit().await, &id, &kari(), &wanted).await;
    assert_eq!(answer, Ok(None));
    bench
        .writer
        .add_members(bench.permit().await, &id, &[], &OtherMembers::default())
        .await
        .unwrap();
    bench
        .writer
        .remove_members(bench.permit().await, &id, &[], &OtherMembers::default())
        .await
        .unwrap();
    assert_eq!(bench.sent(), Vec::<String>::new());
}

#[tokio::test]
async fn group_is_created_named_filled_and_deleted() {
    let bench = Bench::new();
    let members = [ScimId::new("9f1e"), ScimId::new("9f1f")];
    bench.answer(201, r#"{"id":"g1"}"#).answer(201, r#"{"id":"g2"}"#);
    let empty = bench.writer.create_group(bench.permit().await, "b7d3", "Asker", &[]).await;
    let filled = bench.writer.create_group(bench.permit().await, "b7d3", "Asker", &members).await;
    assert_eq!(empty.unwrap().id, ScimId::new("g1"));
    assert_eq!(filled.unwrap().members, None, "not shown");
    let id = ScimId::new("g1");
    let name = |name: &str| attributes([("displayName", name.into())]);
    bench.answer(200, r#"{"id":"g1","displayName":"Bærum"}"#).answer(204, "").answer(204, "");
    let permit = bench.permit().await;
    let group = bench
        .writer
        .update_group(permit, &id, (&name("Asker"), &name("Bærum")), &OtherMembers::default())
        .await;
    assert_eq!(group.unwrap().unwrap().display_name.as_deref(), Some("Bærum"));
    bench
        .writer
        .add_members(bench.permit().await, &id, &members, &OtherMembers::default())
        .await
        .unwrap();
    bench.writer.delete_group(bench.permit().await, &id).await.unwrap();
    bench.answer(404, "");
    // Whether the group is gone, this answer does not say.
    let result = bench.writer.delete_group(bench.permit().await, &id).await;
    assert_eq!(result, Err(ScimError::Gone));
    assert_snapshot!(bench.sent().join("\n"), @r#"
    POST /Groups
      schemas ["urn:ietf:params:scim:schemas:core:2.0:Group"]
      {"displayName":"Asker","externalId":"b7d3"}
    POST /Groups
      schemas ["urn:ietf:params:scim:schemas:core:2.0:Group"]
      {"displayName":"Asker","externalId":"b7d3","members":[{"value":"9f1e"},{"value":"9f1f"}]}
    PATCH /Groups/g1
      {"op":"replace","path":"displayName","value":"Bærum"}
    PATCH /Groups/g1
      {"op":"add","path":"members","value":[{"value":"9f1e"},{"value":"9f1f"}]}
    DELETE /Groups/g1
    DELETE /Groups/g1
    "#);
}

async fn remove(form: MemberRemove, answers: &[&str]) -> String {
    let bench = Bench::speaking(Dialect { member_remove: form, ..Dialect::default() });
    for answer in answers {
        bench.answer(200, answer);
    }
    let ids = [ScimId::new("9f1e"), ScimId::new(r#"a"b\c"#)];
    let permit = bench.permit().await;
    bench
        .writer
        .remove_members(permit, &ScimId::new("g1"), &ids, &OtherMembers::default())
        .await
        .unwrap();
    bench.sent().join("\n")
}

#[tokio::test]
async fn members_leave_in_the_dialects_form_and_no_other() {
    assert_snapshot!(remove(MemberRemove::ValueFilter, &[""]).await, @r#"
    PATCH /Groups/g1
      {"op":"remove","path":"members[value eq \"9f1e\"]"}
      {"op":"remove","path":"members[value eq \"a\\\"b\\\\c\"]"}
    "#);
    assert_snapshot!(remove(MemberRemove::ValueArray, &[""]).await, @r#"
    PATCH /Groups/g1
      {"op":"remove","path":"members","value":[{"value":"9f1e"},{"value":"a\"b\\c"}]}
    "#);
    let group = r#"{"id":"g1","meta":{"version":"1"},"displayName":"Asker","x":{"y":null,"z":1},
        "Members":[{"value":"9f1e","display":"Kari"},{"value":"9f20","type":"User"}]}"#;
    assert_snapshot!(remove(MemberRemove::PutMerge, &[group, ""]).await, @r#"
    GET /Groups/g1
    PUT /Groups/g1
      schemas ["urn:ietf:params:scim:schemas:core:2.0:Group"]
      {"displayName":"Asker","members":[{"type":"User","value":"9f20"}],"x":{"z":1}}
    "#);
    let last = r#"{"id":"g1","displayName":"Asker","members":{"value":"9f1e"}}"#;
    assert_snapshot!(remove(MemberRemove::PutMerge, &[last, ""]).await, @r#"
    GET /Groups/g1
    PUT /Groups/g1
      schemas ["urn:ietf:params:scim:schemas:core:2.0:Group"]
      {"displayName":"Asker","members":[]}
    "#);
}

#[tokio::test]
async fn refused_removal_is_not_tried_in_another_form() {
    let bench = Bench::new();
    bench.answer(400, r#"{"scimType":"invalidPath","detail":"value filters are not supported"}"#);
    let ids = [ScimId::new("9f1e")];
    let permit = bench.permit().await;
    let result = bench
        .writer
        .remove_members(permit, &ScimId::new("g1"), &ids, &OtherMembers::default())
        .await;
    assert!(matches!(result, Err(ScimError::Rejected { status: 400, .. })), "{result:?}");
    assert_eq!(bench.sent().len(), 1);
}

fn put() -> Dialect {
    Dialect {
        update_method: UpdateMethod::PutMerge,
        member_remove: MemberRemove::PutMerge,
        ..Dialect::default()
    }
}

#[tokio::test]
async fn put_keeps_what_we_do_not_manage_and_leaves_out_what_only_the_target_sets() {
    let bench = Bench::speaking(put());
    let held = r#"{"id":"9f1f","schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],
        "meta":{"location":"https://elsewhere.example.no/"},"groups":[{"value":"g"}],
        "UserName":"kari@asker.example.no","name.familyName":"Nordmann","nickName":null,
        "name":{"givenName":"Kari","familyName":"Nordmann"},"title":"Lege",
        "emails":[{"type":"home","value":"k@hjemme.example.no","primary":true},
                  {"type":"work","value":"kari@asker.example.no"}],
        "phoneNumbers":{"type":"mobile","value":"+4790000000","display":"Mobil"},
        "urn:x:1.0:User":{"badge":7}}"#;
    bench.answer(200, held).answer(200, "");
    let department = format!("{ENTERPRISE}:department");
    let before =
        attributes([("title", "Lege".into()), ("userName", "kari@asker.example.no".into())]);
    let wanted = attributes([
        ("userName", "kari.asen@asker.example.no".into()),
        ("name.familyName", "Åsen".into()),
        ("title", Datum::Null),
        ("emails[type eq \"work\"].value", "kari.asen@asker.example.no".into()),
        ("phoneNumbers[type eq \"mobile\"].value", Datum::Null),
        ("addresses[type eq \"work\"].locality", "Asker".into()),
        (&department, "Helse".into()),
    ]);
    let id = ScimId::new("9f1f");
    bench.writer.update_user(bench.permit().await, &id, &before, &wanted).await.unwrap();
    assert_snapshot!(bench.sent().join("\n"), @r#"
    GET /Users/9f1f
    PUT /Users/9f1f
      schemas ["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"]
      {"UserName":"kari.asen@asker.example.no","addresses":[{"locality":"Asker","type":"work"}],"emails":[{"primary":true,"type":"home","value":"k@hjemme.example.no"},{"type":"work","value":"kari.asen@asker.example.no"}],"name":{"familyName":"Åsen","givenName":"Kari"},"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Helse"},"urn:x:1.0:User":{"badge":7}}
    "#);
}

#[tokio::test]
async fn put_is_spared_when_the_target_holds_it_already() {
    let bench = Bench::speaking(put());
    bench.answer(200, r#"{"id":"g1","members":[{"value":"9f1e"}]}"#);
    let ids = [ScimId::new("9f1e")];
    bench
        .writer
        .add_members(bench.permit().await, &ScimId::new("g1"), &ids, &OtherMembers::default())
        .await
        .unwrap();
    assert_eq!(bench.sent(), ["GET /Groups/g1"]);
}

#[tokio::test]
async fn put_is_not_sent_for_a_resource_that_is_gone_or_another_one() {
    for (status, body, expected) in [
        (404, "", ScimError::Gone),
        (200, r#"{"id":"g2"}"#, ScimError::Mismatch),
        (200, r#"{"members":[]}"#, ScimError::Mismatch),
    ] {
        let bench = Bench::speaking(put());
        bench.answer(status, body);
        let ids = [ScimId::new("9f1e")];
        let permit = bench.permit().await;
        let result = bench
            .writer
            .remove_members(permit, &ScimId::new("g1"), &ids, &OtherMembers::default())
            .await;
        assert_eq!(result, Err(expected));
        assert_eq!(bench.sent(), ["GET /Groups/g1"]);
    }
}

#[tokio::test]
async fn a_pause_holds_up_the_next_write_of_a_change_and_no_order() {
    for is_order in [false, true] {
        let bench = Bench::speaking(put());
        bench.pacer.pause_writes(true);
        bench
            .answer(200, r#"{"id":"g1","members":[{"value":"77"}]}"#)
            .answer(200, r#"{"id":"g1"}"#);
        let permit = bench.permit().await;
        let permit = if is_order { permit.for_order() } else { permit };
        let ids = [ScimId::new("9f1e")];
        let result = bench
            .writer
            .add_members(permit, &ScimId::new("g1"), &ids, &OtherMembers::default())
            .await;
        let puts = bench.sent().iter().filter(|line| line.starts_with("PUT")).count();
        let is_paused = result == Err(ScimError::Paused);
        assert_eq!((puts, is_paused), (usize::from(is_order), !is_order));
        bench.pacer.pause_writes(false);
    }
}
