//! Access log lines, made up.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use super::random::Random;

/// One line in nginx's JSON, line feed included.
pub(crate) fn line(request: &str, status: u16, millis: u64) -> String {
    let seconds = format!("{}.{:03}", millis / 1000, millis % 1000);
    format!(
        "{{\"time_iso8601\":\"2024-01-09T10:00:00+00:00\",\"request\":\"{request} HTTP/1.1\",\"status\":\"{status}\",\
         \"request_time\":\"{seconds}\",\"body_bytes_sent\":\"12\",\"upstream_addr\":\"10.0.0.7:27352\",\
         \"upstream_status\":\"{status}\",\"upstream_response_time\":\"{seconds}\",\"server_protocol\":\"HTTP/1.1\",\
         \"scheme\":\"http\"}}\n"
    )
}

/// Many lines over all endpoints, the same in every run; with objectives met and missed.
pub(crate) fn many(count: usize) -> String {
    const REQUESTS: [&str; 12] = [
        "GET /",
        "GET /ping",
        "GET /long_dummy",
        "GET /db_dummy",
        "POST /operation",
        "GET /api/movie",
        "GET /api/movie/5",
        "GET /api/customer/77?full=1",
        "POST /api/session",
        "DELETE /api/session/4",
        "HEAD /api/movie/5",
        "GET /favicon.ico",
    ];
    let mut random = Random::new(7);
    let statuses = [200, 200, 200, 200, 200, 404, 429, 500];
    let line = |_| {
        line(
            random.pick::<&str>(&REQUESTS),
            *random.pick(&statuses),
            random.below(1500),
        )
    };
    (0..count).map(line).collect()
}

/// Adds to a file, creating it where there is none.
///
/// # Panics
/// If that fails.
#[track_caller]
pub(crate) fn append(path: &Path, text: &str) {
    let mut file: File = OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}
