//! The name by which a request calls this port. A stranger's page can have its own name resolved to an internal address (DNS rebinding),
//! and then reads, through the browser of somebody inside, everything that answers to that name.

use std::net::IpAddr;

use axum::http::{HeaderMap, Uri, header::HOST, uri::Authority};

/// Returns whether a request calls this port by an address, by `localhost` or by one of the names, with or without a port. The authority of
/// an absolute URL replaces `Host`, as HTTP demands. Two `Host` headers count as none.
pub(super) fn is_ours(names: &[String], uri: &Uri, headers: &HeaderMap) -> bool {
    let mut written = headers.get_all(HOST).iter();
    let authority = match (uri.authority(), written.next(), written.next()) {
        (Some(authority), _, _) => Some(authority.clone()),
        (None, Some(host), None) => Authority::try_from(host.as_bytes()).ok(),
        (None, _, _) => None,
    };
    authority.is_some_and(|authority| is_called(names, authority.host()))
}

fn is_called(names: &[String], host: &str) -> bool {
    let literal = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    let name = host.strip_suffix('.').unwrap_or(host);
    literal.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || names.iter().any(|ours| ours.eq_ignore_ascii_case(name))
}
