//! Survey: reads what the target holds already, as far as the plan needs it, and settles creates whose
//! answer was lost.
//!
//! Nothing is asked when nothing is to be created. A few are looked up one by one; at first contact and
//! for many there is one complete listing. The answers of one survey come into force together, so that
//! the judge sees all adoptions at once.

mod answers;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Engine, Event, Launch, Until};
use crate::core::model::{AttrPath, Attributes, Datum, Entity, Kind, PersonId, ScimId, Timestamp};
use crate::core::survey::Found;
use crate::scim::pace::{Pacer, Permit};
use crate::scim::{Cursor, GroupResource, MatchBy, Reader, ScimError, UserResource, Words};

/// Above so many open questions a listing is cheaper than two look-ups each.
const LOOKUPS_MAX: usize = 50;
/// A create that was not answered is looked up so often before it counts as not done: a target may
/// show what it has stored only after a while.
const LOOKUPS_OF_INTENT: u32 = 5;
/// The first look-up of an open create follows after this, each later one after twice as long: five
/// within the minute.
const INTENT_FIRST: Duration = Duration::from_secs(2);
/// The wait for the last of them.
const INTENT_LAST: Duration = INTENT_FIRST.saturating_mul(1 << (LOOKUPS_OF_INTENT - 1));

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
    hidden: BTreeMap<Entity, Words>,
    retry: Option<Duration>,
    failures: u32,
    /// All whose create is on its way or was not answered, and some that were; and when each may be
    /// looked up.
    intents: BTreeMap<Entity, Duration>,
}

#[derive(Default)]
struct Listing {
    cursor: Option<Cursor>,
    busy: bool,
    wanted: BTreeSet<Entity>,
    seen: BTreeMap<ScimId, Seen>,
}

/// What is kept of a resource that was listed or looked up.
pub(super) struct Seen {
    pub(super) external_id: Option<String>,
    /// A login name in small letters, or the name of a group.
    name: Option<String>,
    pub(super) attributes: Attributes,
}

/// Some resources, by id.
type AllSeen = BTreeMap<ScimId, Seen>;

/// A finished read of a survey.
pub(super) enum Answered {
    Page(Kind, Result<(AllSeen, Option<Cursor>), ScimError>),
    Found(Entity, Result<AllSeen, ScimError>),
}

impl Seen {
    fn user(user: UserResource, paths: &BTreeSet<AttrPath>) -> (ScimId, Self) {
        let attributes = user.attributes(paths.iter());
        let name = user.user_name.map(|name| name.to_lowercase());
        (user.id, Self { external_id: user.external_id, name, attributes })
    }

    fn group(group: GroupResource, paths: &BTreeSet<AttrPath>) -> (ScimId, Self) {
        let attributes = group.attributes(paths.iter());
        let name = group.display_name;
        (group.id, Self { external_id: group.external_id, name, attributes })
    }
}

impl Engine {
    pub(super) fn is_surveyed(&self, until: Until) -> bool {
        let run = &self.survey_run;
        let asking = !run.asked.is_empty()
            || run.listing.iter().any(Option::is_some)
            || !run.busy.is_empty();
        let open = self.planner.unsurveyed().iter().any(|one| !self.is_asked(one));
        let intents = until != Until::Planned && self.open_intents().next().is_some();
        (!asking && !open && !intents) || self.has_given_up()
    }

    /// How far the survey is, in figures.
    pub(super) fn words_of_survey(&self) -> String {
        let run = &self.survey_run;
        let open = self.planner.unsurveyed().iter().filter(|one| !self.is_asked(one)).count();
        format!(
            "{} asked, {} on their way, {} listings, {open} not asked, {} creates without an answer",
            run.asked.len(),
            run.busy.len(),
            run.listing.iter().flatten().count(),
            self.open_intents().count()
        )
    }

    fn is_asked(&self, entity: &Entity) -> bool {
        self.survey_run.asked.contains(entity) || self.survey_run.answers.contains_key(entity)
    }

