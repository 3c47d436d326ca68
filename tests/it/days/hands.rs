//! People at work on the platform itself, by its own API: what Manntall has to put back, and what it has to
//! leave alone.

use std::collections::BTreeSet;

use manntall::sim::http::Request;
use serde_json::{Value, json};

use super::script::Hand;
use crate::stage::Inner;

/// What people did on the platform, as far as the end depends on it.
#[derive(Debug, Default)]
pub(super) struct Handiwork {
    /// Accounts that somebody deactivated: they stay so until somebody activates them.
    pub(super) deactivated: BTreeSet<String>,
    /// Accounts that somebody made.
    pub(super) made: BTreeSet<String>,
    /// Accounts and groups of which somebody has changed a value: who changes it a second time is left.
    changed: BTreeSet<(String, &'static str)>,
}

impl Handiwork {
    /// Does something on the platform; `false` where there is nothing that it could be done to.
    pub(super) fn work(
        &mut self,
        inner: &mut Inner,
        hand: Hand,
        rng: &mut fastrand::Rng,
        now_ms: u64,
    ) -> bool {
        let (users, groups) = (users(inner), groups(inner));
        let user = rng.choice(&users).cloned();
        let group = rng.choice(&groups).cloned();
        let mut ask =
            |method: &str, path: &str, body: &Value| request(inner, method, path, body, now_ms);
        match (hand, user, group) {
            (Hand::Deactivate, Some((id, true)), _) => {
                self.deactivated.insert(id.clone());
                ask("PATCH", &format!("Users/{id}"), &patch("replace", "active", &json!(false)))
            }
            (Hand::Activate, Some((id, false)), _) => {
                self.deactivated.remove(&id);
                self.changed.insert((id.clone(), "active"))
                    && ask(
                        "PATCH",
                        &format!("Users/{id}"),
                        &patch("replace", "active", &json!(true)),
                    )
            }
            (Hand::RenameAccount, Some((id, _)), _) => {
                let name = json!(format!("renamed{}@platform.example.no", rng.u32(..)));
                self.changed.insert((id.clone(), "userName"))
                    && ask("PATCH", &format!("Users/{id}"), &patch("replace", "userName", &name))
            }
            (Hand::Retitle, Some((id, _)), _) => {
                let title = json!(format!("Title {}", rng.u32(..)));
                self.changed.insert((id.clone(), "title"))
                    && ask("PATCH", &format!("Users/{id}"), &patch("replace", "title", &title))
            }
            (Hand::DeleteAccount, Some((id, _)), _) => {
                self.deactivated.remove(&id);
                ask("DELETE", &format!("Users/{id}"), &Value::Null)
            }
            (Hand::MakeAccount, _, _) => {
                let name = format!("local{}@platform.example.no", rng.u32(..));
                let done = ask("POST", "Users", &user_named(&name));
                let made = inner.platform.users().find(|user| user.user_name() == name);
                self.made.extend(made.map(|user| user.id.clone()));
                done
            }
            (Hand::RenameGroup, _, Some((id, _))) => {
                let name = json!(format!("Renamed {}", rng.u32(..)));
                self.changed.insert((id.clone(), "displayName"))
                    && ask(
                        "PATCH",
                        &format!("Groups/{id}"),
                        &patch("replace", "displayName", &name),
                    )
            }
            (Hand::DeleteGroup, _, Some((id, _))) => {
                ask("DELETE", &format!("Groups/{id}"), &Value::Null)
            }
            (Hand::AddMember, Some((user, _)), Some((id, members))) => {
                let body = patch("add", "members", &json!([{ "value": user }]));
                let is_new = !members.contains(&user);
                is_new
                    && self.changed.insert((format!("{id}/{user}"), "member"))
                    && ask("PATCH", &format!("Groups/{id}"), &body)
            }
            (Hand::RemoveMember, _, Some((id, members))) => {
                let Some(user) = rng.choice(&members) else { return false };
                let path = format!("members[value eq \"{user}\"]");
                let body = patch("remove", &path, &Value::Null);
                self.changed.insert((format!("{id}/{user}"), "member"))
                    && ask("PATCH", &format!("Groups/{id}"), &body)
            }
            _ => false,
        }
    }
}

/// Every account that is somebody's, and whether it is active.
fn users(inner: &Inner) -> Vec<(String, bool)> {
    let users = inner.platform.users().filter(|user| user.external_id().is_some());
    users.map(|user| (user.id.clone(), user.active())).collect()
}

/// Every group that was made for the tenant, and its members.
fn groups(inner: &Inner) -> Vec<(String, Vec<String>)> {
    let groups = inner.platform.groups().filter(|group| group.external_id().is_some());
    groups.map(|group| (group.id.clone(), group.members.iter().cloned().collect())).collect()
}

/// A PATCH of one operation.
fn patch(op: &str, path: &str, value: &Value) -> Value {
    let mut operation = json!({ "op": op, "path": path });
    if !value.is_null() {
        operation["value"] = value.clone();
    }
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [operation],
    })
}

fn user_named(name: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": name,
        "active": true,
    })
}

/// Asks the platform, past Manntall and everything that watches it.
fn request(inner: &mut Inner, method: &str, path: &str, body: &Value, now_ms: u64) -> bool {
    let token = &inner.platform.options().token;
    let request = Request {
        method: method.to_owned(),
        target: format!("/scim/v2/{path}"),
        headers: vec![
            ("authorization".to_owned(), format!("Bearer {token}")),
            ("content-type".to_owned(), "application/scim+json".to_owned()),
        ],
        body: if body.is_null() { Vec::new() } else { body.to_string().into_bytes() },
    };
    // A fault that waits for the service's next request is not for somebody else's.
    let faults = std::mem::take(&mut inner.platform.faults);
    let response = inner.platform.handle(&request, now_ms);
    inner.platform.faults = faults;
    (200..300).contains(&response.status)
}
