//! Turns the logs of a bingo node and its reverse proxy into metrics.
//!
//! ```text
//! files --tail--> complete lines --decode--> Request --route--> row --count--> Tally --expose--> text, JSON
//!         I/O                       pure               pure           pure            HTTP at the edge
//! ```
//!
//! bingo's own log goes the same way, from lines to events to a tally of its own.
//!
//! One thread per source does all of it, batch by batch, and owns all of it. It meets the HTTP side in one place,
//! a published state that is taken whole. ARCHITECTURE.md has the map and what must stay true.

pub mod cli;
pub mod config;
pub mod model;

pub mod tail;
pub mod decode;
pub mod record;
pub mod route;
pub mod slo;
pub mod tally;
pub mod health;
pub mod source;
pub mod ingest;
pub mod checkpoint;
pub mod history;

pub mod summary;

pub mod metrics;
pub mod serve;

pub mod simulate;
pub mod demo;
pub mod check;
pub mod manager;
pub mod readiness;
pub mod reload;
pub mod run;

pub mod generate;

pub mod clock;
pub mod log;
pub mod process;
mod words;
