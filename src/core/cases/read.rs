//! From the text of a case to what a turn would know.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::words::{Line, value};
use crate::core::expression::{Expression, Subject};
use crate::core::judge::JudgementContext;
use crate::core::mirror::Mirror;
use crate::core::model::{
    AccountEntry, AttrPath, Attributes, ByHand, Datum, Drift, ENTERPRISE, Edge, Entity, GroupEntry,
    GroupKey, Intent, Kind, Ledger, Link, MemberKind, ObjectId, Origin, PersonId, Presence,
    Properties, ScimId, SourceGroup, SourceName, SourceUser, Timestamp, Tombstone, Twins, Unseen,
};
use crate::core::plan::{Planner, Roster, Scope};
use crate::core::policy::{Adopt, Budget, Budgets, GroupRule, Policy};
use crate::core::survey::{Candidate, Found, Survey};

pub(super) const NOW: Timestamp = Timestamp(1_795_000_000_000);

/// What a turn would know.
pub(super) struct Town {
    mirrors: BTreeMap<SourceName, Mirror>,
    complete: BTreeSet<(SourceName, Kind)>,
    keep: BTreeMap<SourceName, Expression>,
    pub(super) policy: Policy,
    pub(super) ledger: Ledger,
    survey: Survey,
    /// The tenants of whoever is not of `asker`, people and groups.
    elsewhere: BTreeMap<String, SourceName>,
    /// What was decided before: read once there is a plan.
    pub(super) said: Vec<String>,
}

pub(super) fn town(text: &str) -> Town {
    let mut town = Town::ordinary();
    let mut section = String::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line {
            "entra" | "platform" | "policy" | "said" => line.clone_into(&mut section),
            line => match section.as_str() {
                "entra" => town.told(line),
                "platform" => town.confirmed(line),
                "policy" => town.wanted(line),
                "said" => town.said.push(line.to_owned()),
                _ => panic!("stands in no section: {line}"),
            },
        }
    }
    town
}

fn asker() -> SourceName {
    SourceName::new("asker")
}

/// The id of whoever has this name: the name itself.
pub(super) fn id(name: &str) -> ObjectId {
    let mut bytes = [b' '; 16];
    assert!(name.len() <= bytes.len(), "{name} is too long for an id");
    bytes.iter_mut().zip(name.bytes()).for_each(|(to, from)| *to = from);
    ObjectId::from_bytes(bytes)
}

pub(super) fn scim(id: &str) -> ScimId {
    ScimId::new(id)
}

