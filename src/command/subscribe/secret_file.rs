//! Where the secret of a new webhook goes. The provider shows it once, so the place is there before the webhook is made.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, IsTerminal as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use serde_json::json;

use super::Arguments;
use crate::command::Failure;

/// The place for a secret.
pub(super) enum SecretPlace {
    /// A new file that only its owner can read.
    File(File, PathBuf),
    /// Standard output, as a manifest with these names of a Secret and of its key.
    Manifest(String, String),
}

impl SecretPlace {
    /// Returns the place that the arguments name. A file is created, and must not have been there.
    pub(super) fn open(arguments: &Arguments, key: &str) -> Result<Self, Failure> {
        match (&arguments.secret_file, &arguments.kubernetes_secret) {
            (Some(path), _) => {
                let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
                let failed = |error| Failure::Failed(format!("cannot create the file {:?}: {error}", path.display().to_string()));
                Ok(Self::File(file.map_err(failed)?, path.clone()))
            }
            (None, Some(name)) => Ok(Self::Manifest(name.clone(), key.to_owned())),
            (None, None) => Err(Failure::Usage(NO_PLACE.into())),
        }
    }

    /// Keeps the secret. When this returns, a file is on the disk.
    pub(super) fn keep(&mut self, secret: &str) -> io::Result<()> {
        match self {
            Self::File(file, path) => {
                file.write_all(secret.as_bytes())?;
                file.sync_all()?;
                let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
                // The entry of the folder must be on the disk, too.
                File::open(folder)?.sync_all()
            }
            Self::Manifest(name, key) => {
                let mut out = io::stdout().lock();
                writeln!(out, "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {}\ntype: Opaque", json!(name))?;
                writeln!(out, "stringData:\n  {}: {}", json!(key), json!(secret))?;
                out.flush()
            }
        }
    }

    /// Removes a file that was created and holds no secret that works.
    pub(super) fn discard(self) {
        if let Self::File(file, path) = self {
            drop(file);
            // There is nothing else to do: an empty or useless file stays.
            let _stays = fs::remove_file(path);
        }
    }
}

const NO_PLACE: &str =
    "Frame.io shows the secret of a new webhook once: say where it goes, with --secret-file FILE or --kubernetes-secret NAME";

/// Refuses arguments that name no place for a secret, or a terminal.
pub(super) fn check(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.secret_file.is_none() && arguments.kubernetes_secret.is_none() {
        return Err(Failure::Usage(NO_PLACE.into()));
    }
    if arguments.kubernetes_secret.is_some() && io::stdout().is_terminal() {
        return Err(Failure::Usage(
            "--kubernetes-secret prints a secret: send standard output to a file, or to kubectl apply -f -".into(),
        ));
    }
    Ok(())
}
