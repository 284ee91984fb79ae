//! The target of `send` and `verify`: a configured endpoint, or a provider with a secret given by hand.

use std::sync::Arc;

use clap::Args;

use super::{ConfigSource, Failure, completions};
use crate::{
    config::{self, EndpointConfig, Environment, Needs, SecretRing, SecretSource, SecretText, suggestion},
    http,
    provider::{self, Provider},
    signed_url::SignedUrls,
};

/// The flags that name a target. They have no group, because its name would be that of the command's own group.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct Arguments {
    #[arg(value_name = "ENDPOINT|PROVIDER", help = help(), required_unless_present = "request", add = completions::targets())]
    target: Option<String>,
    /// Where the secret is, instead of the configuration's: `env:NAME` or `file:PATH`. May be repeated.
    #[arg(long, value_name = "REFERENCE")]
    secret: Vec<String>,
}

fn help() -> String {
    format!("A configured endpoint, or a provider: {}; with --request by default the endpoint of its path", provider::all_names())
}

/// An endpoint, configured or made up from a provider.
pub(super) struct Target {
    pub(super) endpoint: EndpointConfig,
    /// Whether it is configured: only then its name is that of its URL.
    pub(super) is_configured: bool,
    /// The names of all configured endpoints.
    pub(super) names: Vec<Arc<str>>,
    /// The secrets of the target, read.
    pub(super) ring: SecretRing,
    /// Why secrets of the target could not be read.
    pub(super) missing: Vec<String>,
    /// The topics of the configuration, if there is one.
    pub(super) topics: Option<config::Topics>,
    /// `[http]` of the configuration, if there is one.
    pub(super) http: Option<config::Http>,
}

impl Arguments {
    /// Returns whether a name was given.
    pub(super) fn is_given(&self) -> bool {
        self.target.is_some()
    }

    /// Returns the name that was given.
    pub(super) fn name(&self) -> &str {
        self.target.as_deref().unwrap_or_default()
    }
}

/// Finds the target. The configuration is needed only where the flags do not say everything.
pub(super) fn resolve(arguments: &Arguments, source: &ConfigSource, environment: &Environment) -> Result<Target, Failure> {
    resolve_for(arguments, None, source, environment)
}

/// Finds the target, for a captured request to a path: its endpoint counts where the arguments name none.
pub(super) fn resolve_for(
    arguments: &Arguments,
    path: Option<&str>,
    source: &ConfigSource,
    environment: &Environment,
) -> Result<Target, Failure> {
    let config = source.exists().then(|| source.load(environment, Needs::Names)).transpose()?;
    let endpoints = config.as_ref().map_or(&[][..], |config| &config.endpoints);
    let name = match &arguments.target {
        Some(name) => name.clone(),
        None => of_path(path.unwrap_or_default(), endpoints)?,
    };
    let named = provider::by_name(&name);
    let found = endpoints.iter().find(|endpoint| *endpoint.name == *name);
    // A provider's name stands for its endpoint if there is only one.
    let of_provider = || {
        let mut all = endpoints.iter().filter(|endpoint| Some(endpoint.provider.name) == named.map(|it| it.name));
        all.next().filter(|_| all.next().is_none())
    };
    let configured = found.or_else(of_provider).cloned();
    let is_configured = configured.is_some();
    let mut endpoint = match (configured, named) {
        (Some(endpoint), _) => endpoint,
        (None, Some(provider)) => bare_endpoint(provider),
        (None, None) => return Err(unknown(&name, source, endpoints)),
    };
    let all = endpoints.iter().map(|it| Arc::clone(&it.name)).collect();
    if !arguments.secret.is_empty() {
        let parse = |reference: &String| SecretSource::parse(reference).map_err(|why| format!("--secret: {why}"));
        endpoint.secrets = arguments.secret.iter().map(parse).collect::<Result<_, _>>()?;
    }
    if endpoint.secrets.is_empty() {
        return Err(Failure::Failed(format!(
            "no secret for {name}: name one with --secret env:NAME or --secret file:PATH, or configure the endpoint in {}",
            source.config.display()
        )));
    }
    let mut ring = SecretRing::new(&endpoint, environment);
    let missing = ring.refresh().into_iter().filter_map(|event| match event {
        crate::config::SecretEvent::Kept { slot, why, .. } => Some(format!("slot {slot}: {why}")),
        crate::config::SecretEvent::Folder { why } => Some(why),
        _ => None,
    });
    let missing = missing.collect();
    let (http, topics) = config.map(|config| (config.http, config.topics)).unzip();
    Ok(Target { endpoint, is_configured, names: all, ring, missing, topics, http })
}

