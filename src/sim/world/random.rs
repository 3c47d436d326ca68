//! Random events that can happen in a world as it is now.

use serde_json::Value;

use super::{Event, MemberKind, MemberRef, ObjectId, State, World, generate, names};

/// Makes an event of one kind, or `None` where the world has nothing it could happen to.
type Maker = fn(&World, &mut fastrand::Rng) -> Option<Event>;

/// Every kind of event; hiring and joining are listed more than once, so that a long history does not
/// empty the world.
const MAKERS: &[Maker] = &[
    |world, rng| Some(hire(world, rng)),
    |world, rng| Some(hire(world, rng)),
    |world, rng| Some(hire(world, rng)),
    |world, rng| Some(create_group(world, rng)),
    join,
    join,
    join,
    join,
    leave,
    leave,
    rename,
    new_upn,
    move_on,
    set_property,
    set_property,
    disable,
    enable,
    soft_delete,
    restore,
    purge,
    nest,
    unnest,
    rename_group,
    delete_group,
    restore_group,
    purge_group,
    add_foreign_member,
];

impl World {
    /// An event that [`World::apply`] will accept; `None` only where nothing at all can happen.
    pub fn random_event(&self, rng: &mut fastrand::Rng) -> Option<Event> {
        let start = rng.usize(..MAKERS.len());
        MAKERS.iter().cycle().skip(start).take(MAKERS.len()).find_map(|make| make(self, rng))
    }

    /// An id that nothing has yet, even where `rng` was seeded like the one that made the world.
    pub(in crate::sim) fn fresh_id(&self, rng: &mut fastrand::Rng) -> ObjectId {
        loop {
            let id = ObjectId::random(rng);
            if !self.users.contains_key(&id) && !self.groups.contains_key(&id) {
                return id;
            }
        }
    }

    fn any_user(&self, rng: &mut fastrand::Rng, state: State) -> Option<ObjectId> {
        let ids: Vec<_> =
            self.users.values().filter(|user| user.state == state).map(|user| user.id).collect();
        rng.choice(ids)
    }

    fn any_group(&self, rng: &mut fastrand::Rng, state: State) -> Option<ObjectId> {
        let ids: Vec<_> = self
            .groups
            .values()
            .filter(|group| group.state == state)
            .map(|group| group.id)
            .collect();
        rng.choice(ids)
    }

    /// A live group and one of its members of this kind.
    fn any_membership(
        &self,
        rng: &mut fastrand::Rng,
        kind: MemberKind,
    ) -> Option<(ObjectId, ObjectId)> {
        let of_kind = |member: &&MemberRef| member.kind == kind;
        let groups: Vec<_> =
            self.live_groups().filter(|group| group.members.iter().any(|m| of_kind(&m))).collect();
        let group = rng.choice(groups)?;
        let members: Vec<_> = group.members.iter().filter(of_kind).collect();
        rng.choice(members).map(|member| (group.id, member.id))
    }
}

fn hire(world: &World, rng: &mut fastrand::Rng) -> Event {
    let department = names::any_department(rng);
    let name = names::full_name(rng);
    let upn = generate::free_upn(world, &names::mail_name(name.0, name.1));
    let properties = generate::newcomer(world, rng, department, name, &upn);
    let manager = world.any_user(rng, State::Live);
    Event::Hire { user: world.fresh_id(rng), properties, manager }
}

fn rename(world: &World, rng: &mut fastrand::Rng) -> Option<Event> {
    let user = world.any_user(rng, State::Live)?;
    let surname = names::surname(rng).to_owned();
    let given = world.users.get(&user)?.text("givenName").unwrap_or_default();
    Some(Event::Rename {
        user,
        display_name: format!("{given} {surname}").trim().to_owned(),
        surname,
    })
}

fn new_upn(world: &World, rng: &mut fastrand::Rng) -> Option<Event> {
    let user = world.any_user(rng, State::Live)?;
    let (given, surname) = names::full_name(rng);
    Some(Event::NewUpn { user, upn: generate::free_upn(world, &names::mail_name(given, surname)) })
}

fn move_on(world: &World, rng: &mut fastrand::Rng) -> Option<Event> {
    let user = world.any_user(rng, State::Live)?;
    let department = names::any_department(rng);
    let job_title = names::title(rng, department).to_owned();
    let manager = world.any_user(rng, State::Live).filter(|manager| *manager != user);
    Some(Event::Move { user, department: department.name.to_owned(), job_title, manager })
}

