//! Faults on the way between Manntall and a peer, to be switched on and off by name.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use manntall::transport::{Request, Response};

use crate::stage::{Fate, GRAPH, LOGIN, SCIM, Stage};

/// Who does not answer as it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    Login,
    Graph,
    Target,
}

impl Peer {
    pub(crate) fn origin(self) -> &'static str {
        match self {
            Self::Login => LOGIN,
            Self::Graph => GRAPH,
            Self::Target => SCIM.strip_suffix("/scim/v2").unwrap(),
        }
    }

    pub(crate) fn host(self) -> &'static str {
        self.origin().strip_prefix("https://").unwrap()
    }

    fn is_asked(self, request: &Request) -> bool {
        request.url.as_str().starts_with(self.origin())
    }
}

/// What goes wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// Nobody listens.
    Refused,
    /// The name does not resolve.
    NoSuchName,
    /// The request arrives and takes effect, and the connection is reset.
    Reset,
    /// The same, with an answer that stalls in the middle.
    Stalled,
    /// The request takes effect, and the second half of the answer is missing.
    CutBody,
    /// A proxy's page for people, with status 200. Nothing behind it was reached.
    Html,
    /// 200 without a body.
    Empty,
    /// 200 with something that is neither JSON nor a page.
    Text,
    /// 302 to another host.
    Redirect,
    /// A bare status, with this `Retry-After` where one is given.
    Status(u16, Option<&'static str>),
}

impl Wrong {
    pub(crate) fn fate(&self) -> Fate {
        let answer = |status, headers: &[(&str, &str)], body: &'static str| {
            let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
            let headers = headers.iter().map(owned).collect();
            Fate::Answer(Response { status, headers, body: body.into() })
        };
        match self {
            Self::Refused => Fate::NotSent("connection refused"),
            Self::NoSuchName => Fate::NotSent("dns error: failed to look up address information"),
            Self::Reset => Fate::Lost("connection reset by peer"),
            Self::Stalled => Fate::Lost("operation timed out"),
            Self::CutBody => Fate::Change(Box::new(|mut response| {
                response.body.truncate(response.body.len() / 2);
                response
            })),
            Self::Html => answer(
                200,
                &[("content-type", "text/html; charset=utf-8")],
                "<!DOCTYPE html><html><head><title>Logg inn i nettet</title></head></html>",
            ),
            Self::Empty => answer(200, &[], ""),
            Self::Text => answer(200, &[("content-type", "text/plain")], "It works!"),
            Self::Redirect => {
                answer(302, &[("location", "https://elsewhere.example.no/login")], "")
            }
            Self::Status(status, None) => answer(*status, &[], ""),
            Self::Status(status, Some(after)) => answer(*status, &[("retry-after", after)], ""),
        }
    }
}

/// A switched-on fault; knows how often it struck.
#[derive(Clone)]
pub(crate) struct Struck(Arc<AtomicU64>);

impl Struck {
    pub(crate) fn times(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Every request to `peer` meets the fault.
pub(crate) fn switch_on(stage: &Stage, peer: Peer, wrong: &Wrong) -> Struck {
    let wrong = wrong.clone();
    meddle(stage, move |request| peer.is_asked(request).then(|| wrong.fate()))
}

/// Each request meets what `meddler` says, if it says something.
pub(crate) fn meddle(
    stage: &Stage,
    mut meddler: impl FnMut(&Request) -> Option<Fate> + Send + 'static,
) -> Struck {
    let struck = Struck(Arc::default());
    let count = Arc::clone(&struck.0);
    stage.lock().meddler = Some(Box::new(move |request| {
        let fate = meddler(request)?;
        count.fetch_add(1, Ordering::Relaxed);
        Some(fate)
    }));
    struck
}

pub(crate) fn switch_off(stage: &Stage) {
    stage.lock().meddler = None;
}
