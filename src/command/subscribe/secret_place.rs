//! Where the secret of a new webhook goes. The provider shows it once, so the place is there before the webhook is made.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use serde_json::json;

use super::Arguments;
use crate::{
    command::{
        Failure,
        secret_file::{Unready, unready},
    },
    config::folder_of,
};

/// The place for a secret.
pub(super) enum SecretPlace {
    /// A new file, and the path that it gets once it holds the secret. Folders of secrets leave out its name, and another run cannot make it.
    File { new: File, path_of_new: PathBuf, path: PathBuf },
    /// Standard output, as a manifest with this name of a Secret.
    Manifest(String),
}

impl SecretPlace {
    /// Returns the place that the arguments name. A file may be there only if it is empty and nobody else may read it, as an operator may have
    /// made it.
    pub(super) fn open(arguments: &Arguments) -> Result<Self, Failure> {
        match (&arguments.secret_file, &arguments.kubernetes_secret) {
            (Some(path), _) => {
                ready(path)?;
                // What a link leads to is written, and the link stays.
                let path = fs::canonicalize(path).unwrap_or_else(|_| path.clone());
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                let path_of_new = folder_of(&path).join(format!(".{name}.new"));
                let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path_of_new);
                let new = made.map_err(|error| failed(&path_of_new, &not_made(&error)))?;
                Ok(Self::File { new, path_of_new, path })
            }
            (None, Some(name)) => Ok(Self::Manifest(name.clone())),
            (None, None) => Err(Failure::Usage(NO_PLACE.into())),
        }
    }

    /// Keeps the secret of the webhook with this id. When this returns, a file is on the disk. In a Secret the id is the key, so that another
    /// webhook's secret has another.
    pub(super) fn keep(&mut self, id: &str, secret: &str) -> io::Result<()> {
        match self {
            Self::File { new, path_of_new, path } => {
                new.write_all(secret.as_bytes())?;
                new.sync_all()?;
                if holds_something(path) {
                    return Err(io::Error::other("somebody has written to the file meanwhile"));
                }
                fs::rename(path_of_new, &*path)?;
                // The entry of the folder must be on the disk, too.
                File::open(folder_of(path))?.sync_all()
            }
            Self::Manifest(name) => {
                let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
                if id.is_empty() || id.len() > 253 || !id.bytes().all(fits) {
                    return Err(io::Error::other("the id of the webhook cannot be the key of a Secret"));
                }
                let mut out = io::stdout().lock();
                writeln!(out, "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {}\ntype: Opaque", json!(name))?;
                writeln!(out, "stringData:\n  {}: {}", json!(id), json!(secret))?;
                out.flush()
            }
        }
    }

    /// Leaves no secret that does not work.
    pub(super) fn discard(self) {
        if let Self::File { path_of_new, .. } = self {
            // There is nothing else to do: a useless file stays.
            let _stays = fs::remove_file(path_of_new);
        }
    }
}

fn failed(path: &Path, why: &str) -> Failure {
    Failure::Failed(format!("the file {:?} {why}", path.display().to_string()))
}

fn not_made(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::AlreadyExists {
        return "is there already: another run makes a webhook, or one was killed; then look whether it holds a secret, and remove it".into();
    }
    format!("cannot be created: {error}")
}

fn holds_something(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|there| !there.is_file() || there.len() > 0)
}

const NO_PLACE: &str =
    "Frame.io shows the secret of a new webhook once: say where it goes, with --secret-file FILE or --kubernetes-secret NAME";

/// Refuses a file that cannot take a secret, with the command that changes that.
fn ready(path: &Path) -> Result<(), Failure> {
    if holds_something(path) {
        return Err(failed(path, "exists already; a secret that is there is not overwritten"));
    }
    if path.is_symlink() && !path.exists() {
        return Err(failed(path, "is a link that leads nowhere"));
    }
    let failure = |Unready { why, command }| failed(path, &format!("{why}: {command}"));
    unready(path).map_or(Ok(()), |it| Err(failure(it)))
}

/// Refuses arguments that name no place for a secret, which a dry run needs not, or one that cannot take it. A terminal would show it, and other
/// devices, such as /dev/null, would lose it; a standard output that is closed is one of these.
pub(super) fn check(arguments: &Arguments) -> Result<(), Failure> {
    if !arguments.dry_run && arguments.secret_file.is_none() && arguments.kubernetes_secret.is_none() {
        return Err(Failure::Usage(NO_PLACE.into()));
    }
    arguments.secret_file.as_deref().map_or(Ok(()), ready)?;
    let is_device = fs::metadata("/dev/stdout").map_or(true, |output| output.file_type().is_char_device());
    if arguments.kubernetes_secret.is_some() && is_device && !arguments.dry_run {
        return Err(Failure::Usage(
            "--kubernetes-secret prints a secret, which Frame.io shows once: send standard output to a file".into(),
        ));
    }
    Ok(())
}
