//! Each number is met from both sides, as closely as makes sense.

use super::TIERS;
use crate::generate::case::{Case, Cases};

const OF_ROUTE: &str = r#"route="/r",method="GET",slo="availability""#;
const OF_LATENCY: &str = r#"route="/r",method="GET",slo="latency""#;
const UNMEASURED: &str = r#"route="/r",method="GET",slo="availability",result="good""#;

/// What each tier's alert is labelled with.
const WINDOWS: [&str; 4] = [
    r#"route="/r",method="GET",slo="availability",window="1h",severity="page""#,
    r#"route="/r",method="GET",slo="availability",window="6h",severity="page""#,
    r#"route="/r",method="GET",slo="availability",window="1d",severity="ticket""#,
    r#"route="/r",method="GET",slo="availability",window="3d",severity="ticket""#,
];

pub(super) fn cases() -> Vec<Cases> {
    let file = |name, interval, cases: &[Vec<Case>]| Cases {
        name,
        group: "objectives",
        interval,
        cases: cases.concat(),
    };
    vec![
        file("objectives", "30s", &[burn(), quiet(), slow(), unmeasured()]),
        // Hours and days, looked at every five minutes instead of every 30 seconds: of the errors that the rules count
        // in a window there are ten times as many as they see.
        file("windows", "5m", &[windows(), few_errors(), quiet_now_or_before()]),
    ]
}

