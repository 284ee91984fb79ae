//! Variables that look like Hookgate's and are not read: a mistake that would otherwise be silent.

use super::{
    Environment,
    catalogue::all_keys,
    keys::Kind,
    reader::{Reader, plain},
};

/// Warns of variables that would set a key if they were spelled otherwise.
pub(super) fn warn(reader: &Reader, environment: &Environment) {
    for (name, _) in environment.variables() {
        if let Some(hint) = hint(name) {
            reader.warn(format!("the variable {name} is not read; {hint}"));
        }
    }
}

fn hint(name: &str) -> Option<String> {
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
    let path = key(rest)?;
    Some(format!("two underscores stand between table and key; write HOOKGATE_{}", path.join("__").to_ascii_uppercase()))
}

/// Returns the key that a variable would set, as the parts of its name.
fn key(rest: &str) -> Option<Vec<String>> {
    let rest = rest.to_ascii_lowercase();
    let parts = |path: &str| path.split('.').map(str::to_owned).collect::<Vec<_>>();
    all_keys().iter().filter(|key| key.kind != Kind::Table).find_map(|key| match key.path.split_once(".<name>.") {
        Some((table, key)) => {
            let name = rest.strip_prefix(&format!("{table}_"))?.strip_suffix(&format!("_{key}"));
            Some(vec![table.to_owned(), name.filter(|name| !name.is_empty())?.to_owned(), key.to_owned()])
        }
        None if matches!(key.kind, Kind::Map(_)) => {
            let name = rest.strip_prefix(&format!("{}_", plain(&key.path))).filter(|name| !name.is_empty())?;
            Some([parts(&key.path), vec![name.to_owned()]].concat())
        }
        None => (plain(&key.path) == rest).then(|| parts(&key.path)),
    })
}

/// Returns whether Kubernetes sets this variable for a Service whose name begins with `hookgate`: `HOOKGATE_PORT`,
/// `HOOKGATE_KAFKA_PORT_9092_TCP_ADDR`.
fn is_of_service(rest: &str) -> bool {
    let parts: Vec<&str> = rest.split('_').collect();
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let service = parts.windows(2).any(|pair| matches!(pair, ["SERVICE", "HOST" | "PORT"]));
    let port = parts.windows(3).any(|it| it[0] == "PORT" && is_number(it[1]) && matches!(it[2], "TCP" | "UDP" | "SCTP"));
    service || port || parts.last() == Some(&"PORT")
}
