use std::collections::BTreeMap;

use super::Pattern;
use crate::decode::{AccessDecoder, Detection, Format};
use crate::record::{Code, Reject};

#[test]
fn groups_are_fields() {
    let pattern = r"^(?<status>\d+) (?:<(?<request_time_ms>[\d.]+)>)? ?(?<request>.*)$";
    let format = Format::Regex(Pattern::parse(pattern).unwrap());
    let decoder = AccessDecoder::new(format, &BTreeMap::new());
    let mut file = Detection::default();
    let mut decode = |line: &'static [u8]| decoder.decode(line, &mut file).map(Option::unwrap);
    let request = decode(b"200 <1.5> GET /\xff HTTP/1.1").unwrap();
    assert_eq!((request.code, request.duration), (Code::new(200), Ok(1_500_000)));
    assert_eq!(request.line.unwrap().target.as_ref(), b"/\xff");
    assert!(decode(b"200 GET /").unwrap().duration.is_err());
    assert_eq!(decode(b"x"), Err(Reject::UnknownFormat));
}

#[test]
fn refused() {
    for (pattern, expect) in [
        ("(?<x", "expected a regular expression: "),
        (r"(\w{1000}){1000}(?<status>.)", "expected a regular expression: "),
        ("(?<request_time>.)", "expected a group (?<status>"),
        (
            "(?<status>.)(?<status_ms>.)",
            "group \"status_ms\": expected one of request, ",
        ),
        (
            "(?<status>.)(?<logger>.)",
            "group \"logger\": expected one of request, ",
        ),
    ] {
        let found = Pattern::parse(pattern).unwrap_err();
        assert!(found.starts_with(expect), "{pattern}: {found}");
    }
}
