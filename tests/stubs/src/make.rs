//! Events of every type, in the books and as the webhooks that the providers would have sent for them.

mod bodies;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::{
    Books, Provider, filesafety, filespin,
    frameio::{EVENTS, Entry},
    time::{Micros, SECOND},
};

/// An event that has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened {
    /// At which provider.
    pub provider: Provider,
    /// The type, as the provider's webhook names it; that of the audit log if there is no webhook for it.
    pub kind: String,
    /// The id of the file, scan, asset or thing.
    pub subject: String,
    /// When, as exactly as the provider writes times.
    pub at: Micros,
    /// The body of the webhook, if there is one.
    pub body: Option<Vec<u8>>,
}

impl Happened {
    /// Returns the headers of the webhook with the signature that its provider makes, as sent at `sent`, in seconds since 1970.
    pub fn headers(&self, secret: &str, sent: i64) -> Vec<(&'static str, String)> {
        let mut headers = vec![("content-type", "application/json".to_owned())];
        let body = self.body.as_deref().unwrap_or_default();
        let sign = |before: &str| {
            let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length");
            mac.update(before.as_bytes());
            mac.update(body);
            hex::encode(mac.finalize().into_bytes())
        };
        match self.provider {
            Provider::Uploadcare => headers.push(("x-uc-signature", format!("v1={}", sign("")))),
            Provider::Frameio => {
                headers.push(("x-frameio-request-timestamp", sent.to_string()));
                headers.push(("x-frameio-signature", format!("v0={}", sign(&format!("v0:{sent}:")))));
            }
            // These sign nothing.
            Provider::Filespin | Provider::Filesafety => {}
        }
        headers
    }
}

/// Numbers that look random and are the same for the same seed.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end.max(1)).unwrap_or(1)).unwrap_or(0)
    }

    fn uuid(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        let (first, second, third) = (high >> 32, high >> 16 & 0xffff, high & 0xfff);
        format!("{first:08x}-{second:04x}-4{third:03x}-8{:03x}-{:012x}", low >> 52, low & 0xffff_ffff_ffff)
    }

    /// Returns `each` times of a window, equal in pairs, every other pair with a zero at the end, so that Uploadcare writes five digits.
    fn times(&mut self, each: usize, (from, to): (Micros, Micros)) -> Vec<Micros> {
        let length = usize::try_from(to - from).unwrap_or(0);
        let mut times = Vec::with_capacity(each);
        while times.len() < each {
            let raw = from + Micros::try_from(self.below(length)).unwrap_or(0);
            let five = times.len() % 4 < 2;
            let time = if five { raw - raw % 10 } else { raw - raw % 10 + 3 };
            let time = if time < from || time >= to { from } else { time };
            times.extend(std::iter::repeat_n(time, 2.min(each - times.len())));
        }
        times
    }
}

/// Adds at least `each` events of every type to the books, between two times, the second of which is left out, and returns them in the order
/// in which they happened. What they need from before lies in the 20 hours before the window. Of FileSafety's revised scans each has two
/// events.
pub fn make(books: &mut Books, seed: u64, each: usize, window: (Micros, Micros)) -> Vec<Happened> {
    let mut random = Random(seed);
    let mut happened = uploadcare(books, &mut random, each, window);
    happened.extend(frameio(books, &mut random, each, window));
    happened.extend(filespin_events(books, &mut random, each, window));
    happened.extend(filesafety_events(books, &mut random, each, window));
    happened.sort_by_key(|event| event.at);
    books.happened.extend(happened.iter().cloned());
    happened
}

fn before((from, _): (Micros, Micros)) -> (Micros, Micros) {
    (from - 20 * 3600 * SECOND, from - 3600 * SECOND)
}

fn uploadcare(books: &mut Books, random: &mut Random, each: usize, window: (Micros, Micros)) -> Vec<Happened> {
    let project = &mut books.uploadcare;
    let mut happened = Vec::new();
    for uploaded in random.times(each, window) {
        let uuid = project.upload(uploaded);
        happened.push(bodies::uploadcare("file.uploaded", project.file(&uuid), uploaded));
    }
    // Files of before, so that no event takes the trace of another away.
    for kind in ["file.stored", "file.deleted", "file.infected", "file.info_updated"] {
        let uploads = random.times(each, before(window));
        for (at, uploaded) in random.times(each, window).into_iter().zip(uploads) {
            let uuid = project.upload(uploaded);
            match kind {
                "file.stored" => project.file(&uuid).stored = Some(at),
                "file.deleted" => project.remove(&uuid, at),
                "file.infected" => project.file(&uuid).infected = Some(at),
                // No book has the time of it.
                _ => {}
            }
            happened.push(bodies::uploadcare(kind, project.file(&uuid), at));
        }
    }
    happened
}

