//! What `hookgate init` must know: from flags, and on a terminal from questions.

use std::{
    io::{self, BufRead as _, Write as _},
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};

use crate::{
    command::{Failure, run::can_ask},
    config::{self, Environment, SecretSource, suggestion, token_url_fault},
    logged::printable,
    provider::{self, Provider},
};

/// How the connection to Kafka is secured: what to write under `[kafka]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Access {
    /// Not encrypted.
    Plaintext,
    /// Encrypted.
    Tls,
    /// Encrypted, with a certificate of this client.
    Mtls,
    /// Encrypted, with a user and a password: SASL SCRAM-SHA-512.
    Scram,
    /// Encrypted, with a user and a password: SASL PLAIN, such as the API keys of Confluent Cloud.
    Plain,
    /// Encrypted, with tokens of an `OpenID` Connect issuer: SASL OAUTHBEARER.
    Oauth,
}

/// The flags that answer questions.
#[derive(Debug, Args)]
pub(super) struct Given {
    #[arg(long, value_name = "NAME,…", help = format!("The providers whose webhooks to take: {}", provider::all_names()))]
    providers: Option<String>,
    /// Kafka's bootstrap servers.
    #[arg(long, value_name = "HOST:PORT,…")]
    brokers: Option<String>,
    /// How the connection to Kafka is secured.
    #[arg(long, value_enum, value_name = "HOW")]
    security: Option<Access>,
    /// The public URL of Hookgate: that of the proxy, the ingress or the tunnel before it.
    #[arg(long, value_name = "https://NAME")]
    host: Option<String>,
    /// How many replicas the topics have; by default 3, and 1 where all brokers are on this machine.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(1..=1000))]
    replication: Option<i32>,
    /// The authorities that Kafka's certificates are from, as PEM; by default those of the system.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// This client's certificate, as PEM, for `--security mtls`.
    #[arg(long, value_name = "FILE")]
    certificate_file: Option<PathBuf>,
    /// Its private key, as PEM without a password.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Kafka's user, or with `--security oauth` the id of the client.
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    /// Where the password or the client's secret is; by default a file that you fill in.
    #[arg(long, value_name = "env:NAME|file:PATH")]
    password: Option<String>,
    /// The token endpoint of the issuer, for `--security oauth`.
    #[arg(long, value_name = "URL")]
    token_url: Option<String>,
}

/// Everything that the files need.
#[derive(Debug)]
pub(super) struct InitAnswers {
    pub(super) providers: Vec<&'static Provider>,
    pub(super) brokers: Vec<String>,
    pub(super) access: Access,
    /// `https://`, a name and perhaps a port.
    pub(super) host: String,
    pub(super) replication: i32,
    pub(super) ca_file: Option<PathBuf>,
    /// This client's certificate and its key, with `Mtls` only.
    pub(super) certificate: Option<(PathBuf, PathBuf)>,
    /// The user or the client, and the reference to its secret, with `Scram`, `Plain` and `Oauth` only.
    pub(super) user: Option<(String, Option<String>)>,
    /// The token endpoint, with `Oauth` only.
    pub(super) token_url: Option<String>,
}

impl Access {
    fn needs_user(self) -> bool {
        matches!(self, Self::Scram | Self::Plain | Self::Oauth)
    }
}

