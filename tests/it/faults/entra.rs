//! E1 to E10: what Entra and Graph do.

use std::collections::BTreeMap;
use std::time::Duration;

use manntall::clock::Clock;
use manntall::core::model::Entity;
use manntall::sim::entra::{EmptyReads, ExpireLinks, Faults, LoopLinks, Quirks, RequestKind};
use manntall::sim::world::{
    Event, GeneratorOptions, Group, MemberKind, MemberRef, ObjectId, generate,
};
use serde_json::json;

use super::trial::{Told, Trial, hire};
use super::wire::{self, Peer, Wrong};
use crate::acceptance::{assert_right, entitled, happen, next_poll, world};
use crate::history::{runtime, settle};
use crate::stage::{Inner, Stage};

/// Faults of the tenant from beginning to end.
fn survives(faults: Faults) -> Told {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        trial.unrest();
        trial.stage.lock().entra.faults = faults;
        let told = trial.suffer().await;
        trial.stage.lock().entra.faults = Faults::default();
        confirm_absence(&mut trial).await;
        trial.converge().await;
        told
    })
}

/// What was lost between two links comes with the next complete reads.
async fn confirm_absence(trial: &mut Trial) {
    for _ in 0..2 {
        trial.stage.pass(Duration::from_secs(3_700)).await;
        trial.cycle(&mut Told::default()).await;
    }
}

#[test]
fn e1_a_lost_delta_link_keeps_the_mirror_and_reads_everything_beside_it() {
    for how in [ExpireLinks::Gone, ExpireLinks::NotFound] {
        runtime().block_on(async {
            let mut trial = Trial::begin().await;
            trial.unrest();
            let gone = entitled(&trial.stage)[5];
            happen(&trial.stage, Event::SoftDelete { user: gone });
            happen(&trial.stage, Event::Purge { user: gone });
            trial.note();
            trial.stage.lock().entra.faults.expire_links = Some(how);
            next_poll(&trial.stage).await;
            let mut told = Told::default();
            trial.cycle(&mut told).await;
            // Missing from one complete read is no evidence yet.
            assert_eq!(trial.is_active(gone), Some(true));
            confirm_absence(&mut trial).await;
            assert_eq!(trial.is_active(gone), Some(false));
            trial.converge().await;
        });
    }
}

#[test]
fn e1_links_that_die_at_every_poll_harm_nobody() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        trial.unrest();
        for _ in 0..6 {
            trial.stage.lock().entra.faults.expire_links = Some(ExpireLinks::Gone);
            next_poll(&trial.stage).await;
            trial.cycle(&mut Told::default()).await;
        }
        confirm_absence(&mut trial).await;
        trial.converge().await;
    });
}

#[test]
fn e2_repeated_replayed_and_split_objects_come_to_the_same() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        trial.unrest();
        trial.stage.lock().entra.quirks = Quirks { lag: 0, ..Quirks::all(80) };
        trial.stage.lock().entra.options.page_size_max = 7;
        let told = trial.suffer().await;
        assert!(told.troubles.is_empty(), "{told:?}");
        trial.stage.lock().entra.faults.expire_links = Some(ExpireLinks::Gone);
        next_poll(&trial.stage).await;
        trial.cycle(&mut Told::default()).await;
        trial.stage.lock().entra.quirks = Quirks::default();
        trial.converge().await;
    });
}

#[test]
fn e3_pages_that_go_round_are_noticed_and_change_nothing() {
    for how in [LoopLinks::SameLink, LoopLinks::FreshLinks] {
        let told = survives(Faults { loop_links: Some(how), ..Faults::default() });
        told.assert_says(&["circle"]);
    }
}

#[test]
fn e3_a_circle_costs_a_bounded_number_of_requests() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        trial.stage.lock().entra.faults.loop_links = Some(LoopLinks::FreshLinks);
        let before = trial.stage.lock().entra.counters.graph();
        let _ = trial.suffer().await;
        let asked = trial.stage.lock().entra.counters.graph() - before;
        assert!(asked < 8_000, "{asked} requests in eight minutes");
    });
}

