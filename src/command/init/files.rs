//! The files of `hookgate init`: all of them or none, and never over another.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use crate::{command::Failure, logged::printable};

/// A file or a folder that is about to be written.
pub(super) struct NewFile {
    pub(super) path: PathBuf,
    /// What it holds. Without, it is a folder, and empty.
    pub(super) content: Option<String>,
    /// Whether only its owner may read it.
    pub(super) private: bool,
    /// What it is, for people.
    pub(super) what: &'static str,
}

impl NewFile {
    fn name(&self) -> String {
        printable(&self.path.display().to_string())
    }
}

/// Refuses to go on if one of the files exists, also as a link that leads nowhere. The error names all that do.
pub(super) fn assert_none<'p>(paths: impl IntoIterator<Item = &'p Path>) -> Result<(), Failure> {
    let there = paths.into_iter().filter(|path| fs::symlink_metadata(path).is_ok());
    let there: Vec<String> = there.map(|path| printable(&path.display().to_string())).collect();
    if there.is_empty() {
        return Ok(());
    }
    let all = there.join(", ");
    Err(Failure::Failed(format!("exists already: {all}; nothing was written; --directory names another folder")))
}

/// Writes the files. If one cannot be written, those before it are removed, so that another attempt finds none.
pub(super) fn write(files: &[NewFile], directory: &Path) -> Result<(), Failure> {
    for (at, file) in files.iter().enumerate() {
        if let Err(error) = create(file, directory) {
            for written in &files[..at] {
                // The error that counts is the one before.
                let _stays =
                    if written.content.is_some() { fs::remove_file(&written.path) } else { fs::remove_dir(&written.path) };
            }
            return Err(Failure::Failed(format!("cannot write {}: {error}; nothing was written", file.name())));
        }
    }
    Ok(())
}

/// Makes a file in or below the directory, and the folders to it: those below the directory are as private as the file.
fn create(file: &NewFile, directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let below = file.path.parent().and_then(|folder| folder.strip_prefix(directory).ok());
    let mut folder = directory.to_path_buf();
    for name in below.iter().flat_map(|path| path.components()) {
        folder.push(name);
        make_folder(&folder, if file.private { 0o700 } else { 0o755 })?;
    }
    let Some(content) = &file.content else { return DirBuilder::new().mode(0o700).create(&file.path) };
    let mode = if file.private { 0o600 } else { 0o644 };
    // A file that has appeared since the look at it is not overwritten either.
    let mut opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(&file.path)?;
    let written = opened.write_all(content.as_bytes()).and_then(|()| opened.sync_all());
    if written.is_err() {
        // The error that counts is the one before.
        let _stays = fs::remove_file(&file.path);
    }
    written
}

/// Makes a folder of this mode. One that exists stays as it is.
fn make_folder(folder: &Path, mode: u32) -> io::Result<()> {
    match DirBuilder::new().mode(mode).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        outcome => outcome,
    }
}

/// Prints what was written.
pub(super) fn list(out: &mut impl Write, files: &[NewFile]) -> io::Result<()> {
    writeln!(out, "Written:")?;
    let width = files.iter().map(|file| file.name().chars().count()).max().unwrap_or_default();
    for file in files {
        writeln!(out, "  {:width$}  {}", file.name(), file.what)?;
    }
    Ok(())
}

/// Prints each file with its content. The caller has left the secrets out.
pub(super) fn preview(out: &mut impl Write, files: &[NewFile]) -> io::Result<()> {
    for file in files {
        let mode = match file.content {
            None => ", mode 0700",
            Some(_) if file.private => ", mode 0600",
            Some(_) => "",
        };
        writeln!(out, "{}{mode}: {}", file.name(), file.what)?;
        for line in file.content.iter().flat_map(|content| content.lines()) {
            writeln!(out, "    {}", printable(line))?;
        }
        writeln!(out)?;
    }
    Ok(())
}
