//! Rules about the source itself: sizes, which module may name what, and leftovers.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use hookgate::provider;

use crate::forks;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the path of every text file of the repository, with its text. The rules do not apply to fixtures, to inputs of the fuzz targets, to
/// licences of others and to files that tools write, so these are left out.
pub fn sources() -> Vec<(String, String)> {
    let listed =
        forks::output(Command::new("git").args(["ls-files", "--cached", "--others", "--exclude-standard"]).current_dir(root()));
    let mut names: Vec<String> = match listed {
        Ok(listed) if listed.status.success() => String::from_utf8(listed.stdout).unwrap().lines().map(str::to_owned).collect(),
        // An archive of a release has no git history.
        _ => walk(),
    };
    let given = ["tests/fixtures/", "fuzz/corpus/", "fuzz/regressions/", "scripts/tools/texts/", "THIRD-PARTY.txt"];
    names.retain(|name| !given.iter().any(|folder| name.starts_with(folder)) && !matches!(extension(name), "snap" | "lock"));
    names.sort();
    // Files that are not text, or that have been deleted, are skipped.
    let sources: Vec<_> =
        names.into_iter().filter_map(|name| fs::read_to_string(root().join(&name)).ok().map(|text| (name, text))).collect();
    assert!(sources.iter().any(|(name, _)| name == "src/lib.rs"), "the search for sources finds too little");
    sources
}

fn walk() -> Vec<String> {
    let (mut names, mut folders) = (Vec::new(), vec![root().to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if path.is_file() {
                names.push(path.strip_prefix(root()).unwrap().to_string_lossy().into_owned());
            }
        }
    }
    names
}

pub fn rust() -> Vec<(String, String)> {
    sources().into_iter().filter(|(name, _)| extension(name) == "rs").collect()
}

pub fn extension(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(_, extension)| extension)
}

pub fn is_test(name: &str) -> bool {
    name.starts_with("tests/") || name.contains("/tests/") || name.ends_with("/tests.rs")
}

/// Fails with all places that break a rule.
fn none(rule: &str, places: &[String]) {
    assert!(places.is_empty(), "{rule}:\n{}", places.join("\n"));
}

/// Returns the lines of the library for which a condition holds, without its tests, its comments and the allowed places.
fn lines_where(holds: impl Fn(&str) -> bool, allowed: &[&str]) -> Vec<String> {
    let mut places = Vec::new();
    for (name, text) in rust() {
        if !name.starts_with("src/") || is_test(&name) || allowed.iter().any(|place| name.starts_with(place)) {
            continue;
        }
        // The test module is at the end of a file.
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let lines = code.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//") && holds(line));
        places.extend(lines.map(|(at, line)| format!("{name}:{}: {}", at + 1, line.trim())));
    }
    places
}

/// Returns whether a line contains a whole word.
pub fn word(line: &str, word: &str) -> bool {
    let goes_on = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + word.len()..]);
        !before.ends_with(goes_on) && !after.starts_with(goes_on)
    })
}

#[test]
fn files_are_short() {
    const MOST: usize = 400;
    let too_long = |(name, text): (String, String)| {
        let lines = text.lines().count();
        (lines > MOST).then(|| format!("{name}: {lines} lines, {MOST} at most"))
    };
    none("a file that outgrows this becomes a folder", &rust().into_iter().filter_map(too_long).collect::<Vec<_>>());
}

#[test]
fn functions_are_short() {
    const MOST: usize = 60;
    let mut places = Vec::new();
    for (name, text) in rust() {
        places.extend(
            functions(&text)
                .into_iter()
                .filter(|(_, _, lines)| *lines > MOST)
                .map(|(function, at, lines)| format!("{name}:{at}: {function} has {lines} lines, {MOST} at most")),
        );
    }
    none("long functions", &places);
    let example = "impl X {\n    pub fn a(\n        &self,\n    ) -> u8 {\n        1\n    }\n    fn b() {}\n}\nfn c() {\n}\n";
    assert_eq!(functions(example), [("a".to_owned(), 2, 5), ("c".to_owned(), 9, 2)], "the measure itself");
}

/// Returns the functions of more than one line: name, first line and length. It relies on rustfmt: the closing brace of a body has the
/// indentation of its function.
fn functions(text: &str) -> Vec<(String, usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut functions = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let indent = &line[..line.len() - code.len()];
        let Some((before, after)) = code.split_once("fn ") else { continue };
        let modifier = |word: &str| word.starts_with("pub") || matches!(word, "const" | "async" | "in" | "crate)" | "super)");
        let name: String = after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if name.is_empty() || !before.split_whitespace().all(modifier) || code.ends_with([';', '}']) {
            continue;
        }
        let end = lines[at..].iter().position(|line| *line == format!("{indent}}}"));
        functions.extend(end.map(|end| (name, at + 1, end + 1)));
    }
    functions
}

