//! The threads that wait for the disk, and the queues before them.

use std::thread::{Builder, JoinHandle};

use tokio::sync::{mpsc, oneshot};

use super::writer::Writer;
use crate::store::StoreError;

/// Writes that share one commit.
const BATCH: usize = 256;

/// A thread with a bounded queue; when dropped, it works the queue off and ends.
pub(super) struct Worker<M> {
    queue: Option<mpsc::Sender<M>>,
    thread: Option<JoinHandle<()>>,
}

impl<M: Send + 'static> Worker<M> {
    /// A thread that runs `work` with the queue's end.
    pub(super) fn spawn(
        name: &str,
        places: usize,
        work: impl FnOnce(mpsc::Receiver<M>) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (queue, end) = mpsc::channel(places);
        let thread = Builder::new().name(name.to_owned()).spawn(move || work(end))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Waits for a place in the queue.
    pub(super) async fn send(&self, message: M) -> Result<(), StoreError> {
        match &self.queue {
            Some(queue) => queue.send(message).await.map_err(stopped),
            None => Err(stopped(())),
        }
    }
}

impl<M> Drop for Worker<M> {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // One that panicked has nothing left to flush.
            let _ = thread.join();
        }
    }
}

/// The answer when the thread has ended, for whatever reason.
pub(super) fn stopped<E>(_: E) -> StoreError {
    StoreError::Backend("the store's thread has stopped".into())
}

/// A write that waits.
pub(super) trait Write: Send {
    /// Does its part of a transaction. An error spoils the whole transaction.
    fn run(&mut self, writer: &mut Writer) -> Result<(), StoreError>;

    /// Tells what came of it, after the commit or after the failure to.
    fn answer(self: Box<Self>, outcome: Result<(), StoreError>);
}

/// An act, its result before the commit, and who waits for it.
pub(super) struct Job<T, F> {
    act: F,
    result: Option<Result<T, StoreError>>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<T: Send + 'static, F: Fn(&mut Writer) -> Result<T, StoreError> + Send + 'static> Job<T, F> {
    pub(super) fn boxed(act: F, answer: oneshot::Sender<Result<T, StoreError>>) -> Box<dyn Write> {
        Box::new(Self { act, result: None, answer })
    }
}

impl<T: Send, F: Fn(&mut Writer) -> Result<T, StoreError> + Send> Write for Job<T, F> {
    fn run(&mut self, writer: &mut Writer) -> Result<(), StoreError> {
        match (self.act)(writer) {
            Err(error @ StoreError::Backend(_)) => Err(error),
            decided => {
                self.result = Some(decided);
                Ok(())
            }
        }
    }

    fn answer(self: Box<Self>, outcome: Result<(), StoreError>) {
        let Self { result, answer, .. } = *self;
        // Who asked may be gone; what was done stays done.
        let _ = answer.send(outcome.and_then(|()| result.unwrap_or_else(|| Err(stopped(())))));
    }
}

/// The writer's life: takes what waits, commits it together, tells everyone. `committed` is called before.
pub(super) fn write_all(
    mut writer: Writer,
    mut queue: mpsc::Receiver<Box<dyn Write>>,
    committed: impl Fn(&Writer),
) {
    let mut batch = Vec::with_capacity(BATCH);
    while queue.blocking_recv_many(&mut batch, BATCH) > 0 {
        let together = writer.transact(|writer| batch.iter_mut().try_for_each(|write| write.run(writer)));
        if together.is_err() && batch.len() > 1 {
            for mut write in batch.drain(..) {
                let alone = writer.transact(|writer| write.run(writer));
                committed(&writer);
                write.answer(alone);
            }
            continue;
        }
        committed(&writer);
        // After a failure that the loop above did not meet, one write at most is left, and the failure its own.
        let mut outcome = Some(together);
        for write in batch.drain(..) {
            write.answer(outcome.take().unwrap_or(Ok(())));
        }
    }
}
