//! What is held and what is not, from the side of somebody who reads the plan.

mod guards;
mod holds;
mod properties;
mod world;
