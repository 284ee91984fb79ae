//! The secrets of `hookgate dev`: those that were given, those of the environment, and for the others a file of the user's, so that what was entered
//! at a provider still holds at the next start.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use crate::{
    command::{Failure, fresh_secret, note, output::shell_word, session_file},
    config::{Environment, SecretSource, folder_of, url_token_fault},
    logged::printable,
    provider::{self, CredentialSource, Provider},
};

/// The fewest characters of a secret. The session takes its secrets out of all that it keeps, so none may be a word that stands there anyway, such
/// as the name of an endpoint.
const CHARACTERS_MIN: usize = 12;

/// A secret on the command line.
#[derive(Clone, Debug)]
pub(super) struct GivenSecret {
    provider: &'static str,
    source: SecretSource,
}

/// Reads `PROVIDER=REFERENCE`. The error never holds what was written, because that may be the secret.
pub(super) fn given(text: &str) -> Result<GivenSecret, String> {
    let (name, reference) = text.split_once('=').ok_or("write PROVIDER=env:NAME or PROVIDER=file:PATH")?;
    let names = provider::all_names();
    let provider = provider::by_name(name).ok_or_else(|| format!("there is no such provider; there are {names}"))?;
    Ok(GivenSecret { provider: provider.name, source: SecretSource::parse(reference)? })
}

/// Fails where a provider has more than one secret.
pub(super) fn once_each(given: Vec<GivenSecret>) -> Result<Vec<GivenSecret>, String> {
    let mut names = BTreeSet::new();
    match given.iter().find(|it| !names.insert(it.provider)) {
        Some(twice) => Err(format!("{} has two; a session takes one of each provider", twice.provider)),
        None => Ok(given),
    }
}

/// The secret of a provider for one session.
#[derive(Clone)]
pub(super) struct DevSecret {
    pub(super) provider: &'static Provider,
    pub(super) text: String,
    pub(super) home: SecretHome,
}

/// What keeps a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SecretHome {
    /// The user: this is the reference.
    Given(String),
    /// The file of this command.
    Kept,
    /// Nothing: the next session has another one.
    Session,
}

impl DevSecret {
    /// Returns the reference to the secret for other commands.
    pub(super) fn reference(&self) -> String {
        match &self.home {
            SecretHome::Given(reference) => reference.clone(),
            SecretHome::Kept | SecretHome::Session => format!("env:{}", variable(self.provider.name)),
        }
    }
}

/// Returns the variable with the secret of a provider.
pub(super) fn variable(provider: &str) -> String {
    format!("DEV_SECRET_{}", provider.to_uppercase())
}

/// Returns the secret of each provider. Those that are nowhere yet are made, and written to the file.
pub(super) fn load(given: &[GivenSecret], environment: &Environment, file: Option<&Path>) -> Result<Vec<DevSecret>, Failure> {
    let kept = file.map(read).transpose()?.unwrap_or_default();
    let mut secrets = Vec::new();
    for provider in provider::ALL.iter().copied() {
        let name = variable(provider.name);
        let source = given.iter().find(|it| it.provider == provider.name).map(|it| it.source.clone());
        let source = source.or_else(|| environment.get(&name).map(|_| SecretSource::Env(name.clone())));
        let (text, home) = match (source, kept.get(&name)) {
            (Some(source), _) => (source.text(environment)?.reveal().to_owned(), SecretHome::Given(source.to_string())),
            (None, Some(text)) => (text.clone(), SecretHome::Kept),
            (None, None) => (fresh_secret()?, SecretHome::Session),
        };
        let place = match (&home, file) {
            (SecretHome::Kept, Some(file)) => format!("{}: {name}", printable(&file.display().to_string())),
            (SecretHome::Given(reference), _) => reference.clone(),
            _ => name,
        };
        fault(provider, &place, &text).map_or(Ok(()), |fault| Err(Failure::Failed(fault)))?;
        secrets.push(DevSecret { provider, text, home });
    }
    let fresh: Vec<&mut DevSecret> = secrets.iter_mut().filter(|it| it.home == SecretHome::Session).collect();
    let lines: Vec<String> = fresh.iter().map(|it| format!("export {}={}\n", variable(it.provider.name), it.text)).collect();
    let written = match file {
        Some(file) if !lines.is_empty() => {
            append(file, &lines.concat()).map_err(|error| format!("{}: {error}", printable(&file.display().to_string())))
        }
        Some(_) => Ok(()),
        None => Err("neither XDG_STATE_HOME nor HOME is set".to_owned()),
    };
    match written {
        Ok(()) => fresh.into_iter().for_each(|it| it.home = SecretHome::Kept),
        Err(_) if fresh.is_empty() => {}
        Err(why) => note(&format!("new secrets are for this session only: {why}")),
    }
    Ok(secrets)
}

