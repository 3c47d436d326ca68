//! Drift: in what a resource differs from what was confirmed of it, and what the ledger makes of that.

use crate::core::model::{AccountEntry, AttrPath, Attributes, Datum, Link};
use crate::core::plan::same;

/// Where an account shows something other than what the target confirmed, or has been activated there.
pub(in crate::cycle) fn account_difference(entry: &AccountEntry, shown: &Attributes) -> Attributes {
    let active = AttrPath::active();
    let mut differs = match &entry.link {
        Link::Linked(_) => difference(&entry.sent, &entry.answered, shown),
        // What else a deactivated account holds is nobody's concern.
        _ => Attributes::new(),
    };
    differs.remove(&active);
    let should = matches!(entry.link, Link::Linked(_));
    let was_inactive = entry.sent.get(&active) == Some(&Datum::Bool(false));
    if let Some(value @ Datum::Bool(is)) = shown.get(&active)
        && (*is != should || (*is && was_inactive))
    {
        differs.insert(active, value.clone());
    }
    differs
}

/// Only what we have set is ours. A value that the target once answered in place of ours is known.
pub(super) fn difference(
    sent: &Attributes,
    answered: &Attributes,
    shown: &Attributes,
) -> Attributes {
    let differs = sent.iter().filter_map(|(path, sent)| {
        let confirmed = answered.get(path).unwrap_or(sent);
        let shown = shown.get(path)?;
        (!same(path, confirmed, shown)).then(|| (path.clone(), shown.clone()))
    });
    differs.collect()
}

pub(super) fn take_account(entry: &mut AccountEntry, shown: &Attributes, insists: bool) {
    let active = AttrPath::active();
    let mut others = shown.clone();
    if others.remove(&active) == Some(Datum::Bool(true))
        && let Some(id) = entry.link.managed()
    {
        entry.link = Link::Linked(id.clone());
        entry.sent.insert(active, Datum::Bool(true));
    }
    take(&mut entry.sent, &mut entry.answered, &others, insists);
}

/// Takes what is shown for what the target holds, or, where it insists, for its own way of showing what
/// we sent.
pub(super) fn take(
    sent: &mut Attributes,
    answered: &mut Attributes,
    shown: &Attributes,
    insists: bool,
) {
    for (path, value) in shown {
        if insists {
            answered.insert(path.clone(), value.clone());
        } else {
            answered.remove(path);
            sent.insert(path.clone(), value.clone());
        }
    }
}
