//! Groups and their members, in every form of change.

use std::collections::BTreeSet;

use serde_json::json;

use super::*;

/// A group of three; its id and theirs.
fn three(personality: Personality) -> (Platform, String, Vec<String>) {
    let mut platform = Platform::new(options(personality));
    let ids: Vec<_> = ["a", "b", "c"].iter().map(|name| hire(&mut platform, name)).collect();
    let members: Vec<_> = ids.iter().map(|id| json!({ "value": id })).collect();
    let group =
        platform.insert_group(&json!({ "displayName": "Alle", "members": members })).unwrap();
    (platform, group, ids)
}

/// Status of a change and the names of who is in the group then.
fn members_after(personality: Personality, change: &dyn Fn(&[String]) -> Value) -> (u16, String) {
    let (mut platform, group, ids) = three(personality);
    let (status, _) = patch(&mut platform, &format!("Groups/{group}"), &change(&ids));
    let left = &platform.group(&group).unwrap().members;
    let users = platform.users().filter(|user| left.contains(&user.id));
    (status, users.map(|user| user.user_name().to_owned()).collect())
}

fn by_filter(ids: &[String]) -> Value {
    json!([{ "op": "remove", "path": format!("members[value eq \"{}\"]", ids[0]) }])
}

fn by_array(ids: &[String]) -> Value {
    json!([{ "op": "remove", "path": "members", "value": [{ "value": ids[0] }] }])
}

#[test]
fn removal_by_filter_and_by_array_differ_by_personality() {
    assert_eq!(members_after(Personality::Strict, &by_filter), (204, "bc".to_owned()));
    assert_eq!(members_after(Personality::Strict, &by_array), (204, String::new()));
    assert_eq!(members_after(Personality::Sloppy, &by_filter), (204, "bc".to_owned()));
    assert_eq!(members_after(Personality::Sloppy, &by_array), (204, "bc".to_owned()));
    assert_eq!(members_after(Personality::Legacy, &by_filter), (204, String::new()));
    assert_eq!(members_after(Personality::Legacy, &by_array), (204, "bc".to_owned()));
}

#[test]
fn strict_members_are_added_removed_and_replaced() {
    let check = |change: &dyn Fn(&[String]) -> Value| members_after(Personality::Strict, change);
    let all = |_: &[String]| json!([{ "op": "remove", "path": "members" }]);
    assert_eq!(check(&all), (204, String::new()));
    let some = |ids: &[String]| json!([{ "op": "replace", "path": "members", "value": [{ "value": ids[1] }] }]);
    assert_eq!(check(&some), (204, "b".to_owned()));
    let path_less = |ids: &[String]| json!([{ "op": "replace", "value": { "members": [{ "value": ids[1] }] } }]);
    assert_eq!(check(&path_less), (204, "b".to_owned()));
    let again = |ids: &[String]| json!([{ "op": "add", "path": "members", "value": [{ "value": ids[1] }] }]);
    assert_eq!(check(&again), (204, "abc".to_owned()));
    let in_order = |ids: &[String]| {
        let [remove] = by_filter(ids).as_array().unwrap().clone().try_into().unwrap();
        json!([{ "op": "remove", "path": "members" }, { "op": "add", "path": "members", "value": [{ "value": ids[0] }, { "value": ids[2], "type": "User" }] }, remove])
    };
    assert_eq!(check(&in_order), (204, "c".to_owned()));
    let by_other = |_: &[String]| json!([{ "op": "remove", "path": "members[type eq \"User\" and $ref ew \"x\" or type eq \"user\"]" }]);
    assert_eq!(check(&by_other), (204, String::new()));
}

