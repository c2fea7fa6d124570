//! Writes the manual page and the shell completions into a directory: `cargo run --example manual -- DIR`. A program
//! of its own, so that the exporter ships without the code that writes them.

use std::path::PathBuf;
use std::{env, fs, io};

use bingo_exporter::cli;
use clap_complete::aot::{Bash, Fish, Generator, Zsh, generate_to};

fn main() -> io::Result<()> {
    let directory = env::args_os().nth(1).map(PathBuf::from);
    let directory = directory.ok_or_else(|| io::Error::other("usage: manual DIR"))?;
    fs::create_dir_all(&directory)?;
    let mut page = vec![];
    clap_mangen::Man::new(cli::reference())
        .manual("User Commands")
        .render(&mut page)?;
    fs::write(directory.join("bingo-exporter.1"), page)?;
    completions(Bash, &directory)?;
    completions(Fish, &directory)?;
    completions(Zsh, &directory)
}

fn completions(shell: impl Generator, directory: &PathBuf) -> io::Result<()> {
    let mut command = cli::reference();
    generate_to(shell, &mut command, "bingo-exporter", directory).map(drop)
}
