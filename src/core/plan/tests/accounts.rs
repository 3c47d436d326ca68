//! What is planned for one account, and why.

use super::*;
use crate::core::model::{ByHand, Drift, LeftOut, Use, WhyLeftOut};

fn title() -> AttrPath {
    AttrPath::parse("title").unwrap()
}

/// A town whose accounts have a title, too.
fn titled() -> Town {
    let mut town = Town::new();
    let text = expression("person.jobTitle", Subject::Person);
    town.policy.account.insert(title(), text);
    town
}

fn told(town: &mut Town, number: u8, name: &str, value: Option<Datum>) {
    let user = town.mirror().users.get_mut(&id(number)).unwrap();
    let mut properties = Properties::clone(&user.properties);
    properties.remove(name);
    properties.extend(value.map(|value| (name.into(), value)));
    user.properties = Arc::new(properties);
}

fn sent(town: &mut Town, number: u8) -> &mut Attributes {
    &mut town.ledger.accounts.get_mut(&person(number)).unwrap().sent
}

fn drift(town: &mut Town, number: u8, shown: Attributes) {
    let drift = Drift { since: Timestamp(0), shown, times: 1 };
    town.ledger.drift.insert(Entity::Account(person(number)), drift);
}

fn candidate(number: u8, attributes: Attributes) -> Found {
    Found::One(Candidate { id: scim(number), attributes, members: BTreeSet::new() })
}

fn note(town: &Town, number: u8) -> Option<Note> {
    let planner = town.plan();
    assert!(change(&planner, number).is_none() && planner.unsurveyed().is_empty());
    planner.notes().get(&Entity::Account(person(number))).cloned()
}

#[test]
fn what_differs_is_changed_with_the_value_of_before_and_its_cause() {
    let mut town = titled();
    town.user(1, None).account(1, None);
    told(&mut town, 1, "jobTitle", Some("Leder".into()));
    let first = change(&town.plan(), 1).unwrap();
    assert_eq!((first.action, first.before.len()), (Action::Update, 0));
    assert_eq!(first.after, [(title(), Wanted::Value("Leder".into()))].into());
    sent(&mut town, 1).insert(title(), "Rektor".into());
    let other = change(&town.plan(), 1).unwrap();
    assert_eq!(other.before, [(title(), Datum::from("Rektor"))].into());
    assert_eq!(other.reason, "attributes changed in Entra");
    sent(&mut town, 1).insert(title(), "Leder".into());
    assert_eq!((change(&town.plan(), 1), note(&town, 1)), (None, None));
}

#[test]
fn a_difference_is_drift_only_where_all_of_it_is_what_somebody_else_changed() {
    let rektor = || Datum::from("Rektor");
    for (shown, held, is_drift) in [
        (vec![(title(), rektor())], Some(rektor()), true),
        (vec![(title(), "Vikar".into())], Some(rektor()), false),
        (vec![(AttrPath::roles(), rektor())], Some(rektor()), false),
        (vec![(title(), Datum::Null)], None, true),
        (vec![(title(), rektor())], None, false),
    ] {
        let mut town = titled();
        town.user(1, None).account(1, None);
        told(&mut town, 1, "jobTitle", Some("Leder".into()));
        sent(&mut town, 1).extend(held.clone().map(|held| (title(), held)));
        drift(&mut town, 1, shown.into_iter().collect());
        let reason = change(&town.plan(), 1).unwrap().reason;
        assert_eq!(reason.starts_with("drift: "), is_drift, "{held:?} {reason}");
        // Beside it something has changed in Entra.
        sent(&mut town, 1).insert(AttrPath::user_name(), "p9@example.no".into());
        let reason = change(&town.plan(), 1).unwrap().reason;
        assert_eq!(reason, "attributes changed in Entra");
    }
}

