//! What can happen in a tenant, and how it changes the world.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::schema::{self, Shape};
use super::{
    Change, Group, MemberKind, MemberRef, ObjectId, ObjectRef, Properties, State, User, What, World,
};

/// Something that happens in a tenant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case", deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields of each event are the objects that its name speaks of")]
pub enum Event {
    /// A new person, with at least a `userPrincipalName`.
    Hire {
        user: ObjectId,
        properties: Properties,
        #[serde(default)]
        manager: Option<ObjectId>,
    },
    /// A new surname, and the display name that goes with it.
    Rename { user: ObjectId, surname: String, display_name: String },
    /// A new user principal name.
    NewUpn { user: ObjectId, upn: String },
    /// Another department, title and manager.
    Move {
        user: ObjectId,
        department: String,
        job_title: String,
        #[serde(default)]
        manager: Option<ObjectId>,
    },
    /// Any property set, or cleared with null (a missing value, where the format has no null).
    SetProperty {
        user: ObjectId,
        name: String,
        #[serde(default)]
        value: Value,
    },
    /// The account may no longer sign in.
    Disable { user: ObjectId },
    /// The account may sign in again.
    Enable { user: ObjectId },
    /// The user goes to the deleted items.
    SoftDelete { user: ObjectId },
    /// The user comes back from the deleted items.
    Restore { user: ObjectId },
    /// The user leaves the deleted items for good.
    Purge { user: ObjectId },
    /// The user becomes a member of the group.
    Join { group: ObjectId, user: ObjectId },
    /// The user is a member of the group no longer.
    Leave { group: ObjectId, user: ObjectId },
    /// A group becomes a member of another; cycles may come about.
    Nest { group: ObjectId, child: ObjectId },
    /// A nested group is taken out.
    Unnest { group: ObjectId, child: ObjectId },
    /// A new group, with at least a `displayName`.
    CreateGroup { group: ObjectId, properties: Properties },
    /// A new display name.
    RenameGroup { group: ObjectId, name: String },
    /// The group goes to the deleted items.
    DeleteGroup { group: ObjectId },
    /// The group comes back from the deleted items, with its members.
    RestoreGroup { group: ObjectId },
    /// The group is gone for good.
    PurgeGroup { group: ObjectId },
    /// A device, contact or service principal becomes a member.
    AddForeignMember { group: ObjectId, member: MemberRef },
}

/// Why an event cannot happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// The object does not exist.
    #[error("there is no {0:?}")]
    NoSuchObject(ObjectRef),
    /// The object exists already.
    #[error("{0:?} exists already")]
    Exists(ObjectRef),
    /// The object is not in the state that the event needs.
    #[error("{0:?} is {1:?}")]
    WrongState(ObjectRef, State),
    /// Another live user holds the user principal name.
    #[error("user principal name {0:?} is taken")]
    NameTaken(String),
    /// Graph has no such property, or its values have another type.
    #[error("property {0:?} does not exist or cannot hold this value")]
    BadProperty(String),
    /// A group cannot be its own member, and users and groups are no foreign members.
    #[error("{0:?} cannot be a member of this group in this way")]
    BadMember(MemberRef),
}

impl Event {
    /// The event's name, as scenario files write it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Hire { .. } => "hire",
            Self::Rename { .. } => "rename",
            Self::NewUpn { .. } => "new_upn",
            Self::Move { .. } => "move",
            Self::SetProperty { .. } => "set_property",
            Self::Disable { .. } => "disable",
            Self::Enable { .. } => "enable",
            Self::SoftDelete { .. } => "soft_delete",
            Self::Restore { .. } => "restore",
            Self::Purge { .. } => "purge",
            Self::Join { .. } => "join",
            Self::Leave { .. } => "leave",
            Self::Nest { .. } => "nest",
            Self::Unnest { .. } => "unnest",
            Self::CreateGroup { .. } => "create_group",
            Self::RenameGroup { .. } => "rename_group",
            Self::DeleteGroup { .. } => "delete_group",
            Self::RestoreGroup { .. } => "restore_group",
            Self::PurgeGroup { .. } => "purge_group",
            Self::AddForeignMember { .. } => "add_foreign_member",
        }
    }
}

