//! Steering only.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]
mod support;
use rustix::time::{ClockId, clock_gettime};
use support::*;
fn cpu() -> f64 {
    let t = clock_gettime(ClockId::ThreadCPUTime);
    t.tv_sec as f64 + t.tv_nsec as f64 / 1e9
}
fn main() {
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with("--"))
        .collect();
    let dir = tempfile::tempdir().unwrap();
    if let [kind, lines] = &args[..] {
        // For callgrind.
        let path = std::path::PathBuf::from(format!("/tmp/speed/{kind}.{lines}.log"));
        let kind = Lines::ALL.iter().find(|k| k.0 == kind).unwrap().1;
        if !path.exists() {
            std::fs::write(&path, kind.text(lines.parse().unwrap())).unwrap();
        }
        println!("{}", drain(&mut source(&path, kind.is_access())));
        return;
    }
    for (name, kind) in Lines::ALL {
        if !args.is_empty() && !args.iter().any(|a| a == name) {
            continue;
        }
        let text = kind.text(20_000);
        let path = dir.path().join(format!("{name}.log"));
        let bytes = fill(&path, &text, 100 << 20) * text.len();
        let mut best = f64::MAX;
        let mut lines = 0;
        let mut all = vec![];
        for _ in 0..7 {
            let mut source = source(&path, kind.is_access());
            let begin = cpu();
            lines = drain(&mut source);
            let took = cpu() - begin;
            all.push(took);
            best = best.min(took);
        }
        all.sort_by(f64::total_cmp);
        let median = all[all.len() / 2];
        println!(
            "{name:16} {:4} B/line  median {:6.0} MB/s {:7.1} ns/line   best {:6.0} MB/s",
            bytes as u64 / lines,
            bytes as f64 / median / 1e6,
            median * 1e9 / lines as f64,
            bytes as f64 / best / 1e6
        );
        std::fs::remove_file(&path).unwrap();
    }
}
