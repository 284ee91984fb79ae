//! `[kafka] security` and `[kafka.tls]`: whether the connection to the brokers is encrypted, and with which files.

use std::path::PathBuf;

use super::{files::readable_file, getters::Section, hints, reader::Value};

/// Whether the connection to the brokers is encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Security {
    /// It is not.
    Plaintext,
    /// It is, and the broker's certificate and host name are always verified.
    Tls {
        /// The authorities to trust instead of the system's, as PEM.
        ca_file: Option<PathBuf>,
        /// The client's certificate chain, as PEM; with `key_file` or not at all.
        certificate_file: Option<PathBuf>,
        /// The client's private key, as PEM without a password.
        key_file: Option<PathBuf>,
    },
}

/// Reads `security` and `[kafka.tls]`.
pub(super) fn read(section: &mut Section<'_>) -> Security {
    let tls = encryption(section);
    let table = if tls { Some(section.table("tls")) } else { section.optional_table("tls") };
    let Some(mut table) = table else { return Security::Plaintext };
    if !tls {
        table.reader.problem(table.origin.clone(), "[kafka.tls]: has no effect without [kafka] security = \"tls\"");
    }
    let ca_file = readable_file(&mut table, "ca_file", "the system's");
    let certificate_file = readable_file(&mut table, "certificate_file", "none");
    let key_file = readable_file(&mut table, "key_file", "none");
    match (&certificate_file, &key_file) {
        (Some(_), None) => table.missing("key_file", "is missing beside certificate_file"),
        (None, Some(_)) => table.missing("certificate_file", "is missing beside key_file"),
        _ => {}
    }
    table.finish();
    if tls { Security::Tls { ca_file, certificate_file, key_file } } else { Security::Plaintext }
}

/// Whether `security` asks for TLS. Kafka's own words for it are not taken, because they say as well how a client proves itself.
fn encryption(section: &mut Section<'_>) -> bool {
    const WORDS: [(&str, bool); 2] = [("plaintext", false), ("tls", true)];
    let word = match section.peek("security") {
        Some(Value::Text(word) | Value::Given(word)) if !WORDS.iter().any(|(own, _)| own == word) => hints::protocol(word),
        _ => None,
    };
    let (Some((encrypted, hint)), Some(origin)) = (word, section.written("security")) else {
        return section.choice("security", &WORDS, false);
    };
    section.skip("security");
    section.complain("security", origin, &hint);
    encrypted
}
