//! A municipality of any size from a seed: the same options give the same world, byte for byte.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::names::{self, Department};
use super::properties::Pool;
use super::{Event, MemberKind, MemberRef, ObjectId, Properties, World};

/// What the world should be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratorOptions {
    /// Number of users, guests and disabled people among them.
    pub users: usize,
    /// Number of groups.
    pub groups: usize,
    /// About how many memberships of users, over all groups.
    pub memberships: usize,
    /// Everything random comes from here.
    pub seed: u64,
    /// Domain of the user principal names.
    pub domain: String,
}

impl Default for GeneratorOptions {
    /// The world of a demonstration: a section of a municipality.
    fn default() -> Self {
        Self {
            users: 60,
            groups: 8,
            memberships: 200,
            seed: 1,
            domain: "asker.example.no".to_owned(),
        }
    }
}

/// Makes the tenant that `options` describe.
pub fn generate(options: &GeneratorOptions) -> World {
    let mut rng = fastrand::Rng::with_seed(options.seed);
    let mut world = World::new(ObjectId::random(&mut rng), &options.domain);
    let people = hire_everybody(&mut world, options.users, &mut rng);
    let groups = create_groups(&mut world, options.groups, &mut rng);
    nest(&mut world, &groups);
    fill(&mut world, &groups, people, options.memberships, &mut rng);
    world
}

/// Lets an event happen whose parts the generator has just made itself. It is forgotten at once: the log
/// of a large tenant would take as much memory as the tenant.
fn happen(world: &mut World, event: Event) {
    let done = world.apply(event);
    debug_assert_eq!(done, Ok(()), "the generator made an impossible event");
    world.start_here();
}

/// Hires from the top down, so that managers form a tree; ids are random, so that a manager may well come
/// later than the reports in the order of ids.
fn hire_everybody(world: &mut World, users: usize, rng: &mut fastrand::Rng) -> Vec<ObjectId> {
    let mut people = Vec::with_capacity(users);
    // Bosses by department: the head first, then those who were hired early.
    let mut bosses: Vec<Vec<ObjectId>> = vec![Vec::new(); names::DEPARTMENTS.len()];
    let mut chief = None;
    let (mut pool, mut logins) = (Pool::default(), Logins::default());
    for number in 0..users {
        let user = ObjectId::random(rng);
        people.push(user);
        if number % 50 == 49 {
            let guest = names::guest(names::full_name(rng), number, &world.domain);
            let properties = pool.share(guest);
            happen(world, Event::Hire { user, properties, manager: None });
            continue;
        }
        let at = rng.usize(..names::DEPARTMENTS.len());
        let (Some(department), Some(team)) = (names::DEPARTMENTS.get(at), bosses.get_mut(at))
        else {
            continue;
        };
        let drawn = names::full_name(rng);
        let name = namesake(number).unwrap_or(drawn);
        let upn = logins.next(name, &world.domain);
        let mut properties = newcomer(world, rng, department, name, &upn);
        let manager = match (chief, team.is_empty()) {
            (None, _) => {
                properties.insert("jobTitle".to_owned(), "Kommunedirektør".into());
                chief = Some(user);
                None
            }
            (Some(_), true) => {
                properties.insert("jobTitle".to_owned(), department.head.into());
                team.push(user);
                chief
            }
            (Some(_), false) => {
                let boss = rng.choice(team.iter()).copied();
                // One boss for about a dozen people.
                if rng.u8(..12) == 0 {
                    team.push(user);
                }
                boss
            }
        };
        happen(world, Event::Hire { user, properties: pool.share(properties), manager });
    }
    people
}

/// Two people of the same name, in every world that has room for them.
fn namesake(number: usize) -> Option<(&'static str, &'static str)> {
    matches!(number, 1 | 3).then_some(("Kari", "Nordmann"))
}

/// How many employees have got each login name so far. Nobody leaves while a tenant is made, so that
/// counting gives the names that [`free_upn`] would find.
#[derive(Default)]
struct Logins(BTreeMap<String, usize>);

impl Logins {
    fn next(&mut self, (given, surname): (&str, &str), domain: &str) -> String {
        let name = names::mail_name(given, surname);
        let holders = self.0.entry(name.clone()).or_default();
        *holders += 1;
        match *holders {
            1 => format!("{name}@{domain}"),
            number => format!("{name}{number}@{domain}"),
        }
    }
}

/// A new employee of `department`, with a free employee number.
pub(super) fn newcomer(
    world: &World,
    rng: &mut fastrand::Rng,
    department: &Department,
    name: (&str, &str),
    upn: &str,
) -> Properties {
    names::employee(rng, department, name, upn, 10_000 + world.users().len())
}

