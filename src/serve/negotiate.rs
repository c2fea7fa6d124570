//! Which form of the metrics a scraper gets. They are written once, as OpenMetrics; the classic text format is made
//! from that by [`classic`], since the differences are few and all on the surface.

use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::SizeAbove;

/// What the answer to a scrape depends on besides its URL, for caches on the way: the value of its `Vary` header.
pub const VARY: &str = "Accept-Encoding, Accept";

/// Smallest body worth compressing, in bytes: what fits in one packet gains nothing.
const SMALLEST_GZIP: u64 = 1400;

/// A text form of the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposition {
    /// The Prometheus text format 0.0.4, which everything reads.
    Classic,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Exposition {
    /// The `Content-Type` header.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Classic => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// What an `Accept` header asks for: OpenMetrics where it is named and nothing we have is liked better, else classic.
/// A wildcard asks for neither by name, so it does not win against a named form of the same weight. A header that
/// accepts neither gets classic: to a person who looks, a readable answer is worth more than a 406.
pub fn exposition(accept: Option<&str>) -> Exposition {
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
        Exposition::OpenMetrics
    } else {
        Exposition::Classic
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

/// Makes classic text (0.0.4) from OpenMetrics text as we write it: gauges, counters and histograms, help before
/// type, no units, exemplars or time stamps. There the two differ in that classic metadata know counters by the name
/// of their samples, and that only OpenMetrics ends in `# EOF`.
pub fn classic(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len() + open_metrics.len() / 16);
    // The help of a family waits for its type, which says what name it goes under.
    let mut help = None;
    for line in open_metrics.lines() {
        if let Some(family) = line.strip_prefix("# HELP ") {
            help = family.split_once(' ').map(|(_, help)| help);
        } else if let Some((name, kind)) = line
            .strip_prefix("# TYPE ")
            .and_then(|family| family.split_once(' '))
        {
            let suffix = if kind == "counter" { "_total" } else { "" };
            if let Some(help) = help.take() {
                push(&mut text, &["# HELP ", name, suffix, " ", help, "\n"]);
            }
            push(&mut text, &["# TYPE ", name, suffix, " ", kind, "\n"]);
        } else if line != "# EOF" {
            push(&mut text, &[line, "\n"]);
        }
    }
    text
}

fn push(text: &mut String, parts: &[&str]) {
    text.extend(parts.iter().copied());
}

/// Compresses responses for clients that accept gzip, and says `Vary: accept-encoding` on those it could compress
/// (a response that already varies by it, see [`VARY`], keeps its header). At the fastest level: metrics are so
/// repetitive that a better one saves little, and the processor belongs to the service next door.
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
        use Exposition::{Classic, OpenMetrics};
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
            assert_eq!(exposition(accept), expected, "{accept:?}");
        }
    }

    #[track_caller]
    fn check(open_metrics: &str, expected: &str) {
        assert_eq!(classic(open_metrics), expected);
    }

    #[test]
    fn counters_are_named_as_their_samples() {
        check(
            "# HELP a_seconds Seconds.\n# TYPE a_seconds counter\na_seconds_total 1\n# EOF\n",
            "# HELP a_seconds_total Seconds.\n# TYPE a_seconds_total counter\na_seconds_total 1\n",
        );
    }

    #[test]
    fn an_empty_help_stays() {
        check(
            "# HELP a \n# TYPE a gauge\na 1\n",
            "# HELP a \n# TYPE a gauge\na 1\n",
        );
    }

    #[test]
    fn what_looks_like_a_comment_within_a_label_stays() {
        check(
            "a{b=\"# TYPE a counter\\n# EOF\"} 1\n",
            "a{b=\"# TYPE a counter\\n# EOF\"} 1\n",
        );
    }

    #[test]
    fn what_prometheus_client_writes_is_what_is_expected_here() {
        use prometheus_client::metrics::{counter::Counter, gauge::Gauge, histogram::Histogram};
        use prometheus_client::registry::Registry;
        let mut registry = Registry::default();
        registry.register("sent_bytes", "Sent", Counter::<u64>::default());
        registry.register("up", "Up", Gauge::<i64>::default());
        registry.register("wait_seconds", "Wait", Histogram::new([0.4]));
        let mut open_metrics = String::new();
        prometheus_client::encoding::text::encode(&mut open_metrics, &registry).unwrap();
        check(
            &open_metrics,
            "# HELP sent_bytes_total Sent.\n# TYPE sent_bytes_total counter\nsent_bytes_total 0\n\
             # HELP up Up.\n# TYPE up gauge\nup 0\n\
             # HELP wait_seconds Wait.\n# TYPE wait_seconds histogram\nwait_seconds_sum 0.0\n\
             wait_seconds_count 0\nwait_seconds_bucket{le=\"0.4\"} 0\nwait_seconds_bucket{le=\"+Inf\"} 0\n",
        );
    }

    /// One family, in as little as makes the two forms differ.
    fn family() -> impl Strategy<Value = (String, String)> {
        let kinds = prop::sample::select(vec![
            ("counter", "_total", "_total"),
            ("gauge", "", ""),
            ("histogram", "", "_bucket"),
        ]);
        let value = prop::collection::vec(
            prop::sample::select(vec![
                "# ", " # {", "{", "}", " ", "a", "ё", "\\\\", "\\\"", "\\n", ",", "=",
            ]),
            0..6,
        );
        let sample = (prop::collection::vec(("[a-z]{1,3}", value), 0..3), 0..100_u32);
        let samples = prop::collection::vec(sample, 0..4);
        ("[a-z_]{1,9}", "[ -~]{0,9}", kinds, samples).prop_map(|(name, help, kind, samples)| {
            let (kind, suffix, sample_suffix) = kind;
            let metadata = |suffix| format!("# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}\n");
            let mut lines = String::new();
            for (labels, number) in samples {
                let labels: Vec<_> = labels
                    .into_iter()
                    .map(|(k, v)| format!("{k}=\"{}\"", v.concat()))
                    .collect();
                let labels = if labels.is_empty() {
                    String::new()
                } else {
                    format!("{{{}}}", labels.join(","))
                };
                lines.push_str(&format!("{name}{sample_suffix}{labels} {number}\n"));
            }
            (metadata("") + &lines, metadata(suffix) + &lines)
        })
    }

    proptest! {
        #[test]
        fn no_header_panics(accept in "\\PC*|([a-z*/;,=. \"0-9]|q=|version=|text/plain|application/openmetrics-text)*") {
            exposition(Some(&accept));
        }

        #[test]
        fn no_text_panics(text in "([a-z]|[{}\"\\\\ \n#]|# TYPE|# HELP|ё)*") {
            classic(&text);
        }

        #[test]
        fn classic_text_is_what_it_would_be_if_written_directly(families in prop::collection::vec(family(), 0..4)) {
            let (open, direct): (Vec<_>, Vec<_>) = families.into_iter().unzip();
            prop_assert_eq!(classic(&(open.concat() + "# EOF\n")), direct.concat());
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
    async fn a_response_that_already_varies_keeps_its_header() {
        assert_eq!(fetch(100_000, Some("gzip"), Some(VARY)).await.1, VARY);
        assert_eq!(fetch(100_000, None, Some(VARY)).await.1, VARY);
        assert_eq!(fetch(10, None, Some(VARY)).await.1, VARY);
    }
}
