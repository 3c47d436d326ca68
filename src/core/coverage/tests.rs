//! What counts as withheld, and what stays as it is.

#![expect(clippy::unwrap_used, reason = "tests fail loudly")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::{ACCOUNT_ENABLED, Coverage, Glance, Withheld, few_of};
use crate::core::expression::{Expression, Subject};
use crate::core::mirror::{Folding, Mirror, Round};
use crate::core::model::{
    Datum, Element, Kind, ObjectId, Presence, Properties, SourceGroup, SourceUser, Timestamp,
    Tombstone,
};

const NOW: Timestamp = Timestamp(1_795_000_000_000);

fn id(number: usize) -> ObjectId {
    ObjectId::from_bytes((number as u128).to_be_bytes())
}

fn selected() -> BTreeSet<String> {
    ["accountEnabled", "department", "jobTitle"].map(str::to_owned).into()
}

/// A town in which the first `titled` of `people` have a title.
fn town(people: usize, titled: usize) -> Mirror {
    let mut mirror = Mirror::default();
    for number in 0..people {
        let properties = [
            ("accountEnabled".to_owned(), Datum::Bool(true)),
            ("jobTitle".to_owned(), if number < titled { "Leder".into() } else { Datum::Null }),
        ];
        let properties = Arc::new(Properties::from(properties));
        let user =
            SourceUser { presence: Presence::Present, kept: true, properties, partial: false };
        mirror.users.insert(id(number), user);
    }
    mirror
}

fn told(number: usize, properties: &[(&str, Datum)]) -> Element {
    let properties =
        properties.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    Element::User { id: id(number), properties, unread: Vec::new() }
}

/// A complete read in which those for whom `keeps` says so still have their title.
fn read(mirror: &Mirror, keeps: impl Fn(usize) -> bool) -> Vec<Element> {
    let people = 0..mirror.users.len();
    people
        .map(|number| {
            let title = if keeps(number) { "Leder".into() } else { Datum::Null };
            told(number, &[("accountEnabled", Datum::Bool(true)), ("jobTitle", title)])
        })
        .collect()
}

fn after(coverage: &Coverage, mirror: &Mirror, round: Round, elements: &[Element]) -> Coverage {
    let selected = selected();
    let glance = Glance { kind: Kind::Users, round, selected: &selected, elements, mirror };
    coverage.after(&glance, NOW)
}

fn withholds(coverage: &Coverage) -> Vec<&str> {
    coverage.withheld.keys().map(String::as_str).collect()
}

#[test]
fn a_fall_from_98_to_under_80_per_cent_is_sudden_and_a_smaller_one_is_not() {
    let mirror = town(1000, 980);
    for (left, falls) in
        [(980, false), (900, false), (817, false), (816, true), (799, true), (0, true)]
    {
        let read = read(&mirror, |number| number < left);
        let coverage = after(&Coverage::default(), &mirror, Round::Full(2), &read);
        assert_eq!(withholds(&coverage) == ["jobTitle"], falls, "{left}");
    }
}

#[test]
fn fewer_than_ten_are_everyday_work_unless_nobody_is_left() {
    for (people, left, falls) in [
        (60, 50, false),
        (20, 11, false),
        (20, 10, true),
        (9, 1, false),
        (9, 0, true),
        (5, 0, true),
        (4, 0, false),
    ] {
        let mirror = town(people, people);
        let read = read(&mirror, |number| number < left);
        let coverage = after(&Coverage::default(), &mirror, Round::Full(2), &read);
        assert_eq!(!coverage.withheld.is_empty(), falls, "{people} {left}");
    }
}

#[test]
fn a_property_that_a_complete_read_no_longer_carries_is_withheld_like_a_null() {
    let mirror = town(100, 100);
    let read: Vec<Element> =
        (0..100).map(|number| told(number, &[("accountEnabled", Datum::Bool(true))])).collect();
    let coverage = after(&Coverage::default(), &mirror, Round::Full(2), &read);
    assert_eq!(withholds(&coverage), ["jobTitle"]);
    assert_eq!((coverage.withheld["jobTitle"].had, coverage.withheld["jobTitle"].lost), (100, 100));
}

