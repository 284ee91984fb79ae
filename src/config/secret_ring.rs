//! The secrets of an endpoint while the daemon runs: their files are read again, and their contents come into force where they may.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc, time::Duration};

use super::{
    EndpointConfig, Environment, mistaken,
    secret_folder::SecretFolder,
    secrets::{SecretSource, impossible},
};
use crate::{
    provider::Provider,
    signature::{Keys, Secret},
    signed_url::SignedUrls,
};

/// The result of reading one secret. Slots count from 1: first the references of the configuration, in their order, and then the files of
/// folders, each with the next number, as they come. No number is used twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretEvent {
    /// The secret could be read: for the first time, or again after it could not.
    Loaded {
        /// Its slot.
        slot: u32,
    },
    /// The secret is another one now.
    Changed {
        /// Its slot.
        slot: u32,
    },
    /// The secret was read, and was probably written down wrongly.
    Mistaken {
        /// Its slot.
        slot: u32,
        /// What looks wrong, without any part of the value.
        why: String,
    },
    /// The secret cannot be read. The last good one stays; if there was none, the slot stays empty. Reported when the reason changes.
    Kept {
        /// Its slot.
        slot: u32,
        /// Whether there is a last good one.
        in_force: bool,
        /// Why it cannot be read, without any part of the value.
        why: String,
    },
    /// The file of a folder is gone, and its secret counts no longer.
    Revoked {
        /// The slot that it had.
        slot: u32,
        /// The source of the secret, `file:PATH`.
        source: String,
    },
    /// A folder cannot be listed, so that its secrets stay as they are, or has too many files. Reported when the reason changes.
    Folder {
        /// What is wrong.
        why: String,
    },
}

/// The current secrets of one endpoint.
#[derive(Debug)]
pub struct SecretRing {
    endpoint: Arc<str>,
    provider: &'static Provider,
    tolerance: Duration,
    signed_urls: SignedUrls,
    environment: Environment,
    slots: Vec<Slot>,
    folders: Vec<SecretFolder>,
    /// The number of the slot of the next file that comes into a folder.
    next_slot: u32,
    /// What the next refresh reports first: the results of the first reading, and secrets that are not held back any more.
    unreported: Vec<SecretEvent>,
}

#[derive(Debug)]
struct Slot {
    number: u32,
    source: SecretSource,
    /// Which of the ring's folders the file is in, if it is in one.
    folder: Option<usize>,
    /// The secret of the last reading; `None` if it could not be read.
    read: Option<Secret>,
    /// The secret that deliveries are verified with.
    in_force: Option<Secret>,
    /// Whether another endpoint has the secret that was read.
    held_back: bool,
    trouble: Option<String>,
}

impl SecretRing {
    /// Reads the secrets of an endpoint. Those that cannot be read are reported by the first [`SecretRing::refresh`].
    pub fn new(endpoint: &EndpointConfig, environment: &Environment) -> Self {
        // Only the variables that the slots name are kept.
        let environment = environment.only(endpoint.secrets.iter().filter_map(|source| match source {
            SecretSource::Env(name) => Some(name.as_str()),
            SecretSource::File(_) | SecretSource::Folder(_) | SecretSource::Literal(_) => None,
        }));
        let (folders, single): (Vec<_>, Vec<_>) = endpoint.secrets.iter().partition(|it| matches!(it, SecretSource::Folder(_)));
        let slots: Vec<Slot> = (1..).zip(single).map(|(number, source)| Slot::new(number, source.clone(), None)).collect();
        let folders = folders.into_iter().filter_map(SecretSource::folder).collect();
        let mut ring = Self {
            endpoint: endpoint.name.clone(),
            provider: endpoint.provider,
            tolerance: endpoint.tolerance,
            signed_urls: endpoint.signed_urls,
            environment,
            next_slot: slots.last().map_or(1, |slot| slot.number + 1),
            slots,
            folders,
            unreported: Vec::new(),
        };
        ring.unreported = ring.read();
        for slot in &mut ring.slots {
            slot.in_force.clone_from(&slot.read);
        }
        // These warnings were given when the configuration was read.
        ring.unreported.retain(|event| !matches!(event, SecretEvent::Mistaken { .. }));
        ring
    }

    /// Returns the name of the endpoint whose secrets these are.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Reads the secrets again. Returns what changed since the last time. [`put_in_force`] uses what was read. Blocks on the file system.
    pub fn refresh(&mut self) -> Vec<SecretEvent> {
        let mut events = std::mem::take(&mut self.unreported);
        events.extend(self.read());
        events
    }

    /// Returns the secrets to verify with.
    pub fn keys(&self) -> Keys {
        let secrets: Vec<_> = self.slots.iter().filter_map(|slot| Some((slot.number, slot.in_force.clone()?))).collect();
        let secret_missing = secrets.len() < self.slots.len() || self.folders.iter().any(|folder| !folder.is_known());
        Keys { secret_missing, secrets, tolerance: self.tolerance, signed_urls: self.signed_urls }
    }

