//! What to enter at each provider, so that its webhooks come to this session.

use crate::{
    command::subscribe::in_shell,
    provider::{CredentialSource, Provider, SecretMaker},
};

/// Returns what to enter at a provider, in lines of which the second is the whole URL. `url` is that of the endpoint, without a token. The secret
/// is shown as a shell reads it from its reference, such as `env:NAME`, and never itself.
pub(super) fn setup(provider: &Provider, url: &str, secret_reference: &str) -> Vec<String> {
    let (enter, secret) = (format!("{}:", provider.enter), in_shell(secret_reference));
    match (provider.credential, provider.secret_maker) {
        (CredentialSource::UrlToken, _) => vec![enter, format!("{url}?token={secret}")],
        (CredentialSource::Hmac(_), SecretMaker::Operator) => vec![enter, url.to_owned(), secret],
        (CredentialSource::Hmac(_), SecretMaker::Provider) => {
            vec![enter, url.to_owned(), format!("Then start this again, with the secret of its answer in {secret}")]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::by_name;

    #[test]
    fn a_person_can_enter_it_and_no_secret_is_shown() {
        #[track_caller]
        fn check(provider: &str, reference: &str, expected: &[&str]) {
            let url = format!("https://a.example/webhooks/{provider}");
            let lines = setup(by_name(provider).expect("a provider"), &url, reference);
            assert_eq!(lines, expected);
            assert!(lines.iter().all(|line| line.chars().count() <= 78), "{lines:?}");
        }
        check(
            "filespin",
            "env:DEV_SECRET_FILESPIN",
            &[
                "Add to web_urls, and switch on the events in callback_events:",
                "https://a.example/webhooks/filespin?token=${DEV_SECRET_FILESPIN}",
            ],
        );
        check(
            "filesafety",
            "file:/run/a b",
            &["Pass as webhook_url with each scan:", r"https://a.example/webhooks/filesafety?token=$(tr -d '\r\n' <'/run/a b')"],
        );
        check(
            "frameio",
            "env:FRAMEIO_SECRET",
            &[
                "Create a webhook with this url through the V4 API:",
                "https://a.example/webhooks/frameio",
                "Then start this again, with the secret of its answer in ${FRAMEIO_SECRET}",
            ],
        );
        check(
            "uploadcare",
            "env:DEV_SECRET_UPLOADCARE",
            &[
                "Create a webhook per event: version 0.7, target_url, signing_secret:",
                "https://a.example/webhooks/uploadcare",
                "${DEV_SECRET_UPLOADCARE}",
            ],
        );
    }
}
