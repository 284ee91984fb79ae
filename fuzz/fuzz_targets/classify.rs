//! See `hookgate_fuzz::classify`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hookgate_fuzz::classify(data));
