//! Events as lines of the log: one `tracing` target per area, one level per event, flat fields.

use tracing::field::{DisplayValue, display};

use super::{Area, Event, Level, Sink};

/// Says events through `tracing`.
pub(super) struct Log;

impl Sink for Log {
    fn accept(&self, event: &Event) {
        let name = event.step.name();
        match event.step.area() {
            Area::Legacy => say(event, name, &LEGACY),
            Area::Broker => say(event, name, &BROKER),
            Area::Upstream => say(event, name, &UPSTREAM),
            Area::Session => say(event, name, &SESSION),
            Area::Server => say(event, name, &SERVER),
        }
    }
}

/// The four emitters of one target; `tracing` wants target and level known when compiled.
struct Target {
    emit: fn(&Event, &'static str),
}

fn say(event: &Event, name: &'static str, target: &Target) {
    (target.emit)(event, name);
}

fn shown<T: std::fmt::Display>(value: Option<&T>) -> Option<DisplayValue<&T>> {
    value.map(display)
}

/// Control characters and line ends never reach a terminal or break a line.
fn clean(text: Option<&String>) -> Option<String> {
    text.map(|text| text.chars().take(256).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect())
}

macro_rules! target {
    ($name:ident, $target:literal) => {
        const $name: Target = Target {
            emit: |event, name| match event.level {
                Level::Debug => emit!($target, tracing::Level::DEBUG, event, name),
                Level::Info => emit!($target, tracing::Level::INFO, event, name),
                Level::Warn => emit!($target, tracing::Level::WARN, event, name),
                Level::Error => emit!($target, tracing::Level::ERROR, event, name),
            },
        };
    };
}

macro_rules! emit {
    ($target:literal, $level:expr, $event:ident, $name:ident) => {{
        let peer = $event.peer.as_ref();
        let facts = &$event.facts;
        tracing::event!(
            target: $target,
            $level,
            event = $name,
            login = shown($event.login.as_ref()),
            session = shown($event.session.as_ref()),
            app = shown($event.app.as_ref()),
            upstream = shown($event.upstream.as_ref()),
            reason = $event.reason.map(|reason| reason.slug()),
            reason_code = $event.reason.map(|reason| reason.code()),
            support_code = shown($event.code.as_ref()),
            offset_s = facts.offset_s,
            status = facts.status,
            elapsed_ms = facts.elapsed_ms,
            length = facts.length,
            count = facts.count,
            alg = clean(facts.alg.as_ref()),
            kid = clean(facts.kid.as_ref()),
            acr_asked = clean(facts.acr_asked.as_ref()),
            acr = clean(facts.acr.as_ref()),
            names = clean(facts.names.as_ref()),
            wire = facts.wire,
            error = clean(facts.error.as_ref()),
            cause = clean(facts.cause.as_ref()),
            url = clean(facts.url.as_ref()),
            sealed = shown(facts.sealed.as_ref()),
            "client.address" = peer.map(|peer| display(peer.address)),
            "client.port" = peer.map(|peer| peer.port),
            "user_agent.original" = clean(peer.and_then(|peer| peer.user_agent.as_ref())),
        )
    }};
}

target!(LEGACY, "relais::legacy");
target!(BROKER, "relais::broker");
target!(UPSTREAM, "relais::upstream");
target!(SESSION, "relais::session");
target!(SERVER, "relais::server");
