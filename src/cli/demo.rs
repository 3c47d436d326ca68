//! `demo`: Manntall at work without any account, file or network. The services are simulated; everything
//! else is real: configuration file, HTTP over loopback, store, engine.

mod folder;
mod story;
mod truth;

use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use self::folder::Folder;
use super::fakes::{Fakes, FakesOptions, Hello};
use super::reveal::{Revealed, Sight};
use super::view::plan::of_engine;
use super::view::plan_text;
use super::view::text::{BOLD, GOOD, RISKY, harmless, styled};
use super::wire::{Wiring, only_target};
use super::{Context, Exit, Failure, console, drive, sync, watchers};
use crate::clock::{Clock, SystemClock};
use crate::config;
use crate::cycle::Until;
use crate::daemon::{self, Outcome, Signals};
use crate::sim::platform::Personality;
use crate::sim::platform::record::Rate;
use crate::sim::world::{GeneratorOptions, World, generate};

/// Requests a second that the simulated platform allows, and that Manntall is told to keep to.
const RATE: u32 = 60;

/// How often something happens while people watch.
const EVENT_EVERY: Duration = Duration::from_secs(4);

/// Arguments of `demo`.
#[derive(Debug, clap::Args)]
pub(super) struct DemoArgs {
    /// Show a first import, an ordinary day and an accident, compare, and end
    #[arg(long)]
    once: bool,
    /// Everything random comes from here
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
}

pub(super) fn run(context: &Context, args: &DemoArgs) -> Result<Exit, Failure> {
    let folder = Folder::make(&context.environment)?;
    drive::block_on(async {
        let mut signals = drive::signals()?;
        let fakes = start(args.seed).await?;
        let file = write_configuration(&folder, &fakes.hello)?;
        let config = config::load(&file, &std::collections::BTreeMap::new())
            .map_err(|errors| Failure::new(Exit::Config, errors.coloured()))?;
        let wiring = Wiring::new(config)?;
        if args.once {
            once(&wiring, &fakes, &mut signals).await
        } else {
            watch(&wiring, &fakes, &mut signals).await
        }
    })
}

async fn start(seed: u64) -> Result<Fakes, Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let mut world: World = generate(&GeneratorOptions { seed, ..GeneratorOptions::default() });
    story::before(&mut world);
    let options = FakesOptions {
        graph: "127.0.0.1:0".to_owned(),
        scim: "127.0.0.1:0".to_owned(),
        world,
        seed,
        personality: Personality::Strict,
        rate: Some(Rate { per_second: RATE, burst: RATE / 10 }),
        delay: Duration::ZERO,
        accounts: 3,
        tls: None,
    };
    Fakes::start(options, clock).await.map_err(|error| {
        Failure::new(Exit::Failed, format!("the simulated services cannot be served: {error}"))
    })
}

/// A configuration as an operator would write it.
fn write_configuration(folder: &Folder, hello: &Hello) -> Result<PathBuf, Failure> {
    let Hello { tenant_id, client_id, client_secret, graph_url, login_url, scim_url, scim_token } =
        hello;
    folder.write("asker.secret", client_secret)?;
    folder.write("platform.token", scim_token)?;
    let state = folder.path().join("state");
    let state = state.display();
    let text = format!(
        r#"[service]
state_dir     = "{state}"
poll_interval = "5s"

[status]
listen = "127.0.0.1:0"

[sources.asker]
tenant_id          = "{tenant_id}"
client_id          = "{client_id}"
client_secret_file = "asker.secret"
graph_url          = "{graph_url}"
login_url          = "{login_url}"

[targets.platform]
url                 = "{scim_url}"
token_file          = "platform.token"
requests_per_second = {RATE}

[[targets.platform.groups]]
id    = "plt"
from  = "directory"
where = 'group.displayName is startingwith("PLT ")'
name  = 'group.displayName | replace("PLT ", "")'

[[targets.platform.groups]]
id   = "sections"
from = "people"
each = 'person.department'
name = '"Seksjon " ~ key'
"#
    );
    folder.write("manntall.toml", &text)
}

