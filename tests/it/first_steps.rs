//! The way of a newcomer, as `hookgate init` prints it: its files, the next commands, and what to enter at each provider, up to the events on
//! their topics. Every printed command runs in a shell.

use std::{
    fs, io::Write as _, net::SocketAddr, os::unix::fs::PermissionsExt as _, path::Path, process::Command, time::SystemTime,
};

use hookgate::provider;
use serde_json::Value;

use crate::{
    binary::{Finished, Folder, Process},
    harness::{keep_secret, request, signed_with, wait_until},
    providers::PROVIDERS,
};

/// The URL that the provider is given.
const HOST: &str = "https://hooks.example.com";

/// The folder of a newcomer, whose topics have a prefix of their own.
pub struct Newcomer {
    pub folder: Folder,
    prefix: String,
}

impl Newcomer {
    pub fn new(prefix: &str) -> Self {
        Self { folder: Folder::new(), prefix: prefix.to_owned() }
    }

    fn shell(&self, script: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]).current_dir(self.folder.path("")).env_clear();
        shell.env("PATH", std::env::var_os("PATH").unwrap()).env("HOOKGATE_TOPICS__PREFIX", &self.prefix);
        shell
    }

    /// Runs a command as it is printed.
    pub fn paste(&self, script: &str) -> Finished {
        Process::of(self.shell(script)).finish()
    }

    /// Runs a command that prints one line with a secret, and returns the line.
    pub fn reveal(&self, script: &str) -> String {
        let ran = Process::of(self.shell(script)).prints_secrets().finish();
        assert_eq!((ran.code, ran.out.lines().count()), (Some(0), 1), "{script}");
        ran.out.trim_end().to_owned()
    }

    /// Runs a command as it is printed, and gives it some input.
    pub fn paste_with(&self, script: &str, input: &str) -> Finished {
        let (process, mut stdin) = Process::with_input(self.shell(script));
        stdin.write_all(input.as_bytes()).unwrap();
        drop(stdin);
        process.finish()
    }

    /// Runs `hookgate init`, and returns what it prints. Its secrets are searched for in all output from now on.
    pub fn init(&self, arguments: &str) -> String {
        let ran = self.paste(&format!("{} init --host {HOST} {arguments}", env!("CARGO_BIN_EXE_hookgate")));
        assert_eq!((ran.code, &*ran.err), (Some(0), ""), "{ran:?}");
        for (path, text) in self.secrets() {
            let mode = fs::metadata(self.folder.path(&path)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{path}");
            assert!(text.is_empty() || !ran.out.contains(text.trim()), "{path} is printed");
            keep_secret(text.trim());
        }
        ran.out
    }

    /// The files in the folder `secrets` and in those below it, each with its content.
    pub fn secrets(&self) -> Vec<(String, String)> {
        let list = |folder: &str| -> Vec<String> {
            let Ok(entries) = fs::read_dir(self.folder.path(folder)) else { return Vec::new() };
            entries.map(|entry| format!("{folder}/{}", entry.unwrap().file_name().to_str().unwrap())).collect()
        };
        let (folders, mut files): (Vec<_>, Vec<_>) =
            list("secrets").into_iter().partition(|name| fs::metadata(self.folder.path(name)).unwrap().is_dir());
        files.extend(folders.iter().flat_map(|folder| list(folder)));
        files.into_iter().map(|name| (name.clone(), fs::read_to_string(self.folder.path(&name)).unwrap())).collect()
    }
}

/// Returns the commands of a chapter of what `init` prints. A command that goes on in the next line is one.
pub fn commands(printed: &str, chapter: &str) -> Vec<String> {
    let (_, after) = printed.split_once(&format!("\n{chapter}\n")).unwrap_or_else(|| panic!("no {chapter:?} in {printed}"));
    let mut commands = Vec::<String>::new();
    for line in after.lines().take_while(|line| !line.is_empty()).filter(|line| line.starts_with("    ")) {
        match commands.last_mut() {
            Some(last) if line.starts_with("      ") => last.extend(["\n", line]),
            _ => commands.push(line.trim_start().to_owned()),
        }
    }
    commands
}

