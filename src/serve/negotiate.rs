//! Which form of the metrics a scraper gets, and whether it is compressed.

use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::SizeAbove;

use crate::metrics::Form;

/// What the answer to a scrape depends on besides its URL, for caches on the way: the value of its `Vary` header.
pub const VARY: &str = "Accept-Encoding, Accept";

/// Smallest body worth compressing, in bytes: what fits in one packet gains nothing.
const SMALLEST_GZIP: u64 = 1400;

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

/// Compresses responses for clients that accept gzip, and says `Vary: accept-encoding` on those it could compress
/// (a response that already varies by it, see [`VARY`], keeps its header). At the fastest level: metrics are so
/// repetitive that a better one saves little, and the processor belongs to the service next door. A layer of each
/// route: around the router it would see no body of a HEAD, and tell its client of another answer than GET's.
pub fn gzip() -> CompressionLayer<SizeAbove> {
    CompressionLayer::new()
        .gzip(true)
        .quality(CompressionLevel::Fastest)
        .compress_when(SizeAbove::new(SMALLEST_GZIP))
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::{Body, to_bytes};
    use axum::http::{Request, header};
    use axum::routing::get;
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
            .layer(gzip());
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
            assert_eq!(body[..2], [0x1f, 0x8b], "gzip's magic number");
        }
        (encoding, vary.join(", "), body.len())
    }

    #[tokio::test]
    async fn gzip_is_for_those_who_accept_it() {
        let gzip = || Some("gzip".to_owned());
        let (encoding, vary, size) = fetch(100_000, Some("gzip"), None).await;
        assert_eq!((encoding, vary.as_str()), (gzip(), "accept-encoding"));
        assert!(size < 1000, "{size}");
        assert_eq!(fetch(100_000, Some("gzip, deflate, br"), None).await.0, gzip());
        for accept in [
            None,
            Some(""),
            Some("identity"),
            Some("gzip;q=0"),
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

    #[tokio::test]
    async fn head_is_told_what_get_would_be() {
        let app = Router::new()
            .route("/", get(async || "x".repeat(100_000)))
            .layer(gzip());
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
