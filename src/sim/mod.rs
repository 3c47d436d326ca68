//! The simulator: a fake Entra tenant and a fake SCIM platform as plain request-to-response functions
//! over a world, for the demo, the tests and `manntall simulate`.
//!
//! Imports nothing else of this crate.

pub mod entra;
pub mod http;
pub mod world;
pub mod platform;
pub mod server;
