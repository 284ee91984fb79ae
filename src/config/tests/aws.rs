use super::{MINIMAL, accept, read};
use crate::config::{AwsSource, Sasl};

const IAM: &str = "security = \"tls\"\nsasl = {mechanism = \"AWS_MSK_IAM\", region = \"eu-central-1\"}";
const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "AKID"), ("AWS_SECRET_ACCESS_KEY", "hunter2-of-aws")];

fn text(kafka: &str) -> String {
    MINIMAL.replacen("[kafka]\n", &format!("[kafka]\n{kafka}\n"), 1)
}

#[track_caller]
fn refused(kafka: &str, variables: &[(&str, &str)], expected: &str) {
    let report = read(&text(kafka), variables, &[]).expect_err("accepted").to_string();
    assert!(report.contains(expected) && report.lines().count() == 1, "no {expected:?} in {report:?}");
    assert!(!report.contains("hunter2"), "{report}");
}

#[test]
fn credentials_come_from_where_amazon_puts_them() {
    let check = |variables: &[(&str, &str)], expected: &str| {
        let kafka = accept(&text(IAM), variables, &[]).kafka;
        let Some(Sasl::Iam(iam)) = &kafka.sasl else { panic!("{:?}", kafka.sasl) };
        assert_eq!(iam.region, "eu-central-1");
        let found = match &iam.source {
            AwsSource::Variables { access_key, secret_key, session_token } => {
                let token = session_token.as_ref().map_or("none", |token| token.reveal());
                format!("variables {access_key} {} {token}", secret_key.reveal())
            }
            AwsSource::WebIdentity { url, role, session, token } => format!("web {url} {role} {session} {token}"),
            AwsSource::Container { url, authorization } => {
                format!("container {url} {}", authorization.as_ref().map_or("none".into(), ToString::to_string))
            }
            AwsSource::Instance { url } => format!("instance {url}"),
        };
        assert_eq!(found, expected);
        assert!(!format!("{kafka:?}").contains("hunter2"), "{kafka:?}");
        assert!(kafka.connection_properties().contains(&("sasl.mechanism".into(), "OAUTHBEARER".into())));
        assert!(!format!("{:?}", kafka.connection_properties()).contains("hunter2"));
    };
    let web = [("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"), ("AWS_ROLE_ARN", "arn:role")];
    let full = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials");
    check(&KEYS, "variables AKID hunter2-of-aws none");
    check(&[KEYS[0], KEYS[1], ("AWS_SESSION_TOKEN", "hunter2-token")], "variables AKID hunter2-of-aws hunter2-token");
    check(&[web[0], web[1], full, KEYS[0], KEYS[1]], "variables AKID hunter2-of-aws none");
    check(&[web[0], web[1], full], "web https://sts.eu-central-1.amazonaws.com/ arn:role hookgate file:/token");
    check(
        &[web[0], web[1], ("AWS_ROLE_SESSION_NAME", "me"), ("AWS_ENDPOINT_URL_STS", "https://vpce.example/")],
        "web https://vpce.example/ arn:role me file:/token",
    );
    check(&[full], "container http://169.254.170.23/v1/credentials none");
    check(&[full, ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/t")], "container http://169.254.170.23/v1/credentials file:/t");
    check(&[full, ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "hunter2")], "container http://169.254.170.23/v1/credentials literal");
    check(&[("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/a?b=c")], "container http://169.254.170.2/v2/a?b=c none");
    check(
        &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/"), ("AWS_ACCESS_KEY_ID", "")],
        "container http://127.0.0.1:1/ none",
    );
    check(&[], "instance http://169.254.169.254");
    check(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1/")], "instance http://127.0.0.1:1");
}

#[test]
fn what_cannot_give_credentials_is_refused() {
    let check = |variables: &[(&str, &str)], expected: &str| refused(IAM, variables, expected);
    check(&KEYS[..1], "the variable AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not; set both or neither");
    check(&[("AWS_WEB_IDENTITY_TOKEN_FILE", "/t")], "the variable AWS_WEB_IDENTITY_TOKEN_FILE is set and AWS_ROLE_ARN is not");
    check(&[("AWS_EC2_METADATA_DISABLED", "true")], "no credentials of Amazon: set AWS_ACCESS_KEY_ID");
    let encrypt = "would send credentials unencrypted; it must begin with https://";
    check(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://example.com/")], encrypt);
    check(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.2.example.com/")], encrypt);
    check(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://10.0.0.1")], encrypt);
    check(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", "/path")], "the variable AWS_CONTAINER_CREDENTIALS_FULL_URI is not a URL");
    let web = [("AWS_WEB_IDENTITY_TOKEN_FILE", "/t"), ("AWS_ROLE_ARN", "r"), ("AWS_ENDPOINT_URL_STS", "http://sts.example/")];
    check(&web, encrypt);
    refused(
        &IAM.replace("security = \"tls\"\n", ""),
        &KEYS,
        "AWS_MSK_IAM would send the token unencrypted; set [kafka] security = \"tls\"",
    );
    refused(&IAM.replace('}', ", username = \"u\"}"), &KEYS, "username: belongs to another mechanism");
    refused(&IAM.replace('}', ", client_id = \"c\"}"), &KEYS, "client_id: belongs to another mechanism");
    refused(&format!("{IAM}\nauto_create = true"), &KEYS, "auto_create: does not work with AWS_MSK_IAM");
    let scram = "security = \"tls\"\nsasl = {mechanism = \"PLAIN\", username = \"u\", password = \"env:AWS_ACCESS_KEY_ID\", region = \"x\"}";
    refused(scram, &KEYS, "region: belongs to mechanism = \"AWS_MSK_IAM\"");
}

#[test]
fn the_region_is_that_of_the_cluster() {
    let check = |brokers: &str, region: &str, variables: &[(&'static str, &'static str)], expected: &str| {
        let kafka = IAM.replace(", region = \"eu-central-1\"", region);
        let text = text(&kafka).replacen("kafka:9092", brokers, 1);
        let variables = [&KEYS, variables].concat();
        let found = match read(&text, &variables, &[]) {
            Ok(config) => match config.kafka.sasl {
                Some(Sasl::Iam(iam)) => iam.region,
                other => panic!("{other:?}"),
            },
            Err(report) => report.to_string(),
        };
        assert!(found.ends_with(expected), "{brokers} {region} {variables:?}: {found}");
    };
    let (msk, serverless) =
        ("b-1.a.b2.c3.kafka.us-east-1.amazonaws.com:9098", "boot-x.c1.kafka-serverless.eu-west-2.amazonaws.com:9098");
    let environment = [("AWS_REGION", "sa-east-1"), ("AWS_DEFAULT_REGION", "eu-north-1")];
    check(msk, ", region = \"eu-west-1\"", &environment, "eu-west-1");
    check(msk, "", &environment, "us-east-1");
    check(serverless, "", &[], "eu-west-2");
    check("b-1.a.kafka.cn-north-1.amazonaws.com.cn:9098", "", &[], "cn-north-1");
    check("kafka:9092", "", &environment, "sa-east-1");
    check("kafka:9092", "", &environment[1..], "eu-north-1");
    let missing = "region: is missing, and the brokers' names and AWS_REGION name none; for example: region = \"eu-central-1\"";
    check("kafka:9092", "", &[], missing);
    check("b-1.kafka.us-east-1.example.com:9098", "", &[], missing);
    check("ec2.us-east-1.amazonaws.com:9098", "", &[], missing);
    check(msk, ", region = \"EU west\"", &[], "region: is not the name of a region, such as \"eu-central-1\"");
}

/// Profiles are files with secrets of several accounts, which Hookgate does not read.
#[test]
fn a_profile_is_warned_of() {
    let config = accept(&text(IAM), &[("AWS_PROFILE", "work")], &[]);
    assert!(config.warnings.iter().any(|warning| warning.contains("AWS_PROFILE is not read")), "{:?}", config.warnings);
    let config = accept(&text(IAM), &[KEYS[0], KEYS[1], ("AWS_PROFILE", "work")], &[]);
    assert_eq!(config.warnings, Vec::<String>::new());
}

/// A token is for one region, so a broker of another one refuses it.
#[test]
fn a_broker_of_another_region_is_warned_of() {
    let check = |brokers: &str, warned: bool| {
        let config = accept(&text(IAM).replacen("kafka:9092", brokers, 1), &KEYS, &[]);
        assert_eq!(
            config.warnings.iter().any(|it| it.contains("tokens are valid in one region only")),
            warned,
            "{:?}",
            config.warnings
        );
    };
    check("b-1.a.b2.c3.kafka.us-east-1.amazonaws.com:9098", true);
    check("b-1.a.b2.c3.kafka.eu-central-1.amazonaws.com:9098", false);
    check("kafka:9092", false);
}

/// Without its token, the role of a service account or of a container gives no credentials.
#[test]
fn a_token_that_cannot_be_read_is_warned_of() {
    let there = concat!(env!("CARGO_MANIFEST_DIR"), "/rust-toolchain.toml");
    let role = ("AWS_ROLE_ARN", "arn:role");
    let full = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials");
    let check = |variables: &[(&str, &str)], part: Option<&str>| {
        let warnings = accept(&text(IAM), variables, &[]).warnings;
        match part {
            Some(part) => {
                assert!(warnings.len() == 1 && warnings[0].contains(part) && warnings[0].contains("/nosuch"), "{warnings:?}");
            }
            None => assert_eq!(warnings, Vec::<String>::new()),
        }
    };
    check(
        &[("AWS_WEB_IDENTITY_TOKEN_FILE", "/nosuch"), role],
        Some("mechanism: no credentials from the role of the service account (AWS_ROLE_ARN) yet: the file "),
    );
    check(&[("AWS_WEB_IDENTITY_TOKEN_FILE", there), role], None);
    check(
        &[full, ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/nosuch")],
        Some("mechanism: no credentials from the role of the container (AWS_CONTAINER_CREDENTIALS_…) yet: the file "),
    );
    check(&[full, ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", there)], None);
    check(&[full], None);
}
