//! `[kafka] security` and `[kafka.tls]`: whether the connection to the brokers is encrypted, and with which files.

use std::path::{Path, PathBuf};

use super::{files::readable_file, getters::Section, hints, reader::Value, tls};

/// Whether the connection to the brokers is encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Security {
    /// The connection is not encrypted.
    Plaintext,
    /// The connection is encrypted, and the broker's certificate and host name are always verified.
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
    if !tls && !table.is_no_table() {
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
    if tls && table.is_needed() {
        look_into(&table, ca_file.as_deref(), certificate_file.as_deref(), key_file.as_deref());
    }
    table.finish();
    if tls { Security::Tls { ca_file, certificate_file, key_file } } else { Security::Plaintext }
}

/// Complains about each file that the client library cannot use. One that cannot be read has its complaint already.
fn look_into(table: &Section<'_>, ca: Option<&Path>, certificate: Option<&Path>, key: Option<&Path>) {
    let text = |path: &Path| path.display().to_string();
    let look = |name: &'static str, path: Option<&Path>, is_good: &dyn Fn(&str) -> bool, what: &str| {
        let (Some(path), Some(origin)) = (path.map(text), table.written(name)) else { return };
        if !table.is_faulty(name) && !is_good(&path) {
            table.complain(name, origin, &format!("{path:?} {what}"));
        }
    };
    let takes = |properties: &[(&str, &str)]| (table.reader.client.refuses_tls)(properties).is_none();
    let of_der = "holds no certificate as PEM; `openssl x509 -inform der -in FILE` makes PEM of DER";
    look("ca_file", ca, &|path| takes(&[("ssl.ca.location", path)]), of_der);
    look("certificate_file", certificate, &|path| takes(&[("ssl.certificate.location", path)]), of_der);
    // A key is compared with its certificate, where that is good.
    let certificate = certificate.map(text).filter(|_| !table.is_faulty("certificate_file"));
    let fits = |path: &str| match &certificate {
        Some(certificate) => takes(&[("ssl.certificate.location", certificate), ("ssl.key.location", path)]),
        None => tls::holds_key(Path::new(path)),
    };
    look("key_file", key, &fits, "holds no private key as PEM without a password, or not that of certificate_file");
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
