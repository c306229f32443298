//! `relais bench`: what the relay costs on this machine, beside the least that a relay can cost.
//!
//! The relay runs as a child, as `relais serve` would, and so does its [`floor`]; the simulated provider (somebody else
//! each time, without a page) has a thread of its own, and the browsers are here: the system counts the work of each
//! apart. Relay and floor take turns of a second each, so that a machine which others use slows both alike.

mod child;
mod cpu;
mod floor;
mod load;
mod parties;
mod provider;
mod report;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use stub_upstream::Stub;
use tokio::net::TcpListener;

use self::child::{Child, free_address};
use self::load::{Count, Doing, Load, Until};
use self::parties::Party;
use self::provider::Provider;
pub use self::report::Report;
use self::report::{Figures, Logins, per, percent_over, ratio};
use super::{DemoError, Keep};
use crate::clock::{Clock as _, SystemClock, Timestamp};
use crate::entropy::{Entropy, SystemEntropy};

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Memory of an idle relay, and of a login in flight.
    Memory,
    /// A login through an upstream that signs by ES256.
    Relay,
    /// A login through an upstream that signs by RS256.
    RelayRs256,
    /// A login beside many live sessions, and the memory of these.
    Growth,
    /// A message that does not open.
    GarbageMsg,
}

impl Scenario {
    /// All of them, in the order in which they run.
    pub const ALL: [Self; 5] = [Self::Memory, Self::Relay, Self::RelayRs256, Self::Growth, Self::GarbageMsg];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Relay => "relay",
            Self::RelayRs256 => "relay-rs256",
            Self::Growth => "growth",
            Self::GarbageMsg => "garbage-msg",
        }
    }
}

/// What is measured, and for how long.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The scenarios; they run in the order of [`Scenario::ALL`].
    pub scenarios: Vec<Scenario>,
    /// How long each figure is measured.
    pub seconds: u64,
    /// How old the relay is before its logins count: in its first minute it also looks for the marks of messages that
    /// an earlier process may have answered.
    pub warm_up: Duration,
    /// How many sessions `growth` makes; `memory` has a fifth as many logins in flight.
    pub sessions: u64,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A file, port or process.
    #[error("the bench cannot be set up")]
    Io(#[from] io::Error),
    /// Keys and directories.
    #[error(transparent)]
    SetUp(#[from] DemoError),
    /// The relay or the floor ended, or never answered.
    #[error("the process under test does not answer")]
    NoRelay,
    /// The simulated provider did not tell its keys.
    #[error("the simulated provider does not answer")]
    NoProvider,
    /// `/proc` is not what it should be, or a key cannot be used.
    #[error("the figures cannot be taken")]
    NoFigure,
}

/// Measures what `settings` name, and says each figure as soon as it is there.
pub async fn run(settings: &Settings, say: impl FnMut(&Report)) -> Result<(), BenchError> {
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy::new());
    let directory = std::env::temp_dir().join(format!("relais-bench-{}", hex::encode(entropy.bytes::<8>())));
    let measured = measure(settings, &directory, &entropy, say).await;
    std::fs::remove_dir_all(&directory)?;
    measured
}

/// Is the floor, until standard input ends.
pub fn floor() -> Result<(), BenchError> {
    floor::run()
}

async fn measure(
    settings: &Settings,
    directory: &Path,
    entropy: &Arc<dyn Entropy>,
    mut say: impl FnMut(&Report),
) -> Result<(), BenchError> {
    let keep = Keep::open(directory)?;
    let secret = keep.secret("upstream.secret")?;
    let [first, second] = Party::ALL.map(|party| keep.secret(&format!("{}.key", party.app())));
    let keys = [first?, second?];
    let (relay, floor) = (free_address(&**entropy).await?, free_address(&**entropy).await?);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let at_provider = listener.local_addr()?;
    let bases = [relay, floor].map(|address| format!("http://{address}"));
    let stub = Party::ALL
        .iter()
        .fold(Stub::builder(format!("http://{at_provider}")), |stub, party| {
            stub.register(party.registration(&secret, &bases))
        })
        .auto_login(Some("load"))
        .build()
        .map_err(DemoError::from)?;
    let provider = Provider::start(listener, stub)?;
    let load = Load::new(at_provider, &keys, entropy.clone()).ok_or(BenchError::NoFigure)?;
    let wanted = |scenario: &Scenario| settings.scenarios.contains(scenario);
    if wanted(&Scenario::Memory) {
        let relay = Child::relay(directory, relay, at_provider).await?;
        say(&memory(settings.sessions, &load, &relay).await?);
        relay.end().await?;
    }
    let mut others = Scenario::ALL.into_iter().filter(|of| *of != Scenario::Memory && wanted(of)).peekable();
    if others.peek().is_none() {
        return Ok(());
    }
    let floor = floor::Settings { listen: floor, provider: at_provider, secret, keys };
    let bench = Bench {
        settings,
        load,
        provider,
        relay: Relay::start(directory, relay, at_provider).await?,
        floor: Child::floor(&floor).await?,
    };
    for scenario in others {
        let figures = match scenario {
            Scenario::Memory => continue,
            Scenario::Relay => Figures::Logins(bench.logins(Party::Es256).await?),
            Scenario::RelayRs256 => Figures::Logins(bench.logins(Party::Rs256).await?),
            Scenario::Growth => bench.growth().await?,
            Scenario::GarbageMsg => bench.garbage().await?,
        };
        say(&Report { scenario: scenario.name(), figures });
    }
    bench.relay.child.end().await?;
    bench.floor.end().await
}

