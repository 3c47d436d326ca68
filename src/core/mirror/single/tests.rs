//! What becomes of somebody whom `keep` begins to keep, and of what a refused complete read tells.

#![expect(clippy::unwrap_used, reason = "tests fail loudly")]

use std::collections::BTreeSet;

use crate::core::expression::{Expression, Subject};
use crate::core::mirror::{Folding, Mirror, Round};
use crate::core::model::{
    Datum, Element, Kind, MemberKind, ObjectId, Presence, Properties, SourceUser, Tombstone,
};

const KEEP: &str = "user.userType != \"Guest\"";

fn id(number: u8) -> ObjectId {
    ObjectId::from_bytes([number; 16])
}

fn user(number: u8, properties: &[(&str, &str)]) -> Element {
    let properties = properties.iter().map(|&(name, value)| (name.to_owned(), Datum::from(value)));
    Element::User { id: id(number), properties: properties.collect(), unread: Vec::new() }
}

/// Whether somebody may sign in, as told.
fn may_sign_in(number: u8) -> Element {
    let properties = [("accountEnabled".to_owned(), Datum::Bool(true))].into();
    Element::User { id: id(number), properties, unread: Vec::new() }
}

/// A member who may sign in, or may not.
fn member(number: u8, may_sign_in: bool) -> Element {
    let properties = [
        ("accountEnabled".to_owned(), Datum::Bool(may_sign_in)),
        ("userType".to_owned(), "Member".into()),
    ];
    Element::User { id: id(number), properties: properties.into(), unread: Vec::new() }
}

