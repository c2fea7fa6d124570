//! End to end: the real binary among real programs (nginx, promtool, Prometheus, the Python client's parser),
//! and as the operator meets it. One test program, so that it is linked once and shares [`support`].
//!
//! A missing program fails the tests that need it and names the package; `make setup` installs them all.
#![cfg(test)]

mod alerts;
mod check;
mod dashboards;
mod demo;
mod exposition;
mod fleet;
mod nginx;
mod own_log;
mod page;
mod process;
mod service;
mod restart;
mod reload;
mod proxies;
mod stand_in;
mod stand_ins;
mod support;
mod torture;
