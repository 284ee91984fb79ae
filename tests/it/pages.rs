//! The documents as pages: the targets of links exist, each page is in the index, and the decisions have one form.

use std::{collections::BTreeSet, fs, path::Path};

use crate::{
    docs::{document, root},
    tidy::{extension, sources, word},
};

/// Returns the path of every page of the repository.
pub fn pages() -> Vec<String> {
    let pages: Vec<String> = sources().into_iter().map(|(name, _)| name).filter(|name| extension(name) == "md").collect();
    assert!(pages.iter().any(|page| page.starts_with("docs/runbooks/")), "the search for pages finds too little: {pages:?}");
    pages
}

/// Returns the targets of the links of a page, without links that lead out of the repository.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .filter(|link| !link.starts_with("https://") && !link.starts_with("http://"))
}

/// Returns the anchor that a forge gives a heading.
fn anchor_of(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
    text.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect()
}

#[test]
fn links_have_targets() {
    for path in pages() {
        let text = document(&path);
        let folder = Path::new(&path).parent().unwrap_or(Path::new(""));
        for link in links(&text) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { root().join(&path) } else { root().join(folder).join(file) };
            // A forge shows a folder as a list, and a picture has no headings.
            if target.is_dir() || target.is_file() && extension(file) == "jpg" {
                continue;
            }
            let linked = fs::read_to_string(&target).unwrap_or_else(|error| panic!("{path}: {link}: {error}"));
            let anchors: Vec<String> = linked.lines().filter(|line| line.starts_with('#')).map(anchor_of).collect();
            assert!(anchor.is_empty() || anchors.iter().any(|it| it == anchor), "{path}: {link}: no such heading in {anchors:?}");
        }
    }
}

#[test]
fn every_page_is_in_the_index() {
    let (index, architecture) = (document("docs/README.md"), document("ARCHITECTURE.md"));
    let linked: BTreeSet<&str> = links(&index).collect();
    let from_architecture: BTreeSet<&str> = links(&architecture).collect();
    for page in pages().iter().filter_map(|page| page.strip_prefix("docs/")) {
        // The index has one entry for all runbooks, because each alert links its own runbook.
        if page == "README.md" || page.starts_with("runbooks/") {
            continue;
        }
        assert!(linked.contains(page), "docs/README.md does not link {page}");
        let listed = !page.starts_with("decisions/") || from_architecture.contains(&*format!("docs/{page}"));
        assert!(listed, "ARCHITECTURE.md does not link docs/{page}");
    }
    assert!(linked.contains("runbooks"), "docs/README.md does not link the runbooks");
}

#[test]
fn decisions_have_one_form() {
    let decisions: Vec<String> = pages().into_iter().filter(|page| page.starts_with("docs/decisions/")).collect();
    assert!(decisions.len() > 10, "{decisions:?}");
    let (index, architecture) = (document("docs/README.md"), document("ARCHITECTURE.md"));
    for (number, page) in (1..).zip(&decisions) {
        let text = document(page);
        let title = text.lines().next().and_then(|line| line.strip_prefix(&format!("# {number}. ")));
        let title = title.unwrap_or_else(|| panic!("the heading of {page} does not begin with its number, {number}"));
        assert!(page.starts_with(&format!("docs/decisions/{number:04}-")), "{page} is number {number}");
        for (list, text) in [("docs/README.md", &index), ("ARCHITECTURE.md", &architecture)] {
            assert!(text.contains(&format!("[{title}](")), "{list} has another title of {page} than {title:?}");
        }
        let headings: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        let form = ["Context", "Decision", "Consequences", "What would change our mind"];
        let kept: Vec<&str> = headings.iter().copied().filter(|heading| form.contains(heading)).collect();
        assert_eq!(kept, form, "{page}");
    }
}

/// Returns the texts of the program: its source, and the page of log messages, which another test compares with the source.
fn texts() -> String {
    let code = sources().into_iter().filter(|(name, _)| name.starts_with("src/") && extension(name) == "rs");
    // A text that continues in the next line counts as one text.
    let code = code.map(|(_, text)| text.split("\\\n").map(str::trim_start).collect::<String>().replace("\\\"", "\""));
    code.collect::<String>() + &document("docs/logging.md")
}

