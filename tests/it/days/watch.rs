//! Looks on at every request: what was taken from whom without any evidence, whether anybody has two
//! accounts, and whether anything was written while the service was paused.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use manntall::core::judge::{Aspect, Guarded};
use manntall::core::model::{AttrPath, Entity, PersonId};
use manntall::sim::http::Request;
use manntall::sim::platform::Platform;
use manntall::sim::world::{ObjectId, World};

use crate::oracle::{Rules, entitled_ids_under, groups_under};

/// What was true within so long may be what the service acts on: a hold that is approved late, an answer
/// of Entra that came before a fault, a queue behind a slow platform.
const WINDOW_MS: u64 = 30 * 3_600 * 1_000;

/// An answer of Entra may be older than a word about it by so much, and where its rounds lag behind by more.
const SLACK_MS: u64 = 10 * 60 * 1_000;
const SLACK_LAGGING_MS: u64 = 3 * 3_600 * 1_000;

/// Who was entitled to what at one moment.
struct Moment {
    at_ms: u64,
    entitled: BTreeSet<String>,
    /// The login name of each of them in Entra.
    names: BTreeMap<String, String>,
    members: BTreeMap<String, BTreeSet<String>>,
}

/// What the watch knows.
#[derive(Default)]
pub(super) struct Known {
    moments: VecDeque<Moment>,
    pub(super) rules: Rules,
    /// People whom the operator has deactivated by hand.
    pub(super) by_hand: BTreeSet<String>,
    /// What the operator has rejected and not approved since, and what was wanted ever since: once it was not,
    /// what comes after that is another question.
    pub(super) rejected: BTreeSet<Guarded>,
    /// Whether rounds of Entra lag behind.
    pub(super) lags: bool,
    shown: Shown,
}

/// What the platform shows of those with an `externalId`.
#[derive(Default)]
pub(crate) struct Shown {
    active: BTreeSet<String>,
    members: BTreeSet<(String, String)>,
    names: BTreeMap<String, String>,
}

impl Known {
    /// Notes who is entitled to what from now on.
    pub(super) fn note(&mut self, world: &World, at_ms: u64) {
        let members = groups_under(&self.rules, world).into_iter();
        let members = members
            .map(|(key, (_, people))| (key, people.iter().map(ToString::to_string).collect()));
        let entitled = entitled_ids_under(&self.rules, world);
        self.moments.push_back(Moment {
            at_ms,
            names: entitled.iter().map(|id| login_name(world, id)).collect(),
            entitled: entitled.iter().map(ToString::to_string).collect(),
            members: members.collect(),
        });
        self.end_rejections();
        // The last moment before the window holds into it.
        while self.moments.get(1).is_some_and(|next| next.at_ms + WINDOW_MS < at_ms) {
            self.moments.pop_front();
        }
    }

    /// Takes the platform as it is, whoever has made it so.
    pub(super) fn accept(&mut self, platform: &Platform) {
        self.shown = Shown::of(platform);
        self.end_rejections();
    }

    /// Somebody has ordered that a person is out, which goes before an earlier rejection.
    pub(super) fn order(&mut self, person: PersonId) {
        self.by_hand.insert(person.object.to_string());
        let entity = Entity::Account(person);
        self.rejected.remove(&Guarded::Of { entity, aspect: Aspect::Departure });
    }

    /// Somebody has rejected this, of which the service knew by then what was true shortly before.
    pub(super) fn reject(&mut self, claims: impl IntoIterator<Item = Guarded>, at_ms: u64) {
        let slack = if self.lags { SLACK_LAGGING_MS } else { SLACK_MS };
        let from = at_ms.saturating_sub(slack);
        let first = self.moments.iter().rposition(|moment| moment.at_ms <= from).unwrap_or(0);
        let wanted = claims.into_iter().filter(|guarded| {
            let mut since = self.moments.iter().skip(first);
            !since.any(|one| self.shown.has_settled(guarded, &one.entitled, &one.names))
        });
        let wanted: Vec<_> = wanted.collect();
        self.rejected.extend(wanted);
    }

    /// What was rejected and is not wanted now may be made when it is wanted again.
    fn end_rejections(&mut self) {
        let Some(now) = self.moments.back() else { return };
        let shown = &self.shown;
        self.rejected.retain(|one| !shown.has_settled(one, &now.entitled, &now.names));
    }

    fn always_entitled(&self, person: &str) -> bool {
        self.moments.iter().all(|moment| moment.entitled.contains(person))
            && !self.by_hand.contains(person)
    }

