//! Method and request target to a row: the series of one (route, method). All rows are known at start, so the
//! number of request series is bounded whatever clients send.

use std::borrow::Cow;
use std::sync::Arc;

use crate::config::{Config, Endpoint};
use crate::record::{Method, RequestLine};
use crate::slo::Objectives;

/// Index of a row: `routes.rows[id]`, `tally.rows[id]`.
pub type RowId = usize;

/// Index of a route: all rows with one `route` label.
pub type RouteId = usize;

/// What is fixed about one (route, method).
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The endpoint's template, e.g. `/api/movie/{id}`, or the name of the unmatched.
    pub route: Arc<str>,
    /// Index of the route.
    pub route_id: RouteId,
    /// The method, never folded further.
    pub method: Method,
    /// A health check: counted, never part of an objective.
    pub probe: bool,
    /// Shown at zero before its first request. The rest (HEAD, methods nobody configured) appear when first
    /// seen, or the exposition would be mostly zeros.
    pub from_start: bool,
    /// What is good, what is bad, and what must be good.
    pub objectives: Objectives,
}

/// Every row, and the way to them.
#[derive(Debug, Clone)]
pub struct Routes {
    /// All rows; a [`RowId`] is an index into them.
    pub rows: Vec<Row>,
    /// The `route` labels; a [`RouteId`] is an index into them. The last is the unmatched one.
    pub labels: Vec<Arc<str>>,
    /// By [`Method`]: a template is found only among those of its method.
    paths: [matchit::Router<RowId>; Method::COUNT],
    /// By [`Method`].
    unmatched: [RowId; Method::COUNT],
    /// No template has a digit, so that two targets have one row where they differ in digits alone.
    numbers_alike: bool,
}

impl Routes {
    /// Compiles the endpoints of a configuration.
    ///
    /// # Errors
    /// A template that the router refuses; a validated configuration has none.
    pub fn new(config: &Config) -> Result<Self, matchit::InsertError> {
        let templates: Vec<&str> = distinct(config.endpoints.iter().map(|endpoint| endpoint.path.as_str()));
        let labels = templates
            .iter()
            .copied()
            .chain([config.unmatched.as_str()])
            .map(Arc::from)
            .collect();
        let paths = std::array::from_fn(|_| matchit::Router::new());
        let mut routes = Self {
            rows: vec![],
            labels,
            paths,
            unmatched: [0; Method::COUNT],
            numbers_alike: !templates.iter().any(|template| has_digit(template)),
        };
        for (route, template) in templates.iter().enumerate() {
            let endpoints: Vec<&Endpoint> = config.endpoints.iter().filter(|e| e.path == *template).collect();
            routes.add_path(route, &endpoints)?;
        }
        for &method in Method::ALL {
            let expected = method == Method::Other || config.endpoints.iter().any(|e| e.method == method);
            let objectives = Objectives {
                error_codes: config.error_codes.clone(),
                ..Objectives::default()
            };
            routes.unmatched[method as usize] =
                routes.add(templates.len(), method, false, expected, objectives);
        }
        Ok(routes)
    }

    /// The row that counts a request. `None` is a request without a parsable method or path.
    pub fn resolve(&self, line: Option<&RequestLine<'_>>) -> RowId {
        let Some(line) = line else {
            return self.unmatched[Method::Other as usize];
        };
        self.row(&normalise(&line.target), line.method)
    }

    /// The same as [`resolve`](Self::resolve), faster for what was asked lately.
    pub fn resolve_like(&self, line: Option<&RequestLine<'_>>, lately: &mut Lately) -> RowId {
        let Some(line) = line else {
            return self.resolve(None);
        };
        let resolve = || self.resolve(Some(line));
        match Key::new(line, self.numbers_alike) {
            Some(key) => lately.row(&key, resolve),
            None => resolve(),
        }
    }

    /// The route of a path whose method may be unknown: any endpoint of that path will do then.
    pub fn resolve_path(&self, method: Option<Method>, target: &[u8]) -> RouteId {
        let path = normalise(target);
        let row = match method {
            Some(method) => self.row(&path, method),
            None => {
                let any = self.paths.iter().find_map(|paths| paths.at(&path).ok());
                any.map_or(self.unmatched[Method::Other as usize], |found| *found.value)
            }
        };
        self.rows[row].route_id
    }

    fn row(&self, path: &str, method: Method) -> RowId {
        let method = method as usize;
        self.paths[method]
            .at(path)
            .map_or(self.unmatched[method], |found| *found.value)
    }

