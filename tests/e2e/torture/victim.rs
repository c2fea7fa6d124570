//! The exporter that is killed and started again: one state directory, many lives.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::Signal;

use crate::support::exporter::{Exporter, command};
use crate::support::exposition::Exposition;
use crate::support::writer::Progress;

pub(crate) struct Victim<'a> {
    args: [String; 4],
    progress: &'a Progress,
    life: Mutex<Option<Life>>,
    /// What all lives have said.
    said: Mutex<String>,
    pub(crate) kills: AtomicU64,
    pub(crate) terms: AtomicU64,
}

struct Life {
    exporter: Exporter,
    written_before: u64,
}

impl<'a> Victim<'a> {
    /// One that follows `log` and keeps its state in `state`; it does not live yet.
    pub(crate) fn new(log: &Path, state: &Path, progress: &'a Progress) -> Self {
        let args = [
            "--source.access",
            log.to_str().unwrap(),
            "--state.dir",
            state.to_str().unwrap(),
        ];
        Self {
            args: args.map(str::to_owned),
            progress,
            life: Mutex::default(),
            said: Mutex::default(),
            kills: AtomicU64::default(),
            terms: AtomicU64::default(),
        }
    }

    pub(crate) fn start(&self) {
        let written_before = self.progress.written();
        let exporter = Exporter::spawn(&mut command(&self.args.each_ref().map(String::as_str)));
        *self.life.lock().unwrap() = Some(Life {
            exporter,
            written_before,
        });
    }

    pub(crate) fn stop(&self, signal: Signal) {
        let Some(life) = self.life.lock().unwrap().take() else {
            return;
        };
        let killed = signal == Signal::KILL;
        let (code, said) = life.exporter.end(signal);
        *self.said.lock().unwrap() += &format!("{said}---- {signal:?} at line {}\n", self.progress.written());
        assert_eq!(code, (!killed).then_some(0), "{said}");
        let count = if killed { &self.kills } else { &self.terms };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Where it can be asked, and how many lines were written before it was started; `None` while it is dead.
    pub(crate) fn address(&self) -> Option<(SocketAddr, u64)> {
        let life = self.life.lock().unwrap();
        life.as_ref()
            .map(|life| (life.exporter.address, life.written_before))
    }

    /// What it shows now that it has caught up.
    pub(crate) fn metrics(&self) -> Exposition {
        let life = self.life.lock().unwrap();
        let exporter = &life.as_ref().expect("alive").exporter;
        exporter.wait_ready();
        exporter.metrics()
    }

    /// What all its lives have said.
    pub(crate) fn said(&self) -> String {
        let life = self.life.lock().unwrap();
        let last = life.as_ref().map(|life| life.exporter.said()).unwrap_or_default();
        self.said.lock().unwrap().clone() + &last
    }
}
