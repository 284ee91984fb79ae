//! The complaints about files that are not TOML.

use super::super::{Environment, parse};

/// A correct file with every kind of value, also over several lines.
const GOOD: &str = r#"[kafka]
brokers = ["a:1", "b:2"]
linger = "5ms"

[http]
max_headers = 50
trusted_proxies = ["10.0.0.0/8"]

[topics]
prefix = "hookgate."
map = { "frameio.*" = "x", "uploadcare.*" = "y" }

[endpoints.a]
provider = "frameio"
secrets = ["env:A", "env:B"]
tolerance = "5m"

[endpoints.b]
provider = "uploadcare"
secrets = [
    "env:C",
    "env:D",
]
"#;

fn problems(text: &str) -> Vec<String> {
    let variables = ["A", "B", "C", "D"].map(|name| (name, format!("made-up-secret-{name}")));
    match parse(text, "hookgate.toml", &variables.into_iter().collect::<Environment>(), &[]) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.problems.iter().map(ToString::to_string).collect(),
    }
}

/// After a missing sign, the parser complains about every line that follows. That is still one mistake.
#[test]
fn one_missing_sign_is_one_problem() {
    assert_eq!(problems(GOOD), Vec::<String>::new());
    let mut found = 0;
    for (at, sign) in GOOD.char_indices().filter(|(_, sign)| "[]{}\",=".contains(*sign)) {
        let mut text = GOOD.to_owned();
        text.remove(at);
        let problems = problems(&text);
        assert!(problems.len() <= 1, "{sign} of byte {at}: {problems:#?}");
        let line = GOOD[..at].matches('\n').count() + 1;
        // If the sign belongs to the next line, it is missing there.
        let places = [line, line + 1].map(|line| format!("hookgate.toml:{line}:"));
        let begins = GOOD.lines().position(|line| line.starts_with("secrets = [") && !line.contains(']')).unwrap() + 1;
        let in_long_list = (begins..begins + 4).contains(&line);
        for problem in &problems {
            assert!(in_long_list || places.iter().any(|place| problem.starts_with(place)), "{sign} in line {line}: {problem}");
        }
        found += problems.len();
    }
    assert!(found > 50, "{found}");
}

#[test]
fn what_is_missing_is_named() {
    #[track_caller]
    fn check(good: &str, broken: &str, expected: &str) {
        assert!(GOOD.contains(good), "{good}");
        assert_eq!(problems(&GOOD.replacen(good, broken, 1)), [expected], "{broken}");
    }
    check("\"y\" }", "\"y\"", "hookgate.toml:11: the table that begins here does not end: a \"}\" is missing");
    check("\"a:1\", ", "\"a:1\" ", "hookgate.toml:2: a comma is missing between two values, or a quote");
    check("[http]", "http]", "hookgate.toml:5: the name of a table stands in brackets, such as [kafka]");
    check("linger = ", "linger ", "hookgate.toml:3: a key has \"=\" and a value after it, such as brokers = [\"kafka:9092\"]");
    check("[\"a:1\"", "[a:1\"", "hookgate.toml:2: a text needs two quotes, and one is missing");
    check("[\"a:1\"", "\"a:1\"", "hookgate.toml:2: a list stands in brackets, and the \"[\" is missing");
    check("8\"]", "8\"", "hookgate.toml:7: the list that begins here does not end: a \"]\" is missing");
}
