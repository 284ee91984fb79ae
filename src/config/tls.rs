//! `[http.tls]`: the certificate that the webhook port shows, and its key. Both are files. They are checked against each other when they
//! are read, and read again while the daemon runs.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use tokio_rustls::rustls::{
    crypto::ring::sign::any_supported_type,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    sign::CertifiedKey,
};
use x509_cert::{Certificate, der::Decode as _};

use super::{files::read_file, getters::Section, keys::Kind};
use crate::clock;

/// The largest of these files in bytes; a larger file is something else.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// The values of the table `[http.tls]`.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The certificate, then those that lead from it to an authority, as PEM.
    pub certificate_file: PathBuf,
    /// The private key of the certificate, as PEM without a password.
    pub key_file: PathBuf,
}

/// A fault of one of the files. It holds no part of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFault {
    /// The key that names the file.
    pub key: &'static str,
    /// What is wrong with the file.
    pub message: String,
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[http.tls] {}: {}", self.key, self.message)
    }
}

/// A certificate and the key that fits it.
#[derive(Clone)]
pub struct Pair {
    /// The certificate and key, in the form that a handshake needs.
    pub certified: Arc<CertifiedKey>,
    /// When the certificate becomes valid.
    pub not_before: SystemTime,
    /// When the first certificate of the chain ends.
    pub not_after: SystemTime,
    files: Files,
}

/// The files as they were read. Their contents are never printed.
#[derive(Clone, PartialEq, Eq)]
struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Tls {
    /// Reads and checks both files. The error holds everything that is wrong with them.
    pub fn load(&self) -> Result<Pair, Vec<TlsFault>> {
        self.read().and_then(|files| self.check(files))
    }

    fn read(&self) -> Result<Files, Vec<TlsFault>> {
        let read = |key, path: &Path| {
            read_file(path, FILE_BYTES_MAX)
                .map(without_mark)
                .map_err(|fault| TlsFault { key, message: format!("{:?} {fault}", path.display().to_string()) })
        };
        match (read("certificate_file", &self.certificate_file), read("key_file", &self.key_file)) {
            (Ok(certificate), Ok(key)) => Ok(Files { certificate, key }),
            (certificate, key) => Err(certificate.err().into_iter().chain(key.err()).collect()),
        }
    }

    fn check(&self, files: Files) -> Result<Pair, Vec<TlsFault>> {
        let fault =
            |key, path: &Path, message: &str| TlsFault { key, message: format!("{:?} {message}", path.display().to_string()) };
        let chain = chain(&files.certificate).map_err(|message| fault("certificate_file", &self.certificate_file, message));
        let key = PrivateKeyDer::from_pem_slice(&files.key)
            .map_err(|_| "holds no private key as PEM: PKCS#8, RSA or EC, without a password")
            .and_then(|key| any_supported_type(&key).map_err(|_| "holds a key of a kind that TLS does not take, or a broken one"))
            .map_err(|message| fault("key_file", &self.key_file, message));
        let (chain, key) = match (chain, key) {
            (Ok(chain), Ok(key)) => (chain, key),
            (chain, key) => return Err(chain.err().into_iter().chain(key.err()).collect()),
        };
        let certified = CertifiedKey::new(chain.certificates, key);
        if certified.keys_match().is_err() {
            let message = "holds a key that is not that of the first certificate in certificate_file";
            return Err(vec![fault("key_file", &self.key_file, message)]);
        }
        Ok(Pair { certified: Arc::new(certified), not_before: chain.not_before, not_after: chain.not_after, files })
    }
}

/// Returns a file without its byte order mark. librdkafka takes PEM with one, too.
fn without_mark(bytes: Vec<u8>) -> Vec<u8> {
    if bytes.starts_with(b"\xef\xbb\xbf") { bytes[3..].to_vec() } else { bytes }
}

struct Chain {
    certificates: Vec<CertificateDer<'static>>,
    not_before: SystemTime,
    not_after: SystemTime,
}

fn chain(pem: &[u8]) -> Result<Chain, &'static str> {
    let (certificates, times) = certificates(pem)?;
    let not_before = times.iter().map(|(not_before, _)| *not_before).max();
    let not_after = times.iter().map(|(_, not_after)| *not_after).min();
    match not_before.zip(not_after) {
        Some((not_before, not_after)) => Ok(Chain { certificates, not_before, not_after }),
        None => Err("holds no certificate as PEM"),
    }
}

/// Returns when the certificates of a PEM file end: the first end, and the last.
pub(super) fn ends(pem: &[u8]) -> Option<(SystemTime, SystemTime)> {
    let (_, times) = certificates(pem).ok()?;
    let ends = || times.iter().map(|(_, not_after)| *not_after);
    ends().min().zip(ends().max())
}