/// The three acts, and the comparison.
async fn once(wiring: &Wiring, fakes: &Fakes, signals: &mut Signals) -> Result<Exit, Failure> {
    title("1. A first import: 60 people in Entra, 3 accounts on the platform already");
    act(wiring, signals).await?;
    title("2. An ordinary day");
    tell(&story::day(&mut fakes.lock().world)?);
    act(wiring, signals).await?;
    title("3. An accident: a script disables a whole lot of people");
    let (words, victims) = story::accident(&mut fakes.lock().world)?;
    tell(&words);
    act(wiring, signals).await?;
    title("4. Is the platform as it should be?");
    let differences = truth::differences(&fakes.lock(), &victims);
    let violations = fakes.lock().platform.violations;
    let mut text = String::new();
    for difference in &differences {
        let _ = writeln!(text, "  {}", styled(RISKY, &harmless(difference)));
    }
    if differences.is_empty() {
        let _ = writeln!(
            text,
            "{} Every account and membership is what Entra says; the {} people of the accident kept \
             their accounts until somebody decides. The platform's rate limit was hit {violations} times.",
            styled(GOOD, "Yes."),
            victims.len()
        );
    }
    console::data(&text);
    Ok(if differences.is_empty() { Exit::Done } else { Exit::Failed })
}

/// Plans, shows the plan, and does it: each step as the command of that name would.
async fn act(wiring: &Wiring, signals: &mut Signals) -> Result<(), Failure> {
    let (target, _) = only_target(&wiring.config)?;
    {
        let mut engine = wiring.engine(wiring.throw_away_store()?.0)?;
        let sight = Sight::Clear(Revealed::of_invented_people());
        drive::drive(wiring, &mut engine, None, Until::Planned, signals).await?;
        let plan = of_engine(&engine, target, wiring.clock.now().to_string(), &sight);
        console::data(&plan_text::render(&plan, plan_text::Look::default()));
    }
    let mut engine = wiring.engine(wiring.own_store()?)?;
    let writer = wiring.writer()?;
    drive::drive(wiring, &mut engine, Some(&writer), Until::Settled, signals).await?;
    let (result, _) = sync::result_of(&engine, |_| true);
    console::data(&sync::render(&result));
    for trouble in &result.troubles {
        console::talk(trouble);
    }
    Ok(())
}

/// Lets the service run and the world change, for people to watch.
async fn watch(wiring: &Wiring, fakes: &Fakes, signals: &mut Signals) -> Result<Exit, Failure> {
    title("Manntall at work; Ctrl-C ends it");
    let mut engine = wiring.engine(wiring.own_store()?)?;
    let snapshots = engine.snapshots(only_target(&wiring.config)?.0);
    let mut watchers = watchers::start(wiring, snapshots, None)?;
    if let Some(address) = watchers.address() {
        console::data(&format!("  How it is doing: http://{address}/\n"));
    }
    let writer = wiring.writer()?;
    let clock = Arc::clone(&wiring.clock);
    let mut progress = engine.progress();
    let happens = async {
        let mut number = 0_u32;
        loop {
            wiring.clock.sleep(EVENT_EVERY).await;
            number += 1;
            let words = {
                let mut sim = fakes.lock();
                if number.is_multiple_of(12) {
                    story::accident(&mut sim.world).map(|(words, _)| words)
                } else {
                    Ok(story::anything(&mut sim))
                }
            };
            if let Ok(words) = words {
                tell(&words);
            }
        }
    };
    let shows = async {
        let (mut shown, mut held) = (0, 0);
        while progress.changed().await.is_ok() {
            let now = progress.borrow_and_update().clone();
            let lines: Vec<String> = {
                let sim = fakes.lock();
                let fresh = sim.platform.writes.get(shown..).unwrap_or_default();
                shown += fresh.len();
                fresh.iter().map(|w| format!("{} {} {}", w.method, w.target, w.summary)).collect()
            };
            for line in &lines {
                console::data(&format!("  platform: {}", harmless(line)));
            }
            if now.held > held {
                console::data(&styled(
                    RISKY,
                    &format!("  ! held: {} changes wait for approval", now.held),
                ));
            }
            held = now.held;
        }
    };
    tokio::select! {
        outcome = daemon::drive(&mut engine, Some(&writer), Until::Stopped, clock, signals) => {
            match outcome? {
                Outcome::Done | Outcome::Drained => Ok(Exit::Done),
                Outcome::BrokenOff => Ok(Exit::Interrupted),
            }
        }
        never = &mut watchers.notices => match never {},
        () = happens => Ok(Exit::Done),
        () = shows => Ok(Exit::Done),
    }
}

fn title(words: &str) {
    console::data(&format!("\n{}\n", styled(BOLD, words)));
}

fn tell(events: &[String]) {
    for event in events {
        console::data(&format!("  Entra: {}", harmless(event)));
    }
}
