//! `[tracing]`, `http.trusted_proxies`, and the hash by which replicas are compared.

use super::*;

#[test]
fn tracing() {
    assert!(accept(MINIMAL, &[], &[]).tracing.is_none(), "off by default");
    let written = "[tracing]\nendpoint = \"http://collector:4318/\"\nheaders = [\"Authorization=env:OTLP\"]\n\
                   resource = [\"deployment.environment.name=a=b\"]\nsample = 10\n";
    let variables = [("OTLP", "Bearer of-the-collector"), ("HOOKGATE_TRACING__RESOURCE", "k8s.pod.name=p, cloud.region=r")];
    let config = accept(&format!("{MINIMAL}\n{written}"), &variables[..1], &[]);
    let tracing = config.tracing.clone().unwrap();
    assert_eq!(tracing.url(), "http://collector:4318/v1/traces");
    assert_eq!(tracing.resource, [("deployment.environment.name".to_owned(), "a=b".to_owned())]);
    let shown = serde_json::json!({
        "endpoint": "http://collector:4318/", "headers": ["authorization=env:OTLP"], "ca_file": null, "service_name": "hookgate",
        "resource": ["deployment.environment.name=a=b"], "sample": 10, "timeout": "5s",
    });
    assert_eq!(config.redacted()["tracing"], shown);
    let environment = tracing.environment_of(&environment(&variables));
    assert_eq!(environment.get("AVATARS_TOKEN"), None, "no more of the environment is kept than the headers need");
    let headers = tracing.read_headers(&environment).unwrap();
    assert_eq!((headers[0].0.as_str(), headers[0].1.reveal()), ("authorization", "Bearer of-the-collector"));
    assert!(!format!("{config:?}").contains("of-the-collector"), "printed");
    let config = accept(&format!("{MINIMAL}\n{written}"), &variables, &[]);
    assert_eq!(config.redacted()["tracing"]["resource"], serde_json::json!(["k8s.pod.name=p", "cloud.region=r"]));
}

#[test]
fn tracing_that_cannot_be() {
    fn check_key(line: &str, said: &str) {
        let endpoint = if line.starts_with("endpoint") { "" } else { "endpoint = \"http://c:4318\"\n" };
        let report = read(&format!("{MINIMAL}\n[tracing]\n{endpoint}{line}"), &[], &[]).expect_err(line).to_string();
        assert!(report.contains(said) && report.lines().count() == 1, "{line}: {report}");
        assert!(!report.contains("pass-word"), "{line}: {report}");
    }
    check_more(
        "[tracing]\nsample = 1",
        &["hookgate.toml:13: [tracing] endpoint: is missing; for example \"http://otel-collector:4318\""],
    );
    for endpoint in [
        "collector:4318",
        "grpc://c:4317",
        "http://",
        "http://:4318",
        "http://u:pass-word@c:4318",
        "http://c?a=pass-word",
        "http://c c",
        "HTTP://c",
        "http://c:",
        "http://c:0",
        "http://c:65536",
        "http://c:http",
        "http://c:1:2",
        "http://[c]:4318",
        "http://[::1",
        "http://[::1]4318",
    ] {
        check_key(&format!("endpoint = \"{endpoint}\""), "no URL of a collector");
    }
    for endpoint in ["http://[::1]:4318", "https://c", "http://c:65535/otlp/"] {
        accept(&format!("{MINIMAL}\n[tracing]\nendpoint = \"{endpoint}\""), &[], &[]);
    }
    check_key("endpoint = \"http://c:4318/v1/traces\"", "before /v1/traces");
    check_key("headers = [\"authorization=pass-word\"]", "a secret has no place here");
    check_key("headers = [\"authorization: pass-word\"]", "where its value is");
    check_key("headers = [\"content-type=env:AVATARS_TOKEN\"]", "where its value is");
    check_key("headers = [\"a b=env:AVATARS_TOKEN\"]", "where its value is");
    check_key("headers = [\"authorization=env:NOT_SET\"]", "NOT_SET is not set");
    check_key("headers = [\"authorization=file:/nowhere\"]", "no such file");
    check_key("ca_file = \"/nowhere\"", "\"/nowhere\" cannot be read: no such file");
    check_key("ca_file = \"Cargo.toml\"", "holds no certificate as PEM");
    check_key("resource = [\"name\"]", "a name and a value");
    check_key("resource = [\"service.name=other\"]", "service_name");
    check_key("service_name = \"\"", "must be a name");
    check_key("sample = -1", "must lie between");
    check_key("timeout = \"0s\"", "must lie between");
    check_key("sampel = 1", "did you mean \"sample\"?");
}

#[test]
fn headers_that_others_can_read_are_warned_of() {
    let check_warned = |endpoint: &str, headers: &str, warned: bool| {
        let table = format!("{MINIMAL}\n[tracing]\nendpoint = \"{endpoint}\"\n{headers}");
        let expected = format!("[tracing] endpoint: {endpoint} is not encrypted: anybody in between can read the headers");
        let expected = if warned { vec![expected] } else { Vec::new() };
        assert_eq!(accept(&table, &[("OTLP", "Bearer of-the-collector")], &[]).warnings, expected, "{endpoint} {headers}");
    };
    let headers = "headers = [\"authorization=env:OTLP\"]";
    for endpoint in ["http://collector:4318", "http://10.0.0.1", "http://127.0.0.1.example.com:4318/otlp/"] {
        check_warned(endpoint, headers, true);
        check_warned(endpoint, "", false);
    }
    for endpoint in ["https://collector:4318", "http://localhost:4318", "http://127.0.0.1:4318", "http://[::1]:4318"] {
        check_warned(endpoint, headers, false);
    }
}

#[test]
fn trusted_proxies() {
    let proxies = |text: &str| {
        accept(&format!("{MINIMAL}\n[http]\ntrusted_proxies = {text}"), &[], &[]).redacted()["http"]["trusted_proxies"].clone()
    };
    assert_eq!(proxies("[\"10.0.0.0/8\", \"2001:db8::1\"]"), serde_json::json!(["10.0.0.0/8", "2001:db8::1/128"]));
    assert_eq!(proxies("[]"), serde_json::json!([]));
    check_more(
        "[http]\ntrusted_proxies = [\"10.0.0.1/8\"]",
        &["hookgate.toml:14: [http] trusted_proxies: \"10.0.0.1/8\" has more bits than its length says; write \"10.0.0.0/8\""],
    );
}

#[test]
fn what_replicas_are_compared_by() {
    let check_same = |one: (&str, &[(&str, &str)]), other: (&str, &[(&str, &str)]), same: bool| {
        let hash =
            |(more, variables): (&str, &[(&str, &str)])| accept(&format!("{MINIMAL}\n{more}"), variables, &[]).fingerprint();
        assert_eq!(hash(one) == hash(other), same, "{one:?} and {other:?}");
    };
    let traced = "[tracing]\nendpoint = \"http://c:4318\"";
    check_same(("", &[]), ("", &[]), true);
    check_same(("", &[]), ("[http]\nmax_headers = 100", &[]), true);
    check_same(("", &[]), ("[http]\nmax_headers = 99", &[]), false);
    check_same(("", &[]), (traced, &[]), false);
    // Values that differ between replicas, and values that a hash must not help to guess, do not count.
    check_same(
        (traced, &[("HOOKGATE_TRACING__RESOURCE", "k8s.pod.name=a")]),
        (traced, &[("HOOKGATE_TRACING__RESOURCE", "k8s.pod.name=b")]),
        true,
    );
    check_same(("", &[("UPLOADCARE_SECRET", "another-secret")]), ("", &[]), true);
}
