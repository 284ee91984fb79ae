//! `hookgate init`: what it writes, what it refuses, and what it shows.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    process::Command,
};

use hookgate::provider::{self, SecretMaker};

use crate::{
    binary::{Folder, Process, hookgate},
    commands::check,
    docs::{document, root},
    first_steps::{self, Newcomer, commands},
    forks,
    harness::{keep_secret, wait_until},
    lifecycle::mock,
    tls,
};

/// The flags of each way to secure the connection, without those that a person fills in later.
const SECURED: &[(&str, &[&str])] = &[
    ("plaintext", &[]),
    ("tls", &["--ca-file", "certificate.pem"]),
    ("mtls", &["--certificate-file", "certificate.pem", "--key-file", "key.pem"]),
    ("scram", &["--username", "hookgate"]),
    ("plain", &["--username", "hookgate", "--ca-file", "certificate.pem"]),
    ("oauth", &["--username", "hookgate", "--token-url", "https://issuer.example/oauth2/token"]),
];

/// Runs `init` with these flags in a folder, and returns the result.
fn init(folder: &Folder, arguments: &[&str]) -> crate::binary::Finished {
    hookgate(folder, &[&["init"], arguments].concat())
}

fn paths(folder: &Folder) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    let mut folders = vec![folder.path("")];
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path.to_str().unwrap().to_owned());
            }
            paths.insert(path.strip_prefix(folder.path("")).unwrap().to_str().unwrap().to_owned());
        }
    }
    paths
}

/// Every selection of providers, as `--providers` takes it, with the names in it.
fn selections() -> Vec<Vec<&'static str>> {
    let names: Vec<&str> = provider::ALL.iter().map(|it| it.name).collect();
    let chosen = |bits: usize| names.iter().enumerate().filter(move |(at, _)| bits >> at & 1 == 1).map(|(_, name)| *name);
    (1..1 << names.len()).map(|bits| chosen(bits).collect()).collect()
}

