//! The way of a request: from a client through the proxy, its cache and the limiter to a node, perhaps to the other
//! one, and back.
//!
//! The proxy is nginx with `proxy_next_upstream error timeout http_500`, `max_fails=1 fail_timeout=10s` for refused
//! connections, and a cache for `/long_dummy`.

use super::exchange::{Asked, Exchange, Try};
use super::life::Process;
use super::main_log::{Message, Said};
use super::service::{Endpoint, STRAY_PERMILLE, stray};
use super::story::Scene;
use super::{Entry, Event, GROUP, NODES, Simulation, UPSTREAMS, What};
use crate::record::{Cache, Method, UnixMillis};

/// How long the proxy leaves a node alone that refused it.
const SHUN: UnixMillis = 10_000;

/// How long a cached answer may be given: with the refresh, under the minute that is allowed.
const FRESH: UnixMillis = 50_000;

/// Length of nginx's own error pages.
const ERROR_PAGE: u32 = 157;

/// How long a bad node takes to say so.
const BAD_MILLIS: u32 = 2;

/// A request under way.
#[derive(Debug, Clone)]
pub(super) struct Journey {
    /// As far as it is known.
    exchange: Exchange,
    /// `None` where no endpoint serves it.
    endpoint: Option<&'static Endpoint>,
    began: UnixMillis,
    /// When the client leaves, if it has to wait so long.
    patience_ends: Option<UnixMillis>,
    /// Fails at whichever node.
    fails: bool,
    /// How long a node works on it.
    millis: u32,
    /// What the present node will answer.
    answer: u16,
    tried: [bool; NODES],
    /// Who is tried at present.
    upstream: &'static str,
    try_began: UnixMillis,
}

/// The proxy's cache: it holds one answer.
#[derive(Debug, Default)]
pub(super) struct Cached {
    fresh_until: Option<UnixMillis>,
    updating: bool,
}

impl Simulation {
    /// A client asks for something.
    pub(super) fn arrive(&mut self) {
        let mut journey = Box::new(self.think_up());
        if journey.exchange.asked.is_none() {
            return self.finish(journey, 400);
        }
        if journey.exchange.route == "/long_dummy" {
            let cache = self.look_up();
            journey.exchange.cache = Some(cache);
            if matches!(cache, Cache::Hit | Cache::Updating) {
                return self.finish(journey, 200);
            }
        }
        self.try_next(journey);
    }

    fn think_up(&mut self) -> Journey {
        let random = &mut self.random;
        let client = format!("192.0.2.{}", random.between(1, 254));
        let is_stray = random.permille(STRAY_PERMILLE);
        let endpoint = Endpoint::any(random).filter(|_| !is_stray);
        let target = match endpoint {
            Some(endpoint) => endpoint.target(random),
            None => stray(random).to_owned(),
        };
        let protocol = random.below(10);
        let asked = Asked {
            method: endpoint.map_or(Method::Get, |endpoint| endpoint.method),
            target,
            protocol: match protocol {
                0..3 => "HTTP/2.0",
                3 => "HTTP/3.0",
                _ => "HTTP/1.1",
            },
            scheme: if protocol < 4 { "https" } else { "http" },
        };
        let database = endpoint.is_some_and(|endpoint| endpoint.database);
        let trouble = database && self.phase.scene == Scene::ErrorSpike;
        let fails = random.permille(if trouble { 330 } else { 2 });
        let millis = endpoint.map_or(1, |endpoint| endpoint.millis(random));
        let patience = u64::from(random.between(300, 3000));
        let impatient = random.permille(20);
        Journey {
            exchange: Exchange {
                ended: self.now,
                millis: 0,
                client,
                asked: (endpoint.is_some() || !random.permille(100)).then_some(asked),
                route: endpoint.map_or("other", |endpoint| endpoint.route),
                code: 0,
                bytes: 0,
                cache: None,
                tries: Vec::new(),
            },
            endpoint,
            began: self.now,
            patience_ends: impatient.then(|| self.now + patience as UnixMillis),
            fails: fails && endpoint.is_some(),
            millis: if trouble { millis * 3 } else { millis },
            answer: 0,
            tried: [false; NODES],
            upstream: GROUP,
            try_began: self.now,
        }
    }

    fn look_up(&mut self) -> Cache {
        match self.cached.fresh_until {
            None => Cache::Miss,
            Some(until) if self.now < until => Cache::Hit,
            Some(_) if self.cached.updating => Cache::Updating,
            Some(_) => {
                self.cached.updating = true;
                Cache::Expired
            }
        }
    }

    /// Passes the request on to a node that was not tried, if there is one.
    fn try_next(&mut self, mut journey: Box<Journey>) {
        while let Some(node) = self.choose(&journey.tried) {
            journey.tried[node] = true;
            journey.upstream = UPSTREAMS[node];
            journey.try_began = self.now;
            if self.nodes[node].is_up() {
                if let Some(journey) = self.nodes[node].limiter.ask(journey) {
                    self.serve(node, journey);
                }
                return;
            }
            self.shunned_until[node] = self.now + SHUN;
            self.tried(&mut journey, Some(502));
        }
        if journey.exchange.tries.len() < NODES {
            (journey.upstream, journey.try_began) = (GROUP, self.now);
            self.tried(&mut journey, Some(502));
        }
        let last = journey.exchange.tries.last().and_then(|one| one.code);
        self.finish(journey, last.unwrap_or(502));
    }

