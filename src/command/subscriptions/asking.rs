//! What the commands about subscriptions ask the providers with, and how they find out which registered URL is Hookgate's.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use crate::{
    api::{self, Api, Manners, frameio},
    command::{ConfigSource, EXIT_FAILED, Failure, missing, tail::watch, target},
    config::{Config, EndpointConfig, Environment, SecretRing, SecretText, recover::FrameioApi},
    http::registered_url,
    outbound::Client,
    provider::Provider,
    signature::{Keys, Secret},
};

use super::registration::RegisteredProof;

/// A way to the providers' APIs, and what their answers are compared with.
pub(in crate::command) struct Asking<'a> {
    pub(in crate::command) config: &'a Config,
    source: &'a ConfigSource,
    environment: &'a Environment,
    /// The origin of Hookgate's own URLs; without it, every URL with the path of an endpoint counts as one.
    pub(in crate::command) host: Option<&'a str>,
    client: Client,
    /// The secrets of the endpoints: a provider may repeat one in its words about an error.
    secrets: Vec<SecretText>,
    keys: BTreeMap<Arc<str>, Keys>,
    /// Set when the user stops the command.
    pub(in crate::command) stop: Arc<AtomicBool>,
    /// Set where no request is repeated: why the last one would have been.
    hurry: Option<RefCell<String>>,
}

impl<'a> Asking<'a> {
    pub(in crate::command) fn new(
        (config, source): (&'a Config, &'a ConfigSource),
        environment: &'a Environment,
        host: Option<&'a str>,
    ) -> Result<Self, Failure> {
        Ok(Self {
            config,
            source,
            environment,
            host,
            client: api::client(&config.recover, environment)?,
            // One that cannot be read cannot be repeated either.
            secrets: config.endpoints.iter().flat_map(|it| target::readable_secrets(it, environment)).collect(),
            keys: config.endpoints.iter().map(|it| (it.name.clone(), SecretRing::new(it, environment).keys())).collect(),
            stop: watch(EXIT_FAILED)?,
            hurry: None,
        })
    }

    /// Returns a way on which each request is sent once, with this client: what would be asked again later ends the question.
    pub(in crate::command) fn once(self, client: Client) -> Self {
        Self { client, hurry: Some(RefCell::default()), ..self }
    }

    /// Returns why the last request would have been sent again, if it was not because of [`Self::once`].
    pub(in crate::command) fn not_repeated(&self) -> Option<String> {
        self.hurry.as_ref().map(|why| why.borrow().clone()).filter(|why| !why.is_empty())
    }

    /// Waits, and returns whether to go on.
    pub(in crate::command) fn wait(&self, time: Duration, why: &str) -> bool {
        if let Some(hurry) = self.hurry.as_ref().filter(|_| !why.is_empty()) {
            why.clone_into(&mut hurry.borrow_mut());
            return false;
        }
        missing::wait(&self.stop, time, why)
    }

    /// Returns a client of an API with these credentials.
    pub(in crate::command) fn api<'w>(
        &self,
        base_url: &str,
        manners: Manners,
        own: Vec<SecretText>,
        wait: api::Wait<'w>,
    ) -> Api<'w> {
        let secrets: Vec<SecretText> = own.into_iter().chain(self.secrets.iter().cloned()).collect();
        Api::new(self.client.clone(), base_url, manners, &secrets, wait)
    }

    /// Returns Frame.io's API.
    pub(in crate::command) fn frameio<'w>(&self, access: &'a FrameioApi, wait: api::Wait<'w>) -> frameio::Frameio<'a, 'w> {
        frameio::Frameio::new(access, &self.client, &self.secrets, wait)
    }

    /// Returns the endpoints of a provider.
    pub(in crate::command) fn endpoints(&self, provider: &Provider) -> impl Iterator<Item = &'a EndpointConfig> + use<'a> {
        let name = provider.name;
        self.config.endpoints.iter().filter(move |endpoint| endpoint.provider.name == name)
    }

    /// Returns the endpoint of a provider that a registered URL leads to, or else the place that may be shown instead of the URL.
    pub(in crate::command) fn owner(&self, provider: &Provider, url: &str) -> Result<&'a EndpointConfig, String> {
        let Some(place) = registered_url(provider, url) else { return Err("a URL that cannot be read".into()) };
        let endpoint = place.endpoint.and_then(|name| self.endpoints(provider).find(|it| *it.name == *name));
        let here = self.host.is_none_or(|host| host == place.origin);
        // More of a foreign URL may be a secret.
        let elsewhere =
            if self.host == Some(&*place.origin) { format!("{} with another path", place.origin) } else { place.origin };
        endpoint.filter(|_| here).ok_or(elsewhere)
    }

    /// Returns the secrets of an endpoint, as they were when the command began.
    pub(in crate::command) fn keys(&self, endpoint: &EndpointConfig) -> Option<&Keys> {
        self.keys.get(&endpoint.name)
    }

    /// Returns the secret that a new subscription of an endpoint has, as text.
    pub(in crate::command) fn newest_secret(&self, endpoint: &EndpointConfig) -> Result<SecretText, Failure> {
        target::newest_secret(endpoint, self.environment)
    }

    /// Returns a command for a person to copy.
    pub(in crate::command) fn command(&self, words: &str) -> String {
        self.source.command(words)
    }

    /// Returns a command for a person to copy that looks at the same public address as this one, if it was named.
    pub(in crate::command) fn command_at_host(&self, words: &str) -> String {
        self.source.command_at_host(words, self.host)
    }

    /// Returns a command for a person to copy that takes the public address.
    pub(in crate::command) fn command_with_host(&self, words: &str) -> String {
        self.source.command_with_host(words, self.host)
    }
}

/// Returns what a secret at the provider proves to an endpoint with these secrets. The comparison takes constant time.
pub(in crate::command) fn signed_with(secret: Option<&Secret>, keys: Option<&Keys>) -> RegisteredProof {
    let Some(secret) = secret else { return RegisteredProof::Absent };
    let Some(keys) = keys else { return RegisteredProof::Incomparable };
    let same = keys.secrets.iter().fold(false, |found, (_, own)| own.same(secret) | found);
    match (same, keys.secret_missing) {
        (true, _) => RegisteredProof::Signed,
        (false, true) => RegisteredProof::Incomparable,
        (false, false) => RegisteredProof::Foreign,
    }
}
