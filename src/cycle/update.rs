//! Update: sends the attributes of one account, in as few requests as the target takes.
//!
//! `active` is a request of its own and goes first: whatever else is refused, who leaves is out, and who
//! comes back is in. What the target refuses is told apart from the rest, by the name that the refusal
//! gives or by sending the attributes one by one. Where an answer says something other than what was sent,
//! does not show that a leaver is out, or refuses what may be there already, the account is read once.

use std::collections::BTreeSet;

use crate::core::model::{AttrPath, Attributes, Datum, ScimId, Timestamp};
use crate::core::plan::same;
use crate::scim::pace::{Pacer, Permit};
use crate::scim::{About, Reader, ScimError, UserResource, Words, Writer};

/// What came of writing one account.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// The id, of a new account.
    pub(super) id: Option<ScimId>,
    /// The id under which the target answered last for an account that is known.
    pub(super) told: Option<ScimId>,
    /// The `externalId` and `userName` that the last whole answer to a change showed.
    pub(super) whose: Option<(Option<String>, Option<String>)>,
    /// What the target confirmed.
    pub(super) made: Attributes,
    /// What it shows of that.
    pub(super) shown: Attributes,
    /// What it refused.
    pub(super) refused: Vec<Refused>,
    /// Where an answer said something other than what was sent: whether a read agreed with the answer.
    pub(super) checked: Vec<(AttrPath, bool)>,
    /// Whether nobody knows if the new account is active by now.
    pub(super) is_unsettled: bool,
    /// Whether the account was there before, by the answer to its create.
    pub(super) was_there: bool,
}

/// Attributes that the target refused, and how.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) attributes: Attributes,
    pub(super) error: ScimError,
}

/// What it takes to write one account.
pub(super) struct Writing {
    pub(super) writer: Writer,
    pub(super) reader: Reader,
    pub(super) pacer: Pacer,
    /// Attributes of which it is known by now that answers and reads say the same.
    pub(super) agreed: BTreeSet<AttrPath>,
    /// Attributes of which it is known by now that answers do not tell them.
    pub(super) untold: BTreeSet<AttrPath>,
    /// Whether an account is on record as found active after the target had confirmed that it is not: its
    /// answer about a departure is not believed.
    pub(super) was_undone: bool,
    /// When the word ends on which it is written.
    pub(super) until: Option<Timestamp>,
}

impl Writing {
    /// Changes an account. An error is about all of it: nothing was made, or nobody knows what.
    pub(super) async fn change(
        &self,
        permit: Permit,
        id: &ScimId,
        (held, wanted): (&Attributes, &Attributes),
        one_by_one: bool,
    ) -> Result<Written, ScimError> {
        let written = Written::default();
        let (held, permit) = (held.clone(), Some(permit));
        let mut run = Run { writing: self, id, held, permit, written, one_by_one };
        for part in parts(wanted, one_by_one) {
            run.send(part).await?;
        }
        run.settle(wanted).await?;
        Ok(run.written)
    }

    /// Makes an account. What the target refuses by name is left out. Where it names nothing, a second
    /// request has only what an account is known by: the rest follows as a change of it, and shows what
    /// is refused. Where the account is not active, that is sent again by itself.
    pub(super) async fn create(
        &self,
        permit: Permit,
        attributes: &Attributes,
    ) -> Result<Written, ScimError> {
        let mut made = attributes.clone();
        let mut refused = Vec::new();
        let mut first = None;
        let mut permit = Some(permit);
        let user = loop {
            let next = self.permit(&mut permit).await;
            let error = match self.writer.create_user(next, &made).await {
                Ok(user) => break user,
                Err(error) => error,
            };
            // Anything else may have been made, or is about the account as a whole.
            let ScimError::Rejected { about, .. } = &error else { return Err(error) };
            let is_named =
                |path: &AttrPath, _: &Datum| about.paths.contains(path) && !is_needed(path);
            let named = made.take_if(is_named);
            if !named.is_empty() {
                refused.push(Refused { attributes: named, error });
                continue;
            }
            if let Some(first) = first {
                return Err(first);
            }
            if made.take_if(|path, _| !is_core(path)).is_empty() {
                return Err(error);
            }
            first = Some(error);
        };
        let shown = self.shown(&user, &made);
        let id = Some(user.id.clone());
        let was_there = user.was_there;
        let mut written = Written { id, made, shown, refused, was_there, ..Written::default() };
        let odd = self.contradictions(&written.made, &written.shown);
        if !odd.is_empty() {
            let next = self.permit(&mut permit).await;
            // Without an answer the next comparison tells.
            if let Ok(Some(read)) = self.reader.user(next, &user.id).await {
                written.check(odd, &read);
            }
        }
        if written.is_kept_inactive() {
            self.activate(&user.id, &mut permit, &mut written).await;
        }
        Ok(written)
    }

