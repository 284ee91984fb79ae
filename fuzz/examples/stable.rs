//! Runs the targets without coverage: first the seeds, then mutations of them. The random numbers have a fixed seed, so that two runs with as
//! many rounds are the same. This is the short pass; `make fuzz` lets libFuzzer search.

use std::{
    env, fs,
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    time::{Duration, Instant},
};

use hookgate_fuzz::{TARGETS, Target, folder, seeds};

/// The longest time for one input, on any machine.
const SLOW: Duration = Duration::from_secs(2);
const BYTES_MAX: usize = 64 << 10;

const USAGE: &str = "usage: stable [run [ROUNDS [TARGET…]] | seeds FOLDER]
  run    runs the seeds of every target, then mutations of them: 20000 by default
  seeds  writes the seeds that are not in the repository to a folder per target, for libFuzzer";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [] | ["run"] => run(20_000, &[]),
        ["run", rounds, targets @ ..] => match rounds.parse() {
            Ok(rounds) => run(rounds, targets),
            Err(_) => usage(),
        },
        ["seeds", folder] => write_seeds(folder),
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

fn write_seeds(folder: &str) -> ExitCode {
    for (name, _) in TARGETS {
        let folder = format!("{folder}/{name}");
        fs::create_dir_all(&folder).expect("the folder can be made");
        for (number, seed) in seeds::made(name).iter().enumerate() {
            fs::write(format!("{folder}/seed-{number:03}"), seed).expect("a seed can be written");
        }
    }
    ExitCode::SUCCESS
}

fn run(rounds: u32, only: &[&str]) -> ExitCode {
    let mut passed = true;
    for (name, target) in TARGETS.into_iter().filter(|(name, _)| only.is_empty() || only.contains(name)) {
        let (begin, seeds) = (Instant::now(), seeds::of(name));
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let mutated = (0..rounds).map(|_| random.mutation(&seeds));
        let failed = seeds.iter().cloned().chain(mutated).find(|input| !holds(target, input));
        println!("{name}: {} seeds, {rounds} mutations, {:.1} s", seeds.len(), begin.elapsed().as_secs_f64());
        if let Some(input) = failed {
            let kept = folder().join("regressions").join(name);
            fs::create_dir_all(&kept).expect("the folder can be made");
            let file = kept.join(format!("found-{:016x}", fingerprint(&input)));
            fs::write(&file, &input).expect("the input can be kept");
            eprintln!("{name}: failed; the input is kept as {}", file.display());
            passed = false;
        }
    }
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn holds(target: Target, input: &[u8]) -> bool {
    let begin = Instant::now();
    let returned = catch_unwind(AssertUnwindSafe(|| target(input))).is_ok();
    returned && begin.elapsed() < SLOW
}

fn fingerprint(input: &[u8]) -> u64 {
    input.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Words that have a meaning in JSON, TOML or HTTP.
const WORDS: [&str; 28] = [
    "null",
    "true",
    "{}",
    "[]",
    "\"\"",
    "0",
    "-1",
    "1e999",
    "18446744073709551616",
    "0.1",
    "\\ud83d",
    "\\u0000",
    "\\",
    "\"",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\n",
    "\0",
    "%",
    "%00",
    "&token=",
    "\u{9b}",
    "env:SECRET",
    "2026-01-01T00:00:00Z",
];

/// Random numbers by Marsaglia's xorshift. They are good enough to choose with, and the same on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap_or(0) % bound.max(1)
    }

    /// Returns a seed with one to eight changes.
    fn mutation(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut input = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(8) {
            let at = self.below(input.len() + 1);
            let end = (at + self.below(32)).min(input.len());
            match self.below(7) {
                0 if at < input.len() => input[at] = self.below(256).to_le_bytes()[0],
                1 if at < input.len() => input[at] ^= 1 << self.below(8),
                2 => drop(input.drain(at..end)),
                3 => {
                    let word = WORDS[self.below(WORDS.len())];
                    drop(input.splice(at..end, word.bytes()));
                }
                4 => {
                    let word = WORDS[self.below(WORDS.len())];
                    drop(input.splice(at..at, word.bytes()));
                }
                5 => {
                    // A part of the input is repeated, so that things nest or repeat.
                    let part = input[at..end].repeat(1 + self.below(64));
                    drop(input.splice(at..at, part));
                }
                _ => {
                    let other = &seeds[self.below(seeds.len())];
                    let from = self.below(other.len() + 1);
                    input.truncate(at);
                    input.extend_from_slice(&other[from..]);
                }
            }
            input.truncate(BYTES_MAX);
        }
        input
    }
}
