//! Manntall keeps the accounts of a collaboration platform true to Microsoft Entra ID.

pub mod audit;
pub mod cli;
pub mod clock;
pub mod config;
pub mod core;
pub mod cycle;
pub mod daemon;
pub mod errors;
pub mod graph;
pub mod random;
pub mod scim;
pub mod sim;
pub mod status;
pub mod store;
pub mod telemetry;
pub mod transport;
