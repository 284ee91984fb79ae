//! The configured endpoints, and which of them a path is for.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::AtomicU32},
};

use arc_swap::ArcSwap;

use super::{gate::WebhookPath, intake::Held};
use crate::{error::Error, provider::Provider, signature::Keys};

/// The configured endpoints by their names.
pub struct Endpoints(HashMap<Arc<str>, Endpoint>);

impl Endpoints {
    /// The endpoint of this name.
    pub fn get(&self, name: &str) -> Option<&Endpoint> {
        self.0.get(name)
    }

    /// The endpoint that a request with this path is for, and the token in the path.
    pub(super) fn find<'b>(&self, path: &'b str) -> Result<(&Endpoint, Option<&'b str>), Error> {
        let place = WebhookPath::of(path)?;
        let endpoint = self.get(place.endpoint).ok_or(Error::UnknownEndpoint)?;
        Ok((endpoint, place.token(endpoint.provider)?))
    }

    /// Each of them.
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
    /// The name in the URL.
    pub name: Arc<str>,
    /// Who sends to it.
    pub provider: &'static Provider,
    /// Replaced when a secret file changes.
    keys: ArcSwap<Keys>,
    /// What its deliveries hold.
    pub(super) held: Arc<Held>,
    /// How many of them [`super::delay`] has seen in its window.
    pub(super) begun: AtomicU32,
}

impl Endpoint {
    /// An endpoint with its first keys.
    pub fn new(name: Arc<str>, provider: &'static Provider, keys: Keys) -> Self {
        Self { name, provider, keys: ArcSwap::from_pointee(keys), held: Arc::default(), begun: AtomicU32::new(0) }
    }

    /// The keys as of now.
    pub fn keys(&self) -> Arc<Keys> {
        self.keys.load_full()
    }

    /// Replaces the keys.
    pub fn set_keys(&self, keys: Keys) {
        self.keys.store(Arc::new(keys));
    }
}
