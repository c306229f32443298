//! The simulated provider on a thread of its own, so that the system counts its CPU time apart.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use stub_upstream::Stub;
use tokio::net::TcpListener;
use tokio::runtime;
use tokio::sync::oneshot;

use super::BenchError;
use super::cpu::cpu;

/// Serves until it is dropped.
pub(super) struct Provider {
    stat: PathBuf,
    _until: oneshot::Sender<()>,
}

impl Provider {
    pub(super) fn start(listener: TcpListener, stub: Stub) -> io::Result<Self> {
        let listener = listener.into_std()?;
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (until, dropped) = oneshot::channel::<()>();
        let (tell, told) = mpsc::channel();
        thread::Builder::new().name("provider".to_owned()).spawn(move || {
            // `PID/task/TID` (proc(5)).
            let _ = tell.send(std::fs::read_link("/proc/thread-self"));
            runtime.block_on(async {
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                tokio::select! {
                    _ = axum::serve(listener, stub.router()) => {}
                    _ = dropped => {}
                }
            });
        })?;
        let own = told.recv().map_err(io::Error::other)??;
        Ok(Self { stat: Path::new("/proc").join(own).join("stat"), _until: until })
    }

    /// Its CPU time so far.
    pub(super) fn cpu(&self) -> Result<Duration, BenchError> {
        cpu(&self.stat)
    }
}
