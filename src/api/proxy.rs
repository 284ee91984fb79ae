//! The proxy of the environment, through which the commands ask the providers.

use crate::{config::Environment, outbound::Proxy};

/// Returns the proxy that the environment names. Fails if it is of another kind than HTTP, because the requests would not go through it.
pub(super) fn proxy(environment: &Environment) -> Result<Option<Proxy>, String> {
    let variable = |names: &[&'static str]| {
        names.iter().find_map(|name| Some((*name, environment.get(name).map(str::trim).filter(|value| !value.is_empty())?)))
    };
    let Some((name, url)) = variable(&["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]) else { return Ok(None) };
    // The value may hold a password.
    let unusable = || format!("the variable {name} is no URL of a proxy, such as http://proxy:3128");
    match url.split_once("://") {
        Some((scheme, _)) if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") => {}
        Some((scheme, _)) if scheme.to_ascii_lowercase().starts_with("socks") => {
            return Err(format!(
                "the variable {name} names a SOCKS proxy, which Hookgate cannot use; it needs one like http://proxy:3128"
            ));
        }
        // Without a scheme, a word alone may be anything.
        None if url.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) => {}
        _ => return Err(unusable()),
    }
    let parsed = Proxy::new(url).map_err(|_| unusable())?;
    let mut builder = Proxy::builder(parsed.protocol()).host(parsed.host()).port(parsed.port());
    if let Some(user) = parsed.username() {
        builder = builder.username(user);
    }
    if let Some(password) = parsed.password() {
        builder = builder.password(password);
    }
    // The APIs of this machine are never asked through a proxy.
    let spared = ["localhost", "127.0.0.1", "::1"].into_iter();
    let spared =
        spared.chain(variable(&["NO_PROXY", "no_proxy"]).into_iter().flat_map(|(_, hosts)| hosts.split(',').map(str::trim)));
    for host in spared.filter(|host| !host.is_empty()) {
        builder = builder.no_proxy(host);
    }
    builder.build().map(Some).map_err(|_| unusable())
}
