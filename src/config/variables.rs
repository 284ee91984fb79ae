//! Variables that look like Hookgate's and are not read: a mistake that would otherwise be silent.

use super::{
    Environment,
    catalogue::all_keys,
    hints,
    keys::Kind,
    problem::suggestion,
    reader::{Reader, plain},
};

/// Warns of variables that would set a key if they were spelled otherwise.
pub(super) fn warn(reader: &Reader, environment: &Environment) {
    for (name, value) in environment.variables() {
        if let Some(hint) = hint(name, value) {
            reader.warn(format!("the variable {name} is not read; {hint}"));
        }
    }
}

fn hint(name: &str, value: &str) -> Option<String> {
    let upper = name.to_ascii_uppercase();
    let rest = upper.strip_prefix("HOOKGATE_")?;
    if matches!(rest, "CONFIG" | "CONFIG_FILE" | "CONFIG_PATH") {
        return Some("--config names the file".into());
    }
    if rest.contains("__") {
        return (upper != name).then(|| format!("names of variables are in capitals; write {upper}"));
    }
    if is_of_service(rest, value) {
        return None;
    }
    let spell = |path: Vec<String>| format!("HOOKGATE_{}", path.join("__").to_ascii_uppercase());
    if let Some(path) = key(rest) {
        return Some(format!("two underscores stand between table and key; write {}", spell(path)));
    }
    near_keys(&rest.to_ascii_lowercase())
        .map(|own| format!("did you mean {}?", own.into_iter().map(spell).collect::<Vec<_>>().join(" or ")))
}

/// Returns the keys that were probably meant, as the parts of their names: for the word of another program, a misspelled name, or a name
/// without its table.
fn near_keys(rest: &str) -> Option<Vec<Vec<String>>> {
    let parts = |path: &str| path.split('.').map(str::to_owned).collect::<Vec<_>>();
    let keys = all_keys();
    let of_endpoints = |key: &str| keys.iter().any(|known| known.path == format!("endpoints.<name>.{key}"));
    if let Some((name, key)) = rest.strip_prefix("endpoints_").and_then(|rest| rest.rsplit_once('_')) {
        let known = keys.iter().filter_map(|key| key.path.strip_prefix("endpoints.<name>."));
        let own = hints::own_key("*", key).or_else(|| suggestion(key, known)).filter(|own| of_endpoints(own))?;
        return Some(vec![vec!["endpoints".into(), name.into(), own.into()]]);
    }
    let paths: Vec<&str> =
        keys.iter().filter(|key| key.kind != Kind::Table && !key.path.contains('<')).map(|key| &*key.path).collect();
    let foreign = |path: &&str| {
        let (table, _) = path.rsplit_once('.').unwrap_or_default();
        let word = rest.strip_prefix(&plain(table)).and_then(|rest| rest.strip_prefix('_')).unwrap_or_default();
        hints::own_key(table, word).is_some_and(|own| *path == format!("{table}.{own}"))
    };
    if let Some(path) = paths.iter().find(|path| foreign(path)) {
        return Some(vec![parts(path)]);
    }
    let plains: Vec<String> = paths.iter().map(|path| plain(path)).collect();
    if let Some(near) = suggestion(rest, plains.iter().map(String::as_str)) {
        return paths.iter().find(|path| plain(path) == near).map(|path| vec![parts(path)]);
    }
    let bare: Vec<_> = paths.iter().filter(|path| path.rsplit('.').next() == Some(rest)).map(|path| parts(path)).collect();
    (!bare.is_empty() && bare.len() <= 2).then_some(bare)
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
        None if matches!(key.kind, Kind::Map(..)) => {
            let name = rest.strip_prefix(&format!("{}_", plain(&key.path))).filter(|name| !name.is_empty())?;
            Some([parts(&key.path), vec![name.to_owned()]].concat())
        }
        None => (plain(&key.path) == rest).then(|| parts(&key.path)),
    })
}

/// Returns whether Kubernetes sets this variable for a Service whose name begins with `hookgate`: `HOOKGATE_PORT`,
/// `HOOKGATE_KAFKA_PORT_9092_TCP_ADDR`.
fn is_of_service(rest: &str, value: &str) -> bool {
    let parts: Vec<&str> = rest.split('_').collect();
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let service = parts.windows(2).any(|pair| matches!(pair, ["SERVICE", "HOST" | "PORT"]));
    let port = parts.windows(3).any(|it| it[0] == "PORT" && is_number(it[1]) && matches!(it[2], "TCP" | "UDP" | "SCTP"));
    // Kubernetes writes `tcp://` and an address there, people write a number.
    service || port || parts.last() == Some(&"PORT") && value.parse::<u16>().is_err()
}
