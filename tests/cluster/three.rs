//! Three nodes: each step at another one, in every rotation, or each browser at its own; whatever is spent is spent
//! at all.

use super::http::ask;
use super::nodes::{Backend, Node, Servers, Site};
use super::say;
use super::steps::{Keeps, Kind, STEPS, Walk, place};

#[test]
fn each_step_at_another_node() {
    let servers = Servers::start();
    for backend in Backend::SHARED {
        let Some(site) = Site::new(&servers, backend) else { continue };
        let nodes: [Node; 3] = std::array::from_fn(|_| site.node());
        for rotation in 0..3 {
            let mut walk = Walk::new(&site);
            for (place, step) in STEPS.iter().enumerate() {
                let context = format!("{}, rotation {rotation}", backend.name());
                let kind = walk.step(nodes[(place + rotation) % 3].public).unwrap();
                assert_eq!(kind, step.first, "{context}: `{}`", step.name);
                for node in &nodes {
                    walk.repeat_all(node.public, Keeps::All, &context);
                }
            }
        }
        say(&format!("{}: {} steps, 3 rotations, each repeated at 3 nodes", backend.name(), STEPS.len()));
    }
}

/// The way to the end at `home`, but for the application's server, which claims at all nodes at once.
fn at_home(walk: &mut Walk, home: u16, nodes: &[Node; 3], context: &str) {
    while let Some(step) = STEPS.get(walk.asked.len()) {
        let kind = if step.name == "claim" {
            let request = walk.next();
            let answers = std::thread::scope(|scope| {
                let claims = nodes.each_ref().map(|node| scope.spawn(|| ask(node.public, &request).ok()));
                claims.map(|claim| claim.join().unwrap())
            });
            let mut had: Vec<_> =
                answers.into_iter().flatten().filter(|answer| Kind::of(answer) == Kind::Claimed).collect();
            assert_eq!(had.len(), 1, "{context}: had once");
            walk.took(request, &had.remove(0))
        } else {
            walk.step(home).unwrap()
        };
        assert_eq!(kind, step.first, "{context}: `{}`", step.name);
        for node in nodes.iter().filter(|node| node.is_running()) {
            let keeps = if node.public == home { Keeps::All } else { Keeps::Marks };
            walk.repeat_all(node.public, keeps, context);
        }
    }
}

/// Memory of each node: only marks and references are everywhere, and a node that dies takes its own browsers'
/// sessions with it, no others.
#[test]
fn each_browser_at_its_own_node() {
    let servers = Servers::start();
    let Some(site) = Site::new(&servers, Backend::MemoryPostgres) else { return };
    let mut nodes: [Node; 3] = std::array::from_fn(|_| site.node());
    let mut walks = [(); 3].map(|()| Walk::new(&site));
    for (home, walk) in walks.iter_mut().enumerate() {
        for step in &STEPS[..=place("session")] {
            let node = if step.name == "claim" { home + 1 } else { home } % 3;
            assert_eq!(walk.step(nodes[node].public).unwrap(), step.first, "`{}` at node {node}", step.name);
        }
    }
    nodes[0].kill();
    let [orphan, others @ ..] = &mut walks;
    for node in &nodes[1..] {
        orphan.repeat_all(node.public, Keeps::Marks, "its node was killed");
    }
    let mut anew = Walk::new(&site);
    anew.cookies.clone_from(&orphan.cookies);
    at_home(&mut anew, nodes[1].public, &nodes, "begins again elsewhere");
    for (walk, node) in others.iter_mut().zip(&nodes[1..]) {
        at_home(walk, node.public, &nodes, "another node was killed");
    }
    nodes[0].start();
    for node in &nodes {
        at_home(&mut Walk::new(&site), node.public, &nodes, "all are back");
        orphan.repeat_all(node.public, Keeps::Marks, "its node has forgotten it");
    }
}