fn slo(slo: &str, result: &str) -> String {
    format!(r#"bingo_slo_requests_total{{route="/r",method="GET",slo="{slo}",result="{result}"}}"#)
}

fn objective(slo: &str) -> String {
    format!(r#"bingo_slo_objective_ratio{{route="/r",method="GET",slo="{slo}"}}"#)
}

/// So many samples with so many bad and good ones on each of two nodes between two, one phase after the other.
fn of(
    alert: &'static str,
    what: &'static str,
    every: &'static str,
    kind: &str,
    phases: &[(u32, f64, f64)],
) -> Case {
    let values = |of: fn(&(u32, f64, f64)) -> f64| {
        let mut total = 0.0;
        let phase = |phase: &(u32, f64, f64)| {
            let begin = total;
            total += of(phase) * f64::from(phase.0);
            format!("{begin}+{}x{}", of(phase), phase.0 - 1)
        };
        phases.iter().map(phase).collect::<Vec<_>>().join(" ")
    };
    let case = Case::new(alert, what).every(every);
    ["a", "b"].into_iter().fold(case, |case, node| {
        case.on(node, &slo(kind, "bad"), &values(|phase| phase.1))
            .on(node, &slo(kind, "good"), &values(|phase| phase.2))
            .on(node, &objective("availability"), "0.99x1600")
            .on(node, &objective("latency"), "0.9x1600")
    })
}

fn all(case: Case, at: &'static str, tiers: &[&'static str]) -> Case {
    if tiers.is_empty() {
        return case.silent(at);
    }
    tiers.iter().fold(case, |case, tier| case.fires(at, tier))
}

fn burn() -> Vec<Case> {
    let of = |what, kind, phases: &[(u32, f64, f64)]| of("BingoErrorBudgetBurn", what, "30s", kind, phases);
    let mut cases = vec![];
    for (index, tier) in TIERS.iter().enumerate() {
        let before = ["2m", "5m", "15m", "1h"][index];
        let at = ["2m30s", "5m30s", "15m30s", "1h30s"][index];
        // The slowest tier waits an hour; without it, a quarter will do.
        let (end, all_by_then) = if index == 3 { ("1h1m", 4) } else { ("16m", 3) };
        let [over, under] = [1.1, 0.9].map(|share| 100.0 * tier.factor * share);
        let case = of(
            "steadily over a tier's pace",
            "availability",
            &[(130, over, 1e4 - over)],
        )
        .silent(before);
        cases.push(all(
            all(case, at, &WINDOWS[index..=index]),
            end,
            &WINDOWS[index..all_by_then],
        ));
        let case = of(
            "steadily under a tier's pace",
            "availability",
            &[(130, under, 1e4 - under)],
        );
        cases.push(all(case, end, &WINDOWS[index + 1..all_by_then]));
    }
    cases.push(
        of("slow, not failing", "latency", &[(130, 50.0, 50.0)])
            .on("a", &slo("availability", "good"), "0+100x130")
            .silent("1h1m"),
    );
    cases
}

/// The route is slow too, where 1 % may be, and that is no error.
fn and_slow(case: Case) -> Case {
    case.on("a", &slo("latency", "bad"), "0+50x500")
        .on("a", &slo("latency", "good"), "0+50x500")
        .series(&objective("latency"), "0.99x500")
}

/// What is over, and what has just begun.
fn windows() -> Vec<Case> {
    let of =
        |what, phases: &[(u32, f64, f64)]| of("BingoErrorBudgetBurn", what, "1m", "availability", phases);
    let [hour, six_hours, day, three_days] = WINDOWS;
    let over = and_slow(of(
        "a bad half hour that is over",
        &[(30, 40.0, 60.0), (400, 0.1, 99.9)],
    ));
    let over = all(over, "30m", &[hour, six_hours, day]);
    // The page for the hour has told of it, and it is over.
    let over = all(over, "50m", &[day]);
    let over = all(over, "1h15m", &[day, three_days]);
    let over = all(over, "5h", &[three_days]);
    let begun = of(
        "errors after a good half day",
        &[(720, 0.0, 100.0), (130, 20.0, 80.0)],
    );
    let begun = all(begun.silent("12h40m"), "12h55m", &[hour]);
    let begun = all(begun, "13h35m", &[hour]);
    // Bad at first, then a little less than the pace of a tier, for longer than its short window.
    let calmer = |minutes, percent: f64| {
        let what = "bad at first, then a little under a tier's pace";
        of(what, &[(15, 50.0, 50.0), (minutes, percent, 100.0 - percent)])
    };
    let slow_too = and_slow(of("failing, and slow", &[(90, 50.0, 50.0)]));
    vec![
        over.silent("6h55m"),
        all(begun, "14h", &[hour, six_hours, three_days]),
        // 0.19 of nine of twelve samples is under the pace, of eight of thirteen over four fifths of it.
        of(
            "a little under the fastest pace after a good half day",
            &[(720, 0.0, 100.0), (60, 19.0, 81.0)],
        )
        .silent("12h45m"),
        of(
            "a few errors after a good day",
            &[(1440, 0.0, 100.0), (120, 8.0, 92.0)],
        )
        .silent("26h"),
        all(calmer(15, 12.96), "30m", &[six_hours, day]),
        all(calmer(40, 5.4), "55m", &[day]),
        all(and_slow(calmer(40, 5.4)), "55m", &[day]),
        all(calmer(135, 2.7), "2h30m", &[three_days]),
        calmer(380, 0.9).silent("6h30m"),
        all(slow_too, "1h20m", &WINDOWS),
    ]
}

/// Failing, but seldom: the least number of errors.
fn few_errors() -> Vec<Case> {
    let hours = |alert, what, kind, bad: f64, good: f64| {
        of(alert, what, "1m", kind, &[(240, bad / 120.0, good / 120.0)])
    };
    let [hour, six_hours, day, three_days] = WINDOWS;
    let burn = |what, bad, good| hours("BingoErrorBudgetBurn", what, "availability", bad, good);
    let slowly = burn("5 errors an hour, the tenth after two hours", 50.0, 0.0).silent("2h");
    let slowly = all(slowly, "2h30m", &[six_hours, day]);
    let slowly = all(slowly, "2h50m", &[six_hours, day]);
    let slowly = all(slowly, "3h20m", &[six_hours, day, three_days]);
    let slow = |what, bad, good| hours("BingoLatencyObjectiveMissed", what, "latency", bad, good);
    vec![
        slowly,
        all(
            burn("11 errors an hour", 110.0, 0.0),
            "1h20m",
            &[hour, six_hours, day],
        ),
        all(burn("9 errors an hour", 90.0, 0.0), "1h20m", &[six_hours]),
        and_slow(burn("8 errors in the first hour, 40 others", 80.0, 400.0)).silent("1h"),
        and_slow(burn("8 errors in the first hour, 200 others", 80.0, 2000.0)).silent("1h10m"),
        hours(
            "BingoQuietRouteFailing",
            "5 errors an hour",
            "availability",
            50.0,
            0.0,
        )
        .silent("2h")
        .fires("2h20m", OF_ROUTE),
        and_slow(hours(
            "BingoQuietRouteFailing",
            "8 errors, 40 others",
            "availability",
            80.0,
            400.0,
        ))
        .silent("1h"),
        slow("11 slow ones an hour", 110.0, 0.0).fires("1h20m", OF_LATENCY),
        slow("9 slow ones an hour", 90.0, 0.0).silent("2h"),
        slow("8 slow ones, 40 others, and many errors", 80.0, 400.0)
            .on("a", &slo("availability", "bad"), "0+50x240")
            .silent("1h"),
    ]
}

fn quiet() -> Vec<Case> {
    let of = |what, kind, phases: &[(u32, f64, f64)]| of("BingoQuietRouteFailing", what, "30s", kind, phases);
    let other =
        |name: &str, labels: &str| format!(r#"{name}{{route="/q",method="GET",slo="availability"{labels}}}"#);
    let (requests, objective) = ("bingo_slo_requests_total", "bingo_slo_objective_ratio");
    vec![
        of("5.5 % fail", "availability", &[(60, 550.0, 9450.0)])
            .silent("5m")
            .fires("5m30s", OF_ROUTE),
        of("4.5 % fail", "availability", &[(60, 450.0, 9550.0)]).silent("20m"),
        of(
            "9 % fail, also of a route where 10 % may",
            "availability",
            &[(60, 900.0, 9100.0)],
        )
        .series(&other(objective, ""), "0.9x60")
        .series(&other(requests, r#",result="bad""#), "0+900x60")
        .series(&other(requests, r#",result="good""#), "0+9100x60")
        .fires("20m", OF_ROUTE),
        of("slow, not failing", "latency", &[(60, 50.0, 50.0)])
            .on("a", &slo("availability", "good"), "0+100x60")
            .silent("20m"),
        and_slow(of("failing, and slow", "availability", &[(60, 50.0, 50.0)])).fires("20m", OF_ROUTE),
    ]
}

/// Under what is allowed for six hours or for the last two, and over it for the other. Of `/q`, 10 % may fail.
fn quiet_now_or_before() -> Vec<Case> {
    let of = |what, [before, now]: [f64; 2], bad, good| {
        let phases = [(240, before, 100.0 - before), (121, now, 100.0 - now)];
        let case = of("BingoQuietRouteFailing", what, "1m", "availability", &phases);
        let other = |name: &str, labels: &str| {
            format!(r#"{name}{{route="/q",method="GET",slo="availability"{labels}}}"#)
        };
        case.series(&other("bingo_slo_objective_ratio", ""), "0.9x400")
            .series(&other("bingo_slo_requests_total", r#",result="bad""#), bad)
            .series(&other("bingo_slo_requests_total", r#",result="good""#), good)
            .silent("6h")
    };
    vec![
        of(
            "more than allowed for two hours, not for six",
            [3.0, 7.5],
            "0+6x239 1440+15x120",
            "0+94x239 22560+85x120",
        ),
        and_slow(of(
            "for six hours, not for the last two, but slow",
            [8.0, 4.5],
            "0+15x239 3600+9x120",
            "0+85x239 20400+91x120",
        )),
    ]
}

fn slow() -> Vec<Case> {
    let failing = |case: Case| case.on("a", &slo("availability", "bad"), "0+100x60");
    let of = |what, every, kind, phases: &[(u32, f64, f64)]| {
        of("BingoLatencyObjectiveMissed", what, every, kind, phases)
    };
    vec![
        of(
            "11 % slow where 10 % may be",
            "30s",
            "latency",
            &[(60, 1100.0, 8900.0)],
        )
        .silent("5m")
        .fires("5m30s", OF_LATENCY),
        failing(of("slow, and failing", "30s", "latency", &[(60, 50.0, 50.0)])).fires("20m", OF_LATENCY),
        of("9 % slow", "30s", "latency", &[(60, 900.0, 9100.0)]).silent("20m"),
        of(
            "slow for a while, and fast again",
            "30s",
            "latency",
            &[(20, 50.0, 50.0), (60, 0.0, 100.0)],
        )
        .on("a", &slo("availability", "bad"), "0+50x80")
        .fires("10m", OF_LATENCY)
        .silent("16m"),
        of(
            "fast for an hour, and now slow",
            "1m",
            "latency",
            &[(60, 0.0, 100.0), (28, 50.0, 50.0)],
        )
        .silent("1h10m")
        .fires("1h25m", OF_LATENCY),
        of("failing, not slow", "30s", "availability", &[(60, 50.0, 50.0)])
            .on("a", &slo("latency", "good"), "0+100x60")
            .silent("20m"),
    ]
}

fn unmeasured() -> Vec<Case> {
    let of = |what, bad, good| {
        of(
            "BingoLatencyUnmeasured",
            what,
            "30s",
            "availability",
            &[(60, bad, good)],
        )
    };
    let measured = |case: Case, bad: &str, good: &str| {
        case.on("a", &slo("latency", "bad"), bad)
            .on("a", &slo("latency", "good"), good)
    };
    vec![
        of("no times at all", 0.0, 100.0)
            .silent("10m")
            .fires("10m30s", UNMEASURED),
        measured(of("45 % have a time", 100.0, 100.0), "0+45x60", "0+45x60").fires("11m", UNMEASURED),
        measured(of("55 % have a time", 0.0, 100.0), "0+55x60", "0+55x60").silent("15m"),
        // 0.11 and 0.09 a second.
        of("hardly enough requests to say", 5.0, 1.65).fires("16m", UNMEASURED),
        of("too few requests to say", 5.0, 1.35).silent("16m"),
        Case::new("BingoLatencyUnmeasured", "no objective for latency")
            .every("30s")
            .on("a", &slo("availability", "good"), "0+100x60")
            .on("a", &objective("availability"), "0.99x60")
            .silent("15m"),
    ]
}
