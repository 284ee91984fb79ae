//! Folders of secrets: files come, change and go.

use std::{fs, os::unix::fs::symlink, path::Path};

use super::{MINIMAL, UPLOADCARE, accept, directory, environment};
use crate::config::{
    Config,
    secret_folder::FOLDER_FILES_MAX,
    secret_ring::{SecretEvent, SecretRing, put_in_force, read_all, shared_secrets},
};

/// A configuration whose endpoint uploadcare has a folder of secrets, beside what `before` says.
fn with_folder(folder: &Path, before: &str) -> Config {
    let secrets = format!("{before}\"dir:{}\"", folder.display());
    accept(&MINIMAL.replace("\"env:UPLOADCARE_SECRET\"", &secrets), &[], &[])
}

fn ring(config: &Config) -> SecretRing {
    SecretRing::new(&config.endpoints[1], &environment(&[]))
}

/// Reads again, and returns what has happened and the slots that count.
fn refresh(ring: &mut SecretRing) -> (Vec<SecretEvent>, Vec<u32>) {
    let events = ring.refresh();
    assert_eq!(put_in_force(std::slice::from_mut(ring)), Vec::<String>::new());
    (events, ring.keys().secrets.iter().map(|(slot, _)| *slot).collect())
}

fn loaded(slot: u32) -> SecretEvent {
    SecretEvent::Loaded { slot }
}

#[test]
fn files_come_change_and_go() {
    let folder = directory("folder");
    let file = |name: &str| folder.join(name);
    let source = |name: &str| format!("file:{}", file(name).display());
    fs::write(file("b"), "the-secret-of-b-0123\n").unwrap();
    let config = with_folder(&folder, "\"env:UPLOADCARE_SECRET\", ");
    assert_eq!(config.warnings, Vec::<String>::new());
    let mut ring = ring(&config);
    assert_eq!(refresh(&mut ring), (vec![loaded(1), loaded(2)], vec![1, 2]));
    assert_eq!((ring.source(2), ring.slot_max()), (Some(source("b")), 2));

    // A new file is a new slot, whatever its name. Hidden files, folders and pipes are none.
    fs::write(file("a"), "the-secret-of-a-0123").unwrap();
    fs::write(file(".hidden"), "not-a-secret").unwrap();
    fs::create_dir(file("folder")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(file("pipe")).status().unwrap().success());
    assert_eq!(refresh(&mut ring), (vec![loaded(3)], vec![1, 2, 3]));
    assert_eq!(ring.source(3), Some(source("a")));

    // A file that changes keeps its slot, and one that cannot be read keeps its last good secret.
    fs::write(file("b"), "another-secret-of-b").unwrap();
    assert_eq!(refresh(&mut ring), (vec![SecretEvent::Changed { slot: 2 }], vec![1, 2, 3]));
    fs::write(file("b"), "").unwrap();
    let why = format!("the file {:?} is empty", file("b"));
    assert_eq!(refresh(&mut ring), (vec![SecretEvent::Kept { slot: 2, in_force: true, why }], vec![1, 2, 3]));

    // A file that goes takes its secret with it, and its slot is never used again.
    fs::remove_file(file("b")).unwrap();
    assert_eq!(refresh(&mut ring), (vec![SecretEvent::Revoked { slot: 2, source: source("b") }], vec![1, 3]));
    fs::write(file("b"), "the-secret-of-b-0123").unwrap();
    assert_eq!(refresh(&mut ring), (vec![loaded(4)], vec![1, 3, 4]));

    // A folder that cannot be listed keeps its secrets, and is reported once.
    let aside = folder.with_extension("aside");
    fs::rename(&folder, &aside).unwrap();
    let (events, slots) = refresh(&mut ring);
    let why = format!("the folder {folder:?} cannot be read: no such file");
    assert_eq!((&events[0], slots), (&SecretEvent::Folder { why }, vec![1, 3, 4]));
    assert!(events[1..].iter().all(|event| matches!(event, SecretEvent::Kept { in_force: true, .. })), "{events:?}");
    assert_eq!(refresh(&mut ring), (vec![], vec![1, 3, 4]));
    assert!(!ring.keys().secret_missing);
    fs::rename(&aside, &folder).unwrap();
    assert_eq!(refresh(&mut ring), (vec![loaded(3), loaded(4)], vec![1, 3, 4]));
    fs::remove_dir_all(&folder).unwrap();
}

