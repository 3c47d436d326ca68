//! Whether those whom a configuration names are those that the state was made with. Asking them takes the
//! secrets that belong to the others.

use std::sync::Arc;

use crate::cli::control::{self, Request, Task};
use crate::cli::ground::Ground;
use crate::cli::said::Said;
use crate::cli::{Context, Exit, Failure, wire};
use crate::config::Config;
use crate::cycle::identity::Peers;
use crate::cycle::state::State;
use crate::graph;

/// Refuses to go on where somebody is another one than before.
pub(super) fn must_be_known(context: &Context, config: &Config) -> Result<(), Failure> {
    let sources = config.sources.iter().map(|(name, source)| {
        let origins = graph::origins(&source.graph_url, &source.login_url);
        (name.to_string(), (source.tenant_id.clone(), origins))
    });
    let target = wire::only_target(config)?.1.url.to_string();
    let peers = Peers { sources: sources.collect(), target };
    let strangers = match control::ask(context, Request::Task(Task::Peers(peers.clone())))? {
        Some(Said { data: Some(data), .. }) => serde_json::from_str(&data).unwrap_or_default(),
        Some(refused) => return Err(Failure::new(refused.exit, refused.talk.join("\n"))),
        None => match wire::existing_store(config) {
            Ok(store) => State::identity_in(&(Arc::clone(&store) as _))?.strangers(&peers),
            Err(Failure { exit: Exit::NoState, .. }) => Vec::new(),
            Err(failure) => return Err(failure),
        },
    };
    if strangers.is_empty() {
        return Ok(());
    }
    let what = strangers.join("; ");
    Err(Failure::new(
        Exit::Config,
        format!(
            "{what}. No secret was sent there. Repair the configuration; or, if this is right, approve the \
             hold of the guard `identity` that manntall sync meets; or try it with another service.state_dir"
        ),
    ))
}

/// The answer of whoever has the state.
pub(in crate::cli) fn said(ground: &Ground<'_>, peers: &Peers) -> Said {
    let strangers = ground.state().identity.strangers(peers);
    let data = serde_json::to_string(&strangers).unwrap_or_default();
    Said { data: Some(data), talk: Vec::new(), exit: Exit::Done }
}
