//! Variables that look like ours and are not read: a mistake that would go without a word.

use super::{
    Environment,
    reader::{Reader, plain},
};

/// Tables that may be absent, whose keys are not known then, and those whose keys anybody may choose.
const TABLES: [&str; 7] = ["kafka.sasl", "kafka.tls", "kafka.properties", "http.tls", "topics.map", "schema_registry", "tracing"];
/// The keys of an endpoint.
const OF_ENDPOINTS: [&str; 3] = ["provider", "secrets", "tolerance"];

/// Warns of variables that would set a key if they were spelled otherwise. To be called when every key was asked for.
pub(super) fn warn(reader: &Reader, environment: &Environment) {
    for (name, _) in environment.variables() {
        if let Some(hint) = hint(reader, name) {
            reader.warn(format!("the variable {name} is not read; {hint}"));
        }
    }
}

fn hint(reader: &Reader, name: &str) -> Option<String> {
    let upper = name.to_ascii_uppercase();
    let rest = upper.strip_prefix("HOOKGATE_")?;
    if rest == "CONFIG" {
        return Some("--config names the file".into());
    }
    if rest.contains("__") {
        return (upper != name).then(|| format!("names of variables are in capitals; write {upper}"));
    }
    if is_of_service(rest) {
        return None;
    }
    let path = key(reader, rest)?;
    Some(format!("two underscores stand between table and key; write HOOKGATE_{}", path.join("__").to_ascii_uppercase()))
}

/// The key that a variable would set, as the parts of its name.
fn key(reader: &Reader, rest: &str) -> Option<Vec<String>> {
    let rest = rest.to_ascii_lowercase();
    let parts = |path: &str| path.split('.').map(str::to_owned).collect::<Vec<_>>();
    if let Some(known) = reader.known.borrow().iter().find(|known| plain(known) == rest) {
        return Some(parts(known));
    }
    let within = |table: &&str| rest.strip_prefix(&format!("{}_", plain(table))).filter(|key| !key.is_empty());
    if let Some(table) = TABLES.iter().find(|table| within(table).is_some()) {
        return Some([parts(table), vec![within(table)?.to_owned()]].concat());
    }
    let of_endpoint = rest.strip_prefix("endpoints_")?;
    OF_ENDPOINTS.iter().find_map(|key| {
        let endpoint = of_endpoint.strip_suffix(&format!("_{key}")).filter(|name| !name.is_empty())?;
        Some(vec!["endpoints".to_owned(), endpoint.to_owned(), (*key).to_owned()])
    })
}

/// What Kubernetes sets for a Service whose name begins with `hookgate`: `HOOKGATE_PORT`, `HOOKGATE_KAFKA_PORT_9092_TCP_ADDR`.
fn is_of_service(rest: &str) -> bool {
    let parts: Vec<&str> = rest.split('_').collect();
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let service = parts.windows(2).any(|pair| matches!(pair, ["SERVICE", "HOST" | "PORT"]));
    let port = parts.windows(3).any(|it| it[0] == "PORT" && is_number(it[1]) && matches!(it[2], "TCP" | "UDP" | "SCTP"));
    service || port || parts.last() == Some(&"PORT")
}
