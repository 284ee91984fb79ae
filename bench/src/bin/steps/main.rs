//! Does one step of a delivery's path again and again, so that `bench/instructions` can count the instructions of it.

mod sample;

use std::{error::Error, hint::black_box};

use clap::{Parser, ValueEnum};
use hookgate::{encode::encode, http::classify, provider};

/// Does a step of a delivery's path so many times, for the sample of a provider's first type.
#[derive(Parser)]
struct Arguments {
    /// The last step to do: each step needs those before it.
    until: Step,
    /// The name of the provider.
    provider: String,
    /// How many deliveries to take that far.
    times: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Step {
    /// Copies the delivery, which all other steps begin with.
    Copy,
    Verify,
    Classify,
    Encode,
}

fn main() -> Result<(), Box<dyn Error>> {
    let Arguments { until, provider, times } = Arguments::parse();
    let provider = provider::by_name(&provider).ok_or("no such provider")?;
    let (delivery, keys) = sample::delivery(provider)?;
    let encoding = sample::encoding();
    for _ in 0..times {
        let delivery = black_box(delivery.clone());
        if until < Step::Verify {
            continue;
        }
        let verified = black_box(provider.verify(delivery, &keys)?);
        if until < Step::Classify {
            continue;
        }
        let event = black_box(classify(provider, &verified));
        if until == Step::Encode {
            black_box(encode(verified, provider, event, &encoding));
        }
    }
    Ok(())
}