#[test]
fn refused_member_changes_leave_the_group_alone() {
    let (mut platform, group, ids) = three(Personality::Strict);
    for (change, scim_type) in [
        (
            json!({ "op": "add", "path": "members", "value": [{ "value": "nobody" }] }),
            "invalidValue",
        ),
        (
            json!({ "op": "add", "path": "members", "value": [{ "value": ids[0], "type": "Group" }] }),
            "invalidValue",
        ),
        (json!({ "op": "add", "path": "members", "value": [{ "value": null }] }), "invalidValue"),
        (json!({ "op": "remove", "path": "members[value eq \"nobody\"]" }), "noTarget"),
        (
            json!({ "op": "replace", "path": format!("members[value eq \"{}\"].value", ids[0]), "value": "x" }),
            "mutability",
        ),
        (json!({ "op": "remove", "path": "displayName" }), "mutability"),
    ] {
        let changes = json!([{ "op": "remove", "path": "members" }, change]);
        let changes = if change["path"] == "displayName" { changes } else { json!([change]) };
        let answer = patch(&mut platform, &format!("Groups/{group}"), &changes);
        assert_eq!(refusal(answer), refused(400, scim_type), "{change}");
        assert_eq!(platform.group(&group).unwrap().members.len(), 3, "{change}");
    }
}

#[test]
fn members_of_a_new_group_are_kept_or_ignored() {
    for kept in [true, false] {
        let mut platform = Platform::new(PlatformOptions {
            group_create_with_members: kept,
            ..options(Personality::Strict)
        });
        let id = hire(&mut platform, "kari");
        let body = json!({ "schemas": [GROUP], "displayName": "G", "members": [{ "value": id }] });
        let (status, group) = send(&mut platform, "POST", "Groups", &body);
        assert_eq!((status, group["members"].is_array()), (201, kept));
        let user = get(&mut platform, &format!("Users/{id}")).1;
        assert_eq!(user["groups"][0]["display"] == "G", kept);
    }
}

#[test]
fn deleted_user_leaves_the_groups_and_deleted_group_the_users() {
    let (mut platform, group, ids) = three(Personality::Strict);
    assert_eq!(send(&mut platform, "DELETE", &format!("Users/{}", ids[0]), &Value::Null).0, 204);
    let rest: BTreeSet<_> = ids[1..].iter().cloned().collect();
    assert_eq!(platform.group(&group).unwrap().members, rest);
    let filter = query(&format!("members eq \"{}\"", ids[1]));
    assert_eq!(get(&mut platform, &format!("Groups?{filter}")).1["totalResults"], 1);
    assert_eq!(send(&mut platform, "DELETE", &format!("Groups/{group}"), &Value::Null).0, 204);
    assert_eq!(get(&mut platform, &format!("Groups?{filter}")).1["totalResults"], 0);
    assert!(get(&mut platform, &format!("Users/{}", ids[1])).1["groups"].is_null());
}

#[test]
fn groups_nest_and_show_who_is_in() {
    let (mut platform, inner, _) = three(Personality::Strict);
    let body = json!({ "schemas": [GROUP], "displayName": "Ytre", "members": [{ "value": inner, "type": "Group" }] });
    let (_, outer) = send(&mut platform, "POST", "Groups", &body);
    assert_eq!(
        outer["members"],
        json!([{ "value": inner, "type": "Group", "display": "Alle", "$ref": format!("{BASE}/Groups/{inner}") }])
    );
    let path = format!("Groups?{}&excludedAttributes=members", query("displayName eq \"YTRE\""));
    let (_, list) = get(&mut platform, &path);
    assert_eq!(list["Resources"][0]["id"], outer["id"]);
    assert!(list["Resources"][0]["members"].is_null());
}

#[test]
fn put_replaces_the_members() {
    let (mut platform, group, ids) = three(Personality::Strict);
    let path = format!("Groups/{group}");
    let body = json!({ "schemas": [GROUP], "displayName": "Ny", "members": [{ "value": ids[2] }] });
    let (status, answer) = send(&mut platform, "PUT", &path, &body);
    assert_eq!((status, answer["members"].as_array().map(Vec::len)), (200, Some(1)));
    let body = json!({ "schemas": [GROUP], "displayName": "Ny" });
    assert!(send(&mut platform, "PUT", &path, &body).1["members"].is_null());
}