#[test]
fn delta_rounds_are_counted_together_since_the_last_complete_read() {
    let mut mirror = town(60, 60);
    let mut coverage = Coverage::default();
    for round in 0..4 {
        let page: Vec<Element> = (round * 3..round * 3 + 3)
            .map(|number| told(number, &[("jobTitle", Datum::Null)]))
            .collect();
        coverage = after(&coverage, &mirror, Round::Delta, &page);
        fold(&mut mirror, &coverage, Round::Delta, page);
        // Nine are fewer than ten; with twelve of sixty it is one in five.
        assert_eq!(withholds(&coverage).len(), usize::from(round == 3), "{round}");
    }
    assert_eq!(coverage.withheld["jobTitle"].lost, 12);
}

#[test]
fn a_delta_round_that_says_nothing_of_a_property_takes_it_from_nobody() {
    let mirror = town(60, 60);
    let page: Vec<Element> =
        (0..60).map(|number| told(number, &[("department", "Skole".into())])).collect();
    assert_eq!(after(&Coverage::default(), &mirror, Round::Delta, &page), Coverage::default());
}

#[test]
fn one_person_without_an_account_state_is_enough_and_nobody_can_accept_that() {
    let mirror = town(100, 100);
    let mut read = read(&mirror, |_| true);
    read[7] = told(7, &[("jobTitle", "Leder".into())]);
    let mut coverage = after(&Coverage::default(), &mirror, Round::Full(2), &read);
    assert_eq!(withholds(&coverage), ["accountEnabled"]);
    assert_eq!(coverage.acceptable().count(), 0);
    coverage.accept("accountEnabled");
    assert_eq!(withholds(&coverage), ["accountEnabled"]);
}

#[test]
fn what_is_back_in_a_complete_read_is_released_by_itself() {
    let mirror = town(100, 100);
    let lost = after(&Coverage::default(), &mirror, Round::Full(2), &read(&mirror, |_| false));
    let still = after(&lost, &mirror, Round::Full(3), &read(&mirror, |number| number < 50));
    assert_eq!(withholds(&still), ["jobTitle"]);
    let back = after(&still, &mirror, Round::Full(4), &read(&mirror, |number| number < 95));
    assert_eq!(back, Coverage::default());
}

#[test]
fn what_somebody_accepted_is_taken_as_it_stands_once() {
    let mut mirror = town(100, 100);
    let gone = read(&mirror, |_| false);
    let mut coverage = after(&Coverage::default(), &mirror, Round::Full(2), &gone);
    coverage.accept("jobTitle");
    let page = [told(1, &[("jobTitle", Datum::Null)])];
    coverage = after(&coverage, &mirror, Round::Delta, &page);
    assert!(coverage.accepted.contains("jobTitle"));
    coverage = after(&coverage, &mirror, Round::Full(3), &gone);
    assert_eq!((withholds(&coverage).len(), coverage.accepted.len()), (0, 0));
    fold(&mut mirror, &coverage, Round::Full(3), gone);
    assert_eq!(mirror.users[&id(5)].properties.get("jobTitle"), Some(&Datum::Null));
}

fn fold(mirror: &mut Mirror, coverage: &Coverage, round: Round, elements: Vec<Element>) {
    let keep = Expression::parse("user.accountEnabled == true or true", Subject::User).unwrap();
    let selected = coverage.told(&selected());
    let listed = if round == Round::Delta { 0 } else { elements.len() };
    let (kind, selected, keep) = (Kind::Users, &selected, &keep);
    let how = Folding { kind, round, listed, selected, keep, doubted: false, counted: true };
    mirror.fold(&how, coverage.believed(elements));
}

