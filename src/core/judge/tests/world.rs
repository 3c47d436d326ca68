//! Plans and populations, in few words.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::core::judge::{
    Approval, Claims, Guard, Judgement, JudgementContext, Meter, Of, Rejection, SourcePopulation,
    claims, judge,
};
use crate::core::model::{
    Account, AttrPath, Attributes, Datum, Entity, GroupKey, ObjectId, PersonId, SourceName,
    Timestamp, Wanted,
};
use crate::core::plan::{Action, Change, Changes, End};
use crate::core::policy::{Adopt, Budgets};

pub(super) const NOW: Timestamp = Timestamp(1_795_000_000_000);

pub(super) fn later(minutes: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(60 * minutes))
}

pub(super) fn source(name: &str) -> SourceName {
    SourceName::new(name)
}

pub(super) fn person_of(name: &str, number: usize) -> PersonId {
    let object = ObjectId::from_bytes((number as u128).to_be_bytes());
    PersonId { source: source(name), object }
}

pub(super) fn person(number: usize) -> PersonId {
    person_of("asker", number)
}

pub(super) fn account(number: usize) -> Entity {
    Entity::Account(person(number))
}

pub(super) fn group(number: usize) -> GroupKey {
    GroupKey::Rule { rule: "sections".into(), value: number.to_string().into() }
}

pub(super) fn member(of: usize, number: usize) -> Entity {
    Entity::Member(group(of), person(number))
}

pub(super) fn path(text: &str) -> AttrPath {
    AttrPath::parse(text).unwrap()
}

pub(super) fn change(action: Action, entity: Entity) -> Change {
    let (before, after) = (Attributes::new(), Account::new());
    Change {
        entity,
        action,
        before,
        after,
        reason: String::new().into(),
        follows: None,
        adopts: None,
    }
}

/// An update of one attribute; nothing known before where `before` is `None`.
pub(super) fn update(number: usize, at: &str, before: Option<Datum>, after: Datum) -> Change {
    let mut change = change(Action::Update, account(number));
    change.before.extend(before.map(|before| (path(at), before)));
    change.after.insert(path(at), Wanted::Value(after));
    change
}

pub(super) fn rename(number: usize) -> Change {
    let after = Datum::from(format!("kari.nordmann{number}@asker.example.no"));
    update(number, "userName", Some("kari.hansen@asker.example.no".into()), after)
}

pub(super) fn clear(number: usize) -> Change {
    update(number, "title", Some("Rådgiver".into()), Datum::Null)
}

pub(super) fn following(change: Change, end: End) -> Change {
    Change { follows: Some(end), ..change }
}

pub(super) fn plan(changes: impl IntoIterator<Item = Change>) -> Changes {
    changes.into_iter().map(Arc::new).collect()
}

pub(super) fn add(changes: &mut Changes, more: Changes) {
    more.into_values().for_each(|change| changes.insert(change));
}

pub(super) fn deactivations(numbers: impl IntoIterator<Item = usize>) -> Changes {
    plan(numbers.into_iter().map(|number| change(Action::Deactivate, account(number))))
}

/// So many active accounts, memberships and holders of `title`, all of one source.
pub(super) fn town(people: u64) -> JudgementContext {
    let mut context = JudgementContext { adopt: Adopt::Approve, ..JudgementContext::default() };
    let holders = BTreeMap::from([(path("title"), people)]);
    let all = SourcePopulation { accounts: people, active: people, memberships: people, holders };
    context.population.sources.insert(source("asker"), all);
    context
}

pub(super) fn meter(guard: Guard) -> Meter {
    Meter { guard, source: Some(source("asker")), of: Of::All }
}

pub(super) fn run(changes: &Changes, context: &JudgementContext) -> Judgement {
    run_at(changes, context, NOW)
}

pub(super) fn run_at(changes: &Changes, context: &JudgementContext, now: Timestamp) -> Judgement {
    judge(changes.clone(), context, &Budgets::default(), now)
}

pub(super) fn all_claims(changes: &Changes) -> Claims {
    changes.values().flat_map(|change| claims(change)).collect()
}

pub(super) fn approval(of: &Changes, at: Timestamp, until: Timestamp) -> Approval {
    Approval { claims: all_claims(of), by: "ola".into(), at, until, hold: None }
}

pub(super) fn rejection(of: &Changes, at: Timestamp) -> Rejection {
    Rejection { claims: all_claims(of), by: "per".into(), at }
}

/// Books what the judgement cleared unasked, as if all of it had been made.
pub(super) fn spend(judgement: &Judgement, context: &mut JudgementContext) {
    for cleared in judgement.cleared.values() {
        for meter in cleared.clearance().meters() {
            *context.spent.entry(meter.clone()).or_default() += 1;
        }
    }
}
