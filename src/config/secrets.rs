//! Secrets: references in the configuration, values in memory, and the files that are read again. No value is ever printed.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use super::{
    Environment,
    files::{folder_of, is_denied, read_file},
    getters::Section,
    mistaken,
    secret_folder::{FOLDER_FILES_MAX, SecretFolder},
};
use crate::{
    provider::{CredentialSource, Provider, SecretMaker},
    signed_url::SignedUrls,
};

/// The largest secret file in bytes; a larger file is something else.
pub const SECRET_FILE_BYTES_MAX: u64 = 4096;

/// A secret with fewer characters than this can be guessed: the token in a URL, and what signs, against a delivery whose signature is known.
const SECRET_CHARACTERS_MIN: usize = 16;

/// A secret as text, with its source. Printing it shows only the source.
#[derive(Clone)]
pub struct SecretText {
    text: String,
    source: String,
}

impl SecretText {
    /// Returns a secret that code has made: for `hookgate dev` and tests.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), source: "literal".into() }
    }

    /// Returns the secret itself.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// Returns the source of the secret: `env:NAME`, `file:PATH`, `dir:PATH` or `literal`.
    pub fn source(&self) -> &str {
        &self.source
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretText({})", self.source)
    }
}

/// The source of a secret.
#[derive(Clone, Debug)]
pub enum SecretSource {
    /// An environment variable, by name; read once.
    Env(String),
    /// A file, read again while the daemon runs; relative to the working directory.
    File(PathBuf),
    /// A folder, of which each file is a secret, listed again while the daemon runs. Only an endpoint has one.
    Folder(PathBuf),
    /// The secret itself. Only `hookgate dev` and tests make one: in a configuration file it is refused.
    Literal(SecretText),
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Folder(path) => write!(f, "dir:{}", path.display()),
            Self::Literal(_) => f.write_str("literal"),
        }
    }
}

