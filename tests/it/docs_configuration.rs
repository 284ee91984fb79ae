//! docs/configuration.md has every key that is read, and no other, with the default, the limits and the words that the program accepts.

use std::collections::BTreeSet;

use hookgate::config::{
    all_keys,
    keys::{Absent, Key, Kind},
    units::{parse_duration, parse_size},
};
use serde_json::Value;

use crate::docs::document;

/// A row of a table of keys.
struct Row {
    path: String,
    default: String,
    meaning: String,
}

/// Returns the tables of the configuration that have a chapter in the document, and the keys in these chapters.
fn documented(text: &str) -> (BTreeSet<String>, Vec<Row>) {
    let (mut tables, mut found) = (BTreeSet::new(), Vec::new());
    for chapter in text.split("\n#").skip(1) {
        let heading = chapter.lines().next().unwrap_or_default().trim_start_matches('#').trim();
        let Some(table) = heading.strip_prefix("`[").and_then(|rest| rest.strip_suffix("]`")) else { continue };
        tables.insert(table.to_owned());
        for line in chapter.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |")) {
            if let [key, default, meaning] = line.splitn(3, " | ").collect::<Vec<_>>()[..] {
                let (path, default) = (format!("{table}.{}", key.trim_matches('`')), default.trim_matches('`').into());
                found.push(Row { path, default, meaning: meaning.into() });
            }
        }
    }
    (tables, found)
}

/// Returns the differences between the document and the keys, one sentence each.
fn differences(text: &str, keys: &[Key]) -> Vec<String> {
    let (chapters, rows) = documented(text);
    let is_table = |key: &&Key| matches!(key.kind, Kind::Table | Kind::Map(..));
    // A table that contains only tables needs no chapter.
    let has_keys = |table: &Key| {
        let inner = |key: &Key| key.path.rsplit_once('.').is_some_and(|(outer, _)| outer == table.path) && !is_table(&key);
        matches!(table.kind, Kind::Map(..)) || keys.iter().any(inner)
    };
    let tables: BTreeSet<String> =
        keys.iter().filter(is_table).filter(|table| has_keys(table)).map(|key| key.path.clone()).collect();
    let mut found: Vec<String> = tables.difference(&chapters).map(|table| format!("[{table}] has no chapter")).collect();
    found.extend(chapters.difference(&tables).map(|table| format!("[{table}] has a chapter and is not read")));
    for key in keys.iter().filter(|key| !is_table(key)) {
        match rows.iter().find(|row| row.path == key.path) {
            Some(row) => found.extend(compare(row, key)),
            None => found.push(format!("{} is not documented", key.path)),
        }
    }
    let read = |row: &&Row| keys.iter().any(|key| key.path == row.path);
    found.extend(rows.iter().filter(|row| !read(row)).map(|row| format!("{} is documented and not read", row.path)));
    found
}

fn compare(row: &Row, key: &Key) -> Vec<String> {
    let mut found = Vec::new();
    let default = match &key.absent {
        Absent::Required => "required".to_owned(),
        Absent::Default(Value::String(text)) => text.clone(),
        Absent::Default(value) => value.to_string(),
        Absent::Without(words) => (*words).to_owned(),
    };
    if row.default != default {
        found.push(format!("{} has the default {default}, and not {}", key.path, row.default));
    }
    if let Some((from, to)) = key.kind.limits() {
        let limits = limits(&row.meaning, &key.kind);
        if limits != [(amount(&from, &key.kind), amount(&to, &key.kind))] {
            found.push(format!("{} is {from} to {to}, and the document differs", key.path));
        }
    }
    if let Kind::Choice(words) = &key.kind
        && *words != leading_words(&row.meaning)
    {
        found.push(format!("{} is one of {}, and its meaning does not begin so", key.path, words.join(", ")));
    }
    found
}

/// Returns every range in a text, such as "1ms to 1h".
fn limits(meaning: &str, kind: &Kind) -> Vec<(Option<u128>, Option<u128>)> {
    let words: Vec<&str> = meaning.split_whitespace().map(|word| word.trim_matches(['.', ',', ';', ':'])).collect();
    let pairs = words.windows(3).filter(|it| it[1] == "to").map(|it| (amount(it[0], kind), amount(it[2], kind)));
    pairs.filter(|(from, to)| from.is_some() && to.is_some()).collect()
}

