//! Ways in for everything that parses foreign bytes: one function each, which must return whatever comes, and
//! which checks what must hold of anything that was accepted. Used by the fuzz targets (`fuzz/`) and by the
//! bounded random driver of the normal tests.

mod answer;
mod callers;
mod files;
mod graph;
mod scim;

use std::fmt::Display;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use manntall::clock::Clock;
use manntall::core::model::Timestamp;
use url::Url;

pub(crate) use answer::answer_head;
pub(crate) use callers::{control_request, link, status_request};
pub(crate) use files::{
    KEYS, backup, certificate, configuration, expression, is_whole_record, saved_plan, store_record,
};
pub(crate) use graph::{graph_page, token_answer};
pub(crate) use scim::scim_answer;

/// A service that has run for an hour; its time goes on only while it waits, and then at once.
struct Ticking(Mutex<Duration>);

impl Ticking {
    fn new() -> Self {
        Self(Mutex::new(Duration::from_secs(3600)))
    }
}

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        // 2026-11-22T06:00:00Z.
        Timestamp(1_795_327_200_000).plus(self.elapsed())
    }

    fn elapsed(&self) -> Duration {
        *self.0.lock().unwrap()
    }

    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()> {
        *self.0.lock().unwrap() += span;
        Box::pin(std::future::ready(()))
    }
}

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

/// What comes of work that waits for nothing but its own clock.
fn done<T>(work: impl Future<Output = T>) -> T {
    work.now_or_never().expect("work that waits for nothing")
}

/// A message may quote strangers, and is one line of a bounded length without anything that acts.
fn is_harmless(message: &impl Display) {
    let text = message.to_string();
    assert!(text.len() < 2_000 && !text.contains(char::is_control), "{text:?}");
}
