//! The exporter's own log, where nobody reads it.

use std::io::{BufRead, BufReader, ErrorKind, PipeWriter, Write, pipe};
use std::process::{Child, Stdio};

use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::support::clock::{DEADLINE, wait_until};
use crate::support::exporter::{STATE_DIRECTORY, command, listening};
use crate::support::exposition::Exposition;
use crate::support::http;

/// A supervisor that hangs with the pipe to it full: reading, answering and ending go on.
#[test]
fn a_full_pipe_that_nobody_reads_stops_nothing() {
    let dir = TempDir::new().unwrap();
    let log = dir.path().join("access.log");
    std::fs::write(&log, "").unwrap();
    let (unread, mut pipe) = pipe().unwrap();
    let exporter = command(&["--source.access", log.to_str().unwrap(), "--web.enable-lifecycle"])
        .env(STATE_DIRECTORY, dir.path().join("state"))
        .stdout(Stdio::null())
        .stderr(Stdio::from(pipe.try_clone().unwrap()))
        .spawn()
        .unwrap();
    let mut exporter = Killed(exporter);
    let mut said = String::new();
    let mut unread = BufReader::new(unread);
    let address = loop {
        unread.read_line(&mut said).unwrap();
        if let Some(address) = listening(&said) {
            break address;
        }
    };
    fill(&mut pipe);

    // Is said in the log.
    let reloaded = http::ask(address, "POST", "/-/reload", &[]).status;
    assert_eq!(reloaded, 200);
    let scrape = || Exposition::parse(http::ask(address, "GET", "/metrics", &[]).text());
    // What is there at the first look is old.
    wait_until("the log to be followed", DEADLINE, || {
        let files = [("source", "access"), ("state", "following")];
        scrape().sum("bingo_exporter_files", &files) == 1.0
    });
    std::fs::write(&log, "{\"request\":\"GET /ping HTTP/1.1\",\"status\":200}\n").unwrap();
    wait_until("the line to be counted", DEADLINE, || {
        scrape().sum("bingo_http_requests_total", &[("route", "/ping")]) == 1.0
    });
    kill_process(Pid::from_child(&exporter.0), Signal::TERM).unwrap();
    let mut status = None;
    wait_until("it to end", DEADLINE, || {
        status = exporter.0.try_wait().unwrap();
        status.is_some()
    });
    assert_eq!(status.unwrap().code(), Some(0));
}

/// Does not outlive the test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended long ago.
        let _ = self.0.kill();
    }
}

fn fill(pipe: &mut PipeWriter) {
    fcntl_setfl(&*pipe, OFlags::NONBLOCK).unwrap();
    for size in [4096, 1] {
        let full = loop {
            if let Err(error) = pipe.write(&b"x".repeat(size)) {
                break error;
            }
        };
        assert_eq!(full.kind(), ErrorKind::WouldBlock);
    }
    // The exporter shares the flag.
    fcntl_setfl(&*pipe, OFlags::empty()).unwrap();
}
