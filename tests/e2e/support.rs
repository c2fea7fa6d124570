//! What the tests are made of: programs to start, clients to ask them, text to read.

pub(crate) mod alertmanager;
pub(crate) mod browser;
pub(crate) mod clock;
pub(crate) mod exporter;
pub(crate) mod exposition;
pub(crate) mod floor;
pub(crate) mod http;
pub(crate) mod ledger;
pub(crate) mod log;
pub(crate) mod logrotate;
pub(crate) mod nginx;
pub(crate) mod ports;
pub(crate) mod process;
pub(crate) mod prometheus;
pub(crate) mod random;
pub(crate) mod upstream;
pub(crate) mod writer;
