//! Survey: reads what the target holds already, as far as the plan needs it, and settles creates whose
//! answer was lost.
//!
//! Nothing is asked when nothing is to be created. A few are looked up one by one; at first contact and
//! for many there is one complete listing. The answers of one survey come into force together, so that
//! the judge sees all adoptions at once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::records::Key;
use super::{Engine, Event, Launch, Trouble, Until};
use crate::core::model::{AttrPath, Attributes, Datum, Entity, GroupKey, Link, PersonId, ScimId};
use crate::core::survey::{Candidate, Found};
use crate::scim::pace::{Pacer, Permit, Wait};
use crate::scim::{Cursor, GroupResource, MatchBy, Reader, ScimError, UserResource};

/// Above so many open questions a listing is cheaper than two look-ups each.
const LOOKUPS_MAX: usize = 50;
/// A create that was not answered is looked up so often before it counts as not done: a target may
/// show what it has stored only after a while.
const LOOKUPS_OF_INTENT: u32 = 5;
/// The first look-up of an open create follows after this, each later one after twice as long: five
/// within the minute.
const INTENT_FIRST: Duration = Duration::from_secs(2);

/// A survey that goes on.
#[derive(Default)]
pub(super) struct SurveyRun {
    /// What is to be looked up one by one.
    asked: BTreeSet<Entity>,
    /// Listings that go on: users, groups.
    listing: [Option<Listing>; 2],
    /// Answers so far.
    answers: BTreeMap<Entity, Found>,
    busy: BTreeSet<Entity>,
    /// Creates that the target refused as duplicates of something it does not show.
    hidden: BTreeMap<Entity, String>,
    retry: Option<Duration>,
    failures: u32,
}

#[derive(Default)]
struct Listing {
    cursor: Option<Cursor>,
    busy: bool,
    wanted: BTreeSet<Entity>,
    users: BTreeMap<ScimId, Seen>,
    groups: BTreeMap<ScimId, Seen>,
}

/// What is kept of a listed resource.
pub(super) struct Seen {
    pub(super) external_id: Option<String>,
    name: Option<String>,
    pub(super) attributes: Attributes,
}

/// A finished read of a survey.
pub(super) enum Answered {
    Users(Result<crate::scim::ListPage<UserResource>, ScimError>),
    Groups(Result<crate::scim::ListPage<GroupResource>, ScimError>),
    Account(PersonId, Result<Vec<UserResource>, ScimError>),
    Group(GroupKey, Result<Vec<GroupResource>, ScimError>),
}

impl Engine {
    pub(super) fn is_surveyed(&self, until: Until) -> bool {
        let run = &self.survey_run;
        let asking = !run.asked.is_empty()
            || run.listing.iter().any(Option::is_some)
            || !run.busy.is_empty();
        let open = self.planner.unsurveyed().iter().any(|one| !self.is_asked(one));
        let intents = until != Until::Planned && self.open_intents().next().is_some();
        (!asking && !open && !intents) || self.target_trouble.is_some()
    }

    fn is_asked(&self, entity: &Entity) -> bool {
        self.survey_run.asked.contains(entity) || self.survey_run.answers.contains_key(entity)
    }

    pub(super) fn survey_due(&self) -> Option<Duration> {
        let (elapsed, now) = (self.clock.elapsed(), self.clock.now());
        let intents = self.open_intents().map(|(_, next)| elapsed + next.since(now));
        let asking = !self.survey_run.asked.is_empty() && self.survey_run.busy.is_empty();
        let retry = self.survey_run.retry.filter(|_| asking || self.is_listing());
        intents.chain(retry).min()
    }

    fn is_listing(&self) -> bool {
        self.survey_run.listing.iter().flatten().any(|listing| !listing.busy)
    }

