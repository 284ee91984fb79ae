//! What a session says of itself: its addresses, its secrets, and the commands to go on with. They come last and fit on a small screen.

use std::{
    io::{self, Write},
    net::SocketAddr,
};

use super::{ADMIN_PORT, WEBHOOK_PORT, secrets::DevSecret, setup::setup};
use crate::{command::output::shell_word, config, logged::printable, provider};

/// What there is to say of a session.
pub(super) struct Session<'a> {
    pub(super) webhooks: SocketAddr,
    pub(super) admin: SocketAddr,
    /// The link to the page.
    pub(super) page: String,
    /// Whether the user has chosen the ports.
    pub(super) chosen: [bool; 2],
    pub(super) brokers: String,
    pub(super) is_embedded: bool,
    /// The address under which the providers reach the session.
    pub(super) public_url: Option<String>,
    pub(super) secrets: &'a [DevSecret],
    /// The commands that give the secrets to another terminal.
    pub(super) secret_commands: &'a [String],
}

impl Session<'_> {
    /// Prints the addresses and the next commands, or what to enter at the providers where these reach the session.
    pub(super) fn introduce(&self, out: &mut impl Write) -> io::Result<()> {
        let kind = if self.is_embedded { "embedded, for this session" } else { "yours" };
        let names = provider::all_names().replace(", ", "|");
        writeln!(out, "  inspect   {}", self.page)?;
        writeln!(
            out,
            "  webhooks  http://{}/webhooks/<endpoint>{}",
            self.webhooks,
            other_port(self.webhooks, WEBHOOK_PORT, self.chosen[0])
        )?;
        if self.public_url.is_none() {
            writeln!(out, "            endpoint: {names}")?;
            writeln!(out, "  admin     http://{}/metrics{}", self.admin, other_port(self.admin, ADMIN_PORT, self.chosen[1]))?;
        }
        writeln!(out, "  kafka     {} ({kind})", self.brokers)?;
        if !self.secret_commands.is_empty() {
            writeln!(out, "\nIn another terminal, with this session's secrets:")?;
        }
        match &self.public_url {
            Some(url) => self.setups(out, url)?,
            None => self.commands(out)?,
        }
        writeln!(out, "\nWaiting for deliveries. Ctrl-C ends it.")
    }

    fn commands(&self, out: &mut impl Write) -> io::Result<()> {
        let (program, brokers) = (config::program(), &self.brokers);
        if !self.secret_commands.is_empty() {
            writeln!(out)?;
        }
        self.secret_commands.iter().try_for_each(|command| writeln!(out, "{command}"))?;
        writeln!(out, "\nSend a sample (--curl prints it as a curl command, --list lists all types):\n")?;
        if let Some(secret) = self.secrets.iter().find(|it| it.provider.name == "uploadcare") {
            let url = format!("http://{}/webhooks/uploadcare", self.webhooks);
            let reference = shell_word(&secret.reference());
            writeln!(out, "{program} send uploadcare file.stored --secret {reference} --url {url}")?;
        }
        let limits = if self.is_embedded { " (Java and franz-go need a real Kafka, see --kafka)" } else { "" };
        writeln!(out, "\nRead the topics{limits}:\n")?;
        writeln!(out, "{program} tail --brokers {brokers} --from-beginning")?;
        writeln!(out, "kcat -b {brokers} -L")
    }

    /// Prints what to enter at each provider. It takes so many lines that nothing else fits on a small screen.
    fn setups(&self, out: &mut impl Write, public_url: &str) -> io::Result<()> {
        self.secret_commands.iter().try_for_each(|command| writeln!(out, "{command}"))?;
        writeln!(out, "\nEnter at the providers (there, echo \"…\" puts the secret in the place of its name):")?;
        for secret in self.secrets {
            let url = format!("{public_url}/webhooks/{}", secret.provider.name);
            let mut begin = format!("{:12}", secret.provider.title);
            for line in setup(secret.provider, &url, &secret.reference()) {
                writeln!(out, "{begin}{}", printable(&line))?;
                "  ".clone_into(&mut begin);
            }
        }
        Ok(())
    }
}

/// Returns a remark where the usual port was taken.
fn other_port(address: SocketAddr, usual: u16, is_chosen: bool) -> String {
    if is_chosen || address.port() == usual { String::new() } else { format!("   (port {usual} is taken)") }
}

#[cfg(test)]
mod tests;
