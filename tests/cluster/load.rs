//! A cluster under load: browsers sign in and out through whatever node, every message and reference is tried twice
//! at the same moment; one node is killed and comes back, then each is restarted in turn.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use relais::clock::{Clock as _, SystemClock};

use super::http::{Answer, Request, Silence, ask};
use super::legacy_app::random;
use super::nodes::{Backend, Node, Servers, Site, is_ready};
use super::say;
use super::steps::{Kind, STEPS, Walk, place};

const BROWSERS: usize = 4;

/// By which requests come to some node.
pub trait Door: Sync {
    /// Sends to some node, and to another one only where nothing was sent.
    fn ask(&self, request: &Request) -> Result<Answer, Silence>;
}

/// A balancer without affinity: any node that says it is ready.
struct Balancer {
    nodes: Vec<(u16, u16, AtomicBool)>,
}

impl Balancer {
    fn new(nodes: &[Node]) -> Self {
        let nodes = nodes.iter().map(|node| (node.public, node.management, AtomicBool::new(true)));
        Self { nodes: nodes.collect() }
    }

    /// Asks the nodes how they are, as balancers do.
    fn watch(&self, over: &AtomicBool) {
        while !over.load(Ordering::SeqCst) {
            for (_, management, up) in &self.nodes {
                up.store(is_ready(*management), Ordering::SeqCst);
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Door for Balancer {
    fn ask(&self, request: &Request) -> Result<Answer, Silence> {
        let [first] = random::<1>();
        for turn in 0..60 {
            let (public, _, up) = &self.nodes[(usize::from(first) + turn) % self.nodes.len()];
            if !up.load(Ordering::SeqCst) {
                continue;
            }
            match ask(*public, request) {
                Err(Silence::NotSent) => up.store(false, Ordering::SeqCst),
                told => return told,
            }
        }
        Err(Silence::NotSent)
    }
}

/// Browsers that sign in and out through a door, and what became of their requests.
pub struct Load<'a> {
    door: &'a dyn Door,
    counts: Mutex<Counts>,
    over: AtomicBool,
}

#[derive(Clone, Copy, Default)]
pub struct Counts {
    sent: usize,
    logins: usize,
    /// Answered by a failure, or by nobody.
    refused: usize,
    /// Sent to a node that ended before it answered.
    cut: usize,
    /// Acknowledged, and unknown later.
    lost: usize,
    /// Successes beyond the first of something single-use.
    double_spent: usize,
}

impl<'a> Load<'a> {
    /// `phases` is carried out while browsers sign in and out; each must end well. What they come to, in order.
    pub fn during<const N: usize>(
        door: &'a dyn Door,
        site: &Site,
        phases: impl FnOnce(&Self) -> [Counts; N],
    ) -> [Counts; N] {
        let load = Self { door, counts: Mutex::default(), over: AtomicBool::new(false) };
        let finished = AtomicUsize::new(0);
        let counts = thread::scope(|scope| {
            let _over = Over(&load.over);
            for _ in 0..BROWSERS {
                scope.spawn(|| {
                    while !load.over.load(Ordering::SeqCst) {
                        load.login(site);
                    }
                    finished.fetch_add(1, Ordering::SeqCst);
                });
            }
            phases(&load)
        });
        assert_eq!(finished.load(Ordering::SeqCst), BROWSERS);
        counts
    }

    fn count(&self, count: impl FnOnce(&mut Counts)) {
        count(&mut self.counts.lock().unwrap());
    }

    fn ask(&self, request: &Request) -> Option<Answer> {
        self.count(|counts| counts.sent += 1);
        match self.door.ask(request) {
            Ok(answer) if Kind::of(&answer) != Kind::Failed => return Some(answer),
            Err(Silence::Cut) => self.count(|counts| counts.cut += 1),
            Ok(_) | Err(Silence::NotSent) => self.count(|counts| counts.refused += 1),
        }
        None
    }

    /// The same requests at the same moment, each at some node.
    fn ask_all<const N: usize>(&self, requests: [&Request; N]) -> [Option<Answer>; N] {
        thread::scope(|scope| {
            requests.map(|request| scope.spawn(|| self.ask(request))).map(|asked| asked.join().unwrap())
        })
    }

    /// One step of `walk`. What does not come as it should was acknowledged and is lost.
    fn step(&self, walk: &mut Walk) -> Option<()> {
        let step = &STEPS[walk.asked.len()];
        let request = walk.next();
        let answer = self.ask(&request)?;
        let kind = walk.took(request, &answer);
        self.judge(step.name, kind, step.first)
    }

    fn judge(&self, name: &str, came: Kind, right: Kind) -> Option<()> {
        if came == right {
            return Some(());
        }
        self.count(|counts| counts.lost += 1);
        say(&format!("lost: `{name}` got {came:?} instead of {right:?}"));
        None
    }

    /// One person signs in and out. `None` if a node ended in the middle: the person would begin again.
    fn login(&self, site: &Site) -> Option<()> {
        // The same message in two browsers, both at the last question: one wins.
        let mut one = Walk::new(site);
        let mut other = one.clone();
        while one.asked.len() < place("confirm") {
            self.step(&mut one)?;
            self.step(&mut other)?;
        }
        let requests = [one.next(), other.next()];
        let [first, second] = self.ask_all([&requests[0], &requests[1]]);
        let (first, second) = (first?, second?);
        let won = [&first, &second].map(|answer| Kind::of(answer) == Kind::ToApplication);
        let (walk, answer) = if won[0] { (&mut one, &first) } else { (&mut other, &second) };
        if won == [true; 2] {
            self.count(|counts| counts.double_spent += 1);
        }
        let [mine, theirs] = requests;
        let kind = walk.took(if won[0] { mine } else { theirs }, answer);
        self.judge("confirm", kind, Kind::ToApplication)?;
        self.step(walk)?;

        let request = walk.next();
        let answers = self.ask_all([&request; 3]);
        let claims = answers.iter().flatten().filter(|answer| Kind::of(answer) == Kind::Claimed).count();
        self.count(|counts| counts.double_spent += claims.saturating_sub(1));
        let all = answers.iter().all(Option::is_some);
        let claimed = answers.into_iter().flatten().find(|answer| Kind::of(answer) == Kind::Claimed);
        match claimed {
            Some(answer) => walk.took(request, &answer),
            None if all => return self.judge("claim", Kind::Refused, Kind::Claimed),
            None => return None,
        };
        while walk.asked.len() < STEPS.len() {
            self.step(walk)?;
        }
        self.count(|counts| counts.logins += 1);
        Some(())
    }

    /// Waits until so many more logins were finished; what was counted meanwhile.
    pub fn after(&self, logins: usize) -> Counts {
        let start = self.counts.lock().unwrap().logins;
        let patience = SystemClock.now().plus(Duration::from_mins(1));
        while self.counts.lock().unwrap().logins < start + logins {
            assert!(SystemClock.now() < patience, "the cluster stands still");
            thread::sleep(Duration::from_millis(5));
        }
        std::mem::take(&mut *self.counts.lock().unwrap())
    }
}

/// Ends the load, however its phases end.
pub struct Over<'a>(pub &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Steady; a node killed and started again; each restarted in turn, after `pause`. Each phase is `logins` or more.
pub fn walk_through(nodes: &mut [Node; 3], load: &Load, logins: usize, pause: Duration) -> [Counts; 3] {
    let steady = load.after(logins);
    nodes[1].kill();
    let mut killed = load.after(logins);
    nodes[1].start();
    killed = add(killed, load.after(logins / 2));
    let mut rolling = Counts::default();
    for node in nodes {
        thread::sleep(pause);
        node.terminate();
        node.start();
        rolling = add(rolling, load.after(logins / 2));
    }
    [steady, killed, rolling]
}

/// Says what came of the phases; nothing may be refused, lost or spent twice.
pub fn judge(name: &str, phases: [Counts; 3]) {
    for (phase, counts) in ["steady", "killed", "rolling"].iter().zip(phases) {
        let Counts { sent, logins, refused, cut, lost, double_spent } = counts;
        say(&format!(
            "{name:<15}{phase:<10}{logins:>5} logins {sent:>6} sent {refused:>3} refused {cut:>3} cut {lost:>3} lost \
             {double_spent:>3} double-spent"
        ));
    }
    let [steady, killed, rolling] = phases;
    for (phase, counts) in ["steady", "killed", "rolling"].iter().zip(phases) {
        let wrong = (counts.lost, counts.double_spent, counts.refused);
        assert_eq!(wrong, (0, 0, 0), "{name}, {phase}: lost, double-spent, refused");
    }
    assert_eq!((steady.cut, rolling.cut), (0, 0), "{name}: nobody is cut off without a kill");
    // Each browser has at most three requests under way.
    assert!(killed.cut <= 3 * BROWSERS, "{name}: {} requests for one kill", killed.cut);
}

#[test]
fn a_cluster_under_load_loses_nothing() {
    let servers = Servers::start();
    for backend in Backend::SHARED {
        let Some(site) = Site::new(&servers, backend) else { continue };
        let mut nodes: [Node; 3] = std::array::from_fn(|_| site.node());
        let balancer = Balancer::new(&nodes);
        let over = AtomicBool::new(false);
        let phases = thread::scope(|scope| {
            scope.spawn(|| balancer.watch(&over));
            let _over = Over(&over);
            Load::during(&balancer, &site, |load| walk_through(&mut nodes, load, 40, Duration::ZERO))
        });
        judge(backend.name(), phases);
    }
}

fn add(one: Counts, other: Counts) -> Counts {
    Counts {
        sent: one.sent + other.sent,
        logins: one.logins + other.logins,
        refused: one.refused + other.refused,
        cut: one.cut + other.cut,
        lost: one.lost + other.lost,
        double_spent: one.double_spent + other.double_spent,
    }
}
