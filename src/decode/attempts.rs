//! nginx's lists of tries at upstream nodes.

use memchr::memchr2_iter;

use super::number::{duration, integer};
use crate::record::{Attempt, Attempts, Code, Nanos};

/// Longer addresses are no addresses, and the name of an upstream becomes a label.
const ADDRESS_BYTES: usize = 128;

/// What stands for an address that must not become a label. The try itself is counted.
const OTHER: &[u8] = b"other";

impl Attempts<'_> {
    /// Code and duration, where the lists of them are one number each, as in most lines. So there is one try.
    #[inline]
    pub fn single(&self) -> Option<(Code, Nanos)> {
        let code = (self.untold == 0).then(|| integer(&self.codes)).flatten()?;
        let duration = duration(&self.durations, self.unit).ok()?;
        Some((Code::new(code), duration))
    }

    /// The tries, in order. The lists are parallel; where one is shorter, that part of a try is unknown.
    pub fn iter(&self) -> impl Iterator<Item = Attempt<'_>> {
        let mut codes = entries(&self.codes);
        let mut durations = entries(&self.durations);
        let told = entries(&self.addresses).filter_map(move |address| {
            let (code, took) = (codes.next(), durations.next());
            Some(Attempt {
                upstream: upstream_label(address)?,
                code: code.and_then(integer).map_or(Code::NONE, Code::new),
                duration: took.and_then(|text| duration(text, self.unit).ok()),
            })
        });
        let untold = Attempt {
            upstream: OTHER,
            code: Code::NONE,
            duration: None,
        };
        std::iter::repeat_n(untold, usize::from(self.untold)).chain(told)
    }
}

/// The label of an address; `None` for what is logged where no node was tried: nothing, `-`, a group's name.
pub(crate) fn upstream_label(address: &[u8]) -> Option<&[u8]> {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"._:[]/@%+~=-".contains(byte);
    let address = if address.starts_with(b"unix:") {
        // `unix:/run/x.sock:` is how some configurations write it; it is the same node.
        address.strip_suffix(b":").unwrap_or(address)
    } else if is_server(address) {
        address
    } else {
        let colon = address.iter().rposition(|byte| *byte == b':')?;
        let (host, port) = (&address[..colon], &address[colon + 1..]);
        if host.is_empty() || port.is_empty() || !port.iter().all(u8::is_ascii_digit) {
            return None;
        }
        address
    };
    let fit = address.len() <= ADDRESS_BYTES && address.iter().all(allowed);
    Some(if fit { address } else { OTHER })
}

/// HAProxy's `backend/server`. nginx's groups have no slash in their names.
fn is_server(name: &[u8]) -> bool {
    let mut parts = name.splitn(2, |byte| *byte == b'/');
    let named = |part: Option<&[u8]>| part.is_some_and(|part| !part.is_empty() && !part.contains(&b':'));
    named(parts.next()) && named(parts.next())
}

/// The entries of a list, separated by `,` (next try) or ` : ` (redirect to another group; nginx ends a list with it
/// where nothing was tried there).
fn entries(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    // Most lists have one entry. Only a redirect's separator begins with a space, and with it a list may begin or end.
    let several = list
        .iter()
        .fold(false, |several, byte| several | matches!(byte, b',' | b' '))
        || list == b":";
    let mut separators = several.then(|| separators(list)).into_iter().flatten();
    let mut next = Some(0);
    std::iter::from_fn(move || {
        let from = next?;
        let end = separators.next();
        next = end.map(|end| end + 1);
        Some(list[from..end.unwrap_or(list.len())].trim_ascii())
    })
}

