//! Budgets over a day and over restarts, and windows that were announced.

use std::time::Duration;

use manntall::core::judge::Guard;
use manntall::cycle::Engine;
use manntall::cycle::guards::Announcement;

use super::{active, disable, held, next, now, town, trips};
use crate::history::{decisions, runtime};

#[test]
fn twice_the_budget_in_a_day_is_all_that_goes_unasked_also_over_restarts() {
    runtime().block_on(async {
        let (stage, mut engine) = town(300).await;
        let limit = (active(&stage) * 2 / 100).max(5);
        for _ in 0..2 {
            let before = active(&stage);
            disable(&stage, limit);
            next(&stage, &mut engine).await;
            assert_eq!((active(&stage), held(&engine)), (before - limit, vec![]));
            engine = stage.engine().unwrap();
        }
        let before = active(&stage);
        disable(&stage, 1);
        next(&stage, &mut engine).await;
        assert_eq!((active(&stage), held(&engine)), (before, vec![("budget.deactivate", 1)]));
        assert_eq!(trips(&engine, "budget.deactivate"), 1);
        // A day later the next leaver goes at once; what was held waits for its word.
        stage.pass(Duration::from_secs(24 * 3600)).await;
        disable(&stage, 1);
        next(&stage, &mut engine).await;
        assert_eq!(active(&stage), before - 1);
    });
}

/// What is on record of announcements by Kari, without the time and the reason.
fn words(engine: &Engine) -> Vec<(&'static str, String)> {
    let decisions = decisions(engine).into_iter();
    let theirs = decisions.filter(|decision| decision.by.as_deref() == Some("kari"));
    let words = theirs.map(|decision| {
        let brief = decision.detail.split_inclusive("until").next().unwrap_or_default();
        (decision.kind.name(), brief.to_owned())
    });
    words.collect()
}

#[test]
fn an_announced_window_raises_one_budget_until_it_is_used_up_or_revoked() {
    runtime().block_on(async {
        let (stage, mut engine) = town(300).await;
        let limit = (active(&stage) * 2 / 100).max(5);
        let announce = |count| Announcement {
            guard: Guard::Deactivate,
            count,
            until: now(&stage).plus(Duration::from_secs(3 * 24 * 3600)),
            by: "kari".into(),
            reason: "summer jobs end".to_owned(),
        };
        engine.allow(announce(30));
        // It survives a restart, and comes on top of the budget.
        engine.state_mut().commit().unwrap();
        engine = stage.engine().unwrap();
        let before = active(&stage);
        disable(&stage, 30 + limit);
        next(&stage, &mut engine).await;
        assert_eq!((active(&stage), held(&engine)), (before - 30 - limit, vec![]));
        // Used up: the budget is as it would have been, and what is too much for it is held.
        disable(&stage, limit + 1);
        next(&stage, &mut engine).await;
        let hold = vec![("budget.deactivate", limit as u64 + 1)];
        assert_eq!((active(&stage), held(&engine)), (before - 30 - limit, hold));
        let window = &engine.state().windows[0];
        assert_eq!((window.used.values().sum::<u64>(), &*window.by), (30, "kari"));
        // A second one is taken back before it is used.
        let id = engine.allow(announce(100));
        assert!(engine.revoke(id, "kari".into()));
        assert!(!engine.revoke(id, "kari".into()));
        engine.state_mut().commit().unwrap();
        let announced = "deactivate until";
        assert_eq!(
            words(&engine),
            [
                ("allow", format!("1: 30 for budget.{announced}")),
                ("allow", format!("2: 100 for budget.{announced}")),
                ("revoke", "2".to_owned()),
            ]
        );
        stage.pass(Duration::from_secs(25 * 3600)).await;
        let before = active(&stage);
        disable(&stage, limit + 1);
        next(&stage, &mut engine).await;
        assert_eq!(active(&stage), before);
    });
}

#[test]
fn a_window_lets_nothing_of_another_kind_through() {
    runtime().block_on(async {
        let (stage, mut engine) = town(300).await;
        engine.allow(Announcement {
            guard: Guard::Create,
            count: 1_000,
            until: now(&stage).plus(Duration::from_secs(3600)),
            by: "kari".into(),
            reason: "a new school".to_owned(),
        });
        let before = active(&stage);
        disable(&stage, 60);
        next(&stage, &mut engine).await;
        assert_eq!((active(&stage), held(&engine)), (before, vec![("budget.deactivate", 60)]));
    });
}
