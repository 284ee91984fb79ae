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
    delay,
    protocol::Accepted,
};
use crate::{
    config::{Http, deadlines::LAST_WORDS},
    metrics::ConnectionFault,
};

/// With fewer free places than this, connections are accepted one at a time.
const ONE_BY_ONE: usize = 256;
/// The pause after a failed accept. The cause is mostly the process's limit of open files, and connections that end make room again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// At most one log line in this time: an accept could fail, and be logged, twenty times a second.
const COMPLAIN_EVERY: Duration = Duration::from_secs(30);

/// The failed accepts of one port, and when the last of them was logged.
#[derive(Default)]
pub struct FailedAccepts {
    complained: Option<Instant>,
}

impl FailedAccepts {
    /// Counts one more failed accept. Returns whether it should be logged.
    pub fn is_worth_a_line(&mut self) -> bool {
        let due = self.complained.is_none_or(|when| when.elapsed() > COMPLAIN_EVERY);
        if due {
            self.complained = Some(Instant::now());
        }
        due
    }

    /// Waits before the next attempt to accept.
    pub async fn pause(&self) {
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}

/// Serves the webhook port until `stop` turns true. Then it serves the connections that are in the listener's queue and the peers that send
/// a request in time, and at last waits for the deliveries in flight for at most `drain`. Returns how many connections were still open at
/// the end.
pub async fn serve(listener: TcpListener, webhooks: Arc<Webhooks>, mut stop: watch::Receiver<bool>, drain: Duration) -> usize {
    let (open, watched) = watch::channel(0);
    let (delay, endpoints, metrics) =
        (Arc::clone(&webhooks.delay), Arc::clone(&webhooks.endpoints), Arc::clone(&webhooks.metrics));
    tokio::spawn(delay::watch(delay, endpoints, metrics, watched));
    let connections = Connections::new(open, Arc::clone(&webhooks.in_flight.waiting), Some(Arc::clone(&webhooks.metrics)));
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
                // Near the limit, yield after each accept: the connection that must make room has to end before the next one is counted,
                // and a connection that brings a request must begin it before it can be the one that has waited longest. Below the limit,
                // accept in batches (tokio's budget is 128): in a busy loop, connections that are accepted one at a time would wait for
                // seconds, and `delay` would not see that.
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
    // The kernel has completed the connections in the listener's queue, so their peers believe that they are served. No others follow once
    // the listener is closed.
    for (stream, peer) in waiting_in_queue(listener) {
        connect((stream, peer), &webhooks, &limits, &stopping, &connections);
    }
    stopping.send_replace(true);
    // Peers that connected earlier may still send a request, and it is served as usual.
    let _timed_out = tokio::time::timeout(LAST_WORDS, stopping.closed()).await;
    // From here on, new deliveries are refused.
    webhooks.phase.set(Phase::Draining);
    // A drain that takes too long is cut off; the returned count shows it.
    let _timed_out = tokio::time::timeout(drain, stopping.closed()).await;
    connections.count()
}

/// Returns the connections that the kernel has completed and that were not accepted yet. Closes the listener after the last of them.
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
    // A socket for both families shows an IPv4 peer as `::ffff:192.0.2.1`. That is the same sender as `192.0.2.1`, whatever address
    // Hookgate listens on.
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
    // An answer is one small segment and must not wait for another one. If the call fails, that only costs latency.
    let _refused = stream.set_nodelay(true);
    give_up_after(&stream, limits.header_timeout);
    let connection = Arc::new(connection);
    let (webhooks, limits, stopping) = (Arc::clone(webhooks), Arc::clone(limits), stopping.subscribe());
    tokio::spawn(Accepted { connection, peer, webhooks, limits, full, stopping }.serve(stream));
}

/// Ends a connection whose peer acknowledges nothing of an answer for this long: hyper would wait for it without an end. The kernel
/// measures the time. On a system whose kernel cannot, only the limit of connections protects against such a peer.
fn give_up_after(stream: &TcpStream, patience: Duration) {
    #[cfg(target_os = "linux")]
    let _refused = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(patience));
    #[cfg(not(target_os = "linux"))]
    let _ = (stream, patience);
}