#[test]
fn an_account_that_somebody_else_made_inactive_stays_so_and_that_is_said() {
    let inactive = || Attributes::from([(AttrPath::active(), Datum::Bool(false))]);
    for (shown, says) in [(Some(inactive()), true), (Some(Attributes::new()), false), (None, false)]
    {
        let mut town = titled();
        town.user(1, None).account(1, None);
        let _ = sent(&mut town, 1).remove(&AttrPath::active());
        if let Some(shown) = shown {
            drift(&mut town, 1, shown);
        }
        assert_eq!(matches!(note(&town, 1), Some(Note::Waiting(_))), says);
        // What else differs is changed all the same.
        told(&mut town, 1, "jobTitle", Some("Leder".into()));
        let after = change(&town.plan(), 1).unwrap().after;
        assert_eq!(after.keys().collect::<Vec<_>>(), [&title()]);
    }
}

#[test]
fn who_is_entitled_again_is_reactivated_with_whatever_else_differs() {
    let mut town = titled();
    town.user(1, None).account(1, None);
    told(&mut town, 1, "jobTitle", Some("Leder".into()));
    town.ledger.accounts.get_mut(&person(1)).unwrap().link = Link::Deactivated(scim(1));
    sent(&mut town, 1).insert(AttrPath::active(), Datum::Bool(false));
    let back = change(&town.plan(), 1).unwrap();
    assert_eq!((back.action, back.after.len()), (Action::Reactivate, 2));
    assert_eq!(back.before, [(AttrPath::active(), Datum::Bool(false))].into());
}

#[test]
fn who_left_is_deactivated_once_and_again_where_somebody_else_undid_it() {
    let active = || Attributes::from([(AttrPath::active(), Datum::Bool(true))]);
    for (shown, begins) in [
        (None, "deleted in Entra"),
        (Some(active()), "drift: made active again"),
        (Some(Attributes::new()), "deleted in Entra"),
    ] {
        let mut town = Town::new();
        town.user(1, None).account(1, None);
        town.presence(1, Presence::Removed(Tombstone::SoftDeleted));
        if let Some(shown) = shown {
            drift(&mut town, 1, shown);
        }
        let leaves = change(&town.plan(), 1).unwrap();
        assert_eq!((leaves.action, leaves.before.clone()), (Action::Deactivate, active()));
        let inactive = Wanted::Value(Datum::Bool(false));
        assert_eq!(leaves.after, [(AttrPath::active(), inactive)].into());
        assert!(leaves.reason.starts_with(begins), "{}", leaves.reason);
        town.ledger.accounts.get_mut(&person(1)).unwrap().link = Link::Deactivated(scim(1));
        assert_eq!(note(&town, 1), None);
    }
}

#[test]
fn of_whoever_was_named_after_a_tombstone_nothing_is_changed_before_a_single_read() {
    let mut town = Town::new();
    town.user(1, None).account(1, None);
    town.presence(1, Presence::Removed(Tombstone::SoftDeleted));
    town.mirror().users.get_mut(&id(1)).unwrap().partial = true;
    let Some(Note::Waiting(why)) = note(&town, 1) else { panic!("nobody is told") };
    assert!(why.contains("a single read decides"), "{why}");
    town.mirror().users.get_mut(&id(1)).unwrap().partial = false;
    assert_eq!(change(&town.plan(), 1).unwrap().action, Action::Deactivate);
}

#[test]
fn another_account_with_the_id_of_a_leaver_is_taken_over_only_where_the_old_one_is_gone() {
    let mut town = Town::new();
    town.user(1, None).account(1, None);
    town.presence(1, Presence::Removed(Tombstone::SoftDeleted));
    town.ledger.accounts.get_mut(&person(1)).unwrap().link = Link::Deactivated(scim(1));
    let carries = [(AttrPath::external_id(), person(1).object.to_string().into())];
    let shown = [(AttrPath::roles(), Datum::Null), (AttrPath::active(), Datum::Bool(true))];
    let attributes = carries.into_iter().chain(shown).collect();
    town.survey.accounts.insert(person(1), candidate(2, attributes));
    assert_eq!(change(&town.plan(), 1), None);
    town.ledger.absent.insert(Entity::Account(person(1)), Timestamp(0));
    let taken = change(&town.plan(), 1).unwrap();
    assert_eq!((taken.action, taken_over(&taken)), (Action::Adopt, Some(&scim(2))));
    assert!(taken.before.get(&AttrPath::active()) == Some(&Datum::Bool(true)), "{taken:?}");
    // One that is still active is deactivated by its own link, whatever a look says.
    town.ledger.accounts.get_mut(&person(1)).unwrap().link = Link::Linked(scim(1));
    assert_eq!(change(&town.plan(), 1).unwrap().action, Action::Deactivate);
}

