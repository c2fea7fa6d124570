//! What bingo's nodes and the proxy in front of them write, from a seed: for the demo, tests and benchmarks.
//!
//! ```text
//! story --> requests --> proxy --> limiter, node --> lines of access.log and of two main.log, and a ledger of them
//! ```
//!
//! Pure: time is passed in and nothing is read or written. The same options give the same bytes, however finely the
//! steps are cut. What is unfaithful to bingo or nginx is a mistake here, unless it is said to be a guess.

pub mod exchange;
pub mod ledger;
pub mod limiter;
pub mod main_log;
pub mod random;
pub mod service;
pub mod stamp;
pub mod story;

mod journey;
mod life;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use self::exchange::Exchange;
use self::journey::{Cached, Journey};
use self::ledger::Ledger;
use self::life::{Node, Process};
use self::main_log::{Message, Said};
use self::random::Random;
use self::story::{Phase, Story};
use crate::record::UnixMillis;

/// How many nodes there are.
pub const NODES: usize = 2;

/// Where the nodes listen.
pub const UPSTREAMS: [&str; NODES] = ["10.0.0.1:27352", "10.0.0.2:27352"];

/// Names of the nodes' log directories.
pub const LOG_IDS: [&str; NODES] = ["3a956b711f", "c457cc00f8"];

/// What nginx calls the nodes together, and logs where none is left to try.
const GROUP: &str = "bingo";

/// What to simulate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// What all chance follows from.
    pub seed: u64,
    /// When the nodes are started.
    pub start: UnixMillis,
    /// What happens.
    pub story: Story,
    /// What all clocks are ahead of UTC.
    pub offset_minutes: i32,
    /// The nodes' environment besides `HOSTNAME`; it is in every line of their logs.
    pub env: Vec<String>,
}

/// A line, and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When it was written.
    pub time: UnixMillis,
    /// In which log, and what.
    pub what: What,
}

/// A line of one of the logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Of the proxy's access log, in whatever format is asked of it.
    Access(Exchange),
    /// Of the node's `main.log`.
    Main {
        /// Index into [`LOG_IDS`].
        node: usize,
        /// What the line says.
        said: Said,
        /// The line with its end.
        line: String,
    },
}

/// Two nodes, the proxy, and those who ask.
#[derive(Debug)]
pub struct Simulation {
    random: Random,
    story: Story,
    now: UnixMillis,
    /// What is to happen, by time and, at one time, in the order it was planned.
    plans: BTreeMap<(UnixMillis, u64), Event>,
    planned: u64,
    phase: Phase,
    phase_number: usize,
    phase_began: UnixMillis,
    nodes: [Node; NODES],
    /// Until when the proxy does not try a node that refused it.
    shunned_until: [UnixMillis; NODES],
    /// The node whose turn it is.
    turn: usize,
    cached: Cached,
    entries: Vec<Entry>,
    ledger: Ledger,
}

#[derive(Debug)]
enum Event {
    /// A phase begins.
    Phase(usize),
    /// A request, in the slot that begins at this microsecond after the start of the phase of this number.
    Arrival { phase: usize, slot: u64 },
    /// A node is started.
    Start(usize),
    /// Something one life of a node does.
    Life(Process, life::Deed),
    /// A node answers.
    Answered(Process, Box<Journey>),
    /// A node answers, but the client has left.
    Unheard(Process, Box<Journey>),
    /// A client leaves without its answer.
    GaveUp(Box<Journey>),
}

impl Simulation {
    /// Nothing has happened yet.
    pub fn new(options: &Options) -> Self {
        let mut simulation = Self {
            random: Random::new(options.seed),
            story: options.story.clone(),
            now: options.start,
            plans: BTreeMap::new(),
            planned: 0,
            phase: options.story.phase(0),
            phase_number: 0,
            phase_began: options.start,
            nodes: std::array::from_fn(|node| Node::new(node, options)),
            shunned_until: [UnixMillis::MIN; NODES],
            turn: 0,
            cached: Cached::default(),
            entries: Vec::new(),
            ledger: Ledger::default(),
        };
        for node in 0..NODES {
            simulation.plan(0, Event::Start(node));
        }
        simulation.plan(0, Event::Phase(0));
        simulation
    }

    /// All that happens up to and including `until`, in the order of time.
    pub fn step(&mut self, until: UnixMillis) -> Vec<Entry> {
        while let Some(next) = self.plans.first_entry()
            && next.key().0 <= until
        {
            let ((time, _), event) = next.remove_entry();
            self.now = time;
            self.happen(event);
        }
        std::mem::take(&mut self.entries)
    }

    /// What was written up to the last step.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Phase(number) => self.begin_phase(number),
            Event::Arrival { phase, slot } if phase == self.phase_number => {
                self.plan_arrival(slot + self.slot_micros());
                self.arrive();
            }
            Event::Arrival { .. } => {}
            Event::Start(node) => self.start(node),
            Event::Life(process, deed) => self.live(process, deed),
            Event::Answered(process, journey) => self.answered(process, journey),
            Event::Unheard(process, journey) => self.unheard(process, &journey),
            Event::GaveUp(journey) => self.gave_up(journey),
        }
    }

    fn begin_phase(&mut self, number: usize) {
        let before = self.phase.scene;
        self.phase = self.story.phase(number);
        self.phase_number = number;
        self.phase_began = self.now;
        self.plan(u64::from(self.phase.seconds) * 1000, Event::Phase(number + 1));
        self.change_scene(before, self.phase.scene);
        if self.phase.rps > 0 {
            self.plan_arrival(0);
        }
    }

    /// A request comes somewhere in its slot, so that the rate is exact and the time between two requests is not.
    fn plan_arrival(&mut self, slot: u64) {
        let jitter = self.random.below(self.slot_micros() as u32);
        let at = self.phase_began + ((slot + u64::from(jitter)) / 1000) as UnixMillis;
        let phase = self.phase_number;
        self.plan(at.abs_diff(self.now), Event::Arrival { phase, slot });
    }

    fn slot_micros(&self) -> u64 {
        1_000_000 / u64::from(self.phase.rps.max(1))
    }

    /// Plans something for so many milliseconds from now.
    fn plan(&mut self, after: u64, event: Event) {
        let time = self.now + UnixMillis::try_from(after).unwrap_or(0);
        self.planned += 1;
        self.plans.insert((time, self.planned), event);
    }

    fn say(&mut self, node: usize, said: Said, route: &'static str) {
        let line = self.nodes[node].line(self.now, &said);
        self.ledger.nodes[node].said(&said, route);
        self.entries.push(Entry {
            time: self.now,
            what: What::Main { node, said, line },
        });
    }

    fn say_message(&mut self, node: usize, message: Message) {
        self.say(node, Said::Message(message), "");
    }
}
