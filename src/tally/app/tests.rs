use std::time::Duration;

use super::*;
use crate::config::{Config, Overrides};

const NOW: Now = Now {
    unix: 1_000_000_000,
    elapsed: Duration::ZERO,
};

fn model(change: impl FnOnce(&mut Config)) -> Model {
    let mut config = Config::load(None, &Overrides::default()).unwrap();
    change(&mut config);
    Model::new(config).unwrap()
}

fn profile() -> Model {
    model(|_| {})
}

fn event(kind: EventKind) -> Event<'static> {
    Event {
        level: Level::Info,
        kind,
        time: None,
        version: None,
        go_version: None,
        request: None,
    }
}

/// One log that saw these events.
fn log(events: impl IntoIterator<Item = Event<'static>>) -> LogTally {
    let model = profile();
    let mut tally = AppTally::new(&model);
    let (log, _) = tally.sight(&model, b"/a/x", Some(b"x"));
    for event in events {
        tally.count(&model, log, &event, NOW);
    }
    tally.logs.remove(log)
}

use EventKind::{Heartbeat, Ready, Shutdown, Start};

#[track_caller]
fn check_exits(events: &[EventKind], expect: u64) {
    let log = log(events.iter().map(|kind| event(*kind)));
    assert_eq!(log.unclean_exits, expect, "{events:?}");
}

#[test]
fn a_start_without_a_shutdown_before_it() {
    check_exits(&[], 0);
    check_exits(&[Start], 0);
    check_exits(&[Start, Ready, Shutdown, Start], 0);
    check_exits(&[Start, Ready, Start], 1);
    check_exits(&[Start, Ready, Heartbeat, Start, Ready, Start], 2);
    check_exits(&[Start, Start, Start], 2);
    check_exits(&[Start, Shutdown, Start, Start], 1);
    check_exits(&[Start, Shutdown, Shutdown, Start], 0);
    // The first start ever seen, whatever came before it.
    check_exits(&[Heartbeat, Start], 0);
    check_exits(&[Ready, Start], 0);
    check_exits(&[Shutdown, Start, Start], 1);
}

#[track_caller]
fn check_start(events: &[(EventKind, Option<UnixMillis>)], expect: Option<u64>) {
    let log = log(events.iter().map(|(kind, time)| Event {
        time: *time,
        ..event(*kind)
    }));
    assert_eq!(log.last_start, expect, "{events:?}");
}

#[test]
fn how_long_a_start_took() {
    check_start(&[(Start, Some(1_000))], None);
    check_start(&[(Ready, Some(1_000))], None);
    check_start(
        &[
            (Start, Some(1_000)),
            (Heartbeat, Some(2_000)),
            (Ready, Some(4_500)),
        ],
        Some(3_500),
    );
    check_start(&[(Start, Some(1_000)), (Ready, Some(1_000))], Some(0));
    check_start(
        &[(Start, Some(1_000)), (Start, Some(5_000)), (Ready, Some(6_000))],
        Some(1_000),
    );
    check_start(&[(Start, Some(1_000)), (Start, None), (Ready, Some(6_000))], None);
    check_start(
        &[
            (Start, Some(1_000)),
            (Shutdown, Some(2_000)),
            (Ready, Some(6_000)),
        ],
        None,
    );
    check_start(&[(Start, Some(1_000)), (Ready, None), (Ready, Some(6_000))], None);
    check_start(&[(Start, Some(0)), (Ready, Some(DAY))], Some(86_400_000));
    check_start(&[(Start, Some(0)), (Ready, Some(DAY + 1))], None);
    check_start(&[(Start, Some(2_000)), (Ready, Some(1_999))], None);
    // One that cannot be measured does not hide the one before.
    let twice = [
        (Start, Some(0)),
        (Ready, Some(7)),
        (Start, Some(9)),
        (Ready, Some(8)),
    ];
    check_start(&twice, Some(7));
}

#[test]
fn the_newest_time_of_each_kind_and_never_the_future() {
    let at = |time| Event {
        time: Some(time),
        ..event(Heartbeat)
    };
    let last = |events: Vec<Event<'static>>| log(events).last_event[Heartbeat as usize];
    assert_eq!(last(vec![event(Heartbeat)]), None);
    assert_eq!(last(vec![at(5), at(7), at(6)]), Some(7));
    assert_eq!(last(vec![at(NOW.unix + 1_001)]), Some(NOW.unix));
    // Written during the pass that reads it.
    assert_eq!(last(vec![at(NOW.unix + 9)]), Some(NOW.unix + 9));
    assert_eq!(log([at(5)]).last_event.iter().flatten().count(), 1);
}

