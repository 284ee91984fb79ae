//! The clock of this machine, beside the `Date` of every answer that the other parts have got.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    time::Duration,
};

use super::{DoctorLine, DoctorReport, Patient};
use crate::{config::EndpointConfig, outbound::Client};

const CLOCK: &str = "clock";
/// How far a signed time may be off where no endpoint says it.
const TOLERANCE: Duration = Duration::from_secs(300);

/// Compares the clock with those of all hosts that the clients have asked.
pub(super) fn look<'c>(
    patient: &Patient<'_>,
    clients: impl Iterator<Item = &'c Client>,
    report: &mut DoctorReport<impl Write>,
) -> io::Result<()> {
    let ahead: BTreeMap<String, i64> = clients.flat_map(Client::seconds_ahead).collect();
    if ahead.is_empty() {
        let remedy = match patient.arguments.host {
            Some(_) => "first do what the lines above say; timedatectl shows whether this machine's clock is synchronized",
            None => "give --host, or the credentials of a provider's API in [recover]",
        };
        return report.add(DoctorLine::not_tried(CLOCK, "no answer has said what time it is", remedy));
    }
    let endpoints = patient.config.iter().flat_map(|config| &config.endpoints);
    let narrowest = endpoints.filter(|endpoint| endpoint.provider.signs_time()).min_by_key(|endpoint| endpoint.tolerance);
    ahead.into_iter().try_for_each(|(host, ahead)| report.add(compared(&host, ahead, narrowest).of(&host)))
}

fn compared(host: &str, ahead: i64, narrowest: Option<&EndpointConfig>) -> DoctorLine {
    let tolerance = narrowest.map_or(TOLERANCE, |endpoint| endpoint.tolerance);
    let side = if ahead < 0 { "behind" } else { "ahead of" };
    let difference = format!("this machine's clock is {} s {side} the clock of {host}", ahead.unsigned_abs());
    // Deliveries are under way for some time, and the provider's clock may be off, too: half of the tolerance is left for that.
    if ahead.unsigned_abs().saturating_mul(2) <= tolerance.as_secs() {
        let text = if ahead == 0 { "agrees with this machine's clock".to_owned() } else { difference };
        return DoctorLine::good(CLOCK, text);
    }
    let limit = narrowest.map_or_else(String::new, |endpoint| {
        format!("; deliveries to {} are refused as stale above {} s", endpoint.name, tolerance.as_secs())
    });
    DoctorLine::bad(
        CLOCK,
        difference + &limit,
        "timedatectl shows whether this machine's clock is synchronized; look at the daemon's, too",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{command::doctor::report::State, provider::frameio, signed_url::SignedUrls};

    #[test]
    fn half_of_the_tolerance_is_the_measure() {
        let endpoint = |seconds| EndpointConfig {
            name: "review".into(),
            provider: &frameio::PROVIDER,
            secrets: Vec::new(),
            tolerance: Duration::from_secs(seconds),
            signed_urls: SignedUrls::Optional,
            topic_prefix: None,
        };
        let check = |ahead: i64, tolerance: Option<u64>, state: State, part: &str| {
            let endpoint = tolerance.map(endpoint);
            let line = compared("api.example.com", ahead, endpoint.as_ref());
            assert_eq!(line.state, state, "{line:?}");
            assert!(line.texts[0].contains(part), "{line:?}");
        };
        check(0, None, State::Good, "agrees with this machine's clock");
        check(150, None, State::Good, "is 150 s ahead of");
        check(-150, None, State::Good, "is 150 s behind");
        check(151, None, State::Bad, "is 151 s ahead of");
        check(-151, Some(300), State::Bad, "deliveries to review are refused as stale above 300 s");
        check(5, Some(1), State::Bad, "above 1 s");
        check(30_000, Some(86_400), State::Good, "30000 s");
        check(i64::MAX, Some(300), State::Bad, "ahead of");
        check(i64::MIN, Some(300), State::Bad, "behind");
    }
}
