//! The clients, and the ledger they keep: what they saw, request by request.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::plan::{Course, Planned};
use crate::support::clock::{now, pause};
use crate::support::http::{Connection, Response};
use crate::support::upstream::Board;

/// Clients at the same time.
const CLIENTS: usize = 12;

/// What a client knows of one of its requests.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) planned: Planned,
    pub(crate) status: u16,
    /// Body bytes that reached the client.
    pub(crate) bytes: u64,
    /// From before it was sent until its answer was read.
    pub(crate) millis: u64,
}

/// Runs the plan. `at` is called by the client that takes the request of that number, before it sends it.
pub(crate) fn run(
    plan: &[Planned],
    proxy: SocketAddr,
    board: &Board,
    at: &(dyn Fn(usize) + Sync),
) -> Vec<Entry> {
    let next = AtomicUsize::new(0);
    let client = || {
        let mut entries = vec![];
        let mut kept = None;
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(planned) = plan.get(number) else {
                return entries;
            };
            at(number);
            let begin = now();
            let (status, bytes) = perform(planned, proxy, board, &mut kept);
            let millis = u64::try_from(begin.elapsed().as_millis()).unwrap();
            entries.push(Entry {
                planned: planned.clone(),
                status,
                bytes,
                millis,
            });
        }
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        clients
            .into_iter()
            .flat_map(|client| client.join().unwrap())
            .collect()
    })
}

/// Sends one request; the status and body bytes it came to.
fn perform(planned: &Planned, proxy: SocketAddr, board: &Board, kept: &mut Option<Connection>) -> (u16, u64) {
    let reusable = kept.take().filter(|_| planned.keeps_alive());
    let mut connection = reusable.unwrap_or_else(|| Connection::open(proxy).unwrap());
    connection.send(&planned.bytes).unwrap();
    match planned.course {
        Course::Answered { .. } => {
            let response = connection.receive(planned.kind.method == "HEAD");
            let response =
                response.unwrap_or_else(|error| panic!("{error} instead of an answer to {planned:?}"));
            *kept = Some(connection).filter(|_| !response.closes());
            (response.status, length(&response))
        }
        Course::GivenUp { after } => {
            board.wait_arrived(planned.id);
            pause(Duration::from_millis(after));
            drop(connection);
            board.wait_dropped(planned.id);
            (499, 0)
        }
        Course::Raw { status, leaves } => {
            // nginx takes a half-closed connection for one that was given up.
            if leaves {
                connection.finish_sending().unwrap();
            }
            let rest = connection.receive_rest().unwrap();
            (status, body_of(&rest))
        }
    }
}

fn length(response: &Response) -> u64 {
    response.body.len() as u64
}

/// How much of what came is body: all of it where there is no status line.
fn body_of(bytes: &[u8]) -> u64 {
    let head = if bytes.starts_with(b"HTTP/") {
        bytes
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .map_or(bytes.len(), |at| at + 4)
    } else {
        0
    };
    (bytes.len() - head) as u64
}

impl Entry {
    /// The labels of its request count.
    pub(crate) fn key(&self) -> [String; 3] {
        let [route, method] = self.row();
        [route, method, self.status.to_string()]
    }

    /// Route and method.
    pub(crate) fn row(&self) -> [String; 2] {
        [self.planned.kind.route, self.planned.kind.method].map(str::to_owned)
    }
}
