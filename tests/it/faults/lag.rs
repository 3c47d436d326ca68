//! Reads that come from a copy which lags behind what was written.

use std::time::Duration;

use manntall::core::policy::Budget;
use manntall::cycle::Engine;
use manntall::scim::dialect::{MemberRemove, UpdateMethod};
use manntall::sim::platform::fault::MemberHabits;
use manntall::sim::world::Event;
use serde_json::json;

use super::members::{account, habits, is_in, on_platform};
use super::trial::{Told, Trial};
use crate::acceptance::drift::{patch, tamper};
use crate::acceptance::{active, assert_right, entitled, happen, next_poll, world};
use crate::history::{approve_all, runtime, settle};
use crate::stage::Stage;

fn nothing_is_blamed(stage: &Stage, engine: &Engine, when: &str) {
    let known = engine.state();
    assert_eq!(known.target.distrusted_form, None, "{when}");
    assert!(known.ledger.escrow.is_empty(), "{when}: {:#?}", known.ledger.escrow);
    assert!(known.ledger.drift.is_empty(), "{when}: {:#?}", known.ledger.drift);
    assert_right(stage, when);
}

#[test]
fn t72_reads_that_lag_behind_the_writes_are_nobodys_fault() {
    use UpdateMethod::{Patch, PutMerge};
    for (lag_ms, update) in [(600, Patch), (3_000, Patch), (20_000, Patch), (20_000, PutMerge)] {
        runtime().block_on(async {
            let mut stage = Stage::new(world(60, 8, 200), 1);
            stage.dialect.update_method = update;
            if update == PutMerge {
                stage.dialect.member_remove = MemberRemove::PutMerge;
            }
            stage.lock().platform.faults.copy_lag_ms = lag_ms;
            let mut engine = stage.engine().unwrap();
            settle(&stage, &mut engine).await;
            nothing_is_blamed(&stage, &engine, &format!("first import, {lag_ms} ms"));
            let mut trial = Trial::on(stage.clone()).await;
            for round in 0..3 {
                if round == 0 {
                    trial.unrest();
                }
                let (group, user, other) = trial.some_group();
                happen(&stage, Event::Leave { group, user });
                happen(&stage, Event::Join { group, user: other });
                trial.note();
                trial.two_cycles().await;
                nothing_is_blamed(&stage, &trial.engine, &format!("round {round}, {lag_ms} ms"));
            }
            stage.pass(stage.timing.full_compare).await;
            trial.two_cycles().await;
            nothing_is_blamed(&stage, &trial.engine, &format!("compared, {lag_ms} ms"));
        });
    }
}

#[test]
fn t72_what_is_tried_first_of_an_approval_may_be_shown_late() {
    runtime().block_on(async {
        let stage = Stage::new(world(60, 8, 200), 1);
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        stage.lock().platform.faults.copy_lag_ms = 20_000;
        for user in entitled(&stage).into_iter().step_by(2) {
            happen(&stage, Event::Disable { user });
        }
        next_poll(&stage).await;
        stage.drive(&mut engine).await.unwrap();
        assert!(!engine.holds().is_empty(), "so many departures are held");
        approve_all(&stage, &mut engine);
        stage.drive(&mut engine).await.unwrap();
        assert!(engine.holds().is_empty(), "{:#?}", engine.holds());
        nothing_is_blamed(&stage, &engine, "once the approval is made");
    });
}

#[test]
fn t73_a_put_of_a_resource_that_was_read_from_a_copy_undoes_nothing() {
    runtime().block_on(async {
        let mut stage = Stage::new(world(60, 8, 200), 1);
        stage.dialect.update_method = UpdateMethod::PutMerge;
        stage.dialect.member_remove = MemberRemove::PutMerge;
        let mut trial = Trial::on(stage.clone()).await;
        stage.lock().platform.faults.copy_lag_ms = 20_000;
        let (group, user, other) = trial.some_group();
        let people = entitled(&stage);
        // A leaver with another title at the same moment: two requests to one account, one after the other.
        let (name, value) = ("jobTitle".to_owned(), "Rektor".into());
        happen(&stage, Event::SetProperty { user: people[0], name, value });
        happen(&stage, Event::Disable { user: people[0] });
        happen(&stage, Event::Join { group, user: other });
        happen(&stage, Event::Leave { group, user });
        trial.note();
        trial.two_cycles().await;
        assert_eq!(active(&stage, people[0]), Some(false));
        nothing_is_blamed(&stage, &trial.engine, "once both were made");
    });
}