    /// Returns the highest number that a slot has.
    pub fn slot_max(&self) -> u32 {
        self.slots.iter().map(|slot| slot.number).max().unwrap_or_default()
    }

    /// Returns whether the secret that was read into a slot is not used, because another endpoint has it.
    pub fn is_held_back(&self, slot: u32) -> bool {
        self.slots.iter().any(|it| it.number == slot && it.held_back)
    }

    /// Returns how many secrets are not used, because another endpoint has them.
    pub fn held_back(&self) -> usize {
        self.slots.iter().filter(|slot| slot.held_back).count()
    }

    /// Returns the source of the secret in a slot.
    pub fn source(&self, slot: u32) -> Option<String> {
        self.slots.iter().find(|it| it.number == slot).map(|it| it.source.to_string())
    }

    fn read(&mut self) -> Vec<SecretEvent> {
        let mut events = self.list();
        let (provider, environment) = (self.provider, &self.environment);
        events.extend(self.slots.iter_mut().flat_map(|slot| slot.read(provider, environment)));
        events
    }

    /// Lists the folders: makes slots for files that have come, and removes those of files that are gone.
    fn list(&mut self) -> Vec<SecretEvent> {
        let mut events = Vec::new();
        for (index, folder) in self.folders.iter_mut().enumerate() {
            let before = folder.trouble().map(str::to_owned);
            let listed = folder.list();
            if let Some(why) = folder.trouble().filter(|why| before.as_deref() != Some(*why)) {
                events.push(SecretEvent::Folder { why: why.to_owned() });
            }
            let Ok(files) = listed else { continue };
            let is_gone = |slot: &mut Slot| slot.folder == Some(index) && !slot.is_one_of(&files);
            for gone in self.slots.extract_if(.., is_gone) {
                events.push(SecretEvent::Revoked { slot: gone.number, source: gone.source.to_string() });
            }
            for file in files {
                if !self.slots.iter().any(|slot| slot.folder == Some(index) && slot.is_one_of(std::slice::from_ref(&file))) {
                    self.slots.push(Slot::new(self.next_slot, SecretSource::File(file), Some(index)));
                    self.next_slot += 1;
                }
            }
        }
        events
    }

    /// Returns a sentence for each two secrets of this endpoint that are the same: a rotation needs two different ones.
    pub(super) fn doubled(&self) -> Vec<String> {
        let same = |(at, slot): (usize, &Slot)| {
            let secret = slot.in_force.as_ref()?;
            let first = self.slots[..at].iter().find(|other| other.in_force.as_ref().is_some_and(|it| it.same(secret)))?;
            Some(format!(
                "secret {} is the same as secret {}; in a rotation they are the new and the old one",
                slot.name(),
                first.name()
            ))
        };
        self.slots.iter().enumerate().filter_map(same).collect()
    }

    /// Returns the secrets that were probably written down wrongly: the remarks on each, and the keys that it would give if it were
    /// cleaned. Reads the secrets again.
    pub fn cleaned(&self) -> Vec<(String, Keys)> {
        let cleaned = |slot: &Slot| {
            let mistaken = mistaken::look(&slot.source.bytes(&self.environment).ok()?)?;
            let candidates = mistaken.candidates();
            let secrets = candidates.iter().filter_map(|it| Some((slot.number, Secret::new(it)?))).collect();
            let keys = Keys { secret_missing: false, secrets, tolerance: self.tolerance, signed_urls: self.signed_urls };
            Some((format!("{} {}", slot.source, mistaken.remarks()), keys))
        };
        self.slots.iter().filter_map(cleaned).collect()
    }
}

impl Slot {
    fn new(number: u32, source: SecretSource, folder: Option<usize>) -> Self {
        Self { number, source, folder, read: None, in_force: None, held_back: false, trouble: None }
    }

    /// Returns the number of the slot, and of a file in a folder also the path: nobody has written its number.
    fn name(&self) -> String {
        if self.folder.is_some() { format!("{} ({})", self.number, self.source) } else { self.number.to_string() }
    }

    fn is_one_of(&self, files: &[PathBuf]) -> bool {
        matches!(&self.source, SecretSource::File(path) if files.contains(path))
    }

    /// Returns the secret that would be in force next: the one that was read, or the one in force if none could be read.
    fn next(&self) -> Option<&Secret> {
        self.read.as_ref().or(self.in_force.as_ref())
    }

    fn is_new(&self) -> bool {
        match (&self.read, &self.in_force) {
            (Some(read), Some(in_force)) => !read.same(in_force),
            (read, None) => read.is_some(),
            (None, Some(_)) => false,
        }
    }

