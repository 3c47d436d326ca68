//! Answers that rest on a name which is not wanted any more: what was found by it is looked up once more.

use std::collections::BTreeSet;

use super::our_id;
use crate::core::derive::{self, GroupStanding};
use crate::core::model::{AttrPath, Datum, Entity, GroupKey, ObjectId, PersonId, SourceName};
use crate::core::survey::Found;
use crate::cycle::Engine;

impl Engine {
    /// Whoever was found by a login name that is not wanted any more, now that Entra has told of a change, is looked
    /// up once more: another account may be in the way, or none.
    pub(in crate::cycle) fn renew_answers(
        &mut self,
        source: SourceName,
        changed: &BTreeSet<ObjectId>,
    ) {
        for &object in changed {
            let person = PersonId { source, object };
            if self.target.survey.run.is_asked(&Entity::Account(person)) {
                self.target.survey.run.renewed.insert(Entity::Account(person));
            }
            let Some(Found::One(candidate)) = self.target.survey.answers.accounts.get(&person)
            else {
                continue;
            };
            let shown = |path: AttrPath| {
                candidate.attributes.get(&path).and_then(Datum::as_text).map(str::to_owned)
            };
            let is_ours = shown(AttrPath::external_id()) == Some(our_id(&Entity::Account(person)));
            let name = shown(AttrPath::user_name()).map(|name| name.to_lowercase());
            let wanted = self.login_names(person);
            let is_wanted =
                wanted.iter().any(|wanted| name.as_ref() == Some(&wanted.to_lowercase()));

            if !is_ours && !is_wanted {
                self.target.look_again(&Entity::Account(person));
            }
        }
    }

    /// The same of groups that go by another name now.
    pub(in crate::cycle) fn renew_group_answers(
        &mut self,
        source: SourceName,
        changed: &BTreeSet<ObjectId>,
    ) {
        for &object in changed {
            let key = GroupKey::Directory { source, object };
            let group =
                self.state.mirrors.get(&source).and_then(|mirror| mirror.groups.get(&object));
            let Some(group) = group else { continue };
            let standing = derive::directory_group(group, &self.target.policy);
            let GroupStanding::Wanted { name: Some(name), .. } = standing else { continue };
            let is_same = self.target.planning.planner.group_name(&key) == Some(&*name);
            let entity = Entity::Group(key);
            if is_same || self.is_pending(&entity) || self.is_linked(&entity) {
                continue;
            }
            if self.target.survey.run.is_asked(&entity) {
                self.target.survey.run.renewed.insert(entity.clone());
            }
            self.target.look_again(&entity);
        }
    }
}
