//! Questions: what is looked up for one entity, and which of the look-ups the target answers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{AllSeen, Seen};
use crate::core::model::{AttrPath, Kind, ScimId};
use crate::scim::pace::{Pacer, Permit};
use crate::scim::{MatchBy, Reader, ScimError};

/// A look-up that fails so often running, while the target answers other questions, is given up: for one
/// entity, and for all of its kind when none was answered between.
pub(super) const FAILURES_MAX: u32 = 3;
pub(super) const EXTERNAL_ID: &str = "externalId";
/// Between two failures that count. Requests that are in flight together fail together.
const FAILURE_APART: Duration = Duration::from_secs(1);

/// What is looked up for one entity: what it was before it was released or said to be gone, and everything that
/// matches by our id or by one of the names.
pub(in crate::cycle) struct Question {
    pub(super) kind: Kind,
    pub(super) was: Option<ScimId>,
    pub(super) id: Option<String>,
    pub(super) names: Vec<String>,
    pub(super) paths: BTreeSet<AttrPath>,
}

/// What the look-ups brought.
pub(in crate::cycle) struct Looked {
    /// Everything that was found.
    pub(in crate::cycle) seen: AllSeen,
    /// The attributes by which the target can be asked.
    pub(super) answered: BTreeSet<&'static str>,
    /// Those by which it cannot, although it answers otherwise.
    pub(super) unanswered: BTreeMap<&'static str, ScimError>,
    /// Why what was ours before could not be read by its id.
    pub(super) unread: Option<ScimError>,
}

impl Looked {
    /// The id of the only resource that carries the id of ours that was asked for.
    pub(in crate::cycle) fn only_one_of(&self, question: &Question) -> Option<ScimId> {
        let wanted = question.id.as_deref()?;
        let carries = |seen: &Seen| seen.external_id.as_deref() == Some(wanted);
        let mut found = self.seen.iter().filter(|(_, seen)| carries(seen));
        let (id, _) = found.next()?;
        found.next().is_none().then(|| id.clone())
    }

    /// Whether asking once more may bring what was not answered this time.
    pub(super) fn may_pass(&self, kind: Kind, given_up: &Unanswered) -> bool {
        self.unread().is_some_and(ScimError::passes)
            || self
                .unanswered
                .iter()
                .any(|(attribute, error)| error.passes() && !given_up.is_given_up(kind, attribute))
    }

    /// Whether something was found that cannot be read.
    pub(super) fn is_unreadable(&self) -> bool {
        self.unanswered.values().any(|error| *error == ScimError::Unreadable)
    }

    /// Whether the entity may be there though none of this is it: a listing has to tell.
    ///
    /// - Nothing was answered.
    /// - What was ours could not be read: that its name is not there says nothing, it may go by another.
    /// - The look-up by our id failed for now, although the target answers it otherwise; for groups also where it was
    ///   given up for that.
    ///
    /// And, where a listing is not known to lack something, so that it costs little to be sure:
    ///
    /// - The look-up by our id failed for now: the resource may go by an earlier name.
    /// - A name cannot be asked for: it may be taken all the same.
    /// - Groups cannot be asked for by our id. Their names are not unique; login names are, so that an account that
    ///   is there refuses a second one.
    pub(super) fn leaves_open(&self, kind: Kind, given_up: &Unanswered, is_short: bool) -> bool {
        let by_id = self.unanswered.get(EXTERNAL_ID);
        let fails = by_id.is_some_and(ScimError::passes);
        let is_given_up = given_up.is_given_up(kind, EXTERNAL_ID);
        let is_group = kind == Kind::Groups;
        let fails_still = is_group && given_up.is_given_up_for_now(kind, EXTERNAL_ID);
        let lacks_name = self.unanswered.keys().any(|attribute| *attribute != EXTERNAL_ID);
        let lacks_id = is_group && (by_id.is_some() || is_given_up);
        self.answered.is_empty()
            || self.unread().is_some()
            || (fails && !is_given_up)
            || fails_still
            || (!is_short && (fails || lacks_name || lacks_id))
    }

    /// Why what was ours could not be read by its id, where nothing else shows it.
    fn unread(&self) -> Option<&ScimError> {
        let is_shown = !self.seen.is_empty() || self.answered.contains(EXTERNAL_ID);
        self.unread.as_ref().filter(|_| !is_shown)
    }
}

/// A read that failed.
pub(in crate::cycle) struct Failed {
    pub(in crate::cycle) error: ScimError,
    /// Whether the fault lies in this question: the target answers others.
    pub(in crate::cycle) is_its_own: bool,
}

impl Failed {
    /// Finds out whether the target fails as a whole.
    pub(in crate::cycle) async fn blame(error: ScimError, reader: &Reader, pacer: &Pacer) -> Self {
        let is_its_own = match &error {
            ScimError::Unavailable { .. }
            | ScimError::Refused { .. }
            | ScimError::NotScim { .. } => reader.probe(pacer.permit().await).await.is_ok(),
            error if error.asks_to_wait() => reader.probe(pacer.permit().await).await.is_ok(),
            ScimError::Forbidden { .. } => true,
            error => !error.passes(),
        };
        Self { error, is_its_own }
    }
}

impl Question {
    /// Whether there is nothing left to ask by.
    pub(super) fn is_empty(&self) -> bool {
        self.was.is_none() && self.id.is_none() && self.names.is_empty()
    }