    fn open_intents(&self) -> impl Iterator<Item = (Entity, crate::core::model::Timestamp)> + '_ {
        let accounts = self.state.ledger.accounts.iter().filter_map(|(&person, entry)| {
            let Link::Pending(intent) = &entry.link else { return None };
            Some((Entity::Account(person), intent.next))
        });
        let groups = self.state.ledger.groups.iter().filter_map(|(key, entry)| {
            let Link::Pending(intent) = &entry.link else { return None };
            Some((Entity::Group(key.clone()), intent.next))
        });
        accounts.chain(groups).filter(|(entity, _)| !self.queue.is_busy(entity))
    }

    /// Begins whatever read of the survey is due and has its permit.
    pub(super) fn survey_next(&mut self, until: Until, launch: &mut Launch) {
        let elapsed = self.clock.elapsed();
        if self.survey_run.retry.is_some_and(|at| at > elapsed) {
            return;
        }
        if self.target_retry.is_some_and(|at| at > elapsed) {
            return;
        }
        if self.may_compare() {
            // One listing compares what is linked and answers for what is not.
            self.survey_run.listing = [Some(Listing::default()), Some(Listing::default())];
            self.comparison.begin();
        }
        if self.state.recovery.is_some() && !self.comparison.has_begun() {
            return;
        }
        self.ask_for_intents(until);
        self.ask_for_unsurveyed();
        for at in 0..2 {
            let Some(listing) = self.survey_run.listing.get(at).and_then(Option::as_ref) else {
                continue;
            };
            if listing.busy {
                continue;
            }
            let Some(permit) = self.permit() else { return };
            self.list(at, permit, launch);
        }
        let waiting: Vec<Entity> = self
            .survey_run
            .asked
            .iter()
            .filter(|one| !self.survey_run.busy.contains(one))
            .cloned()
            .collect();
        for entity in waiting {
            let Some(permit) = self.permit() else { return };
            self.look_up(entity, permit, launch);
        }
    }

    fn ask_for_intents(&mut self, until: Until) {
        let now = self.clock.now();
        let due = self.open_intents().filter(|(_, next)| until == Until::Planned || *next <= now);
        let due: Vec<Entity> = due.map(|(entity, _)| entity).collect();
        for entity in due {
            if until == Until::Planned && self.survey_run.answers.contains_key(&entity) {
                continue;
            }
            self.survey_run.asked.insert(entity);
        }
    }

    fn ask_for_unsurveyed(&mut self) {
        let open: Vec<Entity> = self
            .planner
            .unsurveyed()
            .iter()
            .filter(|one| !self.is_asked(one) && !self.is_in_listing(one))
            .cloned()
            .collect();
        let (accounts, groups): (Vec<_>, Vec<_>) =
            open.into_iter().partition(|one| matches!(one, Entity::Account(_)));
        for (at, wanted) in [accounts, groups].into_iter().enumerate() {
            if wanted.is_empty() {
                continue;
            }
            let listed = self.state.target.listed.get(at).copied().unwrap_or(false);
            let slot = self.survey_run.listing.get_mut(at);
            let Some(slot) = slot else { continue };
            if let Some(listing) = slot {
                listing.wanted.extend(wanted);
            } else if !listed || wanted.len() > LOOKUPS_MAX {
                let wanted = wanted.into_iter().collect();
                *slot = Some(Listing { wanted, ..Listing::default() });
            } else {
                self.survey_run.asked.extend(wanted);
            }
        }
    }

    fn is_in_listing(&self, entity: &Entity) -> bool {
        self.survey_run.listing.iter().flatten().any(|listing| listing.wanted.contains(entity))
    }

    fn list(&mut self, at: usize, permit: Permit, launch: &mut Launch) {
        let Some(Some(listing)) = self.survey_run.listing.get_mut(at) else { return };
        listing.busy = true;
        let cursor = listing.cursor.clone().unwrap_or_else(Cursor::first);
        let reader = self.target.reader.clone();
        launch.push(Box::pin(async move {
            let answered = if at == 0 {
                Answered::Users(reader.list_users(permit, &cursor).await)
            } else {
                Answered::Groups(reader.list_groups(permit, &cursor).await)
            };
            Event::Answered(Box::new(answered))
        }));
    }

    fn look_up(&mut self, entity: Entity, permit: Permit, launch: &mut Launch) {
        let reader = self.target.reader.clone();
        let pacer = self.target.pacer.clone();
        let external = self.target.dialect.match_external_id;
        self.survey_run.busy.insert(entity.clone());
        match entity {
            Entity::Account(person) => {
                let names = self.login_names(person);
                launch.push(Box::pin(async move {
                    let object = person.object.to_string();
                    let found =
                        look_up_user(&reader, &pacer, permit, external, &object, &names).await;
                    Event::Answered(Box::new(Answered::Account(person, found)))
                }));
            }
            Entity::Group(key) => {
                let name = self.planner.group_name(&key).map(str::to_owned);
                launch.push(Box::pin(async move {
                    let id = key.external_id();
                    let found =
                        look_up_group(&reader, &pacer, permit, external, &id, name.as_deref())
                            .await;
                    Event::Answered(Box::new(Answered::Group(key, found)))
                }));
            }
            Entity::Member(..) => {}
        }
    }

    /// The login name that the person should have, and the one that an open create was sent with.
    fn login_names(&self, person: PersonId) -> Vec<String> {
        let sent = self.state.ledger.accounts.get(&person);
        let sent = sent.and_then(|entry| entry.sent.get(&AttrPath::user_name()));
        let sent = sent.and_then(Datum::as_text).map(str::to_owned);
        let wanted = self.wanted_login_name(person);
        let mut names: Vec<String> = wanted.into_iter().chain(sent).collect();
        names.dedup_by(|left, right| left.to_lowercase() == right.to_lowercase());
        names
    }

    fn wanted_login_name(&self, person: PersonId) -> Option<String> {
        let user = self.state.mirrors.get(&person.source)?.users.get(&person.object)?;
        let expression = self.target.policy.account.get(&AttrPath::user_name())?;
        let input = crate::core::expression::Input::Properties(&user.properties);
        match expression.evaluate(input) {
            crate::core::expression::Evaluated::Known(Datum::Text(name)) => Some(name),
            _ => None,
        }
    }

    pub(super) fn on_answered(&mut self, answered: Answered) {
        match answered {
            Answered::Users(Ok(page)) => self.on_users(page),
            Answered::Groups(Ok(page)) => self.on_groups(page),
            Answered::Account(person, Ok(found)) => self.on_found_users(person, &found),
            Answered::Group(key, Ok(found)) => self.on_found_groups(&key, &found),
            Answered::Users(Err(error)) => {
                self.listing_failed(0);
                self.survey_failed(&error);
            }
            Answered::Groups(Err(error)) => {
                self.listing_failed(1);
                self.survey_failed(&error);
            }
            Answered::Account(person, Err(error)) => {
                self.survey_run.busy.remove(&Entity::Account(person));
                self.survey_failed(&error);
            }
            Answered::Group(key, Err(error)) => {
                self.survey_run.busy.remove(&Entity::Group(key));
                self.survey_failed(&error);
            }
        }
        self.finish_survey();
    }

    fn listing_failed(&mut self, at: usize) {
        if let Some(Some(listing)) = self.survey_run.listing.get_mut(at) {
            listing.busy = false;
        }
    }

    fn survey_failed(&mut self, error: &ScimError) {
        self.survey_run.failures += 1;
        let wait = Duration::from_secs(1 << self.survey_run.failures.min(6));
        self.survey_run.retry = Some(self.clock.elapsed() + wait);
        if let ScimError::FilterIgnored { .. } = error {
            // Look-ups mean nothing there: list instead.
            self.state.target.listed = [false; 2];
            self.survey_run.asked.clear();
            return;
        }
        self.target_failed(error);
    }

    fn on_users(&mut self, page: crate::scim::ListPage<UserResource>) {
        self.target_answered();
        let paths = self.managed_paths();
        let Some(Some(listing)) = self.survey_run.listing.get_mut(0) else { return };
        listing.busy = false;
        for user in page.items {
            let seen = Seen {
                attributes: user.attributes(paths.iter()),
                external_id: user.external_id,
                name: user.user_name.map(|name| name.to_lowercase()),
            };
            listing.users.insert(user.id, seen);
        }
        listing.cursor = page.next;
        if listing.cursor.is_none() {
            self.finish_user_listing();
        }
    }

    fn on_groups(&mut self, page: crate::scim::ListPage<GroupResource>) {
        self.target_answered();
        let paths = [AttrPath::external_id(), AttrPath::display_name()];
        let Some(Some(listing)) = self.survey_run.listing.get_mut(1) else { return };
        listing.busy = false;
        for group in page.items {
            let seen = Seen {
                attributes: group.attributes(paths.iter()),
                external_id: group.external_id,
                name: group.display_name,
            };
            listing.groups.insert(group.id, seen);
        }
        listing.cursor = page.next;
        if listing.cursor.is_none() {
            self.finish_group_listing();
        }
    }

    fn finish_user_listing(&mut self) {
        let Some(listing) = self.survey_run.listing[0].take() else { return };
        self.compare_users(&listing.users);
        let index = index(&listing.users, |id| !self.accounts_by_id.contains_key(id));
        for entity in listing.wanted {
            let Entity::Account(person) = &entity else { continue };
            let entry = self.state.ledger.accounts.get(person);
            if entry.is_some_and(|entry| entry.link.managed().is_some()) {
                continue;
            }
            let name = self.wanted_login_name(*person).map(|name| name.to_lowercase());
            let ids = index.matches(&person.object.to_string(), name.as_deref());
            let found = found(&ids, &listing.users);
            self.survey_run.answers.insert(entity, found);
        }
        self.state.target.listed[0] = true;
        self.state.mark(Key::Target);
    }

    fn finish_group_listing(&mut self) {
        let Some(listing) = self.survey_run.listing[1].take() else { return };
        self.compare_groups(&listing.groups, &listing.wanted);
        let index = index(&listing.groups, |id| !self.groups_by_id.contains_key(id));
        for entity in listing.wanted {
            let Entity::Group(key) = &entity else { continue };
            let entry = self.state.ledger.groups.get(key);
            if entry.is_some_and(|entry| entry.link.managed().is_some()) {
                continue;
            }
            let name = self.planner.group_name(key);
            let ids = index.matches(&key.external_id(), name);
            let found = found(&ids, &listing.groups);
            self.survey_run.answers.insert(entity, found);
        }
        self.state.target.listed[1] = true;
        self.state.mark(Key::Target);
    }

    fn on_found_users(&mut self, person: PersonId, users: &[UserResource]) {
        self.target_answered();
        let entity = Entity::Account(person);
        self.survey_run.busy.remove(&entity);
        self.survey_run.asked.remove(&entity);
        let paths = self.managed_paths();
        let free = users.iter().filter(|user| !self.accounts_by_id.contains_key(&user.id));
        let seen: BTreeMap<ScimId, Seen> = free
            .map(|user| {
                let attributes = user.attributes(paths.iter());
                let external_id = user.external_id.clone();
                (user.id.clone(), Seen { external_id, name: None, attributes })
            })
            .collect();
        let ids: Vec<&ScimId> = seen.keys().collect();
        let answer = found(&ids, &seen);
        let entry = self.state.ledger.accounts.get(&person);
        if matches!(entry.map(|entry| &entry.link), Some(Link::Pending(_))) {
            let ours = person.object.to_string();
            let is_ours = ids.first().and_then(|id| seen.get(*id)).is_some_and(|seen| {
                seen.external_id.as_deref().is_none_or(|external| external == ours)
            });
            self.settle_account(person, answer, is_ours);
        } else {
            self.survey_run.answers.insert(entity, answer);
        }
    }

    fn on_found_groups(&mut self, key: &GroupKey, groups: &[GroupResource]) {
        self.target_answered();
        let entity = Entity::Group(key.clone());
        self.survey_run.busy.remove(&entity);
        self.survey_run.asked.remove(&entity);
        let paths = [AttrPath::external_id(), AttrPath::display_name()];
        let free = groups.iter().filter(|group| !self.groups_by_id.contains_key(&group.id));
        let seen: BTreeMap<ScimId, Seen> = free
            .map(|group| {
                let attributes = group.attributes(paths.iter());
                let external_id = group.external_id.clone();
                (group.id.clone(), Seen { external_id, name: None, attributes })
            })
            .collect();
        let ids: Vec<&ScimId> = seen.keys().collect();
        let answer = found(&ids, &seen);
        let entry = self.state.ledger.groups.get(key);
        if matches!(entry.map(|entry| &entry.link), Some(Link::Pending(_))) {
            let ours = key.external_id();
            let is_ours = ids.first().and_then(|id| seen.get(*id)).is_some_and(|seen| {
                seen.external_id.as_deref().is_none_or(|external| external == ours)
            });
            self.settle_group(key, answer, is_ours);
        } else {
            self.survey_run.answers.insert(entity, answer);
        }
    }

    /// The answers come into force together, once nothing is open any more.
    fn finish_survey(&mut self) {
        let run = &mut self.survey_run;
        if !run.asked.is_empty() || run.listing.iter().any(Option::is_some) {
            return;
        }
        run.failures = 0;
        run.retry = None;
        let answers = std::mem::take(&mut run.answers);
        if answers.is_empty() {
            return;
        }
        for (entity, found) in answers {
            if found == Found::Absent
                && let Some(words) = self.survey_run.hidden.remove(&entity)
            {
                self.hide(&entity, &words);
                continue;
            }
            match &entity {
                Entity::Account(person) => drop(self.survey.accounts.insert(*person, found)),
                Entity::Group(key) => drop(self.survey.groups.insert(key.clone(), found)),
                Entity::Member(..) => {}
            }
            self.touch(entity);
        }
        self.judge_due = true;
    }

    /// The target has refused a create as a duplicate: what it holds must be asked anew.
    pub(super) fn ask_again(&mut self, entity: &Entity, words: &str) {
        match entity {
            Entity::Account(person) => drop(self.survey.accounts.remove(person)),
            Entity::Group(key) => drop(self.survey.groups.remove(key)),
            Entity::Member(..) => {}
        }
        self.survey_run.hidden.insert(entity.clone(), words.to_owned());
        self.touch(entity.clone());
    }

    pub(super) fn managed_paths(&self) -> BTreeSet<AttrPath> {
        let own = [AttrPath::external_id(), AttrPath::active()];
        self.target.policy.account.keys().cloned().chain(own).collect()
    }

    /// What a failure says about the target as a whole.
    pub(super) fn target_failed(&mut self, error: &ScimError) {
        /// So many failures in a row are no hiccup.
        const FAILURES_TOLD: u32 = 8;
        let elapsed = self.clock.elapsed();
        let (code, at_once) = match error {
            ScimError::Refused { .. } => (12, true),
            ScimError::NotScim { .. } => (69, true),
            ScimError::Unavailable { .. }
            | ScimError::NotSent { .. }
            | ScimError::Uncertain { .. } => (69, false),
            ScimError::Throttled { after } => {
                let limit = Duration::from_secs(10 * 60);
                if after.is_none_or(|after| after <= limit) {
                    return;
                }
                (75, true)
            }
            _ => return,
        };
        self.target_failures += 1;
        let wait = Duration::from_secs(1 << self.target_failures.min(6));
        if at_once || self.target_failures >= FAILURES_TOLD {
            self.target_retry = Some(elapsed + wait.max(Duration::from_secs(30)));
            let message = error.to_string();
            if self.target_trouble.as_ref().is_none_or(|known| known.message != message) {
                tracing::error!("{message}; nothing more is sent for now");
                self.target_trouble = Some(Trouble { since: self.clock.now(), code, message });
            }
        }
    }

    /// The target has answered: whatever was wrong with it as a whole is over.
    pub(super) fn target_answered(&mut self) {
        self.target_failures = 0;
        self.target_retry = None;
        self.target_trouble = None;
    }

    /// A permit for one request to the target, if one is to be had now; otherwise notes when to ask
    /// again.
    pub(super) fn permit(&mut self) -> Option<Permit> {
        match self.target.pacer.try_permit() {
            Ok(permit) => Some(permit),
            Err(Wait::For(span)) => {
                self.pace_wait = Some(self.clock.elapsed() + span);
                None
            }
            // A request in flight gives its permit back, and wakes the loop by ending.
            Err(Wait::Busy) => None,
        }
    }

    /// When an intent that was looked up in vain is looked up again, and when it has been often enough.
    pub(super) fn next_lookup(lookups: u32) -> Option<Duration> {
        (lookups < LOOKUPS_OF_INTENT).then(|| INTENT_FIRST * (1 << lookups.min(4)))
    }
}

