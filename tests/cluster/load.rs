//! A cluster under load: browsers sign in and out through whatever node, every message and reference is tried twice
//! at the same moment; one node is killed and comes back, then each is restarted in turn.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use relais::clock::{Clock as _, SystemClock};
use rustls::ClientConfig;

use super::http::{Answer, Request, Silence, ask, ask_over_tls};
use super::legacy_app::random;
use super::nodes::{Backend, Node, Servers, Site, is_ready};
use super::steps::{Kind, STEPS, Walk, place};
use super::{Ends, say};

pub const BROWSERS: usize = 4;

/// The cookie by which a balancer with affinity knows a browser's node.
const NODE: &str = "node";

/// A balancer: any node that says it is ready, or with affinity the browser's own while it does.
pub struct Balancer {
    affinity: bool,
    nodes: Vec<(u16, u16, AtomicBool)>,
    /// Where a balancer that speaks TLS stands in the place of the nodes.
    tls: Option<Arc<ClientConfig>>,
    counts: Mutex<Counts>,
    over: AtomicBool,
}

#[derive(Clone, Copy, Default)]
pub struct Counts {
    sent: usize,
    logins: usize,
    /// Answered by a failure, or by nobody.
    pub refused: usize,
    /// Sent to a node that ended before it answered.
    pub cut: usize,
    /// Acknowledged, and unknown later.
    pub lost: usize,
    /// Successes beyond the first of something single-use.
    pub double_spent: usize,
}

impl Balancer {
    fn new(nodes: &[Node], affinity: bool) -> Self {
        let nodes = nodes.iter().map(|node| (node.public, node.management, AtomicBool::new(true)));
        Self {
            affinity,
            nodes: nodes.collect(),
            tls: None,
            counts: Mutex::default(),
            over: AtomicBool::new(false),
        }
    }

    /// Another balancer at this port, which does the balancing.
    pub fn behind(port: u16, tls: Arc<ClientConfig>) -> Self {
        let nodes = vec![(port, 0, AtomicBool::new(true))];
        Self { nodes, tls: Some(tls), ..Self::new(&[], false) }
    }

    fn count(&self, count: impl FnOnce(&mut Counts)) {
        count(&mut self.counts.lock().unwrap());
    }

    /// Asks the nodes how they are, as balancers do.
    fn watch(&self) {
        while self.tls.is_none() && !self.over.load(Ordering::SeqCst) {
            for (_, management, up) in &self.nodes {
                up.store(is_ready(*management), Ordering::SeqCst);
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Sends to some node; to another one only where nothing was sent.
    fn ask(&self, request: &Request) -> Option<Answer> {
        self.count(|counts| counts.sent += 1);
        let own = request.cookies.get(NODE).and_then(|node| node.parse().ok());
        let first = own.unwrap_or_else(|| usize::from(random::<1>()[0]));
        for turn in 0..60 {
            let node = (first + turn) % self.nodes.len();
            let (public, _, up) = &self.nodes[node];
            if !up.load(Ordering::SeqCst) {
                continue;
            }
            let answer = match &self.tls {
                Some(tls) => ask_over_tls(*public, tls, request),
                None => ask(*public, request),
            };
            match answer {
                Ok(answer) if Kind::of(&answer) == Kind::Failed => {
                    self.count(|counts| counts.refused += 1);
                    return None;
                }
                Ok(mut answer) => {
                    // What an application's server, or a browser that is refused, has of it, makes no difference.
                    if self.affinity && ![Kind::Claimed, Kind::Refused].contains(&Kind::of(&answer)) {
                        answer.set.insert(NODE.to_owned(), node.to_string());
                    }
                    return Some(answer);
                }
                Err(Silence::NotSent) => up.store(false, Ordering::SeqCst),
                Err(Silence::Cut) => {
                    self.count(|counts| counts.cut += 1);
                    return None;
                }
            }
        }
        self.count(|counts| counts.refused += 1);
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

/// Has browsers sign in and out at `balancer`: with all nodes; while one is killed and comes back; while each is
/// restarted in turn, after the one before has `settled`.
pub fn put_under_load(
    site: &Site,
    balancer: &Balancer,
    nodes: &mut [Node; 3],
    settled: impl Fn(),
) -> [Counts; 3] {
    let finished = AtomicUsize::new(0);
    let phases = thread::scope(|scope| {
        let _ends = Ends(&balancer.over);
        scope.spawn(|| balancer.watch());
        for _ in 0..BROWSERS {
            scope.spawn(|| {
                while !balancer.over.load(Ordering::SeqCst) {
                    balancer.login(site);
                }
                finished.fetch_add(1, Ordering::SeqCst);
            });
        }
        let steady = balancer.after(40);
        nodes[1].kill();
        let mut killed = balancer.after(40);
        nodes[1].start();
        killed = add(killed, balancer.after(20));
        let mut rolling = Counts::default();
        for node in nodes {
            settled();
            node.terminate();
            node.start();
            rolling = add(rolling, balancer.after(20));
        }
        [steady, killed, rolling]
    });
    assert_eq!(finished.load(Ordering::SeqCst), BROWSERS);
    phases
}

impl Counts {
    /// Says them.
    pub fn told(self, who: &str, what: &str) {
        let Self { sent, logins, refused, cut, lost, double_spent } = self;
        say(&format!(
            "{who:<17}{what:<10}{logins:>5} logins {sent:>6} sent {refused:>3} refused {cut:>3} cut {lost:>3} lost \
             {double_spent:>3} double-spent"
        ));
    }
}

#[test]
fn a_cluster_under_load_loses_nothing() {
    let servers = Servers::start();
    for backend in [Backend::Postgres, Backend::RedisPostgres, Backend::MemoryPostgres] {
        let affinity = backend == Backend::MemoryPostgres;
        let Some(site) = Site::new(&servers, backend) else { continue };
        let mut nodes: [Node; 3] = std::array::from_fn(|_| site.node());
        let balancer = Balancer::new(&nodes, affinity);
        let phases = put_under_load(&site, &balancer, &mut nodes, || {});
        let [steady, killed, rolling] = phases;
        steady.told(backend.name(), "steady");
        killed.told(backend.name(), "killed");
        rolling.told(backend.name(), "rolling");
        for (phase, (ended, counts)) in
            ["steady", "killed", "rolling"].iter().zip([0, 1, 3].into_iter().zip(phases))
        {
            // Each node that ends takes its own browsers' logins with it; one that was just moved may meet the next.
            let may_lose = if affinity { 2 * BROWSERS * ended } else { 0 };
            assert!(counts.lost <= may_lose, "{}, {phase}: lost", backend.name());
            let wrong = (counts.double_spent, counts.refused);
            assert_eq!(wrong, (0, 0), "{}, {phase}: double-spent, refused", backend.name());
        }
        assert_eq!((steady.cut, rolling.cut), (0, 0), "{}: nobody is cut off without a kill", backend.name());
        // Each browser has at most three requests under way.
        assert!(killed.cut <= 3 * BROWSERS, "{}: {} requests for one kill", backend.name(), killed.cut);
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
