//! Which form of the metrics a scraper gets, and whether it is compressed.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use zlib_rs::{Deflate, DeflateConfig, DeflateError, DeflateFlush, Status};

use crate::metrics::Form;

/// What the answer to a scrape depends on besides its URL, for caches on the way: the value of its `Vary` header.
pub const VARY: &str = "Accept-Encoding, Accept";

/// Smallest body worth compressing, in bytes: what fits in one packet gains nothing.
const SMALLEST_GZIP: u64 = 1400;

/// Repetitions are looked for so far back, as a power of two. In metrics they are a few lines away: half of the most gives as
/// few bytes for 64 kB less to hold; less is slower, since the window moves more often.
const WINDOW_BITS: i32 = 14;

/// A sixteenth of the default to collect in before it is written: at the fastest level that changes nothing but what is held.
const MEM_LEVEL: i32 = 4;

/// What zlib takes for gzip's own header and trailer, beside the window.
const GZIP: i32 = 16;

/// What an `Accept` header asks for: OpenMetrics where it is named and nothing we have is liked better, else classic.
/// A wildcard asks for neither by name, so it does not win against a named form of the same weight. A header that
/// accepts neither gets classic: to a person who looks, a readable answer is worth more than a 406.
pub fn form(accept: Option<&str>) -> Form {
    let (mut open_metrics, mut named, mut wild) = (0.0_f32, None::<f32>, 0.0_f32);
    for range in accept.unwrap_or_default().split(',').map(Range::parse) {
        match range.media {
            media
                if media.eq_ignore_ascii_case("application/openmetrics-text") && range.asks_for("1.0.0") =>
            {
                open_metrics = open_metrics.max(range.weight);
            }
            media if media.eq_ignore_ascii_case("text/plain") && range.asks_for("0.0.4") => {
                named = Some(named.unwrap_or_default().max(range.weight));
            }
            media if media.eq_ignore_ascii_case("text/*") || media == "*/*" => wild = wild.max(range.weight),
            _ => {}
        }
    }
    let preferred = match named {
        Some(classic) => open_metrics > classic,
        None => open_metrics >= wild,
    };
    if open_metrics > 0.0 && preferred {
        Form::OpenMetrics
    } else {
        Form::Classic
    }
}

/// Whether JSON is asked for, and more than a page: browsers and those that take anything get the page.
pub fn prefers_json(accept: Option<&str>) -> bool {
    let weight = |media: &str| {
        let ranges = accept.unwrap_or_default().split(',').map(Range::parse);
        let same = ranges.filter(|range| range.media.eq_ignore_ascii_case(media));
        same.map(|range| range.weight).fold(0.0, f32::max)
    };
    weight("application/json") > weight("text/html")
}

/// One media range of an `Accept` header. Nothing here can fail: what is not understood is not asked for.
struct Range<'a> {
    media: &'a str,
    version: Option<&'a str>,
    /// 0 to 1. 0 where it is no number: who cannot say how much they want something does not get it.
    weight: f32,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let mut range = Self {
            media: parts.next().unwrap_or_default(),
            version: None,
            weight: 1.0,
        };
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            let value = value.trim().trim_matches('"');
            if name.trim().eq_ignore_ascii_case("version") {
                range.version = Some(value);
            } else if name.trim().eq_ignore_ascii_case("q") {
                range.weight = value
                    .parse()
                    .ok()
                    .filter(|q| (0.0..=1.0).contains(q))
                    .unwrap_or(0.0);
            }
        }
        range
    }

    /// Whether this version, or any, will do.
    fn asks_for(&self, version: &str) -> bool {
        self.version.is_none_or(|asked| asked == version)
    }
}

/// Where gzip works, once somebody accepted it: kept, since memory given back may have to be had again page by page.
#[derive(Clone, Default)]
pub struct Gzip(Arc<Mutex<Option<Deflate>>>);

