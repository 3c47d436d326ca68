//! All integration tests, in one binary.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests fail loudly and may talk"
)]

mod acceptance;
mod cli;
mod crashes;
mod damage;
mod days;
mod documents;
mod drills;
mod faults;
mod foreign;
mod guards;
mod history;
mod hostile;
mod incidents;
mod kill;
mod oracle;
mod scenarios;
mod stage;
mod third_party;
mod tidy;
mod watching;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