/// What it writes is good: without a warning, except of the secret that its provider has not made yet.
#[test]
fn every_combination_passes_check() {
    let one_kind = |(security, flags): &(&str, &[&str])| {
        let folder = Folder::new();
        tls::pair().write(&folder);
        folder.write("password", "a-password-of-kafka\n");
        let password: &[&str] = if flags.contains(&"--username") { &["--password", "file:password"] } else { &[] };
        for names in selections() {
            let (all, directory) = (names.join(","), names.join("-"));
            let common =
                ["--brokers", "kafka-1:9092,kafka-2:9092", "--host", "https://hooks.example.com", "--security", security];
            let ran = init(&folder, &[&["--providers", &all, "--directory", &directory], &common[..], flags, password].concat());
            assert_eq!(ran.code, Some(0), "{security} {all}: {ran:?}");
            let checked = check(&folder, &["check", "--json", "--config", &format!("{directory}/hookgate.toml")], 0, &[]);
            let report = checked.json_lines().remove(0);
            let warnings: Vec<&str> = report["warnings"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
            if names.contains(&"frameio") {
                assert!(
                    warnings.len() == 2 && warnings[0].ends_with("/secrets/frameio has no file yet"),
                    "{security} {all}: {report}"
                );
                assert!(warnings[1].starts_with("endpoint frameio has no readable secret yet"), "{security} {all}: {report}");
            } else {
                assert!(warnings.is_empty(), "{security} {all}: {report}");
            }
        }
    };
    std::thread::scope(|scope| SECURED.iter().for_each(|kind| drop(scope.spawn(|| one_kind(kind)))));
}

/// Without `--password` there is an empty file for it. `check` names the file, and once it is filled as printed, all is good.
#[test]
fn an_empty_place_for_the_password_is_named_until_it_is_filled() {
    for (security, flags) in SECURED.iter().filter(|(_, flags)| flags.contains(&"--username")) {
        let newcomer = Newcomer::new("t.");
        tls::pair().write(&newcomer.folder);
        let flags = flags.join(" ");
        let printed = newcomer.init(&format!("--providers uploadcare --brokers kafka:9092 --security {security} {flags}"));
        let [fill, check, _, _] = commands(&printed, "Next:").try_into().unwrap();
        let before = newcomer.paste(&check);
        assert!(before.code == Some(64) && before.err.contains("\"secrets/kafka-password\" is empty"), "{before:?}");
        assert_eq!(newcomer.paste_with(&fill, "a-password-of-kafka\n").code, Some(0));
        let after = newcomer.paste(&format!("{check} --strict"));
        assert_eq!(after.code, Some(0), "{security}: {after:?}");
    }
}

#[test]
fn secrets_are_fresh_and_fit_their_providers() {
    let mut all = BTreeSet::new();
    for _ in 0..2 {
        let newcomer = Newcomer::new("t.");
        let names = provider::all_names().replace(' ', "");
        newcomer.init(&format!("--providers {names} --brokers kafka:9092 --security plaintext"));
        let secrets = newcomer.secrets();
        let private = |path: &str| {
            let mode = fs::metadata(newcomer.folder.path(path)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "nobody else sees the folder {path}");
        };
        for provider in provider::ALL {
            let path = format!("secrets/{}", provider.name);
            let made = secrets.iter().find(|(it, _)| *it == format!("{path}/1"));
            private(&path);
            match provider.secret_maker {
                SecretMaker::Provider => {
                    assert_eq!(fs::read_dir(newcomer.folder.path(&path)).unwrap().count(), 0, "{path}");
                }
                SecretMaker::Operator => {
                    let (_, text) = made.unwrap();
                    assert!(text.ends_with('\n') && text.len() == 33, "{path}");
                    assert!(text.trim_end().bytes().all(|b| b.is_ascii_alphanumeric()), "{path}");
                    assert!(all.insert(text.clone()), "a secret twice");
                }
            }
        }
        private("secrets");
    }
}

const GOOD: [&str; 8] =
    ["--providers", "frameio,filespin", "--brokers", "localhost:9092", "--security", "plaintext", "--host", "hooks.example.com"];

/// A file that exists is named, and then nothing is written. So is a link that leads nowhere.
#[test]
fn nothing_is_overwritten() {
    #[track_caller]
    fn check_kept(existing: &[&str], link: Option<&str>, more: &[&str], named: &[&str]) {
        let folder = Folder::new();
        fs::create_dir_all(folder.path("secrets/filespin")).unwrap();
        for path in existing {
            folder.write(path, "of the user\n");
        }
        if let Some(link) = link {
            symlink("nowhere", folder.path(link)).unwrap();
        }
        let before = paths(&folder);
        for preview in [&[][..], &["--dry-run"]] {
            let ran = check(&folder, &[&["init"], &GOOD[..], more, preview].concat(), 1, &["nothing was written"]);
            let list = ran.err.split_once("exists already: ").unwrap().1.split(';').next().unwrap();
            assert_eq!(list.split(", ").collect::<Vec<_>>(), named, "{ran:?}");
            assert_eq!((paths(&folder), &*ran.out), (before.clone(), ""));
        }
        for path in existing {
            assert_eq!(fs::read_to_string(folder.path(path)).unwrap(), "of the user\n");
        }
    }
    check_kept(&["hookgate.toml"], None, &[], &["hookgate.toml"]);
    check_kept(&["secrets/frameio", "hookgate.toml"], None, &[], &["secrets/frameio", "hookgate.toml"]);
    check_kept(&[], Some("secrets/filespin/1"), &[], &["secrets/filespin/1"]);
    check_kept(&["values.yaml", "secrets.yaml"], None, &["--kubernetes"], &["secrets.yaml", "values.yaml"]);
    // Files of the other form, and secrets of providers that were not chosen, are not in the way.
    let folder = Folder::new();
    fs::create_dir(folder.path("secrets")).unwrap();
    for path in ["values.yaml", "secrets.yaml", "secrets/uploadcare"] {
        folder.write(path, "of the user\n");
    }
    check(&folder, &[&["init"], &GOOD[..]].concat(), 0, &["Written:"]);
    assert_eq!(fs::read_to_string(folder.path("secrets/uploadcare")).unwrap(), "of the user\n");
}

/// What cannot be written leaves nothing.
#[test]
fn all_files_or_none() {
    let folder = Folder::new();
    folder.write("secrets", "a file in the place of the folder");
    check(&folder, &[&["init"], &GOOD[..]].concat(), 1, &["cannot write secrets/frameio", "nothing was written"]);
    assert_eq!(paths(&folder), ["secrets".to_owned()].into());
    // The folder comes with its first file.
    let far = folder.path("a folder/of/its own");
    let ran = check(&folder, &[&["init"], &GOOD[..], &["--directory", &far]].concat(), 0, &[]);
    assert!(ran.out.contains(&format!("check --config '{far}/hookgate.toml'\n")), "{ran:?}");
    check(&folder, &["check", "--config", &format!("{far}/hookgate.toml")], 0, &["is good", "secrets/frameio has no file yet"]);
}

#[test]
fn a_preview_writes_nothing_and_shows_no_secret() {
    let folder = Folder::new();
    for more in [&[][..], &["--kubernetes"]] {
        let preview = check(&folder, &[&["init", "--dry-run"], &GOOD[..], more].concat(), 0, &["Nothing was written."]);
        assert_eq!(paths(&folder), BTreeSet::new(), "{more:?}");
        let written = Folder::new();
        let ran = check(&written, &[&["init"], &GOOD[..], more].concat(), 0, &[]);
        for path in paths(&written).iter().filter(|path| path.contains('.') || path.contains('/')) {
            let metadata = fs::metadata(written.path(path)).unwrap();
            if metadata.is_dir() {
                if fs::read_dir(written.path(path)).unwrap().next().is_some() {
                    // It comes with its first file.
                    continue;
                }
                let heading = format!("{path}, mode 0700: ");
                assert!(preview.out.contains(&heading), "{heading} in {preview:?}");
                continue;
            }
            let text = fs::read_to_string(written.path(path)).unwrap();
            let is_private = metadata.permissions().mode() & 0o777 == 0o600;
            assert_eq!(is_private, path.contains("secrets"), "{path}");
            let heading = format!("{path}{}: ", if is_private { ", mode 0600" } else { "" });
            assert!(preview.out.contains(&heading), "{heading} in {preview:?}");
            for line in text.lines() {
                let secret = line.trim_start_matches("  \"1\": ").trim_matches('"');
                if secret.len() == 32 && secret.bytes().all(|b| b.is_ascii_hexdigit()) {
                    keep_secret(secret);
                    assert!(!ran.out.contains(secret), "{more:?}");
                    assert!(preview.out.contains(&line.replace(secret, "<32 random characters>")), "{preview:?}");
                } else {
                    assert!(preview.out.contains(line), "{line:?} in {preview:?}");
                }
            }
        }
    }
}

/// Without a terminal nothing is asked. Each refusal names the flag.
#[test]
fn flags_that_do_not_fit_are_refused() {
    let folder = Folder::new();
    let refused = |change: &[&str], code: i32, expected: &str| {
        let mut arguments = vec!["init"];
        // Of a flag that is given twice, clap refuses the second one.
        let kept = GOOD.chunks(2).filter(|pair| !change.contains(&pair[0]));
        arguments.extend(kept.flatten().copied());
        arguments.extend(change.iter().filter(|argument| **argument != "--none"));
        check(&folder, &arguments, code, &[expected]);
        assert_eq!(paths(&folder), BTreeSet::new(), "{change:?}");
    };
    check(&folder, &["init"], 2, &["no terminal to ask on", "--providers --brokers --security --host"]);
    refused(&["--providers", "frameio,filspin"], 2, "--providers: there is no provider \"filspin\"; did you mean filespin?");
    refused(&["--providers", "frameio,frameio"], 2, "frameio is there twice");
    refused(&["--providers", ","], 2, "name at least one of filespin, filesafety, frameio, uploadcare");
    refused(&["--brokers", "kafka"], 2, "--brokers: \"kafka\" is not host:port");
    refused(&["--brokers", ""], 2, "--brokers: ");
    refused(&["--security", "sasl"], 2, "[possible values: plaintext, tls, mtls, scram, plain, oauth]");
    for host in
        ["http://hooks.example.com", "https://", "https://hooks.example.com/webhooks", "hooks example", "a'b", "user@host", ""]
    {
        refused(&["--host", host], 2, "--host: is not https:// and a name");
    }
    for host in ["localhost", "https://localhost:8443", "127.0.0.1", "[::1]", "[::1]:8443"] {
        refused(&["--host", host], 2, "--host: is this machine, which no provider reaches");
    }
    for (security, missing) in [("mtls", "--certificate-file"), ("scram", "--username"), ("oauth", "--token-url")] {
        refused(&["--security", security], 2, &format!("{missing} is missing"));
    }
    for flag in ["--ca-file", "--certificate-file", "--key-file", "--username", "--token-url"] {
        refused(&[flag, "anything"], 2, &format!("{flag} has no effect with this --security"));
    }
    let scram = ["--security", "scram", "--username", "hookgate"];
    refused(&[&scram[..], &["--password", "kafka-password"]].concat(), 2, "--password: a secret has no place here");
    refused(&[&scram[..], &["--password", "dir:secrets"]].concat(), 2, "--password: one password cannot be a folder");
    refused(&[&scram[..], &["--password", "env:KAFKA", "--kubernetes"]].concat(), 2, "cannot be used with");
    refused(&["--replication", "0"], 2, "--replication");
    let oauth = ["--security", "oauth", "--username", "hookgate", "--token-url"];
    refused(&[&oauth[..], &["http://far/token"]].concat(), 2, "--token-url: would send client_secret unencrypted");
    // What no flag checks by itself, the configuration does.
    let colon = ["--security", "oauth", "--username", "a:b", "--token-url", "https://issuer.example/token"];
    refused(&colon, 64, "client_id");
}

/// One broker on this machine cannot keep three copies.
#[test]
fn the_replicas_follow_the_brokers() {
    let replicas = |brokers: &str, more: &[&str]| {
        let folder = Folder::new();
        let arguments =
            ["init", "--providers", "filespin", "--brokers", brokers, "--security", "plaintext", "--host", "h.example"];
        check(&folder, &[&arguments[..], more].concat(), 0, &[]);
        let text = fs::read_to_string(folder.path("hookgate.toml")).unwrap();
        text.lines().find_map(|line| line.strip_prefix("replication = ")).unwrap().to_owned()
    };
    assert_eq!(replicas("localhost:9092", &[]), "1");
    assert_eq!(replicas("127.0.0.1:9092,[::1]:9092", &[]), "1");
    assert_eq!(replicas("localhost:9092,kafka:9092", &[]), "3");
    assert_eq!(replicas("kafka:9092", &[]), "3");
    assert_eq!(replicas("localhost:9092", &["--replication", "3"]), "3");
    assert_eq!(replicas("kafka:9092", &["--replication", "2"]), "2");
}

/// The page on which a terminal shows the questions, the answers, and all that is printed.
const PAGE: &str = "docs/quickstart.md";

/// Returns the transcript of `hookgate init` on a terminal of 80 columns, with these answers to its questions.
fn on_a_terminal(folder: &Folder, answers: &[(&str, &str)]) -> String {
    let binary = Path::new(env!("CARGO_BIN_EXE_hookgate"));
    let path = format!("{}:{}", binary.parent().unwrap().display(), std::env::var_os("PATH").unwrap().into_string().unwrap());
    let mut terminal = Command::new("script");
    terminal.args(["-qec", "stty cols 80 && hookgate init", "/dev/null"]);
    terminal.current_dir(folder.path("")).env("PATH", path).env("SHELL", "/bin/sh");
    let (process, mut input) = Process::with_input(terminal);
    for (before, (question, answer)) in answers.iter().enumerate() {
        let asked = |out: &str| out.matches("\r\n> ").count() == before + 1 && out.ends_with(&format!("{question}\r\n> "));
        wait_until(question, || asked(&process.out()));
        writeln!(input, "{answer}").unwrap();
    }
    let finished = process.finish();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    finished.out.replace("\r\n", "\n")
}

/// Each answer is checked at once, and nobody is asked for nothing.
#[test]
fn a_wrong_answer_is_asked_for_again() {
    if forks::output(Command::new("script").arg("--version")).is_err() {
        return;
    }
    let folder = Folder::new();
    let providers = format!("Providers ({})", provider::all_names());
    let security = "Security of Kafka (plaintext, tls, mtls, scram, plain, oauth)";
    let issuer = "Token endpoint of the issuer (a URL)";
    let host = "Public URL of Hookgate (https://…)";
    let answers = [
        (&*providers, "filespin"),
        ("Kafka's brokers (host:port,…)", "localhost:9092"),
        (security, "SSL"),
        (security, "OAUTH"),
        (issuer, "http://far.example/token"),
        (issuer, "https://far.example/token"),
        ("Id of the client at the issuer", "hookgate"),
        (host, "localhost"),
        (host, "hooks.example.com"),
    ];
    let shown = on_a_terminal(&folder, &answers);
    for part in ["there is no \"SSL\"; there are: plaintext, tls", "would send client_secret unencrypted", "is this machine"] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    check(&folder, &["init"], 1, &["exists already: hookgate.toml; nothing was written"]);
}

/// `make bless` writes the page, as it writes snapshots.
#[test]
fn the_quickstart_shows_what_a_terminal_shows() {
    if forks::output(Command::new("script").arg("--version")).is_err() {
        return;
    }
    let folder = Folder::new();
    let providers = format!("Providers ({})", provider::all_names());
    // The answers of a person who errs once.
    let answers = [
        (&*providers, "frameo, filesafety, uploadcare"),
        (&*providers, "filesafety, frameio, uploadcare"),
        ("Kafka's brokers (host:port,…)", "localhost:9092"),
        ("Security of Kafka (plaintext, tls, mtls, scram, plain, oauth)", "plaintext"),
        ("Public URL of Hookgate (https://…)", "hooks.example.com/"),
    ];
    let shown = on_a_terminal(&folder, &answers);
    check(&folder, &["check"], 0, &["is good"]);
    for line in shown.lines() {
        assert!(line.chars().count() <= 80, "a terminal of 80 columns breaks this line: {line}");
    }
    let page = document(PAGE);
    let (before, rest) = page.split_once("```console\n$ hookgate init\n").expect("a transcript of init");
    let (_, after) = rest.split_once("```\n").unwrap();
    let is = format!("{before}```console\n$ hookgate init\n{shown}```\n{after}");
    if std::env::var_os("INSTA_UPDATE").is_some_and(|update| update == "always") {
        fs::write(root().join(PAGE), &is).unwrap();
    } else {
        assert_eq!(is, page, "{PAGE}: `make bless` writes what is shown");
    }
}

#[test]
fn the_whole_way_leads_from_nothing_to_events() {
    let mock = mock();
    let _the_mock_has_no_settings = first_steps::walk(mock.brokers(), "hookgate.");
}
