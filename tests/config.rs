//! The configuration from outside: files that must be refused, each with the line an operator reads, and files
//! that must load.
#![expect(clippy::unwrap_used, reason = "helpers of tests, which may panic")]

use std::fs;
use std::path::{Path, PathBuf};

use bingo_exporter::config::{Config, Overrides, PROFILE};
use bingo_exporter::record::Method;
use bingo_exporter::slo::{ErrorCodes, LatencyObjective};
use proptest::prelude::*;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/config");

fn files(prefix: &str) -> Vec<PathBuf> {
    let all = fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = all.filter(|path| file_name(path).starts_with(prefix)).collect();
    assert!(!files.is_empty(), "no {prefix}* in {FOLDER}");
    files.sort();
    files
}

fn file_name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

fn load(file: Option<&Path>, access: &[&str]) -> Result<Config, String> {
    let access = access.iter().map(|path| path.to_string()).collect();
    let overrides = Overrides {
        access,
        ..Overrides::default()
    };
    Config::load(file, &overrides).map_err(|error| error.to_string())
}

fn load_text(text: impl AsRef<[u8]>) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.yaml");
    fs::write(&path, text).unwrap();
    load(Some(&path), &[]).map_err(|error| error.replace(&format!("{}/", folder.path().display()), ""))
}

#[track_caller]
fn reads_back(config: &Config) {
    let yaml = config.to_yaml();
    assert_eq!(load_text(&yaml).as_ref(), Ok(config), "{yaml}");
}

