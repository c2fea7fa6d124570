//! The program: arguments, configuration, run, exit code.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use bingo_exporter::cli::{self, Cli, Exit};
use bingo_exporter::config::Config;
use bingo_exporter::demo::Stage;
use bingo_exporter::model::Model;
use bingo_exporter::{log, run};

fn main() -> ExitCode {
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(exit) => {
            let message = exit.message.as_bytes();
            // Nobody is left to tell that nobody listens.
            let _ = if exit.to_stdout {
                io::stdout().write_all(message)
            } else {
                io::stderr().write_all(message)
            };
            ExitCode::from(exit.code)
        }
    }
}

fn start() -> Result<(), Exit> {
    let mut cli = cli::parse(std::env::args_os(), |name| std::env::var_os(name))?;
    let mut config = Config::load(cli.config_file.as_deref(), &cli.overrides())?;
    let printed = cli.config_print.then(|| config.to_yaml());
    if let Some(message) = printed {
        compile(&cli, config)?;
        return Err(Exit {
            code: 0,
            message,
            to_stdout: true,
        });
    }
    if let Some(generate) = &cli.generate {
        // Rules for what cannot run are of no use.
        Model::new(config.clone()).map_err(|error| exit(2, &error))?;
        let message = generate.run(&config).map_err(|error| exit(1, &error))?;
        return Err(Exit {
            code: 0,
            message,
            to_stdout: true,
        });
    }
    let stage = cli.demo.as_ref().map(Stage::new).transpose();
    let stage = stage.map_err(|error| exit(1, &error))?;
    if let Some(stage) = &stage {
        stage
            .take_over(&mut cli, &mut config)
            .map_err(|error| exit(1, &error))?;
    }
    let model = compile(&cli, config)?;
    log::init(cli.log_level.into(), cli.log_format).map_err(|error| exit(1, &error.into()))?;
    run::run(&cli, Arc::new(model), stage).map_err(|error| exit(1, &error))
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
