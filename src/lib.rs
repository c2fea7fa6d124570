//! Turns the logs of a bingo node and its reverse proxy into metrics.
pub mod decode;
pub mod log;
pub mod process;
pub mod record;
pub mod serve;
pub mod slo;
