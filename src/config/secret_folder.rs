//! A folder of secrets: each file in it is one. A file that comes is a new secret, and a file that goes takes its secret with it.

use std::path::PathBuf;

use super::{files, mistaken};

/// The most files of a folder that count as secrets.
pub const FOLDER_FILES_MAX: usize = 16;

/// A folder of secrets, and how the last listing went.
#[derive(Debug)]
pub(super) struct SecretFolder {
    path: PathBuf,
    /// Whether it was listed once.
    known: bool,
    trouble: Option<String>,
}

impl SecretFolder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, known: false, trouble: None }
    }

    /// Returns the files that count, in the order of their names. If the folder cannot be listed, nothing is known of its files.
    pub(super) fn list(&mut self) -> Result<Vec<PathBuf>, String> {
        let name = format!("the folder {:?}", self.path.display().to_string());
        let listed = files::list_files(&self.path).map_err(|fault| {
            let path = self.path.display().to_string();
            let remark = mistaken::path_remark(&path).or_else(|| mistaken::relative_path_remark(&self.path));
            format!("{name} {fault}{}", remark.map_or_else(String::new, |remark| format!("; {remark}")))
        });
        match listed {
            Ok(mut files) => {
                let more = files.len().saturating_sub(FOLDER_FILES_MAX);
                self.trouble = (more > 0).then(|| {
                    format!("{name} has {} files: only the first {FOLDER_FILES_MAX} by name count; remove old ones", files.len())
                });
                self.known = true;
                files.truncate(FOLDER_FILES_MAX);
                Ok(files)
            }
            Err(why) => {
                self.trouble = Some(why.clone());
                Err(why)
            }
        }
    }

    /// Returns whether the folder was ever listed.
    pub(super) fn is_known(&self) -> bool {
        self.known
    }

    /// Returns what was wrong with the folder when it was listed last.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }
}