impl World {
    /// Lets `event` happen. An event that changes nothing (disabling a disabled user) is no error and
    /// leaves no trace in the log; one that cannot happen changes nothing.
    pub fn apply(&mut self, event: Event) -> Result<(), EventError> {
        match event {
            Event::Hire { user, properties, manager } => self.hire(user, properties, manager),
            Event::Rename { user, surname, display_name } => self
                .set(user, vec![("surname", surname.into()), ("displayName", display_name.into())]),
            Event::NewUpn { user, upn } => self.set(user, vec![("userPrincipalName", upn.into())]),
            Event::Move { user, department, job_title, manager } => {
                self.check_manager(manager)?;
                self.set(
                    user,
                    vec![("department", department.into()), ("jobTitle", job_title.into())],
                )?;
                self.set_manager(user, manager);
                Ok(())
            }
            Event::SetProperty { user, name, value } => self.set(user, vec![(&name, value)]),
            Event::Disable { user } => self.set(user, vec![("accountEnabled", false.into())]),
            Event::Enable { user } => self.set(user, vec![("accountEnabled", true.into())]),
            Event::SoftDelete { user } => self.soft_delete(user),
            Event::Restore { user } => self.restore(user),
            Event::Purge { user } => self.purge(user),
            Event::Join { group, user } => {
                self.user_in(user, State::Live)?;
                self.add_member(group, MemberRef::user(user))
            }
            Event::Leave { group, user } => self.remove_member(group, MemberRef::user(user)),
            Event::Nest { group, child } => {
                self.group_in(child, &[State::Live])?;
                self.add_member(group, MemberRef::group(child))
            }
            Event::Unnest { group, child } => self.remove_member(group, MemberRef::group(child)),
            Event::CreateGroup { group, properties } => self.create_group(group, properties),
            Event::RenameGroup { group, name } => self.rename_group(group, name),
            Event::DeleteGroup { group } => {
                self.end_group(group, &[State::Live], State::SoftDeleted)
            }
            Event::RestoreGroup { group } => self.restore_group(group),
            Event::PurgeGroup { group } => self.purge_group(group),
            Event::AddForeignMember { group, member } => match member.kind {
                MemberKind::User | MemberKind::Group => Err(EventError::BadMember(member)),
                _ => self.add_member(group, member),
            },
        }
    }

    fn hire(
        &mut self,
        id: ObjectId,
        given: Properties,
        manager: Option<ObjectId>,
    ) -> Result<(), EventError> {
        let object = ObjectRef::User(id);
        if self.users.contains_key(&id) {
            return Err(EventError::Exists(object));
        }
        self.check_manager(manager)?;
        check_properties(&given, schema::user_property)?;
        let mut properties = given;
        let name = match properties.get("userPrincipalName") {
            Some(Value::String(name)) => name.to_lowercase(),
            _ => return Err(EventError::BadProperty("userPrincipalName".to_owned())),
        };
        if self.names_taken.contains_key(&name) {
            return Err(EventError::NameTaken(name));
        }
        properties.insert_default("accountEnabled", true);
        properties.insert_default("userType", "Member");
        self.names_taken.insert(name, id);
        self.users.insert(id, User { id, properties, manager, state: State::Live });
        self.note(object, What::Created);
        Ok(())
    }

    fn create_group(&mut self, id: ObjectId, properties: Properties) -> Result<(), EventError> {
        let object = ObjectRef::Group(id);
        if self.groups.contains_key(&id) {
            return Err(EventError::Exists(object));
        }
        check_properties(&properties, schema::group_property)?;
        if !properties.get("displayName").is_some_and(Value::is_string) {
            return Err(EventError::BadProperty("displayName".to_owned()));
        }
        self.groups.insert(id, Group { id, properties, members: [].into(), state: State::Live });
        self.note(object, What::Created);
        Ok(())
    }

    /// Sets properties of a live user, or none of them.
    fn set(&mut self, id: ObjectId, values: Vec<(&str, Value)>) -> Result<(), EventError> {
        for (name, value) in &values {
            check_property(name, value, schema::user_property)?;
            if *name == "userPrincipalName" {
                self.check_name(id, value)?;
            }
        }
        let user = self.user_in(id, State::Live)?;
        let name_before = login_name(user);
        let mut changed = Vec::new();
        for (name, value) in values {
            let before = user.properties.get(name);
            // Clearing what was never set is nothing that Entra would report.
            if before == Some(&value) || (before.is_none() && value.is_null()) {
                continue;
            }
            user.properties.insert(name.to_owned(), value);
            changed.push(name.to_owned());
        }
        if changed.iter().any(|name| name == "userPrincipalName") {
            let name = login_name(user);
            self.names_taken.remove(&name_before);
            self.names_taken.insert(name, id);
        }
        if !changed.is_empty() {
            self.note(ObjectRef::User(id), What::Properties(changed));
        }
        Ok(())
    }

    fn check_name(&self, id: ObjectId, name: &Value) -> Result<(), EventError> {
        let Value::String(name) = name else {
            return Err(EventError::BadProperty("userPrincipalName".to_owned()));
        };
        match self.names_taken.get(&name.to_lowercase()) {
            Some(holder) if *holder != id => Err(EventError::NameTaken(name.clone())),
            _ => Ok(()),
        }
    }

    fn check_manager(&mut self, manager: Option<ObjectId>) -> Result<(), EventError> {
        manager.map_or(Ok(()), |id| self.user_in(id, State::Live).map(|_| ()))
    }

    /// Sets the manager without a question; for callers that know both ends.
    pub(super) fn set_manager(&mut self, id: ObjectId, manager: Option<ObjectId>) {
        let Some(user) = self.users.get_mut(&id) else { return };
        if user.manager != manager {
            let before = std::mem::replace(&mut user.manager, manager);
            self.note(ObjectRef::User(id), What::Manager { before });
        }
    }

