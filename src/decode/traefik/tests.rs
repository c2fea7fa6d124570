use std::collections::BTreeMap;

use super::TEXT;
use crate::decode::dialect::FixedText;
use crate::decode::{AccessDecoder, Detection, Format};
use crate::record::{Code, Reject, Request};

fn decode(line: &str) -> Result<Option<Request<'_>>, Reject> {
    let decoder = AccessDecoder::new(Format::Traefik, &BTreeMap::new());
    decoder.decode(line.as_bytes(), &mut Detection::default())
}

#[test]
fn the_template_compiles() {
    assert!(FixedText::new(&TEXT).is_some());
}

#[test]
fn common_log_format() {
    for (user, agent) in [("-", "curl"), ("a - b [x] \\\"", "a\\\" 500 1 \\\"b"), ("", "")] {
        let line = format!(
            "192.168.0.1 - {user} [29/Nov/2023:22:24:44 +0000] \"GET /a?b=\"c HTTP/2.0\" 502 11 \"-\" \"{agent}\" 7 \
             \"web@docker\" \"http://10.0.0.1:80\" 1500ms"
        );
        let request = decode(&line).unwrap().unwrap();
        assert_eq!(
            (request.code, request.duration),
            (Code::new(502), Ok(1_500_000_000)),
            "{line}"
        );
        assert_eq!(
            request.time,
            Some(1_701_296_685_500),
            "its time stamp is the beginning"
        );
        let upstreams: Vec<_> = request.attempts.iter().map(|attempt| attempt.upstream).collect();
        assert_eq!(upstreams, [b"10.0.0.1:80"]);
        assert_eq!(request.line.unwrap().target.as_ref(), b"/a?b=\"c");
    }
    assert_eq!(
        decode("192.168.0.1 - - [29/Nov/2023:22:24:44 +0000] \"GET / HTTP/1.1\" 200 11 \"-\" \"curl\""),
        Err(Reject::UnknownFormat)
    );
}

#[test]
fn nanoseconds_in_json() {
    let line = r#"{"DownstreamStatus":200,"Duration":1234567,"OriginDuration":1000000,"OriginStatus":200,"RequestMethod":"GET","RequestPath":"/a","RetryAttempts":2,"ServiceAddr":"10.0.0.1:80","ServiceURL":{"Scheme":"http","Host":"10.0.0.1:80"},"time":"2023-11-29T22:24:44Z"}"#;
    let request = decode(line).unwrap().unwrap();
    assert_eq!(request.duration, Ok(1_234_567));
    assert_eq!(request.time, Some(1_701_296_684_000));
    assert_eq!(request.attempts.iter().count(), 3);
    assert_eq!(request.attempts.iter().last().unwrap().duration, Some(1_000_000));
}
