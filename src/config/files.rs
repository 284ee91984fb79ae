//! Files that are read again while the daemon runs. A user who may write to their folder must not be able to stop the daemon, so nothing
//! here ever waits for something that is not a regular file.

use std::{
    fs::{self, File, FileType, Metadata, OpenOptions},
    io::{Error, ErrorKind, Read as _},
    os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use super::{getters::Section, mistaken};

/// Returns the folder of a file: the working directory where the path names none.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."))
}

/// Reads a regular file of at most `bytes_max` bytes. The error continues a sentence that begins with the file's name.
pub(super) fn read_file(path: &Path, bytes_max: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let file = open(path)?;
    let read = file.take(bytes_max + 1).read_to_end(&mut bytes);
    read.map_err(|error| unreadable(&error))?;
    if bytes.len() as u64 > bytes_max {
        return Err(format!("is larger than {bytes_max} bytes"));
    }
    Ok(bytes)
}

/// Returns the files of a folder in the order of their names. What a link leads to counts. Names that begin with a dot are left out, such as
/// Kubernetes' own `..data`, and so is what is not a file. A file that cannot be looked at is there. The error continues a sentence that
/// begins with the folder's name.
pub(super) fn list_files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| unreadable(&error))? {
        let path = entry.map_err(|error| unreadable(&error))?.path();
        let is_hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if !is_hidden && fs::metadata(&path).map_or(true, |metadata| metadata.is_file()) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Opens a regular file. Anything else is an error that says what it is.
pub(super) fn open(path: &Path) -> Result<File, String> {
    // Opening a device may have an effect on it, so nothing is opened that is known to be a device.
    regular(fs::metadata(path))?;
    let file = open_at_once(path).map_err(|error| unreadable(&error))?;
    regular(file.metadata())?;
    Ok(file)
}

/// Returns whether this user may not look at a path, list the folder there, or read the file there.
pub(super) fn is_denied(path: &Path) -> bool {
    let tried = fs::metadata(path).and_then(|there| match there.file_type() {
        kind if kind.is_dir() => fs::read_dir(path).map(drop),
        kind if kind.is_file() => open_at_once(path).map(drop),
        _ => Ok(()),
    });
    tried.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
}

/// Opens a path. Where another thing than a file has come to it, such as a pipe, this does not wait for a writer.
fn open_at_once(path: &Path) -> Result<File, Error> {
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)
}

fn regular(metadata: Result<Metadata, Error>) -> Result<(), String> {
    let kind = metadata.map_err(|error| unreadable(&error))?.file_type();
    if kind.is_file() { Ok(()) } else { Err(format!("cannot be read: it is {}, not a file", name(kind))) }
}

fn name(kind: FileType) -> &'static str {
    match kind {
        kind if kind.is_dir() => "a directory",
        kind if kind.is_fifo() => "a named pipe",
        kind if kind.is_socket() => "a socket",
        kind if kind.is_char_device() || kind.is_block_device() => "a device",
        _ => "something else",
    }
}

fn unreadable(error: &Error) -> String {
    format!("cannot be read: {}", why_unreadable(error))
}

/// Returns why a file cannot be read, in words that do not repeat its path.
pub(super) fn why_unreadable(error: &Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "no such file".into(),
        ErrorKind::PermissionDenied => "permission denied: the user that runs this may not read it".into(),
        kind => kind.to_string(),
    }
}

/// Reads a key that names a file. Complains if the file cannot be opened now. `otherwise` says, in a word or two, what is used without a
/// file.
pub(super) fn readable_file(table: &mut Section<'_>, key: &'static str, otherwise: &'static str) -> Option<PathBuf> {
    let (path, origin) = table.file(key, otherwise)?;
    if table.is_needed()
        && let Err(fault) = open(Path::new(&path))
    {
        let remark = mistaken::path_remark(&path).map_or_else(String::new, |remark| format!("; {remark}"));
        table.complain(key, origin, &format!("{path:?} {fault}{remark}"));
    }
    Some(path.into())
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::net::UnixListener,
        process::Command,
        sync::atomic::{AtomicBool, Ordering},
        thread,
    };

    use super::*;

    const BYTES_MAX: u64 = 4096;

    fn folder(name: &str) -> std::path::PathBuf {
        let folder = std::env::temp_dir().join(format!("hookgate-files-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn only_regular_files_of_a_bounded_size_are_read_and_nothing_is_waited_for() {
        let folder = folder("kinds");
        let check = |name: &str, expected: Result<usize, &str>| {
            let read = read_file(&folder.join(name), BYTES_MAX);
            assert_eq!(read.map(|bytes| bytes.len()), expected.map_err(str::to_owned), "{name}");
        };
        fs::write(folder.join("file"), [b'a'; 4096]).unwrap();
        fs::write(folder.join("large"), [b'a'; 4097]).unwrap();
        File::create(folder.join("huge")).unwrap().set_len(1 << 40).unwrap();
        assert!(Command::new("mkfifo").arg(folder.join("pipe")).status().unwrap().success());
        let _listener = UnixListener::bind(folder.join("socket")).unwrap();
        std::os::unix::fs::symlink("pipe", folder.join("link")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", folder.join("device")).unwrap();
        std::os::unix::fs::symlink("file", folder.join("linked")).unwrap();
        check("file", Ok(4096));
        check("linked", Ok(4096));
        check("large", Err("is larger than 4096 bytes"));
        check("huge", Err("is larger than 4096 bytes"));
        check("missing", Err("cannot be read: no such file"));
        check("", Err("cannot be read: it is a directory, not a file"));
        check("pipe", Err("cannot be read: it is a named pipe, not a file"));
        check("link", Err("cannot be read: it is a named pipe, not a file"));
        check("socket", Err("cannot be read: it is a socket, not a file"));
        check("device", Err("cannot be read: it is a device, not a file"));
        fs::remove_dir_all(folder).unwrap();
    }

    /// Nobody ever writes to the pipe, so a call that waits for a writer would wait for ever.
    #[test]
    fn a_path_that_flips_between_a_file_and_a_pipe_blocks_nothing() {
        let (folder, stop) = (folder("flips"), AtomicBool::new(false));
        let (path, pipe, file) = (folder.join("path"), folder.join("pipe"), folder.join("file"));
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        fs::write(&file, "secret").unwrap();
        fs::hard_link(&file, &path).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                let next = folder.join("next");
                for target in [&pipe, &file].into_iter().cycle().take_while(|_| !stop.load(Ordering::Relaxed)) {
                    fs::hard_link(target, &next).unwrap();
                    fs::rename(&next, &path).unwrap();
                    // If both are the same file already, it stays.
                    let _renamed = fs::remove_file(&next);
                }
            });
            let reads: Vec<_> = (0..20_000).map(|_| read_file(&path, BYTES_MAX)).collect();
            stop.store(true, Ordering::Relaxed);
            assert!(reads.iter().any(Result::is_ok) && reads.iter().any(Result::is_err), "it did not flip");
            for read in reads {
                let expected = "cannot be read: it is a named pipe, not a file";
                assert!(read == Ok(b"secret".to_vec()) || read == Err(expected.into()), "{read:?}");
            }
        });
        fs::remove_dir_all(folder).unwrap();
    }
}