async fn look_up_user(
    reader: &Reader,
    pacer: &Pacer,
    permit: Permit,
    external: bool,
    object: &str,
    names: &[String],
) -> Result<Vec<UserResource>, ScimError> {
    let mut found: BTreeMap<ScimId, UserResource> = BTreeMap::new();
    let mut permit = Some(permit);
    let by_id = external.then_some(MatchBy::ExternalId(object));
    for by in by_id.into_iter().chain(names.iter().map(|name| MatchBy::UserName(name))) {
        let permit = match permit.take() {
            Some(permit) => permit,
            None => pacer.permit().await,
        };
        found
            .extend(reader.user_by(permit, by).await?.into_iter().map(|one| (one.id.clone(), one)));
    }
    Ok(found.into_values().collect())
}

async fn look_up_group(
    reader: &Reader,
    pacer: &Pacer,
    permit: Permit,
    external: bool,
    id: &str,
    name: Option<&str>,
) -> Result<Vec<GroupResource>, ScimError> {
    let mut found: BTreeMap<ScimId, GroupResource> = BTreeMap::new();
    let mut permit = Some(permit);
    let by_id = external.then_some(MatchBy::ExternalId(id));
    for by in by_id.into_iter().chain(name.map(MatchBy::DisplayName)) {
        let permit = match permit.take() {
            Some(permit) => permit,
            None => pacer.permit().await,
        };
        found.extend(
            reader.group_by(permit, by).await?.into_iter().map(|one| (one.id.clone(), one)),
        );
    }
    Ok(found.into_values().collect())
}

