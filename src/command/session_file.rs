//! Where a running `hookgate dev` is, for commands in other terminals: a file that only its user may read, because the key of the page is in it.

use std::{
    fs::{self, DirBuilder, DirEntry, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::{
    config::{Environment, folder_of},
    logged::printable,
};

/// The header that holds the key of the page.
pub(super) const KEY_HEADER: &str = "hookgate-session";

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

/// The names of the files begin with this. The port of the page follows, so that each session has a file of its own.
const NAME: &str = "session-";

impl SessionFile {
    /// Writes where the session is.
    pub(super) fn write(session: &RunningSession, environment: &Environment) -> Result<Self, String> {
        let folder = state_folder(environment).ok_or("neither XDG_STATE_HOME nor HOME is set")?;
        let port = session.page.rsplit(':').next().unwrap_or_default();
        let path = folder.join(format!("{NAME}{port}.json"));
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

/// Returns the sessions that have a file, the newest one first. One that was killed has a file, too.
pub(super) fn all(environment: &Environment) -> Vec<RunningSession> {
    let Some(entries) = state_folder(environment).and_then(|folder| fs::read_dir(folder).ok()) else { return Vec::new() };
    let is_ours = |entry: &DirEntry| entry.file_name().to_str().is_some_and(|name| name.starts_with(NAME));
    let mut files: Vec<_> = entries
        .flatten()
        .filter(is_ours)
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    files.sort_unstable_by(|one, other| other.cmp(one));
    files.iter().filter_map(|(_, path)| read(path)).collect()
}

fn read(path: &Path) -> Option<RunningSession> {
    let session: Value = serde_json::from_str(&fs::read_to_string(path).ok()?).ok()?;
    let text = |name: &str| session[name].as_str().map(str::to_owned);
    Some(RunningSession { page: text("page")?, key: text("key")? })
}
