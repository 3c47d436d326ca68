//! The rules of a configuration as text: who is in scope, what an account holds, which groups there
//! are. Kept beside the state, so that after a change of the rules one can say what rests on it: the
//! changes that the new rules want and the old ones did not, from the same facts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::expression::{Expression, ExpressionError, Subject};
use super::judge::{Claims, claims, is_destructive};
use super::model::{AttrPath, ObjectId, SourceName};
use super::plan::{Changes, Planner, Roster, Scope};
use super::policy::{GroupRule, Policy};

/// Everything that decides what should be, but for what the tenants say.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Rules {
    /// By the name of the source as text: callers send rules, and make no new names by it.
    keep: BTreeMap<String, String>,
    people: String,
    people_of: Option<BTreeSet<ObjectId>>,
    account: BTreeMap<AttrPath, String>,
    groups: Vec<GroupTexts>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum GroupTexts {
    Directory { id: Arc<str>, filter: String, name: String },
    People { id: Arc<str>, each: String, name: String },
}

/// A change of the rules: what they were before. Without that, as when another version wrote an
/// expression that this one does not understand, everything destructive rests on the change.
#[derive(Debug, Clone)]
pub struct RuleChange(Option<Usable>);

/// Rules that can be planned by.
#[derive(Debug, Clone)]
struct Usable {
    keep: BTreeMap<SourceName, Expression>,
    policy: Policy,
}

impl Rules {
    /// The rules of a configuration.
    pub fn of(keep: &BTreeMap<SourceName, Expression>, policy: &Policy) -> Self {
        let text = |expression: &Expression| expression.text().to_owned();
        let group = |rule: &GroupRule| match rule {
            GroupRule::Directory { id, filter, name } => {
                GroupTexts::Directory { id: Arc::clone(id), filter: text(filter), name: text(name) }
            }
            GroupRule::People { id, each, name } => {
                GroupTexts::People { id: Arc::clone(id), each: text(each), name: text(name) }
            }
        };
        Self {
            keep: keep.iter().map(|(source, keep)| (source.to_string(), text(keep))).collect(),
            people: text(&policy.people),
            people_of: policy.people_of.clone(),
            account: policy.account.iter().map(|(path, one)| (path.clone(), text(one))).collect(),
            groups: policy.groups.iter().map(group).collect(),
        }
    }

    /// Which rules of `now` are others, in the words of the configuration.
    pub fn differences(&self, now: &Self) -> BTreeSet<String> {
        let Self { keep, people, people_of, account, groups } = self;
        let mut found = differing(keep, &now.keep, |source| format!("sources.{source}"));
        found.extend(differing(account, &now.account, |path| format!("account {path}")));
        let by_id = |groups: &[GroupTexts]| -> BTreeMap<Arc<str>, GroupTexts> {
            groups.iter().map(|rule| (Arc::clone(rule.id()), rule.clone())).collect()
        };
        found.extend(differing(&by_id(groups), &by_id(&now.groups), |id| format!("groups {id}")));
        if *people != now.people {
            found.insert("scope.people".to_owned());
        }
        if *people_of != now.people_of {
            found.insert("scope.groups".to_owned());
        }
        // The order of the rules for groups counts as well.
        if found.is_empty() && self != now {
            found.insert("groups".to_owned());
        }
        found
    }

    /// The change from these rules to those of `now`, whose budgets and the like count.
    pub fn changed(&self, now: &Policy) -> RuleChange {
        RuleChange(self.parse(now).ok())
    }

    fn parse(&self, now: &Policy) -> Result<Usable, ExpressionError> {
        let keep = self.keep.iter().map(|(name, text)| {
            Ok((SourceName::new(name), Expression::parse(text, Subject::User)?))
        });
        let account = self
            .account
            .iter()
            .map(|(path, text)| Ok((path.clone(), Expression::parse(text, Subject::Person)?)));
        let groups = self.groups.iter().map(|rule| {
            Ok(match rule {
                GroupTexts::Directory { id, filter, name } => GroupRule::Directory {
                    id: Arc::clone(id),
                    filter: Expression::parse(filter, Subject::Group)?,
                    name: Expression::parse(name, Subject::Group)?,
                },
                GroupTexts::People { id, each, name } => GroupRule::People {
                    id: Arc::clone(id),
                    each: Expression::parse(each, Subject::Person)?,
                    name: Expression::parse(name, Subject::Key)?,
                },
            })
        });
        Ok(Usable {
            keep: keep.collect::<Result<_, _>>()?,
            policy: Policy {
                people: Expression::parse(&self.people, Subject::Person)?,
                people_of: self.people_of.clone(),
                account: account.collect::<Result<_, _>>()?,
                groups: groups.collect::<Result<_, _>>()?,
                ..now.clone()
            },
        })
    }
}

impl GroupTexts {
    fn id(&self) -> &Arc<str> {
        match self {
            Self::Directory { id, .. } | Self::People { id, .. } => id,
        }
    }
}

/// What the keys are called whose values are not the same in both.
fn differing<K: Ord, V: PartialEq>(
    one: &BTreeMap<K, V>,
    other: &BTreeMap<K, V>,
    name: impl Fn(&K) -> String,
) -> BTreeSet<String> {
    let keys = one.keys().chain(other.keys());
    keys.filter(|key| one.get(*key) != other.get(*key)).map(name).collect()
}

impl RuleChange {
    /// What of the destructive changes rests on the change of the rules: what the old rules, planned from
    /// the same facts, do not want. What follows another change shares its fate.
    pub fn resting(&self, changes: &Changes, roster: &Roster<'_>) -> Claims {
        let destructive = changes.values().filter(|one| !one.is_follower() && is_destructive(one));
        let mut resting: Claims = destructive.flat_map(|one| claims(one)).collect();
        if let (Self(Some(old)), false) = (self, resting.is_empty()) {
            let mut planner = Planner::default();
            let roster = Roster { keep: &old.keep, policy: &old.policy, ..*roster };
            planner.refresh(&roster, Scope::All);
            let wanted = planner.changes().values().filter(|one| is_destructive(one));
            for (subject, shown) in wanted.flat_map(|one| claims(one)) {
                if resting.get(&subject) == Some(&shown) {
                    resting.remove(&subject);
                }
            }
        }
        resting
    }
}