proptest! {
    /// Whatever a round says: nobody loses the last known value of a withheld property, and what is
    /// not withheld is folded as if there were no guard.
    #[test]
    fn withheld_properties_keep_their_last_known_values(
        people in 0_usize..40,
        titled in 0_usize..40,
        says in vec(0_u8..4, 40),
        full in any::<bool>(),
    ) {
        let before = town(people, titled.min(people));
        let elements: Vec<Element> = (0..people).filter_map(|number| {
            let title = match says[number] {
                0 => return (full).then(|| told(number, &[])),
                1 => return Some(told(number, &[("accountEnabled", Datum::Bool(true))])),
                2 => Datum::Null,
                _ => "Rådgiver".into(),
            };
            let enabled = ("accountEnabled", Datum::Bool(true));
            Some(told(number, &[enabled, ("jobTitle", title)]))
        }).collect();
        let round = if full { Round::Full(2) } else { Round::Delta };
        let coverage = after(&Coverage::default(), &before, round, &elements);
        let (mut guarded, mut plain) = (before.clone(), before.clone());
        fold(&mut guarded, &coverage, round, elements.clone());
        fold(&mut plain, &Coverage::default(), round, elements.clone());
        for (number, user) in &guarded.users {
            let held = before.users[number].properties.get("jobTitle");
            let now = user.properties.get("jobTitle");
            if coverage.withheld.contains_key("jobTitle") {
                prop_assert!(now == held || now == Some(&"Rådgiver".into()), "{now:?}");
            } else {
                prop_assert_eq!(now, plain.users[number].properties.get("jobTitle"));
            }
        }
        // After a kill in the middle of the fold the same round is judged once more.
        let again = after(&coverage, &guarded, round, &elements);
        for name in again.withheld.keys() {
            prop_assert!(coverage.withheld.contains_key(name), "{}", name);
        }
    }
}

#[test]
fn the_share_falls_when_a_property_is_withheld_although_the_mirror_keeps_it() {
    let mirror = town(1000, 980);
    let shares = |coverage: &Coverage| coverage.shares(&mirror, &selected());
    let before = shares(&Coverage::default());
    assert_eq!(before["jobTitle"], (980, 1000));
    assert_eq!(before["accountEnabled"], (1000, 1000));
    assert_eq!(before["department"], (0, 1000));
    let read = read(&mirror, |number| number < 400);
    let coverage = after(&Coverage::default(), &mirror, Round::Full(2), &read);
    assert_eq!(shares(&coverage)["jobTitle"], (400, 1000));
}

#[test]
fn no_delta_round_ends_a_withholding() {
    let mirror = town(100, 100);
    let lost = after(&Coverage::default(), &mirror, Round::Full(2), &read(&mirror, |_| false));
    for page in [
        vec![told(1, &[("department", "Skole".into())])],
        vec![told(1, &[("jobTitle", "Rådgiver".into())])],
        (0..100).map(|number| told(number, &[("jobTitle", "Leder".into())])).collect(),
    ] {
        let next = after(&lost, &mirror, Round::Delta, &page);
        assert_eq!(withholds(&next), ["jobTitle"]);
        let [next, lost] = [&next, &lost].map(|one| &one.withheld["jobTitle"]);
        assert_eq!((next.since, next.had), (lost.since, lost.had));
    }
}

