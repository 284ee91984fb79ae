//! What was asked for by its id and can neither count as there nor as missing.

use serde_json::{Value, json};

use crate::{command::output::some, logged::printable};

/// How many are named in a table.
const NAMED_MAX: usize = 10;

/// Why a scan can neither count as there nor as missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The provider does not know it.
    NotKnown,
    /// It has not ended.
    NotComplete,
    /// The answer about it cannot be used.
    NoAnswer,
}

impl Why {
    const ALL: [Self; 3] = [Self::NotKnown, Self::NotComplete, Self::NoAnswer];

    /// Returns what is said of one, of several, and to programs.
    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::NotKnown => ("scan is not known to FileSafety", "scans are not known to FileSafety", "not_known"),
            Self::NotComplete => ("scan is not complete yet", "scans are not complete yet", "not_complete"),
            Self::NoAnswer => ("scan has no usable answer", "scans have no usable answer", "no_answer"),
        }
    }
}

/// A scan that was asked for, and of which it is not known what should be on the topics.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::command) struct Undecided {
    /// Its id.
    pub(super) subject: String,
    pub(super) why: Why,
    /// What the provider has answered, where that is the reason.
    pub(super) cause: Option<String>,
}

impl Undecided {
    /// Returns it for programs.
    pub(super) fn json(&self) -> Value {
        json!({ "subject": printable(&self.subject), "why": self.why.words().2, "cause": self.cause.as_deref().map(printable) })
    }

    /// Returns it for people.
    pub(super) fn text(&self) -> String {
        let (one, ..) = self.why.words();
        let cause = self.cause.as_deref().map(|cause| format!(": {cause}")).unwrap_or_default();
        printable(&format!("{}  {one}{cause}", self.subject))
    }
}

/// Returns for each reason how many there are, and the first of them.
pub(super) fn summary(all: &[Undecided]) -> Vec<String> {
    let of = |why: Why| {
        let ids: Vec<&str> = all.iter().filter(|it| it.why == why).map(|it| &*it.subject).collect();
        let (one, several, _) = why.words();
        let what = if ids.len() == 1 { one } else { several };
        let how = if ids.len() > NAMED_MAX { " (--list names all)" } else { "" };
        (!ids.is_empty()).then(|| format!("{} {what}: {}{how}", ids.len(), some(&ids, ", ", NAMED_MAX)))
    };
    Why::ALL.into_iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_each_kind_are_named() {
        #[track_caller]
        fn check(all: &[(Why, usize)], expected: &[&str]) {
            let make = |(why, number): &(Why, usize)| {
                let why = *why;
                (1..=*number).map(move |number| Undecided { subject: format!("s{number}"), why, cause: None })
            };
            assert_eq!(summary(&all.iter().flat_map(make).collect::<Vec<_>>()), expected);
        }
        check(&[], &[]);
        check(&[(Why::NotKnown, 1)], &["1 scan is not known to FileSafety: s1"]);
        check(
            &[(Why::NoAnswer, 1), (Why::NotComplete, 2)],
            &["2 scans are not complete yet: s1, s2", "1 scan has no usable answer: s1"],
        );
        let ten = "s1, s2, s3, s4, s5, s6, s7, s8, s9, s10";
        check(&[(Why::NotKnown, 10)], &[&format!("10 scans are not known to FileSafety: {ten}")]);
        check(&[(Why::NotKnown, 12)], &[&format!("12 scans are not known to FileSafety: {ten} and 2 more (--list names all)")]);
    }
}