impl Given {
    /// Returns all answers. Asks for those that are missing, where there is a terminal.
    pub(super) fn complete(&self) -> Result<InitAnswers, Failure> {
        let text = |given: Option<&PathBuf>| given.map(|path| path.display().to_string());
        self.assert_complete_or_asked()?;
        let names = provider::all_names();
        let providers = answer(&format!("Providers ({names})"), "--providers", self.providers.as_deref(), providers)?;
        let brokers = answer("Kafka's brokers (host:port,…)", "--brokers", self.brokers.as_deref(), brokers)?;
        let words = Access::value_variants().iter().filter_map(ValueEnum::to_possible_value);
        let words: Vec<String> = words.map(|word| word.get_name().to_owned()).collect();
        let question = format!("Security of Kafka ({})", words.join(", "));
        let access = match self.security {
            Some(access) => access,
            None => answer(&question, "--security", None, |line| security(line, &words))?,
        };
        self.assert_fitting(access)?;
        let certificate = if access == Access::Mtls {
            let (certificate, key) = (text(self.certificate_file.as_ref()), text(self.key_file.as_ref()));
            let certificate = answer("The client's certificate (a file)", "--certificate-file", certificate.as_deref(), filled)?;
            let key = answer("Its private key (a file)", "--key-file", key.as_deref(), filled)?;
            Some((certificate.into(), key.into()))
        } else {
            None
        };
        let token_url = if access == Access::Oauth {
            Some(answer("Token endpoint of the issuer (a URL)", "--token-url", self.token_url.as_deref(), token_url)?)
        } else {
            None
        };
        let user = if access.needs_user() {
            let question = if access == Access::Oauth { "Id of the client at the issuer" } else { "Kafka's user" };
            Some((answer(question, "--username", self.username.as_deref(), filled)?, self.password.clone()))
        } else {
            None
        };
        let host = answer("Public URL of Hookgate (https://…)", "--host", self.host.as_deref(), host)?;
        let replication = self.replication.unwrap_or(if brokers.iter().all(|broker| is_here(broker)) { 1 } else { 3 });
        let ca_file = self.ca_file.clone();
        Ok(InitAnswers { providers, brokers, access, host, replication, ca_file, certificate, user, token_url })
    }

    /// Returns the flags that every configuration needs and that are missing.
    pub(super) fn missing(&self) -> Vec<&'static str> {
        let always = [
            ("--providers", self.providers.is_none()),
            ("--brokers", self.brokers.is_none()),
            ("--security", self.security.is_none()),
            ("--host", self.host.is_none()),
        ];
        always.into_iter().filter_map(|(flag, missing)| missing.then_some(flag)).collect()
    }

    /// Names all flags that are missing, where there is no terminal to ask on.
    fn assert_complete_or_asked(&self) -> Result<(), Failure> {
        let missing = self.missing();
        if missing.is_empty() || can_ask() {
            return Ok(());
        }
        Err(Failure::Usage(format!("there is no terminal to ask on, and these flags are missing: {}", missing.join(" "))))
    }

    /// Refuses flags that would have no effect, and a secret in the place of a reference.
    fn assert_fitting(&self, access: Access) -> Result<(), Failure> {
        let belongs = [
            ("--ca-file", self.ca_file.is_some(), access != Access::Plaintext),
            ("--certificate-file", self.certificate_file.is_some(), access == Access::Mtls),
            ("--key-file", self.key_file.is_some(), access == Access::Mtls),
            ("--username", self.username.is_some(), access.needs_user()),
            ("--password", self.password.is_some(), access.needs_user()),
            ("--token-url", self.token_url.is_some(), access == Access::Oauth),
        ];
        if let Some((flag, ..)) = belongs.into_iter().find(|(_, given, belongs)| *given && !belongs) {
            return Err(Failure::Usage(format!("{flag} has no effect with this --security")));
        }
        match self.password.as_deref().map(SecretSource::parse) {
            Some(Err(why)) => Err(Failure::Usage(format!("--password: {why}"))),
            Some(Ok(SecretSource::Folder(_))) => Err(Failure::Usage("--password: one password cannot be a folder".into())),
            _ => Ok(()),
        }
    }
}

impl InitAnswers {
    /// Makes the paths independent of the working directory.
    pub(super) fn make_paths_absolute(&mut self) -> io::Result<()> {
        let pair = self.certificate.iter_mut().flat_map(|(certificate, key)| [certificate, key]);
        for path in self.ca_file.iter_mut().chain(pair) {
            *path = std::path::absolute(&*path)?;
        }
        if let Some(reference) = self.user.as_mut().and_then(|(_, reference)| reference.as_mut())
            && let Some(path) = reference.strip_prefix("file:")
        {
            *reference = format!("file:{}", std::path::absolute(path)?.display());
        }
        Ok(())
    }

    /// Returns the value of `[kafka] security`.
    pub(super) fn security(&self) -> &'static str {
        if self.access == Access::Plaintext { "plaintext" } else { "tls" }
    }

    /// Returns the brokers as TOML and YAML write a list, without its brackets.
    pub(super) fn quoted_brokers(&self) -> String {
        self.brokers.iter().map(|broker| quoted(broker)).collect::<Vec<_>>().join(", ")
    }

    /// Returns the URL of an endpoint, without a token.
    pub(super) fn url(&self, provider: &Provider) -> String {
        format!("{}/webhooks/{}", self.host, provider.name)
    }
}