#[test]
fn what_cannot_be_read_is_not_lost_but_for_whether_somebody_may_sign_in() {
    let mirror = town(100, 100);
    let unread = |name: &str, other: (&str, Datum)| -> Vec<Element> {
        let one = |number| Element::User {
            id: id(number),
            properties: [(other.0.to_owned(), other.1.clone())].into(),
            unread: vec![name.into()],
        };
        (0..100).map(one).collect()
    };
    let titles = unread("jobTitle", ("accountEnabled", Datum::Bool(true)));
    let coverage = after(&Coverage::default(), &mirror, Round::Full(2), &titles);
    assert_eq!(coverage, Coverage::default());
    let states = unread("accountEnabled", ("jobTitle", "Leder".into()));
    let coverage = after(&Coverage::default(), &mirror, Round::Full(2), &states);
    assert_eq!(withholds(&coverage), ["accountEnabled"]);
    // Nor does an element that cannot be read at all say anything of those whom it is about.
    let nothing =
        |number| Element::Unreadable { id: Some(id(number)), properties: Properties::new() };
    let unreadable: Vec<Element> = (0..100).map(nothing).collect();
    let coverage = after(&Coverage::default(), &mirror, Round::Full(2), &unreadable);
    assert_eq!(coverage, Coverage::default());
}

/// Groups of which the first `described` have a description.
fn groups(number: usize, described: usize) -> Mirror {
    let mut mirror = Mirror::default();
    for number in 0..number {
        let text = if number < described { "Vei".into() } else { Datum::Null };
        let group = SourceGroup {
            presence: Presence::Present,
            properties: Arc::new(Properties::from([("jobTitle", text)])),
            members: BTreeMap::new(),
            whole: true,
            left: None,
            emptied: false,
        };
        mirror.groups.insert(id(number), group);
    }
    mirror
}

fn group(number: usize, text: Datum) -> Element {
    let properties = Properties::from([("jobTitle", text)]);
    let (added, removed, unread) = (Vec::new(), Vec::new(), Vec::new());
    Element::Group { id: id(number), properties, added, removed, unread }
}

#[test]
fn groups_are_watched_like_people_and_those_that_are_gone_are_not() {
    let after = |mirror: &Mirror, round, elements: &[Element]| {
        let selected = selected();
        let glance = Glance { kind: Kind::Groups, round, selected: &selected, elements, mirror };
        Coverage::default().after(&glance, NOW)
    };
    let mut mirror = groups(40, 30);
    let lost: Vec<Element> = (0..40).map(|number| group(number, Datum::Null)).collect();
    for round in [Round::Full(2), Round::Delta] {
        let coverage = after(&mirror, round, &lost);
        assert_eq!(
            (coverage.withheld["jobTitle"].had, coverage.withheld["jobTitle"].lost),
            (30, 30)
        );
        assert_eq!(coverage.withheld["jobTitle"].since, NOW);
        let believed = coverage.believed(lost.clone());
        let Element::Group { properties, .. } = &believed[0] else { unreachable!() };
        assert!(properties.is_empty());
    }
    mirror.groups.values_mut().for_each(|one| one.presence = Presence::Removed(Tombstone::Purged));
    assert_eq!(after(&mirror, Round::Full(2), &lost), Coverage::default());
}

#[test]
fn who_is_gone_or_not_kept_has_lost_nothing() {
    let read: Vec<Element> =
        (0..100).map(|number| told(number, &[("jobTitle", Datum::Null)])).collect();
    let mut mirror = town(100, 100);
    for (gone, kept) in [(true, true), (false, false)] {
        for user in mirror.users.values_mut() {
            user.presence =
                if gone { Presence::Removed(Tombstone::Purged) } else { Presence::Present };
            user.kept = kept;
        }
        assert_eq!(
            after(&Coverage::default(), &mirror, Round::Full(2), &read),
            Coverage::default()
        );
        assert_eq!(Coverage::default().shares(&mirror, &selected())["jobTitle"], (0, 0));
    }
    // The tombstone of the round counts, and words behind it do.
    let mirror = town(100, 100);
    let gone = |number| Element::Removed { id: id(number), tombstone: Tombstone::Purged };
    let with_gone: Vec<Element> = read.iter().cloned().chain((0..100).map(gone)).collect();
    assert_eq!(after(&Coverage::default(), &mirror, Round::Delta, &with_gone), Coverage::default());
    let back: Vec<Element> = with_gone.into_iter().chain(read).collect();
    assert_eq!(withholds(&after(&Coverage::default(), &mirror, Round::Delta, &back)), ["jobTitle"]);
}

