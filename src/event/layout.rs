//! Lines of the log, in each form: our events, and what libraries say, with the login that they said it for.
//!
//! The sink hands each line to `tracing` as one value that writes itself; [`Layout`] lets it write into the line.

use std::fmt::{self, Display, Write as _};

use time::OffsetDateTime;
use tracing::field::{Field, Visit};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use super::fields::{Escaping, Human, Json};
use super::{Area, Event, Level, Sink, kif};
use crate::clock::{Clock, Timestamp};

/// The form of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For eyes.
    Human,
    /// For programs: one JSON object per line.
    Json,
    /// For what reads KIF's log.
    Kif,
}

/// Says events through `tracing`, in a form; [`Layout`] makes lines of them.
pub(super) struct Log(pub(super) Form);

impl Sink for Log {
    fn accept(&self, event: &Event) {
        let area = event.step.area();
        match self.0 {
            Form::Human => say(area, event.level, Human(event)),
            Form::Json => say(area, event.level, Json(event)),
            Form::Kif => kif::entries(event).into_iter().for_each(|entry| say(area, entry.level, entry)),
        }
    }

    fn hears(&self, area: Area, level: Level) -> bool {
        hears(area, level)
    }
}

/// The name of each `tracing` event that is one of ours.
const OURS: &str = "relais event";

// `tracing` wants target and level known when compiled.
macro_rules! at_each_target {
    ($($area:ident = $target:literal;)*) => {
        fn say(area: Area, level: Level, entry: impl Display) {
            let entry = tracing::field::display(entry);
            match area {
                $(Area::$area => match level {
                    Level::Debug => tracing::event!(name: OURS, target: $target, tracing::Level::DEBUG, entry),
                    Level::Info => tracing::event!(name: OURS, target: $target, tracing::Level::INFO, entry),
                    Level::Warn => tracing::event!(name: OURS, target: $target, tracing::Level::WARN, entry),
                    Level::Error => tracing::event!(name: OURS, target: $target, tracing::Level::ERROR, entry),
                },)*
            }
        }

        /// Whether somebody listens to this area at this level.
        fn hears(area: Area, level: Level) -> bool {
            match area {
                $(Area::$area => match level {
                    Level::Debug => tracing::enabled!(target: $target, tracing::Level::DEBUG),
                    Level::Info => tracing::enabled!(target: $target, tracing::Level::INFO),
                    Level::Warn => tracing::enabled!(target: $target, tracing::Level::WARN),
                    Level::Error => tracing::enabled!(target: $target, tracing::Level::ERROR),
                },)*
            }
        }
    };
}

at_each_target! {
    Legacy = "relais::legacy";
    Broker = "relais::broker";
    Upstream = "relais::upstream";
    Session = "relais::session";
    Server = "relais::server";
}

/// The target of the span of a request: none of ours, so that it is heard whenever libraries are.
const REQUEST: &str = "request";

/// The span of one request, which holds the login for what libraries say.
pub(super) fn request_span() -> tracing::Span {
    tracing::warn_span!(target: REQUEST, "request", login = tracing::field::Empty)
}

/// Makes lines, on a clock, in UTC.
pub struct Layout<C> {
    form: Form,
    clock: C,
}

impl<C: Clock> Layout<C> {
    /// Lines of `form`, dated by `clock`.
    pub fn new(form: Form, clock: C) -> Self {
        Self { form, clock }
    }
}

impl<C, S> FormatEvent<S, SpanFields> for Layout<C>
where
    C: Clock,
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        cx: &FmtContext<'_, S, SpanFields>,
        mut writer: Writer<'_>,
        event: &tracing::Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let is_ours = metadata.name() == OURS;
        self.begin(&mut writer, metadata, is_ours)?;
        let mut said = Said { writer: writer.by_ref(), form: self.form, is_ours, written: Ok(()) };
        event.record(&mut said);
        said.written?;
        if !is_ours && let Some(login) = login(cx) {
            member(&mut writer, self.form, "login", format_args!("{login}"))?;
        }
        match self.form {
            Form::Json => writeln!(writer, ",\"target\":\"{}\"}}", metadata.target()),
            Form::Human | Form::Kif => writer.write_str("\n"),
        }
    }
}

