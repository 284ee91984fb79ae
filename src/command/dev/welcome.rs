//! What a session says of itself: its addresses, its secrets, and the commands to go on with. They come last and fit on a small screen.

use std::{
    io::{self, Write},
    net::SocketAddr,
};

use super::{ADMIN_PORT, WEBHOOK_PORT, variable};
use crate::{config, provider};

/// What there is to say of a session.
pub(super) struct Session<'a> {
    pub(super) webhooks: SocketAddr,
    pub(super) admin: SocketAddr,
    /// Whether the user has chosen the ports.
    pub(super) chosen: [bool; 2],
    pub(super) brokers: String,
    pub(super) is_embedded: bool,
    pub(super) secrets: &'a [(&'static str, String)],
}

impl Session<'_> {
    /// Prints the addresses and the next commands.
    pub(super) fn introduce(&self, out: &mut impl Write) -> io::Result<()> {
        let (program, brokers) = (config::program(), &self.brokers);
        let kind = if self.is_embedded { "embedded, for this session" } else { "yours" };
        let names = provider::all_names().replace(", ", "|");
        writeln!(
            out,
            "  webhooks  http://{}/webhooks/<endpoint>{}",
            self.webhooks,
            other_port(self.webhooks, WEBHOOK_PORT, self.chosen[0])
        )?;
        writeln!(out, "            endpoint: {names}")?;
        writeln!(out, "  admin     http://{}/metrics{}", self.admin, other_port(self.admin, ADMIN_PORT, self.chosen[1]))?;
        writeln!(out, "  kafka     {brokers} ({kind})")?;
        writeln!(out, "\nIn another terminal, with this session's secrets:\n")?;
        let exported: Vec<String> = self.secrets.iter().map(|(name, secret)| format!("{}={secret}", variable(name))).collect();
        writeln!(out, "export {}", exported.join(" "))?;
        writeln!(out, "\nSend a sample (--curl prints it as a curl command, --list lists all types):\n")?;
        let url = format!("http://{}/webhooks/uploadcare", self.webhooks);
        writeln!(out, "{program} send uploadcare file.stored --secret env:{} --url {url}", variable("uploadcare"))?;
        let limits = if self.is_embedded { " (Java and franz-go need a real Kafka, see --kafka)" } else { "" };
        writeln!(out, "\nRead the topics{limits}:\n")?;
        writeln!(out, "{program} tail --brokers {brokers} --from-beginning")?;
        writeln!(out, "kcat -b {brokers} -L")?;
        writeln!(out, "\nWaiting for deliveries. Ctrl-C ends it.")
    }
}

/// Returns a remark where the usual port was taken.
fn other_port(address: SocketAddr, usual: u16, is_chosen: bool) -> String {
    if is_chosen || address.port() == usual { String::new() } else { format!("   (port {usual} is taken)") }
}

#[cfg(test)]
mod tests;