    /// A new account is not active although it was sent so: that is sent once more, by itself. What does not
    /// come about by it waits as a change of its own.
    async fn activate(&self, id: &ScimId, permit: &mut Option<Permit>, written: &mut Written) {
        let active: Attributes = [(AttrPath::active(), Datum::Bool(true))].into();
        let mut held = written.made.clone();
        held.insert(AttrPath::active(), Datum::Bool(false));
        let next = self.permit(permit).await;
        match self.writer.update_user(next, id, &held, &active).await {
            Ok(_) => {
                let next = self.permit(permit).await;
                match self.reader.user(next, id).await {
                    Ok(Some(read)) => written.shown = read.attributes(written.made.keys()),
                    _ => written.is_unsettled = true,
                }
            }
            Err(error) if error.about().is_some() => {
                written.refused.push(Refused { attributes: active, error });
            }
            // It may have been made: whoever leaves now must not be taken for inactive.
            Err(_) => written.is_unsettled = true,
        }
    }

    async fn permit(&self, first: &mut Option<Permit>) -> Permit {
        match first.take() {
            Some(permit) => permit,
            None => self.pacer.permit().await.good_until(self.until),
        }
    }

    /// Where the answer says something other than what was sent, and may be mistaken.
    fn contradictions(&self, sent: &Attributes, shown: &Attributes) -> Vec<AttrPath> {
        let odd = sent.iter().filter(|(path, value)| match shown.get(path) {
            Some(shown) if **path == AttrPath::active() => {
                matches!(shown, Datum::Bool(_)) && shown != *value
            }
            Some(shown) => !same(path, value, shown) && !self.agreed.contains(path),
            None => false,
        });
        odd.map(|(path, _)| path.clone()).collect()
    }

    /// What an answer shows, without what it is known not to tell.
    fn shown(&self, user: &UserResource, sent: &Attributes) -> Attributes {
        user.attributes(sent.keys().filter(|path| !self.untold.contains(path)))
    }
}

impl Written {
    /// An answer tells which account it is about.
    fn is_told_of(&mut self, user: &UserResource) {
        self.told = Some(user.id.clone());
        if !user.is_garbled {
            self.whose = Some((user.external_id.clone(), user.user_name.clone()));
        }
    }

    /// Whether somebody was deactivated, by the word of the target.
    fn is_leaver(&self) -> bool {
        self.made.get(&AttrPath::active()) == Some(&Datum::Bool(false))
    }

    /// Whether somebody was deactivated and the answer does not show it. A status alone is not enough for
    /// a leaver: something between us and the platform answers 200 to anything, and some platforms
    /// confirm what they pass over.
    fn is_unseen_leaver(&self) -> bool {
        self.is_leaver() && !matches!(self.shown.get(&AttrPath::active()), Some(Datum::Bool(_)))
    }

    /// Whether somebody was to be active and is shown as inactive.
    pub(super) fn is_kept_inactive(&self) -> bool {
        let active = AttrPath::active();
        self.made.get(&active) == Some(&Datum::Bool(true))
            && self.shown.get(&active) == Some(&Datum::Bool(false))
    }

    /// Takes what was read for what is shown.
    fn check(&mut self, odd: Vec<AttrPath>, read: &UserResource) {
        let read = read.attributes(self.made.keys());
        for path in odd {
            if let (Some(shown), Some(is)) = (self.shown.get(&path), read.get(&path)) {
                let agrees = same(&path, shown, is);
                self.checked.push((path, agrees));
            }
        }
        self.shown = read;
    }
}

struct Run<'a> {
    writing: &'a Writing,
    id: &'a ScimId,
    held: Attributes,
    permit: Option<Permit>,
    written: Written,
    one_by_one: bool,
}