/// Hands `work` how rounds of users, or of groups, are folded.
fn with<T>(kind: Kind, round: Round, listed: usize, work: impl FnOnce(&Folding<'_>) -> T) -> T {
    let keep = Expression::parse(KEEP, Subject::User).unwrap();
    let selected: BTreeSet<String> =
        ["accountEnabled", "userType", "jobTitle", "department", "manager", "displayName"]
            .map(str::to_owned)
            .into();
    let (selected, keep) = (&selected, &keep);
    work(&Folding { kind, round, listed, selected, keep, doubted: false, counted: true })
}

fn fold(mirror: &mut Mirror, round: Round, listed: usize, elements: Vec<Element>) {
    with(Kind::Users, round, listed, |how| mirror.fold(how, elements));
}

fn complete(mirror: &mut Mirror, element: Element) -> bool {
    with(Kind::Users, Round::Delta, 0, |how| mirror.complete(how, element))
}

#[test]
fn whoever_comes_without_a_word_on_signing_in_is_read_by_a_single_read() {
    let mut mirror = town();
    let newcomer = || user(3, &[("userType", "Member"), ("jobTitle", "Vikar")]);
    fold(&mut mirror, Round::Delta, 0, vec![newcomer(), user(4, &[("userType", "Guest")])]);
    assert_eq!(mirror.to_be_read(), [id(3)].into(), "nobody asks about a guest");
    assert!(complete(&mut mirror, may_sign_in(3)) && mirror.to_be_read().is_empty());
    // Of somebody known, what is not told has not changed; of somebody who is back, nothing is known.
    fold(&mut mirror, Round::Delta, 0, vec![newcomer()]);
    assert!(mirror.to_be_read().is_empty());
    let gone = Element::Removed { id: id(3), tombstone: Tombstone::SoftDeleted };
    fold(&mut mirror, Round::Delta, 0, vec![gone]);
    fold(&mut mirror, Round::Delta, 0, vec![newcomer()]);
    assert_eq!(mirror.to_be_read(), [id(3)].into());
    assert_eq!(text(&mirror, 3, "accountEnabled"), None);
    // A list is whole: where it leaves that out, coverage says whether it is withheld.
    let mut listed = Mirror::default();
    fold(&mut listed, Round::Full(1), 1, vec![newcomer()]);
    assert!(listed.to_be_read().is_empty());
}

#[test]
fn a_change_of_somebody_whom_no_read_has_shown_is_no_description() {
    let keep = Expression::parse(KEEP, Subject::User).unwrap();
    let selected: BTreeSet<String> =
        ["accountEnabled", "userPrincipalName", "userType", "jobTitle", "manager"]
            .map(str::to_owned)
            .into();
    let how = Folding {
        kind: Kind::Users,
        round: Round::Delta,
        listed: 0,
        selected: &selected,
        keep: &keep,
        doubted: false,
        counted: true,
    };
    let mut mirror = town();
    mirror.fold(&how, [may_sign_in(3)]);
    assert_eq!(mirror.to_be_read(), [id(3)].into());
    // What of it is not told is not known; a single read tells the rest, and what nobody has said by then is absent.
    assert_eq!(text(&mirror, 3, "jobTitle"), None);
    let told = [("userPrincipalName", "kari@example.no"), ("userType", "Member")];
    assert!(mirror.complete(&how, user(3, &[&told[..], &[("jobTitle", "Vikar")]].concat())));
    assert_eq!(text(&mirror, 3, "jobTitle"), Some(&Datum::from("Vikar")));
    assert!(mirror.to_be_read().is_empty());
    // Who comes as a whole is not asked for.
    let mut described = member(4, true);
    if let Element::User { properties, .. } = &mut described {
        properties.insert("userPrincipalName".into(), "ola@example.no".into());
    }
    mirror.fold(&how, [described]);
    assert!(mirror.to_be_read().is_empty());
    assert_eq!(text(&mirror, 4, "jobTitle"), Some(&Datum::Null));
}

#[test]
fn whoever_is_named_after_a_tombstone_is_gone_once_a_list_leaves_them_out() {
    let mut mirror = town();
    let gone = Element::Removed { id: id(1), tombstone: Tombstone::SoftDeleted };
    fold(&mut mirror, Round::Delta, 0, vec![gone]);
    fold(&mut mirror, Round::Delta, 0, vec![user(1, &[("jobTitle", "Vikar")])]);
    assert!(one(&mirror, 1).partial && one(&mirror, 1).tombstone().is_some());
    // One that could not be read may be them.
    let unreadable = Element::Unreadable { id: None, properties: Properties::default() };
    fold(&mut mirror, Round::Full(2), 1, vec![member(2, true), unreadable]);
    assert!(one(&mirror, 1).partial);
    fold(&mut mirror, Round::Full(3), 1, vec![member(2, true)]);
    assert!(!one(&mirror, 1).partial && one(&mirror, 1).tombstone().is_some());
}

#[test]
fn whoever_a_complete_read_has_left_out_is_there_when_a_single_read_finds_them() {
    let mut mirror = town();
    let guest = || user(2, &[("userType", "Guest")]);
    fold(&mut mirror, Round::Full(2), 1, vec![guest()]);
    assert_eq!((mirror.missing(Kind::Users), mirror.to_be_read()), ([id(1)].into(), [].into()));
    assert!(complete(&mut mirror, user(1, &[("userType", "Member")])));
    assert_eq!(text(&mirror, 1, "jobTitle"), Some(&Datum::from("Rektor")));
    // The next read that leaves them out is the first one again.
    fold(&mut mirror, Round::Full(3), 1, vec![guest()]);
    assert_eq!(one(&mirror, 1).presence, Presence::MissingOnce(3));
    fold(&mut mirror, Round::Full(4), 1, vec![guest()]);
    assert_eq!(one(&mirror, 1).presence, Presence::MissingOnce(3), "nobody has answered yet");
    assert!(mirror.not_found(Kind::Users, id(1)) && mirror.missing(Kind::Users).is_empty());
    fold(&mut mirror, Round::Full(3), 1, vec![guest()]);
    assert_eq!(one(&mirror, 1).presence, Presence::NotFound(3), "the same read again");
    fold(&mut mirror, Round::Full(4), 1, vec![guest()]);
    assert_eq!(one(&mirror, 1).presence, Presence::Removed(Tombstone::Missing));
    assert!(!complete(&mut mirror, user(1, &[("userType", "Member")])), "too late");
}

#[test]
fn of_many_who_are_left_out_the_second_read_decides() {
    let list = |count: u8| (0..count).map(|number| member(number, true)).collect::<Vec<_>>();
    for (missing, decided) in [(100, false), (101, true)] {
        let mut mirror = Mirror::default();
        fold(&mut mirror, Round::Full(1), 200, list(200));
        for number in 2..4 {
            fold(&mut mirror, Round::Full(number), 200, list(200 - missing));
        }
        assert_eq!(mirror.alive(Kind::Users) < 200, decided, "{missing}");
    }
}

#[test]
fn a_single_read_that_says_that_the_missing_may_not_sign_in_is_believed() {
    let mut mirror = Mirror::default();
    fold(&mut mirror, Round::Full(1), 2, vec![member(1, true), member(2, true)]);
    fold(&mut mirror, Round::Full(2), 1, vec![member(2, true)]);
    assert!(complete(&mut mirror, member(1, false)));
    assert!(one(&mirror, 1).is_certain_leaver());
    // Not the other way round: a round has said so, and a replica may lag.
    fold(&mut mirror, Round::Full(3), 1, vec![member(2, true)]);
    assert!(complete(&mut mirror, member(1, true)) && one(&mirror, 1).is_certain_leaver());
}

#[test]
fn whoever_is_named_after_a_tombstone_is_gone_until_a_single_read_finds_them() {
    let gone = |tombstone| Element::Removed { id: id(1), tombstone };
    let title = || user(1, &[("userType", "Member"), ("jobTitle", "Vikar")]);
    let null = {
        let properties = [("accountEnabled".to_owned(), Datum::Null)].into();
        Element::User { id: id(1), properties, unread: Vec::new() }
    };
    let purged = Tombstone::Purged;
    for rounds in [
        vec![vec![gone(purged), title()]],
        vec![vec![gone(purged), null]],
        vec![vec![member(1, true), gone(purged), title()]],
        vec![vec![gone(purged)], vec![title()]],
    ] {
        let mut mirror = Mirror::default();
        fold(&mut mirror, Round::Full(1), 1, vec![member(1, true)]);
        for round in rounds {
            fold(&mut mirror, Round::Delta, 0, round);
        }
        assert_eq!(one(&mirror, 1).presence, Presence::Removed(purged));
        assert_eq!(mirror.to_be_read(), [id(1)].into());
        let mut found = mirror.clone();
        assert!(complete(&mut found, member(1, true)));
        assert_eq!(one(&found, 1).presence, Presence::Present);
        assert!(mirror.not_found(Kind::Users, id(1)) && mirror.to_be_read().is_empty());
        assert_eq!(one(&mirror, 1).presence, Presence::Removed(purged));
        assert!(!mirror.not_found(Kind::Users, id(1)), "nothing has changed");
    }
    // Whoever is described whole is back.
    let mut mirror = Mirror::default();
    fold(&mut mirror, Round::Full(1), 1, vec![member(1, true)]);
    fold(&mut mirror, Round::Delta, 0, vec![gone(purged), member(1, true)]);
    assert_eq!(one(&mirror, 1).presence, Presence::Present);
}

#[test]
fn a_list_alone_gives_nobody_access_again() {
    let gone = Element::Removed { id: id(1), tombstone: Tombstone::SoftDeleted };
    for word in [gone, member(1, false)] {
        let mut mirror = Mirror::default();
        let may = |mirror: &Mirror| {
            let is_there = one(mirror, 1).presence == Presence::Present;
            is_there && text(mirror, 1, "accountEnabled") == Some(&Datum::Bool(true))
        };
        fold(&mut mirror, Round::Full(1), 1, vec![member(1, true)]);
        fold(&mut mirror, Round::Delta, 0, vec![word]);
        fold(&mut mirror, Round::Full(2), 1, vec![member(1, true)]);
        assert!(!may(&mirror) && mirror.to_be_read() == [id(1)].into());
        let mut again = mirror.clone();
        fold(&mut again, Round::Full(3), 1, vec![member(1, true)]);
        assert!(may(&again), "a second list says the same");
        let mut told = mirror.clone();
        fold(&mut told, Round::Delta, 0, vec![member(1, true)]);
        assert!(may(&told), "a delta round is newer");
        assert!(complete(&mut mirror, member(1, true)) && may(&mirror));
    }
    // Whoever lists alone have left out is back with one.
    let mut mirror = Mirror::default();
    fold(&mut mirror, Round::Full(1), 2, vec![member(1, true), member(2, true)]);
    fold(&mut mirror, Round::Full(2), 1, vec![member(2, true)]);
    mirror.not_found(Kind::Users, id(1));
    fold(&mut mirror, Round::Full(3), 1, vec![member(2, true)]);
    assert_eq!(one(&mirror, 1).tombstone(), Some(Tombstone::Missing));
    fold(&mut mirror, Round::Full(4), 2, vec![member(1, true), member(2, true)]);
    assert_eq!(one(&mirror, 1).presence, Presence::Present);
}

/// Somebody with a title and a guest, of whom only the type is kept.
fn town() -> Mirror {
    let mut mirror = Mirror::default();
    let guest = user(2, &[("userType", "Guest"), ("jobTitle", "Gjest"), ("department", "NAV")]);
    let member =
        user(1, &[("userType", "Member"), ("jobTitle", "Rektor"), ("department", "Skole")]);
    fold(&mut mirror, Round::Full(1), 2, vec![member, guest]);
    assert!(!one(&mirror, 2).kept && one(&mirror, 2).properties.len() == 1);
    mirror
}

fn one(mirror: &Mirror, number: u8) -> &SourceUser {
    &mirror.users[&id(number)]
}

fn text<'a>(mirror: &'a Mirror, number: u8, name: &str) -> Option<&'a Datum> {
    one(mirror, number).properties.get(name)
}

