//! Threads that each run an event loop.

use std::{
    io,
    thread::{self, JoinHandle},
};

use tokio::{runtime, sync::watch};

/// A running event loop, until [`EventLoop::stop`].
pub(crate) struct EventLoop<T> {
    /// The event loop holds the receiver for as long as it runs.
    stop: watch::Sender<bool>,
    thread: JoinHandle<io::Result<T>>,
}

/// An event loop has ended before it was asked to, or panicked: a defect.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct EndedByItself;

impl<T: Send + 'static> EventLoop<T> {
    /// Runs a future on a new thread of this name. The future must end when its receiver turns true.
    pub(crate) fn start(
        name: &str,
        run: impl AsyncFnOnce(watch::Receiver<bool>) -> io::Result<T> + Send + 'static,
    ) -> Result<Self, String> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("cannot start the {name} event loop: {error}"))?;
        let (stop, stopped) = watch::channel(false);
        let spawned = thread::Builder::new().name(name.into()).spawn(move || {
            let result = runtime.block_on(run(stopped));
            result.inspect_err(|error| tracing::error!(%error, "an event loop has ended"))
        });
        let thread = spawned.map_err(|error| format!("cannot start the {name} thread: {error}"))?;
        Ok(Self { stop, thread })
    }

    /// Returns once the event loop has ended by itself, or is about to.
    pub(crate) async fn ended(&self) {
        self.stop.closed().await;
    }

    /// Returns whether the event loop has ended by itself, or is about to.
    pub(crate) fn has_ended(&self) -> bool {
        self.stop.is_closed()
    }

    /// Ends the event loop and returns its result. Blocks until then.
    pub(crate) fn stop(self) -> Result<T, EndedByItself> {
        let by_itself = self.has_ended();
        self.stop.send_replace(true);
        let result = self.thread.join();
        if by_itself { Err(EndedByItself) } else { result.ok().and_then(Result::ok).ok_or(EndedByItself) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn end_asked(mut stopped: watch::Receiver<bool>) {
        stopped.wait_for(|stopped| *stopped).await.unwrap();
    }

    /// Checks an event loop that may end by itself, and its result after it was asked to end; no result is a defect.
    #[track_caller]
    fn check(
        run: impl AsyncFnOnce(watch::Receiver<bool>) -> io::Result<u8> + Send + 'static,
        by_itself: bool,
        result: Option<u8>,
    ) {
        let running = EventLoop::start("test", run).unwrap();
        if by_itself {
            runtime::Builder::new_current_thread().build().unwrap().block_on(running.ended());
        }
        assert_eq!(running.has_ended(), by_itself);
        assert_eq!(running.stop().ok(), result);
    }

    #[test]
    fn an_end_that_nobody_asked_for_is_a_defect() {
        check(
            async |stopped| {
                end_asked(stopped).await;
                Ok(7)
            },
            false,
            Some(7),
        );
        check(async |_| Ok(7), true, None);
        check(async |_| Err(io::Error::other("no socket")), true, None);
        check(async |_| panic!("while it runs"), true, None);
        check(
            async |stopped| {
                end_asked(stopped).await;
                panic!("while it ends")
            },
            false,
            None,
        );
    }
}