    /// Round robin over the nodes that are neither shunned nor tried.
    fn choose(&mut self, tried: &[bool; NODES]) -> Option<usize> {
        let order = (0..NODES).map(|i| (self.turn + i) % NODES);
        let node = order
            .into_iter()
            .find(|node| !tried[*node] && self.shunned_until[*node] <= self.now)?;
        self.turn = (node + 1) % NODES;
        Some(node)
    }

    /// A node begins to work on it.
    fn serve(&mut self, node: usize, mut journey: Box<Journey>) {
        let bad = self.nodes[node].is_bad();
        let millis = u64::from(if bad { BAD_MILLIS } else { journey.millis });
        journey.answer = match journey.endpoint {
            _ if bad || journey.fails => 500,
            None => 404,
            Some(_) => 200,
        };
        let (process, done) = (self.process(node), self.now + millis as UnixMillis);
        match journey.patience_ends {
            Some(end) if end < done => {
                self.plan(millis, Event::Unheard(process, journey.clone()));
                let left = u64::try_from(end - self.now).unwrap_or(0);
                self.plan(left, Event::GaveUp(journey));
            }
            _ => self.plan(millis, Event::Answered(process, journey)),
        }
    }

    /// The quota is renewed: those that waited go on, or have waited too long.
    pub(super) fn tick(&mut self, node: usize) {
        let ticked = self.nodes[node].limiter.tick();
        for journey in ticked.admitted {
            self.serve(node, journey);
        }
        for mut journey in ticked.refused {
            journey.answer = 429;
            self.say_message(node, Message::TooManyRequests);
            self.complete(node, &journey);
            self.tried(&mut journey, Some(429));
            self.finish(journey, 429);
        }
    }

    pub(super) fn answered(&mut self, process: Process, mut journey: Box<Journey>) {
        let node = process.node;
        if !self.is_alive(process) {
            return self.broken_off(journey);
        }
        self.complete(node, &journey);
        let code = journey.answer;
        self.tried(&mut journey, Some(code));
        if code == 500 && journey.may_be_repeated() {
            self.try_next(journey);
        } else {
            self.finish(journey, code);
        }
    }

    /// The client left while the node worked on. The node notices nothing.
    pub(super) fn unheard(&mut self, process: Process, journey: &Journey) {
        if self.is_alive(process) {
            self.complete(process.node, journey);
        }
    }

    pub(super) fn gave_up(&mut self, mut journey: Box<Journey>) {
        self.tried(&mut journey, None);
        self.finish(journey, 499);
    }

    /// The node died over it.
    pub(super) fn broken_off(&mut self, mut journey: Box<Journey>) {
        self.tried(&mut journey, Some(502));
        if journey.may_be_repeated() {
            self.try_next(journey);
        } else {
            self.finish(journey, 502);
        }
    }

    fn tried(&self, journey: &mut Journey, code: Option<u16>) {
        journey.exchange.tries.push(Try {
            upstream: journey.upstream,
            code,
            millis: self.now.abs_diff(journey.try_began),
        });
    }

    /// The node's line of a request.
    fn complete(&mut self, node: usize, journey: &Journey) {
        let Some(asked) = &journey.exchange.asked else {
            return;
        };
        let path = asked.target.split('?').next().unwrap_or_default();
        let said = Said::Request {
            method: asked.method,
            path: path.to_owned(),
            code: journey.answer,
            nanos: self.now.abs_diff(journey.try_began) * 1_000_000 + u64::from(self.random.below(1_000_000)),
        };
        self.say(node, said, journey.exchange.route);
    }

    /// The proxy's line of a request.
    fn finish(&mut self, mut journey: Box<Journey>, code: u16) {
        if let Some(Cache::Miss | Cache::Expired) = journey.exchange.cache {
            self.cached.updating = false;
            if code == 200 {
                self.cached.fresh_until = Some(self.now + FRESH);
            }
        }
        let bytes = match code {
            200 => journey
                .endpoint
                .map_or(0, |endpoint| endpoint.bytes(&mut self.random)),
            400 | 502 => ERROR_PAGE,
            404 => "not found".len() as u32,
            429 => "Too many requests".len() as u32,
            500 => "I feel bad".len() as u32,
            _ => 0,
        };
        journey.exchange.ended = self.now;
        journey.exchange.millis = self.now.abs_diff(journey.began);
        journey.exchange.code = code;
        journey.exchange.bytes = bytes;
        self.ledger.served(&journey.exchange);
        self.entries.push(Entry {
            time: self.now,
            what: What::Access(journey.exchange),
        });
    }
}

impl Journey {
    /// nginx repeats nothing that might be done twice.
    fn may_be_repeated(&self) -> bool {
        self.exchange.method() != Method::Post
    }
}
