//! What an operator of a history configures, and changes.

use std::collections::BTreeSet;

use manntall::core::expression::Subject;
use manntall::core::model::ObjectId;
use manntall::core::policy::{Budget, Budgets, GroupRule, Policy};
use manntall::sim::world::World;

use super::script::Edit;
use crate::oracle::Rules;
use crate::stage::expression;

/// Budgets that an everyday change is over.
pub(crate) fn tight() -> Budgets {
    let budget = Budget { basis_points: 100, min: 1, max: Some(1) };
    Budgets {
        deactivate: budget,
        delete: Budget { min: 0, max: Some(0), ..budget },
        member_remove: budget,
        group_shrink: Budget { basis_points: 1_000, min: 0, max: None },
        rename: Budget { min: 0, max: Some(0), ..budget },
        clear: Budget { min: 0, max: Some(0), ..budget },
        create: budget,
        reactivate: Budget { min: 0, max: Some(0), ..budget },
    }
}

/// The configuration that says what `rules` say.
pub(crate) fn configure(policy: &mut Policy, rules: &Rules) {
    let other = rules.without.iter();
    let other = other.map(|department| format!(" and person.department != \"{department}\""));
    let people = "person.accountEnabled and person.userType != \"Guest\"".to_owned();
    let people = other.fold(people, |all, one| all + &one);
    policy.people = expression(&people, Subject::Person);
    policy.people_of = rules.within.as_deref().map(|id| [ObjectId::parse(id).unwrap()].into());
    let title = if rules.capital_titles {
        "person.jobTitle and (person.jobTitle | upper)"
    } else {
        "person.jobTitle"
    };
    for (path, value) in &mut policy.account {
        if path.to_string() == "title" {
            *value = expression(title, Subject::Person);
        }
    }
    for rule in &mut policy.groups {
        if let GroupRule::People { name, .. } = rule {
            *name = expression(&format!("\"{} \" ~ key", rules.section), Subject::Key);
        }
    }
}

/// Changes what the operator has configured.
pub(crate) fn change_rules(rules: &mut Rules, edit: &Edit, world: &World, rng: &mut fastrand::Rng) {
    match edit {
        Edit::Scope => {
            let users = world.users().values();
            let departments: BTreeSet<_> =
                users.filter_map(|user| user.text("department")).collect();
            rules.without = match rules.without {
                Some(_) => None,
                None => rng.choice(departments).map(str::to_owned),
            };
        }
        Edit::Titles => rules.capital_titles = !rules.capital_titles,
        Edit::Sections => {
            let other = if rules.section == "Seksjon" { "Avdeling" } else { "Seksjon" };
            other.clone_into(&mut rules.section);
        }
    }
}