#[test]
fn versions_are_replaced_and_never_forgotten() {
    let says = |version: Option<&'static str>| Event {
        version: version.map(Into::into),
        ..event(Heartbeat)
    };
    assert_eq!(log([event(Heartbeat)]).version, None);
    assert_eq!(log([says(Some("1")), says(None)]).version.as_deref(), Some("1"));
    assert_eq!(
        log([says(Some("1")), says(Some("2"))]).version.as_deref(),
        Some("2")
    );
}

/// Route, method (none is the last), code and count of what was counted.
fn requests(log: &LogTally) -> Vec<(&str, usize, Code, u64)> {
    let routes = log.routes.iter().flat_map(|route| {
        let methods = route.methods.iter().enumerate();
        methods.flat_map(move |(method, codes)| {
            codes
                .iter()
                .map(move |(code, count)| (&*route.route, method, code, count))
        })
    });
    routes.filter(|(.., count)| *count > 0).collect()
}

#[test]
fn requests_go_where_their_line_says() {
    const NO_METHOD: usize = Method::COUNT;
    let get = Some(Method::Get);
    for (method, path, code, expect) in [
        (
            get,
            Some("/api/movie/5"),
            Code::new(200),
            ("/api/movie/{id}", Method::Get as usize, Code::new(200)),
        ),
        (
            None,
            Some("/api/movie/5?x"),
            Code::NONE,
            ("/api/movie/{id}", NO_METHOD, Code::NONE),
        ),
        (
            None,
            Some("/secret-of-a-user"),
            Code::new(404),
            ("other", NO_METHOD, Code::new(404)),
        ),
        (
            get,
            None,
            Code::NONE,
            ("unknown", Method::Get as usize, Code::NONE),
        ),
        (None, None, Code::NONE, ("unknown", NO_METHOD, Code::NONE)),
    ] {
        let request = AppRequest {
            method,
            path: path.map(|path| path.as_bytes().into()),
            code,
            duration: None,
        };
        let log = log([Event {
            request: Some(request),
            ..event(EventKind::Request)
        }]);
        let (route, method, code) = expect;
        assert_eq!(requests(&log), [(route, method, code, 1)]);
    }
}

fn timed(duration: Option<Result<Nanos, Unmeasured>>) -> Event<'static> {
    let request = AppRequest {
        method: None,
        path: Some(b"/".into()),
        code: Code::NONE,
        duration,
    };
    Event {
        request: Some(request),
        ..event(EventKind::Request)
    }
}

#[test]
fn another_configuration() {
    use crate::record::DurationUnit::{Milliseconds, Seconds};
    let old = model(|config| config.app.duration_unit = Some(Milliseconds));
    let mut tally = AppTally::new(&old);
    let (log, _) = tally.sight(&old, b"/a/x", Some(b"x"));
    for event in [
        event(Start),
        event(Start),
        timed(Some(Ok(5))),
        timed(Some(Err(Unmeasured::Missing))),
    ] {
        tally.count(&old, log, &event, NOW);
    }
    let durations = |tally: &AppTally| {
        tally.logs[0]
            .routes
            .iter()
            .map(|route| route.durations.count())
            .sum::<u64>()
    };
    let counted = |tally: &AppTally| {
        requests(&tally.logs[0])
            .iter()
            .map(|(.., count)| count)
            .sum::<u64>()
    };

    assert_eq!(tally.clone().carried_over(&old, |_| true), tally);
    let fewer = model(|config| {
        config.app.duration_unit = Some(Milliseconds);
        config.endpoints.retain(|endpoint| endpoint.path == "/");
    });
    let carried = tally.clone().carried_over(&fewer, |_| true);
    assert_eq!((durations(&carried), counted(&carried)), (1, 2));
    assert_eq!(carried.logs[0].routes.len(), 3, "/, other and unknown");
    assert_eq!(
        (carried.logs[0].unclean_exits, carried.logs[0].running),
        (1, true)
    );
    let other_unit = model(|config| config.app.duration_unit = Some(Seconds));
    let carried = tally.clone().carried_over(&other_unit, |_| true);
    assert_eq!(
        (durations(&carried), counted(&carried), carried.unmeasured),
        (0, 2, [0; Unmeasured::COUNT])
    );
    // A heartbeat that nobody reads any more must not be shown as one that stopped.
    assert!(tally.carried_over(&old, |_| false).logs.is_empty());
}

