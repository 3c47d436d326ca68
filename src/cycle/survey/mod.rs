//! Survey: reads what the target holds already, as far as the plan needs it, and settles creates whose
//! answer was lost.
//!
//! Nothing is asked when nothing is to be created. At first contact there is one complete listing, and for many
//! as long as the first load goes on; later everybody is looked up one by one. The answers of one survey come into force together, so that
//! the judge sees all adoptions at once.
//!
//! Nothing is made before it is known that it is not there: by a listing that told everything, or by a
//! look-up that the target answered.

mod answers;
mod intents;
mod matching;
mod question;
mod renewal;
mod sample;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Engine, Event, Launch, Until};
use crate::core::model::{AttrPath, Attributes, Datum, Entity, Kind, Link, PersonId, ScimId};
use crate::core::survey::Found;
use crate::cycle::target::TargetLoop;
use crate::scim::pace::Permit;
use crate::scim::{GroupResource, ListPage, Listed, ScimError, UserResource, Walk, Words};

use question::{EXTERNAL_ID, Unanswered};
pub(super) use question::{Failed, Looked, Question};
use sample::{Sample, some};

/// Above so many open questions a listing is cheaper than two look-ups each, where what it lacks need not be
/// looked up all the same.
const LOOKUPS_MAX: usize = 50;
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
    /// Creates that got no good answer and were looked up in vain. Where one is sent again and refused as a
    /// duplicate, the first one was made.
    repeated: BTreeSet<Entity>,
    /// Who has changed in Entra while being asked about: asked about once more.
    renewed: BTreeSet<Entity>,
    retry: Option<Duration>,
    failures: u32,
    /// Whose listing has not told everything, in this survey: users, groups.
    short: [bool; 2],
    /// What a whole listing lacks, while it is looked up: users, groups.
    samples: [Option<Sample>; 2],
    /// Whether some were looked up, in this survey.
    sampled: [bool; 2],
    /// Whether a listing has told of somebody or something of ours that was not linked.
    has_matched: bool,
    /// What no look-up is answered for, in this survey.
    without_answer: BTreeSet<Entity>,
    /// Whose listing has not told everything, in the life of this process.
    told_short: [bool; 2],
    unanswered: Unanswered,
    /// How often running not every look-up of an entity was answered.
    tries: BTreeMap<Entity, u32>,
    /// All whose create is on its way or was not answered, and some that were; and when each may be
    /// looked up.
    intents: BTreeMap<Entity, Duration>,
}

struct Listing {
    walk: Walk,
    /// Some that the target has confirmed before: a listing without one of them is not whole.
    known: Vec<ScimId>,
    busy: bool,
    wanted: BTreeSet<Entity>,
    seen: BTreeMap<ScimId, Seen>,
    /// How often running the next page was refused, though the target answers otherwise.
    failures: u32,
}

/// What is kept of a resource that was listed or looked up.
pub(super) struct Seen {
    pub(super) external_id: Option<String>,
    /// A login name in small letters, or the name of a group.
    name: Option<String>,
    pub(super) attributes: Attributes,
}

/// Some resources, by id.
pub(super) type AllSeen = BTreeMap<ScimId, Seen>;

/// A resource on a page.
pub(super) struct Row {
    id: ScimId,
    is_garbled: bool,
    seen: Seen,
}

impl Listed for Row {
    fn id(&self) -> &ScimId {
        &self.id
    }

    fn is_garbled(&self) -> bool {
        self.is_garbled
    }
}

/// A finished read of a survey.
pub(super) enum Answered {
    Page(Kind, Result<ListPage<Row>, Failed>),
    Found(Entity, Result<Looked, ScimError>),
}

impl Seen {
    /// What a comparison has met.
    pub(super) fn found(external_id: Option<String>, attributes: Attributes) -> Self {
        Self { external_id, name: None, attributes }
    }

    fn user(user: UserResource, paths: &BTreeSet<AttrPath>) -> Row {
        let attributes = user.attributes(paths.iter());
        let name = user.user_name.map(|name| name.to_lowercase());
        let seen = Self { external_id: user.external_id, name, attributes };
        Row { id: user.id, is_garbled: user.is_garbled, seen }
    }

    fn group(group: GroupResource, paths: &BTreeSet<AttrPath>) -> Row {
        let attributes = group.attributes(paths.iter());
        let name = group.display_name;
        let seen = Self { external_id: group.external_id, name, attributes };
        Row { id: group.id, is_garbled: group.is_garbled, seen }
    }
}

impl SurveyRun {
    /// Somebody else wants to know.
    pub(super) fn ask(&mut self, entity: Entity) {
        self.asked.insert(entity);
    }

    pub(super) fn is_asked(&self, entity: &Entity) -> bool {
        self.asked.contains(entity) || self.answers.contains_key(entity)
    }
}