impl SecretSource {
    /// Reads `env:NAME`, `file:PATH` or `dir:PATH`. The error says what to write, and never what was written, because that may be the secret.
    pub fn parse(reference: &str) -> Result<Self, String> {
        if let Some(name) = reference.strip_prefix("env:") {
            let shaped = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            return if shaped && !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) {
                Ok(Self::Env(name.into()))
            } else {
                Err("what follows \"env:\" must be the name of an environment variable".into())
            };
        }
        let path = |kind: &str| reference.strip_prefix(kind).and_then(|rest| rest.strip_prefix(':'));
        match (path("file"), path("dir")) {
            (Some(""), _) => Err("what follows \"file:\" must be a path".into()),
            (_, Some("")) => Err("what follows \"dir:\" must be the path of a folder".into()),
            (Some(path), _) => Ok(Self::File(path.into())),
            (_, Some(path)) => Ok(Self::Folder(path.into())),
            _ if reference.starts_with('$') => Err("a variable is written \"env:NAME\", not $NAME".into()),
            _ if reference.starts_with(['/', '~', '.']) => Err("a path is written \"file:/path\"".into()),
            _ if reference
                .split_once(':')
                .is_some_and(|(kind, _)| matches!(&*kind.to_ascii_lowercase(), "env" | "file" | "dir")) =>
            {
                Err("\"env:\", \"file:\" and \"dir:\" are written in small letters".into())
            }
            _ => Err("a secret has no place here; write \"env:NAME\" or \"file:/path\", which say where it is".into()),
        }
    }

    /// Returns the secret as bytes, without its one trailing newline. Errors say why there is none, never what was there.
    pub(super) fn bytes(&self, environment: &Environment) -> Result<Vec<u8>, String> {
        let mut bytes = match self {
            Self::Env(name) => match environment.get(name) {
                Some(text) => text.as_bytes().to_vec(),
                None => {
                    return Err(format!(
                        "the variable {name} is not set; export it where Hookgate starts (systemd: EnvironmentFile=, Kubernetes: env)"
                    ));
                }
            },
            Self::File(path) => {
                let remark = self.path_remark().or_else(|| mistaken::relative_path_remark(path));
                let remark = remark.map_or_else(String::new, |remark| format!("; {remark}"));
                read_file(path, SECRET_FILE_BYTES_MAX)
                    .map_err(|fault| format!("the file {:?} {fault}{remark}", path.display().to_string()))?
            }
            Self::Folder(_) => return Err("only the secrets of an endpoint can be a folder; write \"file:/path\"".into()),
            Self::Literal(text) => text.text.clone().into_bytes(),
        };
        // `echo secret > file` and Kubernetes manifests add a newline.
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
            if bytes.last() == Some(&b'\r') {
                bytes.pop();
            }
        }
        let fault = match bytes.as_slice() {
            [] => "is empty",
            _ if mistaken::holds_nothing(&bytes) => "is empty but for blanks, quotes, line ends or a name",
            _ => return Ok(bytes),
        };
        Err(match self {
            Self::Env(name) => format!("the variable {name} {fault}"),
            Self::File(path) => format!("the file {:?} {fault}", path.display().to_string()),
            Self::Folder(_) | Self::Literal(_) => format!("the secret {fault}"),
        })
    }

    fn path_remark(&self) -> Option<String> {
        match self {
            Self::File(path) | Self::Folder(path) => mistaken::path_remark(&path.display().to_string()),
            Self::Env(_) | Self::Literal(_) => None,
        }
    }

    /// Returns the folder that this names, if it names one.
    pub(super) fn folder(&self) -> Option<SecretFolder> {
        if let Self::Folder(path) = self { Some(SecretFolder::new(path.clone())) } else { None }
    }

    /// Returns the source of each secret: of a folder those of its files, by name.
    pub fn each(&self) -> Result<Vec<Self>, String> {
        let Some(mut folder) = self.folder() else { return Ok(vec![self.clone()]) };
        Ok(folder.list()?.into_iter().map(Self::File).collect())
    }

    /// Returns the source of the secret that new URLs and subscriptions have: of a folder that of its last file by name, because the new file
    /// of a rotation has the later date in its name.
    pub fn newest(&self) -> Result<Self, String> {
        self.each()?.pop().ok_or_else(|| format!("{self} has no file yet"))
    }

    /// Returns whether the place of the secret is there and holds nothing. What cannot be read is not that.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::File(path) => fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() == 0),
            Self::Folder(_) => self.each().is_ok_and(|files| files.iter().all(Self::is_empty)),
            Self::Env(_) | Self::Literal(_) => false,
        }
    }

    /// Returns whether the secret may still come: its place is empty or not there.
    pub fn is_to_come(&self) -> bool {
        let is_absent = |path| fs::metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        self.is_empty() || matches!(self, Self::File(path) | Self::Folder(path) if is_absent(path))
    }

    /// Returns whether this user may not read the place of the secret, or a file in it.
    pub fn is_denied(&self) -> bool {
        match self {
            Self::File(path) => is_denied(path),
            Self::Folder(path) => is_denied(path) || self.each().is_ok_and(|files| files.iter().any(Self::is_denied)),
            Self::Env(_) | Self::Literal(_) => false,
        }
    }

    /// Returns whether a file at this path would be this secret or one of this folder. Fails where the folder would leave the file out.
    pub fn takes(&self, path: &Path) -> Result<bool, String> {
        let Self::Folder(folder) = self else { return Ok(matches!(self, Self::File(it) if it == path)) };
        match (fs::canonicalize(folder_of(path)), fs::canonicalize(folder)) {
            (Ok(parent), Ok(folder)) if parent == folder => {}
            _ => return Ok(false),
        }
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')) {
            return Err(format!("{self} leaves out names that begin with a dot"));
        }
        if self.each()?.len() >= FOLDER_FILES_MAX {
            return Err(format!("{self} has {FOLDER_FILES_MAX} files already, and no more count: remove old ones first"));
        }
        Ok(true)
    }

    /// Returns what about a secret is probably not meant, a sentence each. They hold no part of the secret.
    pub(super) fn remarks(&self, bytes: &[u8]) -> Vec<String> {
        let around = mistaken::look(bytes).map(|it| {
            format!(
                "{self} {}: all of that counts as a part of the secret; write the secret alone, with one line end at most",
                it.remarks()
            )
        });
        let path = self.path_remark().map(|remark| format!("{self}: {remark}"));
        let placeholder = mistaken::is_placeholder(bytes)
            .then(|| format!("{self} holds the placeholder of an example; write the secret in its place"));
        path.into_iter().chain(around).chain(placeholder).collect()
    }

    /// Returns the secret as text, for secrets that are read once.
    pub fn text(&self, environment: &Environment) -> Result<SecretText, String> {
        let text = String::from_utf8(self.bytes(environment)?).map_err(|_| format!("{self} is not UTF-8"))?;
        Ok(SecretText { text, source: self.to_string() })
    }
}

fn characters(bytes: &[u8]) -> usize {
    String::from_utf8_lossy(bytes).chars().count()
}

/// Why a secret can never match at its provider.
pub(super) fn impossible(provider: &Provider, bytes: &[u8]) -> Option<String> {
    let max = provider.secret_characters_max?;
    let too_long = characters(bytes) > max;
    too_long.then(|| format!("is longer than {max} characters, the most that {} takes: it can never match", provider.title))
}