#[test]
fn whoever_keep_begins_to_keep_is_partial_until_told_whole() {
    let mut mirror = town();
    assert!(mirror.to_be_read().is_empty());
    fold(&mut mirror, Round::Delta, 0, vec![user(2, &[("userType", "Member")])]);
    assert_eq!(mirror.to_be_read(), [id(2)].into());
    // What else is told of them does not make them whole, and neither does another of its kind.
    fold(&mut mirror, Round::Delta, 0, vec![user(2, &[("jobTitle", "Vikar")])]);
    fold(&mut mirror, Round::Refused, 0, vec![user(2, &[("department", "NAV")])]);
    assert_eq!(mirror.to_be_read(), [id(2)].into());
    let mut listed = mirror.clone();
    let list = [1, 2].map(|number| user(number, &[("userType", "Member"), ("jobTitle", "Vikar")]));
    fold(&mut listed, Round::Full(2), 2, list.into());
    assert!(listed.to_be_read().is_empty());
    // A guest again is dropped again, and a tombstone ends the question.
    let mut guest = mirror.clone();
    fold(&mut guest, Round::Delta, 0, vec![user(2, &[("userType", "Guest")])]);
    assert!(guest.to_be_read().is_empty() && one(&guest, 2).properties.len() == 1);
    let gone = Element::Removed { id: id(2), tombstone: Tombstone::Purged };
    fold(&mut mirror, Round::Delta, 0, vec![gone]);
    assert!(mirror.to_be_read().is_empty());
    assert!(!complete(&mut mirror, user(2, &[("userType", "Member")])), "who is gone stays so");
}

