use std::sync::Arc;

use super::*;
use crate::clock::Now;
use crate::config::Overrides;
use crate::model::Model;
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

/// Plays the story with a pass of the exporter after each second of it; gives what the exporter counted.
#[test]
fn the_exporter_counts_what_was_simulated() {
    let stage = Stage::new(&demo(None)).unwrap();
    let (cli, config) = taken_over(&stage);
    let mut source = Source::access(Arc::new(Model::new(config).unwrap()), cli.read_from.into());
    let mut player = Player::new(stage.directory.path(), &stage.demo, START);
    for second in 0..=400 {
        let unix = START + second * 1000;
        player.advance(unix).unwrap();
        let elapsed = Duration::from_secs(second as u64);
        while source.pass(Now { unix, elapsed }, true).more {}
    }
    let unix = START + 400_000;
    let now = Now {
        unix,
        elapsed: Duration::from_secs(400),
    };
    let snapshot = source.snapshot(now, 0);
    let ledger = player.simulation().ledger();
    let lines = &snapshot.state.intake.lines;
    assert_eq!(
        (lines.counted, lines.total()),
        (ledger.access_lines(), ledger.access_lines())
    );
    assert_eq!(
        (
            snapshot.state.intake.lost_bytes,
            snapshot.is_complete(snapshot.now)
        ),
        (0, Some(true))
    );
    assert!(snapshot.state.intake.rotations.iter().sum::<u64>() >= 4);
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
