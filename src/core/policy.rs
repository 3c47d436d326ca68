//! What the operator wants, as the core understands it: who is in scope, what an account holds, which
//! groups there are, and how much may change at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::expression::Expression;
use super::model::{AttrPath, ObjectId, ScimId};

/// The policy of one target.
#[derive(Debug, Clone)]
pub struct Policy {
    /// `scope.people`: a filter over `person`.
    pub people: Expression,
    /// `scope.groups`: when given, only transitive members of these groups are in scope.
    pub people_of: Option<BTreeSet<ObjectId>>,
    /// `account`: SCIM attribute = expression over `person`.
    pub account: BTreeMap<AttrPath, Expression>,
    /// `groups`: rules in the order written.
    pub groups: Vec<GroupRule>,
    /// How much may change at once.
    pub budgets: Budgets,
    /// What happens to accounts that exist already.
    pub adopt: Adopt,
    /// `never`: accounts that are never touched, by id on the target or login name, in lower case.
    pub never: BTreeSet<String>,
    /// The account whose token we use, as far as the target has told. It is never touched either.
    pub own_account: Option<ScimId>,
}

/// One `[[targets.*.groups]]` table.
#[derive(Debug, Clone)]
pub enum GroupRule {
    /// `from = "directory"`: directory groups carried over.
    Directory {
        /// Stable name of the rule.
        id: Arc<str>,
        /// A filter over `group`.
        filter: Expression,
        /// The name on the target, over `group`.
        name: Expression,
    },
    /// `from = "people"`: one group for each value of an expression over `person`.
    People {
        /// Stable name of the rule.
        id: Arc<str>,
        /// The value that decides which group the person belongs to.
        each: Expression,
        /// The name on the target, over `key`.
        name: Expression,
    },
}

/// What happens to accounts that exist on the target already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Adopt {
    /// They are left alone; their persons are stuck.
    Never,
    /// Taken over; more than [`ADOPTIONS_UNASKED_MAX`] at first contact are held for one approval.
    #[default]
    Approve,
    /// Taken over unasked.
    Automatic,
}

/// As many adoptions as a newcomer's first plan may do unasked: enough for the operator's own account
/// and some trial accounts, too few to take a platform over by a wrong matching rule.
pub const ADOPTIONS_UNASKED_MAX: usize = 10;

/// How many changes of one kind may be made unasked: `percent` of the population, but at least `min`
/// and at most `max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Hundredths of a per cent: 200 is 2 %.
    pub basis_points: u32,
    /// Floor.
    pub min: u32,
    /// Cap, where there is one.
    pub max: Option<u32>,
}

/// All budgets of a target. The defaults are meant to stop a one-off accident at every size, where the
/// fixed 500 of other tools is a quarter of a small town.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budgets {
    /// Deactivations, of active managed accounts.
    pub deactivate: Budget,
    /// Deletions, of managed accounts and of groups alike.
    pub delete: Budget,
    /// Members removed, of managed memberships.
    pub member_remove: Budget,
    /// Per cent of one group of at least ten members that may leave it at once, in basis points.
    pub group_shrink: Budget,
    /// Changes of login name or main address, of active managed accounts.
    pub rename: Budget,
    /// Clearing one attribute, of accounts that hold it.
    pub clear: Budget,
    /// Creates after the first import, of managed accounts.
    pub create: Budget,
    /// Reactivations, of managed accounts.
    pub reactivate: Budget,
}

impl Default for Budgets {
    fn default() -> Self {
        let budget = |basis_points, min, max| Budget { basis_points, min, max };
        Self {
            deactivate: budget(200, 5, Some(250)),
            delete: budget(50, 3, Some(50)),
            member_remove: budget(300, 25, None),
            group_shrink: budget(5000, 0, None),
            rename: budget(200, 10, None),
            clear: budget(500, 10, None),
            create: budget(1000, 50, None),
            reactivate: budget(200, 5, None),
        }
    }
}
