//! The floor: a program that does the least that is needed to answer a signed Uploadcare delivery only after Kafka has stored it.
//!
//! It checks the signature over the raw body and sends the body unchanged with one constant key. It reads no JSON, keeps no
//! metrics and limits nothing. So the difference to Hookgate's cost is the price of what Hookgate does in addition. With `--whole-job` it
//! stores the same record as Hookgate: see [`whole`].

mod whole;

use std::{
    error::Error,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use clap::Parser;
use hmac::{Hmac, KeyInit as _, Mac as _};
use hookgate::clock;
use rdkafka::{
    ClientConfig,
    producer::{FutureProducer, FutureRecord},
};
use sha2::Sha256;
use tokio::net::TcpListener;

/// A bare verify-and-send server to measure Hookgate against.
#[derive(Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:18090")]
    listen: SocketAddr,
    /// Kafka's bootstrap servers, comma-separated.
    #[arg(long, default_value = "127.0.0.1:19092")]
    brokers: String,
    /// The topic that every body goes to; it must exist.
    #[arg(long, default_value = "bench.floor")]
    topic: String,
    /// Store what Hookgate would store, on Hookgate's topics with the default prefix.
    #[arg(long)]
    whole_job: bool,
    /// The signing secret that the sender uses.
    #[arg(long)]
    secret: String,
    /// A librdkafka property as NAME=VALUE; may be given many times.
    #[arg(short = 'X', value_name = "NAME=VALUE", value_parser = property)]
    properties: Vec<(String, String)>,
}

/// What every request needs.
struct Floor {
    /// The HMAC with its key already hashed: hashing the key takes two of the few compressions that a small body takes.
    mac: Hmac<Sha256>,
    producer: FutureProducer,
    topic: String,
    whole_job: bool,
    /// How many deliveries were stored.
    stored: AtomicU64,
}

fn property(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &arguments.brokers);
    for (name, value) in &arguments.properties {
        config.set(name, value);
    }
    let Arguments { topic, whole_job, .. } = arguments;
    let mac = Hmac::new_from_slice(arguments.secret.as_bytes())?;
    let floor = Floor { mac, producer: config.create()?, topic, whole_job, stored: AtomicU64::new(0) };
    let router = Router::new().route("/webhooks/uploadcare", post(deliver)).with_state(Arc::new(floor));
    axum::serve(TcpListener::bind(arguments.listen).await?, router).await?;
    Ok(())
}

/// Answers a delivery: 200 once Kafka has acknowledged it, 401 without a valid signature, 503 for every fault of Kafka.
async fn deliver(State(floor): State<Arc<Floor>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if !proven(&floor.mac, &headers, &body) {
        return StatusCode::UNAUTHORIZED;
    }
    let sent = if floor.whole_job {
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let Ok(record) = whole::record(header("x-uc-signature"), header("content-type"), &body, clock::system()) else {
            return StatusCode::BAD_REQUEST;
        };
        let topic = format!("hookgate.{}", record.kind);
        floor.producer.send_result(FutureRecord::to(&topic).key(&record.key).headers(record.headers).payload(&record.value)).ok()
    } else {
        floor.producer.send_result(FutureRecord::to(&floor.topic).key("floor").payload(body.as_ref())).ok()
    };
    let Some(acknowledgement) = sent else { return StatusCode::SERVICE_UNAVAILABLE };
    match acknowledgement.await {
        Ok(Ok(_)) => {
            floor.stored.fetch_add(1, Ordering::Relaxed);
            StatusCode::OK
        }
        Ok(Err(_)) | Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// Returns whether the body was signed with the secret. The comparison takes constant time.
fn proven(mac: &Hmac<Sha256>, headers: &HeaderMap, body: &[u8]) -> bool {
    let Some(hex_digits) = headers.get("x-uc-signature").and_then(|value| value.as_bytes().strip_prefix(b"v1=")) else {
        return false;
    };
    let mut signature = [0; 32];
    hex::decode_to_slice(hex_digits, &mut signature).is_ok() && mac.clone().chain_update(body).verify_slice(&signature).is_ok()
}
