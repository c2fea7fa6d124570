//! Lines of bingo's own log: one JSON object each, keys in bingo's order, the same constants in every line.
//!
//! What is known of them and what is a guess stands with each part. The environment is in every line, as bingo
//! writes it: whoever reads such a log holds its secrets.

use std::fmt::Write;

use serde_json::Value;

use super::limiter::QUOTA;
use super::stamp;
use crate::record::{Method, UnixMillis};

/// The release of bingo whose lines these are.
pub const VERSION: &str = "20231121T1537";

/// What a process writes about itself into every line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Path of the log.
    pub log_path: String,
    /// `NAME=value`, the whole environment.
    pub env: Vec<String>,
    /// The host's name.
    pub hostname: String,
    /// User and group of the process.
    pub user: (u32, u32),
    /// The process and its parent.
    pub process: (u32, u32),
    /// Processors it may use.
    pub processors: usize,
    /// What its clock is ahead of UTC; 0 is written as `Z`.
    pub offset_minutes: i32,
}

/// Writes the lines of one process.
#[derive(Debug, Clone)]
pub struct MainLog {
    constants: String,
    offset_minutes: i32,
}

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// A message with no fields of its own, or with the quota's.
    Message(Message),
    /// `request completed`.
    Request {
        /// As the client sent it.
        method: Method,
        /// Without the query.
        path: String,
        /// Answered with this.
        code: u16,
        /// Took so long.
        nanos: u64,
    },
}

/// The messages, but for a request's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Message {
    /// `Prepare app.`, the first of a process.
    PrepareApp,
    /// `Init app.`
    InitApp,
    /// `Create core.`
    CreateCore,
    /// `Init core.`
    InitCore,
    /// `Run initialization request.`
    RunInitializationRequest,
    /// `Failed initialization request.`
    FailedInitializationRequest,
    /// `Core initialization finished.`
    CoreInitializationFinished,
    /// `Init routes.`
    InitRoutes,
    /// `Init middlewares.`
    InitMiddlewares,
    /// `Run server.`: from here on it answers.
    RunServer,
    /// `Shutdown server.`, the last of a graceful end. A death writes nothing.
    ShutdownServer,
    /// `Started updating nodes.`
    StartedUpdatingNodes,
    /// `Node is alive.`: a database host.
    NodeIsAlive,
    /// `Notified all waiters.`
    NotifiedAllWaiters,
    /// `I am alive.`
    AmAlive,
    /// ``I`m fine.``, with a back-tick.
    AmFine,
    /// `Quota updated.`, twenty times a second.
    QuotaUpdated,
    /// `Too many requests`
    TooManyRequests,
}

impl Message {
    /// From the first line of a process up to the request that may take half a minute.
    pub const BEFORE_INITIALIZATION: [Self; 5] = [
        Self::PrepareApp,
        Self::InitApp,
        Self::CreateCore,
        Self::InitCore,
        Self::RunInitializationRequest,
    ];

    /// After that request.
    pub const AFTER_INITIALIZATION: [Self; 4] = [
        Self::CoreInitializationFinished,
        Self::InitRoutes,
        Self::InitMiddlewares,
        Self::RunServer,
    ];

    /// About every five seconds for each database host.
    pub const NODES_UPDATE: [Self; 4] = [
        Self::StartedUpdatingNodes,
        Self::NodeIsAlive,
        Self::StartedUpdatingNodes,
        Self::NotifiedAllWaiters,
    ];

    /// Its level, the place in the code, its text. The texts are known, as are the places of the quota and of the
    /// heartbeats; other places and all levels but `debug` are guesses.
    pub const fn parts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::PrepareApp => ("debug", "app/app.go:31", "Prepare app."),
            Self::InitApp => ("debug", "app/app.go:44", "Init app."),
            Self::CreateCore => ("debug", "app/app.go:52", "Create core."),
            Self::InitCore => ("debug", "core/core.go:37", "Init core."),
            Self::RunInitializationRequest => ("debug", "core/core.go:45", "Run initialization request."),
            Self::FailedInitializationRequest => {
                ("error", "core/core.go:49", "Failed initialization request.")
            }
            Self::CoreInitializationFinished => ("debug", "core/core.go:54", "Core initialization finished."),
            Self::InitRoutes => ("debug", "app/routes.go:17", "Init routes."),
            Self::InitMiddlewares => ("debug", "app/middlewares.go:21", "Init middlewares."),
            Self::RunServer => ("info", "app/app.go:78", "Run server."),
            Self::ShutdownServer => ("info", "app/app.go:96", "Shutdown server."),
            Self::StartedUpdatingNodes => ("debug", "core/storage.go:58", "Started updating nodes."),
            Self::NodeIsAlive => ("debug", "core/storage.go:66", "Node is alive."),
            Self::NotifiedAllWaiters => ("debug", "core/storage.go:73", "Notified all waiters."),
            Self::AmAlive => ("debug", "core/core.go:60", "I am alive."),
            Self::AmFine => ("debug", "app/misc.go:43", "I`m fine."),
            Self::QuotaUpdated => ("debug", "app/rps_limiter.go:19", "Quota updated."),
            Self::TooManyRequests => ("error", "app/rps_limiter.go:38", "Too many requests"),
        }
    }
}

