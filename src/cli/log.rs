//! The log: its form, and a queue between those who say something and standard output, which may not be read.

use std::io::{self, IsTerminal as _, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::Failure;
use crate::clock::SystemClock;
use crate::config::{EventConfig, LogFormat};
use crate::event::{Events, Facts, Form, Layout, SpanFields, Step, Trace, reasons};

/// How many bytes may wait to be read; what comes then is lost, and counted.
const WAITING: usize = 1024 * 1024;
/// How long a line waits for others, to be written together with them.
const GATHER: Duration = Duration::from_millis(10);
/// How long the end of the process waits for somebody to read what is left.
const FAREWELL: Duration = Duration::from_secs(1);

/// The form of the log, over the configuration's.
#[derive(Debug, Args)]
pub(super) struct Log {
    /// The form of the log, instead of the configuration's
    #[arg(long = "log-format", value_name = "FORM", value_parser = log_format())]
    format: Option<LogFormat>,
}

fn log_format() -> impl TypedValueParser<Value = LogFormat> {
    PossibleValuesParser::new(LogFormat::ALL.map(|(name, _)| name)).map(|name| {
        let found = LogFormat::ALL.into_iter().find(|(known, _)| *known == name);
        found.map_or(LogFormat::Auto, |(_, format)| format)
    })
}

impl Log {
    /// Opens the log: lines on standard output, for the events that are said to what is returned. What still waits
    /// is written when the second part is dropped.
    pub(super) fn open(&self, settings: &EventConfig) -> Result<(Events, Flush), Failure> {
        let filter: Targets = settings.filter().parse().map_err(|error| Failure::caused(&error))?;
        let terminal = io::stdout().is_terminal();
        let form = match self.format.unwrap_or(settings.format) {
            LogFormat::Auto if terminal => Form::Human,
            LogFormat::Human => Form::Human,
            LogFormat::Auto | LogFormat::Json => Form::Json,
            LogFormat::Kif => Form::Kif,
        };
        let queue = Arc::new(Queue::default());
        let lines = tracing_subscriber::fmt::layer()
            .with_ansi(terminal)
            .fmt_fields(SpanFields)
            .event_format(Layout::new(form, SystemClock))
            .with_writer(ToQueue(queue.clone()));
        let opened = tracing_subscriber::registry().with(filter).with(lines).try_init();
        opened.map_err(|error| Failure::Runtime(format!("cannot open the log: {error}")))?;
        let events = Events::log(form);
        let (writer, said) = (queue.clone(), events.clone());
        let started = thread::Builder::new().name("log".to_owned()).spawn(move || writer.write_out(&said));
        started.map_err(|error| Failure::caused(&error))?;
        Ok((events, Flush(queue)))
    }
}

/// Lines on their way to standard output.
#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// What waits.
    lines: Vec<u8>,
    /// Whether the writer wants to be woken.
    asleep: bool,
    /// How many bytes are being written.
    leaving: usize,
    /// How many lines found no place since that was last said.
    lost: u64,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, line: &[u8]) {
        let mut state = self.state();
        if state.lines.len() + state.leaving + line.len() > WAITING {
            state.lost += 1;
            return;
        }
        state.lines.extend_from_slice(line);
        // Who does not sleep looks again by itself.
        let asleep = std::mem::take(&mut state.asleep);
        drop(state);
        if asleep {
            self.changed.notify_all();
        }
    }

    /// Writes whatever waits, and says what was lost once there is room again.
    fn write_out(&self, events: &Events) {
        let mut lines = Vec::new();
        loop {
            let mut state = self.state();
            state.asleep = state.lines.is_empty();
            let waiting = self.changed.wait_while(state, |state| state.lines.is_empty());
            // Where one line comes, more do; to be woken for each costs more than to write it.
            let gathering =
                self.changed.wait_timeout(waiting.unwrap_or_else(PoisonError::into_inner), GATHER);
            let (mut state, _) = gathering.unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut lines, &mut state.lines);
            state.leaving = lines.len();
            drop(state);
            // Where standard output is closed, nobody listens any more.
            let _ = io::stdout().lock().write_all(&lines);
            lines.clear();
            let mut state = self.state();
            state.leaving = 0;
            let lost = if state.lines.is_empty() { std::mem::take(&mut state.lost) } else { 0 };
            drop(state);
            self.changed.notify_all();
            if lost > 0 {
                let facts = Facts { count: Some(lost), ..Facts::default() };
                Trace::new(events.clone(), None).because(
                    Step::LogLost,
                    reasons::server::LOG_LOST,
                    None,
                    facts,
                );
            }
        }
    }
}

/// Writes what still waits when it is dropped, if somebody reads it within a second.
pub(super) struct Flush(Arc<Queue>);

impl Drop for Flush {
    fn drop(&mut self) {
        let waits = |state: &mut State| !state.lines.is_empty() || state.leaving > 0;
        let _ = self.0.changed.wait_timeout_while(self.0.state(), FAREWELL, waits);
    }
}

/// Takes each line whole.
struct ToQueue(Arc<Queue>);

impl<'a> MakeWriter<'a> for ToQueue {
    type Writer = QueueWriter<'a>;

    fn make_writer(&'a self) -> QueueWriter<'a> {
        QueueWriter(&self.0)
    }
}

struct QueueWriter<'a>(&'a Queue);

impl Write for QueueWriter<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.put(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
