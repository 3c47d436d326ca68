//! What single delta requests and rounds answer.

use std::collections::BTreeSet;

use super::history::{GROUPS, USERS};
use super::*;
use crate::sim::world::{Event, ObjectId, State};

#[test]
fn two_tenants_of_the_same_seed_answer_the_same_bytes() {
    let read = || {
        let mut bench = Bench::new(9);
        bench.entra.quirks = Quirks::all(50);
        bench.round(GROUPS)
    };
    assert_eq!(read(), read());
}

#[test]
fn all_spellings_of_the_function_work() {
    let mut bench = Bench::new(1);
    for function in
        ["delta", "delta()", "microsoft.graph.delta", "microsoft.graph.delta()", "delta%28%29"]
    {
        assert_eq!(objects(&bench.round(&format!("/v1.0/users/{function}")).0).len(), 20);
        assert_eq!(objects(&bench.round(&format!("/v1.0/groups/{function}")).0).len(), 5);
    }
    assert_eq!(bench.entra.counters.of(RequestKind::UsersDelta), 5);
}

#[test]
fn pages_hold_no_more_than_is_allowed_or_asked_for() {
    let world = generate(&GeneratorOptions {
        users: 450,
        groups: 2,
        memberships: 450,
        ..Default::default()
    });
    let mut bench = Bench::new(1);
    bench.world = world;
    bench.token = login::fresh_token(&mut bench.entra, &bench.world);
    let sizes = |bench: &mut Bench| -> Vec<usize> {
        let (pages, _) = bench.round(USERS);
        pages.iter().map(|page| page["value"].as_array().unwrap().len()).collect()
    };
    bench.prefer = Some("odata.maxpagesize=999");
    assert_eq!(sizes(&mut bench), [200, 200, 50]);
    bench.prefer = Some("return=minimal, odata.maxpagesize=180");
    assert_eq!(sizes(&mut bench), [180, 180, 90]);

    bench.entra.options.links_max = 100;
    let (pages, _) = bench.round(GROUPS);
    let everybody =
        objects(&pages).into_iter().filter(|group| group["displayName"] == "PLT Alle ansatte");
    let appearances: Vec<_> =
        everybody.map(|group| group["members@delta"].as_array().unwrap().len()).collect();
    assert!(
        appearances.len() >= 5 && appearances.iter().all(|links| *links <= 100),
        "{appearances:?}"
    );
    assert_eq!(appearances.iter().sum::<usize>(), 451);
}

#[test]
fn minimal_tells_what_changed_and_the_default_form_everything_ever_set() {
    let mut bench = Bench::new(1);
    let user = bench.world.live_users().find(|user| user.text("mail").is_some()).unwrap().id;
    let set = |name: &str, value: Value| Event::SetProperty { user, name: name.to_owned(), value };
    let select = "/v1.0/users/delta?$select=mail,jobTitle,faxNumber";
    let (_, link) = bench.round(select);
    bench.world.apply(set("mail", Value::Null)).unwrap();
    bench.world.apply(set("city", "Oslo".into())).unwrap();

    bench.prefer = Some("return=minimal");
    let minimal = objects(&bench.round(&link).0);
    assert_eq!(minimal, [serde_json::json!({ "id": user, "mail": null })]);

    bench.prefer = None;
    let title = bench.world.users()[&user].properties.get("jobTitle").unwrap().clone();
    let full = objects(&bench.round(&link).0);
    assert_eq!(full, [serde_json::json!({ "id": user, "mail": null, "jobTitle": title })]);
}

#[test]
fn a_change_of_what_is_not_selected_is_no_change() {
    let mut bench = Bench::new(1);
    let (_, link) = bench.round("/v1.0/users/delta?$select=mail");
    let user = bench.world.live_users().next().unwrap().id;
    bench
        .world
        .apply(Event::SetProperty { user, name: "city".to_owned(), value: "Oslo".into() })
        .unwrap();
    let (pages, next) = bench.round(&link);
    assert_eq!(objects(&pages), [Value::Null; 0]);
    assert_ne!(next, link);
}

