use super::{table, *};
use crate::{command::subscriptions::registration::RegisteredProof, provider::by_name};

#[test]
fn the_public_address_is_a_host_and_nothing_else() {
    #[track_caller]
    fn check(text: &str, origin: Option<&str>) {
        assert_eq!(public_host(text).ok().as_deref(), origin, "{text}");
    }
    for written in ["https://hooks.example.com", "https://hooks.example.com/", "https://HOOKS.example.com:443"] {
        check(written, Some("https://hooks.example.com"));
    }
    check("https://hooks.example.com:8443", Some("https://hooks.example.com:8443"));
    for wrong in [
        "",
        "hooks.example.com",
        "http://hooks.example.com",
        "https://",
        "https://user:password@hooks.example.com",
        "https://hooks.example.com/webhooks/photos",
        "https://hooks.example.com?a",
        "https://hooks.example.com#a",
        "https://hooks.example.com:x",
        "https://hooks.example.com:0",
        "https://a$(id).example.com",
        "https://a'b.example.com",
        "https://a;b.example.com",
    ] {
        check(wrong, None);
    }
}

fn registration(events: &[&str], state: RegistrationState, proof: RegisteredProof) -> Registration {
    Registration {
        id: Some("3f2a0000-0000-4000-8000-000000000001".into()),
        events: events.iter().map(|event| (*event).to_owned()).collect(),
        state,
        proof,
        endpoint: "review".into(),
        notes: Vec::new(),
    }
}

#[test]
fn a_person_looks_at_what_is_off_or_refused_or_missing() {
    use RegisteredProof::{Absent, Foreign, Hidden, Incomparable, NotRegistered, Signed, Token};
    use RegistrationState::{Active, Missing, Off};
    #[track_caller]
    fn check(state: RegistrationState, proof: RegisteredProof, finding: bool) {
        assert_eq!(registration(&["file.ready"], state, proof).is_finding(), finding, "{state:?} {proof:?}");
    }
    for good in [Signed, Token, Hidden] {
        check(Active, good, false);
        check(Off, good, true);
    }
    for bad in [Absent, Foreign, Incomparable] {
        check(Active, bad, true);
    }
    check(Missing, NotRegistered, true);
}

/// The table of a provider with every column at its widest fits a terminal, whatever the provider answers.
#[test]
fn the_table_fits_eighty_columns() {
    let provider = by_name("uploadcare").expect("known");
    let long = "\u{1b}[31mfile.with.a.very.long.name.that.nobody.has";
    let mut registered = Registered::none(provider);
    let mut row = registration(&[long, "b", "c"], RegistrationState::Off, RegisteredProof::Foreign);
    row.notes =
        vec!["a sentence that is a bit too long for one line of a terminal ".repeat(3), "hookgate recover uploadcare".into()];
    registered.rows = vec![row];
    registered.elsewhere = 4;
    registered.hosts = ["a", "b", "c", "d"].map(|host| format!("https://{host}.example.com")).into();
    let mut out = Vec::new();
    table::head(&mut out, ReportFormat::Pretty).expect("written");
    table::show(&mut out, ReportFormat::Pretty, &registered).expect("written");
    let text = String::from_utf8(out).expect("text");
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    assert!(text.contains("3f2a0000-…  \\u001b[31mfile.wi… +2  OFF     FOREIGN  review\n"), "{text}");
    assert!(text.contains("\n    hookgate recover uploadcare\n"), "{text}");
    assert!(
        text.contains("uploadcare: 4 not ours: https://a.example.com, https://b.example.com,\n    https://c.example.com, …\n"),
        "{text}"
    );
}
