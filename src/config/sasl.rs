//! `[kafka.sasl]`: how this client proves itself to the brokers: by a password, by a token that a token endpoint issues for a secret, or by one
//! that is signed with Amazon's credentials.

use std::path::PathBuf;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    Environment,
    aws::{self, AwsIam},
    files::readable_file,
    getters::Section,
    mistaken,
    problem::ValueOrigin,
    secrets::SecretText,
    security::Security,
    url::service,
};

/// The values of the table `[kafka.sasl]`.
#[derive(Clone, Debug)]
pub enum Sasl {
    /// A user and a password.
    Password {
        /// The mechanism's name on the wire.
        mechanism: &'static str,
        /// The name of the user.
        username: String,
        /// The password, as it was when the configuration was read, or when its file was read last.
        password: SecretText,
    },
    /// `OAUTHBEARER`: tokens by `OpenID` Connect's client credentials. librdkafka fetches and renews them.
    Token(TokenSource),
    /// `AWS_MSK_IAM`: tokens that Hookgate signs with Amazon's credentials. On the wire they are `OAUTHBEARER`.
    Iam(AwsIam),
}

/// The issuer of tokens, and what to send to it.
#[derive(Clone, Debug)]
pub struct TokenSource {
    /// The token endpoint: https, or http on this machine.
    pub url: String,
    /// The client, as the issuer knows it.
    pub client_id: String,
    /// The client's secret, as it was when the configuration was read, or when its file was read last.
    pub client_secret: SecretText,
    /// The scope of the token, if the issuer demands one.
    pub scope: Option<String>,
    /// SASL extensions that go to the broker with the token: `name=value` each.
    pub extensions: Vec<String>,
    /// The authorities to trust at the token endpoint instead of the system's, as PEM.
    pub ca_file: Option<PathBuf>,
}

const PLAIN: &str = "PLAIN";
const OAUTHBEARER: &str = "OAUTHBEARER";
const AWS_MSK_IAM: &str = "AWS_MSK_IAM";
const MECHANISMS: [&str; 5] = [PLAIN, "SCRAM-SHA-256", "SCRAM-SHA-512", OAUTHBEARER, AWS_MSK_IAM];
pub(super) const OF_PASSWORDS: [&str; 2] = ["username", "password"];
pub(super) const OF_TOKENS: [&str; 6] = ["token_url", "client_id", "client_secret", "scope", "extensions", "token_ca_file"];

/// The characters that a form does not encode (RFC 3986's unreserved characters). librdkafka puts the scope into its form unencoded, so
/// Hookgate encodes it.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl Sasl {
    /// The mechanism's name on the wire.
    pub fn mechanism(&self) -> &'static str {
        match self {
            Self::Password { mechanism, .. } => mechanism,
            Self::Token(_) | Self::Iam(_) => OAUTHBEARER,
        }
    }

    /// Returns the password or the client's secret. Amazon's credentials are fetched anew by the code that uses them.
    pub fn secret(&self) -> Option<&SecretText> {
        match self {
            Self::Password { password, .. } => Some(password),
            Self::Token(source) => Some(&source.client_secret),
            Self::Iam(_) => None,
        }
    }

    /// Returns the same settings with another secret.
    #[must_use]
    pub(super) fn with_secret(mut self, secret: SecretText) -> Self {
        match &mut self {
            Self::Password { password, .. } => *password = secret,
            Self::Token(source) => source.client_secret = secret,
            Self::Iam(_) => {}
        }
        self
    }

    /// Returns the librdkafka properties.
    pub(super) fn properties(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Password { mechanism, username, password } => vec![
                ("sasl.mechanism", (*mechanism).to_owned()),
                ("sasl.username", username.clone()),
                ("sasl.password", password.reveal().into()),
            ],
            Self::Token(source) => {
                let mut properties = vec![
                    ("sasl.mechanism", OAUTHBEARER.to_owned()),
                    ("sasl.oauthbearer.method", "oidc".into()),
                    ("sasl.oauthbearer.token.endpoint.url", source.url.clone()),
                    ("sasl.oauthbearer.client.id", source.client_id.clone()),
                    ("sasl.oauthbearer.client.secret", source.client_secret.reveal().into()),
                ];
                if let Some(scope) = &source.scope {
                    properties.push(("sasl.oauthbearer.scope", utf8_percent_encode(scope, FORM).to_string()));
                }
                if !source.extensions.is_empty() {
                    properties.push(("sasl.oauthbearer.extensions", source.extensions.join(",")));
                }
                if let Some(file) = &source.ca_file {
                    properties.push(("https.ca.location", file.display().to_string()));
                }
                properties
            }
            Self::Iam(_) => vec![("sasl.mechanism", OAUTHBEARER.to_owned())],
        }
    }
}

