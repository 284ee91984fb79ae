//! FileSafety: nothing is registered, because each request names its own webhook URL.

use std::io::{self, Write as _};

use super::{Arguments, Destination, fits_into_url, in_shell};
use crate::{
    command::{CommandResult, target::newest_secret},
    config::{Environment, Recover},
    signed_url::SignedUrls,
};

/// Where FileSafety's API is, if the configuration does not say so.
const BASE_URL: &str = "https://api.filesafety.dev";

/// Prints the URL to submit, and a request with it. A shell puts the secrets in.
pub(super) fn print(
    arguments: &Arguments,
    environment: &Environment,
    recover: &Recover,
    target: &Destination<'_>,
) -> CommandResult {
    // The shell that runs the printed commands should find it, too.
    let token = newest_secret(target.endpoint, environment)?;
    let url = match target.endpoint.signed_urls {
        SignedUrls::Optional => {
            fits_into_url(&token)?;
            format!("{}?token={}", target.url, in_shell(token.source()))
        }
        // Each scan has a URL of its own there.
        SignedUrls::Required => {
            let words = format!(
                "url filesafety --endpoint {} --host {} --reference your-reference",
                target.endpoint.name, arguments.host
            );
            format!("$({})", arguments.source.command(&words))
        }
    };
    let (base_url, key) = match &recover.filesafety {
        Some(access) => (access.base_url.as_str(), in_shell(access.api_key.source())),
        None => (BASE_URL, in_shell("env:FILESAFETY_API_KEY")),
    };
    let mut out = io::stdout().lock();
    writeln!(out, "webhook_url=\"{url}\"")?;
    writeln!(
        out,
        "curl -sS {base_url}/v1/scan/async -H \"x-api-key: {key}\" -F file=@sample.jpg -F \"webhook_url=$webhook_url\""
    )?;
    Ok(true)
}
