//! How often the pure part of a delivery's path asks the allocator for memory, and for how many bytes, for a typical body of each provider.
//! These are counts, so they are the same on each machine. `make bless` accepts others; say in the commit why they changed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

use std::{fmt::Write as _, hint::black_box};

use allocation_counter::AllocationInfo;
use hookgate::{encode::encode, http::classify, provider};

#[path = "../bench/src/bin/steps/sample.rs"]
mod sample;

/// Does some work, and returns its result with what it has asked of the allocator on this thread.
fn counted<T>(work: impl FnOnce() -> T) -> (T, AllocationInfo) {
    let mut result = None;
    let info = allocation_counter::measure(|| result = Some(black_box(work())));
    (result.unwrap(), info)
}

#[test]
fn a_delivery_asks_for_no_more_memory_than_before() {
    let encoding = sample::encoding();
    let mut table = String::new();
    for provider in provider::ALL {
        let (delivery, keys) = sample::delivery(provider).unwrap();
        writeln!(table, "{}, a body of {} bytes", provider.name, delivery.body.len()).unwrap();
        let (verified, verifying) = counted(|| provider.verify(delivery, &keys).unwrap());
        let (event, classifying) = counted(|| classify(provider, &verified));
        let (_record, encoding) = counted(|| encode(verified, provider, event, &encoding));
        for (stage, info) in [("verify", verifying), ("classify", classifying), ("encode", encoding)] {
            writeln!(table, "  {stage:<9}{:>4} times{:>7} bytes", info.count_total, info.bytes_total).unwrap();
        }
    }
    insta::assert_snapshot!(table);
}
