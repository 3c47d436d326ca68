//! What was decided before a plan is judged: held, let through, approved, rejected, announced.

use std::time::Duration;

use super::read::{NOW, Town, path};
use super::words::{Line, value};
use crate::core::judge::{
    Approval, Aspect, Claims, Guard, Guarded, HeldBefore, JudgementContext, Meter, Of, Population,
    Rejection, SourcePopulation, Window, claims,
};
use crate::core::model::{Entity, SourceName, Timestamp};
use crate::core::plan::{ChangeDigest, Planner};

const HOUR_AGO: Timestamp = Timestamp(NOW.0 - 3_600_000);
const JUST_NOW: Timestamp = Timestamp(NOW.0 - 60_000);

pub(super) fn context(town: &Town, planner: &Planner) -> JudgementContext {
    let mut context = JudgementContext {
        population: Population::of(&town.ledger),
        emptied: planner.emptied(),
        adopt: town.policy.adopt,
        ..JudgementContext::default()
    };
    for text in &town.said {
        let mut line = Line::of(text);
        Before { town, planner, context: &mut context }.take(&mut line);
        line.end(text);
    }
    context
}

struct Before<'a> {
    town: &'a Town,
    planner: &'a Planner,
    context: &'a mut JudgementContext,
}

impl Before<'_> {
    fn take(&mut self, line: &mut Line) {
        match line.words.remove(0).as_str() {
            "held" => {
                let meter = meter(line);
                let limit = line.take("limit").map_or(0, |limit| limit.parse().unwrap());
                let claims = self.claims(line);
                let since = HOUR_AGO;
                self.context.held.push(HeldBefore { meter, limit, since, claims });
            }
            "cleared" => {
                let claims = self.claims(line);
                self.context.cleared.extend(claims);
            }
            "approved" => {
                let (claims, at) = (self.claims(line), JUST_NOW);
                let until = NOW.plus(Duration::from_secs(3_600));
                let by = "berit".into();
                self.context.approvals.push(Approval { claims, by, at, until, hold: None });
            }
            "rejected" => {
                let (claims, at) = (self.claims(line), JUST_NOW);
                self.context.rejections.push(Rejection { claims, by: "per".into(), at });
            }
            "spent" => {
                let meter = meter(line);
                let count = line.words.remove(0).parse().unwrap();
                self.context.spent.insert(meter, count);
            }
            "departed" => {
                let names = std::mem::take(&mut line.words);
                self.context.departed.extend(names.iter().map(|name| self.town.person(name)));
            }
            "allow" => {
                let guard = meter(line).guard;
                let count = line.words.remove(0).parse().unwrap();
                let (at, until) = (NOW, NOW.plus(Duration::from_secs(3_600)));
                let (by, reason) = ("berit".into(), "sommerjobber".to_owned());
                let (used, revoked) = (std::collections::BTreeMap::new(), None);
                let window = Window { id: 1, guard, count, at, until, by, reason, used, revoked };
                self.context.windows.push(window);
            }
            "resting" => {
                let claims = self.claims(line);
                self.context.resting.extend(claims.into_keys());
            }
            "population" => {
                let people: u64 = line.words.remove(0).parse().unwrap();
                let population = SourcePopulation {
                    accounts: people,
                    active: people,
                    memberships: people,
                    holders: [(path("title"), people)].into(),
                };
                let sources = &mut self.context.population.sources;
                sources.insert(SourceName::new("asker"), population);
            }
            "first-import" => self.context.first_import = true,
            word => panic!("{word}"),
        }
    }

    /// What the rest of a line names: the changes that are planned of these, or an aspect of one.
    fn claims(&self, line: &mut Line) -> Claims {
        let mut words = std::mem::take(&mut line.words);
        let aspect = words.last().and_then(|word| aspect(word));
        if let Some(aspect) = aspect {
            words.pop();
            let entity = self.entity(&words.remove(0));
            return [(Guarded::Of { entity, aspect }, ChangeDigest::of(&()))].into();
        }
        if let Some((name, text)) = line.values.pop_first() {
            let entity = self.entity(&words.remove(0));
            let aspect = Aspect::Value(path(&name));
            let shown = ChangeDigest::of(&value(&text).unwrap());
            return [(Guarded::Of { entity, aspect }, shown)].into();
        }
        let changes = words.iter().map(|name| {
            let entity = self.entity(name);
            let change = self.planner.changes().get(&entity);
            change.unwrap_or_else(|| panic!("nothing is planned of {name}"))
        });
        changes.flat_map(|change| claims(change)).collect()
    }

    /// `kari`, `group:vei`, or `vei:kari` for a membership.
    fn entity(&self, name: &str) -> Entity {
        match name.split_once(':') {
            Some(("group", group)) => Entity::Group(self.town.group(group)),
            Some((group, person)) => {
                Entity::Member(self.town.group(group), self.town.person(person))
            }
            None => Entity::Account(self.town.person(name)),
        }
    }
}

fn aspect(word: &str) -> Option<Aspect> {
    Some(match word {
        "departure" => Aspect::Departure,
        "return" => Aspect::Return,
        "creation" => Aspect::Creation,
        "adoption" => Aspect::Adoption,
        "deletion" => Aspect::Deletion,
        "removal" => Aspect::Removal,
        _ => return None,
    })
}

/// The count that the first word of a line names.
fn meter(line: &mut Line) -> Meter {
    let name = line.words.remove(0);
    let guard = Guard::ALL.into_iter().find(|guard| guard.name() == name).unwrap();
    let of = line.take("of").map_or(Of::All, |path_of| Of::Attribute(path(&path_of)));
    let is_of_all = matches!(guard, Guard::Adopt);
    let source = (!is_of_all).then(|| SourceName::new("asker"));
    Meter { guard, source, of }
}
