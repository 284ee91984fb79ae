//! Why a token in a URL is refused.

use std::io::Write;

use super::{Failure, Provider, given::GivenDelivery};
use crate::{config::suggestion, error::Error, http, logged::printable, signed_url::PARAMETER};

/// A longer name of a parameter may be a token that has lost its name.
const NAME_CHARACTERS_MAX: usize = 16;

/// Explains why the token of a URL is refused, or that there is none.
pub(super) fn refused(out: &mut impl Write, provider: &Provider, given: &GivenDelivery, error: &Error) -> Result<(), Failure> {
    let place = if given.is_whole() { "the request's URL" } else { "--url" };
    let tokens = given.url.as_deref().map(http::tokens).unwrap_or_default();
    let hint = match (tokens.as_slice(), error) {
        ([_, _, ..], _) => format!("{place} has {} of them, so it is unclear which one counts: leave one", tokens.len()),
        (_, Error::BadToken) => format!("the one in {place} is none of the secrets; compare it with the provider's settings"),
        (_, Error::NoSecret) => format!("the one in {place} is none of the secrets that could be read"),
        ([only], _) if only.is_empty() => {
            format!("the one in {place} is empty; was the variable of the token not set where the URL was made?")
        }
        _ => match given.url.as_deref().map(|url| near(url, provider)) {
            Some(Some((name, meant))) => {
                format!("{place} has the parameter {}=, which does not count: its name must be {meant}=", printable(name))
            }
            Some(None) => format!("{place} has none; it must be there once, as ?token= or as the last path segment"),
            None => {
                "give the URL as it was called with --url; its token must be there once, as ?token= or as the last path segment"
                    .into()
            }
        },
    };
    writeln!(out, "{} proves itself by a token in the URL: {hint}", provider.title)?;
    Ok(())
}

/// Returns a parameter whose name is another spelling of the one that was meant, and that one.
fn near<'u>(url: &'u str, provider: &Provider) -> Option<(&'u str, &'static str)> {
    let (_, query) = url.split('#').next()?.split_once('?')?;
    let known: &[&'static str] = if provider.takes_signed_urls { &["token", PARAMETER] } else { &["token"] };
    query.split('&').find_map(|pair| {
        let name = pair.split('=').next().filter(|name| name.len() <= NAME_CHARACTERS_MAX && !known.contains(name))?;
        let lower = name.to_ascii_lowercase();
        let meant = lower.split(['-', '_', '.']).find_map(|part| suggestion(part, known.iter().copied()))?;
        Some((name, meant))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::{filesafety, filespin};

    #[test]
    fn another_spelling_of_the_parameter_is_found() {
        #[track_caller]
        fn check(url: &str, found: Option<&str>) {
            assert_eq!(near(url, &filespin::PROVIDER), found.map(|name| (name, "token")), "{url}");
        }
        check("https://a/webhooks/b?tokn=x", Some("tokn"));
        check("/webhooks/b?a=b&Token=x#c", Some("Token"));
        check("/webhooks/b?access_token=x", Some("access_token"));
        check("/webhooks/b?TOKEN", Some("TOKEN"));
        for other in
            ["/webhooks/b", "/webhooks/b?", "/webhooks/b?key=x", "/webhooks/b?token=", "/webhooks/b?a=tokn", "/b#?tokn=x"]
        {
            check(other, None);
        }
        // This may be the token itself.
        check("/webhooks/b?token-0123456789abcdef", None);
        check("/webhooks/b?signd=x", None);
        assert_eq!(near("/webhooks/b?signd=x", &filesafety::PROVIDER), Some(("signd", "signed")));
    }
}
