//! What is held and what is not, from the side of somebody who reads the plan.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail loudly")]

mod guards;
mod holds;
mod properties;
mod queue;
mod records;
mod trials;
mod windows;
mod words;
mod world;
