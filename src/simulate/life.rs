//! The life of a node: start, heartbeats, quota, and its ends.

use super::journey::Journey;
use super::limiter::{Limiter, TICK};
use super::main_log::{Identity, MainLog, Message, Said};
use super::story::Scene;
use super::{Event, LOG_IDS, NODES, Options, Simulation};
use crate::record::UnixMillis;

/// Time between two of the same heartbeat: a guess.
const ALIVE_EVERY: u64 = 10_000;
const FINE_EVERY: u64 = 15_000;

/// Time between two looks at a database host.
const NODES_UPDATE_EVERY: u64 = 5_000;

/// Hosts of the database.
const DATABASE_HOSTS: u64 = 2;

/// From the end of a node to its next start, where it is restarted.
const RESTART_AFTER: u64 = 2_000;

/// A node, alive or not.
#[derive(Debug)]
pub(super) struct Node {
    log: MainLog,
    state: State,
    /// Which life this is. What was planned in an earlier one does not happen.
    life: u32,
    /// The last life ended with a line that says so, or there was none.
    ended_clean: bool,
    pub(super) limiter: Limiter<Box<Journey>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Down,
    Starting,
    Up,
    /// Answers 500 to everything.
    Bad,
}

/// One life of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) node: usize,
    life: u32,
}

/// What a living node does.
#[derive(Debug, Clone, Copy)]
pub(super) enum Deed {
    /// A step of the start.
    Say(Message),
    /// The last step of the start.
    Ready,
    /// The quota is renewed.
    Tick,
    /// A heartbeat, and the time to the next.
    Beat(Message, u64),
    /// A look at a database host.
    UpdateNodes,
}

impl Node {
    pub(super) fn new(node: usize, options: &Options) -> Self {
        let hostname = format!("9980c86b2fe{node}");
        let mut env = options.env.clone();
        env.push(format!("HOSTNAME={hostname}"));
        let log = MainLog::new(&Identity {
            log_path: format!("/opt/bongo/logs/{}/main.log", LOG_IDS[node]),
            env,
            hostname,
            user: (1000, 1000),
            process: (1, 0),
            processors: 2,
            offset_minutes: options.offset_minutes,
        });
        Self {
            log,
            state: State::Down,
            life: 0,
            ended_clean: true,
            limiter: Limiter::default(),
        }
    }

    pub(super) fn line(&self, time: UnixMillis, said: &Said) -> String {
        self.log.line(time, said)
    }

    /// Whether it answers.
    pub(super) fn is_up(&self) -> bool {
        matches!(self.state, State::Up | State::Bad)
    }

    pub(super) fn is_bad(&self) -> bool {
        self.state == State::Bad
    }
}

impl Simulation {
    pub(super) fn process(&self, node: usize) -> Process {
        let life = self.nodes[node].life;
        Process { node, life }
    }

    pub(super) fn is_alive(&self, process: Process) -> bool {
        self.nodes[process.node].life == process.life
    }

    /// What changes with the scene: faults of the last one end, those of the next begin.
    pub(super) fn change_scene(&mut self, before: Scene, scene: Scene) {
        match before {
            Scene::BadNode => {
                self.shut_down(1);
                self.plan(RESTART_AFTER, Event::Start(1));
            }
            Scene::Crash => self.plan(0, Event::Start(0)),
            Scene::Outage => (0..NODES).for_each(|node| self.plan(0, Event::Start(node))),
            Scene::Quiet | Scene::Healthy | Scene::ErrorSpike | Scene::Peak => {}
        }
        match scene {
            Scene::BadNode => self.nodes[1].state = State::Bad,
            Scene::Crash => self.die(0),
            Scene::Outage => (0..NODES).for_each(|node| self.die(node)),
            Scene::Quiet | Scene::Healthy | Scene::ErrorSpike | Scene::Peak => {}
        }
    }

    /// The start's lines, up to `Run server.`.
    pub(super) fn start(&mut self, node: usize) {
        let before = &mut self.nodes[node];
        if before.state != State::Down {
            return;
        }
        before.state = State::Starting;
        self.ledger.nodes[node].unclean_exits += u64::from(!before.ended_clean);
        before.ended_clean = false;
        let process = self.process(node);
        let mut after = 0;
        for message in Message::BEFORE_INITIALIZATION {
            self.plan(after, Event::Life(process, Deed::Say(message)));
            after += u64::from(self.random.between(0, 3));
        }
        after += u64::from(self.random.between(400, 1200));
        for message in Message::AFTER_INITIALIZATION {
            self.plan(after, Event::Life(process, Deed::Say(message)));
            after += u64::from(self.random.between(0, 3));
        }
        self.plan(after, Event::Life(process, Deed::Ready));
    }

    /// Death leaves no line.
    fn die(&mut self, node: usize) {
        let dead = &mut self.nodes[node];
        dead.state = State::Down;
        dead.life += 1;
        let waiting = std::mem::take(&mut dead.limiter).abandon();
        for journey in waiting {
            self.broken_off(journey);
        }
    }

    fn shut_down(&mut self, node: usize) {
        if self.nodes[node].state != State::Down {
            self.say_message(node, Message::ShutdownServer);
            self.nodes[node].ended_clean = true;
            self.die(node);
        }
    }

    pub(super) fn live(&mut self, process: Process, deed: Deed) {
        if !self.is_alive(process) {
            return;
        }
        let node = process.node;
        let mut again = |after| self.plan(after, Event::Life(process, deed));
        match deed {
            Deed::Say(message) => self.say_message(node, message),
            Deed::Ready => self.ready(process),
            Deed::Tick => {
                again(TICK as u64);
                self.say_message(node, Message::QuotaUpdated);
                self.tick(node);
            }
            Deed::Beat(message, every) => {
                again(every);
                self.say_message(node, message);
            }
            Deed::UpdateNodes => {
                again(NODES_UPDATE_EVERY);
                for message in Message::NODES_UPDATE {
                    self.say_message(node, message);
                }
            }
        }
    }

    fn ready(&mut self, process: Process) {
        let node = &mut self.nodes[process.node];
        node.state = State::Up;
        let mut plan = |after, deed| self.plan(after, Event::Life(process, deed));
        plan(TICK as u64, Deed::Tick);
        plan(500, Deed::Beat(Message::AmAlive, ALIVE_EVERY));
        plan(700, Deed::Beat(Message::AmFine, FINE_EVERY));
        for host in 0..DATABASE_HOSTS {
            plan(100 + host * 37, Deed::UpdateNodes);
        }
    }
}
