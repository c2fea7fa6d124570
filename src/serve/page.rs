//! The status page: static files, embedded. All that changes comes through `/api/v1/`, and becomes text in the browser,
//! never markup.

use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use xxhash_rust::xxh3::xxh3_64;

/// Nothing on the page comes from elsewhere, and nothing in it runs but our files. The icon is an empty one, so that no
/// browser asks for another.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      form-action 'none'; frame-ancestors 'none'; base-uri 'none'";

/// The files beside the page itself, by path.
pub(super) const FILES: [(&str, Asset); 5] = [
    ("/-/page.css", STYLE),
    ("/-/page.js", SCRIPT),
    ("/-/text.js", TEXT),
    ("/-/charts.js", DRAWING),
    ("/-/uplot.js", UPLOT),
];

/// A file of the page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asset {
    content_type: &'static str,
    bytes: &'static [u8],
}

pub(super) const INDEX: Asset = Asset {
    content_type: "text/html; charset=utf-8",
    bytes: include_bytes!("assets/index.html"),
};

const STYLE: Asset = Asset {
    content_type: "text/css; charset=utf-8",
    bytes: include_bytes!("assets/page.css"),
};

const SCRIPT: Asset = Asset {
    content_type: "text/javascript; charset=utf-8",
    bytes: include_bytes!("assets/page.js"),
};

/// What it imports.
const TEXT: Asset = Asset {
    content_type: SCRIPT.content_type,
    bytes: include_bytes!("assets/text.js"),
};

/// What it imports.
const DRAWING: Asset = Asset {
    content_type: SCRIPT.content_type,
    bytes: include_bytes!("assets/charts.js"),
};

/// uPlot 1.6.32, MIT licence (`assets/uplot-LICENSE`), as published on npm.
const UPLOT: Asset = Asset {
    content_type: "text/javascript; charset=utf-8",
    bytes: include_bytes!("assets/uplot-1.6.32.min.js"),
};

/// The file, or that the client has it already. It is asked for each time, so that a new release is seen at once.
pub(super) fn response(asset: Asset, headers: &HeaderMap) -> Response {
    let tag = format!("W/\"{:016x}\"", xxh3_64(asset.bytes));
    let known = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let lasting = [
        (ETAG, tag.as_str()),
        (CACHE_CONTROL, "no-cache"),
        (VARY, "accept, accept-encoding"),
        (CONTENT_SECURITY_POLICY, POLICY),
    ];
    if known.is_some_and(|known| known.split(',').any(|known| known.trim() == tag)) {
        return (StatusCode::NOT_MODIFIED, lasting).into_response();
    }
    (lasting, [(CONTENT_TYPE, asset.content_type)], asset.bytes).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_the_page_needs_another_host_or_runs_inline() {
        let text = |asset: Asset| str::from_utf8(asset.bytes).unwrap();
        for asset in [INDEX, STYLE, SCRIPT] {
            assert!(
                !text(asset).contains("//") || !text(asset).contains("http"),
                "{}",
                asset.content_type
            );
        }
        for forbidden in ["style=", "onclick", "<style", "javascript:"] {
            assert!(!text(INDEX).contains(forbidden), "{forbidden}");
        }
        for forbidden in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
        ] {
            let scripts = [SCRIPT, TEXT, DRAWING].map(text);
            assert!(
                scripts.iter().all(|script| !script.contains(forbidden)),
                "{forbidden}"
            );
        }
    }

    #[test]
    fn a_file_the_client_has_is_not_sent_again() {
        let first = response(STYLE, &HeaderMap::new());
        let tag = first.headers()[ETAG].clone();
        let again = response(STYLE, &HeaderMap::from_iter([(IF_NONE_MATCH, tag)]));
        assert_eq!(
            (first.status(), again.status()),
            (StatusCode::OK, StatusCode::NOT_MODIFIED)
        );
        assert_eq!(first.headers()[CONTENT_SECURITY_POLICY], POLICY);
    }
}
