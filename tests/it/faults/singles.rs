//! E40 to E43: whoever a complete read leaves out, or names against an earlier word, is asked about by itself.

use std::time::Duration;

use manntall::sim::entra::ExpireLinks;
use manntall::sim::world::{Event, ObjectId};
use manntall::transport::{Request, Response};

use super::trial::{Told, Trial};
use super::wire::{self, Wrong};
use crate::acceptance::{assert_right, entitled, happen, next_poll};
use crate::history::runtime;
use crate::stage::Fate;

/// Everything is read whole because the link is lost, so often, with more than an hour between.
async fn read_whole(trial: &mut Trial, times: u32) -> Told {
    let mut told = Told::default();
    for _ in 0..times {
        trial.stage.lock().entra.faults.expire_links = Some(ExpireLinks::Gone);
        trial.stage.pass(trial.stage.timing.confirm_absence).await;
        next_poll(&trial.stage).await;
        trial.cycle(&mut told).await;
    }
    told
}

/// Whether the request is a read of this user or group alone.
fn is_read_of(request: &Request, of: ObjectId) -> bool {
    let path = request.url.path().to_owned();
    path.ends_with(&format!("/users/{of}")) || path.ends_with(&format!("/groups/{of}"))
}

/// Somebody whom Entra purges while the link is lost, and a group.
fn purge(trial: &Trial) -> (ObjectId, ObjectId) {
    let user = entitled(&trial.stage)[5];
    let group = {
        let inner = trial.stage.lock();
        let mut groups = inner.world.live_groups();
        let is_carried = |name: Option<&str>| name.is_some_and(|name| name.starts_with("PLT "));
        groups.find(|group| is_carried(group.text("displayName"))).unwrap().id
    };
    trial.stage.lock().entra.faults.lose_changes = true;
    for event in [
        Event::SoftDelete { user },
        Event::Purge { user },
        Event::DeleteGroup { group },
        Event::PurgeGroup { group },
    ] {
        happen(&trial.stage, event);
    }
    trial.note();
    (user, group)
}

#[test]
fn e40_whoever_is_left_out_stays_until_a_single_read_has_not_found_them() {
    let foreign = || {
        Fate::Change(Box::new(|mut response: Response| {
            let body = r#"{"id":"99999999-9999-4999-8999-999999999999","accountEnabled":true}"#;
            (response.status, response.body) = (200, body.into());
            response
        }))
    };
    let refused = |status| move || Wrong::Status(status, None).fate();
    let fates: [Box<dyn Fn() -> Fate + Send>; 5] = [
        Box::new(refused(403)),
        Box::new(refused(500)),
        Box::new(refused(429)),
        Box::new(|| Wrong::Html.fate()),
        Box::new(foreign),
    ];
    for fate in fates {
        runtime().block_on(async {
            let mut trial = Trial::begin().await;
            let (user, group) = purge(&trial);
            let struck = wire::meddle(&trial.stage, move |request| {
                (is_read_of(request, user) || is_read_of(request, group)).then(&fate)
            });
            trial.stage.lock().entra.faults.lose_changes = false;
            let told = read_whole(&mut trial, 3).await;
            assert_eq!(trial.is_active(user), Some(true), "nobody has said that they are gone");
            told.assert_says(&["left out", "Nothing is taken from them"]);
            assert!((6..60).contains(&struck.times()), "{} single reads", struck.times());
            // Nobody else waits.
            let leaver = entitled(&trial.stage)[0];
            happen(&trial.stage, Event::Disable { user: leaver });
            trial.note();
            next_poll(&trial.stage).await;
            trial.cycle(&mut Told::default()).await;
            assert_eq!(trial.is_active(leaver), Some(false));
            wire::switch_off(&trial.stage);
            trial.stage.pass(Duration::from_secs(3_700)).await;
            trial.cycle(&mut Told::default()).await;
            read_whole(&mut trial, 2).await;
            assert_eq!(trial.is_active(user), Some(false));
            trial.converge().await;
        });
    }
}

#[test]
fn e41_whoever_is_disabled_and_left_out_is_out_by_a_single_read() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        let user = entitled(&trial.stage)[5];
        trial.stage.lock().entra.faults.lose_changes = true;
        happen(&trial.stage, Event::Disable { user });
        trial.note();
        next_poll(&trial.stage).await;
        trial.cycle(&mut Told::default()).await;
        assert_eq!(trial.is_active(user), Some(true), "the change was lost");
        // The complete read leaves them out, and a single read finds them.
        let needle = user.to_string();
        wire::meddle(&trial.stage, move |request| {
            let is_list = request.url.path().ends_with("/users/delta");
            let needle = needle.clone();
            is_list.then(|| {
                Fate::Change(Box::new(move |mut response: Response| {
                    let mut body: serde_json::Value =
                        serde_json::from_slice(&response.body).unwrap();
                    if let Some(list) = body.get_mut("value").and_then(|list| list.as_array_mut()) {
                        list.retain(|one| one["id"] != needle.as_str());
                    }
                    response.body = body.to_string().into();
                    response
                }))
            })
        });
        trial.stage.lock().entra.faults.lose_changes = false;
        read_whole(&mut trial, 1).await;
        assert_eq!(trial.is_active(user), Some(false));
        wire::switch_off(&trial.stage);
        read_whole(&mut trial, 1).await;
        assert_right(&trial.stage, "shown again");
        trial.converge().await;
    });
}
