use std::sync::Arc;

use super::*;
use crate::clock::Now;
use crate::config::Overrides;
use crate::model::Model;
use crate::record::EventKind;
use crate::simulate::ledger::NodeLedger;
use crate::simulate::main_log;
use crate::source::Source;

const START: UnixMillis = 1_795_464_000_000;

fn demo(keep: Option<PathBuf>) -> Demo {
    Demo {
        rps: 60,
        seed: 1,
        keep,
    }
}

fn taken_over(stage: &Stage) -> (Cli, Config) {
    let mut cli = crate::cli::parse(["bingo-exporter"], |_| None).unwrap();
    let mut config = Config::load(None, &Overrides::default()).unwrap();
    stage.take_over(&mut cli, &mut config).unwrap();
    (cli, config)
}

fn listing(directory: &Path) -> Vec<String> {
    let mut paths: Vec<_> = glob::glob(&format!("{}/**/*.log*", directory.display()))
        .unwrap()
        .map(|path| {
            path.unwrap()
                .strip_prefix(directory)
                .unwrap()
                .display()
                .to_string()
        })
        .collect();
    paths.sort();
    paths
}

/// Plays the story with a pass of both sources after each second of it.
#[test]
fn the_exporter_counts_what_was_simulated() {
    let stage = Stage::new(&demo(None)).unwrap();
    let (cli, config) = taken_over(&stage);
    let model = Arc::new(Model::new(config).unwrap());
    let read_from = cli.read_from.into();
    let mut sources = [
        Source::access(Arc::clone(&model), read_from),
        Source::app(model, read_from),
    ];
    let mut player = Player::new(stage.directory.path(), &stage.demo, START);
    let at = |second: u32| Now {
        unix: START + i64::from(second) * 1000,
        elapsed: Duration::from_secs(second.into()),
    };
    for second in 0..=400 {
        player.advance(at(second).unix).unwrap();
        for source in &mut sources {
            while source.pass(at(second), true).more {}
        }
    }
    let ledger = player.simulation().ledger();
    let [access, app] = sources.map(|source| source.snapshot(at(400), 0));
    let of_nodes = ledger.nodes.iter().map(NodeLedger::lines).sum();
    for (snapshot, lines) in [(&access, ledger.access_lines()), (&app, of_nodes)] {
        let intake = &snapshot.state.intake;
        assert_eq!((intake.lines.counted, intake.lines.total()), (lines, lines));
        assert_eq!(
            (intake.lost_bytes, snapshot.is_complete(snapshot.now)),
            (0, Some(true))
        );
        assert!(intake.rotations.iter().sum::<u64>() >= 2);
    }
    let logs = app.apps().unwrap().logs();
    assert_eq!(logs.iter().map(|log| &*log.id).collect::<Vec<_>>(), LOG_IDS);
    for (log, ledger) in logs.iter().zip(&ledger.nodes) {
        let events = |kind| log.events[kind as usize];
        assert_eq!(log.unclean_exits, ledger.unclean_exits);
        assert_eq!(events(EventKind::Start), ledger.count(Message::PrepareApp));
        assert_eq!(events(EventKind::Ready), ledger.count(Message::RunServer));
        assert_eq!(events(EventKind::Shutdown), ledger.count(Message::ShutdownServer));
        assert_eq!(events(EventKind::Quota), ledger.count(Message::QuotaUpdated));
        let beats = ledger.count(Message::AmAlive) + ledger.count(Message::AmFine);
        assert_eq!(events(EventKind::Heartbeat), beats);
        assert_eq!(events(EventKind::Request), ledger.requests.values().sum::<u64>());
        assert_eq!(log.version.as_deref(), Some(main_log::VERSION));
    }
}

#[test]
fn rotated_logs_do_not_fill_the_disk() {
    let stage = Stage::new(&demo(None)).unwrap();
    let mut player = Player::new(stage.directory.path(), &stage.demo, START);
    player.advance(START + 1_000_000).unwrap();
    let of = |name: &str| [name.to_owned(), format!("{name}.1"), format!("{name}.2")];
    let nodes = LOG_IDS.iter().flat_map(|id| of(&format!("{id}/main.log")));
    let mut expect: Vec<_> = nodes.chain(of("access.log")).collect();
    expect.sort();
    assert_eq!(listing(stage.directory.path()), expect);
}

#[test]
fn a_directory_goes_with_its_stage_unless_it_is_kept() {
    let parent = tempfile::tempdir().unwrap();
    let stage = Stage::new(&demo(None)).unwrap();
    let temporary = stage.directory.path().to_owned();
    drop(stage);
    assert!(!temporary.exists());

    let keep = parent.path().join("a [b]/c");
    let stage = Stage::new(&demo(Some(keep.clone()))).unwrap();
    let (cli, config) = taken_over(&stage);
    assert_eq!(cli.state_dir.unwrap().parent(), Some(stage.directory.path()));
    let access = glob::Pattern::new(&config.access.paths[0]).unwrap();
    assert!(access.matches_path(&keep.canonicalize().unwrap().join("access.log")));
    drop(stage);
    assert!(keep.exists());
    let error = Stage::new(&demo(Some(keep))).unwrap_err();
    assert!(
        format!("{error:#}").ends_with("it is not empty; name a new directory"),
        "{error:#}"
    );
}

#[test]
fn the_announcement_says_where_and_when() {
    let stage = Stage::new(&demo(None)).unwrap();
    let addresses = ["[::]:10352", "127.0.0.1:1", "[::1]:2"].map(|address| address.parse().unwrap());
    let text = stage.announcement(&addresses);
    let directory = stage.directory.path().display();
    assert_eq!(
        text,
        format!(
            "Demo: http://localhost:10352/ http://127.0.0.1:1/ http://[::1]:2/ (a simulated bingo at 60 requests/s, \
             Ctrl-C ends it)
Logs: {directory} (removed at the end)
  0:00  both nodes start
  0:02  healthy
  0:45  error spike: the database fails every third request and is slow
  1:15  healthy
  1:45  bad node: the second node answers 500 to everything, then it is restarted
  2:25  healthy
  2:45  crash: the first node dies without a word, then it is started again
  3:15  healthy
  3:30  peak: 120 requests/s
  4:30  healthy
  5:00  again from 0:02; access.log is rotated every 90 s, a node's main.log before each of its starts
"
        )
    );
}
