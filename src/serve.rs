//! HTTP. Knows the published state, knows nothing of logs.

mod api;
pub mod limits;
pub mod negotiate;
pub mod transport;

mod guard;
mod page;
pub mod site;
