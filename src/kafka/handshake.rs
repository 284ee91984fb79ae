//! Why a broker's certificate is refused. librdkafka has one text for a certificate for another name, one that is out of its time and one
//! of an unknown authority. So Hookgate asks the broker for its certificate once more, and sends nothing to it.

use std::{
    io,
    net::{TcpStream, ToSocketAddrs as _},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use tokio_rustls::rustls::{
    self, CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};
use x509_cert::{Certificate, der::Decode as _};

use crate::clock;

/// How long the broker may take for each step.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Returns what is wrong with the certificate that is shown at `host:port`, and what to write; `None` if that cannot be found out.
pub(super) fn fault(address: &str, ca_file: Option<&Path>) -> Option<String> {
    let (host, _) = address.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    judge(host, &shown(address, host).ok()?, ca_file, clock::system())
}

/// Returns the text for a certificate that no trusted authority has signed.
pub(super) fn untrusted(issuer: Option<&str>, ca_file: Option<&Path>) -> String {
    let issuer = issuer.map_or_else(String::new, |issuer| format!(", {issuer}"));
    let trusted = match ca_file {
        Some(file) => format!("is not in [kafka.tls] ca_file ({})", file.display()),
        None => "is not one that the system trusts".into(),
    };
    format!(
        "the authority that has signed the broker's certificate{issuer}, {trusted}: write a PEM file with that authority's certificate as \
         [kafka.tls] ca_file"
    )
}

fn judge(host: &str, chain: &[CertificateDer<'static>], ca_file: Option<&Path>, now: SystemTime) -> Option<String> {
    let name = ServerName::try_from(host).ok()?;
    let first = chain.first()?;
    let certificate = Certificate::from_der(first).ok()?;
    let wrong = verify_server_name(&ParsedCertificate::try_from(first).ok()?, &name);
    if let Err(rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext { presented, .. })) = wrong
        && !presented.is_empty()
    {
        return Some(format!(
            "the broker's certificate is for {}, and not for {host}: write one of its names in [kafka] brokers and in the broker's \
             advertised.listeners, or give the broker a certificate for {host}",
            presented.join(", ")
        ));
    }
    let validity = certificate.tbs_certificate().validity();
    if now > validity.not_after.to_system_time() || now < validity.not_before.to_system_time() {
        return Some(format!(
            "the broker's certificate is valid from {} to {} only: give the broker a new one, or set the clock of this machine",
            validity.not_before, validity.not_after
        ));
    }
    let last = Certificate::from_der(chain.last()?).ok()?;
    Some(untrusted(Some(&last.tbs_certificate().issuer().to_string()), ca_file))
}

/// Returns the certificates that a server shows.
fn shown(address: &str, host: &str) -> io::Result<Vec<CertificateDer<'static>>> {
    let other = |text: &str| io::Error::other(text.to_owned());
    let provider = Arc::new(ring::default_provider());
    let recorder = Arc::new(Recorder { provider: Arc::clone(&provider), chain: Mutex::default() });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&recorder) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let mut connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    let socket = address.to_socket_addrs()?.next().ok_or_else(|| other("no address"))?;
    let mut stream = TcpStream::connect_timeout(&socket, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    // The handshake ends with the recorder's refusal.
    let _refused = connection.complete_io(&mut stream);
    let chain = std::mem::take(&mut *recorder.chain.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(chain)
}

/// A verifier that keeps the certificates, and accepts none of them.
#[derive(Debug)]
struct Recorder {
    provider: Arc<CryptoProvider>,
    chain: Mutex<Vec<CertificateDer<'static>>>,
}

/// The result of verifying a signature: signatures come after an accepted certificate, and the recorder accepts none.
fn nothing_is_signed() -> Result<HandshakeSignatureValid, rustls::Error> {
    Err(rustls::Error::General("nothing is signed before the certificate is taken".into()))
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain = std::iter::once(end_entity).chain(intermediates).map(|it| it.clone().into_owned());
        *self.chain.lock().unwrap_or_else(PoisonError::into_inner) = chain.collect();
        Err(rustls::Error::General("seen".into()))
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        nothing_is_signed()
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        nothing_is_signed()
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
