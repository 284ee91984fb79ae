//! What was probably meant where something else was written: words of other programs, and values of another shape.

use std::time::Duration;

use super::units::show_duration;

/// Keys of other programs, by the table that people write them into, with Hookgate's key. `*` is any endpoint.
pub(super) const FOREIGN_KEYS: [(&str, &[&str], &str); 14] = [
    (
        "kafka",
        &["bootstrap_servers", "bootstrap-servers", "bootstrap", "bootstrap_server", "servers", "hosts", "urls", "url"],
        "brokers",
    ),
    ("kafka", &["security_protocol", "security-protocol", "protocol"], "security"),
    ("kafka", &["acks", "retries", "idempotence"], ""),
    ("kafka", &["compression_type", "compression-type", "codec"], "compression"),
    ("http", &["port", "host", "bind", "address", "addr"], "listen"),
    ("admin", &["port", "host", "bind", "address", "addr"], "listen"),
    ("http", &["timeout"], "answer_deadline"),
    ("http", &["max_body", "max_body_size", "body_limit"], "max_body_bytes"),
    ("topics", &["replication_factor", "replication-factor", "replicas"], "replication"),
    ("log", &["loglevel", "log_level", "verbosity"], "level"),
    ("", &["server", "listener", "listen"], "http"),
    ("", &["logging", "logs"], "log"),
    ("*", &["type", "kind", "service", "vendor"], "provider"),
    ("*", &["token", "tokens", "key", "keys", "signing_secret", "secret_file", "password"], "secrets"),
];

/// Tables within a table. People write such a name and an underscore before a key of it.
pub(super) const INNER_TABLES: [&str; 11] = [
    "http.tls",
    "kafka.properties",
    "kafka.sasl",
    "kafka.tls",
    "recover.filesafety",
    "recover.filespin",
    "recover.frameio",
    "recover.uploadcare",
    "topics.map",
    "topics.partitions_of",
    "topics.retention_of",
];

/// Kafka's words for how a connection is made, with Hookgate's.
const PROTOCOLS: [(&str, bool, &str); 4] = [
    ("PLAINTEXT", false, "\"plaintext\""),
    ("SSL", true, "\"tls\""),
    ("SASL_PLAINTEXT", false, "\"plaintext\", and mechanism, username and password in [kafka.sasl]"),
    ("SASL_SSL", true, "\"tls\", and mechanism, username and password in [kafka.sasl]"),
];

/// Returns what to write instead of another program's key.
pub(super) fn foreign_key(table: &str, key: &str) -> Option<String> {
    let table = if table.starts_with("endpoints.") { "*" } else { table };
    let lower = key.to_ascii_lowercase();
    let of_table = FOREIGN_KEYS.iter().filter(|(of, ..)| *of == table);
    match of_table.clone().find(|(_, keys, _)| keys.contains(&lower.as_str())).map(|(.., own)| *own) {
        Some("") => Some("it is fixed: an event counts when every in-sync replica has it".into()),
        Some(own) => Some(format!("did you mean \"{own}\"?")),
        None if table.is_empty() => {
            let inner = INNER_TABLES.into_iter().find(|inner| inner.replace('.', "_") == lower)?;
            Some(format!("did you mean [{inner}]?"))
        }
        None => {
            let (inner, rest) = lower.split_once('_')?;
            let inner = format!("{table}.{inner}");
            INNER_TABLES.contains(&&*inner).then(|| format!("did you mean {rest} in [{inner}]?"))
        }
    }
}

/// Returns our key for another program's key in a table, if there is one.
pub(super) fn own_key(table: &str, key: &str) -> Option<&'static str> {
    let found = FOREIGN_KEYS.iter().find(|(of, keys, _)| *of == table && keys.contains(&key));
    found.map(|(.., own)| *own).filter(|own| !own.is_empty())
}

/// Reads Kafka's word for a protocol. Returns whether it is encrypted, and what to write.
pub(super) fn protocol(word: &str) -> Option<(bool, String)> {
    let upper = word.to_ascii_uppercase();
    let (_, encrypted, own) = PROTOCOLS.iter().find(|(name, ..)| *name == upper)?;
    Some((*encrypted, format!("{word:?} is Kafka's word for it; write security = {own}")))
}

