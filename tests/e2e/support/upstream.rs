//! A node behind the proxy, in the test's own process. It answers what each request asks for in the header
//! `X-Answer`, counts its answers, and can die in mid-load.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, RwLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::clock::DEADLINE;
use super::ports::free_port;

/// The name of the header that says what to answer: `STATUS DELAY_MS BODY_BYTES`, or `hang` for no answer at
/// all. Without it: 200 at once with a short body.
pub(crate) const ANSWER: &str = "X-Answer";

/// The name of the header that holds a request's number, for those that hang.
pub(crate) const ID: &str = "X-Id";

pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    /// Held for reading while an answer is written, so that death never cuts one in two: what was counted as
    /// answered has reached the proxy whole.
    dead: RwLock<bool>,
    state: Mutex<State>,
    /// Notified at death, for those that are about to answer late.
    died: Condvar,
    board: Arc<Board>,
}

#[derive(Default)]
struct State {
    connections: HashMap<u64, TcpStream>,
    answers: BTreeMap<String, u64>,
}

/// Which hanging requests have reached a node, and which have been dropped by the proxy. Shared by all nodes,
/// since the client cannot know to which its request goes.
#[derive(Default)]
pub(crate) struct Board {
    seen: Mutex<Sightings>,
    changed: Condvar,
}

#[derive(Default)]
struct Sightings {
    arrived: HashSet<u64>,
    dropped: HashSet<u64>,
}

/// What a request asked for.
struct Asked {
    id: Option<u64>,
    answer: Answer,
    head: bool,
}

enum Answer {
    Reply {
        status: u16,
        delay: Duration,
        size: usize,
    },
    Hang,
}

impl Upstream {
    pub(crate) fn start(board: &Arc<Board>) -> Self {
        let listener = bind();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            dead: RwLock::new(false),
            state: Mutex::default(),
            died: Condvar::new(),
            board: Arc::clone(board),
        });
        let accepting = thread::spawn({
            let shared = Arc::clone(&shared);
            move || accept(&listener, &shared)
        });
        Self {
            address,
            shared,
            accepting: Some(accepting),
        }
    }

    /// How many requests it answered, by status; those it let hang until the proxy went away as `hung`.
    pub(crate) fn answers(&self) -> BTreeMap<String, u64> {
        self.shared.state().answers.clone()
    }

    /// Dies: from here on it accepts nothing, answers nothing, and all its connections are closed.
    pub(crate) fn kill(&mut self) {
        let Some(accepting) = self.accepting.take() else {
            return;
        };
        *self.shared.dead.write().unwrap() = true;
        // The listener sees that it is dead when it next accepts.
        let _ = TcpStream::connect(self.address);
        accepting.join().unwrap();
        for (_, connection) in self.shared.state().connections.drain() {
            // Those that are closed already need no closing.
            let _ = connection.shutdown(Shutdown::Both);
        }
        self.shared.died.notify_all();
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Board {
    /// Waits until a node holds the request.
    #[track_caller]
    pub(crate) fn wait_arrived(&self, id: u64) {
        self.wait(
            |seen| seen.arrived.contains(&id),
            &format!("request {id} at a node"),
        );
    }

    /// Waits until the proxy has given the request up.
    #[track_caller]
    pub(crate) fn wait_dropped(&self, id: u64) {
        self.wait(
            |seen| seen.dropped.contains(&id),
            &format!("request {id} dropped by the proxy"),
        );
    }

    #[track_caller]
    fn wait(&self, is_there: impl Fn(&Sightings) -> bool, what: &str) {
        let seen = self.seen.lock().unwrap();
        let (_seen, result) = self
            .changed
            .wait_timeout_while(seen, DEADLINE, |seen| !is_there(seen))
            .unwrap();
        assert!(!result.timed_out(), "waited {DEADLINE:?} in vain: {what}");
    }

    fn note(&self, id: Option<u64>, list: impl Fn(&mut Sightings) -> &mut HashSet<u64>) {
        if let Some(id) = id {
            list(&mut self.seen.lock().unwrap()).insert(id);
            self.changed.notify_all();
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn serve(&self, mut stream: TcpStream) {
        // The proxy may go away at any point, and so may this node: then there is nothing to count.
        let Ok(asked) = read_request(&stream) else { return };
        match asked.answer {
            Answer::Reply { status, delay, size } => {
                let body = if asked.head { 0 } else { size };
                if self.outlived(delay) && self.write(&mut stream, status, size, body).is_ok() {
                    *self.state().answers.entry(status.to_string()).or_insert(0) += 1;
                }
            }
            Answer::Hang => {
                self.board.note(asked.id, |seen| &mut seen.arrived);
                let _ = stream.read(&mut [0]);
                *self.state().answers.entry("hung".to_owned()).or_insert(0) += 1;
                self.board.note(asked.id, |seen| &mut seen.dropped);
            }
        }
    }

    /// Lets time pass; false if this node died meanwhile.
    fn outlived(&self, delay: Duration) -> bool {
        let is_alive = |_: &mut State| !*self.dead.read().unwrap();
        let waited = self
            .died
            .wait_timeout_while(self.state(), delay, is_alive)
            .unwrap();
        waited.1.timed_out()
    }

    fn write(&self, stream: &mut TcpStream, status: u16, length: usize, body: usize) -> io::Result<()> {
        let dead = self.dead.read().unwrap();
        if *dead {
            return Err(ErrorKind::ConnectionAborted.into());
        }
        let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
        let mut bytes = head.into_bytes();
        bytes.resize(bytes.len() + body, b'x');
        stream.write_all(&bytes)
    }
}

fn bind() -> TcpListener {
    // Another program may take the port first; a second one will hardly.
    (0..10)
        .find_map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, free_port())).ok())
        .expect("a free port")
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for number in 0.. {
        let stream = listener.accept().unwrap().0;
        let copy = stream.try_clone().unwrap();
        shared.state().connections.insert(number, copy);
        if *shared.dead.read().unwrap() {
            return;
        }
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            shared.serve(stream);
            shared.state().connections.remove(&number);
        });
    }
}

fn read_request(stream: &TcpStream) -> io::Result<Asked> {
    let mut reader = BufReader::new(stream);
    let mut asked = Asked {
        id: None,
        answer: Answer::Reply {
            status: 200,
            delay: Duration::ZERO,
            size: 4,
        },
        head: false,
    };
    let mut body = 0;
    let mut line = String::new();
    reader.read_line(&mut line)?;
    asked.head = line.starts_with("HEAD ");
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        // Some proxies write names in small letters.
        match name {
            _ if name.eq_ignore_ascii_case(ANSWER) => {
                asked.answer = read_answer(value).ok_or(ErrorKind::InvalidData)?
            }
            _ if name.eq_ignore_ascii_case(ID) => asked.id = value.parse().ok(),
            _ if name.eq_ignore_ascii_case("content-length") => body = value.parse().unwrap_or(0),
            _ => {}
        }
    }
    io::copy(&mut reader.take(body), &mut io::sink())?;
    Ok(asked)
}

fn read_answer(text: &str) -> Option<Answer> {
    if text == "hang" {
        return Some(Answer::Hang);
    }
    let mut numbers = text.split(' ').map(|number| number.parse::<u32>().ok());
    let status = u16::try_from(numbers.next()??).ok()?;
    let delay = Duration::from_millis(u64::from(numbers.next()??));
    let size = usize::try_from(numbers.next()??).ok()?;
    Some(Answer::Reply { status, delay, size })
}
