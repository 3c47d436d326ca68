//! The generated world: the same from the same seed, and as untidy as the real one.
#![expect(clippy::unwrap_used, reason = "tests fail loudly")]

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;

fn tiny(seed: u64) -> World {
    generate(&GeneratorOptions {
        users: 20,
        groups: 5,
        memberships: 50,
        seed,
        ..Default::default()
    })
}

fn person(name: &str) -> Properties {
    [("userPrincipalName".to_owned(), Value::from(format!("{name}@asker.example.no")))].into()
}

#[test]
fn the_same_seed_makes_the_same_world() {
    assert_eq!(tiny(7).users, tiny(7).users);
    assert_eq!(tiny(7).groups, tiny(7).groups);
    assert_ne!(tiny(7).tenant_id, tiny(8).tenant_id);
}

#[test]
fn a_municipality_has_everything_that_goes_wrong() {
    let options = GeneratorOptions {
        users: 6_200,
        groups: 400,
        memberships: 40_000,
        seed: 3,
        ..Default::default()
    };
    let world = generate(&options);
    let count = |test: fn(&User) -> bool| world.live_users().filter(|user| test(user)).count();
    let memberships: usize = world.live_groups().map(|group| group.members.len()).sum();

    assert_eq!((world.users.len(), world.groups.len(), world.sequence()), (6_200, 400, 0));
    assert!((36_000..44_000).contains(&memberships), "{memberships} memberships");
    assert_eq!(count(|user| user.text("userType") == Some("Guest")), 124);
    assert!((60..250).contains(&count(|user| !user.is_enabled())));
    assert!((200..450).contains(&count(|user| user.text("mail").is_none())));
    assert!(count(|user| user.text("displayName") == Some("Kari Nordmann")) >= 2);
    assert!(count(|user| user.text("surname").is_some_and(|name| name.contains('\''))) > 0);
    assert!(count(|user| user.text("surname").is_some_and(|name| name.contains('Č'))) > 0);
    // A manager whose id comes later is met later by whoever reads page by page.
    assert!(count(|user| user.manager.is_some_and(|manager| manager > user.id)) > 1_000);
    let types: BTreeSet<_> = world
        .live_groups()
        .map(|group| group.properties.get("groupTypes").unwrap().to_string())
        .collect();
    assert_eq!(types.len(), 3);
}

#[test]
fn managers_form_a_tree() {
    let world = tiny(5);
    for user in world.live_users() {
        let chain = std::iter::successors(Some(user), |user| world.users.get(&user.manager?));
        assert!(chain.take(30).count() < 30, "{} is its own boss", user.id);
    }
}

#[test]
fn groups_nest_in_a_cycle() {
    for groups in [2, 3, 6, 40] {
        let world = generate(&GeneratorOptions { groups, ..Default::default() });
        let children = |id: ObjectId| {
            world.groups[&id]
                .members
                .iter()
                .filter(|member| member.kind == MemberKind::Group)
                .map(|m| m.id)
        };
        let reaches_itself = |start: ObjectId| {
            let mut seen: BTreeSet<_> = children(start).collect();
            for _ in 0..groups {
                seen =
                    seen.iter().flat_map(|id| children(*id)).chain(seen.iter().copied()).collect();
            }
            seen.contains(&start)
        };
        assert!(world.groups.keys().any(|id| reaches_itself(*id)), "{groups} groups");
    }
}

#[test]
fn random_events_can_all_happen_and_are_of_every_kind() {
    let mut kinds = BTreeSet::new();
    for seed in 0..40 {
        let (mut world, mut rng) = (tiny(seed), fastrand::Rng::with_seed(seed));
        for _ in 0..200 {
            let event = world.random_event(&mut rng).unwrap();
            kinds.insert(event.kind());
            world.apply(event.clone()).unwrap_or_else(|error| unreachable!("{event:?}: {error}"));
        }
        let names: BTreeSet<_> = world
            .live_users()
            .map(|user| user.text("userPrincipalName").unwrap().to_lowercase())
            .collect();
        assert_eq!(names.len(), world.live_users().count(), "user principal names are unique");
    }
    assert_eq!(kinds.len(), 20, "{kinds:?}");
}

#[test]
fn an_event_reads_back_as_it_was_written() {
    let (world, mut rng) = (tiny(1), fastrand::Rng::with_seed(1));
    for _ in 0..100 {
        let event = world.random_event(&mut rng).unwrap();
        let text = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
    }
}