#[test]
fn what_was_going_on_outlives_a_reset() {
    let model = profile();
    let mut tally = AppTally::new(&model);
    let (log, _) = tally.sight(&model, b"/a/x", Some(b"x"));
    let at = |kind, time| Event {
        time: Some(time),
        version: Some("1".into()),
        ..event(kind)
    };
    for event in [at(Start, 1), at(Start, 2), at(Ready, 5), timed(None)] {
        tally.count(&model, log, &event, NOW);
    }
    tally.reset(&model);
    let log = &tally.logs[log];
    assert_eq!(
        (log.unclean_exits, log.events, log.lines.iter().sum()),
        (0, [0; EventKind::COUNT], 0)
    );
    assert_eq!(
        (requests(log).len(), log.last_start, log.version.as_deref()),
        (0, Some(3), Some("1"))
    );
    tally.count(&model, 0, &event(Start), NOW);
    assert_eq!(tally.logs[0].unclean_exits, 1, "the machine went down");
}

#[track_caller]
fn check_names(directories: &[&[u8]], expect: &[(&str, Sighting)]) {
    let model = profile();
    let mut tally = AppTally::new(&model);
    let seen: Vec<_> = directories
        .iter()
        .map(|directory| {
            let name = directory.rsplit(|byte| *byte == b'/').next();
            let (log, sighting) = tally.sight(&model, directory, name);
            let id = &tally.logs()[log].id;
            (id.clone(), sighting)
        })
        .collect();
    for ((id, sighting), (expect, expected)) in seen.iter().zip(expect) {
        let fits = match expect.strip_suffix('*') {
            Some(begin) => id.strip_prefix(begin).is_some_and(|hash| hash.len() == 16),
            None => id == expect,
        };
        assert!(fits && sighting == expected, "{seen:?}");
    }
    assert_eq!(seen.len(), expect.len());
}

#[test]
fn directories_and_their_names() {
    use Sighting::{Known, Named, Renamed};
    check_names(
        &[b"/l/3a956b711f", b"/l/3a956b711f"],
        &[("3a956b711f", Named), ("3a956b711f", Known)],
    );
    check_names(&[b"/l/a.b_C-1"], &[("a.b_C-1", Named)]);
    // Never merged: the second of one name is told apart, whichever comes first.
    check_names(
        &[b"/b/x", b"/a/x", b"/b/x"],
        &[("x", Named), ("x-43dcbd4c8b4393c6", Renamed), ("x", Known)],
    );
    // No text of a name gets out that could pass for something else.
    check_names(&[b"/l/a\"} 1\n# "], &[("a___1___-*", Renamed)]);
    check_names(&[b"/l/\xff\xfe"], &[("__-*", Renamed)]);
    check_names(&[b"/l/other"], &[("other-*", Renamed)]);
    check_names(&[b"/"], &[("-*", Renamed)]);
    check_names(
        &[&[b"/l/".as_slice(), &[b'a'; 64]].concat()],
        &[(&"a".repeat(64), Named)],
    );
    check_names(
        &[&[b"/l/".as_slice(), &[b'a'; 65]].concat()],
        &[(&("a".repeat(40) + "-*"), Renamed)],
    );
}

#[test]
fn a_name_that_another_ones_replacement_has() {
    let model = profile();
    let mut tally = AppTally::new(&model);
    let (log, _) = tally.sight(&model, b"/a/\xff", Some(b"\xff"));
    let replacement = tally.logs()[log].id.clone();
    let mut hostile = AppTally::new(&model);
    hostile.sight(&model, b"/b/x", Some(replacement.as_bytes()));
    let (log, sighting) = hostile.sight(&model, b"/a/\xff", Some(b"\xff"));
    assert_eq!(sighting, Sighting::Renamed);
    assert_ne!(hostile.logs()[log].id, replacement);
}

#[test]
fn directories_there_is_no_room_for_are_counted_together() {
    let model = profile();
    let mut tally = AppTally::new(&model);
    tally.room = Room::new(LogTally::series(&model));
    let mut see = |name: &str, kinds: &[EventKind]| {
        let (log, sighting) = tally.sight(&model, format!("/l/{name}").as_bytes(), Some(name.as_bytes()));
        for kind in kinds {
            tally.count(&model, log, &event(*kind), NOW);
        }
        sighting
    };
    assert_eq!(see("m", &[Start, Start]), Sighting::Named);
    assert_eq!(see("b", &[Start, Start]), Sighting::Overflow);
    assert_eq!(see("z", &[Start]), Sighting::Known);
    assert_eq!(see("m", &[Start]), Sighting::Known);
    let logs = tally
        .logs()
        .iter()
        .map(|log| (log.id.as_str(), log.events_of(Start), log.unclean_exits));
    assert_eq!(logs.collect::<Vec<_>>(), [("other", 3, 0), ("m", 3, 2)]);
    assert_eq!(tally.room.hits, 3);
}
