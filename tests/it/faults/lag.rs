//! Reads that come from a copy which lags behind what was written.

use manntall::cycle::Engine;
use manntall::scim::dialect::{MemberRemove, UpdateMethod};
use manntall::sim::world::Event;

use super::trial::Trial;
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
