//! Endpoints and their secrets: what is refused, what is read again, and that no secret is printed.

use std::{fmt::Write as _, fs};

use super::*;

#[test]
fn endpoints() {
    const NO_LITERAL: &str = "hookgate.toml:15: [endpoints.it] secrets: a secret has no place here; write \"env:NAME\" or \"file:/path\", which say where it is";
    for (more, expected) in [
        ("secrets = [\"env:OTHER\"]", vec!["hookgate.toml:13: [endpoints.it] provider: is missing; there are PROVIDERS"]),
        ("provider = \"frameio\"\nsecrets = [\"hunter2\"]", vec![NO_LITERAL]),
        (
            "provider = \"frameio\"\nsecrets = []",
            vec![
                "hookgate.toml:15: [endpoints.it] secrets: is empty: nobody could prove anything; write \"env:NAME\" or \"file:/path\"",
            ],
        ),
        (
            "provider = \"frameio\"\nsecrets = [\n\"env:GONE\",\n\"env:EMPTY\"]",
            vec![
                "hookgate.toml:16: [endpoints.it] secrets: the variable GONE is not set; export it where Hookgate starts (systemd: EnvironmentFile=, Kubernetes: env)",
                "hookgate.toml:17: [endpoints.it] secrets: the variable EMPTY is empty",
            ],
        ),
        (
            "provider = \"frameio\"\nsecrets = [\"env:\"]",
            vec!["hookgate.toml:15: [endpoints.it] secrets: what follows \"env:\" must be the name of an environment variable"],
        ),
        (
            "provider = \"uploadcare\"\nsecrets = [\"env:LONG\"]",
            vec![
                "hookgate.toml:15: [endpoints.it] secrets: env:LONG is longer than 32 characters, the most that Uploadcare takes: it can never match",
            ],
        ),
        (
            "provider = \"uploadcare\"\nsecrets = [\"env:OTHER\"]\ntolerance = \"5m\"",
            vec!["hookgate.toml:16: [endpoints.it] tolerance: has no effect: TITLE signs no timestamp"],
        ),
        (
            "provider = \"frameio\"\nsecrets = [\"env:OTHER\"]\ntolerance = \"0s\"",
            vec!["hookgate.toml:16: [endpoints.it] tolerance: must lie between 1s and 1d"],
        ),
        (
            "provider = \"filespin\"\nsecrets = [\"env:AVATARS_TOKEN\"]",
            vec![
                "hookgate.toml:5: [endpoints]: secret 1 of endpoint avatars is also secret 1 of endpoint it: give each its own, because a signature does not bind the URL",
            ],
        ),
    ] {
        let long = "x".repeat(33);
        let text = format!("{MINIMAL}\n[endpoints.it]\n{more}");
        let variables = [("OTHER", "another-secret-of-some-length"), ("EMPTY", "\n"), ("LONG", long.as_str())];
        let report = read(&text, &variables, &[]).expect_err("accepted").to_string();
        let title = crate::provider::by_name("uploadcare").unwrap().title;
        let names = crate::provider::all_names();
        let expected: Vec<String> =
            expected.iter().map(|line| line.replace("TITLE", title).replace("PROVIDERS", &names)).collect();
        assert_eq!(report.lines().collect::<Vec<_>>(), expected, "for\n{text}");
    }
}

#[test]
fn numbers_and_names_of_endpoints() {
    let references = ["\"file:/nowhere\""; 17].join(", ");
    check_endpoint(
        &format!("provider = \"frameio\"\nsecrets = [{references}]"),
        &["hookgate.toml:15: [endpoints.it] secrets: holds 17; at most 16 are tried"],
    );
    for name in ["A", "a--b", "-a", "a_", "\"a.b\"", "\"\""] {
        let more = format!("[endpoints.{name}]\nprovider = \"frameio\"\nsecrets = [\"file:/nowhere\"]");
        let shown = name.trim_matches('"');
        check_more(
            &more,
            &[&format!(
                "hookgate.toml:13: [endpoints]: \"{shown}\" is not a name: lower-case letters and digits, with single '-' or '_' between them, at most 64"
            )],
        );
    }
}

#[test]
fn a_secret_file_may_come_later() {
    let text = MINIMAL.replace("env:AVATARS_TOKEN", "file:/nowhere/token");
    let config = accept(&text, &[], &[]);
    assert_eq!(config.warnings, ["[endpoints.avatars] secrets: the file \"/nowhere/token\" cannot be read: no such file"]);
}

