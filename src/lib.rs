//! Turns the logs of a bingo node and its reverse proxy into metrics.
pub mod cli;
pub mod config;
pub mod decode;
pub mod record;
pub mod slo;