    /// When something is to be looked up. Nothing is asked before the retry, whatever is due by then.
    pub(super) fn survey_dues(&self) -> impl Iterator<Item = Duration> + '_ {
        let retry = self.survey_run.retry;
        let intents = self.open_intents().map(move |(_, at)| at.max(retry.unwrap_or_default()));
        intents.chain(retry)
    }

    fn open_intents(&self) -> impl Iterator<Item = (&Entity, Duration)> {
        let open = self.survey_run.intents.iter().map(|(entity, at)| (entity, *at));
        open.filter(|(entity, _)| !self.queue.is_busy(entity) && self.is_pending(entity))
    }

    /// A create is on its way, and not to be looked up before `next`. How long that is, is worked out here
    /// and now, lest a clock that is put back by a day makes somebody wait for that day.
    pub(super) fn expect_answer(&mut self, entity: Entity, next: Timestamp) {
        let wait = next.since(self.clock.now()).min(INTENT_LAST);
        self.survey_run.intents.insert(entity, self.clock.elapsed() + wait);
    }

    /// Forgets the creates that were answered. To look for open ones in the ledger would cost as much
    /// as there is, at every turn.
    fn drop_settled_intents(&mut self) {
        let mut intents = std::mem::take(&mut self.survey_run.intents);
        intents.retain(|entity, _| self.is_pending(entity));
        self.survey_run.intents = intents;
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
            self.survey_run.listing = [Some(Listing::default()), None];
            self.comparison.begin();
        }
        if self.comparison.wants_groups() {
            self.survey_run.listing[1].get_or_insert_default();
        }
        if self.state.recovery.is_some() && !self.comparison.has_begun() {
            return;
        }
        self.ask_for_intents(until);
        self.ask_for_unsurveyed();
        for kind in [Kind::Users, Kind::Groups] {
            let listing = self.survey_run.listing[slot(kind)].as_ref();
            if listing.is_none_or(|listing| listing.busy) {
                continue;
            }
            let Some(permit) = self.permit() else { return };
            self.list(kind, permit, launch);
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
        let elapsed = self.clock.elapsed();
        self.drop_settled_intents();
        let due = self.open_intents().filter(|(_, at)| until == Until::Planned || *at <= elapsed);
        let due: Vec<Entity> = due.map(|(entity, _)| entity.clone()).collect();
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
            if wanted.is_empty() || (at == 1 && self.comparison.lists_users()) {
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

    fn list(&mut self, kind: Kind, permit: Permit, launch: &mut Launch) {
        let paths = self.read_paths(kind);
        let reader = self.target.reader.clone();
        let Some(listing) = &mut self.survey_run.listing[slot(kind)] else { return };
        listing.busy = true;
        let cursor = listing.cursor.clone().unwrap_or_else(Cursor::first);
        launch.push(Box::pin(async move {
            let page = match kind {
                Kind::Users => reader.list_users(permit, &cursor).await.map(|page| {
                    let seen = page.items.into_iter().map(|user| Seen::user(user, &paths));
                    (seen.collect(), page.next)
                }),
                Kind::Groups => reader.list_groups(permit, &cursor).await.map(|page| {
                    let seen = page.items.into_iter().map(|group| Seen::group(group, &paths));
                    (seen.collect(), page.next)
                }),
            };
            Event::Answered(Box::new(Answered::Page(kind, page)))
        }));
    }

    fn look_up(&mut self, entity: Entity, permit: Permit, launch: &mut Launch) {
        let (kind, names) = match &entity {
            Entity::Account(person) => (Kind::Users, self.login_names(*person)),
            Entity::Group(key) | Entity::Member(key, _) => {
                let name = self.planner.group_name(key).map(str::to_owned);
                (Kind::Groups, name.into_iter().collect())
            }
        };
        let question = Question {
            kind,
            id: self.target.dialect.match_external_id.then(|| our_id(&entity)),
            names,
            paths: self.read_paths(kind),
        };
        let (reader, pacer) = (self.target.reader.clone(), self.target.pacer.clone());
        self.survey_run.busy.insert(entity.clone());
        launch.push(Box::pin(async move {
            let found = question.ask(&reader, &pacer, permit).await;
            Event::Answered(Box::new(Answered::Found(entity, found)))
        }));
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

    pub(in crate::cycle) fn wanted_login_name(&self, person: PersonId) -> Option<String> {
        let user = self.state.mirrors.get(&person.source)?.users.get(&person.object)?;
        let expression = self.target.policy.account.get(&AttrPath::user_name())?;
        let input = crate::core::expression::Input::Properties(&user.properties);
        match expression.evaluate(input) {
            crate::core::expression::Evaluated::Known(Datum::Text(name)) => {
                Some((*name).to_owned())
            }
            _ => None,
        }
    }

    /// The target has refused a create as a duplicate: what it holds must be asked anew.
    pub(super) fn ask_again(&mut self, entity: &Entity, words: &Words) {
        self.survey_run.hidden.insert(entity.clone(), words.clone());
        self.look_again(entity);
    }

    /// What was found may have changed since: it is looked up once more.
    pub(super) fn look_again(&mut self, entity: &Entity) {
        match entity {
            Entity::Account(person) => drop(self.survey.accounts.remove(person)),
            Entity::Group(key) => drop(self.survey.groups.remove(key)),
            Entity::Member(..) => {}
        }
        self.touch(entity.clone());
    }

    /// The attributes that are read of a resource.
    pub(super) fn read_paths(&self, kind: Kind) -> BTreeSet<AttrPath> {
        match kind {
            Kind::Users => {
                // Its roles too, to know an administrator.
                let mut paths = self.managed_paths();
                paths.insert(AttrPath::roles());
                paths
            }
            Kind::Groups => [AttrPath::external_id(), AttrPath::display_name()].into(),
        }
    }

    pub(super) fn managed_paths(&self) -> BTreeSet<AttrPath> {
        let own = [AttrPath::external_id(), AttrPath::active()];
        self.target.policy.account.keys().cloned().chain(own).collect()
    }

    /// When an intent that was looked up in vain is looked up again, and when it has been often enough.
    pub(super) fn next_lookup(lookups: u32) -> Option<Duration> {
        (lookups < LOOKUPS_OF_INTENT).then(|| INTENT_FIRST * (1 << lookups))
    }
}

/// Where the listing of a kind is kept.
fn slot(kind: Kind) -> usize {
    match kind {
        Kind::Users => 0,
        Kind::Groups => 1,
    }
}

/// The `externalId` of an entity of ours.
fn our_id(entity: &Entity) -> String {
    match entity {
        Entity::Account(person) => person.object.to_string(),
        Entity::Group(key) | Entity::Member(key, _) => key.external_id(),
    }
}

/// What is looked up for one entity: everything that matches by our id or by one of the names.
struct Question {
    kind: Kind,
    id: Option<String>,
    names: Vec<String>,
    paths: BTreeSet<AttrPath>,
}

impl Question {
    async fn ask(
        &self,
        reader: &Reader,
        pacer: &Pacer,
        permit: Permit,
    ) -> Result<AllSeen, ScimError> {
        let Self { kind, id, names, paths } = self;
        let by_name = names.iter().map(|name| match kind {
            Kind::Users => MatchBy::UserName(name),
            Kind::Groups => MatchBy::DisplayName(name),
        });
        let by_id = id.iter().map(|id| MatchBy::ExternalId(id));
        let mut found = AllSeen::new();
        let mut permit = Some(permit);
        for by in by_id.chain(by_name) {
            let permit = match permit.take() {
                Some(permit) => permit,
                None => pacer.permit().await,
            };
            match kind {
                Kind::Users => {
                    let users = reader.user_by(permit, by).await?.into_iter();
                    found.extend(users.map(|user| Seen::user(user, paths)));
                }
                Kind::Groups => {
                    let groups = reader.group_by(permit, by).await?.into_iter();
                    found.extend(groups.map(|group| Seen::group(group, paths)));
                }
            }
        }
        Ok(found)
    }
}
