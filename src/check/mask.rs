//! What a line looks like, without what it says. Nobody knows what is in a line that cannot be read: a query, an
//! address, a name, a piece of a process's environment. So nothing is taken out of it, but little is let through.

use std::fmt::Write;

/// Longest sample, in characters.
pub(super) const SAMPLE_CHARS: usize = 160;

/// A run of one kind of character is shown up to this length.
const RUN_CHARS: usize = 8;

/// Bytes of a line that are looked at.
const LINE_BYTES: usize = 1024;

/// Words that tell what a line is and nothing else.
const WORDS: [&str; 15] = [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "CONNECT",
    "OPTIONS",
    "TRACE",
    "PATCH",
    "HTTP",
    "BINGO",
    "to",
    "request_time",
    "upstream_response_time",
    "msec",
];

/// Keys of JSON that tell what a line is and nothing else; others are masked like all text.
const KEYS: [&str; 40] = [
    "time",
    "ts",
    "timestamp",
    "time_local",
    "time_iso8601",
    "msec",
    "request",
    "method",
    "request_method",
    "uri",
    "path",
    "request_uri",
    "url_path",
    "status",
    "code",
    "response",
    "duration",
    "request_time",
    "latency",
    "bytes",
    "size",
    "body_bytes_sent",
    "bytes_sent",
    "protocol",
    "server_protocol",
    "scheme",
    "host",
    "upstream",
    "upstream_addr",
    "upstream_status",
    "upstream_response_time",
    "upstream_cache_status",
    "level",
    "msg",
    "message",
    "logger",
    "caller",
    "error",
    "app_version",
    "runtime_version",
];

/// A line with letters as `a` and `A`, digits as `0`, and control characters escaped. Punctuation, the words above and
/// lone numbers of three digits, such as a status, stay.
pub(super) fn mask(line: &[u8]) -> String {
    let line = &line[..line.len().min(LINE_BYTES)];
    let mut text = String::new();
    let mut rest = line;
    while let [first, ..] = rest {
        if text.chars().count() >= SAMPLE_CHARS {
            text.push('…');
            break;
        }
        let length = rest.iter().position(|byte| !is_word(*byte)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(length.max(1));
        let before = line[..line.len() - rest.len()].last().copied();
        rest = after;
        if length == 0 {
            punctuation(*first, &mut text);
        } else if is_telling(word, before, after) {
            text.push_str(&String::from_utf8_lossy(word));
        } else {
            masked(word, &mut text);
        }
    }
    text
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

fn is_telling(word: &[u8], before: Option<u8>, after: &[u8]) -> bool {
    let alone = |byte: Option<u8>| matches!(byte, None | Some(b' ' | b'"' | b',' | b':' | b'}'));
    let known = |words: &[&str]| words.iter().any(|known| known.as_bytes() == word);
    let status = word.len() == 3 && matches!(word, [b'1'..=b'5', b'0'..=b'9', b'0'..=b'9']);
    let key = before == Some(b'"') && after.starts_with(b"\":") && known(&KEYS);
    let delimited = alone(before) && alone(after.first().copied());
    key || (status && delimited) || known(&WORDS) && (delimited || after.starts_with(b"/") && word == b"HTTP")
}

fn punctuation(byte: u8, text: &mut String) {
    if byte == b' ' || byte.is_ascii_graphic() {
        text.push(char::from(byte));
    } else {
        // Writing to a String cannot fail.
        let _ = write!(text, "\\x{byte:02x}");
    }
}

fn masked(word: &[u8], text: &mut String) {
    let class = |byte: u8| match byte {
        b'a'..=b'z' => 'a',
        b'A'..=b'Z' => 'A',
        b'0'..=b'9' => '0',
        b'_' => '_',
        _ => '?',
    };
    for run in word.chunk_by(|one, other| class(*one) == class(*other)) {
        text.extend(run.iter().take(RUN_CHARS).map(|byte| class(*byte)));
        if run.len() > RUN_CHARS {
            text.push('…');
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(line: &str, expect: &str) {
        assert_eq!(mask(line.as_bytes()), expect);
    }

    #[test]
    fn the_shape_stays_and_the_content_does_not() {
        check(
            r#"203.0.113.9 - bob [29/Nov/2023:22:24:44 +0000] GET /u/x?token=S3cret HTTP/1.1 200 5"#,
            "000.0.000.0 - aaa [00/Aaa/0000:00:00:00 +0000] GET /a/a?aaaaa=A0aaaa HTTP/0.0 200 0",
        );
        check(
            r#"{"status":200,"remote_user":"bob","os_env":["TOKEN=abcdefghijkl"]"#,
            r#"{"status":200,"aaaaaa_aaaa":"aaa","aa_aaa":["AAAAA=aaaaaaaa…"]"#,
        );
        check("a\u{1b}[31mé\n", "a\\x1b[00a??\\x0a");
        check("", "");
    }

    #[test]
    fn bounded() {
        for line in [vec![b'"'; 1 << 20], vec![b'\n'; 1 << 20], vec![b'x'; 1 << 20]] {
            assert!(mask(&line).chars().count() <= SAMPLE_CHARS + 5);
        }
    }

    proptest! {
        #[test]
        fn no_word_comes_through(secret in "[A-Za-z0-9]{4,20}", before in ".{0,20}", after in ".{0,20}") {
            prop_assume!(!WORDS.contains(&&*secret) && !KEYS.contains(&&*secret));
            let shown = mask(format!("{before}{secret}{after}").as_bytes());
            let plain = secret.bytes().all(|byte| matches!(byte, b'a' | b'A' | b'0'));
            prop_assert!(plain || !shown.contains(&secret), "{}", shown);
            prop_assert!(!shown.chars().any(char::is_control));
        }
    }
}
