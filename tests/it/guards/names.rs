//! A platform that makes login names of its own is told, and nobody is stuck for it.

use std::collections::BTreeMap;

use manntall::core::model::Entity;
use manntall::core::policy::Adopt;
use manntall::cycle::Engine;
use manntall::sim::platform::stubborn::NameForm;
use manntall::sim::world::{Event, GeneratorOptions, ObjectId, generate};
use serde_json::json;

use super::{entitled, happen, next, town, writes, wrong};
use crate::faults::trial::hire;
use crate::history::{runtime, settle};
use crate::stage::Stage;

/// What the platform of everybody's accounts makes of their names.
fn stage_of(form: NameForm) -> Stage {
    let options = GeneratorOptions { users: 40, groups: 4, seed: 3, ..GeneratorOptions::default() };
    let stage = Stage::new(generate(&options), 3);
    stage.lock().platform.faults.user_names = Some(form);
    stage
}

fn elsewhere() -> NameForm {
    NameForm::Domain("annet.example.no".to_owned())
}

fn rewritten(engine: &Engine) -> BTreeMap<String, u64> {
    engine.report().target.rewritten
}

fn stuck(engine: &Engine) -> Vec<String> {
    let escrow = engine.state().ledger.escrow.values();
    escrow.map(|stuck| stuck.reason.clone()).collect()
}

/// Nothing but login names is another than it should be.
fn assert_only_names(stage: &Stage) {
    let wrong = wrong(stage);
    assert!(wrong.iter().all(|what| what.contains("userName")), "{wrong:#?}");
}

fn rename(stage: &Stage, user: ObjectId, upn: &str) {
    happen(stage, Event::NewUpn { user, upn: upn.to_owned() });
}

#[test]
fn login_names_that_the_platform_changes_are_told_once_and_sent_no_more() {
    for form in [elsewhere(), NameForm::Truncated(19)] {
        runtime().block_on(async {
            let stage = stage_of(form.clone());
            let mut engine = stage.engine().unwrap();
            settle(&stage, &mut engine).await;
            assert_only_names(&stage);
            let people = entitled(&stage).len() as u64;
            let told = rewritten(&engine);
            assert_eq!(told.keys().collect::<Vec<_>>(), ["userName"], "{form:?}");
            assert!(told["userName"] * 2 > people, "{told:?} of {people}");
            assert_eq!(stuck(&engine), Vec::<String>::new(), "{form:?}");
            // Also after a restart and a comparison nothing is sent.
            let before = writes(&stage);
            let mut engine = stage.engine().unwrap();
            stage.pass(stage.timing.full_compare).await;
            settle(&stage, &mut engine).await;
            next(&stage, &mut engine).await;
            let report = engine.report().target;
            assert_eq!((writes(&stage), report.drift), (before, 0), "{form:?}");
            assert_eq!(rewritten(&engine), told, "{form:?}");
            // A new name is sent, and is another there again.
            rename(&stage, entitled(&stage)[0], "ny.kort@example.no");
            next(&stage, &mut engine).await;
            settle(&stage, &mut engine).await;
            assert_eq!(writes(&stage), before + 1, "{form:?}");
            assert_eq!(stuck(&engine), Vec::<String>::new(), "{form:?}");
        });
    }
}

#[test]
fn login_names_in_other_letters_are_the_same() {
    runtime().block_on(async {
        let stage = stage_of(NameForm::Lowercase);
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        rename(&stage, entitled(&stage)[0], "Ny.Stor@Example.no");
        next(&stage, &mut engine).await;
        settle(&stage, &mut engine).await;
        let names: Vec<String> =
            stage.lock().platform.users().map(|user| user.user_name().to_owned()).collect();
        assert!(names.iter().any(|name| name == "ny.stor@example.no"), "{names:?}");
        assert_eq!(rewritten(&engine), BTreeMap::new());
        assert_eq!(stuck(&engine), Vec::<String>::new());
    });
}

#[test]
fn adopting_where_the_platform_makes_its_own_login_names_leaves_nobody_stuck_for_them() {
    for form in [elsewhere(), NameForm::Kept] {
        runtime().block_on(async {
            let mut stage = stage_of(elsewhere());
            stage.policy.adopt = Adopt::Automatic;
            let mut engine = stage.engine().unwrap();
            settle(&stage, &mut engine).await;
            stage.lock().platform.faults.user_names = Some(form.clone());
            // The same platform, and a state that knows nothing of it.
            stage.store = manntall::store::memory::MemoryStore::new();
            let mut engine = stage.engine().unwrap();
            settle(&stage, &mut engine).await;
            for _ in 0..8 {
                next(&stage, &mut engine).await;
                settle(&stage, &mut engine).await;
            }
            assert_only_names(&stage);
            assert_eq!(stuck(&engine), Vec::<String>::new(), "{form:?}");
            let people = entitled(&stage).len() as u64;
            assert_eq!(rewritten(&engine)["userName"], people, "{form:?}");
            let before = writes(&stage);
            next(&stage, &mut engine).await;
            assert_eq!(writes(&stage), before, "{form:?}");
        });
    }
}

#[test]
fn a_login_name_is_taken_by_the_one_that_was_sent_and_by_what_the_platform_made_of_it() {
    for is_platforms in [false, true] {
        runtime().block_on(async {
            let (stage, mut engine) = town(40).await;
            let holder = entitled(&stage)[5];
            stage.lock().platform.faults.user_names = Some(elsewhere());
            rename(&stage, holder, "opptatt@example.no");
            next(&stage, &mut engine).await;
            settle(&stage, &mut engine).await;
            assert_eq!(rewritten(&engine)["userName"], 1);
            happen(&stage, Event::SoftDelete { user: holder });
            happen(&stage, Event::Purge { user: holder });
            next(&stage, &mut engine).await;
            let name = if is_platforms { "Opptatt@annet.example.no" } else { "opptatt@example.no" };
            let Event::Hire { user, mut properties, .. } = hire(921) else { return };
            properties.insert("userPrincipalName".to_owned(), json!(name));
            happen(&stage, Event::Hire { user, properties, manager: None });
            next(&stage, &mut engine).await;
            let escrow = &engine.state().ledger.escrow;
            let newcomer = escrow.iter().find(|(entity, _)| {
                matches!(entity, Entity::Account(one) if one.object.to_string() == user.to_string())
            });
            let (_, one) = newcomer.expect("the newcomer is stuck");
            assert!(one.reason.contains(&holder.to_string()), "{}", one.reason);
        });
    }
}
