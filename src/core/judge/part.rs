//! The parts of a change that are judged by themselves. A change of values falls into one for each thing
//! that a guard watches, and the rest, which nothing watches and nothing holds up. Whatever else is done to
//! an account, such as making it, is one part that everything else in the change needs.

use super::guarded::{Aspect, Guarded};
use super::meter::{self, Guard, Meter, Of};
use super::{Clearance, JudgementContext};
use crate::core::model::{AttrPath, Datum, Wanted};
use crate::core::plan::{Action, Change, ChangeDigest};
use crate::core::policy::Adopt;

/// A part of a change that at least one meter counts.
pub(super) struct Part {
    pub(super) extent: Extent,
    /// What a word about it must name.
    pub(super) claims: Vec<(Guarded, ChangeDigest)>,
    /// Never empty, the strictest first.
    pub(super) meters: Vec<Meter>,
}

/// How much of the change a part is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Extent {
    /// All that is no part of its own; nothing of the change is made without it.
    Core,
    /// These attributes.
    Values(Vec<AttrPath>),
}

/// The parts that something limits, in the order of the guards.
pub(super) fn parts(change: &Change, context: &JudgementContext) -> Vec<Part> {
    let aspect = match change.action {
        Action::Update => return values(change),
        Action::Reactivate => Aspect::Return,
        Action::Create | Action::GroupCreate => Aspect::Creation,
        Action::Adopt | Action::GroupAdopt => Aspect::Adoption,
        Action::Deactivate => Aspect::Departure,
        Action::Delete | Action::GroupDelete => Aspect::Deletion,
        Action::MemberRemove => Aspect::Removal,
        Action::GroupUpdate | Action::MemberAdd => return Vec::new(),
    };
    let meters = meter::of_core(change, context);
    if meters.is_empty() {
        return Vec::new();
    }
    let mut parts = vec![core_of(change, aspect, meters)];
    if change.action == Action::Reactivate {
        parts.extend(values(change));
    }
    parts
}

/// Making what somebody said may not be taken over, or taking over what may not be made: for that it is not
/// limited by numbers, and never goes unasked.
pub(super) fn instead(change: &Change) -> Part {
    let aspect = match change.action {
        Action::Adopt | Action::GroupAdopt => Aspect::Adoption,
        _ => Aspect::Creation,
    };
    core_of(change, aspect, vec![Meter { guard: Guard::Adopt, source: None, of: Of::All }])
}

fn core_of(change: &Change, aspect: Aspect, meters: Vec<Meter>) -> Part {
    let shown = match &aspect {
        Aspect::Adoption => {
            let active = change.after.get(&AttrPath::active());
            ChangeDigest::of(&(&change.adopts, active))
        }
        _ => ChangeDigest::of(&()),
    };
    let subject = Guarded::Of { entity: change.entity.clone(), aspect };
    Part { extent: Extent::Core, claims: vec![(subject, shown)], meters }
}

/// What guards watch among the values of an account that is there: a new name, each attribute that is
/// cleared, and that somebody else's deactivation is undone. A value that is unknown before can be neither
/// of the first two.
fn values(change: &Change) -> Vec<Part> {
    let source = meter::source_of(&change.entity);
    let claim = |path: &AttrPath, after: &Datum| {
        let aspect = Aspect::Value(path.clone());
        (Guarded::Of { entity: change.entity.clone(), aspect }, ChangeDigest::of(after))
    };
    let part = |meter, claims: Vec<_>, paths| Part {
        extent: Extent::Values(paths),
        claims,
        meters: vec![meter],
    };
    let mut parts = Vec::new();
    let (mut names, mut paths) = (Vec::new(), Vec::new());
    for (path, wanted) in &change.after {
        let Wanted::Value(after) = wanted else { continue };
        if meter::is_inactive_elsewhere(change) && *path == AttrPath::active() {
            let meter = Meter { guard: Guard::Inactive, source, of: Of::All };
            parts.push(part(meter, vec![claim(path, after)], vec![path.clone()]));
            continue;
        }
        let Some(before) = change.before.get(path).filter(|before| !before.is_unassigned()) else {
            continue;
        };
        if after.is_unassigned() {
            let meter = Meter { guard: Guard::Clear, source, of: Of::Attribute(path.clone()) };
            parts.push(part(meter, vec![claim(path, after)], vec![path.clone()]));
        } else if meter::names(path) && !meter::same_name(before, after) {
            names.push(claim(path, after));
            paths.push(path.clone());
        }
    }
    if !names.is_empty() {
        let meter = Meter { guard: Guard::Rename, source, of: Of::All };
        parts.insert(0, part(meter, names, paths));
    }
    parts
}

/// The changes that this one may come to when some of it waits: each part that is guarded by itself, and the
/// rest without them.
pub fn pieces(change: &Change) -> Vec<Change> {
    let context = JudgementContext { adopt: Adopt::Approve, ..JudgementContext::default() };
    let parts = parts(change, &context);
    let own = || parts.iter().filter(|part| part.extent != Extent::Core);
    if own().next().is_none() {
        return Vec::new();
    }
    let mut pieces = vec![change.only(|path| !own().any(|part| part.extent.has(path)))];
    pieces.extend(own().map(|part| change.only(|path| part.extent.has(path))));
    pieces
}

impl Extent {
    /// Whether the attribute belongs to it by name.
    pub(super) fn has(&self, path: &AttrPath) -> bool {
        matches!(self, Self::Values(paths) if paths.contains(path))
    }
}

/// Why all of these parts may be made, taken together.
pub(super) fn together<'a>(clearances: impl IntoIterator<Item = &'a Clearance>) -> Clearance {
    let mut all = Clearance::Unasked { meters: Vec::new() };
    for one in clearances {
        let mut meters = all.meters().to_vec();
        meters.extend_from_slice(one.meters());
        let latest =
            [&all, one].into_iter().filter_map(Clearance::approval).max_by_key(|(_, at)| *at);
        all = match latest {
            Some((by, at)) => {
                // They are sent together, so for as long as each of them may be.
                let until = [all.until(), one.until()].into_iter().flatten().min().unwrap_or(at);
                Clearance::Approved { by: by.clone(), at, until, meters }
            }
            None => Clearance::Unasked { meters },
        };
    }
    all
}
