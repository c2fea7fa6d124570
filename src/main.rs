//! The program: arguments, configuration, run, exit code.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use bingo_exporter::cli::{self, Check, Cli, Exit, Task};
use bingo_exporter::clock::Clock;
use bingo_exporter::config::Config;
use bingo_exporter::demo::Stage;
use bingo_exporter::model::Model;
use bingo_exporter::{check, log, readiness, run};

fn main() -> ExitCode {
    let code = match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(exit) => {
            let message = exit.message.as_bytes();
            if exit.to_stdout {
                // Nobody is left to tell that nobody listens.
                let _ = io::stdout().write_all(message);
            } else {
                log::write(message);
            }
            ExitCode::from(exit.code)
        }
    };
    log::flush();
    code
}

fn start() -> Result<(), Exit> {
    let mut cli = cli::parse(std::env::args_os(), |name| std::env::var_os(name))?;
    if cli.task == Task::Health {
        return Err(done(
            &readiness::ask(&cli.listen_addresses).map_err(|error| exit(1, &error))?,
        ));
    }
    let mut config = Config::load(cli.config_file.as_deref(), &cli.overrides())?;
    let printed = cli.config_print.then(|| config.to_yaml());
    if let Some(message) = printed {
        compile(&cli, config)?;
        return Err(done(message.trim_end()));
    }
    if let Task::Generate(generate) = &cli.task {
        // Rules for what cannot run are of no use.
        compile(&cli, config.clone())?;
        let message = generate.run(&config).map_err(|error| exit(1, &error))?;
        return Err(Exit {
            code: 0,
            message,
            to_stdout: true,
        });
    }
    if let Task::Check(check) = &cli.task {
        return checked(&cli, check, config);
    }
    let stage = cli.demo().map(Stage::new).transpose();
    let stage = stage.map_err(|error| exit(1, &error))?;
    if let Some(stage) = &stage {
        stage
            .take_over(&mut cli, &mut config)
            .map_err(|error| exit(1, &error))?;
    }
    let model = compile(&cli, config)?;
    log::init(cli.log_level.into(), cli.log_format).map_err(|error| exit(1, &error))?;
    run::run(&cli, model, stage).map_err(|error| exit(1, &error))
}

/// Prints what there is to say about the logs.
fn checked(cli: &Cli, options: &Check, config: Config) -> Result<(), Exit> {
    let model = compile(cli, config)?;
    let file = cli.config_file.as_ref().map(|file| file.display().to_string());
    let file = file.unwrap_or_else(|| "built-in profile".to_owned());
    let report = check::check(&model, file, Clock::start().now().unix);
    let colours =
        io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let message = if options.json {
        serde_json::to_string_pretty(&report).map_err(|error| exit(1, &error.into()))? + "\n"
    } else {
        check::text::render(&report, colours)
    };
    Err(Exit {
        code: u8::from(!report.ok),
        message,
        to_stdout: true,
    })
}

/// All is said and done.
fn done(message: &str) -> Exit {
    Exit {
        code: 0,
        message: format!("{message}\n"),
        to_stdout: true,
    }
}

fn compile(cli: &Cli, config: Config) -> Result<Model, Exit> {
    let refused = |error| Config::refused(cli.config_file.as_deref(), &error);
    Ok(Model::new(config).map_err(refused)?)
}

fn exit(code: u8, error: &anyhow::Error) -> Exit {
    Exit {
        code,
        message: format!("bingo-exporter: {error:#}\n"),
        to_stdout: false,
    }
}