#[test]
fn an_account_of_a_leaver_is_taken_over_on_evidence_and_where_that_is_allowed() {
    let carries = || (AttrPath::external_id(), Datum::from(person(1).object.to_string().as_str()));
    let roles = || (AttrPath::roles(), Datum::Null);
    let active = |active| (AttrPath::active(), Datum::Bool(active));
    let [gone, unseen] = [Tombstone::Purged, Tombstone::Missing].map(Presence::Removed);
    for (presence, by_hand, adopt, attributes, taken) in [
        (gone, false, Adopt::Automatic, vec![carries(), roles(), active(true)], true),
        (gone, false, Adopt::Never, vec![carries(), roles(), active(true)], false),
        (gone, false, Adopt::Automatic, vec![roles(), active(true)], false),
        (unseen, false, Adopt::Automatic, vec![carries(), roles(), active(true)], false),
        (Presence::Present, true, Adopt::Automatic, vec![carries(), roles(), active(true)], true),
        (gone, false, Adopt::Automatic, vec![carries(), roles(), active(false)], true),
        (gone, false, Adopt::Automatic, vec![carries(), roles()], true),
    ] {
        let mut town = Town::new();
        town.user(1, None).presence(1, presence);
        town.policy.adopt = adopt;
        if by_hand {
            let word = ByHand { by: "ola".into(), at: Timestamp(0), reason: "lost".to_owned() };
            town.ledger.by_hand.insert(person(1), word);
        }
        let shown: Attributes = attributes.into_iter().collect();
        let was = shown.get(&AttrPath::active()).cloned();
        town.survey.accounts.insert(person(1), candidate(1, shown));
        let found = change(&town.plan(), 1);
        assert_eq!(found.is_some(), taken, "{presence:?} {by_hand} {adopt:?} {was:?}");
        let Some(found) = found else { continue };
        // What is inactive already is only noted as ours.
        let changes = was != Some(Datum::Bool(false));
        assert_eq!(found.after.contains_key(&AttrPath::active()), changes, "{was:?}");
        assert_eq!(found.before.get(&AttrPath::active()).cloned(), was.filter(|_| changes));
        assert!(found.reason.starts_with("exists on the platform as on-platform-1; "));
    }
}

#[test]
fn what_was_found_decides_what_is_made() {
    let asks = |town: &Town| town.plan().unsurveyed().contains(&Entity::Account(person(1)));
    let mut town = Town::new();
    town.user(1, None);
    let made = change(&town.plan(), 1).unwrap();
    assert_eq!(
        (made.action, made.reason.as_ref()),
        (Action::Create, "in scope, and not on the platform")
    );
    assert!(!asks(&town));
    let gone = AccountEntry { link: Link::Gone(scim(1)), ..AccountEntry::default() };
    town.ledger.accounts.insert(person(1), gone);
    assert!(change(&town.plan(), 1).unwrap().reason.contains("is made again"));
    town.survey.accounts.clear();
    assert!(asks(&town) && change(&town.plan(), 1).is_none());
    town.survey.accounts.insert(person(1), Found::Many(vec![scim(1), scim(2)]));
    let Some(Note::Stuck(why)) = note(&town, 1) else { panic!("stuck") };
    assert!(why.contains("several accounts") && why.contains("on-platform-1, on-platform-2"));
    town.policy.adopt = Adopt::Never;
    let shown = Attributes::from([(AttrPath::roles(), Datum::Null)]);
    town.survey.accounts.insert(person(1), candidate(1, shown));
    let Some(Note::Stuck(why)) = note(&town, 1) else { panic!("stuck") };
    assert!(why.contains("an account exists already as on-platform-1"), "{why}");
    town.policy.adopt = Adopt::Approve;
    assert_eq!(taken_over(&change(&town.plan(), 1).unwrap()), Some(&scim(1)));
}

