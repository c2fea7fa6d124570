use std::collections::BTreeMap;

use crate::decode::{AccessDecoder, Detection, Field, Format};
use crate::record::{Reject, Request, Scheme, Unmeasured};

fn decode(line: &str) -> Result<Option<Request<'_>>, Reject> {
    let decoder = AccessDecoder::new(Format::Caddy, &BTreeMap::new());
    decoder.decode(line.as_bytes(), &mut Detection::default())
}

const LINE: &str = r#"{"level":"info","ts":1646861401.5241024,"logger":"http.log.access","msg":"handled request","request":{"proto":"HTTP/2.0","method":"GET","host":"localhost","uri":"/a?b","headers":{"Uri":["/x"]},"tls":{"resumed":false,"version":772,"proto":""}},"duration":0.000929675,"size":10900,"status":200}"#;

#[test]
fn seconds_as_a_float() {
    let request = decode(LINE).unwrap().unwrap();
    assert_eq!(request.duration, Ok(929_675));
    assert_eq!((request.time, request.bytes), (Some(1_646_861_401_524), 10_900));
    assert_eq!(request.line.unwrap().target.as_ref(), b"/a?b");
    // `duration_format string` is no number.
    let text = LINE.replace("0.000929675", "\"929.675µs\"");
    assert_eq!(
        decode(&text).unwrap().unwrap().duration,
        Err(Unmeasured::NotANumber)
    );
}

#[test]
fn https_where_there_is_tls() {
    assert_eq!(decode(LINE).unwrap().unwrap().scheme, Scheme::Https);
    let plain = LINE.replace("\"tls\"", "\"no_tls\"");
    assert_eq!(decode(&plain).unwrap().unwrap().scheme, Scheme::Http);
}

#[test]
fn a_client_that_was_gone() {
    let gone = LINE.replace("\"status\":200", "\"status\":0");
    assert!(decode(&gone).unwrap().unwrap().client_gave_up);
}

#[test]
fn an_error_is_told_twice_and_counted_once() {
    assert_eq!(
        decode(&LINE.replace("http.log.access", "http.log.error")),
        Ok(None)
    );
    assert!(
        decode(&LINE.replace("http.log.access", "http.log.access.log0"))
            .unwrap()
            .is_some()
    );
    assert_eq!(
        decode(r#"{"level":"info","logger":"tls","msg":"finished cleaning storage units"}"#),
        Ok(None)
    );
    assert_eq!(
        decode(r#"{"level":"info","msg":"serving initial configuration"}"#),
        Err(Reject::NoRequest)
    );
}

#[test]
fn keys_of_the_operators_own() {
    let fields = BTreeMap::from([(Field::RequestTime, "took.seconds".to_owned())]);
    let decoder = AccessDecoder::new(Format::Caddy, &fields);
    let line = LINE.replace("\"duration\":0.000929675", "\"took\":{\"seconds\":2}");
    let request = decoder
        .decode(line.as_bytes(), &mut Detection::default())
        .unwrap()
        .unwrap();
    assert_eq!(request.duration, Ok(2_000_000_000));
}
