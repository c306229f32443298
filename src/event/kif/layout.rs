//! KIF's layout of a line, log4j's `%-5p: %d %c - %m%n`, for our events and for what libraries say.

use std::fmt::{self, Write as _};

use time::OffsetDateTime;
use tracing::field::{Field, Visit};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::{Line, lines};
use crate::clock::{Clock, Timestamp};
use crate::event::{Area, Event, Level, Sink};

/// Says events through `tracing`, a line at a time; [`Layout`] writes them.
pub(in crate::event) struct Log;

impl Sink for Log {
    fn accept(&self, event: &Event) {
        let say = match event.step.area() {
            Area::Legacy => say_legacy,
            Area::Broker => say_broker,
            Area::Upstream => say_upstream,
            Area::Session => say_session,
            Area::Server => say_server,
        };
        for line in lines(event) {
            say(&line);
        }
    }
}

// `tracing` wants target and level known when compiled.
macro_rules! says {
    ($name:ident, $target:literal) => {
        fn $name(line: &Line) {
            let (kif_logger, kif_line) = (line.logger, line.text.as_str());
            match line.level {
                Level::Debug => tracing::debug!(target: $target, kif_logger, kif_line),
                Level::Info => tracing::info!(target: $target, kif_logger, kif_line),
                Level::Warn => tracing::warn!(target: $target, kif_logger, kif_line),
                Level::Error => tracing::error!(target: $target, kif_logger, kif_line),
            }
        }
    };
}

says!(say_legacy, "relais::legacy");
says!(say_broker, "relais::broker");
says!(say_upstream, "relais::upstream");
says!(say_session, "relais::session");
says!(say_server, "relais::server");

/// The layout, on a clock, in UTC.
pub struct Layout<C>(C);

impl<C: Clock> Layout<C> {
    /// On `clock`.
    pub fn new(clock: C) -> Self {
        Self(clock)
    }
}

impl<C, S, N> FormatEvent<S, N> for Layout<C>
where
    C: Clock,
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &tracing::Event<'_>,
    ) -> fmt::Result {
        let mut parts = Parts::default();
        event.record(&mut parts);
        write!(writer, "{:<5}: ", event.metadata().level().as_str())?;
        date(&mut writer, self.0.now())?;
        let logger = parts.logger.unwrap_or_else(|| class(event.metadata()));
        writeln!(writer, " {logger} - {}", parts.text)
    }
}

/// `2016-07-24 03:25:16,203`.
fn date(writer: &mut Writer<'_>, now: Timestamp) -> fmt::Result {
    let seconds = i64::try_from(now.seconds()).unwrap_or_default();
    let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
    let (hour, minute, second) = at.to_hms();
    let millis = now.millis() % 1000;
    write!(writer, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02},{millis:03}")
}

/// The target, written as a class is.
fn class(metadata: &Metadata<'_>) -> String {
    metadata.target().replace("::", ".")
}

/// What a `tracing` event holds: one of our lines, or a library's message and fields.
#[derive(Default)]
struct Parts {
    logger: Option<String>,
    text: String,
}

impl Parts {
    fn put(&mut self, name: &str, value: &str) {
        let value: String = value.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        match name {
            "message" => self.text.insert_str(0, &value),
            "kif_logger" => self.logger = Some(value),
            "kif_line" => self.text = value,
            name => {
                let _ = write!(self.text, " {name}={value}");
            }
        }
    }
}

impl Visit for Parts {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field.name(), &format!("{value:?}"));
    }
}
