//! A small blocking HTTP/1 client: it sends the bytes it is given and reads one answer.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::clock::DEADLINE;

/// One connection, kept alive as long as the server keeps it.
pub(crate) struct Connection(BufReader<TcpStream>);

/// An answer, or as much of it as came.
#[derive(Debug, Default)]
pub(crate) struct Response {
    /// 0 where the server sent no status line (HTTP/0.9, or nothing at all).
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether the server said it closes the connection.
    pub(crate) fn closes(&self) -> bool {
        self.header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }

    /// # Panics
    /// If the body is not UTF-8.
    #[track_caller]
    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, DEADLINE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        Ok(Self(BufReader::new(stream)))
    }

    pub(crate) fn send(&mut self, request: &[u8]) -> io::Result<()> {
        self.0.get_mut().write_all(request)
    }

    /// Says that no more will be sent; the answer can still be read.
    pub(crate) fn finish_sending(&self) -> io::Result<()> {
        self.0.get_ref().shutdown(std::net::Shutdown::Write)
    }

    /// Reads the answer to a request that was sent; `head` if it was a HEAD, whose answer has no body.
    pub(crate) fn receive(&mut self, head: bool) -> io::Result<Response> {
        let (status, headers) = self.receive_head()?;
        let mut response = Response {
            status,
            headers,
            body: vec![],
        };
        if head || matches!(status, 100..200 | 204 | 304) {
            return Ok(response);
        }
        if response
            .header("transfer-encoding")
            .is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
        {
            response.body = self.receive_chunks()?;
        } else if let Some(length) = response.header("content-length") {
            response.body = vec![0; length.parse().map_err(|_| malformed("content-length"))?];
            self.0.read_exact(&mut response.body)?;
        } else {
            self.0.read_to_end(&mut response.body)?;
        }
        Ok(response)
    }

    /// Reads until the server closes the connection, for requests that may get no proper answer.
    pub(crate) fn receive_rest(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![];
        self.0.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn receive_head(&mut self) -> io::Result<(u16, Vec<(String, String)>)> {
        let first = self.receive_line()?;
        let status = first.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| malformed(&format!("status line {first:?}")))?;
        let mut headers = vec![];
        loop {
            let line = self.receive_line()?;
            if line.is_empty() {
                return Ok((status, headers));
            }
            let (name, value) = line.split_once(':').ok_or_else(|| malformed("header"))?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    fn receive_chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = vec![];
        loop {
            let size =
                usize::from_str_radix(&self.receive_line()?, 16).map_err(|_| malformed("chunk size"))?;
            let begin = body.len();
            body.resize(begin + size, 0);
            self.0.read_exact(&mut body[begin..])?;
            self.receive_line()?;
            if size == 0 {
                return Ok(body);
            }
        }
    }

    fn receive_line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }
}

/// One request without a body on a connection of its own.
///
/// # Panics
/// If there is no proper answer.
#[track_caller]
pub(crate) fn ask(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)]) -> Response {
    try_ask(address, method, path, headers)
        .unwrap_or_else(|error| panic!("{method} {address}{path}: {error}"))
}

/// The same where there may be no answer yet.
pub(crate) fn try_ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> io::Result<Response> {
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    let mut connection = Connection::open(address)?;
    connection.send(request.as_bytes())?;
    connection.receive(method == "HEAD")
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("malformed {what}"))
}
