//! The configured endpoints, and the endpoint that a path names.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::AtomicU32},
};

use arc_swap::ArcSwap;

use super::{
    gate::{Asked, WebhookPath},
    intake::Held,
};
use crate::{error::Error, provider::Provider, signature::Keys};

/// The configured endpoints by their names.
pub struct Endpoints(HashMap<Arc<str>, Endpoint>);

impl Endpoints {
    /// Returns the endpoint of this name.
    pub fn get(&self, name: &str) -> Option<&Endpoint> {
        self.0.get(name)
    }

    /// Returns the endpoint that a path names, and the token in the path, if there is one.
    pub(super) fn find<'b>(&self, path: &'b str) -> Result<(&Endpoint, Option<&'b str>), Error> {
        let place = WebhookPath::of(path)?;
        let endpoint = self.get(place.endpoint).ok_or(Error::UnknownEndpoint)?;
        Ok((endpoint, place.token(endpoint.provider)?))
    }

    /// Returns all endpoints, in no order.
    pub(super) fn each(&self) -> impl Iterator<Item = &Endpoint> {
        self.0.values()
    }
}

impl FromIterator<Endpoint> for Endpoints {
    fn from_iter<T: IntoIterator<Item = Endpoint>>(endpoints: T) -> Self {
        Self(endpoints.into_iter().map(|endpoint| (Arc::clone(&endpoint.name), endpoint)).collect())
    }
}

/// A configured endpoint.
pub struct Endpoint {
    /// The name of the endpoint in the URL.
    pub name: Arc<str>,
    /// The provider that sends to the endpoint.
    pub provider: &'static Provider,
    /// The current keys; they are replaced when a secret file changes.
    keys: ArcSwap<Keys>,
    /// What the endpoint's deliveries hold in memory.
    pub(super) held: Arc<Held>,
    /// How many deliveries have asked [`super::delay`] to begin in its current window.
    pub(super) begun: AtomicU32,
}

impl Endpoint {
    /// Returns an endpoint with its first keys.
    pub fn new(name: Arc<str>, provider: &'static Provider, keys: Keys) -> Self {
        Self { name, provider, keys: ArcSwap::from_pointee(keys), held: Arc::default(), begun: AtomicU32::new(0) }
    }

    /// Returns what a path with this token asks for.
    pub(super) fn asked<'a>(&'a self, path_token: Option<&'a str>) -> Asked<'a> {
        Asked { endpoint: &self.name, provider: self.provider, path_token }
    }

    /// Returns the current keys.
    pub fn keys(&self) -> Arc<Keys> {
        self.keys.load_full()
    }

    /// Replaces the keys.
    pub fn set_keys(&self, keys: Keys) {
        self.keys.store(Arc::new(keys));
    }
}