impl Said {
    /// The text under `msg`.
    pub const fn msg(&self) -> &'static str {
        self.parts().2
    }

    const fn parts(&self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Message(message) => message.parts(),
            Self::Request { .. } => ("info", "app/middlewares.go:47", "request completed"),
        }
    }
}

impl MainLog {
    /// A writer for one process.
    pub fn new(identity: &Identity) -> Self {
        let env: Value = identity.env.iter().map(String::as_str).collect();
        let (uid, gid) = identity.user;
        let (pid, ppid) = identity.process;
        let constants = format!(
            "\"app_name\":\"bingo\",\"app_version\":\"{VERSION}\",\"log_path\":{},\"os_env\":{env},\"os_gid\":{gid},\
             \"os_hostname\":{},\"os_pagesize\":4096,\"os_pid\":{pid},\"os_ppid\":{ppid},\"os_uid\":{uid},\
             \"runtime_compiler\":\"gc\",\"runtime_goarch\":\"amd64\",\"runtime_goos\":\"linux\",\
             \"runtime_numCPU\":{},\"runtime_version\":\"go1.21.4\"",
            Value::from(identity.log_path.as_str()),
            Value::from(identity.hostname.as_str()),
            identity.processors,
        );
        Self {
            constants,
            offset_minutes: identity.offset_minutes,
        }
    }

    /// The line, with its end.
    pub fn line(&self, time: UnixMillis, said: &Said) -> String {
        let (level, caller, msg) = said.parts();
        let timestamp = stamp::zap(time, self.offset_minutes);
        let mut line = format!(
            "{{\"level\":\"{level}\",\"timestamp\":\"{timestamp}\",\"caller\":\"{caller}\",\"msg\":\"{msg}\",{}",
            self.constants
        );
        // Writing to a String cannot fail.
        let _ = match said {
            Said::Message(Message::QuotaUpdated) => write!(line, ",\"quota\":{QUOTA}"),
            Said::Message(_) => Ok(()),
            // `url_path` and `event_duration` are known; method, status and the unit are guesses.
            Said::Request {
                method,
                path,
                code,
                nanos,
            } => write!(
                line,
                ",\"http_request_method\":\"{method}\",\"url_path\":{},\"http_response_status_code\":{code},\
                 \"event_duration\":{nanos}",
                Value::from(path.as_str())
            ),
        };
        line.push_str("}\n");
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(offset_minutes: i32) -> MainLog {
        MainLog::new(&Identity {
            log_path: "/opt/bongo/logs/c457cc00f8/main.log".to_owned(),
            env: [
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "HOSTNAME=9980c86b2fed",
                "HOME=/home/bingo",
            ]
            .map(str::to_owned)
            .into(),
            hostname: "9980c86b2fed".to_owned(),
            user: (1000, 1000),
            process: (1, 0),
            processors: 2,
            offset_minutes,
        })
    }

    #[test]
    fn the_quota_s_line_is_the_one_seen_in_the_field() {
        let seen = concat!(
            r#"{"level":"debug","timestamp":"2023-12-02T11:16:47.381Z","caller":"app/rps_limiter.go:19","#,
            r#""msg":"Quota updated.","app_name":"bingo","app_version":"20231121T1537","#,
            r#""log_path":"/opt/bongo/logs/c457cc00f8/main.log","#,
            r#""os_env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin","#,
            r#""HOSTNAME=9980c86b2fed","HOME=/home/bingo"],"os_gid":1000,"os_hostname":"9980c86b2fed","#,
            r#""os_pagesize":4096,"os_pid":1,"os_ppid":0,"os_uid":1000,"runtime_compiler":"gc","#,
            r#""runtime_goarch":"amd64","runtime_goos":"linux","runtime_numCPU":2,"#,
            r#""runtime_version":"go1.21.4","quota":5}"#,
            "\n"
        );
        assert_eq!(
            log(0).line(1_701_515_807_381, &Said::Message(Message::QuotaUpdated)),
            seen
        );
    }

    #[test]
    fn heartbeats_and_requests() {
        let line = log(300).line(1_701_515_791_036, &Said::Message(Message::AmFine));
        assert!(
            line.starts_with(
                r#"{"level":"debug","timestamp":"2023-12-02T16:16:31.036+0500","caller":"app/misc.go:43","msg":"I`m fine.","app_name":"bingo""#
            ),
            "{line}"
        );
        assert!(line.ends_with("\"runtime_version\":\"go1.21.4\"}\n"), "{line}");
        let request = Said::Request {
            method: Method::Get,
            path: "/a\"b".to_owned(),
            code: 200,
            nanos: 1_500_000,
        };
        assert_eq!(request.msg(), "request completed");
        let line = log(0).line(0, &request);
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            (&value["url_path"], &value["event_duration"]),
            (&"/a\"b".into(), &1_500_000.into())
        );
    }
}