#[test]
fn manager_comes_as_an_array_and_only_when_it_changed() {
    let mut bench = Bench::new(1);
    let user = bench.world.live_users().find(|user| user.manager.is_some()).unwrap().clone();
    let (pages, link) = bench.round(USERS);
    let listed =
        objects(&pages).into_iter().find(|object| object["id"] == user.id.to_string()).unwrap();
    assert_eq!(listed["manager@delta"][0]["id"], user.manager.unwrap().to_string());

    bench.world.apply(Event::Disable { user: user.id }).unwrap();
    let (pages, link) = bench.round(&link);
    assert_eq!(objects(&pages)[0].get("manager@delta"), None);

    let department = "NAV".to_owned();
    let job_title = "Veileder".to_owned();
    bench.world.apply(Event::Move { user: user.id, department, job_title, manager: None }).unwrap();
    let gone = &objects(&bench.round(&link).0)[0]["manager@delta"][0];
    assert_eq!(gone["@removed"]["reason"], "deleted");
}

/// The one object that a round lists.
fn only(bench: &mut Bench, link: &mut String) -> Value {
    let (pages, next) = bench.round(link);
    *link = next;
    let found = objects(&pages);
    assert_eq!(found.len(), 1, "{found:?}");
    found.into_iter().next().unwrap()
}

#[test]
fn tombstones_say_how_a_user_went_and_a_restored_one_is_like_new() {
    let mut bench = Bench::new(1);
    let group = bench.world.live_groups().find(|group| !group.members.is_empty()).unwrap();
    let user = group.members.first().unwrap().id;
    let (_, mut users) = bench.round(USERS);
    let (_, groups) = bench.round(GROUPS);
    let reason = |object: &Value| object["@removed"]["reason"].as_str().map(str::to_owned);

    bench.world.apply(Event::SoftDelete { user }).unwrap();
    assert_eq!(reason(&only(&mut bench, &mut users)).as_deref(), Some("changed"));
    assert_eq!(objects(&bench.round(&groups).0), [Value::Null; 0], "memberships stay");
    assert_eq!(
        bench.refusal(&format!("/v1.0/users/{user}")),
        (404, "Request_ResourceNotFound".to_owned())
    );

    bench.world.apply(Event::Restore { user }).unwrap();
    let restored = only(&mut bench, &mut users);
    assert_eq!((reason(&restored), restored.get("displayName").is_some()), (None, true));

    bench.world.apply(Event::SoftDelete { user }).unwrap();
    bench.world.apply(Event::Purge { user }).unwrap();
    let (pages, _) = bench.round(&users);
    let listed = objects(&pages);
    let tombstone = listed.iter().find(|object| object["id"] == user.to_string()).unwrap();
    assert_eq!(reason(tombstone).as_deref(), Some("deleted"));
}

#[test]
fn a_complete_read_lists_no_earlier_deletions() {
    let mut bench = Bench::new(1);
    let user = bench.world.live_users().next().unwrap().id;
    bench.world.apply(Event::SoftDelete { user }).unwrap();
    let listed = objects(&bench.round(USERS).0);
    assert_eq!(listed.len(), 19);
    assert!(listed.iter().all(|object| object.get("@removed").is_none()));
}

#[test]
fn a_deleted_group_is_a_tombstone() {
    let mut bench = Bench::new(1);
    let group = bench.world.live_groups().next().unwrap().id;
    let (_, mut link) = bench.round(GROUPS);
    bench.world.apply(Event::DeleteGroup { group }).unwrap();
    assert_eq!(only(&mut bench, &mut link)["@removed"]["reason"], "changed");
    bench.world.apply(Event::PurgeGroup { group }).unwrap();
    let listed = objects(&bench.round(&link).0);
    assert!(listed.iter().any(|object| object["@removed"]["reason"] == "deleted"));
    assert_eq!(bench.world.groups()[&group].state, State::Purged);
}

