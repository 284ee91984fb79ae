//! `hookgate.toml`, and beside it a folder `secrets` with one for each endpoint, in which each file is a secret.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use super::{
    Chosen,
    answers::{Access, InitAnswers, path_text, quoted},
    files::NewFile,
};
use crate::{
    command::Failure,
    provider::{CredentialSource, Provider, SecretMaker},
};

/// What a file is that its reader must fill.
const UNFILLED: &str = "empty: fill it as shown below";
/// What a folder is that its reader must put a secret into.
const EMPTY: &str = "a folder for the secrets that it makes";
/// The name of the first secret of an endpoint, in its folder or its Secret. The names of later ones, which are dates, sort after it.
pub(super) const FIRST: &str = "1";

/// Returns the path of the configuration.
pub(super) fn configuration_path(directory: &Path) -> PathBuf {
    directory.join("hookgate.toml")
}

/// Returns the path of the folder with the secrets of a provider's endpoint: another one comes with each rotation, without a restart.
pub(super) fn secrets_path(directory: &Path, provider: &Provider) -> PathBuf {
    directory.join("secrets").join(provider.name)
}

/// Returns the path of the first secret.
pub(super) fn secret_path(directory: &Path, provider: &Provider) -> PathBuf {
    secrets_path(directory, provider).join(FIRST)
}

/// Returns the path of the file with Kafka's password, where no reference says that it is elsewhere.
pub(super) fn password_path(directory: &Path) -> PathBuf {
    directory.join("secrets").join("kafka-password")
}

/// Returns `hookgate.toml`.
pub(super) fn configuration(answers: &InitAnswers, directory: &Path) -> Result<String, Failure> {
    let (brokers, security) = (answers.quoted_brokers(), answers.security());
    let mut text = format!(
        "# `hookgate init` made this file, and it is yours to change. `hookgate check` finds\n\
         # what is wrong with it. Keys that are not here have their default value.\n\n\
         [kafka]\nbrokers = [{brokers}]\nsecurity = \"{security}\"\n"
    );
    text += &tls(answers)?;
    text += &sasl(answers, directory)?;
    let _infallible = write!(
        text,
        "\n[topics]\n# How many brokers have each event: 3 in production, and 1 where there is only one.\nreplication = {}\n",
        answers.replication
    );
    for provider in &answers.providers {
        let reference = quoted(&format!("dir:{}", path_text(&secrets_path(directory, provider))?));
        let token = if provider.credential == CredentialSource::UrlToken { "?token=<the secret>" } else { "" };
        let (name, url) = (provider.name, answers.url(provider));
        let remark = match provider.secret_maker {
            SecretMaker::Provider => format!("# {} makes the secrets. Each file of the folder is one.\n", provider.title),
            SecretMaker::Operator => "# Each file of the folder is a secret.\n".to_owned(),
        };
        let _infallible =
            write!(text, "\n# {url}{token}\n{remark}[endpoints.{name}]\nprovider = \"{name}\"\nsecrets = [{reference}]\n");
    }
    Ok(text)
}

fn tls(answers: &InitAnswers) -> Result<String, Failure> {
    let (certificate, key) = answers.certificate.as_ref().map(|(certificate, key)| (certificate, key)).unzip();
    let files = [("ca_file", answers.ca_file.as_ref()), ("certificate_file", certificate), ("key_file", key)];
    let mut text = String::new();
    for (name, path) in files {
        if let Some(path) = path {
            let _infallible = writeln!(text, "{name} = {}", quoted(path_text(path)?));
        }
    }
    Ok(if text.is_empty() { text } else { format!("\n[kafka.tls]\n{text}") })
}

fn sasl(answers: &InitAnswers, directory: &Path) -> Result<String, Failure> {
    let Some((user, reference)) = &answers.user else { return Ok(String::new()) };
    let user = quoted(user);
    let secret = match reference {
        Some(reference) => quoted(reference),
        None => quoted(&format!("file:{}", path_text(&password_path(directory))?)),
    };
    let lines = match (answers.access, &answers.token_url) {
        (Access::Oauth, Some(url)) => {
            format!("\"OAUTHBEARER\"\ntoken_url = {}\nclient_id = {user}\nclient_secret = {secret}\n", quoted(url))
        }
        (Access::Plain, _) => format!("\"PLAIN\"\nusername = {user}\npassword = {secret}\n"),
        _ => format!("\"SCRAM-SHA-512\"    # or SCRAM-SHA-256\nusername = {user}\npassword = {secret}\n"),
    };
    Ok(format!("\n[kafka.sasl]\nmechanism = {lines}"))
}

/// Returns all files, the configuration last: with it the others are in use.
pub(super) fn files(answers: &InitAnswers, chosen: &[Chosen], directory: &Path, configuration: String) -> Vec<NewFile> {
    let secret = |(provider, secret): &Chosen| NewFile {
        path: if secret.is_some() { secret_path(directory, provider) } else { secrets_path(directory, provider) },
        content: secret.as_ref().map(|secret| format!("{}\n", secret.reveal())),
        private: true,
        what: if secret.is_some() { "a new secret" } else { EMPTY },
    };
    let mut files: Vec<NewFile> = chosen.iter().map(secret).collect();
    if matches!(answers.user, Some((_, None))) {
        files.push(NewFile { path: password_path(directory), content: Some(String::new()), private: true, what: UNFILLED });
    }
    let what = "the configuration, yours to change";
    files.push(NewFile { path: configuration_path(directory), content: Some(configuration), private: false, what });
    files
}
