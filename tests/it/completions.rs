//! The completions, as the shells ask for them.

use std::{path::Path, process::Command};

use crate::{
    binary::{Folder, Process},
    commands::check,
};

const BINARY: &str = env!("CARGO_BIN_EXE_hookgate");

/// A folder with two configurations, and one that cannot be read.
fn folder() -> Folder {
    let folder = Folder::new();
    let config = |name: &str, provider: &str| {
        format!(
            "[kafka]\nbrokers = [\"127.0.0.1:1\"]\n[endpoints.{name}]\nprovider = \"{provider}\"\nsecrets = [\"env:TOKEN\"]\n"
        )
    };
    folder.write("hookgate.toml", config("avatars", "filesafety"));
    folder.write("other.toml", config("photos", "uploadcare"));
    folder.write("bad.toml", "[endpoints.");
    folder
}

/// Runs a program in the folder, with the binary on its path.
fn run(folder: &Folder, mut command: Command) -> String {
    let path = format!("{}:/usr/bin:/bin", Path::new(BINARY).parent().unwrap().display());
    command.current_dir(folder.path("")).env_clear().env("PATH", path);
    let finished = Process::of(command).finish();
    assert!(finished.code == Some(0) && finished.err.is_empty(), "{finished:?}");
    finished.out
}

/// Returns what a real bash offers for the last word of a command line.
fn in_bash(folder: &Folder, line: &[&str]) -> String {
    let script = r#"
        source <(hookgate completions bash) || exit
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_TYPE=9
        _clap_complete_hookgate hookgate "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        echo "${COMPREPLY[*]}""#;
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", script, "bash"]).args(line);
    run(folder, bash).trim_end().to_owned()
}

#[test]
fn a_shell_completes_providers_types_and_endpoints() {
    let folder = folder();
    let check = |line: &str, expected: &str| {
        assert_eq!(in_bash(&folder, &line.split(' ').collect::<Vec<_>>()), expected, "{line}");
    };
    check("hookgate comp", "completions");
    check("hookgate send up", "uploadcare");
    check("hookgate verify av", "avatars");
    check("hookgate send avatars s", "scan.complete scan.verdict_updated");
    check("hookgate send uploadcare file.s", "file.stored");
    check("hookgate send frameio --url http://127.0.0.1:1 comment.c", "comment.completed comment.created");
    check("hookgate tail --provider fil", "filespin filesafety");
    check("hookgate tail --type file.stored,scan.", "file.stored,scan.complete file.stored,scan.verdict_updated");
    check("hookgate tail --endpoint a", "avatars");
    check("hookgate subscribe --config other.toml p", "photos");
    // bash itself takes the sign for a word.
    check("hookgate send --config = other.toml ph", "");
    check("hookgate send --config other.toml photos file.i", "file.infected file.info_updated");
    check("hookgate dev --secret f", "filespin= filesafety= frameio=");
    check("hookgate dev --secret upl", "uploadcare=");
    check("hookgate dev --secret zz", "");
    check("hookgate send --reque", "--request");
    check("hookgate send --request ot", "other.toml");
    // What is not there, and a configuration that cannot be read.
    for nothing in [
        "hookgate send zz",
        "hookgate send uploadcare scan.",
        "hookgate tail --endpoint p",
        "hookgate verify --config bad.toml av",
    ] {
        check(nothing, "");
    }
    check("hookgate send --config bad.toml up", "uploadcare");
}

/// The other shells ask in the same way, and show what each value is.
#[test]
fn each_shell_has_its_script() {
    let folder = folder();
    for (shell, part) in
        [("bash", "complete -o"), ("zsh", "#compdef hookgate"), ("fish", "complete "), ("elvish", "edit:completion")]
    {
        let script = check(&folder, &["completions", shell], 0, &[part, "_HOOKGATE_COMPLETE="]);
        assert!(script.err.is_empty() && !script.out.contains(BINARY), "{script:?}");
    }
    check(&folder, &["completions", "tcsh"], 2, &["bash", "fish", "zsh"]);
    let ask = |shell: &str, line: &[&str]| {
        let mut command = Command::new("env");
        command.args([&format!("_HOOKGATE_COMPLETE={shell}"), &format!("_CLAP_COMPLETE_INDEX={}", line.len() - 1)]);
        command.args([BINARY, "--"]).args(line);
        run(&folder, command).trim_end().to_owned()
    };
    for (shell, between) in [("fish", "\t"), ("zsh", ":")] {
        assert_eq!(ask(shell, &["hookgate", "send", "up"]), format!("uploadcare{between}Uploadcare"));
        assert_eq!(ask(shell, &["hookgate", "send", "--config=other.toml", "ph"]), format!("photos{between}Uploadcare"));
        assert_eq!(ask(shell, &["hookgate", "tail", "--endpoint=a"]), format!("--endpoint=avatars{between}FileSafety"));
        assert_eq!(ask(shell, &["hookgate", "tail", "--endpoint=p"]), "");
        assert_eq!(ask(shell, &["hookgate", "dev", "--secret", "fr"]), format!("frameio={between}Frame.io"));
    }
    // Without the variable it is a command like any other.
    check(&folder, &["--", "hookgate"], 2, &["unrecognized subcommand"]);
}
