//! Every fault that operators meet, by the number of its row in `docs/reliability.md`, with what is
//! required of Manntall while it lasts and after it.
//!
//! *Safe* is checked after each single write: nothing is taken from anybody without evidence, and nobody
//! has two accounts. *Converges* means: two cycles after the fault, without help, the platform is what an
//! oracle that shares no code with Manntall says.

mod absence;
mod answers;
mod claims;
mod creates;
mod departures;
mod entra;
mod lag;
mod limits;
mod listings;
mod local;
mod members;
mod memberships;
mod network;
mod pace;
mod proxy;
mod renames;
mod reuse;
mod silence;
mod singles;
mod sizes;
mod sockets;
mod target;
pub(crate) mod trial;
mod unclear;
mod unread;
mod unsaid;
pub(crate) mod wire;
