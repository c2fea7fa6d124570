//! What the proxy writes about one request, in nginx's own formats.

use std::borrow::Cow;

use super::stamp;
use crate::record::{Cache, Method, UnixMillis};

/// A request the proxy answered, and all it knows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// When its last byte was sent.
    pub ended: UnixMillis,
    /// From the first byte in to the last byte out.
    pub millis: u64,
    /// The client's address.
    pub client: String,
    /// What the client asked for; `None` where it did not speak HTTP.
    pub asked: Option<Asked>,
    /// Which endpoint that is: its template, or `other`.
    pub route: &'static str,
    /// What the client got; 499 where it left before.
    pub code: u16,
    /// The body's length.
    pub bytes: u32,
    /// What the cache had to do with it.
    pub cache: Option<Cache>,
    /// Tries at nodes, in order.
    pub tries: Vec<Try>,
}

/// A request line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The method.
    pub method: Method,
    /// With the query.
    pub target: String,
    /// `HTTP/1.1`
    pub protocol: &'static str,
    /// `http` or `https`.
    pub scheme: &'static str,
}

/// A try at one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Try {
    /// The node's address, or the group's name where no node was left to try.
    pub upstream: &'static str,
    /// What it answered, or what nginx made of its silence; `None` where the client left before.
    pub code: Option<u16>,
    /// How long it took.
    pub millis: u64,
}

/// What a client that does not speak HTTP begins with: a TLS handshake on the plain port.
const TLS: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\"\\";

impl Exchange {
    /// The method that is counted.
    pub fn method(&self) -> Method {
        self.asked.as_ref().map_or(Method::Other, |asked| asked.method)
    }

    /// A line of `log_format … escape=json`, with its end. Everything is a string, as `'"status":"$status"'` makes it.
    pub fn json(&self, offset_minutes: i32) -> Vec<u8> {
        let asked = self.asked.as_ref();
        let text = |part: fn(&Asked) -> &str| asked.map_or(&b""[..], |asked| part(asked).as_bytes());
        let mut line = b"{".to_vec();
        let time = stamp::iso8601(self.ended, offset_minutes);
        let mut put = |key: &str, value: &[u8]| {
            let comma = if line.len() > 1 { "," } else { "" };
            line.extend_from_slice(format!("{comma}\"{key}\":\"").as_bytes());
            escape_json(value, &mut line);
            line.push(b'"');
        };
        put("time_iso8601", time.as_bytes());
        put("remote_addr", self.client.as_bytes());
        put("request", &self.request());
        put("request_method", text(|asked| asked.method.as_str()));
        put("request_uri", text(|asked| &asked.target));
        put("status", self.code.to_string().as_bytes());
        put("request_time", seconds(self.millis).as_bytes());
        put("body_bytes_sent", self.bytes.to_string().as_bytes());
        put("upstream_addr", self.upstreams().as_bytes());
        put("upstream_status", self.codes().as_bytes());
        put("upstream_response_time", self.times().as_bytes());
        put("upstream_cache_status", self.cache_status().as_bytes());
        put("server_protocol", text(|asked| asked.protocol));
        put("scheme", asked.map_or("http", |asked| asked.scheme).as_bytes());
        line.extend_from_slice(b"}\n");
        line
    }

    /// A line of nginx's default format, `combined`, with its end. It knows no time.
    pub fn combined(&self, offset_minutes: i32) -> Vec<u8> {
        self.combined_and("", offset_minutes)
    }

    /// `combined … rt=$request_time uct="$upstream_connect_time" uht="$upstream_header_time"
    /// urt="$upstream_response_time"`, as it is found in the field.
    pub fn combined_timed(&self, offset_minutes: i32) -> Vec<u8> {
        let times = or_dash(self.times());
        let connects = self.tries.iter().map(|_| seconds(0)).collect();
        let connects = or_dash(list(connects));
        let fields = format!(
            " rt={} uct=\"{connects}\" uht=\"{times}\" urt=\"{times}\"",
            seconds(self.millis)
        );
        self.combined_and(&fields, offset_minutes)
    }

    fn combined_and(&self, trailing: &str, offset_minutes: i32) -> Vec<u8> {
        let time = stamp::time_local(self.ended, offset_minutes);
        let mut line = format!("{} - - [{time}] \"", self.client).into_bytes();
        escape_default(&self.request(), &mut line);
        let rest = format!("\" {} {} \"-\" \"curl/8.2.1\"{trailing}\n", self.code, self.bytes);
        line.extend_from_slice(rest.as_bytes());
        line
    }

