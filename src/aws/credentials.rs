//! Amazon's credentials, fetched from the source that the configuration names. Every function here blocks.

use std::time::{Duration, SystemTime};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use crate::{
    config::{AwsSource, Environment, SecretSource, SecretText},
    event::{instant, parse_time},
    logged::printable,
    outbound::{Client, OutboundAnswer},
};

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The longest answer, in bytes.
const ANSWER_BYTES_MAX: u64 = 64 << 10;
/// For how many seconds a token of the metadata service is asked for. It is used at once.
const METADATA_SECONDS: &str = "60";

/// What is encoded in the name of a role, of which Amazon's rules allow nothing.
const NOT_OF_ROLE: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'+').remove(b'=').remove(b',').remove(b'.').remove(b'@').remove(b'-').remove(b'_');

/// Credentials of Amazon.
#[derive(Clone, Debug)]
pub struct AwsKeys {
    /// The name of the key.
    pub access_key: String,
    /// The key.
    pub secret_key: SecretText,
    /// The token of a temporary key.
    pub session_token: Option<SecretText>,
    /// When the key ends; `None` where it does not.
    pub expires: Option<SystemTime>,
}

/// Credentials as the endpoints of containers and virtual machines write them.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WrittenKeys {
    access_key_id: String,
    secret_access_key: String,
    token: Option<String>,
    expiration: Option<String>,
}

/// Fetches the credentials. The error says what to do and holds nothing secret.
pub fn fetch(source: &AwsSource) -> Result<AwsKeys, String> {
    let keys = match source {
        AwsSource::Variables { access_key, secret_key, session_token } => Ok(AwsKeys {
            access_key: access_key.clone(),
            secret_key: secret_key.clone(),
            session_token: session_token.clone(),
            expires: None,
        }),
        AwsSource::WebIdentity { url, role, session, token } => of_web_identity(url, role, session, token),
        AwsSource::Container { url, authorization } => of_container(url, authorization.as_ref()),
        AwsSource::Instance { url } => of_instance(url),
    };
    keys.map_err(|why| format!("no credentials from {}: {why}", source.name()))
}

fn client() -> Result<Client, String> {
    Client::new(TIMEOUT, None)
}

/// Exchanges the token of a service account for credentials, at Amazon's STS.
fn of_web_identity(url: &str, role: &str, session: &str, token: &SecretSource) -> Result<AwsKeys, String> {
    let token = token.text(&Environment::default())?;
    let field = |name: &str, value: &str| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC));
    let form = [
        field("Action", "AssumeRoleWithWebIdentity"),
        field("Version", "2011-06-15"),
        field("RoleArn", role),
        field("RoleSessionName", session),
        field("WebIdentityToken", token.reveal()),
    ];
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let answer = client()?.post(url, &headers, form.join("&").as_bytes(), ANSWER_BYTES_MAX);
    let answer = answer.map_err(|error| format!("{url} does not answer as it should: {error}"))?;
    let text = String::from_utf8_lossy(&answer.body);
    if answer.status != 200 {
        let code = element(&text, "Code").unwrap_or("no reason");
        let hint = if code == "AccessDenied" { ": does the trust policy of the role allow this service account?" } else { "" };
        return Err(format!(
            "{url} answered {} with {}{hint}",
            answer.status,
            printable(&code.chars().take(100).collect::<String>())
        ));
    }
    let part = |name: &str| element(&text, name).map(str::to_owned).ok_or_else(|| format!("the answer of {url} has no {name}"));
    keys(WrittenKeys {
        access_key_id: part("AccessKeyId")?,
        secret_access_key: part("SecretAccessKey")?,
        token: Some(part("SessionToken")?),
        expiration: Some(part("Expiration")?),
    })
}

/// Returns the text of the first element of this name. The elements of this answer hold no markup and no escapes.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    Some(rest.split_once(&format!("</{name}>"))?.0.trim())
}

fn of_container(url: &str, authorization: Option<&SecretSource>) -> Result<AwsKeys, String> {
    let token = authorization.map(|source| source.text(&Environment::default())).transpose()?;
    let headers: Vec<(&str, &str)> = token.iter().map(|token| ("authorization", token.reveal())).collect();
    read_keys(&get(&client()?, url, &headers)?, url)
}