#[test]
fn e3_a_page_that_is_lost_in_the_middle_removes_nobody() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        trial.stage.lock().entra.options.page_size_max = 20;
        trial.unrest();
        for _ in 0..3 {
            {
                let mut inner = trial.stage.lock();
                inner.entra.faults.expire_links = Some(ExpireLinks::Gone);
                inner.entra.faults.lose_pages = 1;
            }
            next_poll(&trial.stage).await;
            let mut told = Told::default();
            trial.cycle(&mut told).await;
            told.assert_says(&["a complete read", "nothing was changed"]);
        }
        confirm_absence(&mut trial).await;
        trial.converge().await;
    });
}

#[test]
fn e30_whoever_complete_reads_leave_out_again_and_again_stays_while_entra_finds_them() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        let asked = |inner: &Inner| {
            [RequestKind::User, RequestKind::Group].map(|kind| inner.entra.counters.of(kind))
        };
        for _ in 0..3 {
            let before = {
                let mut inner = trial.stage.lock();
                // So few that the count agrees.
                inner.entra.options.page_size_max = 1;
                inner.entra.faults.expire_links = Some(ExpireLinks::Gone);
                inner.entra.faults.lose_pages = 3;
                asked(&inner)
            };
            next_poll(&trial.stage).await;
            let mut told = Told::default();
            trial.cycle(&mut told).await;
            assert!(told.troubles.is_empty(), "{told:?}");
            let after = asked(&trial.stage.lock());
            assert!(after[0] > before[0] && after[1] > before[1], "{before:?} {after:?}");
            assert_eq!(after.iter().sum::<u64>() - before.iter().sum::<u64>(), 3);
            assert_right(&trial.stage, "nobody is out");
            trial.stage.pass(trial.stage.timing.confirm_absence).await;
        }
        trial.converge().await;
    });
}

#[test]
fn e4_next_links_that_are_refused_restart_the_round_and_are_told_after_three() {
    for status in [404, 400] {
        runtime().block_on(async {
            let mut trial = Trial::begin().await;
            trial.stage.lock().entra.options.page_size_max = 3;
            trial.unrest();
            trial.stage.lock().entra.faults.refuse_next_links = Some(status);
            let before = trial.stage.lock().entra.counters.graph();
            let told = trial.suffer().await;
            told.assert_says(&["refused a page link", "nothing was changed"]);
            assert_eq!(told.codes(), [69].into());
            let asked = trial.stage.lock().entra.counters.graph() - before;
            assert!(asked < 200, "{asked} requests in eight minutes");
            trial.stage.lock().entra.faults = Faults::default();
            confirm_absence(&mut trial).await;
            trial.converge().await;
        });
    }
}

#[test]
fn e4_one_refused_next_link_costs_one_restart_and_nothing_is_told() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        trial.stage.lock().entra.options.page_size_max = 3;
        trial.unrest();
        let mut once = true;
        let struck = wire::meddle(&trial.stage, move |request| {
            let hit = once && request.url.query().is_some_and(|query| query.contains("skiptoken"));
            once &= !hit;
            let status = Wrong::Status(404, None);
            hit.then(|| status.fate())
        });
        next_poll(&trial.stage).await;
        let mut told = Told::default();
        trial.cycle(&mut told).await;
        assert_eq!(struck.times(), 1);
        assert!(told.troubles.is_empty(), "{told:?}");
        wire::switch_off(&trial.stage);
        trial.converge().await;
    });
}

#[test]
fn e5_a_token_that_dies_in_the_middle_of_a_walk_is_renewed_and_the_walk_goes_on() {
    runtime().block_on(async {
        let stage = Stage::new(crate::acceptance::world(60, 8, 200), 1);
        {
            let mut inner = stage.lock();
            inner.entra.options.page_size_max = 5;
            inner.entra.options.token_life_s = 3;
            inner.chaos.latency_ms = 1_000;
        }
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        assert_right(&stage, "after an import with many tokens");
        let inner = stage.lock();
        assert!(inner.entra.counters.of(RequestKind::Token) > 3);
        // Twelve pages and a catch-up round: no page was asked for twice, but for those refused.
        let pages = inner.entra.counters.of(RequestKind::UsersDelta);
        assert!(pages < 30, "{pages} pages of users");
    });
}

#[test]
fn e6_withdrawn_consent_is_told_and_removes_nobody() {
    let told = survives(Faults { forbidden: true, ..Faults::default() });
    assert_eq!(told.codes(), [12].into());
    told.assert_says(&["GroupMember.Read.All"]);
}