/// Returns an answer: that of the flag, or else that of the terminal, where it asks until the answer can be used.
fn answer<T>(question: &str, flag: &str, given: Option<&str>, read: impl Fn(&str) -> Result<T, String>) -> Result<T, Failure> {
    if let Some(given) = given {
        return read(given).map_err(|why| Failure::Usage(format!("{flag}: {why}")));
    }
    if !can_ask() {
        return Err(Failure::Usage(format!("there is no terminal to ask on, and {flag} is missing")));
    }
    loop {
        write!(io::stderr(), "{question}\n> ")?;
        io::stderr().flush()?;
        let mut line = Vec::new();
        if io::stdin().lock().read_until(b'\n', &mut line)? == 0 {
            return Err(Failure::Usage(format!("the input has ended before the answer; {flag} gives it, too")));
        }
        let text = String::from_utf8(line).map_err(|_| "this is not UTF-8".to_owned());
        match text.and_then(|text| read(text.trim())) {
            Ok(answer) => return Ok(answer),
            Err(why) => writeln!(io::stderr(), "{}", printable(&why))?,
        }
    }
}

fn security(text: &str, words: &[String]) -> Result<Access, String> {
    Access::from_str(text, true).map_err(|_| format!("there is no {text:?}; there are: {}", words.join(", ")))
}

fn token_url(text: &str) -> Result<String, String> {
    token_url_fault(text).map_or_else(|| Ok(text.to_owned()), |fault| Err(fault.to_owned()))
}

fn filled(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("nothing is not an answer".into()) } else { Ok(text.to_owned()) }
}

fn providers(text: &str) -> Result<Vec<&'static Provider>, String> {
    let mut chosen: Vec<&'static Provider> = Vec::new();
    for name in text.split([',', ' ']).filter(|name| !name.is_empty()) {
        let provider = provider::by_name(name).ok_or_else(|| {
            let remedy = match suggestion(name, provider::ALL.iter().map(|it| it.name)) {
                Some(meant) => format!("did you mean {meant}?"),
                None => format!("there are: {}", provider::all_names()),
            };
            format!("there is no provider {name:?}; {remedy}")
        })?;
        if chosen.iter().any(|it| it.name == name) {
            return Err(format!("{name} is there twice; a second endpoint of a provider is written into hookgate.toml by hand"));
        }
        chosen.push(provider);
    }
    if chosen.is_empty() { Err(format!("name at least one of {}", provider::all_names())) } else { Ok(chosen) }
}

fn brokers(text: &str) -> Result<Vec<String>, String> {
    const FORM: &str = "write host:port, and commas between several, such as kafka-1:9092,kafka-2:9092";
    if text.is_empty() || text.contains([';', '"']) {
        return Err(FORM.into());
    }
    // Variables of this shell say nothing about the daemon's.
    let kafka = config::kafka_alone(text, &Environment::default())
        .map_err(|problems| problems.to_string().replace("command line: [kafka] brokers: ", ""))?;
    Ok(kafka.brokers)
}

/// Reads a public URL: `https://` may be left out, and nothing may follow the name and the port. What remains needs no quotes anywhere.
fn host(text: &str) -> Result<String, String> {
    let name = text.strip_prefix("https://").unwrap_or(text);
    let name = name.strip_suffix('/').unwrap_or(name);
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    let is_host = name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[') && name.chars().all(plain);
    if !is_host || format!("https://{name}").parse::<ureq::http::Uri>().is_err() {
        return Err("is not https:// and a name, such as https://hooks.example.com; providers send to nothing else".into());
    }
    if is_here(name) {
        return Err("is this machine, which no provider reaches; name the proxy, the ingress or the tunnel before it".into());
    }
    Ok(format!("https://{name}"))
}

/// Returns whether a host, with its port or without, is this machine. Brokers that are there are most likely the only ones.
fn is_here(host: &str) -> bool {
    config::is_here(if host.ends_with(']') { host } else { host.rsplit_once(':').map_or(host, |(name, _)| name) })
}

/// Returns a text as TOML, JSON and YAML write it.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Returns a path as text. The configuration is UTF-8, so it can name no other path.
pub(super) fn path_text(path: &Path) -> Result<&str, Failure> {
    path.to_str().ok_or_else(|| {
        Failure::Failed(format!("{:?} is not UTF-8, so a configuration cannot name it", path.display().to_string()))
    })
}
