//! The report of `hookgate doctor`: a line for each thing that was looked at, with the remedy, and no secret in it.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::{api::Hidden, command::output::wrapped, config::SecretText, logged::printable};

/// The longest line of a text, in characters.
const LINE: usize = 79;
/// The longest text that is shown, in characters.
const TEXT_MAX: usize = 1500;
/// How many texts of one line are shown.
const TEXTS_MAX: usize = 20;
/// The shortest secret that is looked for in texts: shorter ones are parts of ordinary words.
const SECRET_MIN: usize = 4;

/// What is known of a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It is as it should be.
    Good,
    /// It is not as it should be.
    Bad,
    /// It was not tried, or cannot be.
    NotTried,
}

impl State {
    fn mark(self) -> char {
        match self {
            Self::Good => '✓',
            Self::Bad => '✗',
            Self::NotTried => '–',
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::NotTried => "not_tried",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug)]
pub(super) struct DoctorLine {
    pub(super) state: State,
    /// What it belongs to: `secrets`, `kafka`.
    pub(super) area: &'static str,
    /// Which one of its kind, such as an endpoint.
    pub(super) subject: Option<String>,
    /// What is known, a sentence each; at least one.
    pub(super) texts: Vec<String>,
    /// What to do, a sentence or a command each.
    pub(super) remedies: Vec<String>,
}

impl DoctorLine {
    fn new(state: State, area: &'static str, text: impl Into<String>) -> Self {
        Self { state, area, subject: None, texts: vec![text.into()], remedies: Vec::new() }
    }

    /// Returns that something is as it should be.
    pub(super) fn good(area: &'static str, text: impl Into<String>) -> Self {
        Self::new(State::Good, area, text)
    }

    /// Returns that something is not as it should be, and what to do.
    pub(super) fn bad(area: &'static str, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(State::Bad, area, text).remedy(remedy)
    }

    /// Returns that something was not tried, and what makes it possible.
    pub(super) fn not_tried(area: &'static str, why: &str, remedy: impl Into<String>) -> Self {
        Self::new(State::NotTried, area, format!("not tried: {why}")).remedy(remedy)
    }

    /// Says which one of its kind it is.
    pub(super) fn of(self, subject: impl Into<String>) -> Self {
        Self { subject: Some(subject.into()), ..self }
    }

    /// Adds a sentence to what is known.
    pub(super) fn also(mut self, texts: impl IntoIterator<Item = String>) -> Self {
        self.texts.extend(texts);
        self
    }

    /// Adds something to do.
    pub(super) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedies.push(remedy.into());
        self
    }
}

/// All lines. They are printed as they come, or as one object at the end.
pub(super) struct DoctorReport<W> {
    out: W,
    json: bool,
    hidden: Hidden,
    lines: Vec<DoctorLine>,
}

impl<W: Write> DoctorReport<W> {
    pub(super) fn new(out: W, json: bool) -> Self {
        Self { out, json, hidden: Hidden::new(&[]), lines: Vec::new() }
    }

    /// Adds a secret that no line may show, however it is written.
    pub(super) fn conceal(&mut self, secret: &SecretText) {
        if secret.reveal().len() >= SECRET_MIN {
            self.hidden.add(secret);
        }
    }

    /// Adds a line. What a text says may come from another program or from a peer, so it is made safe for a terminal and bounded.
    pub(super) fn add(&mut self, mut line: DoctorLine) -> io::Result<()> {
        line.texts.truncate(TEXTS_MAX);
        for text in line.subject.iter_mut().chain(&mut line.texts).chain(&mut line.remedies) {
            *text = self.shown(text);
        }
        if !self.json {
            print(&mut self.out, &line)?;
        }
        self.lines.push(line);
        Ok(())
    }

    fn shown(&self, text: &str) -> String {
        let text = printable(&self.hidden.hide(text, usize::MAX));
        if text.chars().count() <= TEXT_MAX { text } else { text.chars().take(TEXT_MAX).chain(['…']).collect() }
    }

