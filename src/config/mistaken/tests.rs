use super::*;

#[test]
fn what_is_around_a_secret_is_noticed() {
    fn check(secret: &[u8], remarks: &[&str], cleaned: &[u8]) {
        let shown = String::from_utf8_lossy(secret);
        match look(secret) {
            Some(mistaken) => {
                assert_eq!(mistaken.remarks, remarks, "{shown:?}");
                assert_eq!(String::from_utf8_lossy(&mistaken.cleaned), String::from_utf8_lossy(cleaned), "{shown:?}");
            }
            None => assert_eq!((remarks.len(), secret), (0, cleaned), "{shown:?}"),
        }
    }
    const FINE: [&str; 10] = [
        "Endpoint=sb://n.example/;SharedAccessKeyName=send;SharedAccessKey=aGVsbG8=",
        "7kMVZivndx0ErgvhRKAr",
        "62409229dbe062409229dbe062409229",
        "two words",
        "it's \"quoted\" within",
        "c2VjcmV0",
        "q1w2E3r4T5y6U7i8O9p0AA==",
        "=",
        "a+b/c%d",
        "1=2",
    ];
    for fine in FINE {
        check(fine.as_bytes(), &[], fine.as_bytes());
    }
    check(b" s", &["begins with a blank"], b"s");
    check(b"s ", &["ends with a blank"], b"s");
    check(b"s\t ", &["ends with a blank"], b"s");
    check(b"s\n", &["ends with a second line end"], b"s");
    check(b"s\r\n\r", &["ends with a second line end"], b"s");
    check(b"\n\ns", &["begins with an empty line"], b"s");
    check(b"\xef\xbb\xbfs", &["begins with a byte order mark"], b"s");
    check(b"\xff\xfes\0e\0\n", &["is UTF-16"], b"se");
    check(b"\xfe\xff\0s\0e", &["is UTF-16"], b"se");
    check(b"\"s\"", &["is in quotes"], b"s");
    check(b"'s'", &["is in quotes"], b"s");
    check(b"TOKEN=s", &["begins with a name and \"=\""], b"s");
    check(b"export TOKEN=\"s\" ", &["ends with a blank", "begins with a name and \"=\"", "is in quotes"], b"s");
    check(b"dGhlLXNlY3JldC1vZi1tYW55LWNoYXJhY3RlcnM=", &["is the base64 of a text"], b"the-secret-of-many-characters");
    check(b"dGhlLXNlY3JldC1vZi1tYW55LWNoYXJhY3RlcnMK", &["is the base64 of a text"], b"the-secret-of-many-characters");
    // Nothing is left.
    check(b"  ", &["begins with a blank"], b"");
    check(b"\"\"", &["is in quotes"], b"");
    for nothing in ["", " ", " \t\r\n", "\"\"", "'  '", "TOKEN=\"\"", "export TOKEN= ", "\u{feff}\n"] {
        assert_eq!(holds_nothing(nothing.as_bytes()), !nothing.is_empty(), "{nothing:?}");
    }
    for something in FINE.into_iter().chain([" s", "\"s\"", "TOKEN=s", "c2VjcmV0LXNlY3JldC0="]) {
        assert!(!holds_nothing(something.as_bytes()), "{something:?}");
    }
}

const SECRET: &str = "7kMVZivndx0ErgvhRKAr";

/// What is before and after the secret is said, and what is left is the secret.
#[track_caller]
fn check(before: &str, after: &str, remark: &str) {
    let text = format!("{before}{SECRET}{after}");
    let mistaken = look(text.as_bytes()).unwrap_or_else(|| panic!("nothing is said of {text:?}"));
    assert!(mistaken.remarks().contains(remark), "{text:?}: {:?}", mistaken.remarks);
    assert!(!mistaken.remarks().contains(SECRET), "{text:?}: {:?}", mistaken.remarks);
    let candidates = mistaken.candidates();
    let shown = String::from_utf8_lossy(&candidates.concat()).into_owned();
    assert!(candidates.iter().any(|it| it == SECRET.as_bytes()), "{text:?}: {shown:?}");
}

#[test]
fn what_else_is_around_a_secret_is_noticed() {
    for (unseen, number) in [
        ('\u{a0}', "U+00A0"),
        ('\u{200b}', "U+200B"),
        ('\x0c', "U+000C"),
        ('\0', "U+0000"),
        ('\u{2028}', "U+2028"),
        ('\u{ad}', "U+00AD"),
    ] {
        check("", &unseen.to_string(), &format!("ends with a character that is not seen ({number})"));
        check(&unseen.to_string(), "", &format!("begins with a character that is not seen ({number})"));
    }
    check("", "\u{feff}", "ends with a byte order mark");
    check("“", "”", "is in quotes");
    check("‘", "’", "is in quotes");
    check("«", "»", "is in quotes");
    check("`", "`", "is in quotes");
    check("\"", "", "begins with a quote");
    check("", "'", "ends with a quote");
    check("\"", "\",", "ends with \",\" and is in quotes");
    check("", ";", "ends with \";\"");
    for name in ["TOKEN = ", "token=", "my-token=", "my.token=", "secret = ", "set X=", "$env:X=", "export X=", "ENV X="] {
        check(name, "", "begins with a name and \"=\"");
        check(&format!("{name}\""), "\"", "begins with a name and \"=\" and is in quotes");
    }
    check("token: ", "", "begins with a name and \":\"");
    check("token:\t\"", "\"", "begins with a name and \":\" and is in quotes");
    check("\"token\": \"", "\",", "begins with a name and \":\" and ends with \",\" and is in quotes");
    check("Authorization: Bearer ", "", "begins with a name and \":\" and begins with \"Bearer\"");
    check("bearer ", "", "begins with \"Bearer\"");
    check("# of Uploadcare\n", "", "begins with a comment");
    check("", "\nolder-secret-of-some-length", "has several lines");
    check("TOKEN=newer\r\nOLD=\"", "\"", "has several lines");
    check("{\"token\": \"", "\"}", "is JSON");
    check("[\"", "\"]\n", "is JSON");
    check("https://hooks.example/webhooks/av/", "", "is a URL");
    check("\x1b[1;32m", "\x1b[0m", "holds the colours of a terminal");
}