#[test]
fn latest_starts_from_now() {
    let mut bench = Bench::new(1);
    let (pages, link) = bench.round(&format!("{USERS}&$deltatoken=latest"));
    assert_eq!((pages.len(), objects(&pages).len()), (1, 0));
    let user = bench.world.live_users().find(|user| user.is_enabled()).unwrap().id;
    bench.world.apply(Event::Disable { user }).unwrap();
    let (pages, _) = bench.round(&link);
    assert_eq!(objects(&pages)[0]["accountEnabled"], false);
}

#[test]
fn only_ids_can_be_filtered_for() {
    let mut bench = Bench::new(1);
    let ids: Vec<_> =
        bench.world.groups().keys().take(2).map(|id| format!("id eq '{id}'")).collect();
    let (pages, link) = bench.round(&format!("{GROUPS}&$filter={}", ids.join(" or ")));
    assert_eq!(
        objects(&pages).iter().map(|group| group["id"].to_string()).collect::<BTreeSet<_>>().len(),
        2
    );
    let other = *bench.world.groups().keys().nth(3).unwrap();
    bench.world.apply(Event::RenameGroup { group: other, name: "x".to_owned() }).unwrap();
    assert_eq!(objects(&bench.round(&link).0), [Value::Null; 0], "the filter is part of the link");

    let unsupported = (400, "Request_UnsupportedQuery".to_owned());
    let many = vec![format!("id eq '{other}'"); 51].join(" or ");
    for filter in ["department eq 'NAV'", "id eq 'x'", "id ne ''", many.as_str()] {
        assert_eq!(bench.refusal(&format!("{GROUPS}&$filter={filter}")), unsupported, "{filter}");
    }
    for option in ["$expand=manager", "$orderby=displayName", "$search=x"] {
        assert_eq!(bench.refusal(&format!("{USERS}&{option}")), unsupported, "{option}");
    }
    assert_eq!(objects(&bench.round(&format!("{USERS}&$top=3")).0).len(), 20, "$top is ignored");
}

#[test]
fn an_unknown_property_is_refused_in_graphs_words() {
    let mut bench = Bench::new(1);
    for (kind, name) in [("user", "extensionAttribute1"), ("group", "department")] {
        let response = bench.get(&format!("/v1.0/{kind}s/delta?$select=id,{name}"));
        let message = json(&response)["error"]["message"].as_str().unwrap().to_owned();
        let words =
            format!("Could not find a property named '{name}' on type 'microsoft.graph.{kind}'");
        assert!(response.status == 400 && message.contains(&words), "{message}");
    }
}

#[test]
fn links_are_opaque_absolute_and_good_for_one_thing() {
    let mut bench = Bench::new(1);
    bench.entra.options.page_size_max = 7;
    let next = bench.read(USERS)["@odata.nextLink"].as_str().unwrap().to_owned();
    let (_, delta) = bench.round(USERS);
    assert!(next.starts_with("https://graph.example.no/v1.0/users/delta?$skiptoken="));
    assert!(delta.starts_with("https://graph.example.no/v1.0/users/delta?$deltatoken="));

    let bad = (400, "Request_BadRequest".to_owned());
    let lost = (400, "syncStateNotFound".to_owned());
    assert_eq!(bench.refusal(&next.replace("/users/", "/groups/")), bad);
    assert_eq!(bench.refusal(&format!("{next}x")), bad);
    assert_eq!(bench.refusal("/v1.0/users/delta?$skiptoken=garbage"), bad);
    assert_eq!(bench.refusal("/v1.0/users/delta?$deltatoken=garbage"), lost);
    assert_eq!(bench.refusal(&next.replace("$skiptoken", "$deltatoken")), lost);
    assert_eq!(bench.refusal(&format!("{next}&$select=id")).0, 400);
    let (pages, _) = bench.round(&format!("{delta}&$select=id"));
    assert_eq!(objects(&pages), [Value::Null; 0], "a select beside a delta link is ignored");

    let mut other = Bench::new(2);
    assert_eq!(other.refusal(&delta), lost, "another tenant's link");
}