/// Returns why a token cannot be written into a URL as it is, and what to take instead. The text names the source of the token, and holds nothing of
/// it.
pub fn url_token_fault(source: &str, token: &[u8]) -> Option<String> {
    mistaken::changes_in_a_url(token).then(|| {
        format!(
            "{source} holds '+', '/', '%' or another character that URLs change or end at; take letters and digits alone, such as from \
             `openssl rand -hex 16`"
        )
    })
}

/// What else can be done about such a token, where somebody registers its URL by hand.
pub const OR_ESCAPED: &str = ", or register the URL with each of them escaped (\"+\" is %2B)";

/// Reads a secret that a key of a table refers to. Warns of signs that it was written down wrongly.
pub(super) fn resolve(table: &Section<'_>, key: &str, reference: &str, environment: &Environment) -> Result<SecretText, String> {
    let source = SecretSource::parse(reference)?;
    if !table.is_needed() {
        return Ok(SecretText { text: String::new(), source: source.to_string() });
    }
    let text = source.text(environment)?;
    if table.is_for_librdkafka()
        && let Some(fault) = mistaken::cut_by_librdkafka(text.reveal())
    {
        return Err(format!("{source} {fault}"));
    }
    // A header is kept whole, with its scheme.
    let secret = if key == "headers" { mistaken::after_scheme(text.reveal()) } else { text.reveal() };
    for remark in source.remarks(secret.as_bytes()) {
        table.warn(key, &remark);
    }
    Ok(text)
}

/// Checks a reference when the configuration is read. Returns the problem, if it can never work, or else warnings. A file that is not there
/// yet is a warning: the endpoint answers `no_secret` until the file is there. What is wrong with one file of a folder is a warning too, because
/// the other files work without it.
pub(super) fn examine(
    source: &SecretSource,
    (provider, signed_urls): (&Provider, SignedUrls),
    environment: &Environment,
) -> Result<Vec<String>, String> {
    let examine_one = |source: &SecretSource| examine_one(source, (provider, signed_urls), environment);
    let Some(mut folder) = source.folder() else { return examine_one(source) };
    let files = match folder.list() {
        Ok(files) => files,
        Err(fault) => return Ok(vec![fault]),
    };
    let mut warnings: Vec<String> = folder.trouble().map(str::to_owned).into_iter().collect();
    if files.is_empty() {
        warnings.push(format!("{source} has no file yet"));
    }
    for file in files {
        warnings.extend(examine_one(&SecretSource::File(file)).unwrap_or_else(|fault| vec![fault]));
    }
    Ok(warnings)
}

fn examine_one(
    source: &SecretSource,
    (provider, signed_urls): (&Provider, SignedUrls),
    environment: &Environment,
) -> Result<Vec<String>, String> {
    let bytes = match (source.bytes(environment), source) {
        (Ok(bytes), _) => bytes,
        (Err(fault), SecretSource::File(_)) => return Ok(vec![fault]),
        (Err(fault), _) => return Err(fault),
    };
    let mistaken = mistaken::look(&bytes);
    if let Some(fault) = impossible(provider, &bytes) {
        let remark = mistaken.map_or_else(String::new, |it| format!("; it {}", it.remarks()));
        return Err(format!("{source} {fault}{remark}"));
    }
    let mut warnings = source.remarks(&bytes);
    let is_token = provider.credential == CredentialSource::UrlToken && signed_urls == SignedUrls::Optional;
    let is_mistaken = mistaken.is_some();
    // Where it is something else than a secret, its characters say nothing.
    let is_something_else = mistaken.as_ref().is_some_and(|it| it.cleaned == bytes);
    let secret = mistaken.and_then(|it| it.candidates().into_iter().next_back()).unwrap_or(bytes);
    if characters(&secret) < SECRET_CHARACTERS_MIN {
        let proof = if is_token { "the token in the URL" } else { "what is signed with it" };
        let remedy = match provider.secret_maker {
            SecretMaker::Provider => format!("write down the whole secret that {} has shown", provider.title),
            SecretMaker::Operator => "`openssl rand -hex 16` makes a good one".into(),
        };
        warnings.push(format!(
            "{source} is shorter than {SECRET_CHARACTERS_MIN} characters, and {proof} is the only proof of the sender; {remedy}"
        ));
    }
    if !is_token
        && !is_mistaken
        && let Some(what) = mistaken::unusual(&secret)
    {
        warnings.push(format!("{source} holds {what}, which no generator of secrets makes; is it written down whole and alone?"));
    }
    if is_token
        && !is_something_else
        && let Some(fault) = url_token_fault(&source.to_string(), &secret)
    {
        warnings.push(format!("{fault}{OR_ESCAPED}"));
    }
    Ok(warnings)
}
