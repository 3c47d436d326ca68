//! The target as a peer: whether it answers at all, and when the next request to it may go.

use std::time::Duration;

use super::{Engine, Trouble};
use crate::scim::ScimError;
use crate::scim::pace::{Permit, Wait};

impl Engine {
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
                tracing::error!(target: "manntall::trouble", "{message}; nothing more is sent for now");
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

    /// Whether the target fails so persistently that a command should end rather than wait.
    pub(super) fn has_given_up(&self) -> bool {
        self.target_trouble.is_some()
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
}
