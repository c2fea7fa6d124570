//! Figures in words.

/// `7.1 %`; two digits that say something, and what is less than all is never `100 %`.
pub(crate) fn percent(ratio: f64) -> String {
    let percent = ratio * 100.0;
    match percent {
        99.0..100.0 => {
            let digits = if percent < 99.9 { 2 } else { 3 };
            let text = format!("{percent:.digits$}");
            let text = if text.starts_with("100") { "99.999" } else { &text };
            format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
        }
        _ if percent == 0.0 => "0 %".to_owned(),
        ..0.1 => format!("{percent:.2} %"),
        ..9.95 => format!("{} %", trim(&format!("{percent:.1}"))),
        _ => format!("{percent:.0} %"),
    }
}

/// `118 req/s`.
pub(crate) fn rate(rate: f64) -> String {
    match rate {
        ..0.0005 => "0 req/s".to_owned(),
        ..0.1 => format!("{rate:.2} req/s"),
        ..9.95 => format!("{} req/s", trim(&format!("{rate:.1}"))),
        _ => format!("{rate:.0} req/s"),
    }
}

/// `3 min`.
pub(crate) fn duration(seconds: f64) -> String {
    let whole = |value: f64, unit: &str| format!("{value:.0} {unit}");
    match seconds {
        ..100.0 => whole(seconds.max(0.0), "s"),
        ..5_400.0 => whole(seconds / 60.0, "min"),
        ..129_600.0 => whole(seconds / 3_600.0, "h"),
        _ => whole(seconds / 86_400.0, "days"),
    }
}

/// `400 ms`, `1 s`.
pub(crate) fn threshold(nanos: u64) -> String {
    let millis = nanos as f64 / 1e6;
    if millis < 1_000.0 {
        format!("{millis} ms")
    } else {
        format!("{} s", millis / 1e3)
    }
}

fn trim(number: &str) -> &str {
    number.strip_suffix(".0").unwrap_or(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_in_words() {
        for (ratio, text) in [
            (0.0, "0 %"),
            (0.0004, "0.04 %"),
            (0.0711, "7.1 %"),
            (0.05, "5 %"),
            (0.336, "34 %"),
            (0.995, "99.5 %"),
            (0.9987, "99.87 %"),
            (0.99896, "99.9 %"),
            (0.999, "99.9 %"),
            (0.999_999_9, "99.999 %"),
            (1.0, "100 %"),
        ] {
            assert_eq!(percent(ratio), text);
        }
        for (value, text) in [
            (0.0, "0 req/s"),
            (0.02, "0.02 req/s"),
            (2.0, "2 req/s"),
            (117.9, "118 req/s"),
        ] {
            assert_eq!(rate(value), text);
        }
        for (seconds, text) in [
            (-1.0, "0 s"),
            (40.0, "40 s"),
            (180.0, "3 min"),
            (7200.0, "2 h"),
            (172_800.0, "2 days"),
        ] {
            assert_eq!(duration(seconds), text);
        }
        assert_eq!(
            (threshold(400_000_000).as_str(), threshold(1_500_000_000).as_str()),
            ("400 ms", "1.5 s")
        );
    }
}