#[test]
fn links_expire_with_age_and_when_told_to() {
    let mut bench = Bench::new(1);
    let (_, link) = bench.round(USERS);
    bench.entra.options.link_life_s = 0;
    bench.read(&link);
    bench.entra.faults.expire_links = Some(ExpireLinks::NotFound);
    assert_eq!(bench.refusal(&link), (400, "syncStateNotFound".to_owned()));

    let (_, link) = bench.round(USERS);
    bench.entra.faults.expire_links = Some(ExpireLinks::Gone);
    let response = bench.get(&link);
    assert_eq!(response.status, 410);
    let start = response.header("location").unwrap().to_owned();
    assert_eq!(start, "https://graph.example.no/v1.0/users/delta?$deltatoken=");
    let (pages, link) = bench.round(&start);
    assert_eq!(objects(&pages).len(), 20);
    bench.read(&link);
}

#[test]
fn loops_and_foreign_links_never_end_a_round() {
    let mut bench = Bench::new(1);
    let next = |bench: &mut Bench, target: &str| {
        bench.read(target)["@odata.nextLink"].as_str().unwrap().to_owned()
    };
    bench.entra.faults.loop_links = Some(LoopLinks::SameLink);
    let first = next(&mut bench, USERS);
    assert_eq!(next(&mut bench, &first), first);
    bench.entra.faults.loop_links = Some(LoopLinks::FreshLinks);
    let fresh = next(&mut bench, &first);
    assert_ne!(next(&mut bench, &fresh), fresh);
    bench.entra.faults = Faults {
        foreign_next_link: Some("https://evil.example.no".to_owned()),
        ..Faults::default()
    };
    assert!(
        next(&mut bench, USERS).starts_with("https://evil.example.no/v1.0/users/delta?$skiptoken=")
    );
}

#[test]
fn damaged_reads_look_like_good_ones() {
    let mut bench = Bench::new(1);
    let (_, link) = bench.round(USERS);
    bench.entra.faults.account_enabled_null = true;
    assert!(objects(&bench.round(USERS).0).iter().all(|user| user["accountEnabled"].is_null()));
    bench.entra.faults =
        Faults { empty_full_reads: Some(EmptyReads::CountTrue), ..Faults::default() };
    assert_eq!(objects(&bench.round(USERS).0), [Value::Null; 0]);
    bench.entra.faults = Faults { lose_changes: true, ..Faults::default() };
    let user = bench.world.live_users().next().unwrap().id;
    bench.world.apply(Event::SoftDelete { user }).unwrap();
    let (pages, next) = bench.round(&link);
    bench.entra.faults = Faults::default();
    assert_eq!(
        (objects(&pages).len(), objects(&bench.round(&next).0).len()),
        (0, 0),
        "lost for good"
    );
}

#[test]
fn groups_may_show_members_before_users_do() {
    let mut bench = Bench::new(1);
    let (_, users) = bench.round(USERS);
    let (_, groups) = bench.round(GROUPS);
    let (user, group) =
        (ObjectId::named("test", "new"), *bench.world.groups().keys().next().unwrap());
    let properties = [("userPrincipalName".to_owned(), "new@asker.example.no".into())].into();
    bench.world.apply(Event::Hire { user, properties, manager: None }).unwrap();
    bench.world.apply(Event::Join { group, user }).unwrap();
    assert_eq!(objects(&bench.round(&groups).0).len(), 1);
    bench.entra.quirks.lag = 100;
    let (pages, users) = bench.round(&users);
    assert_eq!(objects(&pages).len(), 0);
    assert_eq!(objects(&bench.round(&users).0).len(), 1);
}
