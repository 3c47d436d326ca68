//! Open creates: what is said of an account or group while nobody knows whether its create was made.

use super::planner::Note;
use crate::core::model::Link;
use crate::core::survey::Found;

/// Whether no look-up says whether an open create was made.
pub(super) fn is_doubted(link: &Link, found: Option<&Found>) -> bool {
    matches!(link, Link::Pending(_)) && found == Some(&Found::Unknown)
}

/// Why nothing is done about what may be made already.
pub(super) fn note(link: &Link, found: Option<&Found>) -> Note {
    const DOUBTED: &str = "a create was sent and got no good answer, and whether it was made is not known: the \
        platform's listing is not whole, and it answers no look-up by filter. It is not sent again before \
        that is known. Ask the vendor about filters; Manntall looks again by itself, ever more seldom, and \
        when told to: manntall retry";
    if is_doubted(link, found) {
        Note::Stuck(DOUBTED.to_owned())
    } else {
        Note::Waiting("a create is being looked up".to_owned())
    }
}

/// The same, of somebody who is to have no account by now.
pub(super) fn note_of_leaver() -> Note {
    const LEFT: &str = "left, and may have an active account: a create was sent and got no good answer, and the \
        platform answers no look-up by filter, nor is its listing whole. Look for the account there and \
        deactivate it; Manntall looks again by itself, ever more seldom, and deactivates what it finds";
    Note::Stuck(LEFT.to_owned())
}
