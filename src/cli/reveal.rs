//! The right to see values of people. It is given here and nowhere else, and giving it writes down who has
//! it: who looked at whom is known only where it is written down before it is shown.

use super::said::Said;
use super::view::plan::MASK;
use super::{Exit, Failure};
use crate::core::model::{Entity, PersonId, Timestamp};
use crate::cycle::state::State;

/// How much somebody is shown.
#[derive(Debug, Clone)]
pub(super) enum Sight {
    /// To whoever may only look: object ids and counts.
    Masked,
    /// To whoever may approve: names too.
    Named,
    /// To whoever may approve and has asked for it: values of people too.
    Clear(Revealed),
}

/// Proof that it is on record who is shown values of people.
#[derive(Debug, Clone)]
pub(super) struct Revealed(());

/// Who is shown what of whom, and when.
#[derive(Debug)]
pub(super) struct Look<'a> {
    pub(super) by: &'a str,
    pub(super) at: Timestamp,
    /// In which output.
    pub(super) what: &'a str,
    /// Of one person alone.
    pub(super) person: Option<PersonId>,
}

impl Revealed {
    /// Puts it on record. The caller commits before anything is shown.
    pub(super) fn on_record(state: &mut State, look: &Look<'_>) -> Self {
        let Look { by, at, what, person } = look;
        state.reveal(by, *at, person.map(Entity::Account), what);
        Self(())
    }

    /// The running service has put it on record: it says so only after the commit.
    pub(super) fn by_service(said: &Said) -> Option<Self> {
        (said.exit == Exit::Done).then_some(Self(()))
    }

    /// Of people who were invented there is nothing to be recorded.
    pub(super) fn of_invented_people() -> Self {
        Self(())
    }
}

impl Sight {
    /// What somebody wrote, such as a reason. It may be about anybody.
    pub(super) fn free_text(&self, text: &str) -> String {
        let hides = matches!(self, Self::Masked) && !text.is_empty();
        if hides { MASK.to_owned() } else { text.to_owned() }
    }

    /// The same with values, once that is on record.
    ///
    /// # Errors
    /// To whoever may only look.
    pub(super) fn clear(self, state: &mut State, look: &Look<'_>) -> Result<Self, Failure> {
        match self {
            Self::Masked => Err(Failure::new(
                Exit::Failed,
                "values of people are shown to whoever may approve, and to nobody else",
            )),
            Self::Named | Self::Clear(_) => Ok(Self::Clear(Revealed::on_record(state, look))),
        }
    }
}