/// Where the separators of a list are. The colon must stand alone: addresses are full of others.
fn separators(list: &[u8]) -> impl Iterator<Item = usize> {
    let lone = |at: usize| {
        let before = at.checked_sub(1).map(|at| list[at]);
        matches!((before, list.get(at + 1)), (None | Some(b' '), None | Some(b' ')))
    };
    memchr2_iter(b',', b':', list).filter(move |at| list[*at] == b',' || lone(*at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: Nanos = 1_000_000;

    type Row<'a> = (&'a str, i64, Option<Nanos>);

    #[track_caller]
    fn check([addresses, codes, durations]: [&str; 3], expect: &[Row<'_>]) {
        let attempts = Attempts {
            addresses: addresses.as_bytes().into(),
            codes: codes.as_bytes().into(),
            durations: durations.as_bytes().into(),
            ..Attempts::default()
        };
        let expect: Vec<_> = expect
            .iter()
            .map(|(upstream, code, millis)| Attempt {
                upstream: upstream.as_bytes(),
                code: Code::new(*code),
                duration: millis.map(|millis| millis * MS),
            })
            .collect();
        assert_eq!(attempts.iter().collect::<Vec<_>>(), expect);
        if let Some((code, duration)) = attempts.single() {
            assert!(
                expect
                    .iter()
                    .all(|attempt| (attempt.code, attempt.duration) == (code, Some(duration)))
            );
            assert!(expect.len() <= 1);
        }
    }

    #[test]
    fn retries() {
        let expect = [
            ("10.0.0.1:80", 502, Some(1)),
            ("10.0.0.2:80", 504, Some(20)),
            ("10.0.0.3:80", 200, Some(300)),
        ];
        check(
            [
                "10.0.0.1:80, 10.0.0.2:80 : 10.0.0.3:80",
                "502, 504 : 200",
                "0.001, 0.020 : 0.300",
            ],
            &expect,
        );
        check(
            [
                "10.0.0.1:80,10.0.0.2:80 :  10.0.0.3:80",
                "502,504 : 200",
                "0.001,0.020 : 0.300",
            ],
            &expect,
        );
        // The redirect led nowhere.
        check(["a:1 : ", "502 : ", "0.001 : "], &[("a:1", 502, Some(1))]);
        check(["a:1 :", "502 :", "0.001 :"], &[("a:1", 502, Some(1))]);
        check([" : a:1", " : 200", " : 0.001"], &[("a:1", 200, Some(1))]);
    }

    #[test]
    fn lists_of_unequal_length() {
        check(["a:1, b:2", "502", ""], &[("a:1", 502, None), ("b:2", 0, None)]);
        check(["a:1", "502, 200", "0.001, 1"], &[("a:1", 502, Some(1))]);
        check(["", "502", "0.001"], &[]);
    }

    #[test]
    fn unknown_parts() {
        check(["a:1", "-", "-"], &[("a:1", 0, None)]);
        check(
            ["a:1, b:2", "-, 200", "x, -0.5"],
            &[("a:1", 0, None), ("b:2", 200, None)],
        );
    }

    #[test]
    fn no_node_was_tried() {
        check(["-", "-", "-"], &[]);
        check(["", "", ""], &[]);
        check(["bingo", "502", "0.000"], &[]);
        check(["bingo_backend-2", "502", "0.000"], &[]);
        for name in [":80", "host:", "host:http", "::", "host:8o"] {
            check([name, "502", "0"], &[]);
        }
        // The parts of a group's name go with it.
        check(
            ["a:1, bingo, b:2", "502, 502, 200", "0.001, 0.000, 0.002"],
            &[("a:1", 502, Some(1)), ("b:2", 200, Some(2))],
        );
    }

    #[test]
    fn addresses() {
        for address in [
            "[::1]:80",
            "[fe80::1%eth0]:8080",
            "bingo.local:27352",
            "unix:/run/x.sock",
            "unix:@x",
            "unix:/run/~a/x+y=z.sock",
        ] {
            check([address, "200", "0.001"], &[(address, 200, Some(1))]);
        }
        check(
            [
                "unix:/run/x.sock:, unix:/run/y.sock : unix:/run/x.sock: : a:1",
                "502, 502 : 502 : 200",
                "",
            ],
            &[
                ("unix:/run/x.sock", 502, None),
                ("unix:/run/y.sock", 502, None),
                ("unix:/run/x.sock", 502, None),
                ("a:1", 200, None),
            ],
        );
        let longest = format!("{}:80", "h".repeat(ADDRESS_BYTES - 3));
        check([&longest, "200", "0"], &[(&longest, 200, Some(0))]);
        for odd in [
            format!("h{longest}"),
            "a\"b:80".into(),
            "é:80".into(),
            "unix:/a b".into(),
        ] {
            check([&odd, "200", "0"], &[("other", 200, Some(0))]);
        }
    }

    proptest! {
        #[test]
        fn lists_come_back(rows in prop::collection::vec((0..5_u8, prop::option::of(100..600_i64), any::<bool>()), 1..6)) {
            let (mut lists, mut expect) = ([String::new(), String::new(), String::new()], Vec::new());
            for (i, (host, code, redirected)) in rows.iter().enumerate() {
                let address = format!("10.0.0.{host}:80");
                let code_text = code.map_or("-".to_owned(), |code| code.to_string());
                let separator = match (i, redirected) { (0, _) => "", (_, true) => " : ", (_, false) => ", " };
                for (list, text) in lists.iter_mut().zip([&address, &code_text, &format!("0.00{host}")]) {
                    *list += separator;
                    *list += text;
                }
                expect.push((address, code.unwrap_or(0), Some(u64::from(*host))));
            }
            let expect: Vec<Row<'_>> = expect.iter().map(|(a, code, millis)| (a.as_str(), *code, *millis)).collect();
            check([&lists[0], &lists[1], &lists[2]], &expect);
        }
    }
}
