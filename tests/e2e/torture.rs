//! Exactly once, at the level of the process: a writer at 5,000 lines a second, the real logrotate in all its modes,
//! and an exporter that is killed at random moments. Afterwards every line that is in some file was counted once.
//!
//! One round of all scenarios in a plain `cargo test`. `TORTURE_SECONDS` goes on with longer ones for that long,
//! `TORTURE_SEED` begins elsewhere, `TORTURE_ONLY` picks by name, `TORTURE_KEEP` leaves the logs of what failed.

mod run;
mod victim;

use std::env;
use std::io::{Write, stderr};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use crate::support::clock::now;
use crate::support::writer::Reopening;
use run::{Outcome, RATE, Scenario, run};

/// How long a writer writes.
const SHORT: u64 = 18;
const LONG: u64 = 90;

const LATE: Reopening = Reopening::Late(Duration::from_millis(200));

/// The common case; each scenario below names what is other.
const PLAIN: Scenario = Scenario {
    name: "create",
    directives: &["create", "nocompress"],
    reopening: Reopening::AtOnce,
    keeps_all: true,
    bursts: true,
    apart: RATE / 5,
};

/// Names by date are unique to a second.
const SECOND: u64 = RATE + RATE / 20;

const SCENARIOS: [Scenario; 13] = [
    PLAIN,
    Scenario {
        name: "create, reopens 200 ms late",
        reopening: LATE,
        ..PLAIN
    },
    Scenario {
        name: "create, reopens when told",
        reopening: Reopening::WhenTold,
        ..PLAIN
    },
    Scenario {
        name: "nocreate",
        directives: &["nocreate", "nocompress"],
        ..PLAIN
    },
    Scenario {
        name: "nocreate, reopens 200 ms late",
        directives: &["nocreate", "nocompress"],
        reopening: LATE,
        ..PLAIN
    },
    Scenario {
        name: "copytruncate",
        directives: &["copytruncate", "nocompress"],
        reopening: Reopening::WhenTold,
        keeps_all: false,
        ..PLAIN
    },
    Scenario {
        name: "copytruncate, compress",
        directives: &["copytruncate", "compress"],
        reopening: Reopening::WhenTold,
        keeps_all: false,
        ..PLAIN
    },
    Scenario {
        name: "compress",
        directives: &["create", "compress"],
        // The writer may still write a line while the renamed file is compressed, and then it is removed.
        keeps_all: false,
        ..PLAIN
    },
    Scenario {
        name: "compress, reopens 200 ms late",
        directives: &["create", "compress"],
        reopening: LATE,
        keeps_all: false,
        ..PLAIN
    },
    Scenario {
        name: "compress to zstd",
        directives: &[
            "create",
            "compress",
            "compresscmd /usr/bin/zstd",
            "compressext .zst",
        ],
        keeps_all: false,
        ..PLAIN
    },
    Scenario {
        name: "delaycompress, reopens 200 ms late",
        directives: &["create", "compress", "delaycompress"],
        reopening: LATE,
        // Compressed at the next rotation, which must not come before the writer has gone on.
        bursts: false,
        keeps_all: false,
        apart: RATE / 2,
    },
    Scenario {
        name: "dateext",
        directives: &["create", "nocompress", "dateext", "dateformat -%Y%m%d-%s"],
        bursts: false,
        apart: SECOND,
        ..PLAIN
    },
    Scenario {
        name: "dateext, copytruncate, delaycompress",
        directives: &[
            "copytruncate",
            "compress",
            "delaycompress",
            "dateext",
            "dateformat -%Y%m%d-%s",
        ],
        reopening: Reopening::WhenTold,
        bursts: false,
        keeps_all: false,
        apart: SECOND,
    },
];

#[test]
fn every_line_is_counted_once_whatever_happens() {
    let number = |name: &str| env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let (seconds, mut seed) = (number("TORTURE_SECONDS"), number("TORTURE_SEED").unwrap_or(1));
    let only = env::var("TORTURE_ONLY").unwrap_or_default();
    let begin = now();
    let over = || seconds.is_none_or(|seconds| begin.elapsed() >= Duration::from_secs(seconds));
    loop {
        let length = if seconds.is_some() { LONG } else { SHORT };
        let mut failed = round(seed, length * RATE, &|scenario| scenario.name.contains(&only));
        if let Some(findings) = failed.pop() {
            panic!("seed {seed}, {} more scenarios failed; {findings}", failed.len());
        }
        if over() {
            break;
        }
        seed += 1;
    }
}

/// All scenarios, as many at once as the machine can bear: one takes about a third of a core, mostly waiting.
/// What was found, by scenario.
fn round(seed: u64, lines: u64, wanted: &(dyn Fn(&Scenario) -> bool + Sync)) -> Vec<String> {
    let (begin, lanes) = (now(), 2 * thread::available_parallelism().map_or(1, usize::from));
    let left = Mutex::new(SCENARIOS.iter().filter(|scenario| wanted(scenario)));
    let rows = Mutex::new(vec![]);
    thread::scope(|scope| {
        for _ in 0..lanes {
            scope.spawn(|| {
                loop {
                    let Some(scenario) = left.lock().unwrap().next() else {
                        break;
                    };
                    let outcome = run(scenario, seed, lines);
                    rows.lock().unwrap().push((scenario.name, outcome));
                }
            });
        }
    });
    let mut rows = rows.into_inner().unwrap();
    rows.sort_by_key(|(name, _)| SCENARIOS.iter().position(|scenario| scenario.name == *name));
    let table = table(&rows);
    // Not by `print!`, which is swallowed where a test succeeds: the table is for everyone to see.
    let _ = write!(
        stderr(),
        "\nseed {seed}, {} s\n{table}",
        begin.elapsed().as_secs()
    );
    let failed = rows.iter().filter(|(_, outcome)| !outcome.findings.is_empty());
    failed
        .map(|(name, outcome)| format!("{name}:\n{}", outcome.findings.join("\n")))
        .collect()
}

fn table(rows: &[(&str, Outcome)]) -> String {
    let heads = [
        "written",
        "in no file",
        "counted",
        "lost",
        "doubled",
        "bytes lost",
        "rotations",
        "kills",
        "stops",
        "scrapes",
        "behind",
    ];
    let row = |name: &str, values: &[String]| {
        let values: String = values.iter().map(|value| format!("{value:>11}")).collect();
        format!("{name:<37}{values}\n")
    };
    let mut table = row("", &heads.map(str::to_owned));
    for (name, outcome) in rows {
        let Outcome {
            written,
            vanished,
            counted,
            lost,
            doubled,
            lost_bytes,
            rotations,
            kills,
            terms,
            scrapes,
            behind,
            ..
        } = outcome;
        let values = [
            written, vanished, counted, lost, doubled, lost_bytes, rotations, kills, terms, scrapes, behind,
        ];
        table += &row(name, &values.map(u64::to_string));
    }
    table
}
