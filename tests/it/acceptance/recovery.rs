//! The state is lost, or put back as it was yesterday: the platform ends as it should be, and nobody is
//! harmed on the way.

use std::collections::BTreeSet;
use std::time::Duration;

use manntall::cycle::Engine;
use manntall::sim::platform::Twins;
use manntall::sim::world::Event;
use manntall::store::memory::MemoryStore;
use serde_json::{Value, json};

use super::drift::{patch, tamper};
use super::{
    active, assert_right, entitled, happen, next_poll, world, writes, writes_since, wrong,
};
use crate::history::{runtime, settle};
use crate::stage::Stage;

/// The accounts of people who are entitled to none, active ones or all.
fn leavers(stage: &Stage, only_active: bool) -> BTreeSet<String> {
    let entitled: BTreeSet<String> = entitled(stage).iter().map(ToString::to_string).collect();
    let inner = stage.lock();
    let users = inner.platform.users().filter(|user| user.active() || !only_active);
    users
        .filter(|user| !entitled.contains(user.external_id().unwrap_or_default()))
        .map(|user| format!("Users/{}", user.id))
        .collect()
}

/// How often the users of the platform were listed from the beginning since the request `from`.
fn listings(stage: &Stage, from: usize) -> usize {
    let inner = stage.lock();
    let gets =
        inner.trace[from..].iter().filter(|line| line.contains("GET") && line.contains("/Users?"));
    gets.filter(|line| line.contains("startIndex=1&") && !line.contains("filter=")).count()
}

/// What happens in a day: people come, go and change.
fn a_day(stage: &Stage, rng: &mut fastrand::Rng) {
    for _ in 0..40 {
        let event = stage.lock().world.random_event(rng).unwrap();
        let goes = matches!(
            event,
            Event::DeleteGroup { .. }
                | Event::PurgeGroup { .. }
                | Event::SoftDelete { .. }
                | Event::Purge { .. }
        );
        // Who is deleted while nothing is left of the state is known to nobody.
        if !goes {
            happen(stage, event);
        }
    }
    for user in entitled(stage).into_iter().filter(|id| active(stage, *id) == Some(true)).take(3) {
        happen(stage, Event::Disable { user });
    }
}

/// Starts anew over what is left of the state, and checks what that does to people.
async fn comes_back(stage: &Stage, case: &str) -> Engine {
    let (due, before) = (leavers(stage, true), writes(stage));
    let trace = stage.lock().trace.len();
    assert!(!due.is_empty(), "{case}: nobody has left meanwhile");
    let accounts = stage.lock().platform.users().count();
    let newcomers = entitled(stage).len();
    let mut engine = stage.engine().unwrap();
    settle(stage, &mut engine).await;
    // Of a state in doubt one complete read takes nobody out of a group: the next one does.
    assert!(wrong(stage).iter().all(|difference| difference.ends_with("too many")), "{case}");
    stage.pass(stage.timing.confirm_absence).await;
    settle(stage, &mut engine).await;
    assert_right(stage, case);
    let made = writes_since(stage, before);
    let created = made.iter().filter(|w| w.method == "POST" && w.target == "Users").count();
    let grown = stage.lock().platform.users().count() - accounts;
    assert_eq!(created, grown, "{case}");
    let touched: BTreeSet<String> = made
        .iter()
        .filter(|write| write.summary.contains("active"))
        .map(|write| write.target.clone())
        .filter(|target| stage.lock().platform.user(&target[6..]).is_some_and(|one| !one.active()))
        .collect();
    // Who was deactivated after the backup was made may be so once more; nobody else is.
    assert!(touched.is_superset(&due), "{case}: somebody has been forgotten");
    assert!(touched.is_subset(&leavers(stage, false)), "{case}: somebody was harmed");
    let listed = listings(stage, trace);
    println!(
        "{case}: {newcomers} entitled, {created} created, {} deactivated, {} writes, {listed} listings",
        due.len(),
        made.len()
    );
    assert!(listed <= 1, "{case}: {listed} listings");
    engine
}

