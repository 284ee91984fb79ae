//! How long a connection waits for its peer: for the rest of a head that has begun, and in silence before that.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep};

use super::connections::{Connection, Stage};

/// What takes too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overdue {
    /// A head that has begun.
    Head,
    /// A request, of which nothing has come.
    Request,
}

/// The patience with one connection. It has one timer, which is set again only where it would ring too late: each request sets other
/// deadlines, and nearly none of them is ever reached.
pub(super) struct Patience {
    head: Duration,
    silence: Duration,
    timer: Pin<Box<Sleep>>,
}

impl Patience {
    /// So long for the rest of a head, and so long in silence.
    pub(super) fn new(head: Duration, silence: Duration) -> Self {
        Self { head, silence, timer: Box::pin(sleep(silence)) }
    }

    /// Ends when it is over. A change of the connection's stage counts from the next poll on.
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
                    // Silence begins with the answer at the earliest.
                    None => self.timer.as_mut().reset(now + self.silence),
                }
            }
        })
        .await
    }
}
