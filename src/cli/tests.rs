use super::*;

fn run(args: &[&str], env: &[(&str, &str)]) -> Result<Cli, Exit> {
    parse([NAME].iter().chain(args), |name| {
        env.iter()
            .find(|(variable, _)| *variable == name)
            .map(|(_, value)| value.into())
    })
}

#[track_caller]
fn refused(args: &[&str], env: &[(&str, &str)], expect: &str) {
    let exit = run(args, env).unwrap_err();
    assert_eq!((exit.code, exit.to_stdout), (2, false));
    assert_eq!(
        exit.message,
        format!("bingo-exporter: {}\n", expect.replace("{release}", RELEASE))
    );
}

#[test]
fn defaults() {
    let expect = Cli {
        config_file: None,
        config_print: false,
        source_access: Vec::new(),
        source_app: Vec::new(),
        read_from: ReadFrom::End,
        state_dir: None,
        listen_addresses: vec![ListenAddress {
            host: None,
            port: 10352,
        }],
        telemetry_path: "/metrics".to_owned(),
        peers: Vec::new(),
        enable_lifecycle: false,
        log_level: Level::INFO,
        log_format: LogFormat::Logfmt,
        task: Task::Run,
    };
    assert_eq!(run(&[], &[]), Ok(expect.clone()));
    // Neither is ours: Kubernetes injects them into every container beside a service of this name.
    let injected = [
        ("BINGO_EXPORTER_PORT", "tcp://10.0.0.1:10352"),
        ("BINGO_EXPORTER_SERVICE_HOST", "10.0.0.1"),
    ];
    assert_eq!(run(&[], &injected), Ok(expect.clone()));
    assert_eq!(
        run(
            &[],
            &[("BINGO_EXPORTER_LOG_LEVEL", ""), ("BINGO_EXPORTER_STATE_DIR", "")]
        ),
        Ok(expect)
    );
}

#[test]
fn the_environment_stands_in_for_flags_not_given() {
    let env = [
        ("BINGO_EXPORTER_CONFIG_FILE", "/a,b.yaml"),
        ("BINGO_EXPORTER_CONFIG_PRINT", "true"),
        ("BINGO_EXPORTER_SOURCE_ACCESS", "/a.log, /b.log,"),
        ("BINGO_EXPORTER_SOURCE_APP", "/logs/*/main.log"),
        ("BINGO_EXPORTER_SOURCE_READ_FROM", "beginning"),
        ("BINGO_EXPORTER_WEB_LISTEN_ADDRESS", "127.0.0.1:1,[::1]:0"),
        ("BINGO_EXPORTER_WEB_TELEMETRY_PATH", "/m"),
        ("BINGO_EXPORTER_WEB_PEER", "http://10.0.0.2:10352,http://b"),
        ("BINGO_EXPORTER_WEB_ENABLE_LIFECYCLE", "true"),
        ("BINGO_EXPORTER_LOG_LEVEL", "debug"),
        ("BINGO_EXPORTER_LOG_FORMAT", "json"),
    ];
    let expect = Cli {
        config_file: Some("/a,b.yaml".into()),
        config_print: true,
        source_access: vec!["/a.log".to_owned(), "/b.log".to_owned()],
        source_app: vec!["/logs/*/main.log".to_owned()],
        read_from: ReadFrom::Beginning,
        state_dir: None,
        listen_addresses: vec!["127.0.0.1:1".parse().unwrap(), "[::1]:0".parse().unwrap()],
        telemetry_path: "/m".to_owned(),
        peers: vec![
            "http://10.0.0.2:10352".parse().unwrap(),
            "http://b".parse().unwrap(),
        ],
        enable_lifecycle: true,
        log_level: Level::DEBUG,
        log_format: LogFormat::Json,
        task: Task::Run,
    };
    assert_eq!(run(&[], &env), Ok(expect.clone()));
    // A flag replaces the variable's list, and a comma on the command line is a comma.
    let args = [
        "--source.access",
        "/c,d.log",
        "--source.access=/e",
        "--log.level",
        "warn",
        "--config.print",
    ];
    let expect = Cli {
        source_access: vec!["/c,d.log".to_owned(), "/e".to_owned()],
        log_level: Level::WARN,
        ..expect
    };
    assert_eq!(run(&args, &env), Ok(expect));
    assert_eq!(
        run(&[], &[("BINGO_EXPORTER_CONFIG_PRINT", "false")]),
        run(&[], &[])
    );
}

#[test]
fn what_a_later_release_brings_is_refused() {
    for (name, until) in LATER {
        let expect = format!("{name} is not in release {{release}}: {until}");
        refused(&[name], &[], &expect);
        refused(&["--log.level", "debug", name, "--help"], &[], &expect);
        if name.starts_with("--") {
            refused(&[&format!("{name}=x")], &[], &expect);
            refused(&[name, "x"], &[], &expect);
            let variable = variable(name);
            refused(&[], &[(&variable, "x")], &expect.replace(name, &variable));
        }
    }
    // The value of a flag is no subcommand.
    assert!(run(&["--config.file", "replay"], &[]).is_ok());
}

