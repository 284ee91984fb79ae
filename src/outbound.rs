//! What the daemon's own HTTP clients have in common: those that ask the schema registry and export spans.

use std::time::Duration;

use ureq::{
    Agent,
    config::ConfigBuilder,
    tls::{PemItem, RootCerts, TlsConfig, parse_pem},
    typestate::AgentScope,
};

/// A client that goes where the configuration says and nowhere else. Without `authorities`, as PEM, it trusts the built-in ones.
pub fn client(timeout: Duration, authorities: Option<&[u8]>) -> Result<ConfigBuilder<AgentScope>, String> {
    let mut tls = TlsConfig::builder();
    if let Some(pem) = authorities {
        let certificates: Vec<_> = parse_pem(pem)
            .filter_map(|item| match item {
                Ok(PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            })
            .collect();
        if certificates.is_empty() {
            return Err("ca_file holds no certificate as PEM".into());
        }
        tls = tls.root_certs(RootCerts::from(certificates));
    }
    let builder = Agent::config_builder().http_status_as_error(false).tls_config(tls.build());
    // The environment is the configuration's matter, and credentials go nowhere else than to the URLs that it names.
    let builder = builder.proxy(None).max_redirects(0);
    Ok(builder.timeout_global(Some(timeout)).user_agent(concat!("hookgate/", env!("CARGO_PKG_VERSION"))))
}
