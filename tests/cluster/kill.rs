//! The kill matrix: SIGKILL after each answer, and before it, on every backend.

use std::time::Duration;

use super::http::{Request, ask, send};
use super::nodes::{Backend, HOME, Node, Servers, Site};
use super::say;
use super::steps::{Keeps, Kind, STEPS, Walk, seconds};

#[test]
fn what_was_acknowledged_holds_and_what_is_spent_stays_spent() {
    let servers = Servers::start();
    for backend in Backend::ALL {
        let Some(site) = Site::new(&servers, backend) else { continue };
        let (mut node, keeps) = (site.node(), backend.keeps());
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
            // What is forgotten is refused by its stamp, which is a whole second; and only what is forgotten.
            while keeps != Keeps::All && seconds() == stamped {
                std::thread::sleep(Duration::from_millis(5));
            }
            node.start();
            let context = format!("{}, killed after `{}`", backend.name(), step.name);
            walk.repeat_all(node.public, keeps, &context);
            let next = STEPS.get(last + 1).map(|next| {
                let expected = next.next(last, keeps);
                let request = walk.next();
                let answer = ask(node.public, &request).unwrap();
                assert_eq!(walk.took(request, &answer), expected, "{context}, then `{}`", next.name);
                // Whoever comes back from the provider, or from a question, finds the way to the application.
                if expected == Kind::Refused && ["callback", "confirm"].contains(&next.name) {
                    assert!(answer.body.contains(HOME), "{context}: {}", answer.body);
                }
                expected
            });
            let (again, next) =
                (step.repeated(last, keeps), next.map_or(String::new(), |n| format!("{n:?}")));
            say(&format!(
                "{:<16}{:<20}{:<15}{next:<15}{}",
                "",
                step.name,
                format!("{again:?}"),
                step.acknowledged
            ));
        }
        cut(backend, &site, &mut node, Node::kill, Node::start);
        cut(backend, &site, &mut node, |_| {}, |_| {});
    }
}

/// An application's clock may be ahead of ours: its messages are not stamped before the start, and may be spent all
/// the same.
#[test]
fn what_is_stamped_ahead_is_spent_once() {
    let servers = Servers::start();
    for backend in [Backend::MemorySqlite, Backend::MemoryPostgres] {
        let Some(site) = Site::new(&servers, backend) else { continue };
        let mut node = site.node();
        for ahead in [0, 1, 30, 59] {
            let context = format!("{}, stamped {ahead} s ahead", backend.name());
            let mut walk = Walk::stamped(&site, ahead);
            while walk.answer.is_none() {
                walk.step(node.public).unwrap();
            }
            node.kill();
            node.start();
            let again = Kind::of(&ask(node.public, &walk.asked[0]).unwrap());
            assert_eq!(again, Kind::Refused, "{context}, spent before the start");
            let unspent = Walk::stamped(&site, ahead).step(node.public).unwrap();
            assert_eq!(unspent, Kind::ToProvider, "{context}, and new");
        }
    }
}

/// The node is killed while it works, or the browser hangs up: whatever became of the request, nothing single-use
/// succeeds twice.
fn cut(backend: Backend, site: &Site, node: &mut Node, end: fn(&mut Node), begin: fn(&mut Node)) {
    let mut told = Vec::new();
    for (last, step) in STEPS.iter().enumerate() {
        let mut walk = Walk::new(site);
        for _ in 0..last {
            walk.step(node.public).unwrap();
        }
        let request = walk.next();
        let redeemed = site.stub.calls().token;
        let sent = send(node.public, &request);
        // Early in its work, late, or just after: not the same moment at each step and backend.
        let turn = (last + 2 * backend as usize) % 5;
        std::thread::sleep(Duration::from_micros([0, 300, 1_000, 2_500, 6_000][turn]));
        end(node);
        drop(sent);
        begin(node);
        let context = format!("{}, cut off in `{}`", backend.name(), step.name);
        let possible = [step.first, step.again, step.elsewhere, step.forgotten, Kind::Refused];
        let answers = [(); 2].map(|()| ask(node.public, &request).unwrap());
        let [second, third] = answers.each_ref().map(Kind::of);
        if [second, third] == [Kind::ToApplication; 2] {
            assert_eq!(answers[0].location, answers[1].location, "{context}: two answers to one message");
        }
        assert!(possible.contains(&second) && possible.contains(&third), "{context}: {second:?}, {third:?}");
        assert!(site.stub.calls().token - redeemed <= 1, "{context}: a code was redeemed twice");
        assert!(!step.is_single_use() || third != step.first, "{context}: {third:?} twice");
        if let (true, Some(begin)) = (backend.keeps() == Keeps::All, walk.asked.first()) {
            let begin = Request { cookies: walk.cookies.clone(), ..begin.clone() };
            let begun = Kind::of(&ask(node.public, &begin).unwrap());
            let possible = [last - 1, last].map(|reached| STEPS[0].repeated(reached, Keeps::All));
            assert!(
                possible.contains(&begun),
                "{context}: the person begins again, or has the answer: {begun:?}"
            );
        }
        told.push(format!("{} {second:?}", step.name));
    }
    say(&format!("{:<16}cut off within: {}", "", told.join(", ")));
}
