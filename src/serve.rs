//! HTTP. Knows the published state, knows nothing of logs.

pub mod site;
pub(crate) mod api;
pub(crate) mod page;
pub mod peers;
pub mod negotiate;
pub mod limits;
pub mod transport;
mod guard;
