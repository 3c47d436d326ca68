//! Identity: which tenants and which target the state was made with. Another one, such as a test
//! configuration on the state of production, is noticed before anything is read from the tenant or
//! written to the target, and stays out until somebody says that it is right.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::absence::{KNOWN_MAX, astray, is_found};
use super::records::Key;
use super::{Engine, Event, Launch, Trouble};
use crate::core::judge::{Finding, Guard, Meter, Of};
use crate::core::model::{Entity, Kind, ScimId, SourceName};
use crate::graph::delta::Lane;
use crate::scim::pace::{Pacer, Permit};
use crate::scim::{Reader, ScimError};

/// Who the state was made with.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Identity {
    /// Tenant ids by source, from the first page that each gave us.
    pub tenants: BTreeMap<SourceName, String>,
    /// The target, from first contact.
    pub target: Option<TargetIdentity>,
    /// The origins of login service and Graph by source, to which credentials are sent.
    pub origins: BTreeMap<SourceName, String>,
}

/// To whom a configuration sends credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peers {
    /// The tenant and the origins of each source, by its name as text.
    pub sources: BTreeMap<String, (String, String)>,
    /// Base of the target's SCIM API.
    pub target: String,
}

impl Identity {
    /// Whether these are the same tenants and the same target.
    pub fn is_of(&self, other: &Self) -> bool {
        let url = |one: &Self| one.target.as_ref().map(|target| target.url.clone());
        self.tenants == other.tenants && url(self) == url(other)
    }

    /// Who of the peers is another one than before. Nothing is to be sent to them unasked.
    pub fn strangers(&self, peers: &Peers) -> Vec<String> {
        let mut strangers = Vec::new();
        for (name, (tenant, origins)) in &peers.sources {
            let find = |known: &BTreeMap<SourceName, String>| {
                let mut known = known.iter().filter(|(one, _)| one.as_str() == name);
                known.next().map(|(_, one)| one.clone())
            };
            let other = |known: Option<String>, now: &str| {
                known.filter(|one| !one.eq_ignore_ascii_case(now))
            };
            if let Some(known) = other(find(&self.tenants), tenant) {
                strangers.push(format!("{name}: the state holds tenant {known}, not {tenant}"));
            } else if let Some(known) = other(find(&self.origins), origins) {
                strangers.push(format!("{name}: the state was made with {known}, not {origins}"));
            }
        }
        if let Some(known) = self.target.as_ref().filter(|known| known.url != peers.target) {
            strangers.push(format!(
                "the state was made with the platform at {}, not {}",
                known.url, peers.target
            ));
        }
        strangers
    }
}

/// Which target it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetIdentity {
    /// Base of its SCIM API.
    pub url: String,
    /// Digest of what its `/ServiceProviderConfig` says about it, where there is one.
    pub config: Option<String>,
    /// The account whose token we use, where the target says so. It is never touched.
    pub own_account: Option<ScimId>,
}

/// Whether we know which target answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Contact {
    /// Not asked since the start, or not before this time again.
    #[default]
    Unknown,
    Later(Duration),
    Asking,
    Known,
    /// Another one than before.
    Foreign(TargetIdentity),
}

/// Resources that the target confirmed before, some of each kind. Another target does not hold them.
struct Held {
    users: Vec<ScimId>,
    groups: Vec<ScimId>,
}

impl Held {
    /// Knows a target that does not say this time who it is by one of them. Where there was none before,
    /// there is nothing yet that could be changed on another target.
    async fn recognise(&self, reader: &Reader, pacer: &Pacer) -> Result<(), ScimError> {
        for (kind, ids) in [(Kind::Users, &self.users), (Kind::Groups, &self.groups)] {
            for id in ids {
                if is_found(reader, pacer, kind, id).await? {
                    return Ok(());
                }
            }
        }
        if self.users.is_empty() && self.groups.is_empty() {
            return Ok(());
        }
        Err(astray(reader))
    }
}

/// What the target said when it was asked who it is.
pub(super) type Told = Result<TargetIdentity, ScimError>;

