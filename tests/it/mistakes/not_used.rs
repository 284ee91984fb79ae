//! A command works without the secrets and files that it does not use.

use super::{GOOD, run};
use crate::binary::Folder;

/// Commands that list, read or describe topics need no secret of an endpoint.
#[test]
fn commands_need_no_secrets_that_they_do_not_use() {
    let folder = Folder::new();
    let tls = "security = \"tls\"\ntls = {ca_file = \"gone\", certificate_file = \"gone\", key_file = \"gone\"}\n\
               sasl = {mechanism = \"SCRAM-SHA-512\", username = \"u\", password = \"env:GONE_KAFKA\"}\n";
    let rest = "[http.tls]\ncertificate_file = \"gone\"\nkey_file = \"gone\"\n[schema_registry]\nurls = [\"https://r\"]\ntoken = \"env:GONE_REGISTRY\"\n\
                [tracing]\nendpoint = \"https://c\"\nheaders = [\"a=env:GONE_TRACING\"]\n";
    let file = format!("{}{rest}", GOOD.replace("env:UPLOADCARE", "env:GONE").replace("[kafka]\n", &format!("[kafka]\n{tls}")));
    folder.write("all.toml", &file);
    let run_all = |arguments: &[&str], code: i32| {
        let finished = run(&folder, &[], &[arguments, &["--config", "all.toml"]].concat());
        assert_eq!(finished.code, Some(code), "{arguments:?}: {finished:?}");
        finished
    };
    assert!(run_all(&["topics"], 0).out.contains("hookgate.uploadcare.file.stored"));
    assert!(run_all(&["topics", "--format", "commands"], 0).out.contains("--create"));
    assert!(run_all(&["schema", "asyncapi"], 0).out.contains("\"asyncapi\""));
    assert!(run_all(&["send", "care", "--list"], 0).out.contains("file.stored"));
    let unset = "the variable GONE is not set; export it";
    assert!(run_all(&["send", "care", "file.stored"], 1).err.contains(unset));
    folder.write("body", "{}");
    assert!(run_all(&["verify", "care", "--body", "body"], 1).out.contains(unset));
    let needed = |arguments: &[&str], variables: &[&str]| {
        let err = run_all(arguments, 64).err;
        for name in ["GONE", "GONE_KAFKA", "GONE_REGISTRY", "GONE_TRACING"] {
            assert_eq!(err.contains(&format!("the variable {name} is")), variables.contains(&name), "{arguments:?}: {err}");
        }
        assert_eq!(err.contains("[http.tls]"), variables.contains(&"GONE"), "{arguments:?}: {err}");
    };
    needed(&["tail"], &["GONE_KAFKA"]);
    needed(&["topics", "--apply"], &["GONE_KAFKA", "GONE_REGISTRY"]);
    needed(&["check"], &["GONE", "GONE_KAFKA", "GONE_REGISTRY", "GONE_TRACING"]);
    needed(&["serve"], &["GONE", "GONE_KAFKA", "GONE_REGISTRY", "GONE_TRACING"]);
    // A value that is no reference to a secret is a mistake for every command.
    folder.write("all.toml", file.replace("env:GONE\"", "hunter2\""));
    assert!(run_all(&["topics"], 64).err.contains("a secret has no place here"));
}
