//! Counting: what a complete read must show before its silence means anything.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::core::model::{Element, Kind, ObjectId, SourceName};
use crate::cycle::Engine;
use crate::cycle::records::Key;
use crate::graph::delta::Lane;
use crate::store::StoreError;

/// A complete read may differ from the count by one in so many objects, for those that came and went
/// while it was read.
const COUNT_TOLERANCE: usize = 100;
/// A complete read that proved nothing is repeated after this.
pub(super) const REJECTED_RETRY: Duration = Duration::from_secs(10 * 60);

impl Engine {
    /// A complete read proves something only when an independent count agrees, and never that nobody
    /// is left.
    pub(super) fn on_count(
        &mut self,
        source: SourceName,
        kind: Kind,
        count: u64,
    ) -> Result<(), StoreError> {
        let staged = self.state.staged(source, kind, Lane::Full)?;
        let read = alive(&staged);
        let counted = usize::try_from(count).unwrap_or(usize::MAX);
        let known = self.state.mirrors.get(&source).map_or(0, |mirror| mirror.alive(kind));
        let tolerance = counted / COUNT_TOLERANCE;
        let now = self.clock.now();
        let Some(walk) = self.state.walks.get_mut(&(source, kind)) else { return Ok(()) };
        let contradicts = (read == 0) != (counted == 0);
        let trouble = if read == 0 && (known > 0 || kind == Kind::Users) {
            Some(format!(
                "a complete read came back empty, and {known} are known; nothing was changed. \
                 Check the permissions of the application in Entra. If there really are none left, \
                 one in Entra, however empty, lets Manntall go on"
            ))
        } else if contradicts || read.abs_diff(counted) > tolerance {
            Some(format!(
                "a complete read listed {read} but Graph counts {counted}; nothing was changed. \
                 Manntall reads again in {} minutes",
                REJECTED_RETRY.as_secs() / 60
            ))
        } else {
            None
        };
        match trouble {
            None => {
                walk.on_counted();
                // The delta round that follows is asked for from now on, and brings the read up to this
                // moment. One that was under way when the process ended does not.
                if let Some(run) = self.lanes.get_mut(&(source, kind)) {
                    run.current.insert(Lane::Full);
                }
            }
            Some(message) => {
                walk.reject_full(now.plus(REJECTED_RETRY));
                self.walk_trouble(source, kind, 69, &message);
                self.end_poll(source, kind);
            }
        }
        self.state.mark(Key::Walk(source, kind));
        Ok(())
    }
}

/// Of how many users the elements never say whether the account may be used.
pub(super) fn untold(elements: &[Element]) -> usize {
    let mut told: BTreeMap<ObjectId, bool> = BTreeMap::new();
    for element in elements {
        match element {
            Element::User { id, properties } => {
                *told.entry(*id).or_default() |= properties.contains_key("accountEnabled");
            }
            Element::Removed { id, .. } => drop(told.remove(id)),
            Element::Group { .. } => {}
        }
    }
    told.into_values().filter(|told| !told).count()
}

/// How many objects the elements leave alive.
fn alive(elements: &[Element]) -> usize {
    let mut alive = BTreeSet::new();
    for element in elements {
        match element {
            Element::Removed { id, .. } => alive.remove(id),
            Element::User { id, .. } | Element::Group { id, .. } => alive.insert(*id),
        };
    }
    alive.len()
}