/// Readers search for the message that they see. So each quotation in the first cell of a table of symptoms must be a text of the program.
#[test]
fn the_symptoms_are_what_the_program_says() {
    let (text, texts) = (document("docs/troubleshooting.md"), texts());
    let symptoms = text.lines().filter_map(|line| line.strip_prefix("| `")).filter_map(|line| line.split(" | ").next());
    // These quotations are of the operating system, of Kafka, and of commands.
    let others = ["Address already in use", "InvalidReplicationFactor", "curl ", "hookgate ", "kill ", "….unclassified"];
    let mut quoted = 0;
    for cell in symptoms {
        for quote in format!("`{cell}").split('`').skip(1).step_by(2) {
            if !others.iter().any(|other| quote.starts_with(other)) {
                assert!(texts.contains(quote), "no text of the program contains {quote:?}");
                quoted += 1;
            }
        }
    }
    assert!(quoted > 30, "the tables have lost their symptoms: {quoted}");
}

/// The page about upgrades says which versions are tested. The scripts say which versions they start.
#[test]
fn the_tested_versions_are_those_of_the_scripts() {
    let text = document("docs/upgrading.md");
    let check = |what: &str, file: &str, before: &str| {
        let file_text = document(file);
        let (_, rest) = file_text.split_once(before).unwrap_or_else(|| panic!("{file} has no {before:?}"));
        let version: String = rest.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
        let version = version.trim_end_matches('.');
        assert!(!version.is_empty(), "{file} has no version after {before:?}");
        let row = text.lines().find(|line| line.starts_with(&format!("| {what} |"))).unwrap_or_else(|| panic!("no row {what}"));
        assert!(row.contains(version), "docs/upgrading.md has another version of {what} than {file}, {version}: {row}");
    };
    check("Apache Kafka", "scripts/kafka/pom.xml", "<kafka.version>");
    check("Apache Kafka, older", "Makefile", "for version in 3.3.2 ");
    check("Apache Kafka, older", "Makefile", "for version in ");
    check("schema registry", "scripts/kafka/schema-registry", "version=");
    check("Rust", "Cargo.toml", "rust-version = \"");
    check("Kubernetes", "docs/kubernetes.md", "on one node of Kubernetes ");
}

/// Returns the lines of a page without code: without blocks, and without text between backticks.
fn prose(text: &str) -> impl Iterator<Item = (usize, String)> {
    let mut in_block = false;
    text.lines().zip(1..).filter_map(move |(line, at)| {
        let fence = line.trim_start().starts_with("```");
        in_block ^= fence;
        (!in_block && !fence).then(|| (at, line.split('`').step_by(2).collect::<Vec<_>>().join("`")))
    })
}

/// The words to avoid that CONTRIBUTING.md lists in code font are in no document.
#[test]
fn documents_use_plain_words() {
    let rules = document("CONTRIBUTING.md");
    let (_, list) = rules.split_once("| avoid | write |\n").expect("the list of words");
    let rows = list.lines().take_while(|line| line.starts_with('|'));
    let avoided: Vec<&str> = rows.flat_map(|row| row.split(" | ").next().unwrap().split('`').skip(1).step_by(2)).collect();
    assert!(avoided.contains(&"told") && avoided.len() > 6, "{avoided:?}");
    let says = |line: &str| avoided.iter().copied().find(|avoided| word(&line.to_lowercase(), avoided));
    assert_eq!(says("Mend it, `whoever` reads."), Some("mend"), "the rule itself");
    let mut places = Vec::new();
    for page in pages() {
        let text = document(&page);
        places.extend(prose(&text).filter_map(|(at, line)| Some(format!("{page}:{at}: {}", says(&line)?))));
    }
    assert!(places.is_empty(), "words that CONTRIBUTING.md has a better one for:\n{}", places.join("\n"));
}
