//! N1 to N10: what networks do. What is a matter of bytes is in `sockets`.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use manntall::clock::Clock;
use manntall::sim::entra::RequestKind;
use manntall::sim::world::Event;
use manntall::transport::Method;

use super::trial::{Told, Trial, hire, survives};
use super::wire::{self, Peer, Wrong};
use crate::acceptance::{entitled, happen, next_poll};
use crate::history::{counts, runtime};
use crate::stage::Fate;

#[test]
fn n1_refused_connections_change_nothing_and_are_overcome() {
    for peer in [Peer::Graph, Peer::Target] {
        let told = survives(peer, &Wrong::Refused);
        assert_eq!(told.codes(), [69].into());
        told.assert_says(&[peer.host(), "connection refused"]);
    }
}

#[test]
fn n1_a_login_that_cannot_be_reached_is_overcome() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        // The token in hand has died, and there is no new one.
        trial.stage.pass(Duration::from_secs(4_000)).await;
        trial.unrest();
        let struck = wire::switch_on(&trial.stage, Peer::Login, &Wrong::Refused);
        let told = trial.suffer().await;
        assert!(struck.times() > 0);
        told.assert_says(&[Peer::Login.host(), "connection refused"]);
        wire::switch_off(&trial.stage);
        trial.converge().await;
    });
}

#[test]
fn n1_answers_that_are_lost_leave_no_second_account() {
    for peer in [Peer::Graph, Peer::Target] {
        survives(peer, &Wrong::Reset);
    }
}

#[test]
fn n1_a_reset_at_any_one_request_is_overcome() {
    // Each request to the target in turn loses its answer, and each in turn is never sent.
    for sent in [true, false] {
        for victim in 0..14 {
            runtime().block_on(async {
                let mut trial = Trial::begin().await;
                trial.unrest();
                let mut count = 0;
                let struck = wire::meddle(&trial.stage, move |request| {
                    if !request.url.as_str().starts_with(Peer::Target.origin()) {
                        return None;
                    }
                    count += 1;
                    let fate = if sent { Fate::Lost("reset") } else { Fate::NotSent("reset") };
                    (count == victim + 1).then_some(fate)
                });
                trial.two_cycles().await;
                wire::switch_off(&trial.stage);
                assert!(victim > 5 || struck.times() == 1, "there is no request {victim}");
                trial.converge().await;
            });
        }
    }
}

#[test]
fn n2_answers_that_stall_change_nothing_and_are_overcome() {
    for peer in [Peer::Graph, Peer::Target] {
        let told = survives(peer, &Wrong::Stalled);
        told.assert_says(&[peer.host(), "timed out"]);
    }
}

#[test]
fn n3_half_an_answer_is_no_list() {
    for peer in [Peer::Graph, Peer::Target] {
        survives(peer, &Wrong::CutBody);
    }
}

#[test]
fn n4_html_page_names_the_host_and_changes_nothing() {
    for peer in [Peer::Graph, Peer::Target] {
        let told = survives(peer, &Wrong::Html);
        told.assert_says(&[peer.host(), "text/html", "proxy"]);
        if peer == Peer::Graph {
            told.assert_says(&["Logg inn i nettet"]);
        }
        assert_eq!(told.codes(), [69].into());
    }
}

#[test]
fn n4_html_page_of_graph_is_told_within_seconds() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        wire::switch_on(&trial.stage, Peer::Graph, &Wrong::Html);
        next_poll(&trial.stage).await;
        let began = trial.stage.clock.elapsed();
        let mut told = Told::default();
        trial.cycle(&mut told).await;
        told.assert_says(&["text/html"]);
        let took = trial.stage.clock.elapsed().saturating_sub(began);
        assert!(took < Duration::from_secs(5), "{took:?}");
    });
}

#[test]
fn n4_nothing_with_status_200_is_no_list() {
    for peer in [Peer::Graph, Peer::Target] {
        survives(peer, &Wrong::Empty);
    }
}

#[test]
fn n4_another_content_type_is_no_list() {
    let told = survives(Peer::Graph, &Wrong::Text);
    told.assert_says(&[Peer::Graph.host(), "text/plain"]);
    survives(Peer::Target, &Wrong::Text);
}

#[test]
fn n5_a_redirect_is_not_followed_and_names_where_it_leads() {
    for peer in [Peer::Graph, Peer::Target] {
        // The stage panics at a request to another host.
        let told = survives(peer, &Wrong::Redirect);
        told.assert_says(&[peer.host(), "elsewhere.example.no"]);
        assert_eq!(told.codes(), [69].into());
    }
}

#[test]
fn n7_a_name_that_does_not_resolve_changes_nothing_and_is_overcome() {
    for peer in [Peer::Graph, Peer::Target] {
        let told = survives(peer, &Wrong::NoSuchName);
        told.assert_says(&[peer.host(), "dns"]);
    }
}

const DAY_MS: i64 = 24 * 3_600 * 1_000;