/// The first line of each file holds what is said of it, without the file's name.
#[test]
fn invalid_files_are_refused_in_one_line() {
    let mut wrong = String::new();
    for path in files("invalid-") {
        let text = fs::read_to_string(&path).unwrap();
        let expect = text
            .lines()
            .next()
            .unwrap()
            .strip_prefix("# expect: ")
            .unwrap_or_default();
        let expect = expect.replace("{release}", env!("CARGO_PKG_VERSION"));
        let found = load(Some(&path), &[]).expect_err(file_name(&path));
        let found = found
            .strip_prefix(&format!("{}:", path.display()))
            .unwrap_or(&found);
        if found != expect {
            wrong += &format!("{}\n  expect: {expect}\n  found:  {found}\n", file_name(&path));
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn valid_files_load_and_read_back() {
    for path in files("valid-") {
        let config = load(Some(&path), &[]).unwrap();
        reads_back(&config);
        reads_back(&load(Some(&path), &["/x/\"*\" ,\u{85}.log"]).unwrap());
    }
}

#[test]
fn the_profile_is_complete_and_prints_as_it_is_written() {
    let profile = load(None, &[]).unwrap();
    assert_eq!(profile.to_yaml(), PROFILE);
    reads_back(&profile);
    assert_eq!(load_text("").as_ref(), Ok(&profile));
    assert_eq!(load_text("---\n# nothing\n").as_ref(), Ok(&profile));

    let overridden = load(None, &["/a,b.log"]).unwrap();
    assert_eq!(overridden.access.paths, ["/a,b.log"]);
    reads_back(&overridden);
}

#[test]
fn the_profile_holds_the_services_own_objectives() {
    let fast = Some((400, 0.9));
    let expect = [
        (Method::Get, "/", Some(0.99), None),
        (Method::Post, "/", Some(0.99), None),
        (Method::Get, "/ping", None, None),
        (Method::Get, "/long_dummy", Some(0.99), Some((1000, 0.75))),
        (Method::Get, "/db_dummy", Some(0.99), fast),
        (Method::Post, "/operation", Some(0.99), fast),
        (Method::Get, "/config", Some(0.99), None),
        (Method::Get, "/api/movie", Some(0.99), None),
        (Method::Get, "/api/movie/{id}", Some(0.99), fast),
        (Method::Get, "/api/customer", Some(0.99), None),
        (Method::Get, "/api/customer/{id}", Some(0.99), fast),
        (Method::Get, "/api/session", Some(0.95), None),
        (Method::Post, "/api/session", Some(0.99), None),
        (Method::Get, "/api/session/{id}", Some(0.99), fast),
        (Method::Delete, "/api/session/{id}", Some(0.99), None),
    ];
    let profile = load(None, &[]).unwrap();
    assert_eq!(profile.endpoints.len(), expect.len());
    for (endpoint, (method, path, availability, latency)) in profile.endpoints.iter().zip(expect) {
        assert_eq!(
            (endpoint.method, endpoint.path.as_str(), endpoint.probe),
            (method, path, path == "/ping")
        );
        let latency = latency.map(|(millis, ratio)| LatencyObjective {
            under: millis * 1_000_000,
            ratio,
        });
        assert_eq!(
            (endpoint.objectives.availability, endpoint.objectives.latency),
            (availability, latency),
            "{path}"
        );
        assert_eq!(
            endpoint.objectives.error_codes,
            ErrorCodes::parse(&["5xx", "429"]).unwrap()
        );
    }
}

#[test]
fn a_file_replaces_what_it_names() {
    let profile = load(None, &[]).unwrap();
    let config =
        load_text("error_codes: [5xx]\nlimits: {files: 5}\nsources: {access: {format: json}}").unwrap();
    assert_eq!(config.access.paths, profile.access.paths);
    assert_eq!(
        (config.limits.files, config.limits.series),
        (5, profile.limits.series)
    );
    // The profile's endpoints follow the global list; one with a list of its own does not.
    assert!(
        config
            .endpoints
            .iter()
            .all(|endpoint| endpoint.objectives.error_codes == config.error_codes)
    );
    let config =
        load_text("endpoints: [{method: GET, path: /, error_codes: [4xx]}]\nerror_codes: []").unwrap();
    assert_eq!(config.endpoints.len(), 1);
    assert_eq!(
        config.endpoints[0].objectives.error_codes,
        ErrorCodes::parse(&["4xx"]).unwrap()
    );
}

#[test]
fn files_that_cannot_be_read() {
    let refused = |path: &str| load(Some(Path::new(path)), &[]).unwrap_err();
    assert_eq!(
        refused("/nowhere/c.yaml"),
        "/nowhere/c.yaml: failed to read the configuration: No such file or directory (os error 2): correct \
         --config.file, or leave it out for the built-in profile"
    );
    assert!(refused("/").starts_with("/: failed to read the configuration: Is a directory"));
    assert_eq!(
        refused("/dev/zero"),
        "/dev/zero: expected a configuration of at most 1MiB"
    );
    assert_eq!(
        load_text(b"a: \xff").unwrap_err(),
        "c.yaml: expected UTF-8: byte 4 is not"
    );
    assert_eq!(
        load_text("#".repeat((1 << 20) + 1)).unwrap_err(),
        "c.yaml: expected a configuration of at most 1MiB"
    );
    assert!(load_text("#".repeat(1 << 20)).is_ok());
}

#[test]
fn paths_from_the_command_line_are_checked_too() {
    assert_eq!(
        load(None, &["/a", "b.log"]).unwrap_err(),
        "--source.access: \"b.log\": expected an absolute path or glob, such as /var/log/nginx/access.log"
    );
    assert_eq!(
        load(None, &["/a", "/a"]).unwrap_err(),
        "--source.access: \"/a\": expected it once"
    );
}

/// A billion laughs, a tower of brackets, and the like: refused, and soon.
#[test]
fn bombs_are_refused() {
    let mut laughs = "error_codes:\n  - &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        laughs += &format!("  - &a{level} [{aliases}]\n");
    }
    for bomb in [
        laughs.clone(),
        laughs.replace("error_codes", "sources: {access: {format: {regex: x}}}\nx"),
        format!("endpoints: {}", "[".repeat(100_000)),
        format!("endpoints: {}", "{a: ".repeat(100_000)),
        "- ".repeat(200_000),
        format!("endpoints: [{}]", "{},".repeat(200_000)),
        format!("sources: {{access: {{paths: [{}]}}}}", "/a,".repeat(300_000)),
    ] {
        let error = load_text(bomb).unwrap_err();
        assert!(error.len() < 300 && !error.contains('\n'), "{error}");
    }
}

proptest! {
    /// Whatever stands in the file, it is read or refused in one line; what is read can be routed by and printed.
    #[test]
    fn any_text_is_read_or_refused(
        paths in proptest::collection::vec("(/(a|b|\\{x\\}|\\{y\\}|[.*:é\\\\\"]{1,2}|\\PC{0,3})){0,4}", 0..6),
        tail in "\\PC{0,8}",
    ) {
        let endpoint = |path: &String| format!("  - {{method: GET, path: '{}'}}\n", path.replace('\'', "''"));
        let endpoints: String = paths.iter().map(endpoint).collect();
        for text in [format!("endpoints:\n{endpoints}"), format!("endpoints:\n{endpoints}{tail}")] {
            match load_text(&text) {
                Err(error) => prop_assert!(!error.contains(char::is_control), "{error:?}"),
                Ok(config) => {
                    let mut router = matchit::Router::new();
                    for endpoint in &config.endpoints {
                        prop_assert!(router.insert(endpoint.path.as_str(), ()).is_ok(), "{}", endpoint.path);
                    }
                    reads_back(&config);
                }
            }
        }
    }
}
