//! The recording as written: one JSON object whose `scenarios` are exchanges in either of two forms.
//!
//! - plain: `{id, app?, msg, userinfo?, info | error, location?}`, which can be written from KIF's log;
//! - steps: `{id, app?, fault?, steps: [{method, url, status, location?}], …}`, what a browser saw at KIF.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Asked, Exchange, Kif, NO_SUCH_METHOD, NO_SUCH_PAGE, rules};
use crate::service::ServiceId;

/// What is wrong with a recording, and where. Never holds a value of it, ids apart.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {wrong}")]
pub struct Broken {
    /// The line, or the scenario.
    pub at: String,
    /// What is wrong.
    pub wrong: String,
}

/// A recording without a fault.
pub struct Recording {
    /// Its exchanges, in order.
    pub exchanges: Vec<Exchange>,
    /// How many scenarios hold none, because nothing of an application is in them.
    pub without: usize,
}

/// The members of a scenario in plain form.
const PLAIN: [&str; 7] = ["id", "app", "msg", "userinfo", "info", "error", "location"];
/// The members of a scenario in steps.
const STEPS: [&str; 7] = ["id", "app", "fault", "steps", "kif_to_upstream", "log", "result"];
/// Faults that show in `info`, and so hide nothing.
const VISIBLE: [&str; 2] = ["ui_set", "ui_del"];
/// Where KIF sends a browser whose request it refuses.
const ERROR_PAGE: &str = "/authenticationError";

/// Reads a recording.
pub fn read(text: &[u8]) -> Result<Recording, Broken> {
    let value: Value = serde_json::from_slice(text).map_err(|error| {
        // The library's words hold no value; they end in the place, which stands in front already.
        let words = error.to_string();
        let words = words.split(" at line ").next().unwrap_or_default();
        broken(&format!("line {}, column {}", error.line(), error.column()), &format!("is no JSON: {words}"))
    })?;
    let scenarios = value.get("scenarios").and_then(Value::as_array);
    let scenarios = scenarios.ok_or_else(|| broken("the file", "is no object with a list `scenarios`"))?;
    let (mut exchanges, mut without, mut ids) = (Vec::new(), 0, BTreeSet::new());
    for (index, scenario) in scenarios.iter().enumerate() {
        let at = format!("scenario {}", index + 1);
        let members = scenario.as_object().ok_or_else(|| broken(&at, "is no object"))?;
        let id = members.get("id").and_then(Value::as_str).filter(|id| !id.is_empty() && id.len() <= 100);
        let id = id.ok_or_else(|| broken(&at, "has no `id`, a text of at most 100 characters"))?;
        let one = Scenario { at: format!("{at} ({})", id.escape_debug()), id, members };
        if !ids.insert(id) {
            return Err(one.broken("has the `id` of an earlier one"));
        }
        let read = if members.contains_key("steps") { one.steps()? } else { vec![one.plain()?] };
        without += usize::from(read.is_empty());
        exchanges.extend(read);
    }
    Ok(Recording { exchanges, without })
}

fn broken(at: &str, wrong: &str) -> Broken {
    Broken { at: at.to_owned(), wrong: wrong.to_owned() }
}

struct Scenario<'a> {
    at: String,
    id: &'a str,
    members: &'a Map<String, Value>,
}

impl<'a> Scenario<'a> {
    fn broken(&self, wrong: &str) -> Broken {
        broken(&self.at, wrong)
    }

