//! Documents show commands with their output. Each command is run in a shell, and must print that output.

use std::{env, fs, path::Path, process::Command};

use crate::{
    binary::Folder,
    docs::{document, root},
    forks,
};

/// Calls `command` for each line of a page's console blocks that begins with `$ `. Returns the page with the results in the place of the
/// output that the page shows.
fn replaced(text: &str, mut command: impl FnMut(&str) -> String) -> String {
    let (mut page, mut in_block) = (String::new(), false);
    for line in text.lines() {
        let typed = line.strip_prefix("$ ").filter(|_| in_block);
        in_block = if in_block { line != "```" } else { line == "```console" };
        if !in_block || typed.is_some() || line == "```console" {
            page.extend([line, "\n"]);
        }
        if let Some(typed) = typed {
            page += &command(typed);
        }
    }
    page
}

/// Runs commands in one shell, in an empty folder, and returns what each has printed.
fn run(commands: &[String]) -> Vec<String> {
    // No command prints this line, so it separates the outputs of the commands.
    const END: &str = "=== the end of what a command has printed ===";
    // `$?` must be that of the command, and not of the line that parts them.
    let lines = commands.iter().map(|command| format!("{command}\nlast=$?; echo '{END}'; (exit $last)\n"));
    let (folder, binary) = (Folder::new(), Path::new(env!("CARGO_BIN_EXE_hookgate")));
    let path = format!("PATH='{}':$PATH", binary.parent().unwrap().display());
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{path}\nexec 2>&1\n{}", lines.collect::<String>())]);
    let ran = forks::output(shell.current_dir(folder.path(""))).unwrap();
    let printed = String::from_utf8(ran.stdout).unwrap();
    let printed: Vec<String> = printed.split_terminator(&format!("{END}\n")).map(str::to_owned).collect();
    assert_eq!(printed.len(), commands.len(), "{printed:?}");
    printed
}

/// Compares a page with what its commands print. `make bless` writes the page, as it writes snapshots.
fn check(page: &str, least: usize) {
    let text = document(page);
    let mut commands = Vec::new();
    replaced(&text, |command| {
        commands.push(command.to_owned());
        String::new()
    });
    assert!(commands.len() >= least, "{page} has lost its commands: {commands:?}");
    let mut printed = run(&commands).into_iter();
    let is = replaced(&text, |_| printed.next().unwrap());
    if env::var_os("INSTA_UPDATE").is_some_and(|update| update == "always") {
        fs::write(root().join(page), &is).unwrap();
        return;
    }
    for (is, shown) in is.lines().zip(text.lines()) {
        assert_eq!(is, shown, "{page}: what is printed, and what the page shows; `make bless` writes it");
    }
    assert_eq!(is.lines().count(), text.lines().count(), "{page}: `make bless` writes what is printed");
}

#[test]
fn doctor_prints_what_its_page_shows() {
    check("docs/doctor.md", 3);
}

#[test]
fn verify_prints_what_its_page_shows() {
    check("docs/verify.md", 20);
}
