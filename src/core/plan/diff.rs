//! The difference for one account: what should be against what the target last confirmed.

use crate::core::model::{Account, AttrPath, Attributes, Datum, Ledger, PersonId, ScimId, Wanted};

/// What is said of an account that is left active or inactive, whichever it is.
pub(super) const ACTIVE_UNKNOWN: &str =
    "the platform does not say readably whether it is active, and it stays as it is";

/// What a reference to a person comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reference {
    /// The person has an account, or gets one by this plan.
    Account,
    /// The person is known to have none, and to get none.
    Nobody,
    /// It cannot be said: the attribute stays as it is.
    Unknown,
}

/// The attributes that differ.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) before: Attributes,
    pub(super) after: Account,
}

impl Difference {
    pub(super) fn is_empty(&self) -> bool {
        self.after.is_empty()
    }

    /// Whether an account of which nobody told whether it is active stays as it is. Who was made
    /// inactive there is not activated because the target does not say so.
    pub(super) fn leave_active(&mut self, held: &Attributes) -> bool {
        let active = AttrPath::active();
        !held.contains_key(&active) && self.after.remove(&active).is_some()
    }
}

/// Compares an account with what the target holds. What is in doubt, with what was there before, differs from
/// everything.
pub(super) fn difference(
    account: &Account,
    (held, doubted): (&Attributes, &Attributes),
    ledger: &Ledger,
    refers_to: impl Fn(PersonId) -> Reference,
) -> Difference {
    let mut difference = Difference::default();
    for (path, wanted) in account {
        let now = held.get(path).unwrap_or(&Datum::Null);
        let before = doubted.get(path);
        let is_doubted = before.is_some();
        let nobody = Wanted::Value(Datum::Null);
        let (wanted, differs) = match wanted {
            // No account is without a login name (RFC 7643 §4.1.1): it keeps the one that it has.
            Wanted::Value(value) if value.is_unassigned() && *path == AttrPath::user_name() => {
                (wanted, false)
            }
            Wanted::Value(value) => (wanted, !is_held((held, doubted), path, value)),
            Wanted::Account(person) => match refers_to(*person) {
                Reference::Account => {
                    let id = ledger.accounts.get(person).and_then(|entry| entry.link.managed());
                    let is_same = |id: &ScimId| {
                        now.as_text().is_some_and(|now| ScimId::are_same(now, id.as_str()))
                    };
                    (wanted, is_doubted || !id.is_some_and(is_same))
                }
                Reference::Nobody => (&nobody, is_doubted || !now.is_unassigned()),
                Reference::Unknown => (wanted, false),
            },
        };
        if differs {
            let before = before.or_else(|| held.get(path));
            if let Some(value) = before.filter(|value| !value.is_unassigned()) {
                difference.before.insert(path.clone(), value.clone());
            }
            difference.after.insert(path.clone(), wanted.clone());
        }
    }
    difference
}

/// The whole account of somebody who has none: everything that is assigned.
pub(super) fn whole(account: &Account, refers_to: impl Fn(PersonId) -> Reference) -> Account {
    let assigned = account.iter().filter(|(_, wanted)| match wanted {
        Wanted::Value(value) => !value.is_unassigned(),
        Wanted::Account(person) => refers_to(*person) == Reference::Account,
    });
    assigned.map(|(path, wanted)| (path.clone(), wanted.clone())).collect()
}

/// Whether two values of one attribute are the same to a SCIM server. Login names and addresses are
/// compared without regard to letter case (RFC 7643 §4.1.1 says so of `userName`): a target that keeps
/// its own spelling is not at odds with us. Nor is one that shows the same id in another letter case.
pub fn same(path: &AttrPath, left: &Datum, right: &Datum) -> bool {
    if left.is_unassigned() || right.is_unassigned() {
        return left.is_unassigned() && right.is_unassigned();
    }
    match (left, right) {
        _ if left == right => true,
        (Datum::Text(left), Datum::Text(right)) if path.is_reference() => {
            ScimId::are_same(left, right)
        }
        (Datum::Text(left), Datum::Text(right)) => {
            is_caseless(path) && left.to_lowercase() == right.to_lowercase()
        }
        (Datum::Int(number), Datum::Text(text)) | (Datum::Text(text), Datum::Int(number)) => {
            *number.to_string() == **text
        }
        _ => false,
    }
}

/// Whether the target is known to hold the value: nothing is known of what is in doubt.
pub fn is_held(
    (held, doubted): (&Attributes, &Attributes),
    path: &AttrPath,
    wanted: &Datum,
) -> bool {
    !doubted.contains_key(path) && same(path, held.get(path).unwrap_or(&Datum::Null), wanted)
}

fn is_caseless(path: &AttrPath) -> bool {
    let parts = path.parts();
    parts.schema.is_none() && matches!(parts.attribute, "userName" | "emails")
}