    fn always_member(&self, group: &str, person: &str) -> bool {
        self.always_entitled(person)
            && self.moments.iter().all(|moment| {
                moment.members.get(group).is_some_and(|people| people.contains(person))
            })
    }
}

impl Shown {
    pub(crate) fn of(platform: &Platform) -> Self {
        let mut people: BTreeMap<&str, &str> = BTreeMap::new();
        let mut shown = Self::default();
        for user in platform.users() {
            let Some(external) = user.external_id() else { continue };
            people.insert(&user.id, external);
            shown.names.insert(external.to_owned(), user.user_name().to_owned());
            if user.active() {
                shown.active.insert(external.to_owned());
            }
        }
        for group in platform.groups() {
            let key = group.external_id().unwrap_or_default();
            let members = group.members.iter().filter_map(|member| people.get(member.as_str()));
            shown.members.extend(members.map(|person| (key.to_owned(), (*person).to_owned())));
        }
        shown
    }

    /// Whether nothing is left to do of what this stands for, when Entra entitles these people under these names.
    pub(crate) fn has_settled(
        &self,
        guarded: &Guarded,
        entitled: &BTreeSet<String>,
        names: &BTreeMap<String, String>,
    ) -> bool {
        let Guarded::Of { entity: Entity::Account(person), aspect } = guarded else { return false };
        let person = person.object.to_string();
        let is_in = entitled.contains(&person);
        match aspect {
            Aspect::Departure => is_in,
            aspect if is_activation(aspect) => !is_in || self.active.contains(&person),
            Aspect::Creation => !is_in || self.names.contains_key(&person),
            Aspect::Value(path) if path.to_string() == "userName" => {
                let lower = |name: &String| name.to_lowercase();
                let name = names.get(&person).map(lower);
                name.is_some() && name == self.names.get(&person).map(lower)
            }
            _ => false,
        }
    }

    /// Whether a write has done what this stands for, between two looks at the platform.
    pub(crate) fn did(&self, now: &Self, guarded: &Guarded) -> bool {
        let Guarded::Of { entity: Entity::Account(person), aspect } = guarded else { return false };
        let person = person.object.to_string();
        let is_active = |shown: &Self| shown.active.contains(&person);
        let name = |shown: &Self| shown.names.get(&person).map(|name| name.to_lowercase());
        match aspect {
            Aspect::Creation => name(self).is_none() && name(now).is_some(),
            Aspect::Departure => is_active(self) && !is_active(now),
            aspect if is_activation(aspect) => {
                name(self).is_some() && !is_active(self) && is_active(now)
            }
            Aspect::Value(path) if path.to_string() == "userName" => {
                name(self).is_some() && name(now).is_some() && name(self) != name(now)
            }
            _ => false,
        }
    }
}

/// Whether an account becomes active by it, whoever made it inactive.
fn is_activation(aspect: &Aspect) -> bool {
    *aspect == Aspect::Return || *aspect == Aspect::Value(AttrPath::active())
}

/// What somebody is called in Entra.
pub(crate) fn login_name(world: &World, id: &ObjectId) -> (String, String) {
    let name = world.users()[id].text("userPrincipalName").unwrap_or_default();
    (id.to_string(), name.to_owned())
}

/// Watches what the service makes of the platform.
pub(super) fn watch(
    known: Arc<Mutex<Known>>,
    wrong: Arc<Mutex<Vec<String>>>,
) -> impl FnMut(&World, &Platform, &Request) + Send {
    move |_, platform, request| {
        if request.method == "GET" {
            return;
        }
        let known = &mut *known.lock().unwrap();
        let mut complaints = Vec::new();
        let by = format!("{} {}", request.method, request.target);
        let mut seen = BTreeSet::new();
        for external in platform.users().filter_map(|user| user.external_id()) {
            if !seen.insert(external) {
                complaints.push(format!("duplicate account of {external} by {by}"));
            }
        }
        let shown = Shown::of(platform);
        let gone = known.shown.active.difference(&shown.active);
        for person in gone.filter(|one| known.always_entitled(one)) {
            complaints.push(format!("{person} was deactivated without any evidence by {by}"));
        }
        for (group, person) in known.shown.members.difference(&shown.members) {
            if shown.active.contains(person) && known.always_member(group, person) {
                complaints.push(format!(
                    "{person} was taken out of {group} without any evidence by {by}"
                ));
            }
        }
        for guarded in known.rejected.iter().filter(|one| known.shown.did(&shown, one)) {
            complaints.push(format!("made although it was rejected: {guarded:?} by {by}"));
        }
        known.shown = shown;
        known.end_rejections();
        wrong.lock().unwrap().extend(complaints);
    }
}