#[test]
fn subcommands() {
    let task = |args: &[&str], env: &[(&str, &str)]| run(args, env).map(|cli| cli.task);
    let check = |json| Ok(Task::Check(Check { json }));
    assert_eq!(task(&["check"], &[]), check(false));
    assert_eq!(task(&["--log.level=warn", "check", "--json"], &[]), check(true));
    assert_eq!(task(&["check"], &[("BINGO_EXPORTER_JSON", "true")]), check(true));
    assert_eq!(
        task(&["health", "--web.listen-address", ":1"], &[]),
        Ok(Task::Health)
    );
    assert_eq!(task(&["--config.file", "check"], &[]), Ok(Task::Run));
    for subcommand in Subcommand::ALL {
        let name = subcommand.name();
        let help = run(&[name, "--help"], &[]).unwrap_err().message;
        assert!(
            help.contains(&format!("Usage: bingo-exporter {name} [OPTIONS]")),
            "{help}"
        );
        assert!(
            run(&["--help"], &[])
                .unwrap_err()
                .message
                .contains(&format!("  {name}  "))
        );
    }
    refused(
        &["health", "--json"],
        &[],
        "unexpected argument '--json' found; see bingo-exporter --help",
    );
}

#[test]
fn the_demo_and_its_flags() {
    let demo = |rps, seed, keep: Option<&str>| {
        let demo = Demo {
            rps,
            seed,
            keep: keep.map(Into::into),
        };
        Ok(Some(demo))
    };
    let run_demo = |args: &[&str], env: &[(&str, &str)]| run(args, env).map(|cli| cli.demo().cloned());
    assert_eq!(run_demo(&["demo"], &[]), demo(60, 1, None));
    let args = ["demo", "--rps", "5", "--seed=7", "--keep", "d"];
    assert_eq!(run_demo(&args, &[]), demo(5, 7, Some("d")));
    assert_eq!(
        run_demo(
            &["demo", "--rps=9"],
            &[("BINGO_EXPORTER_RPS", "7"), ("BINGO_EXPORTER_SEED", "8")]
        ),
        demo(9, 8, None)
    );
    assert_eq!(run_demo(&[], &[("BINGO_EXPORTER_RPS", "x")]), Ok(None));
    assert_eq!(run_demo(&["--config.file", "demo"], &[]), Ok(None));

    // Flags stand on both sides, and add up.
    let address = "--web.listen-address";
    let cli = run(&[address, ":1", "demo", "--log.level=debug", address, ":2"], &[]).unwrap();
    assert_eq!(cli.listen_addresses.len(), 2);
    assert_eq!(cli.log_level, Level::DEBUG);

    let help = run(&["demo", "--help"], &[]).unwrap_err().message;
    assert!(
        help.contains("Usage: bingo-exporter demo [OPTIONS]") && help.contains("--rps <N>"),
        "{help}"
    );
    assert!(run(&["--help"], &[]).unwrap_err().message.contains("  demo  "));

    refused(
        &["--rps", "5"],
        &[],
        "unexpected argument '--rps' found; see bingo-exporter --help",
    );
    refused(
        &["demo", "x"],
        &[],
        "unexpected argument 'x' found; see bingo-exporter --help",
    );
    refused(
        &["demo", "--rps", "0"],
        &[],
        "invalid value '0' for '--rps <N>': 0 is not in 1..=5000; see bingo-exporter --help",
    );
    for flag in [
        "--source.access",
        "--source.app",
        "--source.read-from",
        "--state.dir",
    ] {
        let expect = format!("demo brings its own logs and state: leave {flag} out");
        let value = if flag.ends_with("from") { "end" } else { "/a" };
        refused(&[flag, value, "demo"], &[], &expect);
        refused(&["demo"], &[(&variable(flag), value)], &expect);
    }
}

#[test]
fn generate_and_its_flags() {
    let generate = |args: &[&str], env: &[(&str, &str)]| match run(args, env)?.task {
        Task::Generate(generate) => Ok::<_, Exit>(generate),
        task => panic!("{task:?}"),
    };
    let given = generate(&["generate", "d"], &[]).unwrap();
    assert_eq!((given.dir.to_str(), given.check), (Some("d"), false));
    assert_eq!(given.options.job_regex.to_string(), ".*bingo-exporter.*");
    let job = "BINGO_EXPORTER_JOB_REGEX";
    for given in [
        generate(&["generate", "--check", "--job-regex", "a|b", "d"], &[]),
        generate(
            &["--log.level=debug", "generate", "d", "--check"],
            &[(job, "a|b")],
        ),
    ] {
        let given = given.unwrap();
        assert_eq!((given.dir.to_str(), given.check), (Some("d"), true));
        assert_eq!(given.options.job_regex.to_string(), "a|b");
    }
    refused(
        &["generate"],
        &[],
        "the following required arguments were not provided: <DIR>; see bingo-exporter --help",
    );
    let expected = "expected names of scrape jobs, such as bingo-exporter, with .* and .+ in them, \\. for a dot and | \
                    between them";
    refused(
        &["generate", "d"],
        &[(job, "(")],
        &format!("{job}: invalid value '(' for '--job-regex <REGEX>': {expected}"),
    );
    refused(
        &["--job-regex", "a"],
        &[],
        "unexpected argument '--job-regex' found; see bingo-exporter --help",
    );
}