/// Compresses what is worth it for clients that accept gzip, and says `Vary: accept-encoding` on it (a response that
/// already varies by it, see [`VARY`], keeps its header). A layer of each route: around the router it would see no body
/// of a HEAD, and tell its client of another answer than GET's.
pub async fn gzip(State(gzip): State<Gzip>, request: Request, next: Next) -> Response {
    let accepted = accepts_gzip(request.headers());
    let mut response = next.run(request).await;
    let size = response.body().size_hint().exact();
    if size.is_none_or(|size| size < SMALLEST_GZIP) {
        return response;
    }
    let vary = HeaderValue::from_static("accept-encoding");
    response.headers_mut().entry(header::VARY).or_insert(vary);
    if !accepted {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let plain = match to_bytes(body, usize::MAX).await {
        Ok(plain) => plain,
        // A body of known size is there already; no other is ours.
        Err(_) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    };
    let Ok(zipped) = gzip.zip(&plain) else {
        return Response::from_parts(head, Body::from(plain));
    };
    head.headers
        .insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    head.headers.remove(CONTENT_LENGTH);
    Response::from_parts(head, Body::from(zipped))
}

/// Whether gzip is accepted, and no less than what is not compressed (RFC 9110, 12.5.3).
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let (mut gzip, mut identity, mut wild) = (None, None, None);
    let lines = headers.get_all(ACCEPT_ENCODING).iter();
    for coding in lines.flat_map(|line| line.to_str().unwrap_or_default().split(',').map(Range::parse)) {
        match coding.media {
            name if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") => {
                gzip = Some(coding.weight);
            }
            name if name.eq_ignore_ascii_case("identity") => identity = Some(coding.weight),
            "*" => wild = Some(coding.weight),
            _ => {}
        }
    }
    let gzip = gzip.or(wild).unwrap_or(0.0);
    gzip > 0.0 && gzip >= identity.unwrap_or(0.0)
}

