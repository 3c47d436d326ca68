//! Looks on at every write: what was taken from whom, and whether anybody has two accounts.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use manntall::core::judge::{Aspect, Claims, Guarded};
use manntall::core::model::AttrPath;
use manntall::sim::http::Request;
use manntall::sim::platform::Platform;
use manntall::sim::world::World;

use crate::days::{Shown, login_name};
use crate::oracle::{Rules, entitled_ids_under, groups_under, owned, shown};

/// Who was entitled to what at one moment.
pub(crate) struct Moment {
    entitled: BTreeSet<String>,
    /// The login name of each of them in Entra.
    names: BTreeMap<String, String>,
    members: BTreeMap<String, BTreeSet<String>>,
    /// For each person the attributes that Entra has a value for.
    values: BTreeMap<String, BTreeSet<&'static str>>,
}

/// So many moments count where Entra may be silent.
const SILENT: usize = 4;

/// So many are noted in one step: after its edit, and at its end. A backup that is restored is one step older.
const SINCE_A_BACKUP: usize = 2;

/// How many moments count once Entra has told what nobody can read or has left a page out: what it told before,
/// and was held or cut off by a kill, stands meanwhile.
pub(super) const UNREADABLE: usize = 6;

/// Who was entitled to what, as of the last few moments at which Entra may have been read.
#[derive(Default)]
pub(crate) struct Recent {
    pub(crate) moments: VecDeque<Moment>,
    /// How many of the last moments count.
    pub(crate) keep: usize,
    /// Whether Entra may be silent in this process: who was shown as disabled before may be deactivated by that.
    pub(crate) may_be_silent: bool,
    pub(crate) rules: Rules,
    /// What the operator has rejected and not approved since, and what was wanted ever since: once it was not,
    /// what comes after that is another question.
    pub(crate) rejected: BTreeSet<Guarded>,
    /// Whether another platform answers than the one that was pinned: nothing may be written to it.
    pub(crate) is_foreign: bool,
    /// What the platform showed after the last write.
    pub(crate) shown: Shown,
}

impl Recent {
    pub(crate) fn note(&mut self, world: &World) {
        let entitled = entitled_ids_under(&self.rules, world);
        let members = groups_under(&self.rules, world)
            .into_iter()
            .map(|(key, (_, people))| (key, people.iter().map(ToString::to_string).collect()));
        let values = entitled.iter().map(|id| (id.to_string(), owned(&world.users()[id])));
        self.moments.push_back(Moment {
            members: members.collect(),
            values: values.collect(),
            names: entitled.iter().map(|id| login_name(world, id)).collect(),
            entitled: entitled.iter().map(ToString::to_string).collect(),
        });
        // More of them may come to count.
        while self.moments.len() > self.keep.max(SILENT) + SINCE_A_BACKUP {
            self.moments.pop_front();
        }
        self.end_rejections();
    }

    pub(crate) fn approve(&mut self, claims: &Claims) {
        self.rejected.retain(|one| !is_approved(one, claims));
    }

    pub(crate) fn reject(&mut self, claims: impl IntoIterator<Item = Guarded>) {
        self.rejected.extend(claims);
        self.end_rejections();
    }

    /// What was rejected and was not wanted at a moment that counts may be made when it is wanted again.
    fn end_rejections(&mut self) {
        let counting: Vec<_> = self.moments.iter().rev().take(self.keep).collect();
        let shown = &self.shown;
        self.rejected.retain(|guarded| {
            let mut counting = counting.iter();
            !counting.any(|one| shown.has_settled(guarded, &one.entitled, &one.names))
        });
    }

    /// What was said since the backup is not in it, nor what Entra has told of what it had kept quiet about.
    pub(crate) fn restore(&mut self) {
        self.rejected.clear();
        if self.keep > 1 {
            self.keep = self.keep.max(SILENT) + SINCE_A_BACKUP;
        }
    }

    /// The moments that count.
    fn counting(&self) -> impl Iterator<Item = &Moment> {
        self.moments.iter().rev().take(self.keep)
    }

    fn always_entitled(&self, person: &str) -> bool {
        let keep = if self.may_be_silent { SILENT } else { self.keep };
        self.moments.iter().rev().take(keep).all(|moment| moment.entitled.contains(person))
    }

