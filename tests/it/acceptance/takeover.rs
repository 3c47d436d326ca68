//! A target that has been kept by hand is taken over without a duplicate.

use manntall::core::judge::Guard;
use manntall::core::plan::{Action, Note};
use manntall::sim::platform::Twins;
use serde_json::json;

use super::{entitled, world, wrong};
use crate::history::{runtime, settle};
use crate::stage::Stage;

#[test]
fn accounts_that_exist_are_adopted_and_twins_are_left_to_a_person() {
    runtime().block_on(async {
        let stage = Stage::new(world(300, 12, 600), 1);
        let people: Vec<_> = entitled(&stage).into_iter().take(200).collect();
        let mut twins = Vec::new();
        {
            let mut inner = stage.lock();
            for (number, id) in people.iter().enumerate() {
                let user = &inner.world.users()[id];
                let mut name = user.text("userPrincipalName").unwrap().to_owned();
                if number.is_multiple_of(5) {
                    name = name.to_uppercase();
                }
                let account = json!({ "userName": name, "displayName": "Made by hand" });
                let made = inner.platform.insert_user(&account, Twins::Refused).unwrap();
                if number == 7 {
                    twins =
                        vec![made, inner.platform.insert_user(&account, Twins::Allowed).unwrap()];
                }
            }
        }
        let mut engine = stage.sync().await.unwrap();
        let adoptions: usize = engine
            .holds()
            .iter()
            .filter(|hold| hold.meter.guard == Guard::Adopt)
            .map(|hold| hold.claims.len())
            .sum();
        assert_eq!(adoptions, 199, "all but the twin wait for approval");
        assert_eq!(made_by_hand(&stage), 201, "written to before anybody said yes");

        settle(&stage, &mut engine).await;
        let journal = engine.state().journal().unwrap();
        let adopted = journal.iter().filter(|record| record.action == Action::Adopt).count();
        assert_eq!(adopted, 199);
        let accounts = stage.lock().platform.users().count();
        assert_eq!(accounts, entitled(&stage).len() + 1, "somebody has a second account");
        let stuck: Vec<_> = engine
            .planner()
            .notes()
            .values()
            .filter_map(|note| match note {
                Note::Stuck(words) => Some(words),
                Note::Waiting(_) | Note::NoLogin(_) | Note::Untouched(_) | Note::Twins(_) => None,
            })
            .collect();
        assert_eq!(stuck.len(), 1, "{stuck:?}");
        assert!(twins.iter().all(|id| stuck[0].contains(id)), "{stuck:?} names {twins:?}");
        let twin = people[7].to_string();
        let others: Vec<_> = wrong(&stage)
            .into_iter()
            .filter(|one| !one.contains(&twin) && !twins.iter().any(|id| one.contains(id)))
            .collect();
        assert_eq!(others, Vec::<String>::new());
    });
}

/// How many accounts are as they were seeded.
fn made_by_hand(stage: &Stage) -> usize {
    let inner = stage.lock();
    inner.platform.users().filter(|user| user.display_name() == "Made by hand").count()
}