impl Gzip {
    /// One member of RFC 1952, at the fastest level: metrics are so repetitive that a better one saves little, and the
    /// processor belongs to the service next door.
    fn zip(&self, plain: &[u8]) -> Result<Vec<u8>, DeflateError> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let state = kept.get_or_insert_with(|| {
            Deflate::new_with_config(DeflateConfig {
                window_bits: GZIP + WINDOW_BITS,
                mem_level: MEM_LEVEL,
                ..DeflateConfig::best_speed()
            })
        });
        state.reset();
        let mut zipped = vec![0; plain.len() / 8 + SMALLEST_GZIP as usize];
        loop {
            let (read, written) = (state.total_in() as usize, state.total_out() as usize);
            match state.compress(&plain[read..], &mut zipped[written..], DeflateFlush::Finish)? {
                Status::StreamEnd => {
                    zipped.truncate(state.total_out() as usize);
                    return Ok(zipped);
                }
                Status::Ok | Status::BufError => zipped.resize(2 * zipped.len(), 0),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use axum::Router;
    use axum::http::Request;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use flate2::read::GzDecoder;
    use proptest::prelude::*;
    use tower::ServiceExt as _;

    use super::*;

    #[test]
    fn json_is_for_those_who_prefer_it() {
        for (accept, expected) in [
            (None, false),
            (Some("*/*"), false),
            (Some("text/html,application/xhtml+xml,*/*;q=0.8"), false),
            (Some("application/json"), true),
            (Some("text/html;q=0.5, Application/JSON"), true),
            (Some("application/json;q=0"), false),
        ] {
            assert_eq!(prefers_json(accept), expected, "{accept:?}");
        }
    }

    #[test]
    fn open_metrics_is_for_those_who_prefer_it() {
        use Form::{Classic, OpenMetrics};
        let prometheus_2 = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;\
                            q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                            application/openmetrics-text;version=0.0.1;q=0.5,\
                            text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,\
                            */*;q=0.2";
        let native_histograms = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
                                 encoding=delimited;q=0.7,application/openmetrics-text;version=1.0.0;\
                                 escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        let classic_only = "text/plain;version=0.0.4;q=0.6,*/*;q=0.5";
        let firefox = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        for (accept, expected) in [
            (None, Classic),
            (Some(""), Classic),
            (Some("*/*"), Classic),
            (Some(firefox), Classic),
            (Some(prometheus_2), OpenMetrics),
            (Some(prometheus_3), OpenMetrics),
            (Some(native_histograms), OpenMetrics),
            (Some(classic_only), Classic),
            (Some("application/openmetrics-text"), OpenMetrics),
            (
                Some("Application/OpenMetrics-Text; Version=\"1.0.0\"; Q=1"),
                OpenMetrics,
            ),
            (Some("application/openmetrics-text;version=0.0.1"), Classic),
            (Some("application/openmetrics-text;version=2.0.0"), Classic),
            (Some("application/openmetrics-text;q=0"), Classic),
            (Some("application/openmetrics-text;q=0,*/*;q=0"), Classic),
            (Some("application/openmetrics-text;q=much"), Classic),
            (Some("application/openmetrics-text;q=NaN"), Classic),
            (
                Some("application/openmetrics-text;q=0.4,text/plain;q=0.5"),
                Classic,
            ),
            (
                Some("application/openmetrics-text;q=0.5,text/plain;q=0.4"),
                OpenMetrics,
            ),
            (Some("text/plain,application/openmetrics-text"), Classic),
            (Some("application/openmetrics-text,*/*"), OpenMetrics),
            (Some("application/openmetrics-text;q=0.1,*/*"), Classic),
            (Some("application/openmetrics-text;q=0.1,text/*"), Classic),
            (
                Some("application/openmetrics-text;q=0.1,text/plain;q=0,*/*"),
                OpenMetrics,
            ),
            (
                Some("application/openmetrics-text;q=0.1,text/plain;version=1.0.0"),
                OpenMetrics,
            ),
            (Some("application/json"), Classic),
            (Some("application/*"), Classic),
            (Some(",;=,q=1;;"), Classic),
        ] {
            assert_eq!(form(accept), expected, "{accept:?}");
        }
    }

    proptest! {
        #[test]
        fn no_header_panics(accept in "\\PC*|([a-z*/;,=. \"0-9]|q=|version=|text/plain|application/openmetrics-text)*") {
            form(Some(&accept));
        }
    }

    fn unzip(zipped: &[u8]) -> Vec<u8> {
        let mut plain = vec![];
        GzDecoder::new(zipped).read_to_end(&mut plain).unwrap();
        plain
    }

    async fn fetch(
        size: usize,
        accept: Option<&str>,
        vary: Option<&'static str>,
    ) -> (Option<String>, String, usize) {
        let app = Router::new()
            .route(
                "/",
                get(move || async move {
                    let mut response = axum::response::Response::new(Body::from("x".repeat(size)));
                    if let Some(vary) = vary {
                        response
                            .headers_mut()
                            .insert(header::VARY, header::HeaderValue::from_static(vary));
                    }
                    response
                }),
            )
            .layer(from_fn_with_state(Gzip::default(), gzip));
        let mut request = Request::builder().uri("/");
        if let Some(accept) = accept {
            request = request.header(header::ACCEPT_ENCODING, accept);
        }
        let response = app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let text = |value: &header::HeaderValue| value.to_str().unwrap().to_owned();
        let encoding = response.headers().get(header::CONTENT_ENCODING).map(text);
        let vary: Vec<_> = response
            .headers()
            .get_all(header::VARY)
            .iter()
            .map(text)
            .collect();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        if encoding.is_some() {
            assert_eq!(unzip(&body), "x".repeat(size).into_bytes());
        }
        (encoding, vary.join(", "), body.len())
    }

    #[tokio::test]
    async fn gzip_is_for_those_who_accept_it() {
        let gzip = || Some("gzip".to_owned());
        let (encoding, vary, size) = fetch(100_000, Some("gzip"), None).await;
        assert_eq!((encoding, vary.as_str()), (gzip(), "accept-encoding"));
        assert!(size < 1000, "{size}");
        for accept in [
            "gzip, deflate, br",
            "br;q=1.0, X-GZip;q=0.1",
            "*",
            "identity;q=0.5, *;q=0.5",
        ] {
            assert_eq!(fetch(100_000, Some(accept), None).await.0, gzip(), "{accept:?}");
        }
        for accept in [
            None,
            Some(""),
            Some("identity"),
            Some("gzip;q=0"),
            Some("gzip;q=0, *"),
            Some("identity, gzip;q=0.5"),
            Some("deflate, br"),
        ] {
            let (encoding, vary, size) = fetch(100_000, accept, None).await;
            assert_eq!(
                (encoding, vary.as_str(), size),
                (None, "accept-encoding", 100_000),
                "{accept:?}"
            );
        }
        let small = fetch(1000, Some("gzip"), None).await;
        assert_eq!((small.0, small.2), (None, 1000));
    }

    proptest! {
        #[test]
        fn unzipped_is_what_was_zipped(word in prop::collection::vec(any::<u8>(), 0..5000), times in 1..100_usize) {
            let text = word.repeat(times);
            let gzip = Gzip::default();
            prop_assert_eq!(unzip(&gzip.zip(&text).unwrap()), &*text);
            prop_assert_eq!(unzip(&gzip.zip(b"again").unwrap()), b"again");
            prop_assert_eq!(unzip(&gzip.zip(&text).unwrap()), text);
        }
    }

    #[tokio::test]
    async fn head_is_told_what_get_would_be() {
        let app = Router::new()
            .route("/", get(async || "x".repeat(100_000)))
            .layer(from_fn_with_state(Gzip::default(), gzip));
        for accept in ["gzip", "identity"] {
            let head = async |method: &str| {
                let request = Request::builder()
                    .method(method)
                    .header(header::ACCEPT_ENCODING, accept);
                let response = app.clone().oneshot(request.body(Body::empty()).unwrap());
                response.await.unwrap().into_parts().0.headers
            };
            assert_eq!(head("HEAD").await, head("GET").await);
        }
    }

    #[tokio::test]
    async fn a_response_that_already_varies_keeps_its_header() {
        assert_eq!(fetch(100_000, Some("gzip"), Some(VARY)).await.1, VARY);
        assert_eq!(fetch(100_000, None, Some(VARY)).await.1, VARY);
        assert_eq!(fetch(10, None, Some(VARY)).await.1, VARY);
    }
}