/// Returns why a session cannot take a secret, and what to do. A shell puts a token into the URLs that the session prints, so a URL must not change
/// it.
fn fault(provider: &Provider, place: &str, secret: &str) -> Option<String> {
    if secret.chars().count() < CHARACTERS_MIN {
        return Some(format!(
            "{place} has fewer than {CHARACTERS_MIN} characters, and the session could not tell it from other text that it shows; take a longer \
             one, such as from `openssl rand -hex 16`"
        ));
    }
    if provider.credential == CredentialSource::UrlToken { url_token_fault(place, secret.as_bytes()) } else { None }
}

/// Returns the commands that give the secrets to another terminal. Those that the user keeps need none.
pub(super) fn commands(secrets: &[DevSecret], file: Option<&Path>, home: Option<&str>) -> Vec<String> {
    let of = |home: &SecretHome| secrets.iter().filter(move |it| it.home == *home).collect::<Vec<_>>();
    let file = file.filter(|_| !of(&SecretHome::Kept).is_empty()).map(|file| {
        let short = home.and_then(|home| file.strip_prefix(home).ok());
        let word = short.map_or_else(|| file.display().to_string(), |rest| rest.display().to_string());
        format!(". {}{}", if short.is_some() { "~/" } else { "" }, shell_word(&word))
    });
    let session = of(&SecretHome::Session);
    let exported: Vec<String> = session.iter().map(|it| format!("{}={}", variable(it.provider.name), it.text)).collect();
    let export = (!exported.is_empty()).then(|| format!("export {}", exported.join(" ")));
    file.into_iter().chain(export).collect()
}

/// Returns where the secrets are kept: in the user's folder for the state of programs. None if that is not known.
pub(super) fn file(environment: &Environment) -> Option<PathBuf> {
    session_file::state_folder(environment).map(|folder| folder.join("dev.env"))
}

/// Reads the secrets of a file. One that is not there has none.
fn read(file: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let name = printable(&file.display().to_string());
    let metadata = match fs::metadata(file) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound) => return Ok(BTreeMap::new()),
        metadata => metadata.map_err(|error| format!("{name}: {error}"))?,
    };
    if !metadata.is_file() {
        return Err(Failure::Failed(format!("{name}: this is no file; move it away")));
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        let word = shell_word(&file.display().to_string());
        let why = "others than its owner may read this file of secrets; remove it to get new ones, or close it:";
        return Err(Failure::Failed(format!("{name}: {why}\n  chmod 600 {word}")));
    }
    let text = fs::read_to_string(file).map_err(|error| format!("{name}: {error}"))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    let pairs = lines.map(|(at, line)| {
        pair(line).ok_or_else(|| Failure::Failed(format!("{name}:{}: write export NAME=SECRET, or remove the line", at + 1)))
    });
    pairs.collect()
}

/// Reads a line as a shell would: `export NAME=SECRET`, with single quotes around the secret where it needs some.
fn pair(line: &str) -> Option<(String, String)> {
    let (name, value) = line.strip_prefix("export ")?.split_once('=')?;
    let quoted = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\''));
    let is_plain = quoted.map_or(shell_word(value) == value, |inner| !inner.contains('\''));
    let text = quoted.unwrap_or(value);
    (is_plain && !text.is_empty()).then(|| (name.to_owned(), text.to_owned()))
}

/// Adds lines to a file that only its owner may read, and makes the file and its folder where they are not there.
fn append(file: &Path, lines: &str) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder_of(file))?;
    let mut opened = OpenOptions::new().append(true).create(true).mode(0o600).open(file)?;
    // Somebody may have written a line by hand, without an end.
    let is_open = fs::read(file)?.last().is_some_and(|last| *last != b'\n');
    // One write, so that two sessions that start at one time do not mix their lines.
    opened.write_all(format!("{}{lines}", if is_open { "\n" } else { "" }).as_bytes())
}

#[cfg(test)]
mod tests;