    pub(in crate::cycle) async fn ask(
        &self,
        reader: &Reader,
        pacer: &Pacer,
        permit: Permit,
    ) -> Result<Looked, ScimError> {
        let Self { kind, was, id, names, paths: _ } = self;
        let by_name = names.iter().map(|name| match kind {
            Kind::Users => MatchBy::UserName(name),
            Kind::Groups => MatchBy::DisplayName(name),
        });
        let by_id = id.iter().map(|id| MatchBy::ExternalId(id));
        let mut looked = Looked {
            seen: AllSeen::new(),
            answered: BTreeSet::new(),
            unanswered: BTreeMap::new(),
            unread: None,
        };
        let mut permit = Some(permit);
        let by_filter = by_id.chain(by_name).map(By::Filter);
        for by in was.iter().map(By::Id).chain(by_filter) {
            let permit = match permit.take() {
                Some(permit) => permit,
                None => pacer.permit().await,
            };
            let found = match by {
                By::Id(id) => self.read(reader, permit, id).await,
                By::Filter(by) => self.look_up(reader, permit, by).await,
            };
            match (found, by) {
                (Ok(found), By::Id(_)) => looked.seen.extend(found),
                (Ok(found), By::Filter(by)) => {
                    looked.answered.insert(by.attribute());
                    looked.seen.extend(found);
                }
                (Err(error), by) => {
                    let failed = Failed::blame(error, reader, pacer).await;
                    if !failed.is_its_own {
                        return Err(failed.error);
                    }
                    // What cannot be read by its id is looked for by what else there is.
                    match by {
                        By::Id(_) => looked.unread = Some(failed.error),
                        By::Filter(by) => {
                            looked.unanswered.insert(by.attribute(), failed.error);
                        }
                    }
                }
            }
        }
        // Of two names one was not answered: nothing is known by name.
        looked.answered.retain(|attribute| !looked.unanswered.contains_key(attribute));
        Ok(looked)
    }

    async fn read(
        &self,
        reader: &Reader,
        permit: Permit,
        id: &ScimId,
    ) -> Result<AllSeen, ScimError> {
        let paths = &self.paths;
        let row = match self.kind {
            Kind::Users => reader.user(permit, id).await?.map(|user| Seen::user(user, paths)),
            Kind::Groups => reader.group(permit, id).await?.map(|group| Seen::group(group, paths)),
        };
        Ok(row.map(|row| (row.id, row.seen)).into_iter().collect())
    }

    async fn look_up(
        &self,
        reader: &Reader,
        permit: Permit,
        by: MatchBy<'_>,
    ) -> Result<AllSeen, ScimError> {
        let paths = &self.paths;
        Ok(match self.kind {
            Kind::Users => {
                let users = reader.user_by(permit, by).await?.into_iter();
                users.map(|user| Seen::user(user, paths)).map(|row| (row.id, row.seen)).collect()
            }
            Kind::Groups => {
                let groups = reader.group_by(permit, by).await?.into_iter();
                groups
                    .map(|group| Seen::group(group, paths))
                    .map(|row| (row.id, row.seen))
                    .collect()
            }
        })
    }
}

#[derive(Clone, Copy)]
enum By<'a> {
    Id(&'a ScimId),
    Filter(MatchBy<'a>),
}

/// By what the target cannot be asked.
#[derive(Default)]
pub(super) struct Unanswered(BTreeMap<(Kind, &'static str), Failures>);

#[derive(Default)]
struct Failures {
    running: u32,
    /// Whether the last error may pass.
    passes: bool,
    last: Option<Duration>,
    told: bool,
}

impl Unanswered {
    pub(super) fn is_given_up(&self, kind: Kind, attribute: &'static str) -> bool {
        self.0.get(&(kind, attribute)).is_some_and(|one| one.running >= FAILURES_MAX)
    }

    /// Whether it was given up, and may be answered again.
    fn is_given_up_for_now(&self, kind: Kind, attribute: &'static str) -> bool {
        let failures = self.0.get(&(kind, attribute)).filter(|one| one.passes);
        failures.is_some() && self.is_given_up(kind, attribute)
    }

    pub(super) fn is_any_given_up(&self, kind: Kind) -> bool {
        self.0.iter().any(|(key, one)| key.0 == kind && one.running >= FAILURES_MAX)
    }

    /// Counts what was not answered, each time running.
    pub(super) fn take(&mut self, kind: Kind, looked: &Looked, elapsed: Duration) {
        for attribute in &looked.answered {
            self.0.remove(&(kind, *attribute));
        }
        for (attribute, error) in &looked.unanswered {
            self.failed(kind, attribute, error, elapsed);
        }
    }

    fn failed(
        &mut self,
        kind: Kind,
        attribute: &'static str,
        error: &ScimError,
        elapsed: Duration,
    ) {
        let failures = self.0.entry((kind, attribute)).or_default();
        if error.passes() && failures.last.is_some_and(|last| elapsed < last + FAILURE_APART) {
            return;
        }
        failures.running += 1;
        failures.passes = error.passes();
        failures.last = Some(elapsed);
        if failures.running >= FAILURES_MAX && !failures.told {
            failures.told = true;
            let what = match kind {
                Kind::Users => "accounts",
                Kind::Groups => "groups",
            };
            let switch = if attribute == EXTERNAL_ID {
                ". If the platform never does, set match_external_id = false under [targets.*.dialect]"
            } else {
                ""
            };
            tracing::warn!(
                "the platform cannot be asked for {what} by {attribute}: {error}. Until the next comparison \
                 they are looked for by what else there is, and nothing is made that may be there \
                 already{switch}"
            );
        }
    }

    /// Everything may be asked again.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}