/// What an idle relay holds, and what each login in flight adds.
async fn memory(sessions: u64, load: &Load, relay: &Child) -> Result<Report, BenchError> {
    let idle = relay.rss()?;
    let [settling, in_flight] = [50, 5].map(|part| Until::times((sessions / part).max(1)));
    let settled = load.run(relay.address, Doing::SignIn(Party::Es256), settling).await;
    let before = relay.rss()?;
    let begun = load.run(relay.address, Doing::Begin(Party::Es256), in_flight).await;
    let grown = relay.rss()?.saturating_sub(before);
    let figures = Figures::Memory {
        idle_kib: idle,
        login_in_flight_bytes: grown * 1024 / begun.done.max(1),
        logins_in_flight: begun.done,
        errors: settled.errors + begun.errors,
    };
    Ok(Report { scenario: Scenario::Memory.name(), figures })
}

struct Relay {
    child: Child,
    started: Timestamp,
}

impl Relay {
    async fn start(directory: &Path, at: SocketAddr, provider: SocketAddr) -> Result<Self, BenchError> {
        let child = Child::relay(directory, at, provider).await?;
        Ok(Self { child, started: SystemClock.now() })
    }
}

struct Bench<'a> {
    settings: &'a Settings,
    load: Load,
    provider: Provider,
    relay: Relay,
    floor: Child,
}

impl Bench<'_> {
    /// Signs in at relay and floor by turns.
    async fn logins(&self, party: Party) -> Result<Logins, BenchError> {
        let doing = Doing::SignIn(party);
        let second = || Until::after(Duration::from_secs(1));
        for child in [&self.floor, &self.relay.child] {
            self.load.run(child.address, doing, second()).await;
        }
        let old = self.relay.started.plus(self.settings.warm_up);
        tokio::time::sleep(old.since(SystemClock.now())).await;
        let (mut floor, mut relay) = (Spent::default(), Spent::default());
        for _ in 0..self.settings.seconds {
            self.turn(&self.floor, doing, second(), &mut floor).await?;
            self.turn(&self.relay.child, doing, second(), &mut relay).await?;
        }
        let (cpu_us, floor_us) = (per(relay.cpu, relay.count.done), per(floor.cpu, floor.count.done));
        Ok(Logins {
            cpu_us,
            floor_us,
            times_floor: ratio(cpu_us, floor_us),
            stub_cpu_us: per(relay.stub, relay.count.done),
            counted: relay.count.done,
            errors: relay.count.errors + floor.count.errors,
            rss_kib: self.relay.child.rss()?,
        })
    }

    async fn turn(
        &self,
        child: &Child,
        doing: Doing,
        until: Until,
        spent: &mut Spent,
    ) -> Result<(), BenchError> {
        let (before, stub_before) = (child.cpu()?, self.provider.cpu()?);
        let count = self.load.run(child.address, doing, until).await;
        spent.cpu += child.cpu()?.saturating_sub(before);
        spent.stub += self.provider.cpu()?.saturating_sub(stub_before);
        spent.count.done += count.done;
        spent.count.errors += count.errors;
        Ok(())
    }

    /// The same login before and after many others, each time against the floor of that time.
    async fn growth(&self) -> Result<Figures, BenchError> {
        let empty = self.logins(Party::Es256).await?;
        let before = self.relay.child.rss()?;
        let times = Until::times(self.settings.sessions);
        let filled = self.load.run(self.relay.child.address, Doing::SignIn(Party::Es256), times).await;
        let grown = || {
            let grown = self.relay.child.rss()?.saturating_sub(before);
            Ok::<_, BenchError>(grown * 1024 / filled.done.max(1))
        };
        let fresh_session_bytes = grown()?;
        // What may be sent again is kept for a minute, and swept within the next.
        tokio::time::sleep(2 * self.settings.warm_up).await;
        let session_bytes = grown()?;
        let full = self.logins(Party::Es256).await?;
        Ok(Figures::Growth {
            sessions: filled.done,
            fresh_session_bytes,
            session_bytes,
            growth_percent: percent_over(full.times_floor, empty.times_floor),
            empty,
            full,
            errors: filled.errors,
        })
    }

    async fn garbage(&self) -> Result<Figures, BenchError> {
        let second = || Until::after(Duration::from_secs(1));
        self.load.run(self.relay.child.address, Doing::Garbage, second()).await;
        let mut spent = Spent::default();
        for _ in 0..self.settings.seconds {
            self.turn(&self.relay.child, Doing::Garbage, second(), &mut spent).await?;
        }
        let Count { done, errors } = spent.count;
        Ok(Figures::Garbage { cpu_us: per(spent.cpu, done), requests: done, errors })
    }
}

/// What turns cost.
#[derive(Default)]
struct Spent {
    cpu: Duration,
    stub: Duration,
    count: Count,
}