#[test]
fn an_impossible_event_changes_nothing() {
    let mut world = tiny(2);
    let user = *world.users.keys().next().unwrap();
    let taken =
        world.live_users().last().unwrap().text("userPrincipalName").unwrap().to_uppercase();
    let before = world.users.clone();
    let events = [
        Event::NewUpn { user, upn: taken },
        Event::SetProperty { user, name: "departement".to_owned(), value: "x".into() },
        Event::SetProperty { user, name: "accountEnabled".to_owned(), value: "true".into() },
        Event::Restore { user },
        Event::Purge { user },
        Event::Hire { user, properties: person("x"), manager: None },
    ];
    for event in events {
        assert!(world.apply(event.clone()).is_err(), "{event:?}");
    }
    assert_eq!((world.sequence(), &world.users), (0, &before));
}

#[test]
fn a_name_is_free_while_its_holder_is_deleted() {
    let mut world = World::new(ObjectId::named("test", "tenant"), "asker.example.no");
    let [first, second] = ["a", "b"].map(|name| ObjectId::named("test", name));
    world.apply(Event::Hire { user: first, properties: person("kari"), manager: None }).unwrap();
    world.apply(Event::SoftDelete { user: first }).unwrap();
    world.apply(Event::Hire { user: second, properties: person("KARI"), manager: None }).unwrap();
    let taken = EventError::NameTaken("kari@asker.example.no".to_owned());
    assert_eq!(world.apply(Event::Restore { user: first }), Err(taken));
}

#[test]
fn purging_removes_every_link_to_a_user_and_deleting_none() {
    let mut world = tiny(4);
    let manager = world.live_users().find_map(|user| user.manager).unwrap();
    let memberships = |world: &World| {
        world
            .groups
            .values()
            .filter(|group| group.members.contains(&MemberRef::user(manager)))
            .count()
    };
    let before = memberships(&world);
    world.apply(Event::SoftDelete { user: manager }).unwrap();
    assert_eq!((memberships(&world), world.sequence()), (before, 1));
    assert!(before > 0);
    world.apply(Event::Purge { user: manager }).unwrap();
    assert_eq!(memberships(&world), 0);
    assert!(world.users.values().all(|user| user.manager != Some(manager)));
}

#[test]
fn the_example_scenario_loads_and_plays() {
    let mut world =
        World::from_scenario(include_str!("../../../examples/three-departments.toml")).unwrap();
    assert_eq!((world.users.len(), world.groups.len()), (9, 3));
    assert_eq!(world.take_due_events(Duration::from_secs(10)), []);
    assert_eq!(world.next_event_after(), Some(Duration::from_secs(30)));
    let events = world.take_due_events(Duration::from_secs(600));
    assert_eq!(events.len(), 6);
    for event in events {
        world.apply(event).unwrap();
    }
    assert_eq!(world.live_users().count(), 9);
    let maret = world.user_named("maret.somby@asker.example.no").unwrap();
    assert_eq!(maret.properties.get("preferredLanguage"), Some(&Value::Null));
}

#[test]
fn a_wrong_scenario_says_which_entry_is_wrong() {
    let load = |text: &str| World::from_scenario(text).unwrap_err();
    let start = "domain = \"asker.example.no\"\n[[people]]\nkey = \"kari\"\n";
    assert!(
        load(&format!("{start}properties = {{ titel = \"x\" }}"))
            .contains("person \"kari\": property \"titel\"")
    );
    assert!(
        load(&format!("{start}manager = \"ola\"\nproperties = {{}}"))
            .contains("no manager \"ola\"")
    );
    let late = format!(
        "{start}properties = {{}}\n[[events]]\nafter = \"1m\"\nevent = \"restore\"\nuser = \"kari\""
    );
    assert!(load(&late).contains("event \"restore\" after 1m"));
}

#[test]
fn object_ids_are_guids() {
    let id = ObjectId::named("asker", "kari");
    let text = id.to_string();
    assert_eq!(text.parse(), Ok(id));
    assert_eq!((text.len(), text.as_bytes()[14]), (36, b'4'));
    for wrong in
        ["", "kari", "00000000-0000-0000-0000-00000000000g", "000000000000-0000-0000-0000-00000000"]
    {
        assert!(wrong.parse::<ObjectId>().is_err(), "{wrong}");
    }
}
