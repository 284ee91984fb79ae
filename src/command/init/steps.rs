//! What a person does after `hookgate init`: the next commands, and what to enter at each provider. Every line fits a terminal of 80 columns,
//! unless a name or a path of the user's is long.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::{answers::InitAnswers, folder, kubernetes};
use crate::{
    command::output::shell_word,
    config,
    provider::{CredentialSource, Provider, SecretMaker},
};

/// Where the files are, and so what the commands are.
pub(super) enum Home {
    /// Beside `hookgate.toml` in this folder.
    Folder(PathBuf),
    /// In a Kubernetes, with the chart's values in this folder.
    Cluster(PathBuf),
}

/// What a line ends with whose command reads a secret.
const PASTE: &str = "    # paste, Enter, Ctrl-D";

/// Prints all that is left to do.
pub(super) fn print(out: &mut impl Write, answers: &InitAnswers, home: &Home) -> io::Result<()> {
    writeln!(out, "\nNext:")?;
    for command in next(answers, home) {
        writeln!(out, "    {command}")?;
    }
    writeln!(out, "\nThen enter the URLs at the providers.")?;
    for provider in &answers.providers {
        writeln!(out, "\n{}", provider.title)?;
        register(out, provider, &answers.url(provider), home)?;
    }
    Ok(())
}

/// Prints what to enter at a provider. Where that holds a secret, it prints a command that shows it.
fn register(out: &mut impl Write, provider: &Provider, url: &str, home: &Home) -> io::Result<()> {
    let say = |out: &mut dyn Write| provider.register.lines().try_for_each(|line| writeln!(out, "  {line}"));
    match (provider.secret_maker, provider.credential) {
        (SecretMaker::Provider, _) => {
            writeln!(out, "  The URL is {url}")?;
            say(out)?;
            writeln!(out, "  Put the secret into its place. Hookgate takes it without a restart.")?;
            writeln!(out, "    {}{PASTE}", home.fill(provider))?;
            writeln!(out, "  Or have Hookgate do both: hookgate subscribe --help")
        }
        (SecretMaker::Operator, CredentialSource::UrlToken) => {
            say(out)?;
            writeln!(out, "  The URL has a secret token, and this prints it:")?;
            writeln!(out, "    echo \"{url}?token=$(\n      {})\"", home.show(provider))
        }
        (SecretMaker::Operator, CredentialSource::Hmac(_)) => {
            writeln!(out, "  The URL is {url}")?;
            say(out)?;
            writeln!(out, "  This prints the secret:")?;
            writeln!(out, "    {}", home.show(provider))
        }
    }
}

impl Home {
    /// Returns the command that prints a secret.
    fn show(&self, provider: &Provider) -> String {
        match self {
            Self::Folder(directory) => format!("cat {}", word(&folder::secret_path(directory, provider))),
            Self::Cluster(_) => format!(
                "kubectl -n {} get secret {} \\\n        -o go-template='{{{{index .data \"{}\" | base64decode}}}}{{{{\"\\n\"}}}}'",
                kubernetes::NAME,
                kubernetes::secret_name(provider),
                folder::FIRST
            ),
        }
    }

    /// Returns the command that takes a secret from its input.
    fn fill(&self, provider: &Provider) -> String {
        match self {
            Self::Folder(directory) => format!("cat >{}", word(&folder::secret_path(directory, provider))),
            Self::Cluster(_) => create_secret(&kubernetes::secret_name(provider), folder::FIRST),
        }
    }
}

fn create_secret(name: &str, key: &str) -> String {
    format!("kubectl -n {} create secret generic {name} \\\n      --from-file={key}=/dev/stdin", kubernetes::NAME)
}

fn next(answers: &InitAnswers, home: &Home) -> Vec<String> {
    match home {
        Home::Folder(directory) => in_folder(answers, directory),
        Home::Cluster(directory) => in_cluster(answers, directory),
    }
}

fn in_folder(answers: &InitAnswers, directory: &Path) -> Vec<String> {
    let config = if directory.as_os_str().is_empty() {
        String::new()
    } else {
        format!(" --config {}", word(&folder::configuration_path(directory)))
    };
    let mut commands = Vec::new();
    if matches!(answers.user, Some((_, None))) {
        commands.push(format!("cat >{}{PASTE}", word(&folder::password_path(directory))));
    }
    let program = word(Path::new(&config::program()));
    commands.extend(["check", "topics --apply", "serve"].map(|command| format!("{program} {command}{config}")));
    commands
}

fn in_cluster(answers: &InitAnswers, directory: &Path) -> Vec<String> {
    let name = kubernetes::NAME;
    let mut commands = vec![format!("kubectl create namespace {name}")];
    if kubernetes::has_secrets(answers) {
        commands.push(format!("kubectl -n {name} apply -f {}", word(&kubernetes::secrets_path(directory))));
    }
    if answers.user.is_some() {
        commands.push(create_secret(kubernetes::PASSWORD, "password") + PASTE);
    }
    if let Some(file) = &answers.ca_file {
        let made = format!("kubectl -n {name} create configmap {}", kubernetes::AUTHORITIES);
        commands.push(format!("{made} \\\n      --from-file=ca.crt={}", word(file)));
    }
    if let Some((certificate, key)) = &answers.certificate {
        let made = format!("kubectl -n {name} create secret tls {}", kubernetes::CERTIFICATE);
        commands.push(format!("{made} \\\n      --cert={} --key={}", word(certificate), word(key)));
    }
    let values = word(&kubernetes::values_path(directory));
    commands.push(format!("helm -n {name} install {name} deploy/helm/hookgate -f {values}"));
    commands.push(format!("helm -n {name} test {name} --logs"));
    commands
}

/// Returns a path as a word for a shell.
fn word(path: &Path) -> String {
    shell_word(&path.display().to_string())
}
