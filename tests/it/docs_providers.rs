//! Every place that names the providers names all of them: the rows of the tests, documents, the chart, the image, the schema.

use hookgate::provider::{self, CredentialSource, Provider};

use crate::{
    docs::document,
    providers::PROVIDERS,
    tidy::{extension, sources},
};

/// Returns the lines of a file from the first one that contains `begin` up to the next empty line.
fn paragraph(file: &str, begin: &str) -> String {
    let text = document(file);
    let lines = text.lines().skip_while(|line| !line.contains(begin)).take_while(|line| !line.trim().is_empty());
    let paragraph = lines.collect::<Vec<_>>().join("\n");
    assert!(!paragraph.is_empty(), "{file} has nothing with {begin:?}");
    paragraph
}

fn line(file: &str, part: &str) -> String {
    let text = document(file);
    text.lines().find(|line| line.contains(part)).unwrap_or_else(|| panic!("{file} has no line with {part:?}")).to_owned()
}

fn is_token(provider: &Provider) -> bool {
    provider.credential == CredentialSource::UrlToken
}

/// Checks that a text names these providers, and none of the others.
fn check_those(place: &str, text: &str, belongs: fn(&Provider) -> bool, written: fn(&Provider) -> String) {
    for provider in provider::ALL {
        let word = written(provider);
        assert_eq!(text.contains(&word), belongs(provider), "{place}: {word:?} in {text}");
    }
}

fn title(provider: &Provider) -> String {
    provider.title.to_owned()
}

fn every(_: &Provider) -> bool {
    true
}

#[test]
fn the_tests_have_a_row_of_each_provider() {
    let rows: Vec<_> =
        PROVIDERS.iter().map(|case| (case.name, case.sign.is_none(), case.subject[1..].replace('/', "."))).collect();
    let all: Vec<_> = provider::ALL.iter().map(|it| (it.name, is_token(it), it.subject.to_owned())).collect();
    assert_eq!(rows, all, "PROVIDERS in tests/it/providers.rs is provider::ALL in its order");
}

#[test]
fn places_that_name_the_providers_name_all() {
    // These places name all providers in one sentence, as the help does.
    for (file, part) in [
        ("README.md", "It takes webhooks from"),
        ("docs/README.md", "providers.md"),
        ("Cargo.toml", "description = "),
        ("deploy/Dockerfile", "image.description="),
        ("deploy/helm/hookgate/Chart.yaml", "description: "),
    ] {
        let (line, all) = (line(file, part), provider::all_titles());
        assert!(line.contains(&all), "{file} does not say {all:?} here: {line}");
    }
    let row = |provider: &Provider| format!("| {} |", provider.title);
    check_those("the picture in README.md", &paragraph("README.md", "FileSpin ──"), every, |it| format!("{} ", it.title));
    check_those("README.md", &paragraph("README.md", "| proof of the sender |"), every, row);
    check_those("docs/http.md", &paragraph("docs/http.md", "| counts as success |"), every, row);
    let chapter = |provider: &Provider| format!("\n## {}\n", provider.title);
    for page in ["docs/providers.md", "docs/consumers.md"] {
        check_those(page, &document(page), every, chapter);
    }
    let name = |provider: &Provider| format!("`{}`", provider.name);
    check_those("docs/configuration.md", &line("docs/configuration.md", "| `provider` |"), every, name);
    check_those("event.proto", &line("proto/hookgate/v1/event.proto", "// Who sent it"), every, name);
    let keywords = line("deploy/helm/hookgate/Chart.yaml", "keywords: ");
    check_those("the chart's keywords", &keywords, every, |it| it.name.to_owned());
    for (page, part) in
        [("docs/consumer-kit.md", "--go_opt=Mhookgate"), ("docs/schema-registry.md", "hookgate/v1/filesafety.proto")]
    {
        check_those(page, &line(page, part), every, |it| it.name.to_owned());
    }
    let events = line("docs/consumers.md", "- The events of ");
    check_those("docs/consumers.md", &events, every, |it| format!("[{}](", it.title));
    // The fault driver has nothing in common with Hookgate, and so its own list.
    check_those("faults", &document("faults/src/delivery.rs"), every, |it| format!("=> \"{}\",", it.name));
}