impl<C: Clock> Layout<C> {
    fn begin(&self, writer: &mut Writer<'_>, metadata: &Metadata<'_>, is_ours: bool) -> fmt::Result {
        let (now, level) = (self.clock.now(), metadata.level().as_str());
        match self.form {
            Form::Json => {
                writer.write_str("{\"timestamp\":\"")?;
                date(writer, now, "T", ".")?;
                write!(writer, "Z\",\"level\":\"{level}\"")
            }
            Form::Human => {
                let (colour, plain) =
                    if writer.has_ansi_escapes() { (colour(level), "\u{1b}[0m") } else { ("", "") };
                date(writer, now, "T", ".")?;
                write!(writer, "Z {colour}{level:>5}{plain} {}: ", metadata.target())
            }
            // log4j's `%-5p: %d %c - %m%n`; an entry of ours names its own logger.
            Form::Kif => {
                write!(writer, "{level:<5}: ")?;
                date(writer, now, " ", ",")?;
                writer.write_str(" ")?;
                if is_ours { Ok(()) } else { write!(writer, "{} -", metadata.target().replace("::", ".")) }
            }
        }
    }
}

fn colour(level: &str) -> &'static str {
    match level {
        "ERROR" => "\u{1b}[31m",
        "WARN" => "\u{1b}[33m",
        "INFO" => "\u{1b}[32m",
        _ => "\u{1b}[34m",
    }
}

/// `2016-07-24T03:25:16.203`, with these two signs.
fn date(writer: &mut Writer<'_>, now: Timestamp, between: &str, before_millis: &str) -> fmt::Result {
    let seconds = i64::try_from(now.seconds()).unwrap_or_default();
    let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
    let (hour, minute, second) = at.to_hms();
    let millis = now.millis() % 1000;
    write!(
        writer,
        "{year:04}-{month:02}-{day:02}{between}{hour:02}:{minute:02}:{second:02}{before_millis}{millis:03}"
    )
}

/// One member of what a library said.
fn member(writer: &mut Writer<'_>, form: Form, name: &str, value: fmt::Arguments<'_>) -> fmt::Result {
    match form {
        Form::Json => {
            write!(writer, ",\"{name}\":\"")?;
            Escaping(writer).write_fmt(value)?;
            writer.write_str("\"")
        }
        Form::Human | Form::Kif if name == "message" => {
            if form == Form::Kif {
                writer.write_str(" ")?;
            }
            Escaping(writer).write_fmt(value)
        }
        Form::Human | Form::Kif => {
            write!(writer, " {name}=")?;
            Escaping(writer).write_fmt(value)
        }
    }
}

/// Writes what a `tracing` event holds: one entry of ours, or a library's message and fields.
struct Said<'w> {
    writer: Writer<'w>,
    form: Form,
    is_ours: bool,
    written: fmt::Result,
}

impl Said<'_> {
    fn put(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        self.written = self.written.and_then(|()| {
            if self.is_ours {
                return self.writer.write_fmt(value);
            }
            member(&mut self.writer, self.form, field.name(), value)
        });
    }

    fn number(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        if self.form == Form::Json {
            let name = field.name();
            self.written = self.written.and_then(|()| write!(self.writer, ",\"{name}\":{value}"));
        } else {
            self.put(field, value);
        }
    }
}

impl Visit for Said<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format_args!("{value:?}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.number(field, format_args!("{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.number(field, format_args!("{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.number(field, format_args!("{value}"));
    }
}

/// The login of the request that this belongs to.
fn login<S>(cx: &FmtContext<'_, S, SpanFields>) -> Option<String>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    cx.event_scope()?.filter(|span| span.metadata().target() == REQUEST).find_map(|span| {
        let extensions = span.extensions();
        let fields = extensions.get::<FormattedFields<SpanFields>>()?;
        (!fields.is_empty()).then(|| fields.fields.clone())
    })
}

/// Keeps of a span's fields the login alone, the last that it was told.
#[derive(Clone, Copy, Debug, Default)]
pub struct SpanFields;

impl<'writer> FormatFields<'writer> for SpanFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut kept = Kept { writer, written: Ok(()) };
        fields.record(&mut kept);
        kept.written
    }

    fn add_fields(
        &self,
        current: &'writer mut FormattedFields<Self>,
        fields: &tracing::span::Record<'_>,
    ) -> fmt::Result {
        current.fields.clear();
        self.format_fields(current.as_writer(), fields)
    }
}

