//! What was touched is enough: whatever happens, the plan that is brought up to date is the plan that is
//! made from everything.

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::{Scope, Touched};
use super::*;

const PEOPLE: u8 = 6;
const GROUPS: [u8; 3] = [101, 102, 103];

/// Something that happens to a person or a group, and what it says.
type Event = (u8, u8, u8);

fn group_of(number: u8) -> u8 {
    GROUPS[usize::from(number) % GROUPS.len()]
}

fn presence_of(says: u8) -> Presence {
    match says % 4 {
        0 => Presence::Removed(Tombstone::SoftDeleted),
        1 => Presence::MissingOnce(1),
        _ => Presence::Present,
    }
}

fn link_of(number: u8, says: u8) -> Link {
    match says % 5 {
        0 => Link::Unlinked,
        1 => Link::Pending(Intent { since: Timestamp(0), lookups: 0, next: Timestamp(0) }),
        2 => Link::Deactivated(scim(number)),
        3 => Link::Gone(scim(number)),
        _ => Link::Linked(scim(number)),
    }
}

impl Town {
    fn say(&mut self, number: u8, name: &str, value: Option<Datum>) {
        let Some(user) = self.mirror().users.get_mut(&id(number)) else { return };
        let properties = Arc::make_mut(&mut user.properties);
        properties.remove(name);
        properties.extend(value.map(|value| (name.into(), value)));
    }

    /// Lets it happen, and notes what it touches.
    fn happen(&mut self, (kind, number, says): Event, touched: &mut Touched) {
        let (one, group_number) = (number % PEOPLE, group_of(number));
        let (account, of) = (Entity::Account(person(one)), Entity::Group(group(group_number)));
        match kind {
            0..=3 => self.happen_to_user(kind, one, says, touched),
            4..=6 => self.happen_to_group(kind, group_number, says, touched),
            7 => {
                self.account(one, None);
                let entry = self.ledger.accounts.get_mut(&person(one)).unwrap();
                entry.link = link_of(one, says);
                let is_out = matches!(entry.link, Link::Deactivated(_));
                entry.sent.insert(AttrPath::active(), Datum::Bool(!is_out));
                touched.entities.insert(account);
            }
            8 => {
                let link = link_of(group_number, says | 1);
                let before = self.ledger.groups.get(&group(group_number));
                // A group comes into the ledger because it was wanted, and then it was derived.
                if before.is_none() {
                    touched.groups.insert((source(), id(group_number)));
                }
                let entry = before.cloned().unwrap_or_default();
                self.ledger.groups.insert(group(group_number), GroupEntry { link, ..entry });
                touched.entities.insert(of);
            }
            9 => {
                let key = group(group_of(says));
                match self.ledger.groups.get(&key).map(|entry| entry.members.contains(&person(one)))
                {
                    Some(true) => self.ledger.drop_member(&key, person(one)),
                    Some(false) => self.ledger.put_member(&key, person(one)),
                    None => {}
                }
                touched.entities.insert(Entity::Member(key, person(one)));
            }
            _ => {
                let found = match says % 4 {
                    0 => Found::Absent,
                    1 => Found::Unknown,
                    // Of three, so that several of ours would take over the same.
                    _ => Found::One(Candidate {
                        id: scim(says % 3),
                        attributes: Attributes::from([(AttrPath::roles(), Datum::Null)]),
                        members: BTreeSet::new(),
                    }),
                };
                self.survey.groups.insert(group(group_number), found.clone());
                self.survey.accounts.insert(person(one), found);
                touched.entities.extend([account, of]);
            }
        }
    }

    fn happen_to_user(&mut self, kind: u8, one: u8, says: u8, touched: &mut Touched) {
        touched.users.insert((source(), id(one)));
        if !self.mirror().users.contains_key(&id(one)) {
            let manager = (!says.is_multiple_of(3)).then_some(says % PEOPLE);
            self.user(one, manager);
            touched.entities.insert(Entity::Account(person(one)));
            return;
        }
        let department = ["NAV", "Vei"].get(usize::from(says % 4)).map(|&text| text.into());
        match kind {
            0 => drop(self.presence(one, presence_of(says))),
            1 => self.say(one, "department", department.or((says % 4 == 2).then_some(Datum::Null))),
            2 => self.say(one, "manager", Some(id(says % PEOPLE).to_string().into())),
            _ => self.say(one, "accountEnabled", Some(Datum::Bool(!says.is_multiple_of(3)))),
        }
    }

    fn happen_to_group(&mut self, kind: u8, number: u8, says: u8, touched: &mut Touched) {
        touched.groups.insert((source(), id(number)));
        if !self.mirror().groups.contains_key(&id(number)) {
            self.directory_group(number, &[says % PEOPLE]);
        }
        let found = self.mirror().groups.get_mut(&id(number)).unwrap();
        let (member, nested) = (id(says % PEOPLE), id(group_of(says)));
        let edge = |kind| Edge { kind, missing: None };
        match kind {
            4 if found.members.remove(&member).is_none() => {
                found.members.insert(member, edge(MemberKind::User));
            }
            5 if found.members.remove(&nested).is_none() => {
                found.members.insert(nested, edge(MemberKind::Group));
            }
            4 | 5 => {}
            _ => {
                (found.presence, found.whole) = (presence_of(says), !says.is_multiple_of(5));
                found.left = says.is_multiple_of(10).then(|| [member].into());
                let name = if says.is_multiple_of(2) { "Vei" } else { "Skole" };
                found.properties = Arc::new(Properties::from([("displayName", Datum::from(name))]));
            }
        }
    }
}

fn is_kept_up(scoped: bool, rounds: &[Vec<Event>]) -> Result<(), TestCaseError> {
    let mut town = Town::new();
    town.policy.people_of = scoped.then(|| [id(GROUPS[0])].into());
    town.policy.groups[0] = GroupRule::Directory {
        id: "all".into(),
        filter: expression("group.displayName == \"Vei\"", Subject::Group),
        name: expression("group.displayName", Subject::Group),
    };
    town.policy.groups.push(GroupRule::People {
        id: "by-department".into(),
        each: expression("person.department", Subject::Person),
        name: expression("key", Subject::Key),
    });
    let mut planner = town.plan();
    for round in rounds {
        let mut touched = Touched::default();
        for &event in round {
            town.happen(event, &mut touched);
        }
        let Town { mirrors, complete, keep, policy, ledger, survey } = &town;
        let roster = Roster { mirrors, complete, keep, policy, ledger, survey };
        planner.refresh(&roster, Scope::Touched(touched));
        let anew = town.plan();
        prop_assert_eq!(&planner.changes, &anew.changes);
        prop_assert_eq!((&planner.later, &planner.notes), (&anew.later, &anew.notes));
    }
    Ok(())
}

proptest! {
    #[test]
    fn the_plan_of_what_was_touched_is_the_plan_of_everything(
        scoped in any::<bool>(),
        rounds in vec(vec((0_u8..11, any::<u8>(), any::<u8>()), 1..6), 1..30),
    ) {
        is_kept_up(scoped, &rounds)?;
    }
}
