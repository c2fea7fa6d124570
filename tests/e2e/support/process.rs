//! A child program that does not outlive its test and whose words are shown when the test fails.

use std::env;
use std::io;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{ioctl_fionread, read, retry_on_intr};
use rustix::process::{Pid, Signal, kill_process};

use super::clock::{DEADLINE, POLL, pause, wait_for};

/// A running program. Ended when dropped; if its test is failing then, what it said is printed.
pub(crate) struct Process {
    name: String,
    child: Child,
    said: Arc<Said>,
    /// Where stdout and stderr come from.
    pipes: [OwnedFd; 2],
    drains: Vec<JoinHandle<()>>,
}

/// Stdout and stderr so far, line by line as they came.
#[derive(Default)]
struct Said {
    words: Mutex<Words>,
    more: Condvar,
}

#[derive(Default)]
struct Words {
    text: String,
    /// How many of the two have come to their end.
    ended: usize,
}

impl Process {
    /// Starts a program; `package` is what to install where it is missing.
    ///
    /// # Panics
    /// If it cannot be started.
    #[track_caller]
    pub(crate) fn start(command: &mut Command, package: &str) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}", cannot_start(&name, package, &error)));
        let said = Arc::new(Said::default());
        let pipes: [OwnedFd; 2] = [
            child.stdout.take().unwrap().into(),
            child.stderr.take().unwrap().into(),
        ];
        let drains = pipes.iter().map(|pipe| drain(pipe, Arc::clone(&said))).collect();
        Self {
            name,
            child,
            said,
            pipes,
            drains,
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has said until now, and nothing less.
    pub(crate) fn said(&self) -> String {
        let is_unheard = |pipe| ioctl_fionread(pipe).is_ok_and(|bytes| bytes > 0);
        let words = self.said.words.lock().unwrap();
        let heard = self
            .said
            .more
            .wait_timeout_while(words, DEADLINE, |_| self.pipes.iter().any(is_unheard));
        heard.unwrap().0.text.clone()
    }

    /// Waits until it has said something, and hears it at once.
    ///
    /// # Panics
    /// If it ends first or takes too long.
    #[track_caller]
    pub(crate) fn wait_said<T>(&self, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        let is_silent = |words: &mut Words| words.ended < 2 && find(&words.text).is_none();
        let words = self.said.words.lock().unwrap();
        let words = self
            .said
            .more
            .wait_timeout_while(words, DEADLINE, is_silent)
            .unwrap()
            .0;
        let found = find(&words.text);
        // A panic must not poison what is printed because of it.
        drop(words);
        found.unwrap_or_else(|| panic!("waited for {} in vain: {what}", self.name))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for its end; afterwards [`Process::said`] is complete. The exit code, `None` if a signal ended it.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> Option<i32> {
        let what = format!("the end of {}", self.name);
        let status = wait_for(&what, DEADLINE, || self.ended());
        for drain in self.drains.drain(..) {
            drain.join().unwrap();
        }
        status.code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
        if thread::panicking() {
            for drain in self.drains.drain(..) {
                let _ = drain.join();
            }
            eprintln!("---- {} said:\n{}----", self.name, self.said());
        }
    }
}

impl Process {
    /// Asks first: nginx, when it is killed, leaves its workers behind.
    fn end(&mut self) {
        for _ in 0..500 {
            match self.child.try_wait() {
                Ok(None) => self.signal(Signal::TERM),
                _ => return,
            }
            pause(POLL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program of Debian's, some of which are where only root's shell looks.
pub(crate) fn program(name: &str) -> Command {
    let mut command = Command::new(name);
    command.env(
        "PATH",
        format!("{}:/usr/sbin:/sbin", env::var("PATH").unwrap_or_default()),
    );
    command
}

/// Runs a program to its end.
///
/// # Panics
/// If it cannot be started.
#[track_caller]
pub(crate) fn run(command: &mut Command, package: &str) -> std::process::Output {
    let name = command.get_program().to_string_lossy().into_owned();
    command
        .output()
        .unwrap_or_else(|error| panic!("{}", cannot_start(&name, package, &error)))
}

fn cannot_start(name: &str, package: &str, error: &io::Error) -> String {
    format!("failed to start {name}: {error}: install {package}, or run `make setup`")
}

fn drain(pipe: &OwnedFd, said: Arc<Said>) -> JoinHandle<()> {
    let pipe = pipe.try_clone().unwrap();
    thread::spawn(move || {
        let (mut chunk, mut rest) = ([0; 4096], vec![]);
        loop {
            // What is there is read under the lock: nothing is on its way from the pipe to the words while these are looked at.
            let _ = retry_on_intr(|| poll(&mut [PollFd::new(&pipe, PollFlags::IN)], None));
            let mut words = said.words.lock().unwrap();
            let new = retry_on_intr(|| read(&pipe, &mut chunk)).unwrap_or(0);
            rest.extend_from_slice(&chunk[..new]);
            let newline = rest.iter().rposition(|byte| *byte == b'\n');
            let end = if new == 0 {
                rest.len()
            } else {
                newline.map_or(0, |at| at + 1)
            };
            words.text.push_str(&String::from_utf8_lossy(&rest[..end]));
            rest.drain(..end);
            words.ended += usize::from(new == 0);
            said.more.notify_all();
            if new == 0 {
                return;
            }
        }
    })
}