/// The name itself, or with the lowest number that makes it free.
pub(super) fn free_upn(world: &World, name: &str) -> String {
    let numbered = (2..).map(|number| format!("{name}{number}@{}", world.domain));
    let mut candidates = std::iter::once(format!("{name}@{}", world.domain)).chain(numbered);
    candidates.find(|upn| world.user_named(upn).is_none()).unwrap_or_default()
}

fn create_groups(world: &mut World, groups: usize, rng: &mut fastrand::Rng) -> Vec<ObjectId> {
    let ids: Vec<_> = (0..groups).map(|_| ObjectId::random(rng)).collect();
    for (number, group) in ids.iter().enumerate() {
        let properties = group_properties(number, &world.domain);
        happen(world, Event::CreateGroup { group: *group, properties });
    }
    ids
}

/// The group of this number: the first holds everybody, every third is one that a typical configuration
/// carries over (`PLT `), every seventh is a Microsoft 365 group, and the third is dynamic.
pub(super) fn group_properties(number: usize, domain: &str) -> Properties {
    let department = names::DEPARTMENTS.get(number % names::DEPARTMENTS.len());
    let (place, sections) = department.map_or(("", [].as_slice()), |d| (d.name, d.sections));
    let round = number / names::DEPARTMENTS.len();
    let section = sections.get(round % sections.len().max(1)).copied().unwrap_or(place);
    let name = match number {
        0 => "PLT Alle ansatte".to_owned(),
        1 => "Skoleledere".to_owned(),
        _ if number.is_multiple_of(3) => format!("PLT {place} {number}"),
        _ => format!("{place} – {section} {number}"),
    };
    let (unified, dynamic) = (number % 7 == 5, number == 2);
    let types: Vec<_> = [(unified, "Unified"), (dynamic, "DynamicMembership")]
        .into_iter()
        .filter_map(|(is, name)| is.then_some(name))
        .collect();
    let mut properties = Properties::new();
    let mut put = |name: &str, value: Value| {
        properties.insert(name.to_owned(), value);
    };
    put("displayName", name.into());
    put("mailNickname", format!("gruppe-{number}").into());
    put("mailEnabled", unified.into());
    put("securityEnabled", (!unified).into());
    put("groupTypes", json!(types));
    put("createdDateTime", "2020-01-06T08:00:00Z".into());
    put("visibility", if unified { "Private".into() } else { Value::Null });
    if number.is_multiple_of(2) {
        put("description", format!("Ansatte i {place}").into());
    }
    if unified {
        put("mail", format!("gruppe-{number}@{domain}").into());
    }
    if dynamic {
        put("membershipRule", "(user.department -eq \"Teknisk drift\")".into());
        put("membershipRuleProcessingState", "On".into());
    }
    properties
}

/// Nests every fourth group into an earlier one, and closes one cycle.
fn nest(world: &mut World, groups: &[ObjectId]) {
    for (number, child) in groups.iter().enumerate().skip(4).step_by(4) {
        if let Some(group) = groups.get(number / 4) {
            happen(world, Event::Nest { group: *group, child: *child });
        }
    }
    if let [first, second, rest @ ..] = groups {
        let third = rest.first().unwrap_or(first);
        for (group, child) in [(first, second), (second, third), (third, first)] {
            if group != child {
                happen(world, Event::Nest { group: *group, child: *child });
            }
        }
        // A few members that are no people.
        for kind in [MemberKind::Device, MemberKind::ServicePrincipal, MemberKind::OrgContact] {
            let id = ObjectId::named(&second.to_string(), &format!("{kind:?}"));
            happen(
                world,
                Event::AddForeignMember { group: *second, member: MemberRef { kind, id } },
            );
        }
    }
}

/// Spreads the memberships: the first group holds everybody, the others fewer and fewer.
fn fill(
    world: &mut World,
    groups: &[ObjectId],
    mut people: Vec<ObjectId>,
    memberships: usize,
    rng: &mut fastrand::Rng,
) {
    rng.shuffle(&mut people);
    let weights: usize = (1..groups.len()).map(weight).sum();
    let mut left = memberships;
    for (number, group) in groups.iter().enumerate() {
        let wanted = match number {
            0 => people.len(),
            _ => memberships.saturating_sub(people.len()) * weight(number) / weights.max(1),
        };
        let size = wanted.min(people.len()).min(left);
        let start = rng.usize(..people.len().max(1));
        for user in people.iter().cycle().skip(start).take(size) {
            happen(world, Event::Join { group: *group, user: *user });
        }
        left -= size;
    }
}

/// How the sizes of groups fall: some large ones and a long tail.
fn weight(number: usize) -> usize {
    1_000 / (number + 10)
}
