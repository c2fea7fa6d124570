//! stub
/// x
#[derive(Debug, Clone, Default)]
pub struct ProcessStats {
    pub cpu_seconds_total: Option<f64>,
    pub open_fds: Option<u64>,
    pub max_fds: Option<u64>,
    pub virtual_memory_bytes: Option<u64>,
    pub resident_memory_bytes: Option<u64>,
    pub start_time_seconds: Option<f64>,
}
/// x
pub fn read() -> ProcessStats {
    ProcessStats::default()
}