/// Returns the name of the endpoint that a path is for, or was probably meant for.
fn of_path(path: &str, endpoints: &[EndpointConfig]) -> Result<String, Failure> {
    let written = http::endpoint_of(path).filter(|name| config::is_endpoint_name(name));
    let names = || endpoints.iter().map(|it| &*it.name).chain(provider::ALL.iter().map(|it| it.name));
    if let Some(name) = written.as_ref().filter(|name| names().any(|it| it == name.as_str())) {
        return Ok(name.clone());
    }
    let meant = http::meant_endpoint(path, &names());
    meant.map(str::to_owned).or(written).ok_or_else(|| {
        Failure::Usage(
            "the path of the request is of no endpoint, so the daemon answers it 404; to see whether its signature is right, name an \
             ENDPOINT or a PROVIDER"
                .into(),
        )
    })
}

/// Finds a configured endpoint by its name.
pub(super) fn configured<'a>(endpoints: &'a [EndpointConfig], name: &str) -> Result<&'a EndpointConfig, Failure> {
    endpoints.iter().find(|it| *it.name == *name).ok_or_else(|| {
        let names: Vec<&str> = endpoints.iter().map(|it| &*it.name).collect();
        let hint = suggestion(name, names.iter().copied())
            .map_or_else(|| format!("there are {}", names.join(", ")), |close| format!("did you mean {close}?"));
        Failure::Usage(format!("{name}: no such endpoint; {hint}"))
    })
}

/// Returns the secret that new URLs and subscriptions of an endpoint have, as text: that of the source which the endpoint names first.
pub(super) fn newest_secret(endpoint: &EndpointConfig, environment: &Environment) -> Result<SecretText, Failure> {
    let source = endpoint.secrets.first();
    let read = source.map_or(Err("has no secret".into()), |source| source.newest()?.text(environment));
    read.map_err(|why| Failure::Failed(format!("[endpoints.{}] secrets: {why}", endpoint.name)))
}

/// Returns all secrets of an endpoint that can be read, as text: what a command shows must have none of them in it.
pub(super) fn readable_secrets(endpoint: &EndpointConfig, environment: &Environment) -> Vec<SecretText> {
    let sources = endpoint.secrets.iter().filter_map(|source| source.each().ok()).flatten();
    sources.filter_map(|source| source.text(environment).ok()).collect()
}

/// Finds only the target's provider, which needs no secret.
pub(super) fn provider(
    arguments: &Arguments,
    source: &ConfigSource,
    environment: &Environment,
) -> Result<&'static Provider, Failure> {
    let found = resolve(arguments, source, environment).map(|target| target.endpoint.provider);
    found.or_else(|failure| provider::by_name(arguments.name()).ok_or(failure))
}

fn bare_endpoint(provider: &'static Provider) -> EndpointConfig {
    EndpointConfig {
        name: Arc::from(provider.name),
        provider,
        secrets: Vec::new(),
        tolerance: config::TOLERANCE,
        signed_urls: SignedUrls::Optional,
        topic_prefix: None,
    }
}

fn unknown(target: &str, source: &ConfigSource, endpoints: &[EndpointConfig]) -> Failure {
    let providers = provider::ALL.iter().map(|provider| provider.name).collect::<Vec<_>>().join(", ");
    let place = source.config.display();
    if !source.exists() {
        let meant = suggestion(target, provider::ALL.iter().map(|it| it.name))
            .map_or_else(String::new, |name| format!("did you mean {name}? "));
        return Failure::Failed(format!(
            "{target:?} is neither a provider ({providers}) nor an endpoint: {meant}{place} does not exist"
        ));
    }
    let names: Vec<&str> = endpoints.iter().map(|endpoint| &*endpoint.name).collect();
    let all = names.iter().copied().chain(provider::ALL.iter().map(|provider| provider.name));
    let meant = suggestion(target, all).map_or_else(String::new, |name| format!("did you mean {name}? "));
    Failure::Failed(format!(
        "{target:?} is neither a provider ({providers}) nor an endpoint: {meant}{place} has the endpoints {}",
        names.join(", ")
    ))
}
