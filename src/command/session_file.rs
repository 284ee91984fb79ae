//! Where a running `hookgate dev` is, for commands in other terminals: a file that only its user may read, because the key of the page is in it.

use std::{
    fs::{self, DirBuilder, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::Failure;
use crate::{
    config::{Environment, folder_of},
    logged::printable,
};

/// A running session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RunningSession {
    /// The address of the page, without a path.
    pub(super) page: String,
    /// The key of the page.
    pub(super) key: String,
}

/// The file of a session, which is removed with this.
pub(super) struct SessionFile {
    path: PathBuf,
    text: String,
}

/// Returns the folder of this program in the user's folder for the state of programs. None if that is not known.
pub(super) fn state_folder(environment: &Environment) -> Option<PathBuf> {
    // By the specification, a relative path counts as none.
    let folder = |name: &str| environment.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = folder("XDG_STATE_HOME").or_else(|| folder("HOME").map(|home| home.join(".local/state")))?;
    Some(state.join("hookgate"))
}

fn path(environment: &Environment) -> Option<PathBuf> {
    state_folder(environment).map(|folder| folder.join("session.json"))
}

impl SessionFile {
    /// Writes where the session is. Another session's file is replaced: the newest one is meant.
    pub(super) fn write(session: &RunningSession, environment: &Environment) -> Result<Self, String> {
        let path = path(environment).ok_or("neither XDG_STATE_HOME nor HOME is set")?;
        let text = json!({ "page": session.page, "key": session.key }).to_string();
        let written = write(&path, &text).map_err(|error| format!("{}: {error}", printable(&path.display().to_string())));
        written.map(|()| Self { path, text })
    }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder_of(path))?;
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    // The mode above is only that of a new file.
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(text.as_bytes())
}

impl Drop for SessionFile {
    fn drop(&mut self) {
        // A later session's file stays.
        if fs::read_to_string(&self.path).is_ok_and(|text| text == self.text) {
            let _gone = fs::remove_file(&self.path);
        }
    }
}

/// Finds the running session.
pub(super) fn find(environment: &Environment) -> Result<RunningSession, Failure> {
    let none = || Failure::Failed("no session of `hookgate dev` runs: start one in another terminal".into());
    let text = path(environment).and_then(|path| fs::read_to_string(path).ok()).ok_or_else(none)?;
    let session: Value = serde_json::from_str(&text).map_err(|_| none())?;
    let text = |name: &str| session[name].as_str().map(str::to_owned).ok_or_else(none);
    Ok(RunningSession { page: text("page")?, key: text("key")? })
}
