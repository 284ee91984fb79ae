//! `[recover]`: how the commands that get lost events back reach the providers' own APIs. The daemon uses none of it.

use std::path::PathBuf;

use super::{
    Environment,
    getters::Section,
    problem::ValueOrigin,
    secrets::SecretText,
    url::{authorities, ca_file, service},
};
use crate::provider::Provider;

/// The values of the table `[recover]`.
#[derive(Clone, Debug, Default)]
pub struct Recover {
    /// The authorities to trust instead of the built-in ones, as PEM: for a proxy that opens TLS.
    pub ca_file: Option<PathBuf>,
    /// `[recover.filespin]`.
    pub filespin: Option<KeyedApi>,
    /// `[recover.filesafety]`.
    pub filesafety: Option<KeyedApi>,
    /// `[recover.frameio]`.
    pub frameio: Option<FrameioApi>,
    /// `[recover.uploadcare]`.
    pub uploadcare: Option<UploadcareApi>,
}

/// How the commands reach the API of one provider. What they do with it is a match over this enum, so a new API does not compile until each
/// command has its part.
#[derive(Clone, Copy, Debug)]
pub enum ProviderAccess<'a> {
    /// `[recover.filespin]`.
    Filespin(&'a KeyedApi),
    /// `[recover.filesafety]`.
    Filesafety(&'a KeyedApi),
    /// `[recover.frameio]`.
    Frameio(&'a FrameioApi),
    /// `[recover.uploadcare]`.
    Uploadcare(&'a UploadcareApi),
}

/// An API that takes one key.
#[derive(Clone, Debug)]
pub struct KeyedApi {
    /// The URL that paths are appended to, without a slash at the end.
    pub base_url: String,
    /// The key.
    pub api_key: SecretText,
}

/// Uploadcare's REST API.
#[derive(Clone, Debug)]
pub struct UploadcareApi {
    /// The URL that paths are appended to, without a slash at the end.
    pub base_url: String,
    /// The public key of the project, which is no secret.
    pub public_key: String,
    /// The secret key, which signs each request and is never sent.
    pub secret_key: SecretText,
}

/// Frame.io's API, version 4.
#[derive(Clone, Debug)]
pub struct FrameioApi {
    /// The URL that paths are appended to, without a slash at the end.
    pub base_url: String,
    /// The account: a UUID, or `adobe:` and an organization.
    pub account: String,
    /// The workspaces whose webhooks come here; an empty list means all.
    pub workspaces: Vec<String>,
    /// How the commands prove themselves.
    pub login: FrameioLogin,
}

/// How the commands prove themselves to Frame.io.
#[derive(Clone, Debug)]
pub enum FrameioLogin {
    /// An access token that somebody else has got.
    Token(SecretText),
    /// The commands ask Adobe's server for a token, as a service.
    Client {
        /// The client's id, which is no secret.
        id: String,
        /// The client's secret.
        secret: SecretText,
        /// The URL that gives tokens.
        token_url: String,
    },
}

impl Recover {
    /// Returns how to reach the API of a provider, if the configuration says it. There is nothing for a provider whose API Hookgate does not
    /// know: its `Provider::recovered` is `None`.
    pub fn access(&self, provider: &Provider) -> Option<ProviderAccess<'_>> {
        match provider.name {
            "filespin" => self.filespin.as_ref().map(ProviderAccess::Filespin),
            "filesafety" => self.filesafety.as_ref().map(ProviderAccess::Filesafety),
            "frameio" => self.frameio.as_ref().map(ProviderAccess::Frameio),
            "uploadcare" => self.uploadcare.as_ref().map(ProviderAccess::Uploadcare),
            _ => None,
        }
    }

    /// Returns what to write into the table of a provider, for a message.
    pub fn example(provider: &Provider) -> &'static str {
        match provider.name {
            "filespin" => "api_key = \"env:FILESPIN_API_KEY\"",
            "filesafety" => "api_key = \"env:FILESAFETY_API_KEY\"",
            "frameio" => {
                "account = \"the account's id\" and token = \"env:FRAMEIO_TOKEN\", or client_id and client_secret instead of token"
            }
            "uploadcare" => "public_key = \"the project's key\" and secret_key = \"env:UPLOADCARE_SECRET_KEY\"",
            _ => "",
        }
    }

    /// Returns the current contents of `ca_file`. Blocks on the file system.
    pub fn authorities(&self) -> Result<Option<Vec<u8>>, String> {
        self.ca_file.as_deref().map(authorities).transpose()
    }
}

/// Reads the table.
pub(super) fn read(mut table: Section<'_>, environment: &Environment) -> Recover {
    let recover = Recover {
        ca_file: ca_file(&mut table),
        filespin: table.optional_table("filespin").and_then(|it| keyed(it, "https://app.filespin.io", environment)),
        filesafety: table.optional_table("filesafety").and_then(|it| keyed(it, "https://api.filesafety.dev", environment)),
        frameio: table.optional_table("frameio").and_then(|it| frameio(it, environment)),
        uploadcare: table.optional_table("uploadcare").and_then(|it| uploadcare(it, environment)),
    };
    table.finish();
    recover
}

fn keyed(mut table: Section<'_>, base_url: &str, environment: &Environment) -> Option<KeyedApi> {
    let base_url = url(&mut table, "base_url", base_url);
    let api_key = header(&mut table, "api_key", environment);
    table.finish();
    Some(KeyedApi { base_url: base_url?, api_key: api_key? })
}

fn uploadcare(mut table: Section<'_>, environment: &Environment) -> Option<UploadcareApi> {
    let base_url = url(&mut table, "base_url", "https://api.uploadcare.com");
    let public_key = public(&mut table, "public_key", "is missing; it stands beside the secret key in the project's settings");
    let secret_key = table.required_secret("secret_key", environment);
    table.finish();
    Some(UploadcareApi { base_url: base_url?, public_key: public_key?, secret_key: secret_key? })
}

fn frameio(mut table: Section<'_>, environment: &Environment) -> Option<FrameioApi> {
    let base_url = url(&mut table, "base_url", "https://api.frame.io");
    let account = public(&mut table, "account", "is missing; it is the id of the account, a UUID or adobe: and an organization");
    let workspaces = table.list("workspaces");
    let workspaces = workspaces.into_iter().filter_map(|(id, origin)| workspace(&table, &id, origin)).collect();
    let token_written = table.written("token");
    let token = table.secret("token", environment).and_then(|(token, origin)| visible(&table, "token", token, origin));
    let id = table.text("client_id");
    let secret = table.secret("client_secret", environment).map(|(secret, _)| secret);
    let secret_written = table.written("client_secret");
    let token_url = url(&mut table, "token_url", "https://ims-na1.adobelogin.com/ims/token/v3");
    match (&token_written, &id, &secret_written) {
        (None, None, None) => table.missing("token", "is missing; write it, or client_id and client_secret"),
        (None, Some(_), None) => {
            table.missing("client_secret", "is missing beside client_id; write \"env:NAME\" or \"file:/path\"");
        }
        (None, None, Some(_)) => table.missing("client_id", "is missing beside client_secret"),
        (Some(origin), id, secret) if id.is_some() || secret.is_some() => {
            table.complain("token", origin.clone(), "stands beside client_id and client_secret; only one of the two can be used");
        }
        _ => {}
    }
    let login = match (token_written, token) {
        (Some(_), token) => token.map(FrameioLogin::Token),
        (None, _) => {
            id.zip(secret).zip(token_url).map(|(((id, _), secret), token_url)| FrameioLogin::Client { id, secret, token_url })
        }
    };
    table.finish();
    Some(FrameioApi { base_url: base_url?, account: account?, workspaces, login: login? })
}

/// Reads the id of a workspace. One that is no UUID would stand for nothing, and leave out everything.
fn workspace(table: &Section<'_>, id: &str, origin: ValueOrigin) -> Option<String> {
    let groups = id.split('-').map(|group| group.bytes().all(|b| b.is_ascii_hexdigit()).then_some(group.len()));
    if groups.eq([8, 4, 4, 4, 12].map(Some)) {
        return Some(id.to_ascii_lowercase());
    }
    table.complain("workspaces", origin, &format!("{id:?} is no id of a workspace, which is a UUID"));
    None
}

/// Reads the URL of an API. Credentials go there, so it must be encrypted, except on this machine.
fn url(table: &mut Section<'_>, key: &'static str, default: &str) -> Option<String> {
    let (url, origin) = table.text_or(key, default);
    let fault = match service(&url) {
        Some(service) if service.encrypted || service.is_here() => return Some(url.trim_end_matches('/').to_owned()),
        Some(_) => "would send the credentials unencrypted; write https://",
        // The written text may hold a password, so it is not repeated.
        None => "must be https:// with a host, its port if need be, and neither user, password, query nor fragment",
    };
    table.complain(key, origin, fault);
    None
}

/// Reads an id that stands in a path or a header, and is no secret.
fn public(table: &mut Section<'_>, key: &'static str, missing: &str) -> Option<String> {
    let (text, origin) = table.required_text(key, missing)?;
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':' | b'@');
    if text.is_empty() || text.len() > 200 || !text.bytes().all(fits) {
        table.complain(key, origin, "must be letters, digits and - _ . : @ only");
        return None;
    }
    Some(text)
}

/// Reads a secret that stands in a header.
fn header(table: &mut Section<'_>, key: &'static str, environment: &Environment) -> Option<SecretText> {
    let secret = table.required_secret(key, environment)?;
    let origin = table.written(key)?;
    visible(table, key, secret, origin)
}

/// Refuses a secret that a header cannot hold as it is.
fn visible(table: &Section<'_>, key: &str, secret: SecretText, origin: ValueOrigin) -> Option<SecretText> {
    if secret.reveal().bytes().all(|b| b.is_ascii_graphic()) {
        return Some(secret);
    }
    table.complain(key, origin, &format!("{} holds characters that cannot stand in a header", secret.source()));
    None
}