#[test]
fn a_secret_in_another_encoding_or_broken_into_lines_is_noticed() {
    let of_every_other = |text: &str| text.bytes().flat_map(|byte| [byte, 0]).collect::<Vec<_>>();
    for text in [SECRET.to_owned(), format!("{SECRET}\r\n")] {
        let (little, big) = (of_every_other(&text), [&[0][..], &of_every_other(&text)].concat());
        for bytes in [&little[..], &big[..big.len() - 1]] {
            let mistaken = look(bytes).unwrap();
            assert_eq!((mistaken.remarks(), &*mistaken.cleaned), ("is UTF-16".into(), SECRET.as_bytes()), "{bytes:?}");
        }
    }
    let long: String = (0..150_u8).map(|number| char::from(b'a' + number % 26)).collect();
    let lines: Vec<&str> = [&long[..64], &long[64..128], &long[128..]].into();
    let mistaken = look(lines.join("\n").as_bytes()).unwrap();
    assert_eq!((mistaken.remarks(), &*mistaken.cleaned), ("is broken into lines".into(), long.as_bytes()));
}

#[test]
fn what_is_there_instead_of_a_secret_is_noticed() {
    for (text, remark) in [
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "is a PEM file"),
        ("env:TOKEN", "is a reference, which is not followed here"),
        ("file:/run/secrets/token", "is a reference, which is not followed here"),
        ("{\"a\": \"one\", \"b\": \"two\"}", "is JSON"),
        ("one-line\nanother-line", "has several lines"),
        ("ab\u{200b}cd", "holds a character that is not seen (U+200B)"),
        ("https://hooks.example/", "is a URL"),
    ] {
        assert_eq!(look(text.as_bytes()).map(|it| it.remarks()).as_deref(), Some(remark), "{text:?}");
    }
    for (secret, expected) in [
        ("7kMVZivndx0ErgvhRKAr", None),
        ("a!b\"c~", None),
        ("two words", Some("a blank")),
        ("schlüssel", Some("a character that is not ASCII (U+00FC)")),
    ] {
        assert_eq!(unusual(secret.as_bytes()).as_deref(), expected, "{secret}");
    }
}

#[test]
fn placeholders_tokens_and_paths() {
    for text in [
        "xxxxxxxxxxxxxxxx",
        "secretsecretsecret",
        "abcabcabcab",
        concat!("TO", "DO-insert-the-secret-here"),
        "insert-here",
        "PLACEHOLDER",
    ] {
        assert!(is_placeholder(text.as_bytes()), "{text}");
    }
    for text in ["", "x", "aa", "62409229dbe062409229dbe062409229", "hunter2-hunter2-hunter2", "q1w2E3r4T5y6todo"] {
        assert!(!is_placeholder(text.as_bytes()), "{text}");
    }
    for (text, expected) in
        [("<your token>", true), ("${TOKEN}", true), ("ChangeMe123", true), ("a<b>", false), ("62409229dbe0", false)]
    {
        assert_eq!(is_placeholder(text.as_bytes()), expected, "{text}");
    }
    for (token, expected) in
        [("a+b", true), ("a/b", true), ("a%20", true), ("a b", true), ("a&b", true), ("ä", true), ("aZ0-._~==", false)]
    {
        assert_eq!(changes_in_a_url(token.as_bytes()), expected, "{token}");
    }
    for (path, expected) in [
        ("~/s", Some("\"~\" is not your home")),
        ("file:/run/s", Some("only secrets begin with")),
        ("env:FILE", Some("only secrets begin with")),
        ("//tmp/s", Some("it means \"/tmp/s\"; write \"file:/tmp/s\"")),
        ("$HOME/s", Some("variables are not replaced")),
        (" /run/s", Some("the blank")),
        ("/run/s\n", Some("the blank")),
        ("///run/s", None),
        ("/run/s", None),
        ("s", None),
    ] {
        let remark = path_remark(path);
        assert_eq!(remark.is_some(), expected.is_some(), "{path:?}: {remark:?}");
        assert!(remark.unwrap_or_default().contains(expected.unwrap_or_default()), "{path:?}");
    }
}
