//! Sources that tell less than they did, and rules that were changed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use manntall::core::expression::Subject;
use manntall::core::model::Kind;
use manntall::sim::entra::ExpireLinks;
use manntall::sim::world::{Event, ObjectId};

use super::{active, disable, happen, held, next, town, trips, writes, wrong};
use crate::history::{approve_all, runtime, settle};
use crate::stage::{Stage, expression};

#[test]
fn a_property_that_many_lose_at_once_counts_as_unknown_until_it_is_back() {
    runtime().block_on(async {
        let (stage, mut engine) = town(120).await;
        let shown = engine.snapshots("platform");
        let before = writes(&stage);
        {
            let faults = &mut stage.lock().entra.faults;
            faults.withhold = BTreeSet::from(["department".to_owned()]);
            faults.expire_links = Some(ExpireLinks::Gone);
        }
        next(&stage, &mut engine).await;
        assert_eq!(held(&engine).len(), 1, "{:?}", engine.holds());
        assert_eq!((held(&engine)[0].0, trips(&engine, "coverage")), ("coverage", 1));
        assert_eq!(shown.borrow().targets["platform"].trips, *engine.guard_trips());
        let trouble = engine.source_troubles().values().next().unwrap();
        assert_eq!((trouble.code, trouble.guard.as_deref()), (69, Some("coverage")));
        assert!(trouble.message.contains("department") && trouble.message.contains("consent"));
        assert_eq!(writes(&stage), before);
        // Leavers are not affected, and it is asked about again within the hour.
        let leaver = disable(&stage, 1);
        let left = active(&stage) - 1;
        next(&stage, &mut engine).await;
        assert_eq!(active(&stage), left, "{leaver:?}");
        stage.lock().entra.faults.withhold.clear();
        stage.pass(Duration::from_secs(3_700)).await;
        stage.drive(&mut engine).await.unwrap();
        assert_eq!((held(&engine), wrong(&stage)), (vec![], vec![]));
        assert!(engine.source_troubles().is_empty());
    });
}

#[test]
fn a_trouble_that_grows_has_lasted_since_it_began() {
    runtime().block_on(async {
        let (stage, mut engine) = town(120).await;
        let mut began = None;
        for name in ["department", "jobTitle"] {
            {
                let faults = &mut stage.lock().entra.faults;
                faults.withhold.insert(name.to_owned());
                faults.expire_links = Some(ExpireLinks::Gone);
            }
            // What lasts is told by more than one round.
            for _ in 0..2 {
                next(&stage, &mut engine).await;
                let trouble = engine.source_troubles().values().next().unwrap();
                assert!(trouble.message.contains(name), "{}", trouble.message);
                assert_eq!(*began.get_or_insert(trouble.since), trouble.since, "{name}");
            }
        }
    });
}

#[test]
fn an_operator_who_emptied_a_property_says_so_by_approving_the_hold() {
    runtime().block_on(async {
        let (stage, mut engine) = town(120).await;
        let users: Vec<_> = stage.lock().world.users().keys().copied().collect();
        for user in users {
            let (name, value) = ("jobTitle".to_owned(), serde_json::Value::Null);
            let _ = stage.lock().world.apply(Event::SetProperty { user, name, value });
        }
        next(&stage, &mut engine).await;
        assert_eq!(held(&engine)[0].0, "coverage");
        // A restart forgets nothing of it.
        engine = stage.engine().unwrap();
        next(&stage, &mut engine).await;
        assert_eq!(held(&engine).len(), 1);
        approve_all(&stage, &mut engine);
        next(&stage, &mut engine).await;
        // Clearing it everywhere is a second question, about named people.
        assert_eq!(held(&engine)[0].0, "budget.clear", "{:?}", engine.holds());
        settle(&stage, &mut engine).await;
        assert_eq!(wrong(&stage), Vec::<String>::new());
    });
}

/// Puts a few people out of scope, far within the budget, and returns them.
fn tighten(stage: &mut Stage) -> Vec<ObjectId> {
    let mut departments: BTreeMap<String, Vec<ObjectId>> = BTreeMap::new();
    for id in super::entitled(stage) {
        let department = stage.lock().world.users()[&id].text("department").map(str::to_owned);
        departments.entry(department.unwrap_or_default()).or_default().push(id);
    }
    departments.remove("");
    let (rare, people) = departments.into_iter().min_by_key(|(_, people)| people.len()).unwrap();
    let text = format!(
        "person.accountEnabled and person.userType != \"Guest\" and person.department != \"{rare}\""
    );
    stage.policy.people = expression(&text, Subject::Person);
    people
}

