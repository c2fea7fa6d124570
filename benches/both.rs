//! The access log and bingo's own log at once, as the run mode reads them, and one after the other.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bingo_exporter::clock::Clock;
use bingo_exporter::ingest;
use bingo_exporter::source::Snapshot;
use tokio::runtime::Runtime;

use crate::many::exposition;
use crate::support::{Lines, drain, source};
use crate::{BLOCK, cpu, fill, medians};

/// How long the reading of each log takes, about.
const SECONDS: f64 = 0.3;

/// Longest wait for the end of the logs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A log, and what is counted in it.
struct Log {
    path: PathBuf,
    access: bool,
    figures: Vec<String>,
}

pub(crate) fn both() {
    let dir = tempfile::tempdir().unwrap();
    let logs = [Lines::Json, Lines::Others].map(|kind| Log::write(dir.path(), kind));
    let [access, app] = logs.each_ref();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let runs: [&[&Log]; 3] = [&[access], &[app], &[access, app]];
    let mut runs = runs.map(|logs| || wall(&runtime, logs));
    let [access, app, both] = medians(&mut runs)[..] else {
        unreachable!("three runs")
    };
    println!(
        "\nBoth logs at once, each as much work as the other, by a thread for each, with exactly the counts of each alone:\n\
         {:.2} times as fast as one after the other.",
        (access + app) / both
    );
}

impl Log {
    /// As long as it takes to be read for some time.
    fn write(dir: &Path, kind: Lines) -> Self {
        let access = kind.is_access();
        let path = dir.join(if access { "access.log" } else { "main.log" });
        let text = kind.text(BLOCK);
        fs::write(&path, &text).unwrap();
        // The first time is no measure.
        drain(&mut source(&path, access));
        let mut once = source(&path, access);
        let began = cpu();
        drain(&mut once);
        let times = (SECONDS / (cpu() - began)).ceil() as usize;
        fill(&path, &text, text.len() * times);
        let mut alone = source(&path, access);
        assert_eq!(drain(&mut alone), (BLOCK * times) as u64);
        let figures = figures(&Arc::new(alone.snapshot(crate::many::NOW, 0)));
        Self {
            path,
            access,
            figures,
        }
    }
}

/// How long it takes until all of these logs is counted, seconds.
fn wall(runtime: &Runtime, logs: &[&Log]) -> f64 {
    let clock = Clock::start();
    let sources = logs.iter().map(|log| source(&log.path, log.access));
    let began = clock.now().elapsed;
    let running: Vec<_> = sources
        .map(|source| ingest::start(source, clock).unwrap())
        .collect();
    let handles: Vec<_> = running.iter().map(|(handle, _)| handle.clone()).collect();
    let counted = runtime.block_on(ingest::fresh(&handles, PATIENCE));
    let took = clock.now().elapsed - began;
    for (log, snapshot) in logs.iter().zip(&counted) {
        assert!(figures(snapshot) == log.figures, "{}", log.path.display());
    }
    for (handle, thread) in running {
        handle.stop();
        thread.join().unwrap();
    }
    took.as_secs_f64()
}

/// What is told of the requests and of bingo, but not of the exporter, which tells of time and place, nor of time stamps,
/// which are never taken for later than the clock.
fn figures(snapshot: &Arc<Snapshot>) -> Vec<String> {
    let text = exposition(snapshot);
    // An exemplar tells when it was read.
    let lines = text.lines().map(|line| line.split(" # ").next().unwrap_or(line));
    let other = ["bingo_exporter_", "process_", "bingo_app_last_event_timestamp_"];
    let figures = lines.filter(|line| !other.iter().any(|name| line.starts_with(name)));
    figures.map(str::to_owned).collect()
}
