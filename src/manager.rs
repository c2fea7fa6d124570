//! What the service manager is told (systemd's `sd_notify` protocol) and hands us: readiness, a line for
//! `systemctl status`, signs of life, sockets. Without a manager all of it is nothing.

use std::convert::Infallible;
use std::net::TcpListener;
use std::time::Duration;

use anyhow::{Context as _, Result};
use listenfd::ListenFd;
use sd_notify::NotifyState;
use tracing::debug;

use crate::ingest::Handle;
use crate::source::Snapshot;
use crate::tail::FileState;

/// How often the line for `systemctl status` is renewed.
const EVERY: Duration = Duration::from_secs(10);

/// Signs of life within the watchdog's time: one may be late, or a pass slow, without alarm.
const BEATS: u32 = 3;

/// Tells that we serve. Reading what is on disk may take longer than a manager waits for a start, and until it is
/// done every answer says so itself.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// Tells that the end has begun.
pub fn stopping() {
    tell(&[
        NotifyState::Stopping,
        NotifyState::Status("reading to the current end of the logs"),
    ]);
}

/// Tells how things stand, for ever; and that we live, whenever each source has finished a pass since that was last
/// told. Belongs on the thread that serves HTTP, so that a hang of either is silence, and the manager starts us anew.
pub async fn report(sources: &[Handle]) -> Infallible {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return std::future::pending().await;
    }
    let watchdog = sd_notify::watchdog_enabled();
    let every = watchdog.map_or(EVERY, |limit| EVERY.min(limit / BEATS));
    let mut beat = tokio::time::interval(every.max(Duration::from_millis(1)));
    let mut told: Vec<Duration> = vec![Duration::ZERO; sources.len()];
    loop {
        beat.tick().await;
        let snapshots: Vec<_> = sources.iter().map(Handle::snapshot).collect();
        let passes: Vec<_> = snapshots.iter().map(|source| source.now.elapsed).collect();
        let status = status(snapshots.iter().map(AsRef::as_ref));
        let mut states = vec![NotifyState::Status(&status)];
        if watchdog.is_some() && all_advanced(&told, &passes) {
            states.push(NotifyState::Watchdog);
            told = passes;
            // Who has nothing to look at for long answers by the next beat.
            sources.iter().for_each(Handle::nudge);
        }
        tell(&states);
    }
}

/// The listening sockets a manager handed over (`LISTEN_FDS`); none if it did not.
///
/// # Errors
/// One of them is no TCP socket.
pub fn listeners() -> Result<Vec<TcpListener>> {
    let mut handed = ListenFd::from_env();
    let mut listeners = vec![];
    for at in 0..handed.len() {
        let listener = handed.take_tcp_listener(at).context(
            "a socket handed over by the service manager is no TCP socket: \
             in the .socket unit, ListenStream= takes a port or an address with a port",
        )?;
        listeners.extend(listener);
    }
    Ok(listeners)
}

fn all_advanced(before: &[Duration], now: &[Duration]) -> bool {
    before.iter().zip(now).all(|(before, now)| now > before)
}

/// One line for a person.
fn status<'a>(sources: impl Iterator<Item = &'a Snapshot>) -> String {
    let (mut catching_up, mut following, mut unreadable) = (false, 0, 0);
    for source in sources {
        catching_up |= source.catching_up;
        let count = |state| source.files.iter().filter(|file| file.state == state).count();
        following += count(FileState::Following);
        unreadable += count(FileState::Unreadable);
    }
    let mut line = format!(
        "following {following} file{}",
        if following == 1 { "" } else { "s" }
    );
    if unreadable > 0 {
        line += &format!(", {unreadable} cannot be read: the log and the page tell why");
    }
    if catching_up {
        line += ", catching up with what was on disk at the start";
    }
    line
}

fn tell(states: &[NotifyState<'_>]) {
    // Nothing depends on it but the manager, and that acts on silence by itself.
    if let Err(error) = sd_notify::notify(states) {
        debug!(%error, "cannot tell the service manager");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_of_life_needs_a_pass_of_each_source() {
        let seconds = |all: &[u64]| all.iter().map(|s| Duration::from_secs(*s)).collect::<Vec<_>>();
        let check = |before: &[u64], now: &[u64], expect| {
            assert_eq!(
                all_advanced(&seconds(before), &seconds(now)),
                expect,
                "{before:?} {now:?}"
            );
        };
        check(&[1, 1], &[2, 3], true);
        check(&[1, 1], &[2, 1], false);
        check(&[1, 1], &[1, 1], false);
        check(&[], &[], true);
    }
}