    fn add_path(&mut self, route: RouteId, endpoints: &[&Endpoint]) -> Result<(), matchit::InsertError> {
        for endpoint in endpoints {
            let row = self.add(
                route,
                endpoint.method,
                endpoint.probe,
                true,
                endpoint.objectives.clone(),
            );
            self.paths[endpoint.method as usize].insert(&endpoint.path, row)?;
        }
        let has = |method| endpoints.iter().any(|endpoint| endpoint.method == method);
        // A probe is one whatever its method; and HEAD takes GET's endpoint, but not its objectives: a HEAD
        // does less work, so it must not pass for the real thing.
        let same_as_probe = endpoints.iter().find(|e| e.probe).map(|e| (e, Method::ALL));
        let head_as_get = endpoints
            .iter()
            .find(|e| e.method == Method::Get)
            .map(|e| (e, &[Method::Head][..]));
        let Some((endpoint, methods)) = same_as_probe.or(head_as_get) else {
            return Ok(());
        };
        for &method in methods.iter().filter(|method| !has(**method)) {
            let error_codes = endpoint.objectives.error_codes.clone();
            let objectives = Objectives {
                error_codes,
                ..Objectives::default()
            };
            let row = self.add(route, method, endpoint.probe, false, objectives);
            self.paths[method as usize].insert(&endpoint.path, row)?;
        }
        Ok(())
    }

    fn add(
        &mut self,
        route_id: RouteId,
        method: Method,
        probe: bool,
        from_start: bool,
        objectives: Objectives,
    ) -> RowId {
        let route = Arc::clone(&self.labels[route_id]);
        self.rows.push(Row {
            route,
            route_id,
            method,
            probe,
            from_start,
            objectives,
        });
        self.rows.len() - 1
    }
}

/// Whether there is a digit in a template; one in a parameter's name costs speed alone.
fn has_digit(template: &str) -> bool {
    template.bytes().any(|byte| byte.is_ascii_digit())
}

fn distinct<'a>(items: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = vec![];
    for item in items {
        if !seen.contains(&item) {
            seen.push(item);
        }
    }
    seen
}

/// The path of a request target in the form templates are matched in: absolute-form reduced to its path, cut at
/// `?` or `#`, runs of slashes merged (as nginx and bingo's clients see them), percent-encoding decoded but for
/// `%2F`, one trailing slash dropped, no dot segments resolved. Borrowed where nothing had to be changed.
pub(crate) fn normalise(target: &[u8]) -> Cow<'_, str> {
    let path = strip_authority(target);
    let path = match memchr::memchr2(b'?', b'#', path) {
        Some(end) => &path[..end],
        None => path,
    };
    if path.is_empty() {
        return Cow::Borrowed("/");
    }
    // Without an early end, so that many bytes are looked at in one step.
    let pairs = path.iter().zip(path.iter().skip(1));
    let doubled = pairs.fold(false, |doubled, pair| doubled | (pair == (&b'/', &b'/')));
    let encoded = path.iter().fold(false, |encoded, byte| encoded | (*byte == b'%'));
    if !doubled && !encoded {
        let path = without_trailing_slash(path);
        return str::from_utf8(path).map_or_else(|_| String::from_utf8_lossy(path), Cow::Borrowed);
    }
    let decoded = decode(path);
    Cow::Owned(String::from_utf8_lossy(without_trailing_slash(&decoded)).into_owned())
}

fn without_trailing_slash(path: &[u8]) -> &[u8] {
    match path {
        [rest @ .., b'/'] if !rest.is_empty() => rest,
        _ => path,
    }
}

/// `http://host:port/path` to `/path`; everything else as it is.
fn strip_authority(target: &[u8]) -> &[u8] {
    if target.starts_with(b"/") {
        return target;
    }
    let Some(scheme_end) = memchr::memmem::find(target, b"://") else {
        return target;
    };
    let rest = &target[scheme_end + 3..];
    let authority_end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#'));
    authority_end.map_or(&[], |end| &rest[end..])
}

fn decode(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match (byte, tail) {
            (b'/', _) if out.last() == Some(&b'/') => {}
            (b'%', [high, low, after @ ..]) => match hex(*high).zip(hex(*low)).map(|(h, l)| h << 4 | l) {
                Some(decoded) if decoded != b'/' => {
                    out.push(decoded);
                    rest = after;
                }
                _ => out.push(b'%'),
            },
            _ => out.push(*byte),
        }
    }
    out
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

mod lately;

use lately::Key;
pub use lately::Lately;

#[cfg(test)]
mod tests {
    use super::*;

    fn profile() -> Routes {
        Routes::new(&Config::load(None, &crate::config::Overrides::default()).unwrap()).unwrap()
    }

    #[track_caller]
    fn check(method: &str, target: &str, expect: (&str, &str)) {
        check_bytes(method, target.as_bytes(), expect);
    }

    #[track_caller]
    fn check_bytes(method: &str, target: &[u8], expect: (&str, &str)) {
        let routes = profile();
        let line = RequestLine {
            method: Method::parse(method.as_bytes()),
            target: Cow::Borrowed(target),
        };
        let row = &routes.rows[routes.resolve(Some(&line))];
        assert_eq!(
            (&*row.route, row.method.as_str()),
            expect,
            "{method} {}",
            target.escape_ascii()
        );
    }

    #[test]
    fn literals_before_parameters_and_never_merged() {
        check("GET", "/api/movie", ("/api/movie", "GET"));
        check("GET", "/api/movie/5", ("/api/movie/{id}", "GET"));
        check("GET", "/api/movie/5/x", ("other", "GET"));
        check("DELETE", "/api/session/5", ("/api/session/{id}", "DELETE"));
        check("GET", "/", ("/", "GET"));
        check("POST", "/", ("/", "POST"));
        check("GET", "/nope", ("other", "GET"));
        check("GET", "/API/movie", ("other", "GET"));
    }

