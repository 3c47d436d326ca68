//! Complete reads that were refused, in a report that was noted before, or by a process that was killed.

use super::Report;
use crate::cycle::Trouble;
use crate::cycle::state::State;
use crate::graph::delta::RefusedRead;

impl Report {
    /// With complete reads that were refused since it was noted, or that it does not tell of: a process that was
    /// killed may not have noted them.
    pub(super) fn with_refusals(mut self, state: &State) -> Self {
        for ((source, kind), walk) in &state.walks {
            let Some(RefusedRead { since, message }) = walk.refused.clone() else { continue };
            let troubles = &mut self.sources.entry(*source).or_default().troubles;
            if troubles.is_empty() {
                troubles.push((*kind, Trouble { since, code: 69, guard: None, message }));
            }
        }
        self
    }
}