    fn always_member(&self, group: &str, person: &str) -> bool {
        self.counting().all(|moment| {
            moment.entitled.contains(person)
                && moment.members.get(group).is_some_and(|people| people.contains(person))
        })
    }

    fn always_had(&self, person: &str, path: &str) -> bool {
        self.counting()
            .all(|moment| moment.values.get(person).is_some_and(|paths| paths.contains(path)))
    }
}

/// Whether the approval of these lets the rejected be made. Whoever may be taken over may have an account, also where a
/// new one was rejected; and an account that is inactive may be activated, whoever made it so as far as is known.
pub(crate) fn is_approved(rejected: &Guarded, claims: &Claims) -> bool {
    let other = match rejected {
        Guarded::Of { entity, aspect } => match aspect {
            Aspect::Creation => Some((entity, Aspect::Adoption)),
            Aspect::Return => Some((entity, Aspect::Value(AttrPath::active()))),
            Aspect::Value(path) if *path == AttrPath::active() => Some((entity, Aspect::Return)),
            _ => None,
        },
        Guarded::Finding(_) => None,
    };
    let other = other.map(|(entity, aspect)| Guarded::Of { entity: entity.clone(), aspect });
    claims.contains_key(rejected) || other.is_some_and(|other| claims.contains_key(&other))
}

/// Watches the platform: what was taken from whom, and whether anybody has two accounts.
pub(crate) fn watch(
    recent: Arc<Mutex<Recent>>,
    wrong: Arc<Mutex<Vec<String>>>,
) -> impl FnMut(&World, &Platform, &Request) + Send {
    let mut active: BTreeSet<String> = BTreeSet::new();
    let mut members: BTreeSet<(String, String)> = BTreeSet::new();
    let mut values: BTreeMap<String, BTreeSet<&'static str>> = BTreeMap::new();
    move |_, platform, request| {
        if request.method == "GET" {
            return;
        }
        let recent = &mut *recent.lock().unwrap();
        let mut wrong = wrong.lock().unwrap();
        let by = format!("{} {}", request.method, request.target);
        if recent.is_foreign {
            wrong.push(format!("another platform was written to by {by}"));
        }
        let now = Shown::of(platform);
        for guarded in recent.rejected.iter().filter(|one| recent.shown.did(&now, one)) {
            wrong.push(format!("made although it was rejected: {guarded:?} by {by}"));
        }
        recent.shown = now;
        recent.end_rejections();
        // Everything is looked at after every write, so nothing is copied that is as it was.
        let mut now_active: BTreeSet<&str> = BTreeSet::new();
        let mut names: BTreeMap<&str, &str> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for user in platform.users() {
            let Some(external) = user.external_id() else { continue };
            if !seen.insert(external) {
                wrong.push(format!("duplicate account of {external} by {by}"));
            }
            if user.active() {
                now_active.insert(external);
            }
            if request.target.ends_with(user.id.as_str()) || !values.contains_key(external) {
                let now = shown(user);
                let before = values.insert(external.to_owned(), now.clone()).unwrap_or_default();
                for path in before.difference(&now).filter(|path| recent.always_had(external, path))
                {
                    wrong.push(format!("{external} has lost {path} without any evidence by {by}"));
                }
            }
            names.insert(&user.id, external);
        }
        for person in active.iter().filter(|person| !now_active.contains(person.as_str())) {
            if recent.always_entitled(person) {
                wrong.push(format!("{person} was deactivated without any evidence by {by}"));
            }
        }
        let mut now_members: BTreeSet<(&str, &str)> = BTreeSet::new();
        for group in platform.groups() {
            let key = group.external_id().unwrap_or_default();
            for member in &group.members {
                now_members.insert((key, names.get(member.as_str()).copied().unwrap_or_default()));
            }
        }
        let before = members.iter().map(|(group, person)| (group.as_str(), person.as_str()));
        for (group, person) in before.clone().filter(|one| !now_members.contains(one)) {
            if recent.always_member(group, person) {
                wrong.push(format!(
                    "{person} was taken out of {group} without any evidence by {by}"
                ));
            }
        }
        if !before.eq(now_members.iter().copied()) {
            let owned =
                |(group, person): &(&str, &str)| ((*group).to_owned(), (*person).to_owned());
            members = now_members.iter().map(owned).collect();
        }
        if !active.iter().map(String::as_str).eq(now_active.iter().copied()) {
            active = now_active.into_iter().map(str::to_owned).collect();
        }
    }
}
