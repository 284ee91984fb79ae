//! The files with which this client and the brokers prove themselves to each other: password or client secret, certificate, key and
//! authorities. They are read again while the daemon runs, so that a rotation needs no restart.

use std::{
    path::{Path, PathBuf},
    time::SystemTime,
};

use sha2::{Digest as _, Sha256};

use super::{
    Kafka, Sasl, Security,
    files::read_file,
    mistaken,
    secrets::{SecretSource, SecretText},
    tls,
};

/// The largest file, in bytes; a bundle of authorities has a few hundred kilobytes.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// A hash of the files' contents when they were read. It reveals nothing of the contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

/// The files of the credentials.
#[derive(Clone, Debug)]
pub struct Credentials {
    password: Option<SecretSource>,
    files: Vec<PathBuf>,
}

/// The credentials as the files hold them now.
#[derive(Clone, Debug)]
pub struct CurrentCredentials {
    /// The fingerprint of all files together.
    pub fingerprint: Fingerprint,
    password: Option<SecretText>,
}

impl Credentials {
    /// Returns the credentials of a configuration that are files, or `None` if none are.
    pub fn of(kafka: &Kafka) -> Option<Self> {
        let source = kafka.sasl.as_ref().and_then(Sasl::secret).and_then(|secret| SecretSource::parse(secret.source()).ok());
        let password = source.filter(|source| matches!(source, SecretSource::File(_)));
        let of_tokens = match &kafka.sasl {
            Some(Sasl::Token(source)) => source.ca_file.clone(),
            _ => None,
        };
        let mut files: Vec<PathBuf> = match &kafka.security {
            Security::Plaintext => Vec::new(),
            Security::Tls { ca_file, certificate_file, key_file } => {
                [ca_file, certificate_file, key_file].into_iter().flatten().cloned().collect()
            }
        };
        files.extend(of_tokens);
        (password.is_some() || !files.is_empty()).then_some(Self { password, files })
    }

    /// Reads all files. The error says which file cannot be read and why. Blocks on the file system.
    pub fn read(&self) -> Result<CurrentCredentials, String> {
        // A file has no variables in it.
        let read = |source: &SecretSource| {
            let password = source.text(&super::Environment::default())?;
            match mistaken::cut_by_librdkafka(password.reveal()) {
                Some(fault) => Err(format!("{source} {fault}")),
                None => Ok(password),
            }
        };
        let password = self.password.as_ref().map(read).transpose()?;
        self.reading(password)
    }

    /// Returns the credentials that are in force in a producer made from this configuration now. Its password was read earlier.
    pub fn in_force(&self, kafka: &Kafka) -> Result<CurrentCredentials, String> {
        let password = kafka.sasl.as_ref().and_then(Sasl::secret).cloned();
        self.reading(password.filter(|_| self.password.is_some()))
    }

    fn reading(&self, password: Option<SecretText>) -> Result<CurrentCredentials, String> {
        let mut hash = Sha256::new();
        let mut add = |part: &[u8]| {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        };
        if let Some(password) = &password {
            add(password.reveal().as_bytes());
        }
        for path in &self.files {
            let bytes = read_file(path, FILE_BYTES_MAX);
            add(&bytes.map_err(|fault| format!("the file {:?} {fault}", path.display().to_string()))?);
        }
        Ok(CurrentCredentials { fingerprint: Fingerprint(hash.finalize().into()), password })
    }
}

impl CurrentCredentials {
    /// Returns the configuration with these credentials. The other files are read by the code that uses the configuration.
    pub fn applied_to(&self, kafka: &Kafka) -> Kafka {
        let mut kafka = kafka.clone();
        if let Some(password) = &self.password {
            kafka.sasl = kafka.sasl.map(|sasl| sasl.with_secret(password.clone()));
        }
        kafka
    }
}

/// When the certificates of `[kafka.tls]` end; `None` where there is no file, or the file holds no certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateEnds {
    /// The first end in the client's chain.
    pub client: Option<SystemTime>,
    /// The last end of the authorities: during a rotation the file holds old and new ones, and Hookgate does not know which of them the
    /// brokers need.
    pub authorities: Option<SystemTime>,
}

impl CertificateEnds {
    /// Reads the files. Blocks on the file system.
    pub fn of(kafka: &Kafka) -> Self {
        let Security::Tls { ca_file, certificate_file, .. } = &kafka.security else {
            return Self { client: None, authorities: None };
        };
        let ends = |path: &Path| tls::ends(&read_file(path, FILE_BYTES_MAX).ok()?);
        Self {
            client: certificate_file.as_deref().and_then(ends).map(|(first, _)| first),
            authorities: ca_file.as_deref().and_then(ends).map(|(_, last)| last),
        }
    }
}