#[test]
fn a_single_read_tells_what_nobody_told_and_overrules_nothing() {
    let mut mirror = town();
    let news = user(2, &[("userType", "Member"), ("jobTitle", "Vikar")]);
    fold(&mut mirror, Round::Delta, 0, vec![news]);
    // It may come from a replica that lags behind the round.
    let told = [("userType", "Guest"), ("jobTitle", "Gjest"), ("displayName", "Kari Vik")];
    assert!(complete(&mut mirror, user(2, &told)));
    let user_type = text(&mirror, 2, "userType");
    assert_eq!(user_type, Some(&"Member".into()));
    assert_eq!(text(&mirror, 2, "jobTitle"), Some(&"Vikar".into()));
    assert_eq!(text(&mirror, 2, "displayName"), Some(&"Kari Vik".into()));
    // Others have a department, so silence means that there is none; of a manager whom nobody has it means
    // nothing.
    assert_eq!(text(&mirror, 2, "department"), Some(&Datum::Null));
    assert_eq!(text(&mirror, 2, "manager"), None);
    assert!(mirror.to_be_read().is_empty() && one(&mirror, 2).kept);
    assert!(!complete(&mut mirror, user(1, &[("jobTitle", "Lærer")])), "nobody asked about them");
}

#[test]
fn a_wider_filter_keeps_whom_it_can_judge_and_has_the_others_read() {
    let mut mirror = town();
    let wider = |text| Expression::parse(text, Subject::User).unwrap();
    assert!(mirror.clone().widen(&wider(KEEP)).is_empty());
    let mut all = mirror.clone();
    assert_eq!(all.widen(&wider("true")), [id(2)].into());
    assert!(one(&all, 2).kept && all.to_be_read() == [id(2)].into());
    // By what was dropped nobody can be judged before it was read.
    let by_title = "user.jobTitle == \"Gjest\"";
    assert_eq!(mirror.widen(&wider(by_title)), [id(2)].into());
    assert!(!one(&mirror, 2).kept && mirror.to_be_read() == [id(2)].into());
}

