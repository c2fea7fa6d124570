//! What the clients are going to do: the same requests in every run, each with the series it must count in.
//! The plan knows the route because it began with one and made a target of it, not by parsing the target.

use crate::support::random::Random;
use crate::support::upstream::{ANSWER, ID};

/// One endpoint, or a request to none, as it must be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) route: &'static str,
    /// The label.
    pub(crate) method: &'static str,
    /// What stands in the request line, where it is not the label.
    pub(crate) sent_method: &'static str,
    /// The path, `{id}` to be filled in.
    path: &'static str,
    pub(crate) objectives: Objectives,
}

/// What the service promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Objectives {
    pub(crate) availability: bool,
    /// Milliseconds a good request may take.
    pub(crate) latency: Option<u64>,
}

const NONE: Objectives = Objectives {
    availability: false,
    latency: None,
};
const AVAILABLE: Objectives = Objectives {
    availability: true,
    latency: None,
};
const FAST: Objectives = Objectives {
    availability: true,
    latency: Some(400),
};
const CACHED: Objectives = Objectives {
    availability: true,
    latency: Some(1000),
};

const fn kind(route: &'static str, method: &'static str, path: &'static str, objectives: Objectives) -> Kind {
    Kind {
        route,
        method,
        sent_method: method,
        path,
        objectives,
    }
}

pub(crate) const ROOT: Kind = kind("/", "GET", "/", AVAILABLE);
pub(crate) const MOVIE: Kind = kind("/api/movie/{id}", "GET", "/api/movie/{id}", FAST);
pub(crate) const LONG_DUMMY: Kind = kind("/long_dummy", "GET", "/long_dummy", CACHED);

/// The service's endpoints with their objectives.
const ENDPOINTS: [Kind; 15] = [
    ROOT,
    kind("/", "POST", "/", AVAILABLE),
    kind("/ping", "GET", "/ping", NONE),
    LONG_DUMMY,
    kind("/db_dummy", "GET", "/db_dummy", FAST),
    kind("/operation", "POST", "/operation", FAST),
    kind("/api/movie", "GET", "/api/movie", AVAILABLE),
    MOVIE,
    kind("/api/customer", "GET", "/api/customer", AVAILABLE),
    kind("/api/customer/{id}", "GET", "/api/customer/{id}", FAST),
    kind("/api/session", "GET", "/api/session", AVAILABLE),
    kind("/api/session", "POST", "/api/session", AVAILABLE),
    kind("/api/session/{id}", "GET", "/api/session/{id}", FAST),
    kind("/api/session/{id}", "DELETE", "/api/session/{id}", AVAILABLE),
    kind("/config", "GET", "/config", AVAILABLE),
];

/// What clients send besides.
const STRANGERS: [Kind; 20] = [
    kind("/api/movie/{id}", "HEAD", "/api/movie/{id}", NONE),
    kind("/api/customer", "HEAD", "/api/customer", NONE),
    kind("/long_dummy", "HEAD", "/long_dummy", NONE),
    kind("/", "HEAD", "/", NONE),
    kind("/ping", "HEAD", "/ping", NONE),
    kind("/ping", "POST", "/ping", NONE),
    kind("other", "HEAD", "/operation", NONE),
    kind("other", "POST", "/api/movie/{id}", NONE),
    kind("other", "PUT", "/api/session/{id}", NONE),
    kind("other", "PATCH", "/api/session/{id}", NONE),
    kind("other", "OPTIONS", "/", NONE),
    kind("other", "GET", "/favicon.ico", NONE),
    kind("other", "GET", "/API/movie", NONE),
    kind("other", "GET", "/pingx", NONE),
    kind("other", "GET", "/api/movie/{id}/actors", NONE),
    kind("other", "GET", "/api", NONE),
    kind("other", "GET", "/api%2Fmovie", NONE),
    kind("other", "GET", "/wp-login.php", NONE),
    Kind {
        sent_method: "BREW",
        ..kind("other", "OTHER", "/operation", NONE)
    },
    Kind {
        sent_method: "PROPFIND",
        ..kind("other", "OTHER", "/nowhere", NONE)
    },
];

/// One request of the plan.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    pub(crate) id: u64,
    pub(crate) kind: Kind,
    /// The bytes to send.
    pub(crate) bytes: Vec<u8>,
    pub(crate) course: Course,
}

/// What is going to happen to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Course {
    /// The client reads its answer; a node that answers takes this many milliseconds.
    Answered { delay: u64 },
    /// No node answers; the client leaves this many milliseconds after its request has reached one.
    GivenUp { after: u64 },
    /// No proper request. The client sends the bytes on a connection of its own, reads until it is closed,
    /// and knows the status from what it did: some get none in answer. `leaves` if it closes its side first.
    Raw { status: u16, leaves: bool },
}

impl Planned {
    /// Whether the connection may be used again afterwards.
    pub(crate) fn keeps_alive(&self) -> bool {
        matches!(self.course, Course::Answered { .. })
    }
}

/// Makes the plan.
pub(crate) fn plan(seed: u64, requests: u64) -> Vec<Planned> {
    let mut random = Random::new(seed);
    let random = &mut random;
    (0..requests)
        .map(|id| {
            if random.chance(4) {
                raw(id, random)
            } else {
                proper(id, random)
            }
        })
        .collect()
}