/// Returns a limit as a number in the smallest unit.
fn amount(text: &str, kind: &Kind) -> Option<u128> {
    match kind {
        Kind::Size(_) => parse_size(text).map(u128::from),
        Kind::Duration(_) if text == "0" => Some(0),
        Kind::Duration(_) => parse_duration(text).map(|duration| duration.as_nanos()),
        // Numbers may be negative, so all of them are shifted above zero.
        _ => text.parse::<i64>().ok().and_then(|number| u128::try_from(i128::from(number) + (1 << 64)).ok()),
    }
}

/// Returns the words at the beginning of a meaning such as "`a`, `b` or `c`". Links and parentheses after a word are left out.
fn leading_words(meaning: &str) -> Vec<String> {
    let without = |text: String, open: &str| {
        let parts = text.split(open).enumerate();
        parts.map(|(at, part)| if at == 0 { part } else { part.split_once(')').map_or("", |(_, rest)| rest) }).collect::<String>()
    };
    let plain = without(without(meaning.replace('[', ""), "]("), " (");
    let mut rest = plain.as_str();
    let mut words = Vec::new();
    while let Some((word, after)) = rest.strip_prefix('`').and_then(|rest| rest.split_once('`')) {
        words.push(word.to_owned());
        rest = after.strip_prefix(", ").or_else(|| after.strip_prefix(" or ")).unwrap_or_default();
    }
    words
}

#[test]
fn every_key_is_documented_as_it_is_read() {
    assert_eq!(differences(&document("docs/configuration.md"), &all_keys()), Vec::<String>::new());
}

#[test]
fn every_forgotten_or_wrong_key_is_found() {
    let (text, keys) = (document("docs/configuration.md"), all_keys());
    let documented = |from: &str, to: &str, expected: &str| {
        assert!(text.contains(from), "there is no {from:?}");
        assert_eq!(differences(&text.replacen(from, to, 1), &keys), [expected], "{from:?} as {to:?}");
    };
    let linger = text.lines().find(|line| line.starts_with("| `linger` |")).expect("the row");
    documented(linger, "", "kafka.linger is not documented");
    documented(linger, &format!("{linger}\n| `lingr` | `1s` | A. |"), "kafka.lingr is documented and not read");
    documented("| `linger` | `5ms`", "| `linger` | `6ms`", "kafka.linger has the default 5ms, and not 6ms");
    documented("| `brokers` | required", "| `brokers` | none", "kafka.brokers has the default required, and not none");
    documented("| `auto_create` | `false`", "| `auto_create` | `true`", "kafka.auto_create has the default false, and not true");
    documented("0 to 1s", "0 to 2s", "kafka.linger is 0s to 1s, and the document differs");
    documented("0 to 1s", "At most 1s", "kafka.linger is 0s to 1s, and the document differs");
    documented("1MiB to 1024GiB", "1MiB to 1GiB", "kafka.queue_bytes is 1MiB to 1024GiB, and the document differs");
    documented("1 to 10000.", "0 to 10000.", "topics.partitions is 1 to 10000, and the document differs");
    documented("1 to 16", "1 to 17", "endpoints.<name>.secrets is 1 to 16, and the document differs");
    let words = "kafka.compression is one of none, gzip, snappy, lz4, zstd, and its meaning does not begin so";
    documented("`gzip`, `snappy`", "`snappy`", words);
    documented("`gzip`, `snappy`", "`gzip`, `brotli`, `snappy`", words);
    documented("### `[topics.map]`", "### `topics.map`", "[topics.map] has no chapter");
    documented("### Quiet paths", "### `[kafka.quiet]`", "[kafka.quiet] has a chapter and is not read");

    let read = |change: &dyn Fn(&mut Vec<Key>), expected: &str| {
        let mut changed = keys.clone();
        change(&mut changed);
        assert_eq!(differences(&text, &changed), [expected]);
    };
    let key = |path: &str, kind: Kind| Key { path: path.into(), kind, absent: Absent::Default("5ms".into()) };
    read(&|keys| keys.retain(|key| key.path != "kafka.linger"), "kafka.linger is documented and not read");
    read(&|keys| keys.push(key("kafka.lingr", Kind::Text)), "kafka.lingr is not documented");
    let narrower = |keys: &mut Vec<Key>| {
        let linger = keys.iter_mut().find(|key| key.path == "kafka.linger").expect("the key");
        linger.kind = Kind::Duration(parse_duration("1ms").unwrap()..=parse_duration("1s").unwrap());
    };
    read(&narrower, "kafka.linger is 1ms to 1s, and the document differs");
}
