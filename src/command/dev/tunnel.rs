//! The public address of a tunnel that runs on this machine. The agents of ngrok and cloudflared say on a local port of their own how they are
//! called from outside, and where they lead.

use std::{net::IpAddr, time::Duration};

use clap::Args;
use serde_json::Value;

use crate::{
    command::{Failure, subscriptions::public_host},
    config::Environment,
    logged::printable,
    outbound::Client,
};

/// How long an agent may take for an answer. Its port is on this machine.
const TIMEOUT: Duration = Duration::from_secs(2);
/// The longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// The addresses that a network provider shares between its customers, 100.64.0.0/10 (RFC 6598).
const SHARED: u32 = u32::from_be_bytes([100, 64, 0, 0]);

/// How the providers reach the session.
#[derive(Debug, Args)]
pub(super) struct PublicFlags {
    /// Say what to enter at each provider. This is the public address that leads here: https:// and a host.
    #[arg(long, value_name = "URL", value_parser = reached_host)]
    public_url: Option<String>,
    /// The same, with the public address of the ngrok or cloudflared that runs on this machine.
    #[arg(long, conflicts_with = "public_url")]
    tunnel: bool,
}

impl PublicFlags {
    /// Returns the public address that leads to this port, if one was asked for. The port is 0 where the usual one is taken.
    pub(super) fn url(&self, port: u16, environment: &Environment) -> Result<Option<String>, Failure> {
        if !self.tunnel {
            return Ok(self.public_url.clone());
        }
        if port == 0 {
            let why = "the session would take any free port, and a tunnel leads to one: choose it with --listen 127.0.0.1:PORT";
            return Err(Failure::Failed(format!("--tunnel: {why}")));
        }
        let found = Agents::of(environment).public_url(port);
        found.map(Some).map_err(|why| Failure::Failed(format!("--tunnel: {why}")))
    }
}

/// Reads a public address, which must be one that a provider can reach.
fn reached_host(text: &str) -> Result<String, String> {
    let url = public_host(text)?;
    let host = url.trim_start_matches("https://");
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default().trim_end_matches('.'),
    };
    if is_local(host) {
        return Err(format!(
            "no provider reaches {host}, which is of this machine or of a private network: give the public name of a proxy or a tunnel before \
             it, or take --tunnel with a running ngrok or cloudflared"
        ));
    }
    Ok(url)
}

/// Returns whether a host has a meaning only on this machine or in a private network.
fn is_local(host: &str) -> bool {
    match host.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(it)) => {
            let is_shared = u32::from(it) >> 22 == SHARED >> 22;
            it.is_loopback() || it.is_private() || it.is_link_local() || it.is_unspecified() || is_shared
        }
        Ok(IpAddr::V6(it)) => it.is_loopback() || it.is_unique_local() || it.is_unicast_link_local() || it.is_unspecified(),
        Err(_) => {
            let last = host.rsplit('.').next().unwrap_or_default();
            let is_number = last.starts_with(|c: char| c.is_ascii_digit());
            last == host
                || is_number
                || ["localhost", "local", "internal", "lan", "test", "invalid", "arpa", "onion"].contains(&last)
        }
    }
}

/// Where the agents answer, each a host and a port.
struct Agents {
    ngrok: Vec<String>,
    cloudflared: Vec<String>,
}

/// A way from outside to this machine.
#[derive(Debug, PartialEq, Eq)]
struct Tunnel {
    agent: &'static str,
    url: String,
    /// The address that it leads to, if the agent says it.
    target: Option<String>,
}

impl Agents {
    /// Returns the agents' default addresses, and the one that cloudflared takes from the environment.
    fn of(environment: &Environment) -> Self {
        let chosen = environment.get("TUNNEL_METRICS").map(str::to_owned);
        let cloudflared = (20_241..=20_245).map(|port: u16| format!("127.0.0.1:{port}"));
        Self { ngrok: vec!["127.0.0.1:4040".to_owned()], cloudflared: chosen.into_iter().chain(cloudflared).collect() }
    }

    /// Returns the public address of the first tunnel that leads to this port. The error says what to start.
    fn public_url(&self, port: u16) -> Result<String, String> {
        let tunnels = self.tunnels()?;
        let start = format!("`ngrok http {port}` or `cloudflared tunnel --url http://localhost:{port}` starts one");
        let leads_here = |it: &&Tunnel| it.target.as_deref().is_none_or(|target| port_of(target) == Some(port));
        match (tunnels.iter().find(leads_here), tunnels.first()) {
            (Some(tunnel), _) => Ok(tunnel.url.clone()),
            (None, Some(Tunnel { agent, url, target })) => {
                let target = printable(target.as_deref().unwrap_or_default());
                Err(format!("{agent} leads {url} to {target}, and this session takes webhooks on port {port}: {start}"))
            }
            (None, None) => Err(format!("no ngrok and no cloudflared with a public address answers on this machine: {start}")),
        }
    }

    fn tunnels(&self) -> Result<Vec<Tunnel>, String> {
        let client = Client::new(TIMEOUT, None)?;
        // Something else may listen there.
        let ask = |address: &str, path: &str| {
            let answer = client.get(&format!("http://{address}{path}"), &[], ANSWER_BYTES_MAX).ok()?;
            serde_json::from_slice::<Value>(&answer.body).ok().filter(|_| answer.status == 200)
        };
        let ngrok = self.ngrok.iter().filter_map(|address| ask(address, "/api/tunnels")).flat_map(|answer| of_ngrok(&answer));
        let cloudflared = self.cloudflared.iter().filter_map(|address| {
            let quick = ask(address, "/quicktunnel")?;
            Some(of_cloudflared(&quick, ask(address, "/config").as_ref()))
        });
        Ok(ngrok.chain(cloudflared.flatten()).collect())
    }
}

/// Reads the list of ngrok's tunnels. What is no HTTPS has no use here.
fn of_ngrok(answer: &Value) -> Vec<Tunnel> {
    let tunnels = answer["tunnels"].as_array().into_iter().flatten();
    let read = |it: &Value| {
        let url = public_host(it["public_url"].as_str()?).ok()?;
        Some(Tunnel { agent: "ngrok", url, target: it["config"]["addr"].as_str().map(str::to_owned) })
    };
    tunnels.filter_map(read).collect()
}

/// Reads the host of cloudflared's tunnel without an account, and its rules. One with an account has its hosts in the rules.
fn of_cloudflared(quick: &Value, config: Option<&Value>) -> Vec<Tunnel> {
    let quick = quick["hostname"].as_str().unwrap_or_default();
    let tunnel = |host: &str, target: Option<&str>| {
        // A host with a wildcard is none.
        let url = public_host(&format!("https://{host}")).ok().filter(|url| !url.contains('*'))?;
        Some(Tunnel { agent: "cloudflared", url, target: target.map(str::to_owned) })
    };
    let Some(rules) = config.and_then(|config| config["config"]["ingress"].as_array()) else {
        return tunnel(quick, None).into_iter().collect();
    };
    let rules = rules.iter().filter_map(|rule| {
        let host = rule["hostname"].as_str().filter(|host| !host.is_empty()).unwrap_or(quick);
        tunnel(host, Some(rule["service"].as_str()?))
    });
    rules.collect()
}

/// Returns the port of `http://localhost:8080`, of `localhost:8080` and of `8080`.
fn port_of(target: &str) -> Option<u16> {
    let (scheme, rest) = target.split_once("://").unwrap_or(("", target));
    let authority = rest.split('/').next()?;
    let written = authority.rsplit(':').next()?.parse().ok();
    written.or(match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
