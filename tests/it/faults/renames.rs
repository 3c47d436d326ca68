//! Login names that go from one to the other.

use manntall::sim::world::{Event, ObjectId};
use serde_json::json;

use super::trial::{Told, Trial, hire};
use crate::acceptance::{assert_right, entitled, happen, next_poll};
use crate::history::runtime;
use crate::stage::Stage;

fn rename(stage: &Stage, of: ObjectId, name: &str) {
    let (property, value) = ("userPrincipalName".to_owned(), json!(name));
    happen(stage, Event::SetProperty { user: of, name: property, value });
}

fn name_of(stage: &Stage, of: ObjectId) -> String {
    stage.lock().world.users()[&of].text("userPrincipalName").unwrap().to_owned()
}

#[test]
fn o20_a_chain_of_login_names_is_resolved_in_order() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        let people = entitled(&trial.stage);
        let names: Vec<_> = people.iter().take(4).map(|one| name_of(&trial.stage, *one)).collect();
        // Each takes the name of the next one, the last gets a new one, and a newcomer takes the first.
        rename(&trial.stage, people[3], "ledig@asker.example.no");
        for at in [2, 1, 0] {
            rename(&trial.stage, people[at], &names[at + 1]);
        }
        let newcomer = hire(950);
        let Event::Hire { user, .. } = newcomer else { unreachable!() };
        happen(&trial.stage, newcomer);
        rename(&trial.stage, user, &names[0]);
        trial.note();
        next_poll(&trial.stage).await;
        trial.cycle(&mut Told::default()).await;
        assert_right(&trial.stage, "in one cycle");
        assert!(trial.engine.state().ledger.escrow.is_empty());
        trial.converge().await;
    });
}

#[test]
fn o20_an_exchange_of_login_names_is_told_by_all_who_take_part() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        let people = entitled(&trial.stage);
        let (one, other) = (people[0], people[1]);
        let (first, second) = (name_of(&trial.stage, one), name_of(&trial.stage, other));
        rename(&trial.stage, one, "imens@asker.example.no");
        rename(&trial.stage, other, &first);
        rename(&trial.stage, one, &second);
        trial.note();
        trial.suffer().await;
        let escrow = &trial.engine.state().ledger.escrow;
        assert_eq!(escrow.len(), 2);
        for stuck in escrow.values() {
            assert!(stuck.reason.contains("exchange their login names"), "{}", stuck.reason);
            for both in [one, other] {
                assert!(stuck.reason.contains(&both.to_string()), "{}", stuck.reason);
            }
            assert!(!stuck.reason.contains("delete"), "{}", stuck.reason);
        }
        // As advised.
        rename(&trial.stage, one, "imens@asker.example.no");
        trial.note();
        trial.two_cycles().await;
        rename(&trial.stage, one, &second);
        trial.note();
        trial.converge().await;
    });
}