impl Engine {
    /// Compares the configuration with what the state was made with.
    pub(super) fn begin_identity(&mut self) {
        let now = self.clock.now();
        let mut foreign = Vec::new();
        for source in self.sources.tenants.values() {
            let (name, configured) = (source.name, source.client.tenant_id());
            let pinned = self.state.identity.tenants.get(&name);
            if let Some(pinned) = pinned.filter(|pinned| !pinned.eq_ignore_ascii_case(configured)) {
                let what = format!(
                    "the state holds tenant {pinned} as {name}, the configuration says {configured}"
                );
                foreign.push((name, what, configured.to_owned()));
                continue;
            }
            let configured = source.client.origins();
            let pinned = self.state.identity.origins.get(&name);
            if let Some(pinned) = pinned.filter(|pinned| *pinned != configured) {
                let what = format!(
                    "the state was made with {pinned} as login service and Graph of {name}, the configuration \
                     says {configured}; no secret is sent there"
                );
                foreign.push((name, what, configured.to_owned()));
            }
        }
        for (name, what, configured) in foreign {
            let meter = Meter { guard: Guard::Identity, source: Some(name), of: Of::All };
            let what = format!("{what}; nothing is read from it and nothing of it is changed");
            self.guards.foreign.insert(name);
            self.sources.lanes.retain(|(source, _), _| *source != name);
            let digest = Finding::digest_of(&meter, &configured);
            let message = self.find_identity(&meter, digest, &what);
            for kind in [Kind::Users, Kind::Groups] {
                let message = message.clone();
                let trouble =
                    Trouble { since: now, code: 78, guard: Some("identity".into()), message };
                self.source_trouble(name, kind, trouble);
            }
        }
        let url = self.target.reader.url().to_string();
        if let Some(pinned) = self.state.identity.target.clone() {
            self.target.policy.own_account.clone_from(&pinned.own_account);
            if pinned.url != url {
                let found = TargetIdentity { url, config: None, own_account: None };
                self.meet_stranger(&pinned, found);
            }
        }
    }

    fn find_identity(
        &mut self,
        meter: &Meter,
        digest: crate::core::plan::ChangeDigest,
        what: &str,
    ) -> String {
        let finding = |words: String| Finding {
            meter: meter.clone(),
            count: 1,
            limit: 0,
            since: self.clock.now(),
            words,
            digest,
        };
        let id = finding(String::new()).hold(&[], self.state.digests()).id;
        let words = format!(
            "{what}. Repair the configuration, or, if this is right: manntall approve {id}"
        );
        let finding = finding(words.clone());
        tracing::error!(target: "manntall::trouble", guard = "identity", "{words}");
        self.find(finding);
        words
    }

    /// Whether the source is another tenant than before.
    pub(super) fn is_foreign(&self, source: SourceName) -> bool {
        self.guards.foreign.contains(&source)
    }

    /// Whether the change is about people or groups of a tenant that is another one than before.
    pub(super) fn concerns_foreign(&self, entity: &Entity) -> bool {
        use crate::core::model::GroupKey::{self, Directory};
        let is_foreign = |source: &SourceName| self.guards.foreign.contains(source);
        !self.guards.foreign.is_empty()
            && match entity {
                Entity::Account(person) | Entity::Member(GroupKey::Rule { .. }, person) => {
                    is_foreign(&person.source)
                }
                Entity::Group(Directory { source, .. }) => is_foreign(source),
                Entity::Group(_) => false,
                Entity::Member(Directory { source, .. }, person) => {
                    is_foreign(source) || is_foreign(&person.source)
                }
            }
    }

    /// A tenant has given us something: from now on it is this one.
    pub(super) fn pin_tenant(&mut self, name: SourceName) {
        let identity = &mut self.state.identity;
        if identity.tenants.contains_key(&name) && identity.origins.contains_key(&name) {
            return;
        }
        if let Some(source) = self.sources.tenants.get(&name) {
            identity.tenants.insert(name, source.client.tenant_id().to_owned());
            identity.origins.insert(name, source.client.origins().to_owned());
            self.state.mark(Key::Identity);
        }
    }