#[test]
fn n8_a_clock_that_jumps_a_day_makes_no_burst() {
    for jump in [DAY_MS, -DAY_MS, 2 * DAY_MS, 3_600_000, -3_600_000, 1_000, -1_000] {
        runtime().block_on(async {
            let mut trial = Trial::begin().await;
            trial.stage.skew_ms.store(jump, Ordering::Relaxed);
            trial.unrest();
            let (graph, _) = counts(&trial.stage);
            let tokens = trial.stage.lock().entra.counters.of(RequestKind::Token);
            let mut told = Told::default();
            for _ in 0..10 {
                next_poll(&trial.stage).await;
                trial.cycle(&mut told).await;
            }
            let (after, _) = counts(&trial.stage);
            // Two a cycle, and one complete read of both kinds, which a day's jump makes due.
            assert!(after - graph <= 20 + 12, "{} requests after {jump} ms", after - graph);
            let tokens = trial.stage.lock().entra.counters.of(RequestKind::Token) - tokens;
            assert!(tokens <= 1, "{tokens} tokens after {jump} ms");
            assert!(told.troubles.is_empty(), "{told:?}");
            trial.converge().await;
        });
    }
}

#[test]
fn n8_a_lost_create_is_looked_up_within_the_minute_also_when_the_clock_goes_back_a_day() {
    for restarts in [false, true] {
        runtime().block_on(async {
            let mut trial = Trial::begin().await;
            let skew = Arc::clone(&trial.stage.skew_ms);
            skew.store(DAY_MS, Ordering::Relaxed);
            happen(&trial.stage, hire(910));
            trial.note();
            let mut told = Told::default();
            let struck = wire::meddle(&trial.stage, move |request| {
                (request.method == Method::Post && request.url.path().ends_with("/Users")).then(
                    || {
                        if !restarts {
                            skew.store(0, Ordering::Relaxed);
                        }
                        Fate::Lost("reset")
                    },
                )
            });
            next_poll(&trial.stage).await;
            if restarts {
                let life = trial.stage.drive(&mut trial.engine);
                let killed = tokio::time::timeout(Duration::from_secs(1), life).await;
                assert!(killed.is_err(), "it waits for the first look-up");
                trial.stage.skew_ms.store(0, Ordering::Relaxed);
                *trial.engine = trial.stage.engine().unwrap();
            }
            let began = trial.stage.clock.elapsed();
            trial.cycle(&mut told).await;
            let took = trial.stage.clock.elapsed().saturating_sub(began);
            assert_eq!(struck.times(), 1);
            wire::switch_off(&trial.stage);
            assert!(took < Duration::from_secs(120), "looked up after {took:?}");
            let creates = trial.writes().iter().filter(|write| write.target == "Users").count();
            assert_eq!(creates, 1, "{:?}", trial.writes());
            trial.converge().await;
        });
    }
}

#[test]
fn n8_a_doubt_of_a_clock_that_was_ahead_ends_with_the_next_complete_read() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        trial.unrest();
        // A state that seems to be five days old is in doubt, and the process ends before it was compared.
        trial.stage.skew_ms.store(5 * DAY_MS, Ordering::Relaxed);
        *trial.engine = trial.stage.engine().unwrap();
        let struck = wire::meddle(&trial.stage, |_| Some(Fate::NotSent("refused")));
        trial.cycle(&mut Told::default()).await;
        assert!(struck.times() > 0 && trial.engine.state().recovery.is_some());
        wire::switch_off(&trial.stage);
        trial.stage.skew_ms.store(0, Ordering::Relaxed);
        *trial.engine = trial.stage.engine().unwrap();
        let began = trial.stage.clock.elapsed();
        trial.cycle(&mut Told::default()).await;
        let took = trial.stage.clock.elapsed().saturating_sub(began);
        assert!(took < Duration::from_secs(300), "compared after {took:?}");
        assert_eq!(trial.engine.state().recovery, None);
        trial.converge().await;
    });
}

#[test]
fn n8_a_token_that_graph_calls_dead_is_renewed_at_once() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        // Our clock went back: by it the token lives, by Graph's it is dead.
        trial.stage.skew_ms.store(-DAY_MS, Ordering::Relaxed);
        trial.unrest();
        trial.stage.lock().entra.faults.unauthorized_next = 1;
        let mut told = Told::default();
        next_poll(&trial.stage).await;
        trial.cycle(&mut told).await;
        assert_eq!(trial.stage.lock().entra.faults.unauthorized_next, 0);
        assert!(told.troubles.is_empty(), "{told:?}");
        trial.converge().await;
    });
}

#[test]
fn n9_after_a_sleep_there_is_one_cycle_and_no_backlog() {
    runtime().block_on(async {
        let mut trial = Trial::begin().await;
        // Twelve hours pass for everybody else, while the machine and its monotonic clock stand still:
        // what the machine sees is its wall clock twelve hours ahead, and a token that is dead.
        trial.stage.skew_ms.store(DAY_MS / 2, Ordering::Relaxed);
        trial.stage.lock().entra.faults.unauthorized_next = 1;
        let leaver = entitled(&trial.stage)[0];
        happen(&trial.stage, Event::Disable { user: leaver });
        happen(&trial.stage, hire(901));
        trial.note();
        let (graph, _) = counts(&trial.stage);
        next_poll(&trial.stage).await;
        let mut told = Told::default();
        trial.cycle(&mut told).await;
        let (after, _) = counts(&trial.stage);
        assert!(after - graph <= 4, "{} requests for one cycle", after - graph);
        assert_eq!(trial.is_active(leaver), Some(false), "in the first cycle");
        assert!(told.troubles.is_empty(), "{told:?}");
        trial.converge().await;
    });
}