impl Engine {
    pub(super) fn is_surveyed(&self, until: Until) -> bool {
        let run = &self.target.survey.run;
        let asking = !run.asked.is_empty()
            || run.listing.iter().any(Option::is_some)
            || run.samples.iter().any(Option::is_some)
            || !run.busy.is_empty();
        let open =
            self.target.planning.planner.unsurveyed().iter().any(|one| !self.target.is_asked(one));
        // What cannot be looked up for now is stuck, and nobody waits for it.
        let mut intents = self.open_intents().filter(|(one, _)| !self.is_create_doubted(one));
        let intents = until != Until::Planned && intents.next().is_some();
        (!asking && !open && !intents) || self.has_given_up()
    }

    /// How far the survey is, in figures.
    pub(super) fn words_of_survey(&self) -> String {
        let run = &self.target.survey.run;
        let open = self
            .target
            .planning
            .planner
            .unsurveyed()
            .iter()
            .filter(|one| !self.target.is_asked(one))
            .count();
        format!(
            "{} asked, {} on their way, {} listings, {open} not asked, {} creates without an answer",
            run.asked.len(),
            run.busy.len(),
            run.listing.iter().flatten().count(),
            self.open_intents().count()
        )
    }

    /// When something is to be looked up. Nothing is asked before the retry, whatever is due by then.
    pub(super) fn survey_dues(&self) -> impl Iterator<Item = Duration> + '_ {
        let retry = self.target.survey.run.retry;
        let intents = self.open_intents().map(move |(_, at)| at.max(retry.unwrap_or_default()));
        intents.chain(retry)
    }

    /// Begins whatever read of the survey is due and has its permit.
    pub(super) fn survey_next(&mut self, until: Until, launch: &mut Launch) {
        let elapsed = self.clock.elapsed();
        if self.target.survey.run.retry.is_some_and(|at| at > elapsed) {
            return;
        }
        if self.target.health.retry.is_some_and(|at| at > elapsed) {
            return;
        }
        if self.may_compare() {
            // One listing compares what is linked and answers for what is not.
            self.target.survey.run.listing = [Some(self.new_listing(Kind::Users)), None];
            self.target.comparison.begin();
        }
        if self.target.comparison.wants_groups() {
            let listing = self.new_listing(Kind::Groups);
            self.target.survey.run.listing[1].get_or_insert(listing);
        }
        if self.state.recovery.is_some() && !self.target.comparison.has_begun() {
            return;
        }
        self.ask_for_intents(until);
        self.ask_for_unsurveyed();
        self.list_next(launch);
        let waiting: Vec<Entity> = self
            .target
            .survey
            .run
            .asked
            .iter()
            .filter(|one| !self.target.survey.run.busy.contains(one))
            .cloned()
            .collect();
        let mut is_answered = false;
        for entity in waiting {
            let question = self.question(&entity);
            if question.is_empty() {
                self.on_nothing_to_ask_by(entity);
                is_answered = true;
                continue;
            }
            let Some(permit) = self.permit() else { break };
            self.target.look_up(entity, question, permit, launch);
        }
        if is_answered {
            self.finish_survey();
            self.list_next(launch);
        }
    }

    fn list_next(&mut self, launch: &mut Launch) {
        for kind in [Kind::Users, Kind::Groups] {
            let listing = self.target.survey.run.listing[slot(kind)].as_ref();
            if listing.is_none_or(|listing| listing.busy) {
                continue;
            }
            let Some(permit) = self.permit() else { return };
            self.target.list(kind, permit, launch);
        }
    }

    fn ask_for_unsurveyed(&mut self) {
        let open: Vec<Entity> = self
            .target
            .planning
            .planner
            .unsurveyed()
            .iter()
            .filter(|one| !self.target.is_asked(one) && !self.target.is_in_listing(one))
            .cloned()
            .collect();
        if open.is_empty() {
            return;
        }
        let is_filled = self.is_filled();
        let (accounts, groups): (Vec<_>, Vec<_>) =
            open.into_iter().partition(|one| matches!(one, Entity::Account(_)));
        for (at, wanted) in [accounts, groups].into_iter().enumerate() {
            if wanted.is_empty() || (at == 1 && self.target.comparison.lists_users()) {
                continue;
            }
            let listed = self.state.target.listed.get(at).copied().unwrap_or(false);
            let is_short = self.target.survey.run.short.get(at).copied().unwrap_or(false);
            let new = self.new_listing(if at == 0 { Kind::Users } else { Kind::Groups });
            let slot = self.target.survey.run.listing.get_mut(at);
            let Some(slot) = slot else { continue };
            if let Some(listing) = slot {
                listing.wanted.extend(wanted);
            } else if !is_short && (!listed || (wanted.len() > LOOKUPS_MAX && !is_filled)) {
                let wanted = wanted.into_iter().collect();
                *slot = Some(Listing { wanted, ..new });
            } else {
                self.target.survey.run.asked.extend(wanted);
            }
        }
    }

    fn new_listing(&self, kind: Kind) -> Listing {
        let known = match kind {
            Kind::Users => some(self.target.links.accounts.keys()),
            Kind::Groups => some(self.target.links.groups.keys()),
        };
        Listing {
            walk: Walk::new(self.known(kind)),
            known: known.into_iter().cloned().collect(),
            busy: false,
            wanted: BTreeSet::new(),
            seen: BTreeMap::new(),
            failures: 0,
        }
    }

    /// About how many resources of ours there are, or will be.
    pub(super) fn known(&self, kind: Kind) -> usize {
        match kind {
            Kind::Users => self
                .target
                .planning
                .planner
                .entitlements()
                .len()
                .max(self.state.ledger.accounts.len()),
            Kind::Groups => self.state.ledger.groups.len(),
        }
    }

    /// What there is to ask about one entity.
    pub(super) fn question(&self, entity: &Entity) -> Question {
        let (kind, names) = match entity {
            Entity::Account(person) => (Kind::Users, self.login_names(*person)),
            Entity::Group(key) | Entity::Member(key, _) => {
                let name = self.target.planning.planner.group_name(key).map(str::to_owned);
                (Kind::Groups, name.into_iter().collect())
            }
        };
        let gives_up = |attribute| self.target.survey.run.unanswered.is_given_up(kind, attribute);
        let by_id = self.target.dialect.match_external_id && !gives_up(EXTERNAL_ID);
        let name = match kind {
            Kind::Users => "userName",
            Kind::Groups => "displayName",
        };
        let was = match self.link(entity) {
            Some(Link::Gone(id) | Link::Released(id)) => Some(id.clone()),
            _ => None,
        };
        Question {
            kind,
            was,
            id: by_id.then(|| our_id(entity)),
            names: if gives_up(name) { Vec::new() } else { names },
            paths: self.target.read_paths(kind),
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
}

impl TargetLoop {
    fn list(&mut self, kind: Kind, permit: Permit, launch: &mut Launch) {
        let paths = self.read_paths(kind);
        let (reader, pacer) = (self.reader.clone(), self.pacer.clone());
        let Some(listing) = &mut self.survey.run.listing[slot(kind)] else { return };
        listing.busy = true;
        let cursor = listing.walk.cursor();
        launch.push(Box::pin(async move {
            let page = match kind {
                Kind::Users => {
                    let page = reader.list_users(permit, &cursor).await;
                    page.map(|page| page.map(|user| Seen::user(user, &paths)))
                }
                Kind::Groups => {
                    let page = reader.list_groups(permit, &cursor).await;
                    page.map(|page| page.map(|group| Seen::group(group, &paths)))
                }
            };
            let page = match page {
                Ok(page) => Ok(page),
                Err(error) => Err(Failed::blame(error, &reader, &pacer).await),
            };
            Event::Answered(Box::new(Answered::Page(kind, page)))
        }));
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

    fn is_asked(&self, entity: &Entity) -> bool {
        self.survey.run.is_asked(entity)
    }

    fn is_in_listing(&self, entity: &Entity) -> bool {
        let run = &self.survey.run;
        run.listing.iter().flatten().any(|listing| listing.wanted.contains(entity))
            || run.samples.iter().flatten().any(|sample| sample.rest.contains(entity))
    }

    fn look_up(&mut self, entity: Entity, question: Question, permit: Permit, launch: &mut Launch) {
        let (reader, pacer) = (self.reader.clone(), self.pacer.clone());
        self.survey.run.busy.insert(entity.clone());
        launch.push(Box::pin(async move {
            let found = question.ask(&reader, &pacer, permit).await;
            Event::Answered(Box::new(Answered::Found(entity, found)))
        }));
    }

    /// The target has refused a create as a duplicate: what it holds must be asked anew.
    pub(super) fn ask_again(&mut self, entity: &Entity, words: &Words) {
        self.survey.run.hidden.insert(entity.clone(), words.clone());
        self.look_again(entity);
    }

    /// The create was looked up in vain.
    pub(super) fn note_repeated(&mut self, entity: &Entity) {
        self.survey.run.repeated.insert(entity.clone());
    }

    /// Whether an earlier request of this create got no good answer and was looked up in vain.
    pub(super) fn is_repeated(&self, entity: &Entity) -> bool {
        self.survey.run.repeated.contains(entity)
    }

    /// Whether the target has refused the create as a duplicate of something it has not shown since.
    pub(super) fn is_hidden(&self, entity: &Entity) -> bool {
        self.survey.run.hidden.contains_key(entity)
    }

    /// What was found may have changed since: it is looked up once more.
    pub(super) fn look_again(&mut self, entity: &Entity) {
        match entity {
            Entity::Account(person) => drop(self.survey.answers.accounts.remove(person)),
            Entity::Group(key) => drop(self.survey.answers.groups.remove(key)),
            Entity::Member(..) => {}
        }
        self.touch(entity.clone());
    }

    pub(super) fn managed_paths(&self) -> BTreeSet<AttrPath> {
        let own = [AttrPath::external_id(), AttrPath::active()];
        self.policy.account.keys().cloned().chain(own).collect()
    }
}

fn kind_of(entity: &Entity) -> Kind {
    match entity {
        Entity::Account(_) => Kind::Users,
        Entity::Group(_) | Entity::Member(..) => Kind::Groups,
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
pub(super) fn our_id(entity: &Entity) -> String {
    match entity {
        Entity::Account(person) => person.object.to_string(),
        Entity::Group(key) | Entity::Member(key, _) => key.external_id(),
    }
}
