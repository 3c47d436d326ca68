//! The figures of `docs/performance.md`, each by its name:
//!
//! ```text
//! cargo bench --bench figures                    everything but the last one
//! cargo bench --bench figures -- load            first load of 50,000 people and what comes after it
//! cargo bench --bench figures -- load 1000 40 8000
//! cargo bench --bench figures -- quiet 1000      a cycle in which nothing has changed
//! cargo bench --bench figures -- memory 100000 4000 800000
//! cargo bench --bench figures -- pace
//! cargo bench --bench figures -- idle            a thousand idle cycles, four times
//! cargo test --bench figures -- ceilings         a first load of 10,000 people, held to its ceilings
//! ```
//!
//! The program is measured as it is shipped, as a process of its own, against `manntall simulate` as
//! another one. What is measured is told, and judged by whoever reads it: the figures depend on the
//! machine, so none of them fails here.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement fails loudly, and tells its figures"
)]
#![expect(clippy::similar_names, reason = "a site of a size, recorded by a recorder")]

mod idle;
mod load;
mod measure;
mod minimal;
mod pace;
mod planning;
mod recorder;
#[path = "../../tests/it/cli/site.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod site;

use std::path::Path;

use load::Size;

/// The municipality that the design speaks of.
const LARGE: [usize; 3] = [50_000, 2_000, 265_000];

fn main() {
    // The harness that cargo expects is told of by a flag.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let numbers: Vec<usize> = words.iter().filter_map(|word| word.parse().ok()).collect();
    let size = |default: [usize; 3]| {
        let at = |place: usize| numbers.get(place).or(default.get(place)).copied().unwrap_or(0);
        Size { users: at(0), groups: at(1), memberships: at(2) }
    };
    match words.first().map(String::as_str) {
        None => {
            load::all(size(LARGE));
            quiet(size([1_000, 40, 4_000]));
            load::memory(size([100_000, 4_000, 500_000]));
            paces();
        }
        Some("load") => load::all(size(LARGE)),
        Some("quiet") => quiet(size([1_000, 40, 4_000])),
        Some("memory") => load::memory(size([100_000, 4_000, 500_000])),
        Some("pace") => paces(),
        Some("idle") => idle::thousand(),
        Some("ceilings") => load::ceilings(size([10_000, 400, 50_000])),
        Some("minimal") => minimal::run(Path::new(words.get(1).expect("a file"))),
        Some(other) => {
            println!(
                "there is no figure named {other:?}: load, quiet, memory, pace, idle, ceilings"
            );
        }
    }
}

fn quiet(size: Size) {
    println!("{} people:", size.users);
    load::quiet(&size.site());
}

fn paces() {
    pace::at((20, 20), 150, 8);
    pace::at((80, 80), 300, 32);
    pace::at((20, 2), 150, 8);
    pace::at((80, 2), 300, 32);
}