#[test]
fn without_a_login_name_no_account_is_made_and_it_is_said_whether_it_is_unknown() {
    let mut town = Town::new();
    town.user(1, None);
    told(&mut town, 1, "userPrincipalName", Some(Datum::Null));
    assert!(matches!(note(&town, 1), Some(Note::NoLogin(_))));
    told(&mut town, 1, "userPrincipalName", None);
    assert!(matches!(note(&town, 1), Some(Note::Waiting(_))));
}

#[test]
fn whoever_is_on_the_list_never_is_left_alone_also_before_there_is_an_account() {
    let mut town = Town::new();
    town.user(1, None);
    town.policy.never = ["p1@example.no".to_owned()].into();
    assert!(matches!(note(&town, 1), Some(Note::Untouched(_))));
    town.account(1, None).presence(1, Presence::Removed(Tombstone::Purged));
    assert!(matches!(note(&town, 1), Some(Note::Untouched(_))));
    town.policy.never.clear();
    assert_eq!(change(&town.plan(), 1).unwrap().action, Action::Deactivate);
    town.policy.own_account = Some(scim(1));
    assert!(matches!(note(&town, 1), Some(Note::Untouched(_))));
}

#[test]
fn what_the_platform_takes_from_nobody_is_left_out_of_that_use_and_no_other() {
    for (used, create, change_of, clear) in [
        (Use::Create, false, true, true),
        (Use::Change, true, false, true),
        (Use::Clear, true, true, false),
    ] {
        let mut town = titled();
        let left_out = LeftOut {
            why: WhyLeftOut::Refused,
            reason: String::new(),
            told: None,
            since: Timestamp(0),
            until: Timestamp(1),
            people: 3,
            rules: super::super::ChangeDigest::of(&()),
        };
        town.ledger.left_out.insert((title(), used), left_out);
        town.user(1, None).user(2, None).account(2, None).user(3, None).account(3, None);
        told(&mut town, 1, "jobTitle", Some("Leder".into()));
        told(&mut town, 2, "jobTitle", Some("Leder".into()));
        told(&mut town, 3, "jobTitle", Some(Datum::Null));
        sent(&mut town, 2).insert(title(), "Rektor".into());
        sent(&mut town, 3).insert(title(), "Rektor".into());
        let planner = town.plan();
        for (number, is_sent) in [(1, create), (2, change_of), (3, clear)] {
            let change = change(&planner, number);
            let of = |has: &dyn Fn(&Change) -> bool| change.as_ref().is_some_and(has);
            assert_eq!(of(&|one| one.after.contains_key(&title())), is_sent, "{used:?} {number}");
            let before = is_sent && number > 1;
            assert_eq!(of(&|one| one.before.contains_key(&title())), before, "{used:?} {number}");
        }
    }
}

#[test]
fn whose_create_is_on_its_way_or_who_is_not_judged_yet_waits() {
    let mut town = Town::new();
    town.user(1, None);
    let intent = Intent { since: Timestamp(0), lookups: 0, next: Timestamp(0) };
    let entry = AccountEntry { link: Link::Pending(intent), ..AccountEntry::default() };
    town.ledger.accounts.insert(person(1), entry);
    assert!(matches!(note(&town, 1), Some(Note::Waiting(_))));
    town.account(1, None).presence(1, Presence::MissingOnce(1));
    assert!(matches!(note(&town, 1), Some(Note::Waiting(_))));
    town.presence(1, Presence::Removed(Tombstone::Purged)).complete.clear();
    assert!(matches!(note(&town, 1), Some(Note::Waiting(_))));
    // Who was ordered out does not wait for a read.
    let word = ByHand { by: "ola".into(), at: Timestamp(0), reason: "lost".to_owned() };
    town.ledger.by_hand.insert(person(1), word);
    assert_eq!(change(&town.plan(), 1).unwrap().action, Action::Deactivate);
}
