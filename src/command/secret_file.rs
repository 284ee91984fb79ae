//! The file for a secret that a provider makes and shows once: where it is, and what makes it usable.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::output::shell_word;
use crate::config::{EndpointConfig, FOLDER_FILES_MAX, SecretSource, folder_of};

/// Why a file cannot take a secret, and the command that changes it.
pub(super) struct Unready {
    /// Continues a sentence that begins with the file's name.
    pub(super) why: &'static str,
    pub(super) command: String,
}

/// Returns the file for a new secret of an endpoint: in a folder, the first number that no file has.
fn place(endpoint: &EndpointConfig) -> Option<PathBuf> {
    match endpoint.secrets.first()? {
        SecretSource::File(path) => Some(path.clone()),
        SecretSource::Folder(folder) => {
            let numbered = (1..=FOLDER_FILES_MAX).map(|number| folder.join(number.to_string()));
            let free = numbered.into_iter().find(|path| !path.exists() && !path.is_symlink());
            Some(free.unwrap_or_else(|| folder.join("FILE")))
        }
        SecretSource::Env(_) | SecretSource::Literal(_) => None,
    }
}

/// Returns the file for a new secret of an endpoint, as a word for a shell.
pub(super) fn secret_file(endpoint: &EndpointConfig) -> String {
    place(endpoint).map_or_else(|| "FILE".into(), |path| shell_word(&path.display().to_string()))
}

/// Returns the command that comes before one that names [`secret_file`], where that file cannot take the secret yet.
pub(super) fn command_before(endpoint: &EndpointConfig) -> Option<String> {
    Some(unready(&place(endpoint)?)?.command)
}

/// Returns why a file cannot take a secret yet: its folder is not there, or it is there and empty, and others than its owner may read it.
pub(super) fn unready(path: &Path) -> Option<Unready> {
    let word = |path: &Path| shell_word(&path.display().to_string());
    if !folder_of(path).exists() {
        let command = format!("mkdir -p -m 700 {}", word(folder_of(path)));
        return Some(Unready { why: "cannot be made: its folder is not there", command });
    }
    let is_open_to_others =
        fs::metadata(path).is_ok_and(|it| it.is_file() && it.len() == 0 && it.permissions().mode() & 0o077 != 0);
    let why = "is there, and others than its owner may read it";
    is_open_to_others.then(|| Unready { why, command: format!("chmod 600 {}", word(path)) })
}
