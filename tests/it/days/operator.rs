//! What the operator says to the running service.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use manntall::core::judge::{Approval, Claims, Guard, Hold, Rejection};
use manntall::core::model::{ByHand, Timestamp};
use manntall::cycle::Engine;
use manntall::cycle::guards::Announcement;
use manntall::cycle::records::Pause;

use super::script::Word;
use super::watch::Known;

fn is_everyday(hold: &Hold) -> bool {
    !matches!(hold.meter.guard, Guard::Identity | Guard::Coverage)
}

/// What was said to the engine.
pub(super) enum Said {
    Approved(Claims),
    Rejected(Claims),
    Else,
}

/// Says something to the running engine; `None` where there was nothing to say it about.
pub(super) fn say(
    engine: &mut Engine,
    word: Word,
    rng: &mut fastrand::Rng,
    at: Timestamp,
    known: &Mutex<Known>,
) -> Option<Said> {
    let by: Arc<str> = "tester".into();
    let until = at.plus(Duration::from_secs(24 * 3_600));
    let is_something = match word {
        Word::Pause => {
            engine.state_mut().pause(Pause { by: "tester".to_owned(), at, reason: None });
            true
        }
        Word::Resume => {
            let was_paused = engine.state().paused.is_some();
            engine.state_mut().resume("tester");
            was_paused
        }
        Word::ApproveAll | Word::ApproveButOne => {
            let holds = engine.holds().iter().filter(|hold| is_everyday(hold));
            let mut claims: Vec<_> = holds.flat_map(|hold| hold.claims.clone()).collect();
            if word == Word::ApproveButOne && !claims.is_empty() {
                claims.swap_remove(rng.usize(0..claims.len()));
            }
            let claims: Claims = claims.into_iter().collect();
            if claims.is_empty() {
                return None;
            }
            engine.approve(Approval { claims: claims.clone(), by, at, until, hold: None });
            return Some(Said::Approved(claims));
        }
        Word::RejectOne => {
            let holds: Vec<_> = engine.holds().iter().filter(|hold| is_everyday(hold)).collect();
            let claims = rng.choice(&holds)?.claims.clone();
            engine.state_mut().reject(Rejection { claims: claims.clone(), by, at });
            return Some(Said::Rejected(claims));
        }
        Word::Deactivate => {
            let accounts = engine.state().ledger.accounts.iter();
            let people: Vec<_> = accounts
                .filter(|(_, entry)| entry.link.managed().is_some())
                .map(|(person, _)| *person)
                .collect();
            let person = *rng.choice(&people)?;
            known.lock().unwrap().order(person);
            engine.deactivate(person, ByHand { by, at, reason: "left at noon".to_owned() });
            true
        }
        Word::LiftAll => {
            let people: Vec<_> = engine.state().ledger.by_hand.keys().copied().collect();
            for person in &people {
                engine.lift(*person, "tester");
            }
            !people.is_empty()
        }
        Word::Allow => {
            let guards = [Guard::Deactivate, Guard::MemberRemove, Guard::Create, Guard::Rename];
            let guard = *rng.choice(&guards).unwrap();
            let reason = "a section moves".to_owned();
            engine.allow(Announcement { guard, count: 5, until, by, reason });
            true
        }
        Word::Retry => {
            engine.retry_all();
            true
        }
        Word::PollNow => {
            engine.poll_now();
            true
        }
    };
    is_something.then_some(Said::Else)
}
