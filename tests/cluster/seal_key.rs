//! Another root seal key, node by node: nobody is refused, no key is lost, and in the end the former one is not needed.

use super::nodes::{Backend, Node, Servers, Site};
use super::steps::{Keeps, STEPS, Walk};

/// What a node has for `seal_key_file` and for `other_seal_key_file`.
type Seals = (&'static str, Option<&'static str>);

const FORMER: Seals = ("seal.key", None);
const READS_BOTH: Seals = ("seal.key", Some("new.key"));
const SEALS_ANEW: Seals = ("new.key", Some("seal.key"));
const NEW: Seals = ("new.key", None);

/// The nodes' keys, one restart after the other.
const STAGES: [[Seals; 2]; 5] = [
    [FORMER, FORMER],
    [READS_BOTH, FORMER],
    [READS_BOTH, READS_BOTH],
    [SEALS_ANEW, READS_BOTH],
    [SEALS_ANEW, SEALS_ANEW],
];

/// The next steps of a walk at the nodes in turn, each repeated at both.
fn walk_on(walk: &mut Walk, steps: usize, nodes: &[Node; 2], context: &str) {
    for (place, step) in STEPS.iter().enumerate().skip(walk.asked.len()).take(steps) {
        let kind = walk.step(nodes[place % 2].public).unwrap();
        assert_eq!(kind, step.first, "{context}: `{}`", step.name);
        for node in nodes {
            walk.repeat_all(node.public, Keeps::All, context);
        }
    }
}

#[test]
fn the_root_seal_key_is_changed_node_by_node() {
    let servers = Servers::start();
    let Some(site) = Site::new(&servers, Backend::Postgres) else { return };
    site.secret("new.key", &"fedcba9876543210".repeat(4));
    let mut nodes: [Node; 2] = std::array::from_fn(|_| site.node());
    let keys = nodes[0].keys();
    let mut through = Walk::new(&site);
    for (at, stage) in STAGES.iter().enumerate() {
        let context = format!("stage {at}");
        for (node, seals) in nodes.iter_mut().zip(stage) {
            node.seals(*seals);
        }
        walk_on(&mut through, STEPS.len().div_ceil(STAGES.len()), &nodes, &context);
        walk_on(&mut Walk::new(&site), STEPS.len(), &nodes, &context);
    }
    assert_eq!(through.asked.len(), STEPS.len(), "a login went through all stages");
    for node in &mut nodes {
        node.seals(NEW);
    }
    walk_on(&mut Walk::new(&site), STEPS.len(), &nodes, "without the former key");
    assert_eq!(nodes[1].keys(), keys, "the same keys as in the beginning");
}