struct Kept<'w> {
    writer: Writer<'w>,
    written: fmt::Result,
}

impl Visit for Kept<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "login" {
            self.written = write!(self.writer, "{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::filter::Targets;
    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;
    use crate::clock::HandClock;
    use crate::event::{Events, Facts, SessionHandle, Step, Trace, reasons};
    use crate::login::LoginId;
    use crate::peer::Peer;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<String>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().push(String::from_utf8(line.to_vec()).unwrap());
            Ok(line.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    fn trace(events: &Events) -> Trace {
        let mut peer = Peer::at(([192, 0, 2, 7], 62_375).into());
        peer.user_agent =
            Some("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".to_owned());
        let mut trace = Trace::new(events.clone(), Some(peer));
        trace.set_login(LoginId::new([7; 16]));
        trace.session = Some(SessionHandle::new([9; 32]));
        trace
    }

    /// Each line is handed over whole, once, and only where its area listens at its level.
    #[test]
    fn an_area_has_a_level_of_its_own() {
        let (lines, filter) =
            (Lines::default(), "warn,relais=info,relais::legacy=error,relais::server=debug");
        let layer = tracing_subscriber::fmt::layer()
            .fmt_fields(SpanFields)
            .event_format(Layout::new(Form::Json, HandClock::at(Timestamp::from_millis(1_469_330_716_203))))
            .with_writer(lines.clone());
        let filter: Targets = filter.parse().unwrap();
        let subscriber = tracing_subscriber::registry().with(filter).with(layer);
        let events = Events::log(Form::Json);
        tracing::subscriber::with_default(subscriber, || {
            let trace = trace(&events);
            trace.step(Step::LegacyRequestAccepted, Facts::default());
            trace.step(Step::UpstreamReturned, Facts::default());
            trace.because(Step::RequestRefused, reasons::server::PREFETCH, None, Facts::default());
            trace.because(Step::LogoutReturned, reasons::server::LOGOUT_STATE, None, Facts::default());
            let _in_request = trace.span().entered();
            tracing::info!(target: "some::library", "unheard");
            tracing::warn!(target: "some::library", "heard");
        });
        let lines = lines.0.lock().unwrap().clone();
        let read = |line: &String| -> serde_json::Value {
            assert!(line.ends_with("}\n") && line.matches('\n').count() == 1, "{line}");
            serde_json::from_str(line).unwrap()
        };
        let read: Vec<_> = lines.iter().map(read).collect();
        let said: Vec<_> =
            read.iter().map(|line| (line["level"].as_str(), line["target"].as_str())).collect();
        assert_eq!(
            said,
            [
                (Some("INFO"), Some("relais::upstream")),
                (Some("DEBUG"), Some("relais::server")),
                (Some("WARN"), Some("some::library")),
            ]
        );
        assert_eq!(read[2]["login"], "07".repeat(16));
        assert_eq!(read[0]["timestamp"], "2016-07-24T03:25:16.203Z");
    }

    /// `cargo test --release --lib -- --ignored --nocapture an_event_costs`
    #[test]
    #[ignore = "a measurement"]
    #[expect(clippy::disallowed_methods, clippy::print_stderr, reason = "it measures")]
    fn an_event_costs() {
        const EVENTS: u32 = 200_000;
        let layer = tracing_subscriber::fmt::layer()
            .fmt_fields(SpanFields)
            .event_format(Layout::new(Form::Json, crate::clock::SystemClock))
            .with_writer(std::io::sink);
        let filter: Targets = "warn,relais=info".parse().unwrap();
        let events = Events::log(Form::Json);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(filter).with(layer), || {
            let trace = trace(&events);
            let best = (0..5).map(|_| {
                let began = std::time::Instant::now();
                for _ in 0..EVENTS {
                    let facts = Facts { status: Some(200), elapsed_ms: Some(12), ..Facts::default() };
                    trace.step(Step::UpstreamToken, facts);
                }
                began.elapsed() / EVENTS
            });
            eprintln!("{:?} per event", best.min().unwrap());
        });
    }
}