fn set_property(world: &World, rng: &mut fastrand::Rng) -> Option<Event> {
    let user = world.any_user(rng, State::Live)?;
    let texts = [
        "mail",
        "mobilePhone",
        "officeLocation",
        "employeeId",
        "preferredLanguage",
        "department",
        "jobTitle",
    ];
    let name = names::pick(rng, &texts).to_owned();
    let value =
        if rng.u8(..3) == 0 { Value::Null } else { format!("{name} {}", rng.u16(..)).into() };
    Some(Event::SetProperty { user, name, value })
}

fn disable(world: &World, rng: &mut fastrand::Rng) -> Option<Event> {
    let ids: Vec<_> =
        world.live_users().filter(|user| user.is_enabled()).map(|user| user.id).collect();
    rng.choice(ids).map(|user| Event::Disable { user })
}

fn enable(world: &World, rng: &mut fastrand::Rng) -> Option<Event> {
    let ids: Vec<_> =
        world.live_users().filter(|user| !user.is_enabled()).map(|user| user.id).collect();
    rng.choice(ids).map(|user| Event::Enable { user })
}

fn soft_delete(world: &World, rng: &mut fastrand::Rng) -> Option<Event> {
    world.any_user(rng, State::Live).map(|user| Event::SoftDelete { user })
}

fn restore(world: &World, rng: &mut fastrand::Rng) -> Option<Event> {
    let deleted = world.users.values().filter(|user| user.state == State::SoftDeleted);
    let free = |name: Option<&str>| name.is_some_and(|name| world.user_named(name).is_none());
    let ids: Vec<_> =
        deleted.filter(|user| free(user.text("userPrincipalName"))).map(|user| user.id).collect();
    rng.choice(ids).map(|user| Event::Restore { user })
}

fn purge(world: &World, rng: &mut fastrand::Rng) -> Option<Event> {
    world.any_user(rng, State::SoftDeleted).map(|user| Event::Purge { user })
}

fn join(world: &World, rng: &mut fastrand::Rng) -> Option<Event> {
    Some(Event::Join {
        group: world.any_group(rng, State::Live)?,
        user: world.any_user(rng, State::Live)?,
    })
}

fn leave(world: &World, rng: &mut fastrand::Rng) -> Option<Event> {
    world.any_membership(rng, MemberKind::User).map(|(group, user)| Event::Leave { group, user })
}

fn nest(world: &World, rng: &mut fastrand::Rng) -> Option<Event> {
    let group = world.any_group(rng, State::Live)?;
    let child = world.any_group(rng, State::Live).filter(|child| *child != group)?;
    Some(Event::Nest { group, child })
}

fn unnest(world: &World, rng: &mut fastrand::Rng) -> Option<Event> {
    world
        .any_membership(rng, MemberKind::Group)
        .map(|(group, child)| Event::Unnest { group, child })
}

fn create_group(world: &World, rng: &mut fastrand::Rng) -> Event {
    let properties = generate::group_properties(world.groups.len().max(3), &world.domain);
    Event::CreateGroup { group: world.fresh_id(rng), properties }
}

fn rename_group(world: &World, rng: &mut fastrand::Rng) -> Option<Event> {
    let group = world.any_group(rng, State::Live)?;
    // Renaming may take a group into or out of what a configuration carries over.
    let prefix = if rng.bool() { "PLT " } else { "" };
    let name = format!("{prefix}{} {}", names::any_department(rng).name, rng.u16(..));
    Some(Event::RenameGroup { group, name })
}

fn delete_group(world: &World, rng: &mut fastrand::Rng) -> Option<Event> {
    world.any_group(rng, State::Live).map(|group| Event::DeleteGroup { group })
}

fn restore_group(world: &World, rng: &mut fastrand::Rng) -> Option<Event> {
    world.any_group(rng, State::SoftDeleted).map(|group| Event::RestoreGroup { group })
}

fn purge_group(world: &World, rng: &mut fastrand::Rng) -> Option<Event> {
    world.any_group(rng, State::SoftDeleted).map(|group| Event::PurgeGroup { group })
}

fn add_foreign_member(world: &World, rng: &mut fastrand::Rng) -> Option<Event> {
    let group = world.any_group(rng, State::Live)?;
    let kind =
        rng.choice([MemberKind::Device, MemberKind::ServicePrincipal, MemberKind::OrgContact])?;
    Some(Event::AddForeignMember { group, member: MemberRef { kind, id: world.fresh_id(rng) } })
}