fn expression(text: &str, subject: Subject) -> Expression {
    Expression::parse(text, subject).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The path of an attribute, by the short names of the cases too.
pub(super) fn path(name: &str) -> AttrPath {
    match name {
        "manager" => AttrPath::manager(),
        "mail" => AttrPath::parse("emails[type eq \"work\"].value").unwrap(),
        "department" => AttrPath::parse(&format!("{ENTERPRISE}:department")).unwrap(),
        name => AttrPath::parse(name).unwrap_or_else(|| panic!("{name} is no attribute")),
    }
}

fn presence(line: &mut Line) -> Presence {
    let all = [
        ("missing", Presence::MissingOnce(2)),
        ("not-found", Presence::NotFound(2)),
        ("deleted", Presence::Removed(Tombstone::SoftDeleted)),
        ("purged", Presence::Removed(Tombstone::Purged)),
        ("gone", Presence::Removed(Tombstone::Missing)),
    ];
    let found = all.into_iter().find(|(word, _)| line.has(word));
    found.map_or(Presence::Present, |(_, presence)| presence)
}

impl Town {
    fn ordinary() -> Self {
        let mapping = [
            (AttrPath::user_name(), "person.userPrincipalName"),
            (AttrPath::display_name(), "person.displayName"),
        ];
        let account = mapping.map(|(path, text)| (path, expression(text, Subject::Person)));
        let policy = Policy {
            people: expression("person.accountEnabled", Subject::Person),
            people_of: None,
            account: account.into(),
            groups: vec![directory("all where true name group.displayName")],
            budgets: Budgets::default(),
            adopt: Adopt::Automatic,
            never: BTreeSet::new(),
            own_account: None,
        };
        Self {
            mirrors: [(asker(), Mirror::default())].into(),
            complete: [(asker(), Kind::Users), (asker(), Kind::Groups)].into(),
            keep: [(asker(), expression("true", Subject::User))].into(),
            policy,
            ledger: Ledger::default(),
            survey: Survey::default(),
            elsewhere: BTreeMap::new(),
            said: Vec::new(),
        }
    }

    /// The tenant that a line names.
    fn tenant(&mut self, line: &mut Line) -> SourceName {
        let Some(name) = line.take("in") else { return asker() };
        let source = SourceName::new(&name);
        if let Entry::Vacant(vacant) = self.mirrors.entry(source) {
            vacant.insert(Mirror::default());
            self.complete.extend([(source, Kind::Users), (source, Kind::Groups)]);
        }
        self.keep.entry(source).or_insert_with(|| expression("true", Subject::User));
        source
    }

    pub(super) fn person(&self, name: &str) -> PersonId {
        let source = self.elsewhere.get(name).copied().unwrap_or(asker());
        PersonId { source, object: id(name) }
    }

    pub(super) fn group(&self, name: &str) -> GroupKey {
        if let Some((rule, value)) = name.split_once('/') {
            return GroupKey::Rule { rule: rule.into(), value: value.into() };
        }
        let source = self.elsewhere.get(name).copied().unwrap_or(asker());
        GroupKey::Directory { source, object: id(name) }
    }

    fn told(&mut self, text: &str) {
        let mut line = Line::of(text);
        let kind = line.words.remove(0);
        if kind == "unread" {
            let source = self.tenant(&mut line);
            let kinds = [("users", Kind::Users), ("groups", Kind::Groups)];
            for (_, kind) in kinds.into_iter().filter(|(word, _)| line.has(word)) {
                self.complete.remove(&(source, kind));
            }
            return line.end(text);
        }
        let name = line.words.remove(0);
        let source = self.tenant(&mut line);
        if source != asker() {
            self.elsewhere.insert(name.clone(), source);
        }
        match kind.as_str() {
            "user" => self.user(&name, source, &mut line),
            "group" => self.directory_group(&name, source, &mut line),
            _ => panic!("{text}"),
        }
        line.end(text);
    }

    fn user(&mut self, name: &str, source: SourceName, line: &mut Line) {
        let mut properties = Properties::from([
            ("accountEnabled", Datum::Bool(true)),
            ("userPrincipalName", format!("{name}@example.no").into()),
            ("displayName", capital(name).into()),
        ]);
        for absent in ["department", "jobTitle", "mail", "manager"] {
            properties.insert(absent.into(), Datum::Null);
        }
        let presence = presence(line);
        let (partial, kept) = (line.has("partial"), !line.has("unkept"));
        for (name, text) in std::mem::take(&mut line.values) {
            let told = match (name.as_str(), value(&text)) {
                ("manager", Some(Datum::Text(manager))) => Some(id(&manager).to_string().into()),
                (_, told) => told,
            };
            match told {
                Some(told) => drop(properties.insert(name.as_str().into(), told)),
                None => drop(properties.remove(name.as_str())),
            }
        }
        let user = SourceUser { presence, kept, properties: Arc::new(properties), partial };
        self.mirrors.get_mut(&source).unwrap().users.insert(id(name), user);
        self.survey.accounts.entry(self.person(name)).or_insert(Found::Absent);
    }

    fn directory_group(&mut self, name: &str, source: SourceName, line: &mut Line) {
        let mut members = BTreeMap::new();
        for (list, kind, missing) in [
            ("members", MemberKind::User, None),
            ("leaving", MemberKind::User, Some(2)),
            ("groups", MemberKind::Group, None),
            ("devices", MemberKind::Other, None),
        ] {
            let edge = |member: String| (id(&member), Edge { kind, missing });
            members.extend(line.list(list).into_iter().map(edge));
        }
        let left = line.list("left").iter().map(|name| id(name)).collect();
        let mut properties = Properties::from([("displayName", Datum::from(capital(name)))]);
        let presence = presence(line);
        let (whole, emptied) = (!line.has("partial"), line.has("emptied"));
        for (name, text) in std::mem::take(&mut line.values) {
            match value(&text) {
                Some(told) => drop(properties.insert(name.as_str().into(), told)),
                None => drop(properties.remove(name.as_str())),
            }
        }
        let left = (!whole).then_some(left);
        let properties = Arc::new(properties);
        let group = SourceGroup { presence, properties, members, whole, left, emptied };
        self.mirrors.get_mut(&source).unwrap().groups.insert(id(name), group);
        self.survey.groups.entry(self.group(name)).or_insert(Found::Absent);
    }

    fn confirmed(&mut self, text: &str) {
        let mut line = Line::of(text);
        match line.words.remove(0).as_str() {
            "account" => self.account(&mut line),
            "group" => self.platform_group(&mut line),
            "found" => self.found(&mut line),
            _ => panic!("{text}"),
        }
        line.end(text);
    }

    fn account(&mut self, line: &mut Line) {
        let name = line.words.remove(0);
        let person = self.person(&name);
        let entity = Entity::Account(person);
        let mut entry = AccountEntry { link: link(&name, line), ..Default::default() };
        self.common(line, &entity, &mut entry.origin);
        let active = !matches!(entry.link, Link::Deactivated(_));
        entry.sent = Attributes::from([
            (AttrPath::external_id(), Datum::from(person.object.to_string())),
            (AttrPath::active(), Datum::Bool(active)),
            (AttrPath::user_name(), format!("{name}@example.no").into()),
            (AttrPath::display_name(), capital(&name).into()),
        ]);
        if line.has("by-hand") {
            let reason = "permisjon".to_owned();
            let word = ByHand { by: "berit".into(), at: Timestamp(0), reason };
            self.ledger.by_hand.insert(person, word);
        }
        let mut shown = Attributes::new();
        for (name, text) in std::mem::take(&mut line.values) {
            let (into, name) = match name.split_once(':') {
                Some(("drift", name)) => (&mut shown, name),
                Some(("answered", name)) => (&mut entry.answered, name),
                Some(("doubted", name)) => (&mut entry.doubted, name),
                _ => (&mut entry.sent, name.as_str()),
            };
            set(into, name, &text);
        }
        let doubted: Vec<_> = entry.doubted.iter().map(|(path, _)| path.clone()).collect();
        for path in &doubted {
            entry.sent.remove(path);
        }
        if !shown.is_empty() {
            self.ledger.drift.insert(entity, Drift { since: Timestamp(0), shown, times: 1 });
        }
        self.ledger.accounts.insert(person, entry);
    }

    /// What is said of accounts and groups alike.
    fn common(&mut self, line: &mut Line, entity: &Entity, origin: &mut Origin) {
        if line.has("adopted") {
            *origin = Origin::Adopted;
        }
        if line.has("absent") {
            self.ledger.absent.insert(entity.clone(), Timestamp(0));
        }
        if let Some(twin) = line.take("twin") {
            let ids = [(scim(&twin), Some(true))].into();
            self.ledger.twins.insert(entity.clone(), Twins { since: Timestamp(0), ids });
        }
    }

    fn platform_group(&mut self, line: &mut Line) {
        let name = line.words.remove(0);
        let key = self.group(&name);
        let mut entry = GroupEntry { link: link(&name, line), ..Default::default() };
        self.common(line, &Entity::Group(key.clone()), &mut entry.origin);
        entry.sent = Attributes::from([
            (AttrPath::external_id(), Datum::from(key.external_id())),
            (AttrPath::display_name(), capital(&name).into()),
        ]);
        let (members, unseen) = (line.list("members"), line.list("unseen"));
        for (name, text) in std::mem::take(&mut line.values) {
            set(&mut entry.sent, &name, &text);
        }
        self.ledger.groups.insert(key.clone(), entry);
        for member in members.iter().chain(&unseen) {
            self.ledger.put_member(&key, self.person(member));
        }
        for member in unseen {
            let entity = Entity::Member(key.clone(), self.person(&member));
            self.ledger.unseen.insert(entity, Unseen { since: Timestamp(0), adds: 1 });
        }
    }

    fn found(&mut self, line: &mut Line) {
        let is_group = line.has("group");
        let name = line.words.remove(0);
        let found = if line.has("absent") {
            Some(Found::Absent)
        } else if line.has("several") {
            Some(Found::Many(vec![scim("12"), scim("13")]))
        } else if line.has("unknown") {
            Some(Found::Unknown)
        } else if line.has("unasked") {
            None
        } else {
            let id = scim(&line.take("id").unwrap_or_else(|| format!("found-{name}")));
            let members = line.list("members").iter().map(|name| self.person(name)).collect();
            let mut attributes = if is_group {
                Attributes::from([(AttrPath::display_name(), capital(&name).into())])
            } else {
                Attributes::from([
                    (AttrPath::active(), Datum::Bool(true)),
                    (AttrPath::user_name(), format!("{name}@example.no").into()),
                    (AttrPath::display_name(), capital(&name).into()),
                    (AttrPath::roles(), Datum::Null),
                ])
            };
            for (name, text) in std::mem::take(&mut line.values) {
                set(&mut attributes, &name, &text);
            }
            Some(Found::One(Candidate { id, attributes, members }))
        };
        if is_group {
            let key = self.group(&name);
            match found {
                Some(found) => drop(self.survey.groups.insert(key, found)),
                None => drop(self.survey.groups.remove(&key)),
            }
        } else {
            let person = self.person(&name);
            match found {
                Some(found) => drop(self.survey.accounts.insert(person, found)),
                None => drop(self.survey.accounts.remove(&person)),
            }
        }
    }

    fn wanted(&mut self, text: &str) {
        let (kind, rest) = text.split_once(' ').unwrap_or((text, ""));
        let (left, right) = rest.split_once('=').unwrap_or(("", rest));
        let (left, right) = (left.trim(), right.trim());
        match kind {
            "account" => {
                self.policy.account.insert(path(left), expression(right, Subject::Person));
            }
            "people" => self.policy.people = expression(right, Subject::Person),
            "people-of" => self.policy.people_of = Some(rest.split(' ').map(id).collect()),
            "keep" => {
                let mut line = Line::of(left);
                let source = self.tenant(&mut line);
                self.keep.insert(source, expression(right, Subject::User));
            }
            "directory" => self.replace_rules(directory(rest)),
            "each" => self.replace_rules(each(rest)),
            "adopt" => {
                self.policy.adopt = match rest {
                    "never" => Adopt::Never,
                    "approve" => Adopt::Approve,
                    "automatic" => Adopt::Automatic,
                    _ => panic!("{text}"),
                }
            }
            "never" => drop(self.policy.never.insert(rest.to_owned())),
            "own-account" => self.policy.own_account = Some(scim(rest)),
            "budget" => {
                let (name, count) = rest.split_once(' ').unwrap();
                let count: u32 = count.parse().unwrap();
                let budget = Budget { basis_points: 0, min: count, max: None };
                let budgets = &mut self.policy.budgets;
                *match name {
                    "deactivate" => &mut budgets.deactivate,
                    "delete" => &mut budgets.delete,
                    "member_remove" => &mut budgets.member_remove,
                    "group_shrink" => &mut budgets.group_shrink,
                    "rename" => &mut budgets.rename,
                    "clear" => &mut budgets.clear,
                    "create" => &mut budgets.create,
                    "reactivate" => &mut budgets.reactivate,
                    _ => panic!("{text}"),
                } = budget;
            }
            _ => panic!("{text}"),
        }
    }

    /// The first rule that a case writes takes the place of the ordinary one.
    fn replace_rules(&mut self, rule: GroupRule) {
        let is_ordinary =
            |rule: &GroupRule| matches!(rule, GroupRule::Directory { id, .. } if &**id == "all");
        self.policy.groups.retain(|rule| !is_ordinary(rule));
        self.policy.groups.push(rule);
    }

    pub(super) fn plan(&self) -> Planner {
        let mut planner = Planner::default();
        let Self { mirrors, complete, keep, policy, ledger, survey, .. } = self;
        let roster = Roster { mirrors, complete, keep, policy, ledger, survey };
        planner.refresh(&roster, Scope::All);
        planner
    }

    /// What was decided before, with what the platform holds.
    pub(super) fn context(&self, planner: &Planner) -> JudgementContext {
        super::said::context(self, planner)
    }
}

/// The state that the words of a line name.
fn link(name: &str, line: &mut Line) -> Link {
    let id = scim(&line.take("id").unwrap_or_else(|| name.to_owned()));
    if line.has("deactivated") {
        Link::Deactivated(id)
    } else if line.has("pending") {
        Link::Pending(Intent { since: Timestamp(0), lookups: 0, next: Timestamp(0) })
    } else if line.has("released") {
        Link::Released(id)
    } else if line.has("lost") {
        Link::Gone(id)
    } else {
        Link::Linked(id)
    }
}

fn set(attributes: &mut Attributes, name: &str, text: &str) {
    let path = path(name);
    let value = match text.strip_prefix("id-of-") {
        Some(named) => Some(id(named).to_string().into()),
        None => value(text),
    };
    match value {
        Some(value) => drop(attributes.insert(path, value)),
        None => drop(attributes.remove(&path)),
    }
}

/// `NAME where FILTER name EXPRESSION`.
fn directory(text: &str) -> GroupRule {
    let (name, rest) = text.split_once(" where ").unwrap();
    let (filter, display) = rest.split_once(" name ").unwrap();
    GroupRule::Directory {
        id: name.into(),
        filter: expression(filter, Subject::Group),
        name: expression(display, Subject::Group),
    }
}

/// `NAME of EXPRESSION name EXPRESSION`.
fn each(text: &str) -> GroupRule {
    let (name, rest) = text.split_once(" of ").unwrap();
    let (each, display) = rest.split_once(" name ").unwrap();
    GroupRule::People {
        id: name.into(),
        each: expression(each, Subject::Person),
        name: expression(display, Subject::Key),
    }
}

/// The name as people write it.
pub(super) fn capital(name: &str) -> String {
    let mut chars = name.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    first + chars.as_str()
}