    fn soft_delete(&mut self, id: ObjectId) -> Result<(), EventError> {
        let user = self.user_in(id, State::Live)?;
        user.state = State::SoftDeleted;
        // A deleted user's name may be given to somebody else.
        let name = login_name(user);
        self.names_taken.remove(&name);
        self.note(ObjectRef::User(id), What::SoftDeleted);
        Ok(())
    }

    fn restore(&mut self, id: ObjectId) -> Result<(), EventError> {
        let name = login_name(self.user_in(id, State::SoftDeleted)?);
        if self.names_taken.contains_key(&name) {
            return Err(EventError::NameTaken(name));
        }
        self.user_in(id, State::SoftDeleted)?.state = State::Live;
        self.names_taken.insert(name, id);
        self.note(ObjectRef::User(id), What::Restored);
        Ok(())
    }

    /// Purges a user, with every link that leads to it: links to nothing do not exist in a directory.
    fn purge(&mut self, id: ObjectId) -> Result<(), EventError> {
        self.user_in(id, State::SoftDeleted)?.state = State::Purged;
        self.note(ObjectRef::User(id), What::Purged);
        self.drop_member_everywhere(MemberRef::user(id));
        let reports: Vec<_> = self
            .users
            .values()
            .filter(|user| user.manager == Some(id))
            .map(|user| user.id)
            .collect();
        for report in reports {
            self.set_manager(report, None);
        }
        Ok(())
    }

    fn rename_group(&mut self, id: ObjectId, name: String) -> Result<(), EventError> {
        let group = self.group_in(id, &[State::Live])?;
        if group.text("displayName") != Some(name.as_str()) {
            group.properties.insert("displayName".to_owned(), name.into());
            self.note(ObjectRef::Group(id), What::Properties(vec!["displayName".to_owned()]));
        }
        Ok(())
    }

    fn end_group(&mut self, id: ObjectId, from: &[State], to: State) -> Result<(), EventError> {
        self.group_in(id, from)?.state = to;
        let what = if to == State::Purged { What::Purged } else { What::SoftDeleted };
        self.note(ObjectRef::Group(id), what);
        Ok(())
    }

    fn restore_group(&mut self, id: ObjectId) -> Result<(), EventError> {
        self.group_in(id, &[State::SoftDeleted])?.state = State::Live;
        self.note(ObjectRef::Group(id), What::Restored);
        Ok(())
    }

    fn purge_group(&mut self, id: ObjectId) -> Result<(), EventError> {
        self.end_group(id, &[State::Live, State::SoftDeleted], State::Purged)?;
        self.drop_member_everywhere(MemberRef::group(id));
        Ok(())
    }

    fn add_member(&mut self, id: ObjectId, member: MemberRef) -> Result<(), EventError> {
        if member == MemberRef::group(id) {
            return Err(EventError::BadMember(member));
        }
        if self.group_in(id, &[State::Live])?.members.insert(member) {
            self.note(ObjectRef::Group(id), What::MemberAdded(member));
        }
        Ok(())
    }

    fn remove_member(&mut self, id: ObjectId, member: MemberRef) -> Result<(), EventError> {
        if self.group_in(id, &[State::Live])?.members.remove(&member) {
            self.note(ObjectRef::Group(id), What::MemberRemoved(member));
        }
        Ok(())
    }

    fn drop_member_everywhere(&mut self, member: MemberRef) {
        for group in self.groups.values_mut() {
            if group.members.remove(&member) {
                let object = ObjectRef::Group(group.id);
                self.log.push(Change { object, what: What::MemberRemoved(member) });
            }
        }
    }

    fn user_in(&mut self, id: ObjectId, state: State) -> Result<&mut User, EventError> {
        let object = ObjectRef::User(id);
        let user = self.users.get_mut(&id).ok_or(EventError::NoSuchObject(object))?;
        if user.state == state { Ok(user) } else { Err(EventError::WrongState(object, user.state)) }
    }

    fn group_in(&mut self, id: ObjectId, states: &[State]) -> Result<&mut Group, EventError> {
        let object = ObjectRef::Group(id);
        let group = self.groups.get_mut(&id).ok_or(EventError::NoSuchObject(object))?;
        if states.contains(&group.state) {
            Ok(group)
        } else {
            Err(EventError::WrongState(object, group.state))
        }
    }

    fn note(&mut self, object: ObjectRef, what: What) {
        self.log.push(Change { object, what });
    }
}

/// The user principal name as [`World::user_named`] finds it.
fn login_name(user: &User) -> String {
    user.text("userPrincipalName").unwrap_or_default().to_lowercase()
}

fn check_properties(
    properties: &Properties,
    shape: fn(&str) -> Option<Shape>,
) -> Result<(), EventError> {
    properties.iter().try_for_each(|(name, value)| check_property(name, value, shape))
}

/// Directory extensions have names of their own making (`extension_{app}_{name}`) and any type.
fn check_property(
    name: &str,
    value: &Value,
    shape: fn(&str) -> Option<Shape>,
) -> Result<(), EventError> {
    let fits = shape(name).is_some_and(|shape| shape.fits(value));
    if (fits && name != "id") || name.starts_with("extension_") {
        return Ok(());
    }
    Err(EventError::BadProperty(name.to_owned()))
}
