//! The kill matrix: SIGKILL after each answer, and before it, on every backend.

use std::time::Duration;

use super::http::{ask, send};
use super::nodes::{Backend, Servers, Site};
use super::say;
use super::steps::{Kind, STEPS, Walk, seconds};

#[test]
fn what_was_acknowledged_holds_and_what_is_spent_stays_spent() {
    let servers = Servers::start();
    for backend in Backend::ALL {
        let Some(site) = Site::new(&servers, backend) else { continue };
        let mut node = site.node();
        say(&format!(
            "{:<16}{:<20}{:<15}{:<15}acknowledged",
            backend.name(),
            "killed after",
            "again",
            "next"
        ));
        for (last, step) in STEPS.iter().enumerate() {
            let mut walk = Walk::new(&site);
            let stamped = seconds();
            for step in &STEPS[..=last] {
                assert_eq!(
                    walk.step(node.public).unwrap(),
                    step.first,
                    "{}: `{}`",
                    backend.name(),
                    step.name
                );
            }
            node.kill();
            // What is forgotten is refused by its stamp, which is a whole second.
            while !backend.survives() && seconds() == stamped {
                std::thread::sleep(Duration::from_millis(5));
            }
            node.start();
            let context = format!("{}, killed after `{}`", backend.name(), step.name);
            walk.repeat_all(node.public, backend.survives(), &context);
            let next = STEPS.get(last + 1).map(|next| {
                let expected = if backend.survives() { next.first } else { next.forgotten };
                assert_eq!(walk.step(node.public).unwrap(), expected, "{context}, then `{}`", next.name);
                expected
            });
            let (again, next) =
                (step.repeated(last, backend.survives()), next.map_or(String::new(), |n| format!("{n:?}")));
            say(&format!(
                "{:<16}{:<20}{:<15}{next:<15}{}",
                "",
                step.name,
                format!("{again:?}"),
                step.acknowledged
            ));
        }
        if backend.survives() {
            cut(backend, &site, &mut node);
        }
    }
}

/// Killed while it works: whatever became of the request, nothing single-use succeeds twice.
fn cut(backend: Backend, site: &Site, node: &mut super::nodes::Node) {
    let mut told = Vec::new();
    for (last, step) in STEPS.iter().enumerate() {
        let mut walk = Walk::new(site);
        for _ in 0..last {
            walk.step(node.public).unwrap();
        }
        let request = walk.next();
        let sent = send(node.public, &request);
        node.kill();
        drop(sent);
        node.start();
        let context = format!("{}, killed in `{}`", backend.name(), step.name);
        let possible = [step.first, step.again, step.forgotten, Kind::Refused];
        let second = Kind::of(&ask(node.public, &request).unwrap());
        let third = Kind::of(&ask(node.public, &request).unwrap());
        assert!(possible.contains(&second) && possible.contains(&third), "{context}: {second:?}, {third:?}");
        assert!(!step.is_single_use() || third != step.first, "{context}: {third:?} twice");
        told.push(format!("{} {second:?}", step.name));
    }
    say(&format!("{:<16}killed within: {}", "", told.join(", ")));
}