/// Reads `[kafka.sasl]`. Warnings go to `warnings`.
pub(super) fn read(
    mut table: Section<'_>,
    security: &Security,
    brokers: &[String],
    environment: &Environment,
    warnings: &mut Vec<String>,
) -> Option<Sasl> {
    let mechanism = table.required_choice("mechanism", &MECHANISMS.map(|name| (name, name)));
    if *security == Security::Plaintext {
        let remedy = match mechanism {
            Some(PLAIN) => Some("PLAIN would send the password unencrypted; set [kafka] security = \"tls\" or use SCRAM-SHA-512"),
            Some(OAUTHBEARER) => Some("OAUTHBEARER would send the token unencrypted; set [kafka] security = \"tls\""),
            Some(AWS_MSK_IAM) => Some("AWS_MSK_IAM would send the token unencrypted; set [kafka] security = \"tls\""),
            _ => None,
        };
        match remedy {
            Some(remedy) => table.missing("mechanism", remedy),
            None if mechanism.is_some() => {
                warnings.push("[kafka.sasl] without security = \"tls\": records travel unencrypted".into());
            }
            None => {}
        }
    }
    if mechanism != Some(AWS_MSK_IAM) {
        refuse(&mut table, &[aws::KEY], "belongs to mechanism = \"AWS_MSK_IAM\"");
    }
    let sasl = if mechanism == Some(OAUTHBEARER) {
        refuse(&mut table, &OF_PASSWORDS, "belongs to PLAIN and SCRAM; OAUTHBEARER takes token_url, client_id and client_secret");
        token_source(&mut table, environment).map(Sasl::Token)
    } else if mechanism == Some(AWS_MSK_IAM) {
        let others = [OF_PASSWORDS.as_slice(), &OF_TOKENS].concat();
        refuse(
            &mut table,
            &others,
            "belongs to another mechanism; AWS_MSK_IAM takes Amazon's credentials from where Amazon puts them",
        );
        let origin = table.written("mechanism").unwrap_or_else(|| table.origin.clone());
        aws::read(&mut table, brokers, environment, &origin).map(Sasl::Iam)
    } else {
        refuse(&mut table, &OF_TOKENS, "belongs to mechanism = \"OAUTHBEARER\"; the others take username and password");
        let username = required(&mut table, "username", "is missing");
        let password = table.required_secret("password", environment);
        username.zip(password).zip(mechanism).map(|(((username, _), password), mechanism)| Sasl::Password {
            mechanism,
            username,
            password,
        })
    };
    table.finish();
    sasl
}

/// Complains about keys that belong to another mechanism.
fn refuse(table: &mut Section<'_>, keys: &[&'static str], why: &str) {
    for key in keys {
        if let Some(origin) = table.skip(key) {
            table.complain(key, origin, why);
        }
    }
}

/// Reads a string that must be there and not be empty.
fn required(table: &mut Section<'_>, key: &'static str, missing: &str) -> Option<(String, ValueOrigin)> {
    let found = table.required_text(key, missing);
    filled(table, key, found)
}

/// Complains about a string that holds nothing, or does not reach the brokers as it is.
fn filled(table: &Section<'_>, key: &'static str, found: Option<(String, ValueOrigin)>) -> Option<(String, ValueOrigin)> {
    found.inspect(|(text, origin)| {
        if text.is_empty() {
            table.complain(key, origin.clone(), "is empty");
        } else if let Some(fault) = mistaken::cut_by_librdkafka(text) {
            table.complain(key, origin.clone(), fault);
        }
    })
}

fn token_source(table: &mut Section<'_>, environment: &Environment) -> Option<TokenSource> {
    let url = required(table, "token_url", "is missing; the token endpoint of the issuer, as its documentation names it");
    let client_id = required(table, "client_id", "is missing");
    let client_secret = table.required_secret("client_secret", environment);
    let scope = table.text("scope");
    let scope = filled(table, "scope", scope).map(|(text, _)| text);
    let extensions = extensions(table);
    let ca_file = readable_file(table, "token_ca_file", "the system's");
    if let Some((url, origin)) = &url
        && let Some(fault) = token_url_fault(url)
    {
        table.complain("token_url", origin.clone(), fault);
    }
    if let Some((client_id, origin)) = &client_id
        && (client_id.contains(':') || client_id.contains(char::is_control))
    {
        table.complain(
            "client_id",
            origin.clone(),
            "holds a colon or control characters, which do not fit HTTP's basic authentication",
        );
    }
    Some(TokenSource { url: url?.0, client_id: client_id?.0, client_secret: client_secret?, scope, extensions, ca_file })
}

/// Returns what is wrong with the URL of a token endpoint, which may have any path and query. The URL is not quoted, because it may hold a
/// secret.
pub fn token_url_fault(url: &str) -> Option<&'static str> {
    const SHAPE: &str = "is not a URL such as \"https://issuer.example/oauth2/token\"";
    let Some((scheme, rest)) = url.split_once("://") else { return Some(SHAPE) };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if !url.bytes().all(|b| b.is_ascii_graphic()) || authority.is_empty() {
        Some(SHAPE)
    } else if authority.contains('@') {
        Some("holds a user or a password; write client_id and client_secret instead")
    } else if url.contains('#') {
        Some("holds a fragment, which is never sent")
    } else if !matches!(scheme, "http" | "https") {
        Some("must begin with https://")
    } else {
        match service(&url[..scheme.len() + "://".len() + authority.len()]) {
            None => Some(SHAPE),
            Some(service) if service.encrypted || service.is_here() => None,
            Some(_) => Some("would send client_secret unencrypted; use https (http is only for this machine)"),
        }
    }
}

/// Reads the extensions, `name=value` each, as RFC 7628 and librdkafka's list of them demand.
fn extensions(table: &mut Section<'_>) -> Vec<String> {
    let written = table.list("extensions");
    for (extension, origin) in &written {
        let (name, value) = extension.split_once('=').unwrap_or_default();
        let shaped = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphabetic());
        let fits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b',' | b'\\'));
        if name == "auth" {
            table.complain("extensions", origin.clone(), "auth is the token itself");
        } else if !shaped || !fits {
            table.complain("extensions", origin.clone(), "must be NAME=VALUE each, such as \"logicalCluster=lkc-abc123\"");
        }
    }
    written.into_iter().map(|(extension, _)| extension).collect()
}
