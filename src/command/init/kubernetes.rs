//! `values.yaml` for the Helm chart, and `secrets.yaml` with a Secret for each endpoint.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use super::{
    Chosen,
    answers::{Access, InitAnswers, quoted},
    files::NewFile,
    folder::FIRST,
};
use crate::provider::{Provider, SecretMaker};

/// The namespace of the printed commands, and the name of the release.
pub(super) const NAME: &str = "hookgate";

/// The Secret with Kafka's password, under the key `password`.
pub(super) const PASSWORD: &str = "hookgate-kafka";

/// The Secret with this client's certificate and key, under the keys that `kubectl create secret tls` makes.
pub(super) const CERTIFICATE: &str = "hookgate-kafka-client";

/// The `ConfigMap` with the authorities of Kafka's certificates, under the key `ca.crt`.
pub(super) const AUTHORITIES: &str = "hookgate-kafka-ca";

/// Returns the name of the Secret of an endpoint.
pub(super) fn secret_name(provider: &Provider) -> String {
    format!("hookgate-{}", provider.name)
}

/// Returns the path of the chart's values.
pub(super) fn values_path(directory: &Path) -> PathBuf {
    directory.join("values.yaml")
}

/// Returns the path of the Secrets.
pub(super) fn secrets_path(directory: &Path) -> PathBuf {
    directory.join("secrets.yaml")
}

/// Returns the files; `secrets.yaml` only where there is a secret.
pub(super) fn files(answers: &InitAnswers, chosen: &[Chosen], directory: &Path) -> Vec<NewFile> {
    let what = "the new secrets, as Secrets";
    let path = secrets_path(directory);
    let secrets = has_secrets(answers).then(|| NewFile { path, content: Some(secrets(chosen)), private: true, what });
    let what = "the values of the chart, yours to change";
    let values = NewFile { path: values_path(directory), content: Some(values(answers)), private: false, what };
    secrets.into_iter().chain([values]).collect()
}

/// Returns whether there is a secret for `secrets.yaml`.
pub(super) fn has_secrets(answers: &InitAnswers) -> bool {
    answers.providers.iter().any(|provider| provider.secret_maker == SecretMaker::Operator)
}

fn secrets(chosen: &[Chosen]) -> String {
    let secret = |(provider, secret): &Chosen| {
        let (name, token) = (secret_name(provider), quoted(secret.as_ref()?.reveal()));
        Some(format!("apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\nstringData:\n  \"{FIRST}\": {token}\n"))
    };
    chosen.iter().filter_map(secret).collect::<Vec<_>>().join("---\n")
}

fn values(answers: &InitAnswers) -> String {
    let (brokers, security) = (answers.quoted_brokers(), answers.security());
    let mut text = format!(
        "# `hookgate init` made this file, and it is yours to change. `config` is hookgate.toml\n\
         # as YAML; the chart's README.md describes the rest.\n\n\
         # image:\n#   repository: registry.example.com/hookgate    # where the cluster pulls it from\n\n\
         # This URL must lead to the Service, by `ingress` or `httpRoute`:\n# {}/webhooks\n\n\
         config:\n  kafka:\n    brokers: [{brokers}]\n    security: {security}\n",
        answers.host
    );
    text += &tls(answers);
    text += &sasl(answers);
    let _infallible = write!(text, "  topics:\n    replication: {}\n  endpoints:\n", answers.replication);
    for provider in &answers.providers {
        // Another secret is another key, which needs no restart. Where the provider makes them, the pods start without any.
        let keys = match provider.secret_maker {
            SecretMaker::Provider => "folder: true, optional: true",
            SecretMaker::Operator => "folder: true",
        };
        let (name, secret) = (provider.name, secret_name(provider));
        let _infallible =
            write!(text, "    {name}:\n      provider: {name}\n      secrets: [{{secretName: {secret}, {keys}}}]\n");
    }
    text + "\n# A Job creates the topics that are missing. Kafka's user needs the right to do that.\ntopicsJob:\n  enabled: true\n"
}

fn tls(answers: &InitAnswers) -> String {
    let mut text = String::new();
    if answers.ca_file.is_some() {
        let _infallible = writeln!(text, "      ca_file: {{configMapName: {AUTHORITIES}, key: ca.crt}}");
    }
    if answers.certificate.is_some() {
        let _infallible = writeln!(text, "      certificate_file: {{secretName: {CERTIFICATE}, key: tls.crt}}");
        let _infallible = writeln!(text, "      key_file: {{secretName: {CERTIFICATE}, key: tls.key}}");
    }
    if text.is_empty() { text } else { format!("    tls:\n{text}") }
}

fn sasl(answers: &InitAnswers) -> String {
    let Some((user, _)) = &answers.user else { return String::new() };
    let (user, secret) = (quoted(user), format!("{{secretName: {PASSWORD}, key: password}}"));
    let password = |mechanism: &str| format!("{mechanism}\n      username: {user}\n      password: {secret}\n");
    let lines = match (answers.access, &answers.token_url) {
        (Access::Oauth, Some(url)) => {
            let url = quoted(url);
            format!("OAUTHBEARER\n      token_url: {url}\n      client_id: {user}\n      client_secret: {secret}\n")
        }
        (Access::Plain, _) => password("PLAIN"),
        _ => password("SCRAM-SHA-512    # or SCRAM-SHA-256"),
    };
    format!("    sasl:\n      mechanism: {lines}")
}
