//! Keys are in the partitions that the Java clients choose, so that streams with the same keys are co-partitioned.

use std::collections::BTreeSet;

use crate::support::{consume_plain, prefix, publishing, scan};

/// Returns the hash of Kafka's Java clients: `MurmurHash2`, 32 bits, little endian, with their seed.
fn murmur2(key: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mix = |word: u32| {
        let word = word.wrapping_mul(M);
        (word ^ (word >> 24)).wrapping_mul(M)
    };
    let mut hash = 0x9747_b28c ^ u32::try_from(key.len()).unwrap();
    let (words, rest) = key.as_chunks::<4>();
    for word in words {
        hash = hash.wrapping_mul(M) ^ mix(u32::from_le_bytes(*word));
    }
    if !rest.is_empty() {
        let tail = rest.iter().rev().fold(0, |tail, byte| tail << 8 | u32::from(*byte));
        hash = (hash ^ tail).wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

/// Returns the partition that the Java clients choose by default. They clear the sign bit instead of taking the absolute value.
pub fn partition_in_java(key: &[u8], partitions: u32) -> u32 {
    (murmur2(key) & 0x7fff_ffff) % partitions
}

#[test]
fn our_murmur2_gives_the_values_of_kafkas_own_tests() {
    let check = |key: &str, hash: i32| assert_eq!(murmur2(key.as_bytes()).cast_signed(), hash, "{key}");
    check("21", -973_932_308);
    check("foobar", -790_332_482);
    check("a-little-bit-long-string", -985_981_536);
    check("a-little-bit-longer-string", -1_486_304_829);
    check("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971);
    check("abc", 479_470_107);
}

#[test]
fn keys_are_in_the_partitions_of_the_java_clients() {
    const PARTITIONS: u32 = 6;
    let prefix = prefix("");
    let daemon = publishing(&prefix, PARTITIONS);

    // The keys have every length up to 60, so every remainder of the hash's words, and some have characters of two and four bytes.
    let plain_keys = (1..=60).flat_map(|length| (0..4).map(move |round| format!("{round}").repeat(length)));
    let keys: BTreeSet<String> = plain_keys.chain((0..60).map(|number| format!("é{number}🦀"))).collect();
    for key in &keys {
        assert_eq!(daemon.deliver("filesafety", &scan(key)).status, 200, "{key}");
    }

    let records = consume_plain(&prefix);
    let stored: BTreeSet<String> = records.iter().map(|record| record["key"].as_str().unwrap().to_owned()).collect();
    assert_eq!(stored, keys);
    for record in &records {
        let key = record["key"].as_str().unwrap();
        assert_eq!(record["partition"], partition_in_java(key.as_bytes(), PARTITIONS), "{key}");
    }
    let used: BTreeSet<_> = records.iter().map(|record| record["partition"].as_u64()).collect();
    assert_eq!(used.len(), PARTITIONS as usize, "the keys reach every partition");
}
