//! The SCIM edge against a transport with prepared answers and a clock moved by hand.

mod bench;
mod bodies;
mod errors;
mod lookups;
mod pace;
mod reading;
mod redaction;
