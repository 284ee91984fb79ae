//! Files that are no TOML, and files in other encodings.

use super::{GOOD, check, check_file, check_more};

#[test]
fn files_that_are_no_toml() {
    let check_all = |what: &str, file: &str, sentence: &str| check_file(what, file, &[], 64, &format!("hookgate.toml{sentence}"));
    let yaml = "kafka:\n  brokers:\n    - a:1\nendpoints:\n  care:\n    provider: uploadcare\n";
    check_all("YAML", yaml, ": is YAML, and Hookgate reads TOML; write a table as [kafka]");
    check_all("YAML with a mark", &format!("---\n# ours\n{yaml}"), ": is YAML, and Hookgate reads TOML");
    check_all("JSON", "{\n  \"kafka\": {\"brokers\": [\"a:1\"]}\n}\n", ": is JSON, and Hookgate reads TOML");
    for (name, file) in [
        ("JSON", "\u{feff}{\"kafka\": {}}\n"),
        ("JSON", "[{\"kafka\": \"hunter2\"}]\n"),
        ("JSON", "// ours\n{\n  \"kafka\": {}\n}\n"),
        ("YAML", "\"kafka\":\n  \"brokers\": [a]\n"),
        ("YAML", "%YAML 1.2\n---\nkafka: {}\n"),
        ("XML or HTML", "<?xml version=\"1.0\"?>\n<kafka>hunter2</kafka>\n"),
        ("XML or HTML", "<!DOCTYPE html>\n<html>\n"),
        ("Markdown", "```toml\n[kafka]\nbrokers = [\"a:1\"]\n```\n"),
        ("HCL", "kafka {\n  brokers = [\"a:1\"]\n}\n"),
    ] {
        check_all(file, file, &format!(": is {name}, and Hookgate reads TOML"));
    }
    let merge = format!("<<<<<<< HEAD\n{GOOD}=======\n{GOOD}>>>>>>> other\n");
    check_all("a merge", &merge, ":1: holds the marks of a merge that is not finished; take one of the two sides");
    check("typographic quotes", "[\"a:1\"]", "[“a:1”]", 64, "hookgate.toml:2: holds typographic quotes (“ ” or ‘ ’)");
    check("typographic single quotes", "\"uploadcare\"", "‘uploadcare’", 64, "hookgate.toml:4: holds typographic quotes");
    check(
        "a list that does not end",
        "[\"a:1\"]",
        "[\"a:1\"",
        64,
        "hookgate.toml:2: the list that begins here does not end: a \"]\" is missing",
    );
    check("a text that does not end", "[\"a:1\"]", "[\"a:1]", 64, "hookgate.toml:2: a text does not end: a quote is missing");
    check(
        "a table's name that does not end",
        "[kafka]",
        "[kafka",
        64,
        "hookgate.toml:1: the name of the table does not end: a \"]\" is missing",
    );
    check("no quotes", "\"uploadcare\"", "uploadcare", 64, "hookgate.toml:4: a text needs quotes; write provider = \"…\"");
    check_more(
        "no quotes, with a word like a number",
        "[log]\nlevel = info",
        64,
        "hookgate.toml:7: a text needs quotes; write level = \"…\"",
    );
    check_more(
        "no quotes around a path",
        "[log]\nlevel = /hunter2",
        64,
        "hookgate.toml:7: a text needs quotes; write level = \"…\"",
    );
}

#[test]
fn lines_of_other_languages() {
    check(
        "a colon",
        "brokers = ",
        "brokers: ",
        64,
        "hookgate.toml:2: a key and its value have \"=\" between them; write brokers = …",
    );
    check("a comment of another language", "[kafka]", "// ours\n[kafka]", 64, "hookgate.toml:1: a comment begins with \"#\"");
    check(
        "a semicolon",
        "[\"a:1\"]",
        "[\"a:1\"];",
        64,
        "hookgate.toml:2: nothing may follow a value; take the last character of the line off",
    );
    let twice = "the table [endpoints.care] is there twice, here and in line 3; put their keys into one";
    check_more(
        "a table twice",
        "[endpoints.care]\nprovider = \"frameio\"\nsecrets = [\"env:FRAMEIO\"]",
        64,
        &format!("hookgate.toml:6: {twice}"),
    );
    let twice = "brokers is there twice in the same table, here and in line 2; take one of them out";
    check("a key twice", "[\"a:1\"]", "[\"a:1\"]\nbrokers = [\"b:1\"]", 64, &format!("hookgate.toml:3: {twice}"));
}

#[test]
fn files_in_other_encodings() {
    let utf16 =
        |mark: &[u8], bytes: fn(u16) -> [u8; 2]| [mark, &GOOD.encode_utf16().flat_map(bytes).collect::<Vec<_>>()].concat();
    let expected = "hookgate.toml: is UTF-16, or no text at all; save it as UTF-8";
    check_file("UTF-16", utf16(b"\xff\xfe", u16::to_le_bytes), &[], 64, expected);
    check_file("UTF-16, the other way round", utf16(b"\xfe\xff", u16::to_be_bytes), &[], 64, expected);
    check_file("UTF-16 without a mark", utf16(b"", u16::to_le_bytes), &[], 64, expected);
    let latin = [GOOD.as_bytes(), b"# Stra\xdfe\n"].concat();
    check_file("Latin-1", latin, &[], 64, "hookgate.toml: is not UTF-8 in line 6; save it as UTF-8");
    let marked = format!("\u{feff}{}", GOOD.replace('\n', "\r\n"));
    check_file("a mark, and lines of Windows", marked, &[], 0, "hookgate.toml is good");
}
