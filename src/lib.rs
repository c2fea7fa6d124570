//! Turns the logs of a bingo node and its reverse proxy into metrics.
pub mod decode;
pub mod record;
pub mod slo;
