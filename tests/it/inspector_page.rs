//! Rules about the page of the inspector: nothing in it can turn text of a delivery into markup or code, and it stays small. The browser enforces
//! the first by the page's policy, too.

use crate::tidy::{extension, sources};

const FOLDER: &str = "src/command/dev/inspector/page/";

/// Returns the name and the text of each file of the page.
fn files() -> Vec<(String, String)> {
    let files: Vec<_> =
        sources().into_iter().filter_map(|(name, text)| Some((name.strip_prefix(FOLDER)?.to_owned(), text))).collect();
    assert!(files.iter().any(|(name, _)| name == "index.html"), "the page is not found");
    files
}

/// Returns what a line has that the page must not have.
fn forbidden(line: &str) -> Option<&'static str> {
    const PARTS: [&str; 11] = [
        "innerHTML",
        "outerHTML",
        "insertAdjacent",
        "document.write",
        "eval(",
        "new Function",
        "createContextualFragment",
        "DOMParser",
        "style=",
        "'style'",
        "javascript:",
    ];
    let part = PARTS.into_iter().find(|part| line.contains(part));
    // An address comes from the page itself, never from a delivery.
    let address = line.contains("href") && !line.contains("ObjectURL(") && !line.contains("rel=\"icon\"");
    part.or_else(|| has_handler(line).then_some("a handler as an attribute")).or(address.then_some("href"))
}

/// Returns whether a line has an attribute such as `onclick="…"`, or sets a property such as `.onclick`.
fn has_handler(line: &str) -> bool {
    line.match_indices("on").any(|(at, _)| {
        let (before, after) = (&line[..at], line[at..].trim_start_matches(|c: char| c.is_ascii_lowercase()));
        match before.chars().last() {
            Some(' ') => after.starts_with("=\"") || after.starts_with("='"),
            Some('.') => after.trim_start().starts_with("= "),
            _ => false,
        }
    })
}

#[test]
fn no_text_becomes_markup_or_code() {
    for line in ["a.innerHTML = b", "<p onclick=\"a()\">", "a.onclick = b", "<p style=\"a\">", "a.href = b"] {
        assert!(forbidden(line).is_some(), "the rule itself: {line}");
    }
    for line in
        ["a.style.top = b", "<meta content=\"a\">", "const once = a", "if (a.one === b)", "link.href = URL.createObjectURL(a)"]
    {
        assert_eq!(forbidden(line), None, "the rule itself: {line}");
    }
    let mut places = Vec::new();
    for (name, text) in files() {
        let lines = text.lines().enumerate().filter_map(|(at, line)| Some((at, forbidden(line)?)));
        places.extend(lines.map(|(at, what)| format!("{name}:{}: {what}", at + 1)));
    }
    assert!(places.is_empty(), "{places:#?}");
}

#[test]
fn the_page_is_small() {
    const MOST: usize = 100 << 10;
    const LINES_MOST: usize = 400;
    const FUNCTION_MOST: usize = 60;
    let files = files();
    let bytes: usize = files.iter().map(|(_, text)| text.len()).sum();
    assert!(bytes <= MOST, "the page has {bytes} bytes, {MOST} at most");
    for (name, text) in files {
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.len() <= LINES_MOST, "{name}: {} lines", lines.len());
        for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.contains("function ") && line.ends_with('{')) {
            let end = lines[at..].iter().position(|line| *line == "}").expect("a function ends");
            assert!(end < FUNCTION_MOST, "{name}: {line}: {end} lines");
        }
    }
}

/// A script that the page does not name is missing in it.
#[test]
fn the_page_names_each_of_its_scripts_once() {
    let files = files();
    let (_, index) = files.iter().find(|(name, _)| name == "index.html").expect("the page");
    let (_, named) = index.split_once("<!-- script: ").expect("the comment");
    let mut named: Vec<&str> = named.split(" -->").next().unwrap_or_default().split(' ').collect();
    assert_eq!(named.last(), Some(&"app.js"), "it starts the page, so it comes last");
    named.sort_unstable();
    let scripts: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).filter(|name| extension(name) == "js").collect();
    assert_eq!(named, scripts);
}