#[test]
fn the_last_word_of_a_round_on_a_property_counts() {
    let mirror = town(100, 100);
    let all = |title: &Datum| {
        (0..100).map(|number| told(number, &[("jobTitle", title.clone())])).collect::<Vec<_>>()
    };
    let (has, none) = (all(&"Leder".into()), all(&Datum::Null));
    for (round, first, last, falls) in [
        (Round::Delta, &has, &none, true),
        (Round::Delta, &none, &has, false),
        (Round::Full(2), &none, &has, false),
    ] {
        let elements: Vec<Element> = first.iter().chain(last).cloned().collect();
        let coverage = after(&Coverage::default(), &mirror, round, &elements);
        assert_eq!(withholds(&coverage).contains(&"jobTitle"), falls, "{round:?}");
    }
}

#[test]
fn whoever_has_a_property_again_makes_up_for_whoever_lost_it() {
    let mirror = town(100, 50);
    let page = |from: usize, to: usize, title: Datum| -> Vec<Element> {
        (from..to).map(|number| told(number, &[("jobTitle", title.clone())])).collect()
    };
    let after =
        |coverage: &Coverage, page: &[Element]| after(coverage, &mirror, Round::Delta, page);
    let lost = after(&Coverage::default(), &page(0, 8, Datum::Null));
    assert_eq!((lost.lost.get("jobTitle"), withholds(&lost).len()), (Some(&8), 0));
    let found = after(&lost, &page(60, 65, "Vikar".into()));
    assert_eq!(found.lost.get("jobTitle"), Some(&3));
    assert_eq!(after(&found, &page(60, 70, "Vikar".into())).lost.get("jobTitle"), None);
    assert_eq!(withholds(&after(&lost, &page(8, 12, Datum::Null))), ["jobTitle"]);
}

#[test]
fn a_withholding_keeps_its_beginning_and_ends_with_the_question() {
    let mirror = town(100, 100);
    let nobody = read(&mirror, |_| false);
    let first = after(&Coverage::default(), &mirror, Round::Full(2), &nobody);
    let mut earlier = first.clone();
    let since = Timestamp(NOW.0 - 1000);
    earlier.withheld.values_mut().for_each(|one| one.since = since);
    let still = after(&earlier, &mirror, Round::Full(3), &nobody);
    assert_eq!(still.withheld["jobTitle"].since, since);
    let names: Vec<_> = still.acceptable().map(|(name, one)| (name, one.lost)).collect();
    assert_eq!(names, [("jobTitle", 100)]);
    assert!(!still.told(&selected()).contains("jobTitle") && still.told(&selected()).len() == 2);
    // Nobody asks for the property any more.
    let selected = BTreeSet::from(["accountEnabled".to_owned()]);
    let (kind, round, elements, mirror) = (Kind::Users, Round::Delta, [].as_slice(), &mirror);
    let glance = Glance { kind, round, selected: &selected, elements, mirror };
    assert!(still.after(&glance, NOW).withheld.is_empty());
    // What is not withheld cannot be accepted.
    let mut none = Coverage::default();
    none.accept("jobTitle");
    assert_eq!(none, Coverage::default());
}

