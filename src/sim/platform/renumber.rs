//! A platform that was moved or put back: everything is there as before, under other ids.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Platform;
use super::schema::{ENTERPRISE, Kind};

impl Platform {
    /// Gives one user or group another id, as where the id is the login name.
    pub fn give_id(&mut self, kind: Kind, old: &str, new: &str) {
        self.store.rename(kind, old, new);
    }

    /// Gives every user and group a new id, and says which, by the old one. What refers to them goes along.
    pub fn renumber(&mut self) -> BTreeMap<String, String> {
        let mut new_ids = BTreeMap::new();
        for kind in [Kind::User, Kind::Group] {
            let ids: Vec<String> = self.store.all(kind).map(|row| row.id.to_string()).collect();
            for old in ids {
                let new = self.new_id();
                self.store.rename(kind, &old, &new);
                new_ids.insert(old, new);
            }
        }
        let users: Vec<_> = self.store.all(Kind::User).map(|row| row.id.to_string()).collect();
        for id in users {
            let Some(user) = self.store.get(Kind::User, &id) else { continue };
            let (mut attributes, modified) = (user.attributes(), user.modified_ms);
            let manager =
                attributes.get_mut(ENTERPRISE.name).and_then(|all| all.get_mut("manager"));
            let manager = manager.and_then(|manager| manager.get_mut("value"));
            let new = |old: &Value| new_ids.get(old.as_str()?).cloned();
            if let Some(value) = manager
                && let Some(new) = new(value)
            {
                *value = new.into();
                self.store.set_attributes(Kind::User, &id, &attributes, modified);
            }
        }
        new_ids
    }
}