/// The writer that has begun anew does not know who was added; the ledger does.
#[test]
fn t87_a_group_that_is_renamed_by_put_after_a_restart_keeps_who_was_just_added() {
    runtime().block_on(async {
        let mut stage = Stage::new(world(60, 8, 200), 1);
        stage.dialect.update_method = UpdateMethod::PutMerge;
        stage.timing.poll_interval = Duration::from_secs(2);
        let mut trial = Trial::on(stage.clone()).await;
        stage.pass(Duration::from_secs(60)).await;
        stage.lock().platform.faults.copy_lag_ms = 50_000;
        let (group, _, other) = trial.some_group();
        happen(&stage, Event::Join { group, user: other });
        trial.note();
        let mut told = Told::default();
        next_poll(&stage).await;
        trial.cycle(&mut told).await;
        happen(&stage, Event::RenameGroup { group, name: "PLT Nytt navn".to_owned() });
        trial.note();
        *trial.engine = stage.engine().unwrap();
        next_poll(&stage).await;
        trial.cycle(&mut told).await;
        let put = trial.writes().into_iter().any(|write| write.method == "PUT");
        assert!(put, "the new name came by PUT while the copy was behind");
        assert_right(&stage, "after the new name");
    });
}

/// What is planned for somebody decides, and not that the ledger has them as a member.
#[test]
fn t87_whoever_is_to_be_taken_out_is_not_put_back_by_a_new_name_of_the_group() {
    runtime().block_on(async {
        let mut stage = Stage::new(world(60, 8, 200), 1);
        stage.dialect.update_method = UpdateMethod::PutMerge;
        stage.policy.budgets.member_remove = Budget { basis_points: 0, min: 0, max: Some(0) };
        let mut trial = Trial::on(stage.clone()).await;
        let (group, user, _) = trial.some_group();
        happen(&stage, Event::Leave { group, user });
        next_poll(&stage).await;
        stage.drive(&mut trial.engine).await.unwrap();
        assert!(is_in(&stage, group, user) && !trial.engine.holds().is_empty(), "held");
        let (path, _) = on_platform(&stage, group);
        let filter = format!("members[value eq \"{}\"]", account(&stage, user));
        patch(&stage, &path, &json!({ "op": "remove", "path": filter }));
        assert!(!is_in(&stage, group, user));
        happen(&stage, Event::RenameGroup { group, name: "PLT Nytt navn".to_owned() });
        next_poll(&stage).await;
        stage.drive(&mut trial.engine).await.unwrap();
        let (_, members) = on_platform(&stage, group);
        assert!(members.len() > 3 && !is_in(&stage, group, user), "{members:?}");
    });
}

/// Servers refuse a list with an account that is gone.
#[test]
fn t87_an_account_that_is_gone_is_not_put_back_by_a_new_name_of_the_group() {
    runtime().block_on(async {
        let mut stage = Stage::new(world(60, 8, 200), 1);
        stage.dialect.update_method = UpdateMethod::PutMerge;
        let mut trial = Trial::on(stage.clone()).await;
        let (group, user, _) = trial.some_group();
        let path = format!("Users/{}", account(&stage, user));
        tamper(&stage, "DELETE", &path, &json!(null));
        trial.rebase();
        happen(&stage, Event::RenameGroup { group, name: "PLT Nytt navn".to_owned() });
        trial.note();
        trial.two_cycles().await;
        let puts = trial.writes().into_iter().filter(|write| write.method == "PUT");
        let statuses: Vec<u16> = puts.map(|write| write.status).collect();
        assert_eq!(statuses, [200], "one, and it is taken");
        assert!(trial.engine.state().ledger.escrow.is_empty());
    });
}

/// What is read for the PUT is the group with its members, however the platform shows them.
#[test]
fn t87_a_group_whose_members_are_shown_by_name_only_keeps_them_when_it_is_renamed_by_put() {
    runtime().block_on(async {
        let mut stage = Stage::new(world(60, 8, 200), 1);
        stage.dialect.update_method = UpdateMethod::PutMerge;
        habits(&stage, MemberHabits { shown_by_name: true, ..MemberHabits::default() });
        let trial = Trial::on(stage.clone()).await;
        let (group, _, _) = trial.some_group();
        happen(&stage, Event::RenameGroup { group, name: "PLT Nytt navn".to_owned() });
        trial.note();
        trial.converge().await;
    });
}

/// On a platform that shows nobody a PUT of a group could only be made up.
#[test]
fn t87_a_group_that_shows_nobody_is_not_renamed_by_put() {
    runtime().block_on(async {
        let mut stage = Stage::new(world(60, 8, 200), 1);
        stage.dialect.update_method = UpdateMethod::PutMerge;
        let mut trial = Trial::on(stage.clone()).await;
        habits(&stage, MemberHabits { never_shown: true, ..MemberHabits::default() });
        let (group, _, _) = trial.some_group();
        happen(&stage, Event::RenameGroup { group, name: "PLT Nytt navn".to_owned() });
        trial.note();
        let told = trial.suffer().await;
        assert!(trial.writes().iter().all(|write| write.method != "PUT"), "{told:?}");
        let stuck = format!("{:#?}", trial.engine.state().ledger.escrow);
        assert!(stuck.contains("a PUT of it would take the others out"), "{stuck}");
    });
}