#[test]
fn whatever_is_lost_of_the_state_comes_back_and_nobody_is_harmed() {
    runtime().block_on(async {
        let mut stage = Stage::new(world(6_200, 400, 40_000), 1);
        stage.requests_per_second = 100_000.0;
        let mut rng = fastrand::Rng::with_seed(5);
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        assert_right(&stage, "after the first import");
        let yesterday = stage.store.snapshot();
        a_day(&stage, &mut rng);
        stage.pass(Duration::from_secs(24 * 3_600)).await;
        settle(&stage, &mut engine).await;
        assert_right(&stage, "a day later");

        stage.store.restore(&yesterday);
        stage.store = stage.store.reopen();
        stage.store.cast_doubt("it has gone back in time");
        a_day(&stage, &mut rng);
        comes_back(&stage, "yesterday's backup").await;

        next_poll(&stage).await;
        stage.store = MemoryStore::new();
        stage.store.cast_doubt("it is empty");
        a_day(&stage, &mut rng);
        comes_back(&stage, "the store deleted").await;

        next_poll(&stage).await;
        stage.store = MemoryStore::new();
        a_day(&stage, &mut rng);
        comes_back(&stage, "store and witness deleted").await;
    });
}

/// A platform that holds what a tenant wants, and a state that is in doubt.
async fn in_doubt(mut stage: Stage) -> Stage {
    let mut engine = stage.engine().unwrap();
    settle(&stage, &mut engine).await;
    drop(engine);
    next_poll(&stage).await;
    stage.store = stage.store.reopen();
    stage.store.cast_doubt("a backup was restored");
    stage
}

#[test]
fn a_state_stays_in_doubt_while_entra_cannot_be_read() {
    runtime().block_on(async {
        let stage = in_doubt(Stage::new(world(60, 8, 200), 1)).await;
        stage.lock().entra.faults.forbidden = true;
        let mut engine = stage.engine().unwrap();
        let _ = stage.drive_anyhow(&mut engine).await;
        assert!(engine.state().recovery.is_some(), "nobody knows what Entra holds");
        drop(engine);
        stage.lock().entra.faults.forbidden = false;
        stage.pass(Duration::from_secs(3_600)).await;
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        assert_eq!(engine.state().recovery, None);
        assert_right(&stage, "once Entra answers");
    });
}

#[test]
fn in_a_comparison_an_account_goes_with_the_id_that_it_carries() {
    runtime().block_on(async {
        let stage = in_doubt(Stage::new(world(60, 8, 200), 1)).await;
        let people = entitled(&stage);
        let account = |person: &manntall::sim::world::ObjectId| {
            let (id, inner) = (person.to_string(), stage.lock());
            let found = inner.platform.users().find(|one| one.external_id() == Some(&id)).unwrap();
            found.id.clone()
        };
        // Somebody has deleted the one's account, and made the other's theirs.
        let (gone, given) = (account(&people[0]), account(&people[1]));
        tamper(&stage, "DELETE", &format!("Users/{gone}"), &Value::Null);
        let id = json!(people[0].to_string());
        let operation = json!({ "op": "replace", "path": "externalId", "value": id });
        patch(&stage, &format!("Users/{given}"), &operation);
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        assert_eq!(account(&people[0]), given, "it was taken for the one who had it before");
    });
}

#[test]
fn whoever_is_merely_out_of_scope_keeps_an_account_that_may_not_be_ours() {
    runtime().block_on(async {
        let stage = Stage::new(world(60, 8, 200), 1);
        let guest = stage.lock().world.live_users().next().unwrap().id;
        let (name, value) = ("userType".to_owned(), "Guest".into());
        happen(&stage, Event::SetProperty { user: guest, name, value });
        let theirs = json!({
            "userName": "gjest@leverandor.example.no", "externalId": guest.to_string(),
        });
        stage.lock().platform.insert_user(&theirs, Twins::Refused).unwrap();
        let stage = in_doubt(stage).await;
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        assert_eq!(active(&stage, guest), Some(true), "nobody knows whose it is");
    });
}