    /// Ends the report. Returns whether nothing is bad.
    pub(super) fn end(mut self) -> io::Result<bool> {
        let number = |state: State| self.lines.iter().filter(|line| line.state == state).count();
        let (good, bad, not_tried) = (number(State::Good), number(State::Bad), number(State::NotTried));
        if self.json {
            let lines: Vec<Value> = self.lines.iter().map(object).collect();
            let report = json!({ "good": good, "bad": bad, "not_tried": not_tried, "checks": lines });
            writeln!(self.out, "{report}")?;
        } else {
            writeln!(self.out, "\n{good} ✓, {bad} ✗, {not_tried} not tried")?;
        }
        self.out.flush()?;
        Ok(bad == 0)
    }
}

fn object(line: &DoctorLine) -> Value {
    json!({
        "state": line.state.word(), "area": line.area, "subject": line.subject, "texts": line.texts, "remedies": line.remedies,
    })
}

fn print(out: &mut impl Write, line: &DoctorLine) -> io::Result<()> {
    let subject = line.subject.as_ref().map_or_else(String::new, |subject| format!(" {subject}"));
    for (index, text) in line.texts.iter().enumerate() {
        let first = format!("{} {}{subject}: ", line.state.mark(), line.area);
        wrapped(out, LINE, (if index == 0 { &first } else { "  " }, "  "), text)?;
    }
    line.remedies.iter().try_for_each(|remedy| wrapped(out, LINE, ("  → ", "    "), remedy))?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(json: bool, lines: &[DoctorLine]) -> (String, bool) {
        let mut out = Vec::new();
        let mut report = DoctorReport::new(&mut out, json);
        report.conceal(&SecretText::new("a-secret/of some length"));
        report.conceal(&SecretText::new("a-secret"));
        for line in lines {
            report.add(line.clone()).expect("written");
        }
        let good = report.end().expect("written");
        (String::from_utf8(out).expect("text"), good)
    }

    #[test]
    fn a_line_has_a_mark_and_its_remedies() {
        let lines = [
            DoctorLine::good("kafka", "fits"),
            DoctorLine::bad("secrets", "one", "hookgate check").of("photos").also(["two".into()]),
            DoctorLine::not_tried("clock", "nobody was asked", "give --host"),
        ];
        let (text, good) = shown(false, &lines);
        let expected = "✓ kafka: fits\n✗ secrets photos: one\n  two\n  → hookgate check\n– clock: not tried: nobody was asked\n  → give --host\n\n\
                        1 ✓, 1 ✗, 1 not tried\n";
        assert_eq!((&*text, good), (expected, false));
        assert!(shown(false, &lines[..1]).1, "nothing is bad");
        let json: Value = serde_json::from_str(&shown(true, &lines).0).expect("one object");
        assert_eq!((&json["bad"], &json["checks"][1]["subject"]), (&json!(1), &json!("photos")), "{json}");
        assert_eq!(json["checks"][2]["state"], "not_tried", "{json}");
    }

    #[test]
    fn a_text_from_outside_is_concealed_bounded_and_harmless() {
        let check = |text: &str, without: &[&str]| {
            for json in [false, true] {
                let line = DoctorLine::bad("kafka", text, text).of(text).also(vec![text.to_owned(); 50]);
                let (shown, _) = shown(json, &[line]);
                assert!(shown.len() < 200_000, "{} bytes", shown.len());
                assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "{shown:?}");
                for it in without {
                    assert!(!shown.contains(it), "{it} is in {shown:?}");
                }
            }
        };
        check("x a-secret/of some length y a-secret", &["a-secret", "of some length"]);
        check("a%2Dsecret%2Fof%20some%20length", &["%2Fof"]);
        check("\u{1b}[2J\u{9b}\u{202e}", &["\u{202e}"]);
        check(&"long ".repeat(5_000), &[]);
        check(&"l".repeat(20_000), &[]);
    }

    #[test]
    fn lines_fit_a_terminal_and_commands_stay_whole() {
        let command = format!("hookgate subscribe photos --host https://{}.example.com", "a".repeat(60));
        let line =
            DoctorLine::bad("kafka", "some words that go on ".repeat(20), command.clone()).remedy("other words ".repeat(30));
        let (text, _) = shown(false, &[line]);
        assert!(text.contains(&command), "{text}");
        let long = text.lines().filter(|line| line.chars().count() > 80);
        assert!(long.clone().all(|line| line.contains("hookgate subscribe")) && long.count() == 1, "{text}");
    }
}
