use super::*;

#[test]
fn the_file_is_in_the_users_folder_for_state() {
    #[track_caller]
    fn check(variables: &[(&str, &str)], expected: Option<&str>) {
        let environment: Environment = variables.iter().copied().collect();
        assert_eq!(file(&environment), expected.map(PathBuf::from), "{variables:?}");
    }
    check(&[("XDG_STATE_HOME", "/state"), ("HOME", "/home/a")], Some("/state/hookgate/dev.env"));
    check(&[("HOME", "/home/a")], Some("/home/a/.local/state/hookgate/dev.env"));
    check(&[("XDG_STATE_HOME", "state"), ("HOME", "/home/a")], Some("/home/a/.local/state/hookgate/dev.env"));
    check(&[("XDG_STATE_HOME", ""), ("HOME", "")], None);
    check(&[], None);
}

#[test]
fn a_line_is_what_a_shell_reads() {
    #[track_caller]
    fn check(line: &str, expected: Option<(&str, &str)>) {
        assert_eq!(pair(line), expected.map(|(name, text)| (name.to_owned(), text.to_owned())), "{line}");
    }
    check("export A=0123", Some(("A", "0123")));
    check("export A='0 1$'", Some(("A", "0 1$")));
    check("export A=b=c", None);
    for line in
        ["A=0123", "export A", "export A=", "export A=''", "export A=0 1", "export A=$B", "export A=\"0\"", "export A='0'1'"]
    {
        check(line, None);
    }
}

#[test]
fn a_given_secret_is_a_reference() {
    #[track_caller]
    fn check(text: &str, expected: Result<(&str, &str), &str>) {
        let found = given(text).map(|it| (it.provider, it.source.to_string()));
        match expected {
            Ok((provider, source)) => assert_eq!(found, Ok((provider, source.to_owned()))),
            Err(part) => {
                let why = found.expect_err("refused");
                assert!(why.contains(part) && !why.contains("s3cret"), "{why}");
            }
        }
    }
    check("frameio=env:FRAMEIO_SECRET", Ok(("frameio", "env:FRAMEIO_SECRET")));
    check("frameio=file:/run/secret", Ok(("frameio", "file:/run/secret")));
    check("frameio=s3cret", Err("env:NAME"));
    check("frame=env:A", Err("there are filespin, "));
    check("s3cret", Err("PROVIDER=env:NAME"));
}

/// A shell puts a token into a URL as it is, so it must be one that a URL does not change. A secret that signs may be any.
#[test]
fn a_token_that_a_url_changes_is_refused() {
    #[track_caller]
    fn check(provider: &str, secret: &str, place: Option<&str>) {
        let environment: Environment = provider::ALL
            .iter()
            .map(|it| (variable(it.name), if it.name == provider { secret } else { "0123456789abcdef" }.to_owned()))
            .collect();
        match (load(&[], &environment, None), place) {
            (Ok(_), None) => {}
            (Err(Failure::Failed(why)), Some(place)) => {
                let expected = format!("{place} holds '+', '/', '%' or another character that URLs change or end at; take");
                assert!(why.starts_with(&expected) && !why.contains(secret), "{why}");
            }
            (found, _) => panic!("{provider} {secret}: {:?}", found.map(|_| ()).is_ok()),
        }
    }
    for good in ["0123456789abcdef", "a-b_c.d~e-f.g", "bm9uZW5vbmU=="] {
        check("filespin", good, None);
    }
    for bad in ["%", "&", "+", "#", " ", "?", "/", "\"", "$", "ä"] {
        let bad = &format!("0123{bad}456789ab");
        check("filespin", bad, Some("env:DEV_SECRET_FILESPIN"));
        check("filesafety", bad, Some("env:DEV_SECRET_FILESAFETY"));
        check("frameio", bad, None);
        check("uploadcare", bad, None);
    }
}

/// A short secret stands in other texts too, and then what is taken out of a request is not the secret.
#[test]
fn a_secret_that_may_be_a_word_is_refused() {
    #[track_caller]
    fn check(provider: &str, secret: &str, is_taken: bool) {
        let fault = fault(provider::by_name(provider).expect("a provider"), "env:A", secret);
        let said = fault.as_deref().is_some_and(|why| why.starts_with("env:A has fewer than 12 characters, and"));
        assert_eq!((fault.is_none(), said), (is_taken, !is_taken), "{provider} {secret}");
    }
    for provider in ["filespin", "filesafety", "frameio", "uploadcare"] {
        check(provider, provider, false);
        check(provider, "a", false);
        check(provider, "0123456789a", false);
        check(provider, "0123456789ab", true);
    }
}

#[test]
fn a_provider_has_one_secret() {
    #[track_caller]
    fn check(texts: &[&str], expected: Result<usize, &str>) {
        let given = texts.iter().map(|text| given(text).expect("a reference")).collect();
        match (once_each(given), expected) {
            (Ok(found), Ok(number)) => assert_eq!(found.len(), number),
            (Err(why), Err(begin)) => assert!(why.starts_with(begin), "{why}"),
            (found, _) => panic!("{texts:?}: {found:?}"),
        }
    }
    check(&[], Ok(0));
    check(&["frameio=env:A", "filespin=env:A"], Ok(2));
    check(&["frameio=env:A", "filespin=env:A", "frameio=file:b"], Err("frameio has two; "));
}

#[test]
fn another_terminal_gets_the_secrets_from_where_they_are() {
    #[track_caller]
    fn check(homes: &[SecretHome], file: &str, expected: &[&str]) {
        let secret = |home: &SecretHome| DevSecret { provider: provider::ALL[0], text: "0123".into(), home: home.clone() };
        let secrets: Vec<DevSecret> = homes.iter().map(secret).collect();
        assert_eq!(commands(&secrets, Some(Path::new(file)), Some("/home/a")), expected, "{homes:?}");
    }
    let given = SecretHome::Given("env:FILESPIN".into());
    check(&[SecretHome::Kept, given.clone()], "/home/a/state/dev.env", &[". ~/state/dev.env"]);
    check(&[SecretHome::Kept], "/it's/dev.env", &[r". '/it'\''s/dev.env'"]);
    check(&[SecretHome::Session], "/state/dev.env", &["export DEV_SECRET_FILESPIN=0123"]);
    check(&[given], "/state/dev.env", &[]);
}

/// A line that was written by hand may have no end. The lines after it are lines of their own.
#[test]
fn new_secrets_begin_on_a_line_of_their_own() {
    let folder = std::env::temp_dir().join(format!("hookgate-dev-secrets-{}", std::process::id()));
    let file = folder.join("dev.env");
    let check = |before: &str, after: &str| {
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(&file, before).expect("a file");
        append(&file, "export B=2\n").expect("it can be written");
        assert_eq!(fs::read_to_string(&file).expect("text"), after);
    };
    check("export A=1", "export A=1\nexport B=2\n");
    check("export A=1\n", "export A=1\nexport B=2\n");
    check("", "export B=2\n");
    fs::remove_dir_all(&folder).expect("it is there");
}
