//! `[schema_registry]`: the registry that gives the schema ids before each value. Without the table, values have no ids.

use std::{path::PathBuf, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::{
    Environment,
    getters::Section,
    problem::ValueOrigin,
    secrets::{SecretSource, SecretText},
    url::{authorities, ca_file, service},
};

/// The values of the table `[schema_registry]`.
#[derive(Clone, Debug)]
pub struct SchemaRegistry {
    /// The URLs of its API, without a slash at the end: at least one. If one cannot be reached, the next one is asked.
    pub urls: Vec<String>,
    /// Whether the daemon registers missing schemas, or only looks them up.
    pub register: bool,
    /// How subjects are named.
    pub strategy: SubjectNameStrategy,
    /// How the client proves itself to the registry, if it does.
    pub login: Option<Login>,
    /// The authorities to trust instead of the built-in ones, as PEM.
    pub ca_file: Option<PathBuf>,
    /// How long one request may take.
    pub timeout: Duration,
}

/// How subjects are named, in the words of Confluent's serializers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubjectNameStrategy {
    /// The subject is `<topic>-value`.
    TopicName,
    /// The subject is `hookgate.v1.Event`: one for all topics.
    RecordName,
    /// The subject is `<topic>-hookgate.v1.Event`.
    TopicRecordName,
}

/// How the client proves itself to the registry.
#[derive(Clone, Debug)]
pub enum Login {
    /// The client sends a user and a password.
    Basic {
        /// The user, which is no secret.
        username: String,
        /// The password.
        password: SecretText,
    },
    /// The client sends a token.
    Bearer(SecretText),
}

const STRATEGIES: [(&str, SubjectNameStrategy); 3] = [
    ("topic_name", SubjectNameStrategy::TopicName),
    ("record_name", SubjectNameStrategy::RecordName),
    ("topic_record_name", SubjectNameStrategy::TopicRecordName),
];

impl SubjectNameStrategy {
    /// Returns the subject for the values of a topic that holds this message.
    pub fn subject(self, topic: &str, message: &str) -> String {
        match self {
            Self::TopicName => format!("{topic}-value"),
            Self::RecordName => message.to_owned(),
            Self::TopicRecordName => format!("{topic}-{message}"),
        }
    }
}

impl SchemaRegistry {
    /// Returns the current value of the `Authorization` header: a file is read again each time. Blocks on the file system.
    pub fn authorization(&self) -> Result<Option<String>, String> {
        Ok(match &self.login {
            None => None,
            Some(Login::Basic { username, password }) => {
                Some(format!("Basic {}", BASE64_STANDARD.encode(format!("{username}:{}", current(password)?.reveal()))))
            }
            Some(Login::Bearer(token)) => Some(format!("Bearer {}", sendable(current(token)?)?.reveal())),
        })
    }

    /// Returns the current contents of `ca_file`. Blocks on the file system.
    pub fn authorities(&self) -> Result<Option<Vec<u8>>, String> {
        self.ca_file.as_deref().map(authorities).transpose()
    }
}

/// Returns the current secret: a file is read again, any other source is as it was when the configuration was read.
fn current(secret: &SecretText) -> Result<SecretText, String> {
    match SecretSource::parse(secret.source()) {
        Ok(source @ SecretSource::File(_)) => legible(source.text(&Environment::default())?),
        _ => Ok(secret.clone()),
    }
}

/// Refuses a secret that a header cannot hold, because the HTTP client's own error might quote it.
fn legible(secret: SecretText) -> Result<SecretText, String> {
    if secret.reveal().chars().any(char::is_control) {
        return Err(format!("{} holds control characters", secret.source()));
    }
    Ok(secret)
}

/// Refuses a token that a header cannot hold as it is.
fn sendable(token: SecretText) -> Result<SecretText, String> {
    if !token.reveal().bytes().all(|b| matches!(b, b' '..=b'~')) {
        return Err(format!("{} holds characters that cannot stand in a header", token.source()));
    }
    Ok(token)
}

/// Reads `[schema_registry]`.
pub(super) fn read(mut table: Section<'_>, environment: &Environment, warnings: &mut Vec<String>) -> Option<SchemaRegistry> {
    let second = Duration::from_secs(1);
    let urls = urls(&mut table);
    let register = table.boolean("register", false);
    let strategy = table.choice("subject_name_strategy", &STRATEGIES, SubjectNameStrategy::TopicName);
    let proves_itself = ["username", "password", "token"].iter().any(|key| table.written(key).is_some());
    let login = login(&mut table, environment);
    let ca_file = ca_file(&mut table);
    let timeout = table.duration("timeout", second * 5, &(second / 100..=second * 60));
    for (url, origin) in urls.iter().flatten() {
        if service(url).is_some_and(|service| !service.encrypted && !service.is_here()) {
            if proves_itself {
                let message = format!("{url:?} would send the credentials unencrypted; write https://");
                table.complain("urls", origin.clone(), &message);
            }
            warnings.push(format!("[schema_registry] urls: {url} is not encrypted: anybody in between can change ids"));
        }
    }
    table.finish();
    let urls = urls?.into_iter().map(|(url, _)| url).collect();
    Some(SchemaRegistry { urls, register, strategy, login, ca_file, timeout })
}

fn urls(table: &mut Section<'_>) -> Option<Vec<(String, ValueOrigin)>> {
    const EXAMPLE: &str = "for example: urls = [\"https://schema-registry:8081\"]";
    let [missing, empty] = ["missing", "empty"].map(|it| format!("is {it}; {EXAMPLE}"));
    let urls = table.required_list("urls", &missing, &empty)?;
    for (url, origin) in &urls {
        // The written text may hold a password, so it is not repeated.
        if service(url).is_none() {
            let message = format!(
                "must be http:// or https:// with a host, its port if need be, and neither user, password, query nor fragment; \
                 {EXAMPLE}"
            );
            table.complain("urls", origin.clone(), &message);
        }
    }
    let urls: Vec<_> = urls.into_iter().map(|(url, origin)| (url.trim_end_matches('/').to_owned(), origin)).collect();
    table.show_texts("urls", urls.iter().map(|(url, _)| url));
    Some(urls)
}

fn login(table: &mut Section<'_>, environment: &Environment) -> Option<Login> {
    let origin = table.written("token");
    let username = table.text("username");
    let mut secret = |key: &'static str, fit: fn(SecretText) -> Result<SecretText, String>| {
        let (secret, origin) = table.secret(key, environment)?;
        legible(secret).and_then(fit).map_err(|fault| table.complain(key, origin, &fault)).ok()
    };
    let (password, token) = (secret("password", Ok), secret("token", sendable));
    let password_written = table.written("password").is_some();
    if let Some((name, origin)) = &username
        && (name.is_empty() || name.contains(':') || name.chars().any(char::is_control))
    {
        table.complain("username", origin.clone(), "must be text without a colon");
    }
    match (username.is_some(), password_written) {
        (true, false) => table.missing("password", "is missing beside username; write \"env:NAME\" or \"file:/path\""),
        (false, true) => table.missing("username", "is missing beside password"),
        _ => {}
    }
    if let Some(origin) = origin
        && (username.is_some() || password_written)
    {
        table.complain("token", origin, "stands beside username and password; only one of the two can be sent");
    }
    match (username, password, token) {
        (Some((username, _)), Some(password), None) => Some(Login::Basic { username, password }),
        (None, None, Some(token)) => Some(Login::Bearer(token)),
        _ => None,
    }
}