fn proper(id: u64, random: &mut Random) -> Planned {
    let kind = *if random.chance(80) {
        random.pick(&ENDPOINTS)
    } else {
        random.pick(&STRANGERS)
    };
    let (course, headers) = course(&kind, random);
    let target = target(&kind, random);
    let version = if random.chance(5) { "HTTP/1.0" } else { "HTTP/1.1" };
    let closing = if random.chance(5) {
        "Connection: close\r\n"
    } else {
        ""
    };
    let body = if matches!(kind.sent_method, "POST" | "PUT" | "PATCH") {
        format!("{{\"operation\": {}}}", random.below(1000))
    } else {
        String::new()
    };
    let length = if body.is_empty() {
        String::new()
    } else {
        format!("Content-Length: {}\r\n", body.len())
    };
    let method = kind.sent_method;
    let text = format!(
        "{method} {target} {version}\r\nHost: bingo.example\r\n{ID}: {id}\r\n{headers}{closing}{length}\r\n{body}"
    );
    Planned {
        id,
        kind,
        bytes: text.into_bytes(),
        course,
    }
}

/// What happens to a request, and the headers that make it happen.
fn course(kind: &Kind, random: &mut Random) -> (Course, String) {
    let slow = kind.objectives.latency.unwrap_or(1000) + 100;
    let quick = random.below(15);
    let is_get = kind.method == "GET" && kind.route != "/long_dummy";
    let answer = |status: u16, delay: u64, size: u64| {
        (
            Course::Answered { delay },
            format!("{ANSWER}: {status} {delay} {size}\r\n"),
        )
    };
    let given_up = |after| (Course::GivenUp { after }, format!("{ANSWER}: hang\r\n"));
    match random.below(1000) {
        0..30 => answer(500, quick, 10),
        // nginx asks the other node after a 503.
        30..45 => answer(503, quick, 10),
        45..65 => answer(429, quick, 17),
        65..85 => answer(404, quick, 9),
        85..100 => answer(301, quick, 0),
        100..120 => answer(200, slow, 20),
        // A client's patience ends before the first byte. Only for what is never cached: else there may be an
        // answer without a node.
        120..130 if is_get => given_up(0),
        130..136 if is_get => given_up(slow),
        // Both nodes let it hang; nginx has less patience than the client.
        136..142 => (
            Course::Answered { delay: 0 },
            format!("{ANSWER}: hang\r\nX-Stall: 1\r\n"),
        ),
        // Sent to a group whose nodes are both down.
        142..152 => (Course::Answered { delay: 0 }, "X-Group: gone\r\n".to_owned()),
        152..162 => answer(200, quick, 100_000 + random.below(100_000)),
        _ => answer(200, quick, random.below(2000)),
    }
}

/// The path, written as clients write it.
fn target(kind: &Kind, random: &mut Random) -> String {
    let path = kind.path.replace("{id}", &random.below(5_000_000).to_string());
    let has_id = kind.path.ends_with("{id}");
    match random.below(20) {
        0..4 => format!("{path}?page={}&next=/api/movie/7", random.below(9)),
        4 => format!("{path}?"),
        5 => format!("{path}/"),
        6 => format!("{path}/?x=1"),
        7 => format!("/{path}"),
        8 => path.replacen("/api/", "/api//", 1),
        9 => path.replacen("mo", "m%6f", 1).replacen("dummy", "%64ummy", 1),
        10 => format!("http://bingo.example:80{path}"),
        11 => format!("{path}#top"),
        12 if has_id => format!("{path}%2Fx"),
        13 if has_id => format!("{path}%22%5C%0A%c3%28"),
        14 if has_id => format!("{path}\"\\\u{e9}"),
        _ => path,
    }
}

/// Requests that are none, or hardly. Where there is a target to hold it, the query tells the log's reader which
/// request it was.
fn raw(id: u64, random: &mut Random) -> Planned {
    let no_request = kind("other", "OTHER", "", NONE);
    let query = format!("?id={id}");
    let host = "Host: x\r\n\r\n";
    let tls_hello = b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\"\\\xff\xfe\x80\r\n\r\n".to_vec();
    let (kind, bytes, status) = match random.below(10) {
        0..3 => (no_request, tls_hello, 400),
        3 => (
            no_request,
            format!("get /{query} HTTP/1.1\r\n{host}").into_bytes(),
            400,
        ),
        4 => (
            kind("other", "OPTIONS", "", NONE),
            format!("OPTIONS * HTTP/1.1\r\n{host}").into_bytes(),
            400,
        ),
        // HTTP/1.1 demands a Host.
        5 => (ROOT, format!("GET /{query} HTTP/1.1\r\n\r\n").into_bytes(), 400),
        // HTTP/0.9, which has no headers and no status line.
        6 => (ROOT, format!("GET /{query}\r\n").into_bytes(), 200),
        7 => (
            MOVIE,
            format!("GET /api/movie/5{query} HTTP/9.9\r\n{host}").into_bytes(),
            505,
        ),
        8 => (
            MOVIE,
            format!("GET /api/movie/5{query} HTTP/1.1\r\nHost: x\r\n").into_bytes(),
            400,
        ),
        // One Host too many.
        _ => (
            LONG_DUMMY,
            format!("GET /long_dummy{query} HTTP/1.1\r\nHost: y\r\n{host}").into_bytes(),
            400,
        ),
    };
    // Those whose headers never end are sent by clients that go away.
    let leaves = bytes.ends_with(b"Host: x\r\n");
    Planned {
        id,
        kind,
        bytes,
        course: Course::Raw { status, leaves },
    }
}