/// Kubernetes makes each file a link into `..data`, which is itself a link that is replaced as a whole.
#[test]
fn the_files_of_a_mounted_secret_are_links() {
    let folder = directory("mounted");
    let publish = |version: &str, names: &[&str]| {
        fs::create_dir(folder.join(version)).unwrap();
        for name in names {
            fs::write(folder.join(version).join(name), format!("{version}-secret-of-{name}")).unwrap();
        }
        symlink(version, folder.join("..data_tmp")).unwrap();
        fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    };
    let link = |name: &str| symlink(format!("..data/{name}"), folder.join(name)).unwrap();
    publish("..one", &["review", "dailies"]);
    link("review");
    link("dailies");
    let mut ring = ring(&with_folder(&folder, ""));
    assert_eq!(refresh(&mut ring), (vec![loaded(1), loaded(2)], vec![1, 2]));
    assert!(ring.source(1).is_some_and(|source| source.ends_with("/dailies")), "in the order of names: {ring:?}");
    // The links of files that are gone lead nowhere for a moment, and then they are removed.
    publish("..two", &["review"]);
    let (events, slots) = refresh(&mut ring);
    assert_eq!((events.len(), slots), (2, vec![1, 2]), "{events:?}");
    fs::remove_file(folder.join("dailies")).unwrap();
    assert_eq!(refresh(&mut ring).1, [2]);
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn what_a_folder_lacks_is_said() {
    let parent = directory("lacks");
    let check = |name: &str, files: &[(&str, &str)], expected: &[&str], missing: bool| {
        let folder = parent.join(name);
        for (file, text) in files {
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(file), text).unwrap();
        }
        let config = with_folder(&folder, "");
        assert_eq!(config.warnings.len(), expected.len(), "{name}: {:?}", config.warnings);
        for (warning, part) in config.warnings.iter().zip(expected) {
            assert!(warning.starts_with("[endpoints.uploadcare] secrets: ") && warning.contains(part), "{warning}");
        }
        let keys = ring(&config).keys();
        assert_eq!(keys.secret_missing, missing, "{name}");
        keys.secrets.len()
    };
    assert_eq!(check("none", &[], &["cannot be read: no such file"], true), 0);
    fs::create_dir(parent.join("empty")).unwrap();
    assert_eq!(check("empty", &[], &["has no file yet"], false), 0);
    assert_eq!(check("short", &[("a", "short")], &["is shorter than 16 characters"], false), 1);
    // A secret that can never match is no reason to refuse the others.
    let long = "a".repeat(33);
    assert_eq!(check("long", &[("a", &long), ("b", "0123456789abcdef")], &["is longer than 32 characters"], true), 1);
    let names: Vec<String> = (0..=FOLDER_FILES_MAX).map(|number| format!("{number:02}")).collect();
    let texts: Vec<String> = names.iter().map(|name| format!("0123456789abcdef{name}")).collect();
    let many: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(texts.iter().map(String::as_str)).collect();
    assert_eq!(check("many", &many, &["has 17 files: only the first 16 by name count"], false), 16);
    fs::remove_dir_all(&parent).unwrap();
}

/// A signature does not bind the URL, so two endpoints never have one secret. What comes with a folder must not stop the daemon.
#[test]
fn a_secret_of_another_endpoint_is_not_used() {
    let folder = directory("clash");
    fs::write(folder.join("a"), super::AVATARS).unwrap();
    fs::write(folder.join("b"), "the-secret-of-b-0123").unwrap();
    let config = with_folder(&folder, "");
    let file = folder.join("a").display().to_string();
    let sentence = &format!("secret 1 of endpoint avatars is also secret 1 (file:{file}) of endpoint uploadcare");
    assert!(
        config.warnings.iter().any(|it| it.contains(sentence) && it.ends_with("; it is not used by uploadcare")),
        "{:?}",
        config.warnings
    );
    let (rings, clashes) = read_all(&config.endpoints, &environment(&[]));
    assert!(clashes.len() == 1 && clashes[0].starts_with(sentence), "{clashes:?}");
    let slots: Vec<Vec<u32>> = rings.iter().map(|ring| ring.keys().secrets.iter().map(|(slot, _)| *slot).collect()).collect();
    assert_eq!((slots, shared_secrets(&rings)), (vec![vec![1], vec![2]], Vec::new()));
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn only_an_endpoint_has_a_folder() {
    let sasl = "sasl = {mechanism = \"SCRAM-SHA-256\", username = \"u\", password = \"dir:/etc\"}";
    let text = MINIMAL.replacen("[kafka]\n", &format!("[kafka]\nsecurity = \"tls\"\n{sasl}\n"), 1);
    let report = super::read(&text, &[("UPLOADCARE_SECRET", UPLOADCARE)], &[]).expect_err("accepted").to_string();
    assert!(report.contains("[kafka.sasl] password: only the secrets of an endpoint can be a folder"), "{report}");
}
