//! The accept loop: connections are bounded in number, and each becomes a task of its own.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};

use super::{
    Phase, Webhooks,
    connections::{Connections, Room},
    protocol::Accepted,
};
use crate::{
    config::{Http, deadlines::LAST_WORDS},
    metrics::ConnectionFault,
};

/// This near to the limit connections are taken one at a time.
const ONE_BY_ONE: usize = 256;
/// A failed accept is mostly the process's limit of open files; connections that end make room.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// It would go on twenty times a second: one line in this time is enough.
const COMPLAIN_EVERY: Duration = Duration::from_secs(30);

/// Accepts that fail, of one port.
#[derive(Default)]
pub struct FailedAccepts {
    complained: Option<Instant>,
}

impl FailedAccepts {
    /// One more has failed: whether that is worth a line in the log.
    pub fn is_worth_a_line(&mut self) -> bool {
        let due = self.complained.is_none_or(|when| when.elapsed() > COMPLAIN_EVERY);
        if due {
            self.complained = Some(Instant::now());
        }
        due
    }

    /// The pause before the next attempt.
    pub async fn pause(&self) {
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}

/// Serves the webhook port until `stop` turns true, then whoever got through to it by then and asks in time, then lets what is in flight finish
/// for at most `drain`. Returns how many connections were still open then.
pub async fn serve(listener: TcpListener, webhooks: Arc<Webhooks>, mut stop: watch::Receiver<bool>, drain: Duration) -> usize {
    let connections = Connections::new(Arc::clone(&webhooks.in_flight.waiting), Some(Arc::clone(&webhooks.metrics)));
    let limits = Arc::new(webhooks.limits.clone());
    let (stopping, _) = watch::channel(false);
    let mut failed = FailedAccepts::default();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                connect((stream, peer.ip()), &webhooks, &limits, &stopping, &connections);
                // In a burst near the limit, who has to make room ends before the next newcomer is counted, and who brings a request begins with
                // it before he could be the one that has waited longest. Below, a busy loop takes in what is there, up to tokio's budget of 128:
                // one at a time they would wait for seconds, and where `delay` does not see them.
                if connections.count() + ONE_BY_ONE >= limits.max_connections {
                    tokio::task::yield_now().await;
                }
            }
            Err(error) => {
                if failed.is_worth_a_line() {
                    tracing::error!(%error, "cannot accept connections; is the limit of open files above http.max_connections?");
                }
                failed.pause().await;
            }
        }
    }
    // Whoever got through to the listener's queue believes that somebody is there. Nobody else gets there once it is closed.
    for (stream, peer) in waiting_in_queue(listener) {
        connect((stream, peer), &webhooks, &limits, &stopping, &connections);
    }
    stopping.send_replace(true);
    // Whoever has got through before may still ask, and is served like everybody before.
    let _timed_out = tokio::time::timeout(LAST_WORDS, stopping.closed()).await;
    // A delivery that begins now is refused.
    webhooks.phase.set(Phase::Draining);
    // A drain that takes too long is cut off; the count tells.
    let _timed_out = tokio::time::timeout(drain, stopping.closed()).await;
    connections.count()
}

/// The connections that were made and not accepted yet. The listener is closed after the last of them.
fn waiting_in_queue(listener: TcpListener) -> Vec<(TcpStream, IpAddr)> {
    let Ok(listener) = listener.into_std() else { return Vec::new() };
    let accepted = std::iter::from_fn(|| listener.accept().ok());
    let taken_over = accepted.filter_map(|(stream, peer)| {
        stream.set_nonblocking(true).ok()?;
        Some((TcpStream::from_std(stream).ok()?, peer.ip()))
    });
    taken_over.collect()
}

fn connect(
    (stream, peer): (TcpStream, IpAddr),
    webhooks: &Arc<Webhooks>,
    limits: &Arc<Http>,
    stopping: &watch::Sender<bool>,
    connections: &Arc<Connections>,
) {
    // A socket of both families shows an IPv4 peer as `::ffff:192.0.2.1`. It is one sender, whatever the address that we listen on.
    let peer = peer.to_canonical();
    let (connection, room) = connections.open(limits.max_connections);
    let full = match room {
        Room::Served => false,
        Room::TurnedAway => true,
        Room::Unheard => return webhooks.metrics.connection_fault(ConnectionFault::Limit),
    };
    if !full {
        connection.wait();
    }
    // An answer is one small segment, which must not wait for the next one. A failure costs latency, nothing else.
    let _refused = stream.set_nodelay(true);
    give_up_after(&stream, limits.header_timeout);
    let connection = Arc::new(connection);
    let (webhooks, limits, stopping) = (Arc::clone(webhooks), Arc::clone(limits), stopping.subscribe());
    tokio::spawn(Accepted { connection, peer, webhooks, limits, full, stopping }.serve(stream));
}

/// A peer that takes none of an answer for this long loses its connection: hyper waits for it without an end. The kernel counts it; where
/// it cannot, a peer like this is held off by the limit of connections alone.
fn give_up_after(stream: &TcpStream, patience: Duration) {
    #[cfg(target_os = "linux")]
    let _refused = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(patience));
    #[cfg(not(target_os = "linux"))]
    let _ = (stream, patience);
}
