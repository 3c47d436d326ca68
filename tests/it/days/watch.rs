//! Looks on at every request: what was taken from whom without any evidence, whether anybody has two
//! accounts, and whether anything was written while the service was paused.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use manntall::core::judge::{Aspect, Guarded};
use manntall::core::model::Entity;
use manntall::sim::http::Request;
use manntall::sim::platform::Platform;
use manntall::sim::world::World;

use crate::oracle::{Rules, entitled_ids_under, groups_under};

/// What was true within so long may be what the service acts on: a hold that is approved late, an answer
/// of Entra that came before a fault, a queue behind a slow platform.
const WINDOW_MS: u64 = 30 * 3_600 * 1_000;

/// Who was entitled to what at one moment.
struct Moment {
    at_ms: u64,
    entitled: BTreeSet<String>,
    members: BTreeMap<String, BTreeSet<String>>,
}

/// What the watch knows.
#[derive(Default)]
pub(super) struct Known {
    moments: VecDeque<Moment>,
    pub(super) rules: Rules,
    /// People whom the operator has deactivated by hand.
    pub(super) by_hand: BTreeSet<String>,
    /// What the operator has rejected and not approved since.
    pub(super) rejected: BTreeSet<Guarded>,
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
        self.moments.push_back(Moment {
            at_ms,
            entitled: entitled_ids_under(&self.rules, world)
                .iter()
                .map(ToString::to_string)
                .collect(),
            members: members.collect(),
        });
        // The last moment before the window holds into it.
        while self.moments.get(1).is_some_and(|next| next.at_ms + WINDOW_MS < at_ms) {
            self.moments.pop_front();
        }
    }

    /// Takes the platform as it is, whoever has made it so.
    pub(super) fn accept(&mut self, platform: &Platform) {
        self.shown = Shown::of(platform);
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

    /// Whether a write has done what this stands for, between two looks at the platform.
    pub(crate) fn did(&self, now: &Self, guarded: &Guarded) -> bool {
        let Guarded::Of { entity: Entity::Account(person), aspect } = guarded else { return false };
        let person = person.object.to_string();
        let is_active = |shown: &Self| shown.active.contains(&person);
        let name = |shown: &Self| shown.names.get(&person).map(|name| name.to_lowercase());
        match aspect {
            Aspect::Creation => name(self).is_none() && name(now).is_some(),
            Aspect::Departure => is_active(self) && !is_active(now),
            Aspect::Return => name(self).is_some() && !is_active(self) && is_active(now),
            Aspect::Value(path) if path.to_string() == "userName" => {
                name(self).is_some() && name(now).is_some() && name(self) != name(now)
            }
            _ => false,
        }
    }
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
        wrong.lock().unwrap().extend(complaints);
    }
}