#[test]
fn what_a_change_of_the_rules_removes_is_held_also_by_a_state_in_doubt() {
    runtime().block_on(async {
        for case in ["a backup of before", "the backup is changed under", "without a witness"] {
            let (mut stage, engine) = town(300).await;
            drop(engine);
            let backup = stage.store.snapshot();
            let before = active(&stage);
            let people = tighten(&mut stage);
            let count = people.len() as u64;
            if case == "a backup of before" {
                let mut engine = stage.engine().unwrap();
                next(&stage, &mut engine).await;
                assert_eq!(held(&engine), [("scope_change", count)]);
            }
            if case != "without a witness" {
                stage.store.restore(&backup);
            }
            stage.store = stage.store.reopen();
            stage.store.cast_doubt("of a test");
            let others = super::entitled(&stage).into_iter().filter(|one| !people.contains(one));
            let user = others.into_iter().next().unwrap();
            happen(&stage, Event::Disable { user });
            let mut engine = stage.engine().unwrap();
            next(&stage, &mut engine).await;
            for _ in 0..2 {
                assert_eq!(engine.state().recovery, None, "{case}");
                assert_eq!(active(&stage), before - 1, "{case}");
                assert_eq!(held(&engine), [("scope_change", count)], "{case}");
                engine = stage.engine().unwrap();
                next(&stage, &mut engine).await;
            }
            approve_all(&stage, &mut engine);
            next(&stage, &mut engine).await;
            assert_eq!(active(&stage), before - 1 - people.len(), "{case}");
        }
    });
}

#[test]
fn what_a_change_of_the_rules_removes_is_held_also_if_it_could_not_be_judged_then() {
    runtime().block_on(async {
        let (mut stage, mut engine) = town(300).await;
        let before = active(&stage);
        let people = tighten(&mut stage);
        let hidden = people[0].to_string();
        {
            let mut inner = stage.lock();
            let found = inner.platform.users().find(|user| user.external_id() == Some(&hidden));
            let id = found.unwrap().id.clone();
            inner.platform.faults.unfindable.insert(id);
        }
        // By one look the platform does not have the account; then the rules are changed.
        stage.pass(stage.timing.full_compare).await;
        stage.drive(&mut engine).await.unwrap();
        engine = stage.engine().unwrap();
        next(&stage, &mut engine).await;
        assert_eq!(engine.state().ledger.absent.len(), 1);
        stage.lock().platform.faults.unfindable.clear();
        for _ in 0..2 {
            stage.pass(stage.timing.full_compare).await;
            stage.drive(&mut engine).await.unwrap();
            let waiting: u64 = held(&engine).iter().map(|(_, count)| count).sum();
            assert_eq!((active(&stage), waiting), (before, people.len() as u64));
            assert!(held(&engine).iter().all(|(guard, _)| *guard == "scope_change"));
        }
    });
}

#[test]
fn what_a_change_of_the_rules_removes_is_held_and_nothing_else() {
    runtime().block_on(async {
        let (mut stage, _) = town(300).await;
        tighten(&mut stage);
        let mut engine = stage.engine().unwrap();
        disable(&stage, 1);
        let before = active(&stage);
        next(&stage, &mut engine).await;
        // The leaver goes; those whom only the new rule puts out wait.
        assert!(
            held(&engine).iter().all(|(guard, _)| *guard == "scope_change"),
            "{:?}",
            held(&engine)
        );
        assert_eq!(active(&stage), before - 1);
        // Also after a restart, when the rules are no longer new.
        engine = stage.engine().unwrap();
        next(&stage, &mut engine).await;
        assert!(!held(&engine).is_empty());
        assert_eq!(active(&stage), before - 1);
        approve_all(&stage, &mut engine);
        next(&stage, &mut engine).await;
        assert!(active(&stage) < before - 1);
        assert_eq!(held(&engine), vec![]);
    });
}

#[test]
fn a_new_rule_over_something_never_read_is_a_change_of_the_rules_as_well() {
    runtime().block_on(async {
        let (mut stage, _) = town(300).await;
        let user = super::entitled(&stage)[0];
        let (name, value) = ("companyName".to_owned(), "Hurum".into());
        happen(&stage, Event::SetProperty { user, name, value });
        let text = "person.accountEnabled and person.userType != \"Guest\" and person.companyName != \"Hurum\"";
        stage.policy.people = expression(text, Subject::Person);
        let mut engine = stage.engine().unwrap();
        let before = active(&stage);
        next(&stage, &mut engine).await;
        next(&stage, &mut engine).await;
        assert_eq!(active(&stage), before);
        assert_eq!(held(&engine), vec![("scope_change", 1)]);
        assert!(engine.state().walks.keys().any(|(_, kind)| *kind == Kind::Users));
    });
}
