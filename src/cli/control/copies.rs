//! Copies of the state that were handed out: whoever says that one has come to rest must have been handed
//! it.

use std::sync::{Mutex, PoisonError};

use crate::cli::state::Copied;
use crate::cli::{Exit, Failure};
use crate::random;

/// So many are waited for; one more, and the oldest is forgotten.
const WAITING_MAX: usize = 16;

/// What was handed out, and to whom.
#[derive(Debug, Default)]
pub(super) struct Copies(Mutex<Vec<(String, Copied)>>);

impl Copies {
    /// Notes a copy; gives the ticket that it is known by.
    pub(super) fn hand_out(&self, by: &str, copied: &Copied) -> Result<String, Failure> {
        let mut bytes = [0; 16];
        random::fill(&mut bytes).map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
        let ticket = format!("{:032x}", u128::from_be_bytes(bytes));
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= WAITING_MAX {
            waiting.remove(0);
        }
        waiting.push((by.to_owned(), Copied { ticket: ticket.clone(), ..copied.clone() }));
        Ok(ticket)
    }

    /// Whether exactly this copy was handed out to them, and nobody has said so before.
    pub(super) fn take_back(&self, by: &str, copied: &Copied) -> bool {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = waiting.iter().position(|(to, one)| to == by && one == copied);
        found.map(|at| waiting.remove(at)).is_some()
    }
}

#[cfg(test)]
mod tests;
