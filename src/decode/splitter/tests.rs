use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::decode::{AccessDecoder, Detection, Format, LogFormat};

/// As nginx does by default.
fn escape(text: &str) -> String {
    let escaped = text.bytes().map(|byte| match byte {
        b'"' | b'\\' | 0..=0x1f | 0x7f.. => format!("\\x{byte:02X}"),
        _ => char::from(byte).to_string(),
    });
    escaped.collect()
}

proptest! {
    /// Hostile texts in quotes, and one without any, never shift what nginx says itself.
    #[test]
    fn hostile_texts_change_nothing_else(
        user in "[ -~]{0,20}", agent in "[ -~]{0,40}", referer in ".{0,20}", code in 100..600_i64, millis in 0..100_000_u64,
        upstreams in prop::collection::vec((1..9_u8, 0..1000_u32), 1..4),
    ) {
        let list = |entry: &dyn Fn(&(u8, u32)) -> String| upstreams.iter().map(entry).collect::<Vec<_>>().join(", ");
        let addresses = list(&|(host, _)| format!("10.0.0.{host}:80"));
        let times = list(&|(_, ms)| format!("{}.{:03}", ms / 1000, ms % 1000));
        let format = "$remote_addr - $remote_user [$time_local] \"$request\" $status \"$http_user_agent\" \"$http_referer\" \
                      $upstream_response_time $upstream_addr rt=$request_time";
        let line = format!(
            "1.2.3.4 - {} [29/Nov/2023:22:24:44 +0000] \"GET /x HTTP/1.1\" {code} \"{}\" \"{}\" {times} {addresses} rt={}.{:03}",
            escape(&user), escape(&agent), escape(&referer), millis / 1000, millis % 1000,
        );
        let decoder = AccessDecoder::new(Format::Nginx(LogFormat::parse(format).unwrap()), &BTreeMap::new());
        let request = decoder.decode(line.as_bytes(), &mut Detection::default()).unwrap().unwrap();
        prop_assert_eq!(request.code.number().map(i64::from), Some(code));
        prop_assert_eq!(request.duration, Ok(millis * 1_000_000));
        prop_assert_eq!(&*request.attempts.addresses, addresses.as_bytes());
        prop_assert_eq!(&*request.attempts.durations, times.as_bytes());
        prop_assert_eq!(request.attempts.iter().count(), upstreams.len());
        prop_assert_eq!(request.line.map(|line| line.target.into_owned()), Some(b"/x".to_vec()));
    }

    #[test]
    fn any_format_and_any_line(format in "(\\$(request|status|host|upstream_addr|time_local|uri|x)|[ -~\n]){0,12}", line in "[ -~]{0,80}") {
        if let Ok(format) = LogFormat::parse(&format) {
            let decoder = AccessDecoder::new(Format::Nginx(format), &BTreeMap::new());
            let _ = decoder.decode(line.as_bytes(), &mut Detection::default());
        }
    }
}
