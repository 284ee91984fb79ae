//! Where the secret of a new webhook goes. The provider shows it once, so the place is there before the webhook is made.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, IsTerminal as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
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
    /// A file that only its owner can read, and whether it is new.
    File(File, PathBuf, bool),
    /// Standard output, as a manifest with this name of a Secret.
    Manifest(String),
}

impl SecretPlace {
    /// Returns the place that the arguments name. A file may be there only if it is empty and nobody else may read it, as `hookgate init` makes
    /// it.
    pub(super) fn open(arguments: &Arguments) -> Result<Self, Failure> {
        match (&arguments.secret_file, &arguments.kubernetes_secret) {
            (Some(path), _) => {
                let failed = |why: String| Failure::Failed(format!("the file {:?} {why}", path.display().to_string()));
                ready(path)?;
                let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
                match created {
                    Ok(file) => Ok(Self::File(file, path.clone(), true)),
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                        Ok(Self::File(empty(path).map_err(failed)?, path.clone(), false))
                    }
                    Err(error) => Err(failed(format!("cannot be created: {error}"))),
                }
            }
            (None, Some(name)) => Ok(Self::Manifest(name.clone())),
            (None, None) => Err(Failure::Usage(NO_PLACE.into())),
        }
    }

    /// Keeps the secret of the webhook with this id. When this returns, a file is on the disk. In a Secret the id is the key, so that another
    /// webhook's secret has another.
    pub(super) fn keep(&mut self, id: &str, secret: &str) -> io::Result<()> {
        match self {
            Self::File(file, path, _) => {
                file.write_all(secret.as_bytes())?;
                file.sync_all()?;
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

    /// Leaves no secret that does not work: removes a file that was created, and empties one that was there.
    pub(super) fn discard(self) {
        if let Self::File(file, path, is_new) = self {
            // There is nothing else to do: a useless file stays.
            let _stays = if is_new { fs::remove_file(path) } else { file.set_len(0) };
        }
    }
}

/// Opens a file that is there, if it is empty. The error says why not.
fn empty(path: &Path) -> Result<File, String> {
    let there = fs::metadata(path).map_err(|error| error.to_string())?;
    if !there.is_file() || there.len() > 0 {
        return Err("exists already; a secret that is there is not overwritten".into());
    }
    OpenOptions::new().write(true).open(path).map_err(|error| format!("cannot be written: {error}"))
}

const NO_PLACE: &str =
    "Frame.io shows the secret of a new webhook once: say where it goes, with --secret-file FILE or --kubernetes-secret NAME";

/// Refuses a file that cannot take a secret, with the command that changes that.
fn ready(path: &Path) -> Result<(), Failure> {
    let failure =
        |Unready { why, command }| Failure::Failed(format!("the file {:?} {why}: {command}", path.display().to_string()));
    unready(path).map_or(Ok(()), |it| Err(failure(it)))
}

/// Refuses arguments that name no place for a secret, which a dry run needs not, one that cannot take it, or a terminal.
pub(super) fn check(arguments: &Arguments) -> Result<(), Failure> {
    if !arguments.dry_run && arguments.secret_file.is_none() && arguments.kubernetes_secret.is_none() {
        return Err(Failure::Usage(NO_PLACE.into()));
    }
    arguments.secret_file.as_deref().map_or(Ok(()), ready)?;
    if arguments.kubernetes_secret.is_some() && io::stdout().is_terminal() {
        return Err(Failure::Usage(
            "--kubernetes-secret prints a secret: send standard output to a file, or to kubectl apply -f -".into(),
        ));
    }
    Ok(())
}