/// Resources that nobody of ours is linked to, by what they may match.
struct Index<'a> {
    by_external_id: BTreeMap<&'a str, Vec<&'a ScimId>>,
    by_name: BTreeMap<&'a str, Vec<&'a ScimId>>,
}

fn index(seen: &BTreeMap<ScimId, Seen>, is_free: impl Fn(&ScimId) -> bool) -> Index<'_> {
    let mut index = Index { by_external_id: BTreeMap::new(), by_name: BTreeMap::new() };
    for (id, seen) in seen.iter().filter(|(id, _)| is_free(id)) {
        if let Some(external_id) = &seen.external_id {
            index.by_external_id.entry(external_id).or_default().push(id);
        }
        if let Some(name) = &seen.name {
            index.by_name.entry(name).or_default().push(id);
        }
    }
    index
}

impl<'a> Index<'a> {
    /// Everything that matches by either attribute, each once.
    fn matches(&self, external_id: &str, name: Option<&str>) -> Vec<&'a ScimId> {
        let by_id = self.by_external_id.get(external_id).into_iter().flatten();
        let by_name = name.and_then(|name| self.by_name.get(name)).into_iter().flatten();
        let all: BTreeSet<&ScimId> = by_id.chain(by_name).copied().collect();
        all.into_iter().collect()
    }
}

fn found(ids: &[&ScimId], seen: &BTreeMap<ScimId, Seen>) -> Found {
    match ids {
        [] => Found::Absent,
        [id] => Found::One(Candidate {
            id: (*id).clone(),
            attributes: seen.get(*id).map(|seen| seen.attributes.clone()).unwrap_or_default(),
            members: BTreeSet::new(),
        }),
        several => Found::Many(several.iter().map(|id| (*id).clone()).collect()),
    }
}
