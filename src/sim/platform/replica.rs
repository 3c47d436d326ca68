//! Reads from a replica: whatever is read is as it was some time before, as where reads are spread over copies.

use super::fault::PathKind;
use super::store::Row;
use super::{Call, Platform};

impl Platform {
    /// Keeps what a resource is until the write that is about to be made.
    pub(super) fn leave_behind(&mut self, call: &Call) {
        let PathKind::Item(kind) = call.kind else { return };
        if self.faults.copy_lag_ms == 0 || call.request.method == "GET" {
            return;
        }
        if let Some(row) = self.store.get(kind, call.id()) {
            let until = (call.now_ms, row.clone());
            self.replica.entry(call.id().to_owned()).or_default().push(until);
        }
    }

    /// The resource as the replica has it by now.
    pub(super) fn behind<'a>(&'a self, row: &'a Row, now_ms: u64) -> &'a Row {
        let lag_ms = self.faults.copy_lag_ms;
        if lag_ms == 0 {
            return row;
        }
        let earlier = self.replica.get(&*row.id).map(Vec::as_slice).unwrap_or_default();
        let old = earlier.iter().find(|(until_ms, _)| until_ms + lag_ms > now_ms);
        old.map_or(row, |(_, old)| old)
    }
}
