//! An operator who decides about what is held one by one: rejects some of it, approves all but one, and leaves the rest.

use std::time::Duration;

use manntall::clock::Clock;
use manntall::core::judge::{Approval, Claims, Guard, Hold, Rejection};
use manntall::core::model::Timestamp;
use manntall::cycle::Engine;

use super::script::Says;
use crate::stage::Stage;

/// Nobody says yes to a tenant that has lost its titles, or to another platform.
pub(super) fn is_everyday(hold: &Hold) -> bool {
    !matches!(hold.meter.guard, Guard::Identity | Guard::Coverage)
}

/// Everything held that may be decided about as a matter of course.
pub(super) fn held(engine: &Engine) -> Claims {
    let holds = engine.holds().iter().filter(|hold| is_everyday(hold));
    holds.flat_map(|hold| hold.claims.clone()).collect()
}

/// Decides, and returns what was approved and what was rejected.
pub(super) fn say(stage: &Stage, engine: &mut Engine, says: Says, seed: u64) -> (Claims, Claims) {
    let (at, all) = (stage.clock.now(), held(engine));
    let mut claims: Vec<_> = all.into_iter().collect();
    if claims.is_empty() {
        return (Claims::new(), Claims::new());
    }
    let one = claims.swap_remove(fastrand::Rng::with_seed(seed).usize(0..claims.len()));
    match says {
        Says::RejectOne => reject(engine, [one].into_iter().collect(), at),
        Says::RejectAll => {
            claims.push(one);
            reject(engine, claims.into_iter().collect(), at)
        }
        Says::ExceptOne => {
            let claims: Claims = claims.into_iter().collect();
            let until = at.plus(Duration::from_secs(3_600));
            engine.approve(Approval {
                claims: claims.clone(),
                by: "tester".into(),
                at,
                until,
                hold: None,
            });
            (claims, Claims::new())
        }
    }
}

fn reject(engine: &mut Engine, claims: Claims, at: Timestamp) -> (Claims, Claims) {
    engine.state_mut().reject(Rejection { claims: claims.clone(), by: "tester".into(), at });
    (Claims::new(), claims)
}