#[test]
fn a_refused_read_tells_what_it_tells_and_nothing_by_its_silence() {
    let group = |number: u8, members: &[u8]| Element::Group {
        id: id(number),
        properties: [("displayName".to_owned(), "Vei".into())].into(),
        added: members.iter().map(|&member| (MemberKind::User, id(member))).collect(),
        unread: Vec::new(),
        removed: Vec::new(),
    };
    let mut mirror = town();
    with(Kind::Groups, Round::Full(1), 1, |how| mirror.fold(how, vec![group(10, &[1, 2])]));
    for _ in 0..3 {
        fold(&mut mirror, Round::Refused, 0, vec![user(1, &[("jobTitle", "Inspektør")])]);
        let shown = vec![group(10, &[1]), group(11, &[1])];
        with(Kind::Groups, Round::Refused, 0, |how| mirror.fold(how, shown));
    }
    assert_eq!(text(&mirror, 1, "jobTitle"), Some(&"Inspektør".into()));
    assert_eq!(text(&mirror, 1, "department"), Some(&"Skole".into()));
    assert!(!mirror.unsettled().has_missing, "who is not listed is not missing");
    assert_eq!(mirror.groups[&id(10)].members.len(), 2);
    // Others may be members as well, and may have come since the link was lost.
    assert!(!mirror.groups[&id(10)].whole && !mirror.groups[&id(11)].whole);
}

#[test]
fn whoever_is_read_without_a_manager_has_none_where_others_have_one() {
    let guest = |kind: &str| vec![user(2, &[("userType", kind)])];
    for unread in [false, true] {
        let mut mirror = town();
        fold(&mut mirror, Round::Delta, 0, vec![user(1, &[("manager", "m")])]);
        fold(&mut mirror, Round::Delta, 0, guest("Member"));
        let Element::User { id, properties, .. } = guest("Member").remove(0) else { return };
        let unread_names = if unread { vec!["manager".into()] } else { vec![] };
        assert!(complete(&mut mirror, Element::User { id, properties, unread: unread_names }));
        let manager = text(&mirror, 2, "manager");
        assert_eq!(manager, (!unread).then_some(&Datum::Null));
    }
}

#[test]
fn a_wider_filter_asks_for_nobody_twice_and_for_nobody_who_is_gone_or_told_to_be_out() {
    let by_title = Expression::parse("user.jobTitle == \"Gjest\"", Subject::User).unwrap();
    let mut mirror = town();
    assert_eq!(mirror.widen(&by_title), [id(2)].into());
    assert!(mirror.widen(&by_title).is_empty(), "it is asked for already");
    let mut mirror = town();
    let gone = Element::Removed { id: id(2), tombstone: Tombstone::Purged };
    fold(&mut mirror, Round::Delta, 0, vec![gone]);
    assert!(mirror.widen(&by_title).is_empty());
}

#[test]
fn whom_the_filter_does_not_keep_after_all_is_read_and_dropped() {
    let read = |title: &str| {
        let mut mirror = town();
        let keep = Expression::parse("user.jobTitle == \"Gjest\"", Subject::User).unwrap();
        mirror.widen(&keep);
        let selected: BTreeSet<String> = ["userType", "jobTitle"].map(str::to_owned).into();
        let (kind, round, listed, selected) = (Kind::Users, Round::Delta, 0, &selected);
        let (doubted, counted, keep) = (false, true, &keep);
        let how = Folding { kind, round, listed, selected, keep, doubted, counted };
        let told = user(2, &[("jobTitle", title), ("displayName", "Per")]);
        assert!(mirror.complete(&how, told));
        assert!(mirror.to_be_read().is_empty());
        (one(&mirror, 2).kept, one(&mirror, 2).properties.len())
    };
    assert_eq!(read("Gjest"), (true, 3));
    assert_eq!(read("Rektor"), (false, 1), "what the filter reads is kept");
}
