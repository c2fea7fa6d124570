use std::collections::BTreeMap;

use super::TEXT;
use crate::decode::dialect::FixedText;
use crate::decode::{AccessDecoder, Detection, Format};
use crate::record::{Code, Protocol, Reject, Request};

fn decode(line: &str) -> Result<Option<Request<'_>>, Reject> {
    let decoder = AccessDecoder::new(Format::Envoy, &BTreeMap::new());
    decoder.decode(line.as_bytes(), &mut Detection::default())
}

#[test]
fn the_template_compiles() {
    assert!(FixedText::new(&TEXT).is_some());
}

/// As Envoy's documentation has it.
const LINE: &str = r#"[2016-04-15T20:17:00.310Z] "POST /api/v1/locations HTTP/2" 204 - 154 7 226 100 "10.0.35.28" "nsq2http" "cc21d9b0-cf5c-432b-8c7e-98aeb7988cd2" "locations" "tcp://10.0.2.1:80""#;

#[test]
fn default_text() {
    let request = decode(LINE).unwrap().unwrap();
    assert_eq!(
        (request.code, request.duration, request.bytes),
        (Code::new(204), Ok(226_000_000), 7)
    );
    assert_eq!(request.protocol, Protocol::Http2);
    assert_eq!(
        request.time,
        Some(1_460_751_420_536),
        "its time stamp is the beginning"
    );
    let attempt = request.attempts.iter().next().unwrap();
    assert_eq!(
        (attempt.upstream, attempt.duration),
        (b"10.0.2.1:80".as_slice(), Some(100_000_000))
    );
}

/// Envoy writes header values as they came.
#[test]
fn quotes_in_headers_change_nothing() {
    for agent in ["\"", "\" \"", "x\" 500 - 0 0 9 9 \"", "a\" \"b\" \"c\" \"d\" \"e"] {
        for place in ["nsq2http", "10.0.35.28", "locations"] {
            let line = LINE.replace(&format!("\"{place}\""), &format!("\"{agent}\""));
            let request = decode(&line).unwrap().unwrap();
            assert_eq!(
                (request.code, request.duration),
                (Code::new(204), Ok(226_000_000)),
                "{line}"
            );
            assert_eq!(request.attempts.iter().next().unwrap().upstream, b"10.0.2.1:80");
        }
    }
}

#[test]
fn no_answer() {
    let gone = LINE.replace("204 - 154 7 226 100", "0 DC 154 0 226 -");
    let request = decode(&gone).unwrap().unwrap();
    assert!(request.client_gave_up && request.code == Code::NONE);
    assert_eq!(request.attempts.iter().next().unwrap().code, Code::NONE);
    let bad = LINE
        .replace("POST /api/v1/locations HTTP/2", "- - HTTP/1.1")
        .replace("204", "400");
    assert_eq!(decode(&bad).unwrap().unwrap().line, None);
}