#[test]
fn bad_usage_takes_one_line() {
    refused(
        &["--foo"],
        &[],
        "unexpected argument '--foo' found; see bingo-exporter --help",
    );
    refused(
        &["--log.levle=x"],
        &[],
        "unexpected argument '--log.levle' found; tip: a similar argument exists: '--log.level'; see bingo-exporter --help",
    );
    refused(
        &["--log.level", "loud"],
        &[],
        "invalid value 'loud' for '--log.level <LEVEL>'; [possible values: error, warn, info, debug, trace]; \
         see bingo-exporter --help",
    );
    refused(
        &[],
        &[("BINGO_EXPORTER_LOG_FORMAT", "x\ny")],
        "BINGO_EXPORTER_LOG_FORMAT: invalid value 'x; y' for '--log.format <FORMAT>'; [possible values: logfmt, json]",
    );
    refused(
        &["--web.listen-address", "10352"],
        &[],
        "invalid value '10352' for '--web.listen-address <ADDR>': expected HOST:PORT, [IPv6]:PORT or :PORT, such as \
         127.0.0.1:10352; see bingo-exporter --help",
    );
    refused(
        &["access.log"],
        &[],
        "unexpected argument 'access.log' found; see bingo-exporter --help",
    );
    let not_text = parse([NAME], |name| {
        use std::os::unix::ffi::OsStringExt;
        (name == "BINGO_EXPORTER_LOG_LEVEL").then(|| OsString::from_vec(vec![0xff]))
    });
    assert_eq!(
        not_text.unwrap_err().message,
        "bingo-exporter: BINGO_EXPORTER_LOG_LEVEL: expected UTF-8\n"
    );
}

#[test]
fn help_shows_each_flag_with_its_variable_and_default() {
    for args in [["--help"], ["-h"]] {
        let help = run(&args, &[]).unwrap_err();
        assert_eq!((help.code, help.to_stdout), (0, true));
        // Undo the wrapping.
        let help = help.message.split_whitespace().collect::<Vec<_>>().join(" ");
        for arg in command(None).get_arguments().filter_map(clap::Arg::get_long) {
            assert!(help.contains(&format!("[env: {}]", variable(arg))), "{arg}");
        }
        assert!(
            help.contains("Usage: bingo-exporter [OPTIONS]")
                && help.contains("[default: :10352]")
                && help.contains("Examples:")
        );
    }
    let version = run(&["--version"], &[]).unwrap_err();
    assert_eq!(
        (version.code, version.message),
        (0, format!("bingo-exporter {RELEASE}\n"))
    );
}

#[test]
fn listen_addresses() {
    let address = |host: Option<&str>, port| {
        Ok(ListenAddress {
            host: host.map(str::to_owned),
            port,
        })
    };
    for (text, expect) in [
        (":10352", address(None, 10352)),
        (":0", address(None, 0)),
        ("127.0.0.1:1", address(Some("127.0.0.1"), 1)),
        ("localhost:65535", address(Some("localhost"), 65535)),
        ("[::1]:80", address(Some("::1"), 80)),
    ] {
        assert_eq!(text.parse(), expect);
        assert_eq!(expect.unwrap().to_string(), text);
    }
    for text in [
        "",
        ":",
        "80",
        "::1:80",
        "[::1]",
        "[::1:80",
        "[]:80",
        "[a]:80",
        "a b:80",
        ":65536",
        ":+80",
        "http://a:80",
    ] {
        assert!(text.parse::<ListenAddress>().is_err(), "{text:?}");
    }
}

#[test]
fn telemetry_paths() {
    for text in ["/metrics", "/a/b", "/apis", "/-x", "/m.txt"] {
        assert!(telemetry_path(text).is_ok(), "{text:?}");
    }
    for text in [
        "",
        "/",
        "metrics",
        "/metrics/",
        "//",
        "/a//b",
        "/-",
        "/-/ready",
        "/api",
        "/api/v1",
        "/{a}",
        "/*a",
        "/a?b",
        "/a b",
    ] {
        assert!(telemetry_path(text).is_err(), "{text:?}");
    }
}
