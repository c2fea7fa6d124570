//! Debian's nginx, as an operator would run it, all its files in a directory of the test's.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;

use super::clock::{DEADLINE, wait_for};
use super::logrotate::Logrotate;
use super::ports::free_port;
use super::process::{Process, program};

pub(crate) struct Nginx {
    pub(crate) address: SocketAddr,
    process: Process,
    dir: TempDir,
}

impl Nginx {
    /// Starts it with the `http` block that is made for a port to listen on and a directory for its files
    /// (logs, caches), and waits until it accepts connections.
    ///
    /// # Panics
    /// If it does not start.
    #[track_caller]
    pub(crate) fn start(http: impl Fn(u16, &Path) -> String) -> Self {
        let dir = TempDir::new().unwrap();
        // Another program may take the port between the choice and nginx's bind.
        let Some((process, address)) = (0..5).find_map(|_| Self::try_start(&dir, &http)) else {
            panic!(
                "nginx did not start: {}",
                fs::read_to_string(dir.path().join("error.log")).unwrap_or_default()
            );
        };
        Self {
            address,
            process,
            dir,
        }
    }

    fn try_start(dir: &TempDir, http: &impl Fn(u16, &Path) -> String) -> Option<(Process, SocketAddr)> {
        let port = free_port();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        fs::write(
            dir.path().join("nginx.conf"),
            configuration(dir.path(), &http(port, dir.path())),
        )
        .unwrap();
        let mut process = Process::start(&mut command(dir.path()), "nginx-light");
        let accepts = wait_for("nginx to accept connections", DEADLINE, || {
            let ended = process.ended().is_some();
            (ended || TcpStream::connect(address).is_ok()).then_some(!ended)
        });
        accepts.then_some((process, address))
    }

    /// A file in its directory.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The id of the process that takes signals.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Stops it once all requests are finished: afterwards everything is in its logs.
    #[track_caller]
    pub(crate) fn quit(&mut self) {
        self.process.signal(Signal::QUIT);
        assert_eq!(self.process.wait(), Some(0), "{}", self.errors());
    }

    /// Its error log.
    pub(crate) fn errors(&self) -> String {
        fs::read_to_string(self.file("error.log")).unwrap_or_default()
    }
}

fn command(dir: &Path) -> Command {
    let mut command = program("nginx");
    let error_log = dir.join("error.log");
    command
        .arg("-p")
        .arg(dir)
        .arg("-c")
        .arg(dir.join("nginx.conf"))
        .arg("-e")
        .arg(error_log);
    command
}

fn configuration(dir: &Path, http: &str) -> String {
    // Workers must reach the test's directory, which is closed to others.
    let user = if rustix::process::getuid().is_root() {
        "user root;"
    } else {
        ""
    };
    let dir = dir.display();
    format!(
        "daemon off; {user} worker_processes 2; pid {dir}/nginx.pid; error_log {dir}/error.log notice;
         events {{ worker_connections 1024; }}
         http {{
             client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;
             uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
             {http}
         }}"
    )
}

/// Runs logrotate on a file of nginx's, the way Debian's package does: rename, create, ask for reopening.
#[track_caller]
pub(crate) fn logrotate(nginx: &Nginx, log: &Path) {
    let postrotate = format!("kill -USR1 {}", nginx.id());
    Logrotate::new(nginx.dir.path(), log, &["create", "nocompress"], &postrotate).force();
}
