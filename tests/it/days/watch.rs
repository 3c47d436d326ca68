//! Looks on at every request: what was taken from whom without any evidence, whether anybody has two
//! accounts, and whether anything was written while the service was paused.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

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
    active: BTreeSet<String>,
    members: BTreeSet<(String, String)>,
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
        (self.active, self.members) = holds(platform);
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

/// Who is active, and who is in which group, by `externalId`.
fn holds(platform: &Platform) -> (BTreeSet<String>, BTreeSet<(String, String)>) {
    let mut names: BTreeMap<&str, &str> = BTreeMap::new();
    let mut active = BTreeSet::new();
    for user in platform.users() {
        let Some(external) = user.external_id() else { continue };
        names.insert(&user.id, external);
        if user.active() {
            active.insert(external.to_owned());
        }
    }
    let members = platform.groups().flat_map(|group| {
        let key = group.external_id().unwrap_or_default().to_owned();
        let people = group.members.iter().filter_map(|member| names.get(member.as_str()).copied());
        people.map(|person| (key.clone(), person.to_owned())).collect::<Vec<_>>()
    });
    let members = members.collect();
    (active, members)
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
        let (active, members) = holds(platform);
        for person in known.active.difference(&active).filter(|one| known.always_entitled(one)) {
            complaints.push(format!("{person} was deactivated without any evidence by {by}"));
        }
        for (group, person) in known.members.difference(&members) {
            if active.contains(person) && known.always_member(group, person) {
                complaints.push(format!(
                    "{person} was taken out of {group} without any evidence by {by}"
                ));
            }
        }
        (known.active, known.members) = (active, members);
        wrong.lock().unwrap().extend(complaints);
    }
}
