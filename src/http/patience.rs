//! How long a connection waits for its peer: for the rest of a head that has begun, and for the first byte of one.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep};

use super::connections::{Connection, Stage};

/// What the peer takes too long for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overdue {
    /// The rest of a head that has begun.
    Head,
    /// The first byte of a request.
    Request,
}

/// The patience with one connection. It has one timer, which is set again only where it would fire too late: each request sets other
/// deadlines, and nearly none of them is ever reached.
pub(super) struct Patience {
    head: Duration,
    silence: Duration,
    timer: Pin<Box<Sleep>>,
}

impl Patience {
    /// Waits up to `head` for the rest of a head, and up to `silence` for its first byte.
    pub(super) fn new(head: Duration, silence: Duration) -> Self {
        Self { head, silence, timer: Box::pin(sleep(silence)) }
    }

    /// Waits until the patience is over, and returns what took too long. A change of the connection's stage counts from the next poll on.
    pub(super) async fn over(&mut self, connection: &Connection) -> Overdue {
        poll_fn(|context| {
            loop {
                let due = match connection.stage() {
                    Stage::Silent(since) => Some((since + self.silence, Overdue::Request)),
                    Stage::Head(since) => Some((since + self.head, Overdue::Head)),
                    Stage::Working => None,
                };
                if let Some((due, _)) = due.filter(|(due, _)| *due < self.timer.deadline()) {
                    self.timer.as_mut().reset(due);
                }
                ready!(self.timer.as_mut().poll(context));
                let now = Instant::now();
                match due {
                    Some((due, what)) if due <= now => return Poll::Ready(what),
                    Some((due, _)) => self.timer.as_mut().reset(due),
                    // The next silence cannot begin before the answer, which is still to come.
                    None => self.timer.as_mut().reset(now + self.silence),
                }
            }
        })
        .await
    }
}