#[test]
fn e6_a_read_with_fewer_objects_removes_nobody() {
    for how in [EmptyReads::CountZero, EmptyReads::CountTrue] {
        let told = survives(Faults {
            empty_full_reads: Some(how),
            expire_links: Some(ExpireLinks::Gone),
            ..Faults::default()
        });
        told.assert_says(&["nothing was changed"]);
    }
}

#[test]
fn e6_a_property_that_is_gone_from_every_page_clears_nothing() {
    for name in ["jobTitle", "department", "mail", "userType", "displayName"] {
        runtime().block_on(async {
            let mut trial = Trial::begin().await;
            {
                let mut inner = trial.stage.lock();
                inner.entra.faults.withhold.insert(name.to_owned());
                inner.entra.faults.expire_links = Some(ExpireLinks::Gone);
            }
            let _ = trial.suffer().await;
            assert_eq!(trial.writes(), [], "because {name} is told of nobody");
            trial.stage.lock().entra.faults = Faults::default();
            confirm_absence(&mut trial).await;
            trial.converge().await;
        });
    }
}

#[test]
fn e7_account_enabled_that_is_null_or_missing_deactivates_nobody() {
    let null = Faults {
        account_enabled_null: true,
        expire_links: Some(ExpireLinks::Gone),
        ..Faults::default()
    };
    survives(null).assert_says(&["accountEnabled"]);
    let missing = Faults {
        withhold: ["accountEnabled".to_owned()].into(),
        expire_links: Some(ExpireLinks::Gone),
        ..Faults::default()
    };
    survives(missing);
}

#[test]
fn e8_throttling_is_obeyed_up_to_ten_minutes() {
    let waits = [
        (429, Some("7"), 7),
        (503, Some("7"), 7),
        (429, Some("0"), 1),
        (429, Some("99999999999"), 600),
        (503, Some("86400"), 600),
        (429, Some("Fri, 01 Jan 2100 00:00:00 GMT"), 600),
        (429, Some("soon"), 1),
        (429, Some("-5"), 1),
        (429, None, 1),
        (503, None, 1),
    ];
    for (status, after, wait_s) in waits {
        runtime().block_on(async {
            let mut trial = Trial::begin().await;
            trial.unrest();
            next_poll(&trial.stage).await;
            let fault = Wrong::Status(status, after);
            let clock = trial.stage.clock.clone();
            let mut first: BTreeMap<String, Duration> = BTreeMap::new();
            let waited = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
            let noted = std::sync::Arc::clone(&waited);
            // The first request to each path is throttled; the second tells how long was waited.
            wire::meddle(&trial.stage, move |request| {
                if !request.url.as_str().starts_with(Peer::Graph.origin()) {
                    return None;
                }
                let now = clock.elapsed();
                match first.get(request.url.path()) {
                    None => {
                        first.insert(request.url.path().to_owned(), now);
                        Some(fault.fate())
                    }
                    Some(at) => {
                        noted.lock().unwrap().push(now.saturating_sub(*at).as_secs());
                        None
                    }
                }
            });
            // The service waits no longer than ten minutes; a sync ends with 75 where more is asked for.
            trial.serve(Duration::from_secs(700)).await;
            let waited = waited.lock().unwrap().clone();
            assert_eq!(waited.first(), Some(&wait_s), "{status} {after:?}: {waited:?}");
            wire::switch_off(&trial.stage);
            trial.converge().await;
        });
    }
}

#[test]
fn e9_a_change_between_two_pages_is_seen_in_the_end() {
    // Nothing is read object by object; what changes while a round is read comes with the next.
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        trial.stage.lock().entra.options.page_size_max = 4;
        trial.stage.lock().entra.faults.expire_links = Some(ExpireLinks::Gone);
        trial.stage.lock().chaos.latency_ms = 500;
        next_poll(&trial.stage).await;
        let stage = trial.stage.clone();
        let people = entitled(&stage);
        let meanwhile = async {
            for (number, user) in people.iter().take(4).enumerate() {
                stage.pass(Duration::from_secs(1)).await;
                let value = json!(format!("Tittel {number}"));
                happen(&stage, Event::SetProperty { user: *user, name: "jobTitle".into(), value });
            }
            happen(&stage, hire(902));
        };
        let mut told = Told::default();
        futures_util::future::join(trial.cycle(&mut told), meanwhile).await;
        trial.note();
        trial.stage.lock().chaos.latency_ms = 0;
        // Who came meanwhile is counted, and may be too many for the read to prove anything.
        confirm_absence(&mut trial).await;
        trial.converge().await;
    });
}

