//! How a user may write the type of an event.

/// Returns the ways to write a type: as the provider calls it, with the provider in front, and both with `hookgate.` in front, as topics and
/// `ce_type` have it. What is of no provider, such as `quarantine`, has an empty one.
pub(super) fn spellings(provider: &str, name: &str) -> [String; 4] {
    let full = if provider.is_empty() { name.to_owned() } else { format!("{provider}.{name}") };
    [name.to_owned(), format!("hookgate.{name}"), format!("hookgate.{full}"), full]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::spellings;

    #[test]
    fn a_type_has_these_spellings() {
        fn check(provider: &str, name: &str, expected: &[&str]) {
            let found: BTreeSet<String> = spellings(provider, name).into();
            assert_eq!(found, expected.iter().map(ToString::to_string).collect(), "{provider} {name}");
        }
        check(
            "frameio",
            "file.ready",
            &["file.ready", "frameio.file.ready", "hookgate.file.ready", "hookgate.frameio.file.ready"],
        );
        check("", "quarantine", &["quarantine", "hookgate.quarantine"]);
    }
}