#[test]
fn whoever_is_counted_is_not_counted_again_and_is_taken_off_when_it_is_back() {
    let mut mirror = town(60, 60);
    let lose = |numbers: std::ops::Range<usize>| {
        numbers.map(|number| told(number, &[("jobTitle", Datum::Null)])).collect::<Vec<_>>()
    };
    let mut coverage = Coverage::default();
    let mut round = |mirror: &mut Mirror, elements: Vec<Element>| {
        coverage = after(&coverage, mirror, Round::Delta, &elements);
        fold(mirror, &coverage, Round::Delta, elements);
        coverage.withheld.get("jobTitle").map(|one| (one.lost, one.had))
    };
    assert_eq!(round(&mut mirror, lose(0..5)), None);
    assert_eq!(round(&mut mirror, lose(5..18)), Some((18, 60)));
    // Something else of them has changed, and Graph tells the rest again.
    assert_eq!(round(&mut mirror, lose(6..16)), Some((18, 60)));
    assert_eq!(round(&mut mirror, lose(18..20)), Some((20, 60)));
    let back = vec![told(19, &[("jobTitle", "Leder".into())])];
    assert_eq!(round(&mut mirror, back.clone()), Some((19, 60)));
    assert_eq!(round(&mut mirror, back), Some((19, 60)));
    let gone = Element::Removed { id: id(18), tombstone: Tombstone::Purged };
    assert_eq!(round(&mut mirror, vec![gone]), Some((18, 60)));
}

#[test]
fn few_are_three_or_one_in_a_hundred_and_all_are_known() {
    for (all, few) in [(0, 3), (300, 3), (399, 3), (400, 4), (50_000, 500)] {
        assert_eq!(few_of(all), few, "{all}");
    }
    for (lost, known, is_few) in [(1, 1, true), (10, 10, true), (11, 11, false), (10, 9, false)] {
        let who: BTreeSet<_> = (0..known).map(id).collect();
        let withheld = Withheld { since: NOW, had: 1000, lost, who: who.clone() };
        assert_eq!(withheld.few(), is_few.then_some(&who), "{lost} lost, {known} known");
    }
}

#[test]
fn whoever_comes_with_null_for_signing_in_has_lost_it_once() {
    let mut mirror = town(1000, 0);
    for (number, kept, partial) in [(7, false, false), (8, true, true)] {
        let user = mirror.users.get_mut(&id(number)).unwrap();
        (user.kept, user.partial) = (kept, partial);
    }
    let ids = |numbers: &[usize]| numbers.iter().copied().map(id).collect::<BTreeSet<_>>();
    let mut coverage = Coverage::default();
    coverage.lose_states(&ids(&[7, 8, 5000]), &mirror, NOW);
    assert_eq!(coverage, Coverage::default(), "of them nothing was known");
    for (told, lost, count) in
        [(&[1, 2][..], &[1, 2][..], 2), (&[2, 3], &[1, 2, 3], 3), (&[1], &[1, 2, 3], 3)]
    {
        let now = if count == 2 { NOW } else { Timestamp(NOW.0 + 1) };
        coverage.lose_states(&ids(told), &mirror, now);
        let withheld = Withheld { since: NOW, had: 998, lost: count, who: ids(lost) };
        assert_eq!(coverage.withheld.get(ACCOUNT_ENABLED), Some(&withheld));
        assert_eq!(coverage.lost.get(ACCOUNT_ENABLED), Some(&count));
    }
    // Nobody loses it more often than there are people.
    let few = town(2, 0);
    let mut coverage = Coverage::default();
    coverage.lose_states(&ids(&[0, 1]), &few, NOW);
    coverage.withheld.get_mut(ACCOUNT_ENABLED).unwrap().who.clear();
    coverage.lose_states(&ids(&[0, 1]), &few, NOW);
    assert_eq!(coverage.withheld.get(ACCOUNT_ENABLED).map(|one| one.lost), Some(2));
}

#[test]
fn a_complete_read_counts_anew_who_had_what_is_withheld() {
    let (before, now) = (town(1000, 980), town(1000, 500));
    let withheld = after(&Coverage::default(), &before, Round::Full(2), &read(&before, |_| false));
    assert_eq!(withheld.withheld.get("jobTitle").map(|one| one.had), Some(980));
    let again = after(&withheld, &now, Round::Full(3), &read(&now, |_| false));
    assert_eq!(again.withheld.get("jobTitle").map(|one| one.had), Some(500));
}
