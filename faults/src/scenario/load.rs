//! More than can be held, of all or of one.

use std::time::{Duration, Instant};

use super::{VICTIM, pause};
use crate::{
    expect::{answered, overloaded},
    load::{Kind, Outcome},
    proxy::Mode,
    stage::Stage,
};

/// Brokers that answer after a tenth of a second, and 16 deliveries at once, make at most 160 a second. A flood is ten times what they
/// make; few deliveries come beside it, because those that it kept out come again when it is over.
pub(super) fn overload(stage: &mut Stage) -> Result<(), String> {
    stage.network(&Mode::Slow(Duration::from_millis(50)))?;
    pause(3.0);
    let calm = Instant::now();
    pause(8.0);
    let begin = Instant::now();
    let flood = stage.flood(Kind::Flood(1500));
    pause(stage.seconds(60.0, 15.0));
    stage.expect(overloaded(calm..begin, begin..Instant::now()));
    stage.healed();
    stage.collect(flood)
}

/// Correctly signed, as fast as it can be answered, on more connections than the endpoint has room for.
pub(super) fn noisy_endpoint(stage: &mut Stage) -> Result<(), String> {
    let begin = Instant::now();
    let flood = stage.flood(Kind::Noise(VICTIM, 300));
    pause(stage.seconds(15.0, 5.0));
    stage.expect(answered(&[VICTIM], Outcome::Refused, begin..Instant::now()));
    stage.healed();
    stage.collect(flood)
}
