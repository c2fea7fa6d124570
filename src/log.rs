//! stub
use crate::cli::LogFormat;
use tracing::Level;
/// x
pub fn init(_l: Level, _f: LogFormat) {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
}
/// x
pub fn suppressed() -> u64 {
    0
}