/// Returns how to write a list, from a text in the place of a list. Nothing that may be a secret is repeated.
pub(super) fn list(key: &str, text: &str) -> String {
    let parts = || text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let is_reference = |part: &str| super::SecretSource::parse(part).is_ok();
    let is_address = matches!(key, "brokers" | "hosts" | "trusted_proxies") && !may_hold_a_secret(text);
    let shown = is_address || parts().all(is_reference);
    match key {
        _ if shown && !text.trim().is_empty() => {
            let parts: Vec<String> = parts().map(|part| format!("{part:?}")).collect();
            format!("write {key} = [{}]", parts.join(", "))
        }
        "secrets" => "write secrets = [\"env:NAME\"]".into(),
        _ => format!("write {key} = [\"…\"]"),
    }
}

/// Returns how to write an address, from a text that is not one.
pub(super) fn address(text: &str, default: &str) -> String {
    let (_, port) = default.rsplit_once(':').unwrap_or_default();
    let text = text.trim().trim_start_matches("http://").trim_start_matches("https://").trim_end_matches('/');
    let (host, written_port) = text.rsplit_once(':').unwrap_or(if is_port(text) { ("", text) } else { (text, port) });
    let (port, hint) = if is_port(written_port) { (written_port, "") } else { (port, "a port is 1 to 65535; ") };
    let host = host.trim_matches(['[', ']']);
    match host {
        "" | "*" => format!("{hint}write \"0.0.0.0:{port}\""),
        "localhost" => format!("{hint}names are not looked up; write \"127.0.0.1:{port}\""),
        _ if host.parse::<std::net::Ipv4Addr>().is_ok() => format!("{hint}write \"{host}:{port}\""),
        _ if host.parse::<std::net::Ipv6Addr>().is_ok() => format!("{hint}write \"[{host}]:{port}\""),
        _ => format!("{hint}names are not looked up; write \"0.0.0.0:{port}\" for every address of this machine"),
    }
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok_and(|port| port > 0)
}

/// Returns how to write a size whose unit is another one.
pub(super) fn size(text: &str) -> Option<String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let own = match unit.trim().to_ascii_lowercase().as_str() {
        "k" | "kb" | "ki" | "kib" => "KiB",
        "m" | "mb" | "mi" | "mib" => "MiB",
        "g" | "gb" | "gi" | "gib" => "GiB",
        _ => return None,
    };
    (!number.is_empty()).then(|| format!("write \"{number}{own}\""))
}

/// Whether an address may hold a user and a password, as a URL or a connection string does: it is not repeated then.
pub(super) fn may_hold_a_secret(address: &str) -> bool {
    !address.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '/' | '[' | ']' | '*' | ',' | ';' | ' '))
}

/// Returns a duration as we write it, if its unit has another name or there are several: `4 s`, `1m30s`, `2 weeks`.
pub(super) fn duration(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase().replace(' ', "");
    let (mut rest, mut milliseconds) = (&*lower, 0_u64);
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let (unit, after) = after.split_at(after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len()));
        let length = match unit {
            "ms" | "msec" | "msecs" | "millis" | "millisecond" | "milliseconds" => 1,
            "s" | "sec" | "secs" | "second" | "seconds" => 1_000,
            "m" | "min" | "mins" | "minute" | "minutes" => 60_000,
            "h" | "hr" | "hrs" | "hour" | "hours" => 3_600_000,
            "d" | "day" | "days" => 86_400_000,
            "w" | "week" | "weeks" => 604_800_000,
            _ => return None,
        };
        milliseconds = number.parse::<u64>().ok()?.checked_mul(length)?.checked_add(milliseconds)?;
        rest = after;
    }
    (milliseconds > 0).then(|| format!("write \"{}\"", show_duration(Duration::from_millis(milliseconds))))
}

/// What is written around a broker's host and port that does not belong there.
pub(super) fn broker(text: &str) -> Option<String> {
    if text.contains('@') {
        return Some(
            "it takes no user and no password; write the host and the port alone, and mechanism, username and password in [kafka.sasl]"
                .into(),
        );
    }
    if may_hold_a_secret(text) {
        return None;
    }
    if text.contains([',', ' ', ';']) {
        let parts: Vec<String> =
            text.split([',', ' ', ';']).filter(|part| !part.is_empty()).map(|part| format!("{part:?}")).collect();
        return Some(format!("each broker is a text of its own; write {}", parts.join(", ")));
    }
    let (scheme, rest) = text.split_once("://")?;
    let security = match protocol(scheme) {
        Some((_, own)) => own.split_once("; ").map(|(_, own)| format!(" and {own}")).unwrap_or_default(),
        None => String::new(),
    };
    let place = rest.trim_end_matches('/');
    Some(format!("it takes no \"{scheme}://\"; write {place:?}{security}"))
}
