//! The SCIM edge against a transport with prepared answers and a clock moved by hand.

#![expect(clippy::unwrap_used, reason = "tests fail loudly")]

mod bench;
mod bodies;
mod complaints;
mod errors;
mod lookups;
mod pace;
mod platform;
mod reading;
mod redaction;