    /// `$request`
    fn request(&self) -> Cow<'static, [u8]> {
        match &self.asked {
            Some(asked) => format!("{} {} {}", asked.method, asked.target, asked.protocol)
                .into_bytes()
                .into(),
            None => TLS.into(),
        }
    }

    fn upstreams(&self) -> String {
        list(self.tries.iter().map(|one| one.upstream.to_owned()).collect())
    }

    fn codes(&self) -> String {
        let code = |one: &Try| one.code.map_or("-".to_owned(), |code| code.to_string());
        list(self.tries.iter().map(code).collect())
    }

    fn times(&self) -> String {
        list(self.tries.iter().map(|one| seconds(one.millis)).collect())
    }

    fn cache_status(&self) -> String {
        self.cache
            .map_or_else(String::new, |cache| cache.as_str().to_ascii_uppercase())
    }
}

/// nginx's way to list what it tried.
fn list(items: Vec<String>) -> String {
    items.join(", ")
}

/// How an empty variable is written outside `escape=json`.
fn or_dash(text: String) -> String {
    if text.is_empty() { "-".to_owned() } else { text }
}

fn seconds(millis: u64) -> String {
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

/// `escape=json`: bytes that are not UTF-8 stay as they are.
fn escape_json(value: &[u8], line: &mut Vec<u8>) {
    for byte in value {
        match byte {
            b'"' | b'\\' => line.extend_from_slice(&[b'\\', *byte]),
            b'\n' => line.extend_from_slice(b"\\n"),
            b'\r' => line.extend_from_slice(b"\\r"),
            b'\t' => line.extend_from_slice(b"\\t"),
            0x08 => line.extend_from_slice(b"\\b"),
            0x0c => line.extend_from_slice(b"\\f"),
            0..=0x1f => line.extend_from_slice(format!("\\u{byte:04X}").as_bytes()),
            _ => line.push(*byte),
        }
    }
}

/// The default escaping.
fn escape_default(value: &[u8], line: &mut Vec<u8>) {
    for byte in value {
        match byte {
            b'"' | b'\\' | 0..=0x1f | 0x7f.. => line.extend_from_slice(format!("\\x{byte:02X}").as_bytes()),
            _ => line.push(*byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange() -> Exchange {
        Exchange {
            ended: 1_701_515_807_381,
            millis: 1_021,
            client: "192.0.2.7".to_owned(),
            asked: Some(Asked {
                method: Method::Get,
                target: "/api/movie/5?q=\"".to_owned(),
                protocol: "HTTP/2.0",
                scheme: "https",
            }),
            route: "/api/movie/{id}",
            code: 200,
            bytes: 100,
            cache: None,
            tries: vec![
                Try {
                    upstream: "10.0.0.1:27352",
                    code: Some(502),
                    millis: 1,
                },
                Try {
                    upstream: "10.0.0.2:27352",
                    code: Some(200),
                    millis: 1_020,
                },
            ],
        }
    }

    #[test]
    fn lines() {
        assert_eq!(
            String::from_utf8(exchange().json(0)).unwrap(),
            concat!(
                r#"{"time_iso8601":"2023-12-02T11:16:47+00:00","remote_addr":"192.0.2.7","#,
                r#""request":"GET /api/movie/5?q=\" HTTP/2.0","request_method":"GET","#,
                r#""request_uri":"/api/movie/5?q=\"","status":"200","request_time":"1.021","#,
                r#""body_bytes_sent":"100","upstream_addr":"10.0.0.1:27352, 10.0.0.2:27352","#,
                r#""upstream_status":"502, 200","upstream_response_time":"0.001, 1.020","#,
                r#""upstream_cache_status":"","server_protocol":"HTTP/2.0","scheme":"https"}"#,
                "\n"
            )
        );
        assert_eq!(
            String::from_utf8(exchange().combined_timed(180)).unwrap(),
            concat!(
                r#"192.0.2.7 - - [02/Dec/2023:14:16:47 +0300] "GET /api/movie/5?q=\x22 HTTP/2.0" 200 100 "-" "curl/8.2.1""#,
                r#" rt=1.021 uct="0.000, 0.000" uht="0.001, 1.020" urt="0.001, 1.020""#,
                "\n"
            )
        );
    }

    #[test]
    fn what_is_no_http() {
        let garbage = Exchange {
            asked: None,
            route: "other",
            code: 400,
            tries: vec![],
            ..exchange()
        };
        assert_eq!(
            String::from_utf8(garbage.combined(0)).unwrap(),
            concat!(
                r#"192.0.2.7 - - [02/Dec/2023:11:16:47 +0000] "#,
                r#""\x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03\x22\x5C" 400 100 "-" "curl/8.2.1""#,
                "\n"
            )
        );
        let json = garbage.json(0);
        let request = br#""request":"\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001"#;
        assert!(json.windows(request.len()).any(|part| part == request));
        assert!(json.contains(&0xfc), "left as it is");
    }
}