/// What a token proves and what a signature proves is written of each provider.
#[test]
fn places_that_distinguish_tokens_from_signatures_name_all() {
    let signs = |provider: &Provider| !is_token(provider);
    let security = |part: &str| line("SECURITY.md", part);
    check_those("docs/http.md", &line("docs/http.md", "proven by the token"), is_token, title);
    check_those("docs/http.md", &line("docs/http.md", "proven by its signature"), signs, title);
    check_those("SECURITY.md", &security("| one who knows the name of a"), signs, title);
    check_those("SECURITY.md", &security(" sign nothing. "), is_token, title);
    check_those("SECURITY.md", &security(" endpoint is no secret"), signs, title);
    check_those("SECURITY.md", &security("with any body: the token"), is_token, title);
    let replay = paragraph("SECURITY.md", "| how long a captured delivery");
    check_those("SECURITY.md", &replay, every, title);
    let tolerance = line("docs/configuration.md", "| `tolerance` |");
    check_those("docs/configuration.md", &tolerance, Provider::signs_time, title);
    let notes = line("deploy/helm/hookgate/templates/NOTES.txt", "?token=");
    check_those("NOTES.txt", &notes, is_token, |it| format!("\"{}\"", it.name));
}

/// Paragraphs that leave a provider out on purpose: the file, a part of the paragraph, and why.
const LEFT_OUT: &[(&str, &str, &str)] = &[
    ("deploy/kubernetes/deployment.yaml", "kind: Deployment", "the endpoint of FileSafety is called avatars"),
    ("deploy/prometheus/rules.test.yaml", "an endpoint whose webhook is off", "nothing is registered at FileSafety"),
    ("docs/kubernetes.md", "for name in filespin avatars", "the endpoint of FileSafety is called avatars"),
    ("docs/subscriptions.md", "$ hookgate subscriptions --host", "nothing is registered at FileSafety"),
    ("docs/subscriptions.md", "names the events that must be there", "nothing is registered at FileSafety"),
    (
        "proto/hookgate/v1/event.proto",
        "enum ProofScheme",
        "FileSpin's proof is a token in the URL, which has no name of a provider",
    ),
    ("docs/subscriptions.md", "switches on what is off", "nothing is registered at FileSafety"),
];

/// Returns whether a text in small letters names a provider, by its title or by its name. `DEV_SECRET_FRAMEIO` does so, too.
fn names(text: &str, provider: &Provider) -> bool {
    let inside = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    [provider.title.to_lowercase(), provider.name.to_owned()].iter().any(|word| {
        text.match_indices(word)
            .any(|(at, _)| !inside(text[..at].chars().next_back()) && !inside(text[at + word.len()..].chars().next()))
    })
}

/// A sentence, a list or a table that names all providers but one has left that one out. Whoever adds a provider finds its places here.
#[test]
fn no_paragraph_leaves_one_provider_out() {
    let is_read = |name: &str| match name {
        "README.md" | "SECURITY.md" | "scripts/deploy/check" => true,
        _ => {
            ["docs/", "deploy/", "proto/"].iter().any(|folder| name.starts_with(folder))
                && matches!(extension(name), "md" | "proto" | "toml" | "txt" | "yaml")
        }
    };
    let (mut found, mut used) = (Vec::new(), vec![false; LEFT_OUT.len()]);
    let (mut files, mut whole) = (0, 0);
    for (file, text) in sources().iter().filter(|(name, _)| is_read(name)) {
        files += 1;
        for paragraph in text.split("\n\n") {
            let small = paragraph.to_lowercase();
            let left_out: Vec<_> = provider::ALL.iter().filter(|provider| !names(&small, provider)).collect();
            whole += usize::from(left_out.is_empty());
            let reason = LEFT_OUT.iter().position(|(page, part, _)| page == file && paragraph.contains(part));
            match (&left_out[..], reason) {
                ([], _) => {}
                (_, Some(place)) => used[place] = true,
                ([one], None) => found.push(format!("{file} leaves {} out here: {}", one.title, paragraph.trim())),
                _ => {}
            }
        }
    }
    assert!(files > 40 && whole > 20, "the search finds too little: {files} files, {whole} paragraphs with all");
    assert!(found.is_empty(), "{}\n\nIf one is right without the provider, say why in LEFT_OUT.", found.join("\n\n"));
    let unused = LEFT_OUT.iter().zip(&used).filter(|(_, used)| !**used).map(|(place, _)| place);
    assert_eq!(unused.collect::<Vec<_>>(), Vec::<&(&str, &str, &str)>::new(), "these name all providers, or are no longer there");
}
