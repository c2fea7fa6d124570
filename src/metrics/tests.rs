use super::*;
use crate::clock::Now;
use crate::config::{Config, Overrides};
use crate::model::Model;
use crate::source::Source;
use crate::tail::ReadFrom;

fn now() -> Now {
    Now {
        unix: 0,
        elapsed: std::time::Duration::ZERO,
    }
}

fn text(sources: &[Source]) -> String {
    whole(&scrape(sources), Form::OpenMetrics)
}

fn whole(scrape: &Scrape, form: Form) -> String {
    scrape.draft(form).finish(true, None)
}

fn scrape(sources: &[Source]) -> Scrape {
    Scrape {
        sources: sources
            .iter()
            .map(|source| Arc::new(source.snapshot(now(), 0)))
            .collect(),
        now: now(),
        own: Own::default(),
    }
}

/// Both sources, of which bingo's own log has a line of every kind of series.
fn sources() -> (Vec<Source>, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("3a956b711f/main.log");
    std::fs::create_dir(log.parent().unwrap()).unwrap();
    let line = |msg: &str| format!("{{\"timestamp\":\"1970-01-01T00:00:00Z\",\"msg\":\"{msg}\"}}\n");
    let lines = ["Prepare app.", "Run server.", "request completed"].map(line);
    std::fs::write(&log, lines.concat()).unwrap();
    let overrides = Overrides {
        access: vec!["/nowhere/access.log".into()],
        app: vec![log.to_str().unwrap().into()],
    };
    let mut config = Config::load(None, &overrides).unwrap();
    config.app.duration_unit = Some(crate::record::DurationUnit::Milliseconds);
    let model = Arc::new(Model::new(config).unwrap());
    let access = Source::access(Arc::clone(&model), ReadFrom::Beginning);
    (vec![access, Source::app(model, ReadFrom::Beginning)], dir)
}

#[test]
fn requests_with_an_id_are_exemplars() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("access.log");
    let line = |id: &str, took: &str, at: &str| {
        format!(
            "{{\"time\":\"1970-01-01T00:00:{at}Z\",\"request\":\"GET /api/movie/1 HTTP/1.1\",\"status\":200,\
             \"request_time\":{took},\"request_id\":\"{id}\"}}\n"
        )
    };
    let lines = [
        line("fast-1", "0.120", "01.5"),
        line("fast-2", "0.130", "02.25"),
        line("hostile # {x=", "0.700", "03"),
        line(&"a".repeat(65), "0.700", "03"),
        line("-", "0.700", "03"),
    ];
    std::fs::write(&log, lines.concat()).unwrap();
    let overrides = Overrides {
        access: vec![log.to_str().unwrap().into()],
        app: vec!["/nowhere/main.log".into()],
    };
    let model = Arc::new(Model::new(Config::load(None, &overrides).unwrap()).unwrap());
    let mut source = Source::access(model, ReadFrom::Beginning);
    source.pass(now(), true);

    let rich = text(std::slice::from_ref(&source));
    let added: Vec<_> = rich.lines().filter(|line| line.contains(" # ")).collect();
    assert_eq!(
        added,
        [
            "bingo_http_request_duration_seconds_bucket{le=\"0.2\",route=\"/api/movie/{id}\",method=\"GET\",\
          outcome=\"ok\"} 2 # {request_id=\"fast-2\"} 0.13 2.250"
        ]
    );
    let classic = whole(&scrape(std::slice::from_ref(&source)), Form::Classic);
    assert!(!classic.contains("request_id"));
}

#[test]
fn the_forms_differ_in_names_of_counters_and_the_end() {
    let (sources, _dir) = sources_read();
    let open_metrics = text(&sources);
    let counters: Vec<&str> = open_metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    assert!(counters.len() > 15, "{counters:?}");
    let mut expected = String::new();
    for line in open_metrics.lines().filter(|line| *line != "# EOF") {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words[..] {
            ["#", what, name, rest] if counters.contains(&name) => {
                expected += &format!("# {what} {name}_total {rest}\n");
            }
            _ => expected += &format!("{line}\n"),
        }
    }
    assert_eq!(whole(&scrape(&sources), Form::Classic), expected);
}

fn sources_read() -> (Vec<Source>, tempfile::TempDir) {
    let (mut sources, dir) = sources();
    for source in &mut sources {
        source.pass(now(), true);
    }
    (sources, dir)
}

#[test]
fn nothing_half_counted_or_unsaved_is_shown() {
    let (mut sources, _dir) = sources();
    let families = |text: &str| {
        let names = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        names
            .filter(|name| !name.starts_with("bingo_exporter_") && !name.starts_with("process_"))
            .count()
    };
    // Not even what one source has while the other is not done.
    for done in 0..sources.len() {
        let before = text(&sources);
        assert!(before.contains("bingo_exporter_catching_up 1\n"));
        assert_eq!(families(&before), 0);
        sources[done].pass(now(), true);
    }
    let after = text(&sources);
    assert!(after.contains("bingo_exporter_catching_up 0\n"));
    assert!(families(&after) > 5);

    let unsaved = scrape(&sources).draft(Form::OpenMetrics).finish(false, None);
    assert_eq!(families(&unsaved), 0);
    assert!(unsaved.starts_with("# HELP bingo_exporter_lines ") && unsaved.ends_with("# EOF\n"));
}

#[test]
fn every_help_is_a_sentence() {
    let (sources, _dir) = sources_read();
    let text = text(&sources);
    let helps: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# HELP "))
        .collect();
    assert!(helps.len() > 20);
    let app = helps.iter().filter(|help| help.starts_with("bingo_app_"));
    assert_eq!(app.count(), 8, "all of them");
    for help in helps {
        let (name, sentence) = help.split_once(' ').unwrap();
        let fine = sentence.ends_with('.') && sentence.len() > 15 && !sentence.contains(['"', '\\']);
        assert!(fine, "{name}: {sentence}");
    }
}

#[test]
fn forbidden_labels_are_not_used() {
    let (sources, _dir) = sources_read();
    let text = text(&sources);
    // Prometheus Operator and service discovery own these; ours would become exported_… and rules go silently dead.
    for label in [
        "endpoint",
        "job",
        "instance",
        "node",
        "namespace",
        "pod",
        "service",
        "container",
        "env",
    ] {
        assert!(
            !text.contains(&format!("{{{label}=")) && !text.contains(&format!(",{label}=")),
            "{label}"
        );
    }
}