/// Goes the whole way with a Kafka: each provider sends one delivery, which is read back. Returns what `hookgate doctor` says before the topics are
/// made, and at the end.
pub fn walk(brokers: &str, prefix: &str) -> [Value; 2] {
    let newcomer = Newcomer::new(prefix);
    let printed = newcomer
        .init(&format!("--providers {} --brokers {brokers} --security plaintext", provider::all_names().replace(' ', "")));
    let [check, topics, serve] = commands(&printed, "Next:").try_into().unwrap();
    let doctor = |flags: &str| {
        let ran = newcomer.paste(&format!("{} doctor --json {flags}", env!("CARGO_BIN_EXE_hookgate")));
        ran.json_lines().remove(0)
    };
    let before = doctor("");
    for command in [check, topics] {
        let ran = newcomer.paste(&command);
        assert_eq!(ran.code, Some(0), "{command}: {ran:?}");
    }
    let any = "--listen 127.0.0.1:0 --admin-listen 127.0.0.1:0";
    let daemon = Process::of(newcomer.shell(&format!("exec {serve} {any}")));
    let (webhooks, admin) = daemon.addresses();
    wait_until("ready", || request(admin, "GET", "/readyz", &[], b"").status == 200);
    // A busy broker may answer the first delivery to a topic late. Providers try again after a 503, and so does this.
    for case in PROVIDERS {
        let provider = provider::by_name(case.name).unwrap();
        let event_type = provider.names().next().unwrap();
        let body = (provider.sample)(event_type).unwrap();
        let [command] = commands(&printed, provider.title).try_into().unwrap();
        if case.sign.is_none() {
            // A token: the command prints the URL that is registered.
            let url = newcomer.reveal(&command);
            let path = url.strip_prefix(HOST).unwrap();
            wait_until("answered 200", || request(webhooks, "POST", path, &[], body.as_bytes()).status == 200);
        } else {
            let secret = enter(&newcomer, &command, provider.name, webhooks, body.as_bytes());
            wait_until("answered 200", || deliver(webhooks, provider.name, &secret, body.as_bytes()) == 200);
        }
        let topic = format!("{prefix}{}.{event_type}", provider.name);
        let tail = format!("{} tail {topic} --last 1 --exit --format json --body", env!("CARGO_BIN_EXE_hookgate"));
        let events: Vec<Value> = newcomer.paste(&tail).json_lines();
        let [event] = events.as_slice() else { panic!("{topic}: {events:?}") };
        assert_eq!((&event["event"]["origin"], &event["event"]["body_text"]), (&"ORIGIN_WEBHOOK".into(), &body.into()));
    }
    [before, doctor(&format!("--host http://{webhooks}"))]
}

/// Returns the secret that both sides have once a person has followed the printed command: it prints the secret for the provider, or it
/// takes that of the provider.
fn enter(newcomer: &Newcomer, command: &str, name: &str, webhooks: SocketAddr, body: &[u8]) -> String {
    let file = newcomer.folder.path(&format!("secrets/{name}/1"));
    if Path::new(&file).exists() {
        return newcomer.reveal(command);
    }
    let secret = "6b1d4f0c2e9a8375b1d4f0c2e9a83756";
    keep_secret(secret);
    assert_eq!(deliver(webhooks, name, secret, body), 503, "{name} has no secret yet");
    // A person ends the line that was pasted.
    let ran = newcomer.paste_with(command, &format!("{secret}\n"));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    secret.to_owned()
}

/// Sends a delivery that is signed now, and returns the status of the answer.
fn deliver(webhooks: SocketAddr, name: &str, secret: &str, body: &[u8]) -> u16 {
    let now = hookgate::clock::system().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let (path, headers) = signed_with(name, secret, &now.to_string(), body);
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    request(webhooks, "POST", &path, &headers, body).status
}