impl Run<'_> {
    async fn send(&mut self, part: Attributes) -> Result<(), ScimError> {
        let mut open = vec![part];
        while let Some(mut part) = open.pop() {
            let permit = self.writing.permit(&mut self.permit).await;
            let writer = &self.writing.writer;
            let error = match writer.update_user(permit, self.id, &self.held, &part).await {
                Ok(user) => {
                    self.take(part, user.as_ref());
                    continue;
                }
                Err(error) => error,
            };
            let Some(about) = self.about(&error) else { return Err(self.unsettled(error)) };
            let named = part.take_if(|path, _| about.paths.contains(path));
            if !named.is_empty() && !part.is_empty() {
                self.written.refused.push(Refused { attributes: named, error });
                open.push(part);
                continue;
            }
            part.extend(named);
            let units = units(&part);
            if units.len() > 1 {
                open.extend(units.into_iter().rev());
            } else {
                self.written.refused.push(Refused { attributes: part, error });
            }
        }
        Ok(())
    }

    fn take(&mut self, part: Attributes, user: Option<&UserResource>) {
        if let Some(user) = user {
            self.written.shown.extend(self.writing.shown(user, &part));
            self.written.is_told_of(user);
        }
        self.held.extend(part.clone());
        self.written.made.extend(part);
    }

    /// What a refusal is about; none where the request as a whole has failed.
    fn about(&self, error: &ScimError) -> Option<About> {
        match error {
            ScimError::TooLarge { .. } => Some(About::default()),
            ScimError::Unavailable { .. } if self.one_by_one => Some(About::default()),
            error => error.about().cloned(),
        }
    }

    /// Once a part was made nobody may think that nothing was.
    fn unsettled(&self, error: ScimError) -> ScimError {
        match error {
            ScimError::Gone | ScimError::Mismatch => error,
            error if self.written.made.is_empty() => error,
            error => ScimError::Unavailable { what: Words::from(&error), after: None },
        }
    }

    /// Reads the account where the answers leave something open.
    async fn settle(&mut self, wanted: &Attributes) -> Result<(), ScimError> {
        let fails = |one: &Refused| matches!(one.error, ScimError::Unavailable { .. });
        if self.written.made.is_empty()
            && self.written.refused.iter().all(fails)
            && let Some(last) = self.written.refused.pop()
        {
            return Err(last.error);
        }
        let odd = self.writing.contradictions(&self.written.made, &self.written.shown);
        let is_unproven = self.written.is_unseen_leaver()
            || (self.writing.was_undone && self.written.is_leaver());
        if odd.is_empty() && self.written.refused.is_empty() && !is_unproven {
            return Ok(());
        }
        let permit = self.writing.permit(&mut self.permit).await;
        let read = self.writing.reader.user(permit, self.id).await;
        let read = read.map_err(|error| self.unsettled(error))?.ok_or(ScimError::Gone)?;
        self.written.is_told_of(&read);
        // What is refused because it is there already is there.
        let shown = read.attributes(wanted.keys());
        let is_there = |(path, value): (&AttrPath, &Datum)| {
            shown.get(path).is_some_and(|shown| same(path, value, shown))
        };
        let (there, refused): (Vec<_>, Vec<_>) = std::mem::take(&mut self.written.refused)
            .into_iter()
            .partition(|one| one.attributes.iter().all(is_there));
        self.written.refused = refused;
        for one in there {
            self.written.made.extend(one.attributes);
        }
        self.written.check(odd, &read);
        Ok(())
    }
}

/// `active` by itself, and the rest together or one by one.
fn parts(wanted: &Attributes, one_by_one: bool) -> Vec<Attributes> {
    let mut rest = wanted.clone();
    let active = rest.take_if(|path, _| *path == AttrPath::active());
    let rest = if one_by_one { units(&rest) } else { vec![rest] };
    let parts = [active].into_iter().chain(rest);
    parts.filter(|part| !part.is_empty()).collect()
}

/// What can be sent by itself: one attribute, or one element of an attribute that has several.
fn units(part: &Attributes) -> Vec<Attributes> {
    let mut units: Vec<Attributes> = Vec::new();
    for (path, value) in part {
        let of = path.parts();
        let belongs = |unit: &&mut Attributes| {
            of.filter.is_some()
                && unit.keys().all(|other| {
                    let other = other.parts();
                    (other.schema, other.attribute, other.filter)
                        == (of.schema, of.attribute, of.filter)
                })
        };
        match units.iter_mut().find(belongs) {
            Some(unit) => drop(unit.insert(path.clone(), value.clone())),
            None => units.push([(path.clone(), value.clone())].into()),
        }
    }
    units
}

/// Without these there is no account.
fn is_needed(path: &AttrPath) -> bool {
    *path == AttrPath::user_name() || *path == AttrPath::active()
}

/// What an account is known by.
fn is_core(path: &AttrPath) -> bool {
    is_needed(path)
        || *path == AttrPath::external_id()
        || *path == AttrPath::display_name()
        || matches!(path.parts().attribute, "name" | "emails")
}
