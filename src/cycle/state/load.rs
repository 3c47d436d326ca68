//! Loading the state: every record, once, at the start. What is kept for people is left where it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::{GroupRecord, State, TargetGroupRecord, damaged, each, parse, record};
use crate::core::model::{
    AccountEntry, DigestKey, Edge, Escrow, GroupEntry, ObjectId, PersonId, SourceGroup, SourceUser,
};
use crate::core::rules::Rules;
use crate::cycle::identity::Identity;
use crate::cycle::records::Key;
use crate::random;
use crate::store::{SharedStore, StoreError};

impl State {
    /// The key lies in the store from its first commit on.
    pub(super) fn load_digest_key(&mut self) -> Result<(), StoreError> {
        if let Some(key) = self.record(&Key::DigestKey)? {
            self.digests = key;
            return Ok(());
        }
        let mut bytes = [[0; 32]; 2];
        random::fill(bytes.as_flattened_mut())
            .map_err(|error| StoreError::Io { detail: format!("no random bytes: {error}") })?;
        self.digests = DigestKey::new(bytes);
        self.mark(Key::DigestKey);
        Ok(())
    }

    pub(super) fn load_sources(&mut self) -> Result<(), StoreError> {
        for (key, value) in self.read(b"walk/")? {
            if let Key::Walk(source, kind) = parse(&key)? {
                self.walks.insert((source, kind), record(&key, &value)?);
            }
        }
        let store = Arc::clone(&self.store);
        each(&*store, b"user/", |key, value| {
            if let Key::User(source, id) = parse(key)? {
                let user: SourceUser = record(key, value)?;
                self.mirrors.entry(source).or_default().users.insert(id, user);
            }
            Ok(())
        })?;
        for (key, value) in self.read(b"group/")? {
            if let Key::Group(source, id) = parse(&key)? {
                let (presence, properties, split, whole, left, emptied): GroupRecord =
                    record(&key, &value)?;
                if split {
                    self.split_source.insert((source, id));
                }
                let members = BTreeMap::new();
                let group = SourceGroup { presence, properties, members, whole, left, emptied };
                self.mirrors.entry(source).or_default().groups.insert(id, group);
            }
        }
        for (key, value) in self.read(b"edges/")? {
            if let Key::Edges(source, id, _) = parse(&key)? {
                let edges: Vec<(ObjectId, Edge)> = record(&key, &value)?;
                let group = self.mirrors.get_mut(&source).and_then(|m| m.groups.get_mut(&id));
                group.ok_or_else(|| damaged(&key))?.members.extend(edges);
            }
        }
        Ok(())
    }

    pub(super) fn load_target(&mut self) -> Result<(), StoreError> {
        let store = Arc::clone(&self.store);
        each(&*store, b"account/", |key, value| {
            if let Key::Account(person) = parse(key)? {
                let entry: AccountEntry = record(key, value)?;
                self.ledger.accounts.insert(person, entry);
            }
            Ok(())
        })?;
        for (key, value) in self.read(b"target-group/")? {
            if let Key::TargetGroup(group) = parse(&key)? {
                let (link, origin, sent, answered, split): TargetGroupRecord =
                    record(&key, &value)?;
                if split {
                    self.split_target.insert(group.clone());
                }
                let members = BTreeSet::new();
                let entry = GroupEntry { link, origin, sent, answered, members };
                self.ledger.groups.insert(group, entry);
            }
        }
        for (key, value) in self.read(b"members/")? {
            if let Key::Members(group, _) = parse(&key)? {
                let members: Vec<PersonId> = record(&key, &value)?;
                for person in members {
                    self.ledger.put_member(&group, person);
                }
            }
        }
        for (key, value) in self.read(b"escrow/")? {
            if let Key::Escrow(entity) = parse(&key)? {
                let escrow: Escrow = record(&key, &value)?;
                self.ledger.escrow.insert(entity, escrow);
            }
        }
        for (key, value) in self.read(b"drift/")? {
            if let Key::Drift(entity) = parse(&key)? {
                self.ledger.drift.insert(entity, record(&key, &value)?);
            }
        }
        self.load_unseen()?;
        self.proof = self.record(&Key::Proof)?;
        self.proven = self.record(&Key::Proven)?;
        for (key, value) in self.read(b"doubt/")? {
            if let Key::Doubt(entity) = parse(&key)? {
                self.ledger.doubts.insert(entity, record(&key, &value)?);
            }
        }
        for (key, value) in self.read(b"by-hand/")? {
            if let Key::ByHand(person) = parse(&key)? {
                self.ledger.by_hand.insert(person, record(&key, &value)?);
            }
        }
        for (key, value) in self.read(b"left-out/")? {
            if let Key::LeftOut(path, use_) = parse(&key)? {
                self.ledger.left_out.insert((path, use_), record(&key, &value)?);
            }
        }
        for (key, value) in self.read(b"paused/")? {
            self.paused = Some(record(&key, &value)?);
        }
        for (key, value) in self.read(b"target/")? {
            self.target = record(&key, &value)?;
        }
        self.load_words()
    }

    /// What the target did not show when it was looked at, and what it shows twice.
    fn load_unseen(&mut self) -> Result<(), StoreError> {
        for (key, value) in self.read(b"unseen/")? {
            if let Key::Unseen(entity) = parse(&key)? {
                self.ledger.unseen.insert(entity, record(&key, &value)?);
            }
        }
        for (key, value) in self.read(b"absent/")? {
            if let Key::Absent(entity) = parse(&key)? {
                self.ledger.absent.insert(entity, record(&key, &value)?);
            }
        }
        for (key, value) in self.read(b"twins/")? {
            if let Key::Twins(entity) = parse(&key)? {
                self.ledger.twins.insert(entity, record(&key, &value)?);
            }
        }
        Ok(())
    }

    /// What people have said, and what the guards know.
    fn load_words(&mut self) -> Result<(), StoreError> {
        self.held = self.read_all(b"held/")?;
        self.approvals = self.read_all(b"approval/")?;
        self.load_used()?;
        self.trials = self.record(&Key::Trials)?.unwrap_or_default();
        self.rejections = self.read_all(b"rejection/")?;
        self.windows = self.read_all(b"window/")?;
        for (key, value) in self.read(b"coverage/")? {
            if let Key::Coverage(source, kind) = parse(&key)? {
                self.coverage.insert((source, kind), record(&key, &value)?);
            }
        }
        self.identity = self.record(&Key::Identity)?.unwrap_or_default();
        self.rules = self.record(&Key::Rules)?;
        self.words_since = self.record(&Key::WordsSince)?;
        Ok(())
    }

    /// Which tenants and which target these are, without loading anything else.
    pub fn identity_in(store: &SharedStore) -> Result<Identity, StoreError> {
        let key = Key::Identity.bytes();
        let found = store.get(&key)?.map(|value| record(&key, &value)).transpose()?;
        Ok(found.unwrap_or_default())
    }

    /// The rules that the plan was last made from, without loading anything else.
    pub fn rules_in(store: &SharedStore) -> Result<Option<Rules>, StoreError> {
        let key = Key::Rules.bytes();
        store.get(&key)?.map(|value| record(&key, &value)).transpose()
    }

    fn read_all<T: DeserializeOwned>(&mut self, prefix: &[u8]) -> Result<Vec<T>, StoreError> {
        let records = self.chunks.join(self.read(prefix)?, Key::length);
        records.into_iter().map(|(key, value)| record(&key, &value)).collect()
    }
}