    #[test]
    fn methods() {
        check("POST", "/api/movie/5", ("other", "POST"));
        check("HEAD", "/api/movie/5", ("/api/movie/{id}", "HEAD"));
        check("HEAD", "/operation", ("other", "HEAD"));
        check("get", "/api/movie/5", ("other", "OTHER"));
        check("PROPFIND", "/nope", ("other", "OTHER"));
        check("OPTIONS", "*", ("other", "OPTIONS"));
        check("CONNECT", "example.org:443", ("other", "CONNECT"));
        check("POST", "/ping", ("/ping", "POST"));
        check("BREW", "/ping", ("/ping", "OTHER"));
        let routes = profile();
        let garbage = &routes.rows[routes.resolve(None)];
        assert_eq!((&*garbage.route, garbage.method), ("other", Method::Other));
    }

    #[test]
    fn a_wildcard_takes_what_a_literal_has_for_another_method_only() {
        let mut config = Config::load(None, &crate::config::Overrides::default()).unwrap();
        config
            .endpoints
            .retain(|e| e.path == "/api/session" && e.method == Method::Post);
        let wildcard = Endpoint {
            method: Method::Get,
            path: "/api/{thing}".into(),
            ..config.endpoints[0].clone()
        };
        config.endpoints.push(wildcard);
        let routes = Routes::new(&config).unwrap();
        let route = |method| {
            let line = RequestLine {
                method,
                target: b"/api/session".as_slice().into(),
            };
            routes.rows[routes.resolve(Some(&line))].route.to_string()
        };
        assert_eq!(
            (route(Method::Post), route(Method::Get)),
            ("/api/session".into(), "/api/{thing}".into())
        );
        assert_eq!(route(Method::Delete), "other");
    }

    #[test]
    fn a_path_without_a_method() {
        let routes = profile();
        let route = |method, path: &str| &*routes.labels[routes.resolve_path(method, path.as_bytes())];
        assert_eq!(route(None, "/api/session/5/"), "/api/session/{id}");
        assert_eq!(route(None, "/operation"), "/operation");
        assert_eq!(route(None, "/nope"), "other");
        assert_eq!(route(None, ""), "/");
        assert_eq!(route(Some(Method::Get), "/operation"), "other");
    }

    #[test]
    fn targets() {
        for target in [
            "/api/movie/5?x=/y",
            "/api/movie/5#top",
            "/api/movie/5/",
            "/api/movie/5/?",
            "//api///movie//5//",
            "http://bingo.example:80/api/movie/5?q",
            "/api/mo%76ie/5",
            "/%61pi/movie/%35",
            "/api/movie/a%2Fb",
            "/api/movie/a%2fb",
            "/api/movie/%",
            "/api/movie/%zz",
            "/api/movie/%2",
            "/api/movie/..",
            "/api/movie/%3Fx",
        ] {
            check("GET", target, ("/api/movie/{id}", "GET"));
        }
        check("GET", "/api/movie/", ("/api/movie", "GET"));
        check("GET", "/api%2Fmovie", ("other", "GET"));
        check("GET", "/api/movie/../movie", ("other", "GET"));
        for root in ["/", "//", "/?x", "http://h", "http://h?x", "http://h/"] {
            check("GET", root, ("/", "GET"));
        }
        check_bytes("GET", b"/api/movie/\xff\xfe", ("/api/movie/{id}", "GET"));
        check_bytes("GET", b"/api/movie/%ff", ("/api/movie/{id}", "GET"));
    }

    #[test]
    fn head_and_other_methods_of_a_probe_have_no_objective() {
        let routes = profile();
        for row in routes
            .rows
            .iter()
            .filter(|row| row.method == Method::Head || row.probe)
        {
            assert_eq!(
                (row.objectives.availability, row.objectives.latency),
                (None, None),
                "{row:?}"
            );
        }
        assert!(routes.rows.iter().filter(|row| row.probe).count() == Method::COUNT);
    }

    proptest::proptest! {
        #[test]
        fn what_was_asked_lately_has_the_same_row(
            targets in proptest::collection::vec("(/api|/ping|/){0,2}/[a-c0-9%?]{0,60}", 1..50), methods in proptest::collection::vec(0..3_usize, 50),
        ) {
            let (routes, mut lately) = (profile(), Lately::default());
            for (target, method) in targets.iter().chain(&targets).zip(methods.iter().cycle()) {
                let line = RequestLine { method: Method::ALL[*method], target: target.as_bytes().into() };
                assert_eq!(routes.resolve_like(Some(&line), &mut lately), routes.resolve(Some(&line)));
            }
        }

        #[test]
        fn any_target_has_a_row(target: Vec<u8>, method: usize) {
            let routes = profile();
            let line = RequestLine { method: Method::ALL[method % Method::COUNT], target: target.into() };
            assert!(routes.resolve(Some(&line)) < routes.rows.len());
        }
    }
}
