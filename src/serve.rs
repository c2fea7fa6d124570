//! HTTP. Knows the published state, knows nothing of logs.

pub mod limits;
pub mod negotiate;
pub mod transport;

mod guard;