    /// A text; `None` where it is absent or null.
    fn text(&self, name: &str) -> Result<Option<&'a str>, Broken> {
        match self.members.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.broken(&format!("has a `{name}` that is no text"))),
        }
    }

    fn object(&self, name: &str) -> Result<Option<&'a Map<String, Value>>, Broken> {
        match self.members.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(object)) => Ok(Some(object)),
            Some(_) => Err(self.broken(&format!("has a `{name}` that is no object"))),
        }
    }

    fn only(&self, known: &[&str]) -> Result<(), Broken> {
        match self.members.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(self.broken(&format!(
                "has a member {:?}; known are {}",
                name.chars().take(32).collect::<String>(),
                known.join(", ")
            ))),
            None => Ok(()),
        }
    }

    fn app(&self) -> Result<Option<ServiceId>, Broken> {
        let named = |name| ServiceId::parse(name).ok_or_else(|| self.broken("has an `app` that is no id"));
        self.text("app")?.map(named).transpose()
    }

    fn plain(&self) -> Result<Exchange, Broken> {
        self.only(&PLAIN)?;
        let msg = self.text("msg")?.ok_or_else(|| self.broken("has neither `msg` nor `steps`"))?;
        if msg.contains(['&', '#', '?']) || msg.chars().any(char::is_whitespace) {
            return Err(self.broken("has a `msg` that is no value of a query"));
        }
        let location = self.text("location")?;
        let kif = match (self.text("info")?, self.text("error")?) {
            (Some(info), None) => {
                if location.is_some_and(|location| !location.ends_with(&format!("info={info}"))) {
                    return Err(self.broken("has a `location` that does not end in its `info`"));
                }
                Kif::Delivered { info: info.to_owned(), location: location.map(str::to_owned) }
            }
            (None, Some(said)) => Kif::Refused(rules::sentence(said)),
            _ => return Err(self.broken("must have one of `info` and `error`, the other absent or null")),
        };
        Ok(Exchange {
            scenario: self.id.to_owned(),
            number: 1,
            app: self.app()?,
            asked: Asked::Query(format!("msg={msg}")),
            userinfo: self.object("userinfo")?.cloned(),
            tampered: false,
            kif,
        })
    }

    /// What a browser saw. A request that KIF sent to sign in first is the same exchange when it comes again.
    fn steps(&self) -> Result<Vec<Exchange>, Broken> {
        self.only(&STEPS)?;
        let list = self.members.get("steps").and_then(Value::as_array);
        let list = list.ok_or_else(|| self.broken("has `steps` that are no list"))?;
        let fault = self.object("fault")?;
        let tampered = fault.is_some_and(|fault| fault.keys().any(|key| !VISIBLE.contains(&key.as_str())));
        let said = self.said();
        let named = self.app()?;
        let mut exchanges: Vec<Exchange> = Vec::new();
        let mut waiting: Option<(usize, String)> = None;
        for (index, step) in list.iter().enumerate() {
            let Step { method, path, query, status, location } = self.step(index, step)?;
            let Some(below) = path.strip_prefix("/idp").filter(|b| b.is_empty() || b.starts_with('/')) else {
                continue;
            };
            let kif = match location {
                None if status >= 400 => Kif::Refused(said),
                None => return Err(self.broken(&format!("has a step {} without `location`", index + 1))),
                Some(location) => match location.rsplit_once("info=") {
                    Some((before, info)) if before.ends_with(['?', '&']) => {
                        Kif::Delivered { info: info.to_owned(), location: Some(location.to_owned()) }
                    }
                    _ if location.ends_with(ERROR_PAGE) => Kif::Refused(said),
                    _ => Kif::NotSignedIn,
                },
            };
            let same = |(at, waits): &(usize, String)| (waits == query).then_some(*at);
            let before = waiting.as_ref().and_then(same).and_then(|at| exchanges.get_mut(at));
            if let Some(exchange) = before {
                exchange.kif = kif;
                waiting = None;
                continue;
            }
            waiting = matches!(kif, Kif::NotSignedIn).then(|| (exchanges.len(), query.to_owned()));
            let asked = match (method, below) {
                ("GET", "/") => Asked::Otherwise(NO_SUCH_PAGE),
                ("GET", _) => Asked::Query(query.to_owned()),
                _ => Asked::Otherwise(NO_SUCH_METHOD),
            };
            exchanges.push(Exchange {
                scenario: self.id.to_owned(),
                number: exchanges.len() + 1,
                app: named.clone().or_else(|| ServiceId::parse(below.trim_start_matches('/'))),
                asked,
                userinfo: None,
                tampered,
                kif,
            });
        }
        Ok(exchanges)
    }

    fn step<'s>(&self, index: usize, step: &'s Value) -> Result<Step<'s>, Broken> {
        let wrong = |what: &str| self.broken(&format!("has a step {} without {what}", index + 1));
        let text = |name: &str| step.get(name).and_then(Value::as_str);
        let url = text("url").ok_or_else(|| wrong("`url`"))?;
        let (before, query) = url.split_once('?').unwrap_or((url, ""));
        let host = before.find("://").map_or(0, |at| at + 3);
        let path = before.get(host..).and_then(|rest| rest.find('/').and_then(|at| rest.get(at..)));
        Ok(Step {
            method: text("method").ok_or_else(|| wrong("`method`"))?,
            path: path.unwrap_or_default(),
            query,
            status: step.get("status").and_then(Value::as_u64).ok_or_else(|| wrong("`status`"))?,
            location: text("location"),
        })
    }

    /// KIF's own sentence for its last error, where the log has a known one.
    fn said(&self) -> Option<&'static str> {
        let log = self.members.get("log").and_then(Value::as_array)?;
        log.iter().rev().filter_map(Value::as_str).find_map(rules::sentence)
    }
}

struct Step<'s> {
    method: &'s str,
    path: &'s str,
    query: &'s str,
    status: u64,
    location: Option<&'s str>,
}