    /// Asks the target who it is.
    pub(super) fn ask_identity(&mut self, permit: Permit, launch: &mut Launch) {
        self.guards.contact = Contact::Asking;
        let reader = self.target.reader.clone();
        let pacer = self.target.pacer.clone();
        let known = self.state.identity.target.clone();
        let url = reader.url().to_string();
        let users = self.target.links.accounts.keys().take(KNOWN_MAX).cloned().collect();
        let held = Held {
            users,
            groups: self.target.links.groups.keys().take(KNOWN_MAX).cloned().collect(),
        };
        launch.push(Box::pin(async move {
            let ask = async {
                let config = reader.fingerprint(permit).await?;
                let has_told = known.as_ref().is_some_and(|known| known.config.is_some());
                if config.is_none() && has_told {
                    held.recognise(&reader, &pacer).await?;
                }
                let own_account = match known {
                    Some(known) => known.own_account,
                    None => reader.own_account(pacer.permit().await).await?,
                };
                Ok(TargetIdentity { url, config, own_account })
            };
            Event::Identified(ask.await)
        }));
    }

    pub(super) fn on_identified(&mut self, told: Told) {
        const AGAIN: Duration = Duration::from_secs(5);
        let found = match told {
            Ok(found) => found,
            Err(error) => {
                self.guards.contact = Contact::Later(self.clock.elapsed() + AGAIN);
                return self.target_failed(&error);
            }
        };
        self.target_answered();
        match self.state.identity.target.clone() {
            // One that does not tell this time was known by what it holds.
            Some(pinned) if is_other(&pinned, &found) => self.meet_stranger(&pinned, found),
            Some(pinned) => {
                let config = found.config.or_else(|| pinned.config.clone());
                self.pin_target(TargetIdentity { config, ..pinned });
            }
            None => self.pin_target(found),
        }
    }

    fn pin_target(&mut self, target: TargetIdentity) {
        self.guards.contact = Contact::Known;
        if self.target.policy.own_account != target.own_account {
            self.target.policy.own_account.clone_from(&target.own_account);
            self.target.planning.touched = None;
        }
        if self.state.identity.target.as_ref() != Some(&target) {
            self.state.identity.target = Some(target);
            self.state.mark(Key::Identity);
        }
    }

    pub(super) fn meet_stranger(&mut self, pinned: &TargetIdentity, found: TargetIdentity) {
        let meter = Meter { guard: Guard::Identity, source: None, of: Of::All };
        let digest = Finding::digest_of(&meter, &(&found.url, &found.config));
        let what = if pinned.url == found.url {
            format!(
                "the platform at {} describes itself as {}, and was {} before; nothing is written to it",
                found.url,
                found.config.as_deref().unwrap_or("nothing"),
                pinned.config.as_deref().unwrap_or("nothing")
            )
        } else {
            format!(
                "the state was made with the platform at {}, the configuration says {}; nothing is \
                 written to it",
                pinned.url, found.url
            )
        };
        let message = self.find_identity(&meter, digest, &what);
        let since = self.clock.now();
        self.target.health.trouble =
            Some(Trouble { since, code: 78, guard: Some("identity".into()), message });
        self.guards.contact = Contact::Foreign(found);
    }

    /// Somebody said that the new tenant or target is right.
    pub(super) fn accept_identity(&mut self, source: Option<SourceName>) {
        let Some(name) = source else {
            let Contact::Foreign(found) = std::mem::take(&mut self.guards.contact) else { return };
            self.target.health.trouble = None;
            // A target at another address has not been asked yet who it is.
            let asked = found.config.is_some();
            self.pin_target(found);
            if !asked {
                self.guards.contact = Contact::Unknown;
            }
            return;
        };
        let now = self.clock.now();
        self.guards.foreign.remove(&name);
        self.state.identity.tenants.remove(&name);
        self.state.identity.origins.remove(&name);
        self.pin_tenant(name);
        self.begin_source(name);
        for kind in [Kind::Users, Kind::Groups] {
            self.sources.troubles.remove(&(name, kind));
            if let Some(walk) = self.state.walks.get_mut(&(name, kind)) {
                // Links belong to the other tenant.
                walk.on_expired(Lane::Delta, now);
                self.state.mark(Key::Walk(name, kind));
            }
        }
    }

    /// The sources that may be read and acted on.
    pub(super) fn own_sources(&self) -> BTreeSet<SourceName> {
        self.sources.tenants.keys().filter(|name| !self.is_foreign(**name)).copied().collect()
    }
}

fn is_other(pinned: &TargetIdentity, found: &TargetIdentity) -> bool {
    pinned.config.is_some() && found.config.is_some() && pinned.config != found.config
}
