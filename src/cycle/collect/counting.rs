//! Counting: what a complete read must show before its silence means anything.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::failing::{FAILURES_TOLD, UNUSABLE_TOLD, in_trouble};
use crate::core::model::{Element, Kind, ObjectId, SourceName, Timestamp};
use crate::core::report::Gap;
use crate::cycle::Engine;
use crate::cycle::page_loop::Failing;
use crate::cycle::records::Key;
use crate::graph::delta::{Lane, RefusedRead};
use crate::graph::{Disposition, GraphError};
use crate::store::StoreError;

/// A complete read may differ from the count by one in so many objects, for those that came and went
/// while it was read.
const COUNT_TOLERANCE: usize = 100;
/// By so many it may differ in any tenant: the count lags behind, and changes from call to call. Who is
/// missing is taken for gone after a second read only.
const COUNT_TOLERANCE_MIN: usize = 3;
/// A complete read that proved nothing is repeated after this.
pub(super) const REJECTED_RETRY: Duration = Duration::from_secs(10 * 60);

impl Engine {
    /// No count came. It is asked for a few times; then the read goes on without, and proves nobody's
    /// absence.
    pub(super) fn on_no_count(
        &mut self,
        source: SourceName,
        kind: Kind,
        error: &GraphError,
    ) -> Result<(), StoreError> {
        let Some(run) = self.sources.lanes.get_mut(&(source, kind)) else { return Ok(()) };
        let failures = run.failing(Lane::Full).requests + 1;
        let tries = match error {
            GraphError::Uncounted { .. } => 1,
            GraphError::Unusable { .. } => UNUSABLE_TOLD,
            error if asks_to_wait_long(error) => 2,
            _ => FAILURES_TOLD,
        };
        if failures < tries {
            self.on_walk_error(source, kind, Lane::Full, error);
            return Ok(());
        }
        if !std::mem::replace(&mut run.uncounted_told, true) {
            tracing::warn!(
                tenant = %source, kind = ?kind,
                "{} are not counted: {error}. Nobody is taken for gone because a complete read misses them until Graph \
                 counts again; everything else goes on",
                noun(kind)
            );
        }
        *run.failing_mut(Lane::Full) = Failing::default();
        self.on_count(source, kind, None)
    }

    /// A complete read proves something only when an independent count agrees, and never that nobody
    /// is left.
    pub(super) fn on_count(
        &mut self,
        source: SourceName,
        kind: Kind,
        count: Option<u64>,
    ) -> Result<(), StoreError> {
        if let Some(run) = self.sources.lanes.get_mut(&(source, kind)) {
            run.failing_mut(Lane::Full).answered();
        }
        let staged = self.state.staged(source, kind, Lane::Full)?;
        let (read, unknown) = alive(&staged);
        let counted = count.map(|count| usize::try_from(count).unwrap_or(usize::MAX));
        let known = self.state.mirrors.get(&source).map_or(0, |mirror| mirror.alive(kind));
        let is_off = |counted: usize| {
            let tolerance = COUNT_TOLERANCE_MIN.max(counted / COUNT_TOLERANCE);
            counted + tolerance < read || counted > read + unknown + tolerance
        };
        let now = self.clock.now();
        let Some(walk) = self.state.walks.get_mut(&(source, kind)) else { return Ok(()) };
        let trouble = if read + unknown == 0 && (known > 0 || kind == Kind::Users) {
            Some(format!(
                "a complete read came back empty, and {known} are known; nothing was changed. \
                 Check the permissions of the application in Entra. If there really are none left, \
                 one in Entra, however empty, lets Manntall go on"
            ))
        } else {
            counted.filter(|counted| is_off(*counted)).map(|counted| {
                format!(
                    "a complete read listed {read} {} but Graph counts {counted}; nothing was changed. \
                     Manntall reads again in {} minutes",
                    noun(kind).to_lowercase(),
                    REJECTED_RETRY.as_secs() / 60
                )
            })
        };
        match trouble {
            None => {
                walk.on_counted(count.is_some());
                // The delta round that follows is asked for from now on, and brings the read up to this
                // moment. One that was under way when the process ended does not.
                if let Some(run) = self.sources.lanes.get_mut(&(source, kind)) {
                    run.current.insert(Lane::Full);
                    run.uncounted_told &= count.is_none();
                }
            }
            Some(why) => {
                let message = in_trouble(69, &why);
                walk.refuse_full(now.plus(REJECTED_RETRY), RefusedRead { since: now, message });
                // What it tells is taken in next, and its link is polled.
                let goes_on = walk.folding().is_some();
                self.settle_trouble(source, kind);
                if !goes_on {
                    self.end_poll(source, kind);
                }
            }
        }
        self.state.mark(Key::Walk(source, kind));
        Ok(())
    }
}

/// Whether what answers asks for a wait that a read should not be put off for again and again.
fn asks_to_wait_long(error: &GraphError) -> bool {
    let wait = match error.disposition() {
        Disposition::Retry { after } => after,
        _ => None,
    };
    wait.is_some_and(|wait| wait > Duration::from_secs(60))
}

fn noun(kind: Kind) -> &'static str {
    match kind {
        Kind::Users => "Users",
        Kind::Groups => "Groups",
    }
}

/// Of how many users the elements never say whether the account may be used.
pub(super) fn untold(elements: &[Element]) -> usize {
    let mut told: BTreeMap<ObjectId, bool> = BTreeMap::new();
    for element in elements {
        match element {
            Element::User { id, properties, .. } => {
                *told.entry(*id).or_default() |= properties.contains_key("accountEnabled");
            }
            Element::Removed { id, .. } => drop(told.remove(id)),
            Element::Group { .. } | Element::Unreadable { .. } => {}
        }
    }
    told.into_values().filter(|told| !told).count()
}

/// Whether the next complete read should come soon, because of what could not be read: an element of any
/// round, and a property of a delta round. A property that a complete read cannot read either is no better
/// for being read again.
pub(super) fn unread(elements: &[Element], lane: Lane) -> bool {
    elements.iter().any(|element| match element {
        Element::Unreadable { .. } => true,
        Element::User { unread, .. } | Element::Group { unread, .. } => {
            lane == Lane::Delta && !unread.is_empty()
        }
        Element::Removed { .. } => false,
    })
}

/// What of the elements is not known: those that cannot be read, and users of whom it cannot be read whether
/// they may sign in.
pub(super) fn gap(elements: &[Element], now: Timestamp) -> Gap {
    let mut gap = Gap::none(now);
    for element in elements {
        match element {
            Element::Unreadable { id, .. } => gap.add(*id),
            Element::User { id, unread, .. }
                if unread.iter().any(|name| name.as_str() == "accountEnabled") =>
            {
                gap.add(Some(*id));
            }
            Element::User { .. } | Element::Group { .. } | Element::Removed { .. } => {}
        }
    }
    gap
}

/// How many objects the elements leave alive, and how many may be others: one that cannot be read stands
/// for somebody.
fn alive(elements: &[Element]) -> (usize, usize) {
    let (mut alive, mut unknown) = (BTreeSet::new(), 0);
    for element in elements {
        match element {
            Element::Removed { id, .. } => drop(alive.remove(id)),
            Element::User { id, .. }
            | Element::Group { id, .. }
            | Element::Unreadable { id: Some(id), .. } => drop(alive.insert(*id)),
            Element::Unreadable { id: None, .. } => unknown += 1,
        }
    }
    (alive.len(), unknown)
}
