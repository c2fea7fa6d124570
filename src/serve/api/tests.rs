use std::fs;
use std::time::Duration;

use super::*;
use crate::clock::Now;
use crate::config::{Config, Overrides};
use crate::history::History;
use crate::metrics::{Form, Own, Scrape};
use crate::model::Model;
use crate::source::Source;
use crate::tail::ReadFrom;

const NOW: Now = Now {
    unix: 1_795_464_000_000,
    elapsed: Duration::ZERO,
};

/// What is known of a log with these lines.
fn snapshot(lines: &str) -> Arc<Snapshot> {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("3a956b711f/main.log");
    fs::create_dir(log.parent().unwrap()).unwrap();
    fs::write(&log, lines).unwrap();
    let overrides = Overrides {
        app: vec![log.to_str().unwrap().to_owned()],
        ..Overrides::default()
    };
    let config = Config::load(None, &overrides).unwrap();
    let mut source = Source::app(Arc::new(Model::new(config).unwrap()), ReadFrom::Beginning);
    source.pass(NOW, true);
    Arc::new(source.snapshot(NOW, 0))
}

/// The whole document about this source.
fn status(sources: &[Arc<Snapshot>]) -> serde_json::Value {
    let history = History::new(Arc::clone(&sources[0].model.edges));
    let figures = Figures::new(sources, &history, NOW);
    let about = About {
        node: "n1",
        telemetry_path: "/metrics",
        peers: None,
        now: NOW,
        checkpoint: None,
    };
    serde_json::to_value(Status::new(sources, &figures, &about, &Own::default())).unwrap()
}

#[test]
fn apps() {
    let status = |lines: &str| status(&[snapshot(lines)])["apps"].clone();
    let nothing = serde_json::json!([{
        "log_id": "3a956b711f", "version": null, "go_version": null, "starts": 0, "unclean_exits": 0,
        "last_start_duration_seconds": null, "last_heartbeat_time": null, "last_start_time": null, "throttled": 0,
        "starts_in": {"1h": 0, "1d": 0}, "unclean_exits_in": {"1h": 0, "1d": 0}, "throttled_in": {"1h": 0, "1d": 0},
    }]);
    assert_eq!(status(""), nothing);
    let lines = r#"{"timestamp":"2023-12-02T11:16:00.000Z","msg":"Prepare app.","app_version":"1","runtime_version":"go1.21.4"}
{"timestamp":"2023-12-02T11:16:02.500Z","msg":"Run server."}
{"timestamp":"2023-12-02T16:16:05.000+0500","msg":"I am alive."}
{"msg":"Too many requests"}
{"msg":"Prepare app."}
"#;
    let something = serde_json::json!([{
        "log_id": "3a956b711f", "version": "1", "go_version": "go1.21.4", "starts": 2, "unclean_exits": 1,
        "last_start_duration_seconds": 2.5, "last_heartbeat_time": 1_701_515_765.0,
        "last_start_time": 1_701_515_760.0, "throttled": 1,
        "starts_in": {"1h": 0, "1d": 0}, "unclean_exits_in": {"1h": 0, "1d": 0}, "throttled_in": {"1h": 0, "1d": 0},
    }]);
    assert_eq!(status(lines), something);
}

#[test]
fn a_silent_bingo_shows_without_an_access_log() {
    let verdict = |lines: &str| status(&[snapshot(lines)])["verdict"].clone();
    let unseen = "no access log is configured: nothing is known of requests";
    let unknown = serde_json::json!({"level": "unknown", "sentence": unseen, "problems": []});
    assert_eq!(verdict(""), unknown);
    let silent = verdict("{\"timestamp\":\"2026-11-23T19:58:00.000Z\",\"msg\":\"I am alive.\"}\n");
    assert_eq!(silent["level"], "warning");
    let sentence = format!("{unseen}; bingo 3a956b711f gives no heartbeat, for 2 min");
    assert_eq!(silent["sentence"], sentence);
    assert_eq!(
        silent["problems"][0]["text"],
        "bingo 3a956b711f gives no heartbeat"
    );
}

/// bingo writes its whole environment into every line. Nothing of it gets out.
#[test]
fn the_environment_gets_nowhere() {
    const CANARY: &str = "hunter2";
    let line = |msg: &str, own: &str| {
        format!(
            r#"{{"level":"info","timestamp":"2023-12-02T11:16:00.000Z","caller":"{CANARY}","msg":"{msg}","os_env":["DB_PASSWORD={CANARY}","app_version={CANARY}"]{own}}}"#
        ) + "\n"
    };
    let lines = [
        line("Prepare app.", ""),
        line("Quota updated.", ""),
        line(
            "request completed",
            r#","url_path":"/api/hunter2","http_request_method":"hunter2","error":"hunter2""#,
        ),
        line(
            "hunter2",
            r#","app_version":"hunter2 ","runtime_version":"(hunter2)""#,
        ),
        // Broken, so that an error could quote it.
        format!("{{\"os_env\":[\"{CANARY}\",}}\n"),
        CANARY.to_owned(),
    ];
    let snapshot = snapshot(&lines.concat());
    assert_eq!(snapshot.state.intake.lines.counted, 4);
    let scrape = Scrape {
        sources: vec![Arc::clone(&snapshot)],
        now: NOW,
        own: Own::default(),
    };
    for (place, text) in [
        ("state", serde_json::to_string(&snapshot.state).unwrap()),
        ("snapshot", format!("{snapshot:?}")),
        ("metrics", scrape.draft(Form::OpenMetrics).finish(true, None)),
        ("status", status(&[snapshot]).to_string()),
    ] {
        assert!(!text.contains(CANARY), "{place}");
    }
}
