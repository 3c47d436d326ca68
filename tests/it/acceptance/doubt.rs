//! A process ends between a write and the record of its answer, and what was wanted is taken back before the next
//! one begins: the ledger and the wish agree, and the platform has neither forgotten nor been told.

use std::time::Duration;

use manntall::sim::world::Event;
use manntall::transport::Method;

use super::{assert_right, entitled, happen, next_poll, world};
use crate::history::{runtime, settle};
use crate::stage::{End, Fate, SCIM, Stage};

/// Lets the process end at its first PATCH of this kind, which is acted on.
async fn dies_at_a_patch(stage: &mut Stage, kind: &str) {
    let wanted = format!("{SCIM}/{kind}/");
    stage.lock().meddler = Some(Box::new(move |request| {
        let is_it = request.method == Method::Patch && request.url.as_str().starts_with(&wanted);
        is_it.then_some(Fate::End(End::Unanswered))
    }));
    let mut engine = stage.engine().unwrap();
    let drive = stage.drive_anyhow(&mut engine);
    assert!(tokio::time::timeout(Duration::from_secs(600), drive).await.is_err(), "it went on");
    drop(engine);
    stage.lock().meddler = None;
    stage.store = stage.store.reopen();
}

#[test]
fn what_was_cut_off_and_taken_back_meanwhile_is_undone() {
    runtime().block_on(async {
        let mut stage = Stage::new(world(60, 8, 200), 1);
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        drop(engine);
        let user = entitled(&stage)[0];
        let title = stage.lock().world.users()[&user].text("jobTitle").unwrap().to_owned();
        let retitle = |title: &str| {
            let (name, value) = ("jobTitle".to_owned(), title.into());
            Event::SetProperty { user, name, value }
        };
        next_poll(&stage).await;
        happen(&stage, retitle("Vikar"));
        dies_at_a_patch(&mut stage, "Users").await;
        happen(&stage, retitle(&title));
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        assert_right(&stage, "the title is the old one");
    });
}

#[test]
fn whoever_was_added_before_a_kill_and_left_meanwhile_is_taken_out() {
    runtime().block_on(async {
        let mut stage = Stage::new(world(60, 8, 200), 1);
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        drop(engine);
        let (group, user) = {
            let (entitled, inner) = (entitled(&stage), stage.lock());
            let is_ours = |name: &str| name.starts_with("PLT ");
            let mut groups = inner.world.live_groups();
            let group = groups.find(|one| is_ours(one.text("displayName").unwrap_or_default()));
            let group = group.unwrap();
            let is_in = |id| group.members.iter().any(|member| member.id == id);
            (group.id, entitled.into_iter().find(|id| !is_in(*id)).unwrap())
        };
        next_poll(&stage).await;
        happen(&stage, Event::Join { group, user });
        dies_at_a_patch(&mut stage, "Groups").await;
        happen(&stage, Event::Leave { group, user });
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        assert_right(&stage, "nobody joined");
    });
}