/// Returns whether a line names an item of a module.
fn names(line: &str, module: &str) -> bool {
    let path = format!("{module}::");
    line.match_indices(&path).any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

/// Checks that a condition holds only in the allowed places, and that it does hold in each of them. A rule that finds nothing anywhere would
/// not work.
fn only(rule: &str, holds: impl Fn(&str) -> bool, allowed: &[&str]) {
    none(rule, &lines_where(&holds, allowed));
    let everywhere = lines_where(&holds, &[]);
    for place in allowed {
        assert!(everywhere.iter().any(|it| it.starts_with(place)), "{rule}: {place} is allowed to and does not");
    }
}

#[test]
fn modules_keep_to_themselves() {
    only("only kafka knows Kafka", |line| names(line, "rdkafka"), &["src/kafka/"]);
    let http = ["axum", "hyper", "hyper_util", "http_body_util", "httparse", "tower"];
    let knows_http = |line: &str| http.iter().any(|module| names(line, module));
    only(
        "only http, the admin port and the page of dev know HTTP",
        knows_http,
        &["src/http/", "src/admin", "src/command/dev/inspector/"],
    );
    let spans = ["opentelemetry", "opentelemetry_proto", "opentelemetry_sdk"];
    only("only spans knows OpenTelemetry", |line| spans.iter().any(|module| names(line, module)), &["src/spans/"]);
    let reads = |line: &str| ["fs", "env", "File"].iter().any(|module| names(line, module));
    // These commands read or write files that their arguments name, and `dev` its own. A shell asks for completions by the arguments.
    let readers = [
        "src/config/",
        "src/command/capture.rs",
        "src/command/completions.rs",
        "src/command/dev/secrets.rs",
        "src/command/init/files.rs",
        "src/command/input.rs",
        "src/command/list_file.rs",
        "src/command/schema/",
        "src/command/send.rs",
        "src/command/secret_file.rs",
        "src/command/session_file.rs",
        "src/command/subscribe/secret_place.rs",
        "src/command/textfile.rs",
    ];
    only("only config reads files and the environment", reads, &readers);
    only("only metrics names a metric", |line| line.contains("\"hookgate_"), &["src/metrics/"]);
    let series = |line: &str| ["counter!(", "gauge!(", "histogram!("].iter().any(|made| line.contains(made));
    only("only the table of metrics makes series", series, &["src/metrics/table.rs"]);
    // These start a daemon, are commands of people, only warn about certificates, or use a library with its own clock.
    let clock =
        ["src/app.rs", "src/command/", "src/config/tls.rs", "src/kafka/handshake.rs", "src/kafka/iam.rs", "src/spans/mod.rs"];
    only(
        "only a signal to a command ends the process at once",
        |line| line.contains("process::exit"),
        &["src/command/serve.rs", "src/command/tail/mod.rs"],
    );
    only("only the outermost reads the clock of the machine", |line| line.contains("clock::system"), &clock);
    let outside = |line: &str| ["now(", "TcpStream", "fs::", "thread::"].iter().any(|call| line.contains(call));
    let provider: Vec<_> = lines_where(outside, &[]).into_iter().filter(|place| place.starts_with("src/provider/")).collect();
    none("no provider reads the clock or does I/O", &provider);
}

/// Returns the name of the type that a line defines at the top level of a file.
fn type_name(line: &str) -> Option<&str> {
    let line = match line.split_once(' ') {
        Some((visibility, rest)) if visibility.starts_with("pub") => rest,
        _ => line,
    };
    let name = ["struct ", "enum ", "union ", "trait ", "type "].iter().find_map(|kind| line.strip_prefix(kind))?;
    name.split(|c: char| !c.is_alphanumeric()).next()
}

/// Type names are unique, so that a search for one type finds no other.
#[test]
fn each_type_has_its_own_name() {
    // Each command has a type for its arguments, and each provider's wire format one for its body.
    const SHARED: [&str; 2] = ["Arguments", "Body"];
    let mut defined = BTreeMap::<String, Vec<String>>::new();
    for place in lines_where(|line| type_name(line).is_some(), &[]) {
        let (_, line) = place.split_once(": ").expect("a place and its line");
        defined.entry(type_name(line).expect("it defines one").to_owned()).or_default().push(place.clone());
    }
    let twice: BTreeMap<_, _> = defined.into_iter().filter(|(_, places)| places.len() > 1).collect();
    assert_eq!(twice.keys().collect::<Vec<_>>(), SHARED, "{twice:#?}");
}

/// Returns whether two names differ by at most one letter.
fn alike(one: &str, other: &str) -> bool {
    let front = one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    let (one, other) = (&one.as_bytes()[front..], &other.as_bytes()[front..]);
    let back = one.iter().rev().zip(other.iter().rev()).take_while(|(a, b)| a == b).count();
    one.len().max(other.len()) - back <= 1
}

/// Names of files differ enough, so that nobody opens the wrong file.
#[test]
fn files_in_a_folder_differ_by_more_than_a_letter() {
    assert!(alike("section", "sections") && alike("texts", "tests") && !alike("server", "serving"), "the measure itself");
    let files = rust();
    let split = |name: &'_ str| name.rsplit_once('/').map(|(folder, name)| (folder.to_owned(), name.to_owned()));
    let files: Vec<(String, String)> = files.iter().filter_map(|(name, _)| split(name)).collect();
    let mut places = Vec::new();
    for (index, (folder, name)) in files.iter().enumerate() {
        let near = files[..index].iter().filter(|(other, it)| other == folder && alike(it, name));
        places.extend(near.map(|(_, other)| format!("{folder}: {other} and {name}")));
    }
    none("files that are one letter apart", &places);
}

#[test]
fn every_provider_is_listed_and_has_fixtures() {
    let folders = |path: PathBuf| -> BTreeSet<String> {
        let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
        let folders = entries.filter(|path| path.is_dir()).map(|path| path.file_name().unwrap().to_string_lossy().into_owned());
        folders.collect()
    };
    let listed: BTreeSet<String> = provider::ALL.iter().map(|provider| provider.name.to_owned()).collect();
    assert_eq!(listed.len(), provider::ALL.len(), "a name twice");
    let mut found = folders(root().join("src/provider"));
    // These folders are shared by all providers.
    found.remove("json");
    found.remove("tests");
    assert_eq!(found, listed, "folders of src/provider and provider::ALL");
    assert_eq!(folders(root().join("tests/fixtures")), listed, "folders of tests/fixtures and provider::ALL");
}

#[test]
fn there_are_no_leftovers() {
    // The words are written in two halves, so that the search does not find this file.
    let leftovers =
        [("FIX", "ME"), ("XX", "X"), ("TO", "DO"), ("to", "do!"), ("db", "g!"), ("unimplement", "ed!"), ("#[ign", "ore")]
            .map(|(first, second)| format!("{first}{second}"));
    let mut places = Vec::new();
    for (name, text) in sources() {
        for (at, line) in text.lines().enumerate() {
            let found = leftovers.iter().find(|leftover| word(line, leftover)).map(String::as_str);
            let blank = (line.ends_with([' ', '\t'])).then_some("trailing white space");
            places.extend(found.or(blank).map(|what| format!("{name}:{}: {what}", at + 1)));
        }
        // A JSON file can be the exact body of a delivery, which need not end with a newline.
        if !text.is_empty() && !text.ends_with('\n') && extension(&name) != "json" {
            places.push(format!("{name}: no newline at its end"));
        }
        if matches!(extension(&name), "new" | "orig" | "rej") {
            places.push(format!("{name}: left by a tool"));
        }
    }
    none("leftovers", &places);
}

/// The image is built from the files that `.dockerignore` does not exclude, and the crate from the files in `include`. Files that the build
/// needs must be in both.
#[test]
fn the_image_gets_all_files_of_the_crate() {
    let read = |name: &str| fs::read_to_string(root().join(name)).unwrap();
    let (manifest, ignore) = (read("Cargo.toml"), read(".dockerignore"));
    let include = manifest.lines().find_map(|line| line.strip_prefix("include = [")).expect("the crate lists its files");
    let included: Vec<&str> = include.split('"').filter_map(|part| part.strip_prefix('/')).collect();
    let through: Vec<&str> = ignore.lines().filter_map(|line| line.strip_prefix('!')).collect();
    assert!(included.contains(&"src") && through.contains(&"src"), "the lists are read");
    let missing: Vec<_> = included.iter().filter(|path| !through.iter().any(|it| path.starts_with(it))).collect();
    assert!(missing.is_empty(), "not in the image's context: {missing:?}");
}

/// The image is built with the same compiler as in CI.
#[test]
fn one_compiler_is_named_everywhere() {
    let read = |name: &str| fs::read_to_string(root().join(name)).unwrap();
    let (toolchain, dockerfile) = (read("rust-toolchain.toml"), read("deploy/Dockerfile"));
    let pinned = toolchain.lines().find_map(|line| line.strip_prefix("channel = \"")?.strip_suffix("\"")).expect("a version");
    let image = dockerfile.split_once("docker.io/library/rust:").expect("an image").1;
    let image = image.split('-').next().unwrap_or_default();
    assert!(pinned == image || pinned.strip_prefix(image).is_some_and(|rest| rest.starts_with('.')), "{pinned} and {image}");
}
