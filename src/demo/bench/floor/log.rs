//! Lines of the log, gathered for a millisecond and written together by a thread of their own.

use std::io::{self, Write as _};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Where lines wait.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<(Mutex<Vec<u8>>, Condvar)>);

impl Log {
    pub(super) fn start() -> io::Result<Self> {
        let log = Self::default();
        let writer = log.clone();
        thread::Builder::new().name("log".to_owned()).spawn(move || writer.write_out())?;
        Ok(log)
    }

    /// One event as the relay writes it, with what belongs to it besides.
    pub(super) fn line(&self, area: &str, event: &str, address: &str, facts: std::fmt::Arguments<'_>) {
        let (lines, written) = &*self.0;
        let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        let first = lines.is_empty();
        // Writing to memory cannot fail.
        let _ = writeln!(
            lines,
            "{{\"level\":\"INFO\",\"event\":\"{event}\",{facts},\"client.address\":\"{address}\",\
             \"client.port\":0,\"target\":\"relais::{area}\"}}"
        );
        drop(lines);
        if first {
            written.notify_one();
        }
    }

    fn write_out(self) {
        let (lines, written) = &*self.0;
        loop {
            let waiting = lines.lock().unwrap_or_else(PoisonError::into_inner);
            drop(written.wait_while(waiting, |lines| lines.is_empty()));
            thread::sleep(Duration::from_millis(1));
            let gathered = std::mem::take(&mut *lines.lock().unwrap_or_else(PoisonError::into_inner));
            // Nobody reads it.
            let _ = io::stdout().lock().write_all(&gathered);
        }
    }
}
