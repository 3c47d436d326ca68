//! `simulate`: serves a simulated Entra tenant and platform on loopback until it is stopped.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::fakes::{Fakes, FakesOptions};
use super::{Exit, Failure, console, drive};
use crate::clock::SystemClock;
use crate::sim::platform::Personality;
use crate::sim::platform::record::Rate;
use crate::sim::server::TlsIdentity;
use crate::sim::world::{GeneratorOptions, World, generate};

/// Arguments of `simulate`.
#[derive(Debug, clap::Args)]
pub(super) struct SimulateArgs {
    /// Address of Graph and the login endpoint; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    graph: String,
    /// Address of the platform; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    scim: String,
    /// Tenant from a scenario file, with its timed events
    #[arg(long, value_name = "FILE", conflicts_with_all = ["users", "groups", "memberships"])]
    world: Option<PathBuf>,
    /// Users of a generated tenant
    #[arg(long, value_name = "N", default_value_t = 60)]
    users: usize,
    /// Groups of a generated tenant [default: a fifth of the users, at least 8]
    #[arg(long, value_name = "N")]
    groups: Option<usize>,
    /// Memberships of a generated tenant, about [default: four a user]
    #[arg(long, value_name = "N")]
    memberships: Option<usize>,
    /// Everything random comes from here
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// How the platform reads the RFCs
    #[arg(long, value_name = "NAME", default_value = "strict")]
    personality: Manners,
    /// Requests a second that the platform allows [default: no limit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Requests that the platform allows at once after a rest [default: those of one second]
    #[arg(long, value_name = "N", requires = "rate", value_parser = clap::value_parser!(u32).range(1..))]
    burst: Option<u32>,
    /// How long each answer of the platform takes
    #[arg(long, value_name = "N", default_value_t = 0)]
    delay_ms: u64,
    /// So many people have accounts on the platform already
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed_platform: usize,
    /// Certificate chain in PEM; serves HTTPS
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Private key in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Manners {
    /// As written
    Strict,
    /// Takes almost anything, and answers in odd shapes
    Sloppy,
    /// Trained on Entra's old habits
    Legacy,
}

pub(super) fn run(args: &SimulateArgs) -> Result<Exit, Failure> {
    let options = options(args)?;
    drive::block_on(async {
        let clock = Arc::new(SystemClock::start());
        let mut signals = drive::signals()?;
        let fakes = Fakes::start(options, clock).await.map_err(|error| {
            let exit = match error.kind() {
                std::io::ErrorKind::InvalidInput => Exit::Usage,
                _ => Exit::Failed,
            };
            Failure::new(exit, format!("the simulated services cannot be served: {error}"))
        })?;
        console::data(&serde_json::to_string(&fakes.hello).unwrap_or_default());
        tokio::select! {
            () = fakes.play() => {}
            () = signals.next() => {}
        }
        Ok(Exit::Done)
    })
}

fn options(args: &SimulateArgs) -> Result<FakesOptions, Failure> {
    let world = match &args.world {
        Some(file) => {
            let text = String::from_utf8(read(file)?)
                .map_err(|_| Failure::new(Exit::Usage, format!("{} is no text", file.display())))?;
            World::from_scenario(&text).map_err(|error| {
                Failure::new(Exit::Usage, format!("the scenario {}: {error}", file.display()))
            })?
        }
        None => generate(&GeneratorOptions {
            users: args.users,
            groups: args.groups.unwrap_or_else(|| (args.users / 5).max(8)),
            memberships: args.memberships.unwrap_or(args.users.saturating_mul(4)),
            seed: args.seed,
            ..GeneratorOptions::default()
        }),
    };
    let tls = match (&args.tls_cert, &args.tls_key) {
        (Some(cert), Some(key)) => Some(TlsIdentity { cert_pem: read(cert)?, key_pem: read(key)? }),
        _ => None,
    };
    Ok(FakesOptions {
        graph: args.graph.clone(),
        scim: args.scim.clone(),
        world,
        seed: args.seed,
        personality: match args.personality {
            Manners::Strict => Personality::Strict,
            Manners::Sloppy => Personality::Sloppy,
            Manners::Legacy => Personality::Legacy,
        },
        rate: args
            .rate
            .map(|per_second| Rate { per_second, burst: args.burst.unwrap_or(per_second) }),
        delay: Duration::from_millis(args.delay_ms),
        accounts: args.seed_platform,
        tls,
    })
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(file).map_err(|error| {
        Failure::new(Exit::Usage, format!("{} cannot be read: {error}", file.display()))
    })
}
