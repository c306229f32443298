//! Three nodes: each step at another one, in every rotation; whatever is spent is spent at all.

use super::nodes::{Backend, Node, Servers, Site};
use super::say;
use super::steps::{STEPS, Walk};

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
                    walk.repeat_all(node.public, true, &context);
                }
            }
        }
        say(&format!("{}: {} steps, 3 rotations, each repeated at 3 nodes", backend.name(), STEPS.len()));
    }
}