#[test]
fn e10_a_group_of_50_000_is_streamed_and_nesting_in_circles_ends() {
    runtime().block_on(async {
        let world = generate(&GeneratorOptions {
            users: 60,
            groups: 8,
            memberships: 200,
            seed: 1,
            ..GeneratorOptions::default()
        });
        let mut trial = Trial::on(Stage::new(world, 1)).await;
        let (group, member, _) = trial.some_group();
        let inner = group_of(&trial, 2);
        {
            let mut stage = trial.stage.lock();
            let mut rng = fastrand::Rng::with_seed(50_000);
            for _ in 0..50_000 {
                let id = ObjectId::random(&mut rng);
                let member = MemberRef { kind: MemberKind::Device, id };
                stage.world.apply(Event::AddForeignMember { group, member }).unwrap();
            }
            for (outer, child) in [(group, inner), (inner, group)] {
                stage.world.apply(Event::Nest { group: outer, child }).unwrap();
            }
        }
        happen(&trial.stage, Event::Leave { group, user: member });
        trial.note();
        let staged = trial.stage.lock().entra.counters.of(RequestKind::GroupsDelta);
        next_poll(&trial.stage).await;
        trial.cycle(&mut Told::default()).await;
        let pages = trial.stage.lock().entra.counters.of(RequestKind::GroupsDelta) - staged;
        assert!(pages >= 100, "{pages} pages for 50,000 members");
        let widest = trial.engine.planner().changes().keys();
        assert!(widest.filter(|one| matches!(one, Entity::Member(..))).count() < 1_000);
        trial.converge().await;
    });
}

#[test]
fn e39_a_group_whose_members_are_hidden_is_emptied_only_after_a_word() {
    runtime().block_on(async {
        let mut trial = Trial::on(Stage::new(world(60, 30, 120), 1)).await;
        // So small that no budget would keep it.
        let small = |group: &Group| (2..10).contains(&group.members.len());
        let is_carried =
            |group: &Group| group.text("displayName").is_some_and(|name| name.starts_with("PLT "));
        let hidden = {
            let inner = trial.stage.lock();
            let mut groups = inner.world.live_groups();
            groups.find(|one| small(one) && is_carried(one)).expect("there is one").id
        };
        trial.stage.lock().entra.faults.hide_members = [hidden].into();
        for _ in 0..2 {
            trial.stage.lock().entra.faults.expire_links = Some(ExpireLinks::Gone);
            next_poll(&trial.stage).await;
            trial.stage.drive(&mut trial.engine).await.unwrap();
            trial.stage.pass(trial.stage.timing.confirm_absence).await;
            trial.stage.drive(&mut trial.engine).await.unwrap();
        }
        let holds = |trial: &Trial| -> Vec<_> {
            let holds = trial.engine.holds().iter();
            holds.map(|hold| (hold.meter.guard.name(), hold.limit)).collect()
        };
        assert_eq!(holds(&trial), [("budget.group_shrink", 0)]);
        assert_right(&trial.stage, "nobody is taken out");
        *trial.engine = trial.stage.engine().unwrap();
        trial.stage.drive(&mut trial.engine).await.unwrap();
        assert_eq!(holds(&trial), [("budget.group_shrink", 0)], "again after a restart");
        // A leaver waits for nothing, and is no member any more.
        let leaver = entitled(&trial.stage)[0];
        happen(&trial.stage, Event::Disable { user: leaver });
        trial.note();
        next_poll(&trial.stage).await;
        trial.stage.drive(&mut trial.engine).await.unwrap();
        assert_eq!(trial.is_active(leaver), Some(false));
        {
            let faults = &mut trial.stage.lock().entra.faults;
            faults.hide_members.clear();
            faults.expire_links = Some(ExpireLinks::Gone);
        }
        next_poll(&trial.stage).await;
        trial.stage.drive(&mut trial.engine).await.unwrap();
        assert_eq!(holds(&trial), [], "the members are shown again");
        trial.converge().await;
    });
}

/// Another group that is carried over.
fn group_of(trial: &Trial, at: usize) -> ObjectId {
    let inner = trial.stage.lock();
    let mut groups = inner
        .world
        .live_groups()
        .filter(|group| group.text("displayName").unwrap_or_default().starts_with("PLT "));
    groups.nth(at).expect("there are several").id
}