/// Characters around a secret still count as part of it. The user is warned, once for each secret, and the warning holds no part of the
/// secret.
#[test]
fn a_secret_that_is_written_down_wrongly_is_warned_of() {
    let folder = directory("mistaken");
    let file = folder.join("s");
    let check = |provider: &str, content: &[u8], expected: &[&str]| {
        fs::write(&file, content).unwrap();
        let reference = format!("file:{}", file.display());
        let text = format!("{MINIMAL}\n[endpoints.it]\nprovider = \"{provider}\"\nsecrets = [\"{reference}\"]");
        let warnings = accept(&text, &[], &[]).warnings;
        let shown = String::from_utf8_lossy(content);
        assert_eq!(warnings.len(), expected.len(), "{shown:?}: {warnings:?}");
        for (warning, expected) in warnings.iter().zip(expected) {
            assert!(warning.starts_with(&format!("[endpoints.it] secrets: {reference} {expected}")), "{shown:?}: {warning}");
            assert!(!warning.contains("hunter"), "{warning}");
        }
    };
    for provider in ["frameio", "filesafety", "uploadcare"] {
        check(provider, b"hunter2-hunter2-hunter2", &[]);
        check(provider, b"hunter2-hunter2-hunter2\r\n", &[]);
        check(provider, b"hunter2-hunter2-hunter2\n\n", &["ends with a second line end: "]);
        check(provider, b" hunter2-hunter2-hunter2", &["begins with a blank: "]);
        check(provider, b"hunter2-hunter2-hunter2 \n", &["ends with a blank: "]);
        check(provider, b"\xef\xbb\xbfhunter2-hunter2-hunter2\n", &["begins with a byte order mark: "]);
        check(provider, b"\"hunter2-hunter2-hunter2\"\n", &["is in quotes: "]);
        check(provider, b"A_B=hunter2-hunter2-hunter2\n", &["begins with a name and \"=\": "]);
        check(
            provider,
            b"A='hunter2-hunter2-hunter' \n",
            &["ends with a blank and begins with a name and \"=\" and is in quotes: "],
        );
        check(provider, b"hunter2-changeme-hunter2", &["holds the placeholder"]);
    }
    for provider in ["frameio", "filesafety"] {
        check(provider, "hunter2-hunter2-hunter2\u{a0}".as_bytes(), &["ends with a character that is not seen (U+00A0): "]);
        check(provider, b"TOKEN = hunter2-hunter2-hunter2\n", &["begins with a name and \"=\": "]);
        check(provider, b"# mine\nhunter2-hunter2-hunter2\n", &["begins with a comment: "]);
        check(provider, b"hunter2-hunter2-hunter2\nhunter2-hunter2-hunter3\n", &["has several lines: "]);
        check(provider, b"{\"token\":\"hunter2-hunter2-hunter2\"}", &["is JSON: "]);
        check(provider, b"file:/run/secrets/hunter2", &["is a reference, which is not followed here: "]);
    }
    check("frameio", b"hunter2 hunter2 hunter2", &["holds a blank, which no generator of secrets makes"]);
    // Only a token goes through a URL.
    check("frameio", b"hunter2+hunter2/hunter2%", &[]);
    check("filespin", b"hunter2+hunter2/hunter2%", &["holds '+', '/', '%' or another character that URLs change"]);
    check("filespin", b"hunter2 +\n\n", &["ends with a second line end: ", "is shorter than 16", "holds '+'"]);
    // The secret is too long only because of the characters around it.
    let text = format!("{MINIMAL}\n[endpoints.it]\nprovider = \"uploadcare\"\nsecrets = [\"env:A\"]");
    let report = read(&text, &[("A", "UPLOADCARE_SECRET=hunter2-hunter2-hunter2")], &[]).expect_err("accepted").to_string();
    assert!(report.ends_with("it can never match; it begins with a name and \"=\""), "{report}");
    // The warning comes whatever the secret is for.
    let sasl = "sasl = {mechanism = \"SCRAM-SHA-256\", username = \"u\", password = \"env:P\"}";
    let registry = "[schema_registry]\nurls = [\"https://r\"]\ntoken = \"env:P\"\n[tracing]\nendpoint = \"https://c\"\nheaders = [\"a=env:P\"]";
    let text = MINIMAL.replacen("[kafka]\n", &format!("[kafka]\nsecurity = \"tls\"\n{sasl}\n"), 1);
    let warnings = accept(&format!("{text}\n{registry}"), &[("P", "'hunter2'")], &[]).warnings;
    for (key, warning) in ["[kafka.sasl] password", "[schema_registry] token", "[tracing] headers"].iter().zip(&warnings) {
        assert!(warning.starts_with(&format!("{key}: env:P is in quotes: ")), "{warnings:?}");
    }
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn paths_that_mean_something_else_are_explained() {
    for (path, expected) in [
        ("~/hunter", "cannot be read: no such file; \"~\" is not your home here but a name like any other; write the whole path"),
        (
            "//nowhere/hunter",
            "cannot be read: no such file; this is a path and no URL, so it means \"/nowhere/hunter\"; write \"file:/nowhere/hunter\"",
        ),
        ("$HOME/hunter", "cannot be read: no such file; variables are not replaced in a path; write the whole path"),
        ("/nowhere/hunter", "cannot be read: no such file"),
    ] {
        let text = MINIMAL.replace("env:AVATARS_TOKEN", &format!("file:{path}"));
        assert_eq!(accept(&text, &[], &[]).warnings, [format!("[endpoints.avatars] secrets: the file {path:?} {expected}")]);
    }
    // The file exists, but its path still looks like a URL.
    let path = directory("url").join("s");
    fs::write(&path, "hunter2-hunter2-hunter2").unwrap();
    let text = MINIMAL.replace("env:AVATARS_TOKEN", &format!("file:/{}", path.display()));
    let warnings = accept(&text, &[], &[]).warnings;
    assert!(matches!(&*warnings, [one] if one.contains(&format!("; write \"file:{}\"", path.display()))), "{warnings:?}");
}

#[test]
fn a_short_secret_is_a_warning() {
    for (variable, proof) in [("AVATARS_TOKEN", "the token in the URL"), ("UPLOADCARE_SECRET", "what is signed with it")] {
        for short in ["x", "123456789012345", "'12345678901234'"] {
            let warnings = accept(MINIMAL, &[(variable, short)], &[]).warnings;
            let expected = format!("env:{variable} is shorter than 16 characters, and {proof} is the only proof of the sender");
            assert_eq!(warnings.iter().filter(|it| it.contains(&expected)).count(), 1, "{short}: {warnings:?}");
        }
        assert_eq!(accept(MINIMAL, &[(variable, "1234567890123456")], &[]).warnings, Vec::<String>::new());
    }
}

/// What a secret proves, and where a better one comes from, differ.
#[test]
fn the_warning_of_a_short_secret_is_true_of_its_provider() {
    let check = |endpoint: &str, secret: &str, expected: &[&str]| {
        let text = format!("{MINIMAL}\n[endpoints.it]\n{endpoint}\nsecrets = [\"env:IT\"]\n");
        let warnings = accept(&text, &[("IT", secret)], &[]).warnings;
        let expected: Vec<String> = expected.iter().map(|it| format!("[endpoints.it] secrets: env:IT {it}")).collect();
        assert_eq!(warnings, expected, "{endpoint}");
    };
    let token = "is shorter than 16 characters, and the token in the URL is the only proof of the sender; `openssl rand -hex 16` makes a good one";
    let signed = token.replace("the token in the URL", "what is signed with it");
    let shown = signed.replace("`openssl rand -hex 16` makes a good one", "write down the whole secret that Frame.io has shown");
    check("provider = \"filesafety\"", "a1b2c3", &[token]);
    check("provider = \"filesafety\"\nsigned_urls = \"required\"", "a1b2c3", &[&signed]);
    check("provider = \"uploadcare\"", "a1b2c3", &[&signed]);
    check("provider = \"frameio\"", "a1b2c3", &[&shown]);
    // Where each scan has a signed URL, no URL holds the secret.
    let changed = "holds '+', '/', '%' or another character that URLs change or end at; take letters and digits alone, such as from \
                   `openssl rand -hex 16`, or register the URL with each of them escaped (\"+\" is %2B)";
    check("provider = \"filesafety\"", "a1b2c3d4+e5f6g7h8/", &[changed]);
    check("provider = \"filesafety\"\nsigned_urls = \"required\"", "a1b2c3d4+e5f6g7h8/", &[]);
}

/// An emptied template leaves blanks or quotes: such a secret would prove anybody who thinks of it.
#[test]
fn a_secret_of_which_nothing_is_left_is_none() {
    let file = directory("nothing").join("s");
    for content in ["   ", "\t\n", "\"\"", "''\n", "\" \"", "SECRET=", "SECRET=\"\"\n", "\u{feff}"] {
        let report = read(MINIMAL, &[("UPLOADCARE_SECRET", content)], &[]).expect_err("accepted").to_string();
        let place = "hookgate.toml:7: [endpoints.uploadcare] secrets: the variable UPLOADCARE_SECRET";
        assert_eq!(report, format!("{place} is empty but for blanks, quotes, line ends or a name"), "{content:?}");
        fs::write(&file, content).unwrap();
        let text = MINIMAL.replace("env:UPLOADCARE_SECRET", &format!("file:{}", file.display()));
        let config = accept(&text, &[], &[]);
        let expected = format!("the file {file:?} is empty but for blanks, quotes, line ends or a name");
        assert_eq!(config.warnings, [format!("[endpoints.uploadcare] secrets: {expected}")], "{content:?}");
        let ring = SecretRing::new(&config.endpoints[1], &environment(&[]));
        assert!(ring.keys().secrets.is_empty() && ring.keys().secret_missing, "{content:?}");
        // A password, too.
        let sasl = "sasl = {mechanism = \"SCRAM-SHA-256\", username = \"u\", password = \"env:P\"}";
        let text = MINIMAL.replacen("[kafka]\n", &format!("[kafka]\nsecurity = \"tls\"\n{sasl}\n"), 1);
        let report = read(&text, &[("P", content)], &[]).expect_err("accepted").to_string();
        assert!(report.contains("[kafka.sasl] password: the variable P is empty but for blanks"), "{content:?}: {report}");
    }
    fs::remove_dir_all(file.parent().unwrap()).unwrap();
}

#[test]
fn secrets_are_never_printed() {
    let extra = "sasl = {mechanism = \"SCRAM-SHA-256\", username = \"u\", password = \"env:PASSWORD\"}\nproperties = {\"client.rack\" = \"hunter-rack\"}";
    let text = MINIMAL.replacen("[kafka]\n", &format!("[kafka]\n{extra}\n"), 1);
    let variables = [("PASSWORD", "hunter-password")];
    let config = accept(&text, &variables, &[]);
    let rings: Vec<_> = config.endpoints.iter().map(|it| SecretRing::new(it, &environment(&variables))).collect();
    let literal = SecretSource::Literal(SecretText::new("hunter-literal"));
    let mut shown =
        format!("{config:?} {config:#?} {} {rings:?} {literal:?} {literal} {:?}", config.redacted(), environment(&variables));
    let wrong = text
        .replace("env:PASSWORD", "hunter-password")
        .replace("env:AVATARS_TOKEN", AVATARS)
        .replace("\"hunter-rack\"", "[\"hunter-rack\"]");
    let problems = read(&wrong, &variables, &[]).expect_err("accepted");
    assert_eq!(problems.problems.len(), 3, "{problems}");
    write!(shown, "{problems} {problems:?}").unwrap();
    let syntax = read(&text.replace("\"env:PASSWORD\"", "hunter-password"), &variables, &[]).expect_err("accepted");
    write!(shown, "{syntax} {syntax:?}").unwrap();
    for secret in ["hunter", UPLOADCARE, AVATARS] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    assert!(shown.contains("env:PASSWORD"));
    assert_eq!(config.kafka.sasl.unwrap().secret().unwrap().reveal(), "hunter-password");
}

/// Reads the secrets of a ring again, and uses them.
fn refresh(ring: &mut SecretRing) -> Vec<SecretEvent> {
    let events = ring.refresh();
    assert_eq!(put_in_force(std::slice::from_mut(ring)), Vec::<String>::new(), "there is no other endpoint");
    events
}

/// Returns whether a ring's slot holds exactly this secret.
fn holds(ring: &SecretRing, slot: u32, text: &[u8]) -> bool {
    let expected = crate::signature::Secret::new(text).unwrap();
    ring.keys().secrets.iter().any(|(number, secret)| *number == slot && secret.same(&expected))
}

#[test]
fn secret_files_are_read_again() {
    let path = directory("ring").join("secret");
    let reference = format!("file:{}", path.display());
    let text = MINIMAL.replace("\"env:UPLOADCARE_SECRET\"", &format!("\"env:UPLOADCARE_SECRET\", \"{reference}\""));
    let config = accept(&text, &[], &[]);
    let mut ring = SecretRing::new(&config.endpoints[1], &environment(&[]));
    let unread =
        |in_force: bool, why: &str| vec![SecretEvent::Kept { slot: 2, in_force, why: format!("the file {path:?} {why}") }];
    let kept = |why: &str| unread(true, why);
    let mistaken = |remark: &str| {
        let why = format!(
            "{reference} {remark}: all of that counts as a part of the secret; write the secret alone, with one line end at most"
        );
        vec![SecretEvent::Changed { slot: 2 }, SecretEvent::Mistaken { slot: 2, why }]
    };

    let mut first = vec![SecretEvent::Loaded { slot: 1 }];
    first.extend(unread(false, "cannot be read: no such file"));
    assert_eq!(refresh(&mut ring), first);
    assert_eq!(ring.keys().secrets.len(), 1);

    let long: Vec<u8> = (b'a'..=b'z').cycle().take(4097).collect();
    for (content, expected, secret) in [
        (&b"one\n"[..], vec![SecretEvent::Loaded { slot: 2 }], &b"one"[..]),
        (b"one\r\n", vec![], b"one"),
        (b"", kept("is empty"), b"one"),
        (b"", vec![], b"one"),
        (b"\n", vec![], b"one"),
        (b" \t\n", kept("is empty but for blanks, quotes, line ends or a name"), b"one"),
        (b"\"\"", vec![], b"one"),
        (b"TOKEN=''\n", vec![], b"one"),
        (b"one", vec![SecretEvent::Loaded { slot: 2 }], b"one"),
        (b"two\n\n", mistaken("ends with a second line end"), b"two\n"),
        (b"two\n\n", vec![], b"two\n"),
        (b" two", mistaken("begins with a blank"), b" two"),
        (&long, kept("is larger than 4096 bytes"), b" two"),
        (b"\xff\xfd", vec![SecretEvent::Changed { slot: 2 }], b"\xff\xfd"),
        (
            &long[..33],
            vec![SecretEvent::Kept {
                slot: 2,
                in_force: true,
                why: format!("{reference} is longer than 32 characters, the most that Uploadcare takes: it can never match"),
            }],
            b"\xff\xfd",
        ),
        (&long[..32], vec![SecretEvent::Changed { slot: 2 }], &long[..32]),
    ] {
        fs::write(&path, content).unwrap();
        assert_eq!(refresh(&mut ring), expected, "for {:?}", String::from_utf8_lossy(content));
        assert!(holds(&ring, 2, secret), "for {:?}", String::from_utf8_lossy(content));
        assert!(holds(&ring, 1, UPLOADCARE.as_bytes()));
    }

    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert_eq!(refresh(&mut ring), kept("cannot be read: it is a directory, not a file"));
    assert!(holds(&ring, 2, &long[..32]));
    fs::remove_dir_all(path.parent().unwrap()).unwrap();
}

/// Where the URL cannot differ from delivery to delivery, a signed URL cannot be demanded.
#[test]
fn signed_urls_are_for_filesafety() {
    let check = |more: &str, expected: &str| {
        let text = format!("{MINIMAL}\n[endpoints.it]\n{more}");
        let report = read(&text, &[("OTHER", "another-secret-of-some-length")], &[]).expect_err("accepted").to_string();
        assert_eq!(report, format!("hookgate.toml:16: [endpoints.it] signed_urls: {expected}"));
    };
    let of = |provider: &str, value: &str| format!("provider = \"{provider}\"\nsecrets = [\"env:OTHER\"]\nsigned_urls = {value}");
    for provider in crate::provider::ALL.iter().filter(|provider| provider.name != "filesafety") {
        let expected = format!("is only for FileSafety: {} calls the same URL for every delivery", provider.title);
        check(&of(provider.name, "\"required\""), &expected);
        check(&of(provider.name, "\"optional\""), &expected);
    }
    check(&of("filesafety", "true"), "a string was expected, a boolean was found");
}