    fn read(&mut self, provider: &Provider, environment: &Environment) -> Vec<SecretEvent> {
        let slot = self.number;
        let read = self.source.bytes(environment).and_then(|bytes| match impossible(provider, &bytes) {
            Some(fault) => Err(format!("{} {fault}", self.source)),
            None => Ok((Secret::new(&bytes).ok_or_else(|| "the secret is empty".to_owned())?, bytes)),
        });
        match read {
            Ok((secret, bytes)) => {
                let recovered = self.trouble.take().is_some();
                let same = self.next().map(|next| next.same(&secret));
                self.read = Some(secret);
                let event = match same {
                    Some(false) => SecretEvent::Changed { slot },
                    Some(true) if !recovered => return Vec::new(),
                    Some(true) | None => SecretEvent::Loaded { slot },
                };
                let mistaken = self.source.remarks(&bytes).into_iter().map(|why| SecretEvent::Mistaken { slot, why });
                [event].into_iter().chain(mistaken).collect()
            }
            Err(why) if self.trouble.as_ref() == Some(&why) => Vec::new(),
            Err(why) => {
                // The secret of the last reading may never have been in force.
                self.read = None;
                self.trouble = Some(why.clone());
                vec![SecretEvent::Kept { slot, in_force: self.in_force.is_some(), why }]
            }
        }
    }
}

/// Reads the secrets of all endpoints. A secret from a folder that another endpoint has is held back; the sentences say so. What the
/// configuration itself gives to two endpoints is for [`shared_secrets`].
pub fn read_all<'a>(
    endpoints: impl IntoIterator<Item = &'a EndpointConfig>,
    environment: &Environment,
) -> (Vec<SecretRing>, Vec<String>) {
    let mut rings: Vec<SecretRing> = endpoints.into_iter().map(|endpoint| SecretRing::new(endpoint, environment)).collect();
    for slot in rings.iter_mut().flat_map(|ring| &mut ring.slots).filter(|slot| slot.folder.is_some()) {
        slot.in_force = None;
    }
    let clashes = put_in_force(&mut rings);
    (rings, clashes)
}

/// The index of a ring, and of a slot in it.
type Place = (usize, usize);

/// Returns a sentence for every secret in force that two endpoints share. A signature does not bind the URL, so one endpoint would accept
/// what was signed for the other.
pub fn shared_secrets(rings: &[SecretRing]) -> Vec<String> {
    let shared = shared(rings, |(ring, slot)| rings[ring].slots[slot].in_force.as_ref());
    shared.into_iter().map(|places| sentence(rings, places)).collect()
}

/// Puts the secrets of the last reading into force. A new secret that another endpoint has, or would have, is held back, and all other
/// changes come into force. Returns a sentence for each secret that was not held back before.
pub fn put_in_force(rings: &mut [SecretRing]) -> Vec<String> {
    let (mut held_back, mut sentences) = (BTreeSet::<Place>::new(), Vec::new());
    loop {
        let next = |place: Place| {
            let slot = &rings[place.0].slots[place.1];
            if held_back.contains(&place) { slot.in_force.as_ref() } else { slot.next() }
        };
        let mut more = BTreeSet::new();
        for places in shared(rings, next) {
            let new = places.into_iter().filter(|place| !held_back.contains(place) && rings[place.0].slots[place.1].is_new());
            let new: Vec<Place> = new.collect();
            if new.iter().any(|(ring, slot)| !rings[*ring].slots[*slot].held_back) {
                let without: Vec<&str> = new.iter().map(|(ring, _)| &*rings[*ring].endpoint).collect();
                sentences.push(format!("{}; it is not used by {}", sentence(rings, places), without.join(" and by ")));
            }
            more.extend(new);
        }
        if more.is_empty() {
            break;
        }
        // A secret that stays in force because of this may be what a third endpoint has now.
        held_back.extend(more);
    }
    for (ring_index, ring) in rings.iter_mut().enumerate() {
        for (index, slot) in ring.slots.iter_mut().enumerate() {
            let was_held_back = std::mem::replace(&mut slot.held_back, held_back.contains(&(ring_index, index)));
            if was_held_back && !slot.held_back && slot.read.is_some() {
                ring.unreported.push(SecretEvent::Loaded { slot: slot.number });
            }
            if !slot.held_back && slot.read.is_some() {
                slot.in_force.clone_from(&slot.read);
            }
        }
    }
    sentences
}

/// Returns the places of each two secrets of different endpoints that are the same. `secret` returns the secret in a place.
fn shared<'a>(rings: &'a [SecretRing], secret: impl Fn(Place) -> Option<&'a Secret>) -> Vec<[Place; 2]> {
    let places = |ring: usize| (0..rings[ring].slots.len()).map(move |slot| (ring, slot));
    let mut found = Vec::new();
    for ring in 0..rings.len() {
        for other in ring + 1..rings.len() {
            for one in places(ring) {
                let same = places(other).filter(|twin| secret(one).zip(secret(*twin)).is_some_and(|(one, twin)| one.same(twin)));
                found.extend(same.map(|twin| [one, twin]));
            }
        }
    }
    found
}

fn sentence(rings: &[SecretRing], places: [Place; 2]) -> String {
    let [(one, endpoint), (twin, other)] = places.map(|(ring, slot)| (rings[ring].slots[slot].name(), &rings[ring].endpoint));
    format!(
        "secret {one} of endpoint {endpoint} is also secret {twin} of endpoint {other}: give each its own, because a signature does not bind the URL"
    )
}