/// Asks the metadata service of a virtual machine, in its second version.
fn of_instance(url: &str) -> Result<AwsKeys, String> {
    let client = client()?;
    let seconds = [("x-aws-ec2-metadata-token-ttl-seconds", METADATA_SECONDS)];
    let answer = client.put(&format!("{url}/latest/api/token"), &seconds, b"", ANSWER_BYTES_MAX);
    let answer = answer.map_err(|error| {
        format!(
            "the metadata service at {url} does not answer: {error}; outside of EC2 set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give \
             the service account or the container a role; in a container on EC2 the hop limit must be 2"
        )
    })?;
    let token = text(succeeded(answer, url)?, url)?;
    let headers = [("x-aws-ec2-metadata-token", token.as_str())];
    let roles = format!("{url}/latest/meta-data/iam/security-credentials/");
    let listed = client.get(&roles, &headers, ANSWER_BYTES_MAX).map_err(|error| format!("{url} does not answer: {error}"))?;
    if listed.status == 404 {
        return Err("the virtual machine has no role: attach an instance profile".into());
    }
    let role = text(succeeded(listed, url)?, url)?;
    let role = role.lines().next().unwrap_or_default();
    read_keys(&get(&client, &format!("{roles}{}", utf8_percent_encode(role, NOT_OF_ROLE)), &headers)?, url)
}

fn get(client: &Client, url: &str, headers: &[(&str, &str)]) -> Result<Vec<u8>, String> {
    let answer = client.get(url, headers, ANSWER_BYTES_MAX).map_err(|error| format!("{url} does not answer: {error}"))?;
    succeeded(answer, url)
}

fn succeeded(answer: OutboundAnswer, url: &str) -> Result<Vec<u8>, String> {
    match answer.status {
        200 => Ok(answer.body),
        status => Err(format!("{url} answered {status}; is a role attached, and may this process use it?")),
    }
}

fn text(body: Vec<u8>, url: &str) -> Result<String, String> {
    String::from_utf8(body).map_err(|_| format!("the answer of {url} is not text"))
}

fn read_keys(body: &[u8], url: &str) -> Result<AwsKeys, String> {
    // The library's error could quote what it has read.
    let written = serde_json::from_slice(body).map_err(|_| format!("the answer of {url} holds no credentials"))?;
    keys(written)
}

fn keys(written: WrittenKeys) -> Result<AwsKeys, String> {
    if written.access_key_id.is_empty() || written.secret_access_key.is_empty() {
        return Err("the credentials that came are empty; is the role still there?".into());
    }
    let expires = match written.expiration.as_deref() {
        None => None,
        Some(text) => Some(parse_time(text).and_then(instant).ok_or("the end of the credentials is not a time")?),
    };
    Ok(AwsKeys {
        access_key: written.access_key_id,
        secret_key: SecretText::new(written.secret_access_key),
        session_token: written.token.map(SecretText::new),
        expires,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_found_by_their_whole_name() {
        let check = |xml: &str, found: Option<&str>| assert_eq!(element(xml, "Code"), found, "{xml}");
        check("<Error><Code>AccessDenied</Code></Error>", Some("AccessDenied"));
        check("<Code>\n  A\n</Code><Code>B</Code>", Some("A"));
        check("<CodeX>A</CodeX>", None);
        check("<Code>A", None);
        check("", None);
    }

    /// What cannot be read is not quoted: it may hold a secret.
    #[test]
    fn answers_without_credentials_are_refused_in_words_that_show_nothing() {
        let check = |body: &str, expected: Result<Option<u64>, &str>| {
            let read = read_keys(body.as_bytes(), "http://there");
            let seconds = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
            let found = read.as_ref().map(|keys| keys.expires.map(seconds)).map_err(String::as_str);
            assert_eq!(found, expected, "{body}");
            assert!(!format!("{read:?}").contains("hunter2"), "{read:?}");
        };
        let nothing = Err("the answer of http://there holds no credentials");
        let keys = r#"{"AccessKeyId": "A", "SecretAccessKey": "hunter2""#;
        check(&format!(r#"{keys}, "Token": "hunter2-token", "Expiration": "1970-01-02T00:00:01Z"}}"#), Ok(Some(86401)));
        check(&format!("{keys}}}"), Ok(None));
        check(&format!(r#"{keys}, "Expiration": "hunter2"}}"#), Err("the end of the credentials is not a time"));
        let empty = Err("the credentials that came are empty; is the role still there?");
        check(r#"{"AccessKeyId": "A", "SecretAccessKey": ""}"#, empty);
        check(r#"{"AccessKeyId": "", "SecretAccessKey": "hunter2"}"#, empty);
        check(r#"{"SecretAccessKey": "hunter2"}"#, nothing);
        check(r#"{"AccessKeyId": 1, "SecretAccessKey": "hunter2"}"#, nothing);
        check("hunter2", nothing);
        check("", nothing);
    }
}