fn frameio(books: &mut Books, random: &mut Random, each: usize, window: (Micros, Micros)) -> Vec<Happened> {
    let account = &mut books.frameio;
    let (mut happened, mut entries) = (Vec::new(), Vec::new());
    let users = [random.uuid(), random.uuid()];
    let more = [("", Some("bulk_assets_deleted"), "asset"), ("", Some("asset_never_heard_of"), "asset")];
    for (webhook, audit, thing) in EVENTS.into_iter().chain(more) {
        let mut resource = random.uuid();
        for (number, at) in random.times(each, window).into_iter().enumerate() {
            // The events of a pair are twins where a thing can change twice at once.
            if number % 2 == 0 || !(webhook.ends_with("updated") || webhook.ends_with("viewed")) {
                resource = random.uuid();
            }
            let anonymous = webhook == "share.viewed" && number % 4 < 2;
            let user = (!anonymous).then(|| users[number / 2 % 2].clone());
            let workspace = (!webhook.starts_with("customfield.")).then(|| account.workspaces[0].clone());
            // A file that is ready was uploaded, which the log says.
            match webhook {
                "file.ready" => account.files.push((resource.clone(), "transcoded".into())),
                "file.upload.completed" => account.files.push((resource.clone(), "uploaded".into())),
                _ => {}
            }
            let entry = Entry {
                event_type: audit.unwrap_or_default().into(),
                at,
                resource_id: resource.clone(),
                resource_type: thing.into(),
                user_id: user,
                workspace_id: workspace,
            };
            happened.push(bodies::frameio(webhook, &entry, account));
            if webhook == "file.ready" {
                let uploaded = Entry { event_type: "file_uploaded".into(), ..entry };
                happened.push(bodies::frameio("file.upload.completed", &uploaded, account));
                entries.push(uploaded);
            } else if audit.is_some() {
                entries.push(entry);
            }
        }
    }
    // In no order, as nothing promises one.
    for end in (1..entries.len()).rev() {
        entries.swap(end, random.below(end + 1));
    }
    account.entries.extend(entries);
    happened
}

fn filespin_events(books: &mut Books, random: &mut Random, each: usize, window: (Micros, Micros)) -> Vec<Happened> {
    let account = &mut books.filespin;
    let mut happened = Vec::new();
    // Times have whole seconds, none of which may be before the window.
    let whole = |at: Micros| if at - at % SECOND < window.0 { at - at % SECOND + SECOND } else { at - at % SECOND };
    let fresh = random.times(each, window);
    for uploaded in fresh.into_iter().map(whole) {
        let processed = (uploaded + 20 * SECOND).min(uploaded.max(whole(window.1 - 2 * SECOND)));
        let id = account.upload("NOT_READY", uploaded, uploaded);
        let asset = account.assets.last_mut().expect("it was added");
        happened.push(bodies::filespin("file-saved", asset, uploaded));
        (asset.status, asset.updated) = ("OK".into(), processed);
        happened.push(bodies::filespin("file-processed", asset, processed));
        debug_assert_eq!(asset.id, id);
    }
    for kind in ["file-data-updated", "addon-processed", "file-deleted", "file-undeleted"] {
        let uploads = random.times(each, before(window));
        for (at, uploaded) in random.times(each, window).into_iter().map(whole).zip(uploads) {
            let uploaded = uploaded - uploaded % SECOND;
            let changes = matches!(kind, "file-data-updated" | "addon-processed");
            account.upload("OK", uploaded, if changes { at } else { uploaded });
            let asset: &mut filespin::Asset = account.assets.last_mut().expect("it was added");
            asset.trashed = kind == "file-deleted";
            happened.push(bodies::filespin(kind, asset, at));
        }
    }
    happened
}

fn filesafety_events(books: &mut Books, random: &mut Random, each: usize, window: (Micros, Micros)) -> Vec<Happened> {
    const VERDICTS: [&str; 6] = ["clean", "infected", "nsfw", "toxic", "mixed", "failed"];
    let account = &mut books.filesafety;
    let mut happened = Vec::new();
    let milliseconds = |at: Micros| (at - at % 1000).max(window.0);
    for (number, at) in random.times(each, window).into_iter().map(milliseconds).enumerate() {
        let verdict = VERDICTS[number % VERDICTS.len()];
        let id = account.scan(verdict, at);
        let scan = account.of(&id);
        happened.push(bodies::filesafety("scan.complete", scan, at));
        // A scan that has failed has no verdict in the API.
        if verdict == "failed" {
            scan.status = "failed".into();
        }
    }
    for at in random.times(each, window).into_iter().map(milliseconds) {
        let id = account.scan("clean", at);
        let scan: &mut filesafety::Scan = account.of(&id);
        happened.push(bodies::filesafety("scan.complete", scan, at));
        let revised = (at + 30 * SECOND).min(milliseconds(window.1 - 1000)).max(at);
        (scan.verdict, scan.completed) = ("infected".into(), revised);
        happened.push(bodies::filesafety("scan.verdict_updated", scan, revised));
    }
    happened
}