/// Returns the subject of the first certificate of a PEM file, in the form in which brokers name a client by it: `CN=writer,O=…`.
pub fn subject(file: &Path) -> Option<String> {
    let (certificates, _) = certificates(&read_file(file, FILE_BYTES_MAX).ok()?).ok()?;
    let first = Certificate::from_der(certificates.first()?).ok()?;
    Some(first.tbs_certificate().subject().to_string())
}

/// Whether a file holds a private key as PEM, without a password.
pub(super) fn holds_key(file: &Path) -> bool {
    read_file(file, FILE_BYTES_MAX).is_ok_and(|pem| PrivateKeyDer::from_pem_slice(&pem).is_ok())
}

type Times = Vec<(SystemTime, SystemTime)>;

/// Returns the certificates of a PEM file, and the times from which and until which each is valid.
fn certificates(pem: &[u8]) -> Result<(Vec<CertificateDer<'static>>, Times), &'static str> {
    let certificates = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().map_err(|_| "is broken PEM")?;
    let validity = |der: &CertificateDer<'_>| {
        let certificate = Certificate::from_der(der).map_err(|_| "holds a certificate that cannot be read")?;
        let validity = certificate.tbs_certificate().validity();
        Ok((validity.not_before.to_system_time(), validity.not_after.to_system_time()))
    };
    let times = certificates.iter().map(validity).collect::<Result<Vec<_>, &str>>()?;
    Ok((certificates, times))
}

impl Pair {
    /// Returns why the certificate is not valid now, or `None` if it is.
    fn out_of_time(&self, now: SystemTime) -> Option<&'static str> {
        if now > self.not_after {
            Some("a certificate of the chain has expired")
        } else if now < self.not_before {
            Some("a certificate of the chain is not valid yet")
        } else {
            None
        }
    }
}

/// The result of reading the files again.
pub enum PairEvent {
    /// The files hold another pair, which is good.
    Changed(Pair),
    /// The files hold no usable pair, so the last good one stays. Reported when the reason changes.
    Kept {
        /// Why the files cannot be used.
        why: String,
    },
}

/// A watch over the files, which are read again and again.
pub struct PairWatch {
    tls: Tls,
    current: Files,
    /// What was wrong at the last reading, and whether that was reported.
    trouble: Option<(String, bool)>,
}

impl PairWatch {
    /// Returns a watch that begins with a loaded pair.
    pub fn new(tls: Tls, pair: &Pair) -> Self {
        Self { tls, current: pair.files.clone(), trouble: None }
    }

    /// Reads the files. Returns what changed. Blocks on the file system.
    pub fn refresh(&mut self, now: SystemTime) -> Option<PairEvent> {
        let read = self.tls.read();
        if read.as_ref().is_ok_and(|files| *files == self.current) {
            self.trouble = None;
            return None;
        }
        let pair = read.and_then(|files| self.tls.check(files)).map_err(|faults| list(&faults));
        let why = match pair {
            Ok(pair) => match pair.out_of_time(now) {
                None => {
                    self.current = pair.files.clone();
                    self.trouble = None;
                    return Some(PairEvent::Changed(pair));
                }
                Some(why) => format!("[http.tls] certificate_file: {why}"),
            },
            Err(why) => why,
        };
        // Two files do not change at the same moment: in between they do not fit, which is reported only if it lasts.
        let again = self.trouble.as_ref().is_some_and(|(last, _)| *last == why);
        let reported = again && self.trouble.as_ref().is_some_and(|(_, reported)| *reported);
        self.trouble = Some((why.clone(), again));
        (again && !reported).then_some(PairEvent::Kept { why })
    }
}

/// Returns faults as one text.
pub fn list(faults: &[TlsFault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Reads `[http.tls]`, and the files that it names.
pub(super) fn read(mut table: Section<'_>, warnings: &mut Vec<String>) -> Option<Tls> {
    let mut path = |key: &'static str| table.required(key, Kind::File, "is missing; both files are needed");
    let (certificate, key) = (path("certificate_file"), path("key_file"));
    let tls = certificate.zip(key).map(|((certificate, certificate_origin), (key, key_origin))| {
        let tls = Tls { certificate_file: certificate.into(), key_file: key.into() };
        if table.is_needed() {
            match tls.load() {
                Ok(pair) => {
                    let late = pair.out_of_time(clock::system());
                    warnings.extend(late.map(|late| format!("[http.tls] certificate_file: {late}, so senders refuse it")));
                }
                Err(faults) => {
                    for fault in faults {
                        let origin = if fault.key == "key_file" { &key_origin } else { &certificate_origin };
                        table.complain(fault.key, origin.clone(), &fault.message);
                    }
                }
            }
        }
        tls
    });
    table.finish();
    tls
}
