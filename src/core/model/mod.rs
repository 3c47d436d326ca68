//! The nouns: ids, values, what Entra holds, what an account should be.

mod attribute;
mod datum;
mod directory;
mod fields;
mod id;
mod keyed;
mod ledger;
mod shared;
mod time;

#[cfg(test)]
mod tests;

pub use attribute::{Account, AttrParts, AttrPath, Attributes, ENTERPRISE, Wanted};
pub use datum::{Datum, Properties};
pub use directory::{
    Edge, Element, Kind, MemberKind, Presence, SourceGroup, SourceUser, Tombstone,
};
pub use fields::Fields;
pub use id::{GroupKey, ObjectId, PersonId, ScimId, SourceName};
pub use keyed::DigestKey;
pub use ledger::{
    AccountEntry, ByHand, Doubt, Drift, Entity, Escrow, GroupEntry, Intent, Ledger, LeftOut, Link,
    OF_GROUPS, Origin, Twins, Unseen, Use, WhyLeftOut,
};
pub use shared::PropertyName;
pub use time::Timestamp;
