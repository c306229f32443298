//! The threads that wait for the disk, and the queues before them.

use std::thread::{Builder, JoinHandle};

use tokio::sync::{mpsc, oneshot};

use super::writer::{Spoiled, Writer};
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

    /// Whether nobody waits for the answer any more: then it is not begun.
    fn is_given_up(&self) -> bool;
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

    fn is_given_up(&self) -> bool {
        self.answer.is_closed()
    }
}

/// The writer's life: takes what waits, commits it together, tells everyone. `committed` is called before.
pub(super) fn write_all(
    mut writer: Writer,
    mut queue: mpsc::Receiver<Box<dyn Write>>,
    committed: impl Fn(&Writer),
) {
    let mut batch: Vec<Box<dyn Write>> = Vec::with_capacity(BATCH);
    while queue.blocking_recv_many(&mut batch, BATCH) > 0 {
        batch.retain(|write| !write.is_given_up());
        let together = writer.transact(|writer| batch.iter_mut().try_for_each(|write| write.run(writer)));
        match together {
            // One spoils it for the others: each by itself.
            Err(Spoiled::ByAct(_)) if batch.len() > 1 => {
                for mut write in batch.drain(..).filter(|write| !write.is_given_up()) {
                    let alone = writer.transact(|writer| write.run(writer));
                    committed(&writer);
                    write.answer(alone.map_err(Spoiled::error));
                }
            }
            Err(spoiled) => {
                let told = match spoiled.error() {
                    StoreError::Backend(source) => source.to_string(),
                    other => other.to_string(),
                };
                committed(&writer);
                for write in batch.drain(..) {
                    write.answer(Err(StoreError::Backend(told.clone().into())));
                }
            }
            Ok(()) => {
                committed(&writer);
                batch.drain(..).for_each(|write| write.answer(Ok(())));
            }
        }
    }
}

impl Spoiled {
    fn error(self) -> StoreError {
        let (Self::ByAct(error) | Self::ForAll(error)) = self;
        error
    }
}
