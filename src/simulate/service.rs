//! bingo's endpoints: how they are asked for, and how long they take.

use super::random::Random;
use crate::record::Method;

/// An endpoint.
#[derive(Debug)]
pub struct Endpoint {
    /// Asked with.
    pub method: Method,
    /// Its template; a segment in braces is an id.
    pub route: &'static str,
    /// Share of the traffic.
    weight: u32,
    latency: Latency,
    /// Shortest and longest body.
    bytes: (u32, u32),
    /// Whether it fails and slows down with the database.
    pub database: bool,
}

/// A distribution: so many of a thousand requests take at most so many milliseconds, straight lines between.
type Latency = &'static [(u32, u32)];

const QUICK: Latency = &[(0, 1), (500, 3), (900, 12), (990, 40), (1000, 150)];
const ITEM: Latency = &[(0, 8), (500, 45), (900, 180), (990, 500), (1000, 1500)];
const WRITE: Latency = &[(0, 10), (500, 60), (900, 220), (990, 600), (1000, 1800)];
/// Never under a tenth of a second.
const DB_DUMMY: Latency = &[(0, 100), (500, 130), (900, 250), (990, 450), (1000, 900)];
const LIST: Latency = &[(0, 1500), (500, 2400), (900, 3800), (1000, 6000)];
const LONG: Latency = &[(0, 1000), (500, 2500), (900, 4200), (1000, 5000)];

/// All of them.
pub const ENDPOINTS: &[Endpoint] = &[
    endpoint(Method::Get, "/", 60, QUICK, (120, 120), false),
    endpoint(Method::Post, "/", 20, QUICK, (120, 120), false),
    endpoint(Method::Get, "/ping", 60, QUICK, (4, 4), false),
    endpoint(Method::Get, "/long_dummy", 40, LONG, (60, 60), false),
    endpoint(Method::Get, "/db_dummy", 80, DB_DUMMY, (60, 60), true),
    endpoint(Method::Post, "/operation", 120, ITEM, (30, 40), false),
    endpoint(Method::Get, "/config", 10, QUICK, (200, 200), false),
    endpoint(Method::Get, "/api/movie", 4, LIST, (800_000, 900_000), true),
    endpoint(Method::Get, "/api/movie/{id}", 220, ITEM, (90, 160), true),
    endpoint(Method::Get, "/api/customer", 4, LIST, (500_000, 600_000), true),
    endpoint(Method::Get, "/api/customer/{id}", 150, ITEM, (90, 140), true),
    endpoint(Method::Get, "/api/session", 4, LIST, (900_000, 1_000_000), true),
    endpoint(Method::Post, "/api/session", 60, WRITE, (90, 120), true),
    endpoint(Method::Get, "/api/session/{id}", 120, ITEM, (90, 160), true),
    endpoint(Method::Delete, "/api/session/{id}", 30, WRITE, (2, 2), true),
];

/// What nobody serves but everybody is asked for.
const STRAYS: [&str; 4] = ["/favicon.ico", "/wp-login.php", "/robots.txt", "/api/movies"];

/// Strays in a thousand requests, one in ten of them no HTTP at all.
pub(super) const STRAY_PERMILLE: u32 = 15;

/// Ids go up to here.
pub const IDS: u32 = 5_000_000;

const fn endpoint(
    method: Method,
    route: &'static str,
    weight: u32,
    latency: Latency,
    bytes: (u32, u32),
    database: bool,
) -> Endpoint {
    Endpoint {
        method,
        route,
        weight,
        latency,
        bytes,
        database,
    }
}

impl Endpoint {
    /// One at random, as often as it is asked for.
    pub fn any(random: &mut Random) -> Option<&'static Self> {
        random.weighted(ENDPOINTS, |endpoint| endpoint.weight)
    }

    /// The one that serves a request.
    pub fn of(method: &str, path: &str) -> Option<&'static Self> {
        ENDPOINTS
            .iter()
            .find(|endpoint| endpoint.method.as_str() == method && endpoint.serves(path))
    }

    /// Whether `path`, without a query, is one of this endpoint's.
    pub fn serves(&self, path: &str) -> bool {
        match self.route.strip_suffix("{id}") {
            Some(prefix) => path
                .strip_prefix(prefix)
                .is_some_and(|id| !id.is_empty() && !id.contains('/')),
            None => path == self.route,
        }
    }

    /// What it is asked for with: a path, at times with a query.
    pub fn target(&self, random: &mut Random) -> String {
        let path = match self.route.strip_suffix("{id}") {
            Some(prefix) => format!("{prefix}{}", random.between(1, IDS)),
            None => self.route.to_owned(),
        };
        let query = if random.permille(50) { "?source=app" } else { "" };
        path + query
    }

    /// How long it takes this time.
    pub fn millis(&self, random: &mut Random) -> u32 {
        let at = random.below(1000);
        let above = self.latency.partition_point(|(permille, _)| *permille <= at);
        match self.latency.get(above - 1..=above) {
            Some([(from, low), (to, high)]) => low + (high - low) * (at - from) / (to - from),
            _ => 0,
        }
    }

    /// How long its body is this time.
    pub fn bytes(&self, random: &mut Random) -> u32 {
        random.between(self.bytes.0, self.bytes.1)
    }
}

/// A path that is no endpoint's.
pub(super) fn stray(random: &mut Random) -> &'static str {
    STRAYS[random.below(STRAYS.len() as u32) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Overrides};

    #[test]
    fn they_are_those_of_the_built_in_profile() {
        let profile = Config::load(None, &Overrides::default()).unwrap();
        let theirs: Vec<_> = profile
            .endpoints
            .iter()
            .map(|endpoint| (endpoint.method, &*endpoint.path))
            .collect();
        let ours: Vec<_> = ENDPOINTS
            .iter()
            .map(|endpoint| (endpoint.method, endpoint.route))
            .collect();
        assert_eq!(ours, theirs);
    }

    #[test]
    fn each_serves_what_it_is_asked_for() {
        let mut random = Random::new(1);
        for endpoint in ENDPOINTS {
            for _ in 0..100 {
                let target = endpoint.target(&mut random);
                let path = target.split('?').next().unwrap();
                let served = Endpoint::of(endpoint.method.as_str(), path).unwrap();
                assert_eq!(served.route, endpoint.route);
            }
        }
        for path in STRAYS
            .into_iter()
            .chain(["", "/api/movie/", "/api/movie/5/6", "ping"])
        {
            assert!(Endpoint::of("GET", path).is_none(), "{path}");
        }
    }

    #[test]
    fn a_healthy_service_meets_its_objectives() {
        let mut random = Random::new(1);
        for endpoint in ENDPOINTS {
            let mut millis: Vec<_> = (0..2000).map(|_| endpoint.millis(&mut random)).collect();
            millis.sort_unstable();
            let (least, most) = (millis[0], millis[1999]);
            assert!(least >= endpoint.latency[0].1 && most <= endpoint.latency.last().unwrap().1);
            if !matches!(
                endpoint.route,
                "/api/movie" | "/api/customer" | "/api/session" | "/long_dummy"
            ) {
                assert!(millis[1800] < 400, "{} {}", endpoint.route, millis[1800]);
            }
        }
    }
}
