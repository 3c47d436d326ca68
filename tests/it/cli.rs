//! The real binary against the simulated services in a process of their own: what an operator types,
//! and the exit code that scripts see.

mod absence;
mod codes;
mod control;
mod ends;
mod explain;
mod gaps;
mod guards;
mod holds;
pub(crate) mod idle;
mod leaving;
mod local;
mod online;
mod plans;
mod privacy;
mod reload;
mod restore;
pub(crate) mod service;
mod setup;
pub(crate) mod site;
mod sizes;
mod socket;
mod state;
mod terminal;
mod waiting;
