//! What was simulated, counted as it happened: what the counts made of the lines must come to.

use std::collections::BTreeMap;

use super::exchange::Exchange;
use super::main_log::{Message, Said};
use super::{GROUP, NODES};
use crate::record::Method;

/// Route, method, code.
pub type Key = (&'static str, Method, u16);

/// Everything up to the last step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Lines of the access log.
    pub requests: BTreeMap<Key, u64>,
    /// Tries at nodes, by address and answer; none where the client left before.
    pub tries: BTreeMap<(&'static str, Option<u16>), u64>,
    /// Requests that needed more than one node.
    pub retried: u64,
    /// Bytes sent to clients.
    pub bytes: u64,
    /// The nodes' own logs.
    pub nodes: [NodeLedger; NODES],
}

/// What one node wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeLedger {
    /// Lines that are no request's.
    pub messages: BTreeMap<Message, u64>,
    /// Requests it completed.
    pub requests: BTreeMap<Key, u64>,
    /// Starts after an end that no line tells of.
    pub unclean_exits: u64,
}

impl Ledger {
    /// Lines of the access log.
    pub fn access_lines(&self) -> u64 {
        self.requests.values().sum()
    }

    pub(super) fn served(&mut self, exchange: &Exchange) {
        let key = (exchange.route, exchange.method(), exchange.code);
        *self.requests.entry(key).or_default() += 1;
        self.bytes += u64::from(exchange.bytes);
        let tries = || exchange.tries.iter().filter(|one| one.upstream != GROUP);
        self.retried += u64::from(tries().count() > 1);
        for one in tries() {
            *self.tries.entry((one.upstream, one.code)).or_default() += 1;
        }
    }
}

impl NodeLedger {
    /// Lines of its log.
    pub fn lines(&self) -> u64 {
        self.messages.values().chain(self.requests.values()).sum()
    }

    /// Lines with this message.
    pub fn count(&self, message: Message) -> u64 {
        self.messages.get(&message).copied().unwrap_or(0)
    }

    pub(super) fn said(&mut self, said: &Said, route: &'static str) {
        match said {
            Said::Message(message) => *self.messages.entry(*message).or_default() += 1,
            Said::Request { method, code, .. } => {
                *self.requests.entry((route, *method, *code)).or_default() += 1;
            }
        }
    }
}
