//! As much of HTTP/1.1 as a test needs, so that nothing between it and the device mends
//! what is wrong.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use super::LIMIT;

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{}: {error}: {}", self.status, self.text()))
    }
}

/// Sends a request and reads the head of the answer.
pub fn open(
    port: u16,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (BufReader<TcpStream>, Answer) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let mut text = format!("{method} {path} HTTP/1.1\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        text += &format!("Host: 127.0.0.1:{port}\r\n");
    }
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    text += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(text.as_bytes()).unwrap();
    let mut reader = BufReader::new(stream);
    let status = line(&mut reader).expect("a status line");
    let status = status.split(' ').nth(1).unwrap().parse().unwrap();
    let mut headers = Vec::new();
    while let Some((name, value)) = line(&mut reader).as_deref().and_then(|l| l.split_once(':')) {
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    (reader, Answer { status, headers, body: Vec::new() })
}

/// Sends a request and reads the whole answer.
pub fn ask(port: u16, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let (mut reader, mut answer) = open(port, method, path, headers, body);
    let length: usize = answer.header("content-length").map_or(0, |text| text.parse().unwrap());
    answer.body.resize(length, 0);
    reader.read_exact(&mut answer.body).unwrap();
    answer
}

pub fn get(port: u16, path: &str) -> Answer {
    ask(port, "GET", path, &[], "")
}

/// As the page does it: from our own origin.
pub fn post(port: u16, path: &str, body: &Value) -> Answer {
    let origin = format!("http://127.0.0.1:{port}");
    ask(port, "POST", path, &[("Origin", &origin)], &body.to_string())
}

fn line(reader: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
    Some(line.trim_end().to_owned())
}

/// What comes until the device ends the connection, which it does in time.
pub fn ended(stream: &mut TcpStream) -> Vec<u8> {
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => {
            panic!("not ended within {LIMIT:?}: {error}, after {}", String::from_utf8_lossy(&rest))
        }
        _ => rest,
    }
}

/// The live picture.
pub struct Live(BufReader<TcpStream>, Vec<u8>);

/// One part of it.
#[derive(Debug)]
pub enum Part {
    Json(Value),
    Jpeg(Vec<u8>),
}

impl Live {
    pub fn watch(port: u16, headers: &[(&str, &str)]) -> Self {
        let (reader, answer) = open(port, "GET", "/api/live", headers, "");
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
        Self(reader, Vec::new())
    }

    fn more(&mut self) {
        assert!(self.chunk() > 0, "it has ended");
    }

    /// Reads so many bytes more; none at the end.
    fn chunk(&mut self) -> usize {
        let length = usize::from_str_radix(&line(&mut self.0).expect("a chunk"), 16).unwrap();
        let mut chunk = vec![0; length + 2];
        self.0.read_exact(&mut chunk).unwrap();
        self.1.extend_from_slice(&chunk[..length]);
        length
    }

    /// Waits until the device ends it.
    pub fn ends(mut self) {
        let end = std::time::Instant::now() + LIMIT;
        while self.chunk() > 0 {
            assert!(std::time::Instant::now() < end, "it has not ended within {LIMIT:?}");
        }
    }

    pub fn part(&mut self) -> Part {
        let end = loop {
            match self.1.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                Some(end) => break end + 4,
                None => self.more(),
            }
        };
        let head = String::from_utf8(self.1[..end].to_vec()).unwrap();
        let field = |name: &str| {
            head.lines().find_map(|line| line.strip_prefix(name)).expect("the field").to_owned()
        };
        assert!(head.starts_with("--expressiond\r\n"), "{head}");
        let length: usize = field("Content-Length: ").parse().unwrap();
        while self.1.len() < end + length + 2 {
            self.more();
        }
        let content: Vec<u8> = self.1.drain(..end + length + 2).skip(end).take(length).collect();
        match &*field("Content-Type: ") {
            "image/jpeg" => Part::Jpeg(content),
            _ => Part::Json(serde_json::from_slice(&content).unwrap()),
        }
    }

    /// The first JSON of this kind that fits.
    pub fn until(&mut self, kind: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let end = std::time::Instant::now() + LIMIT;
        loop {
            assert!(std::time::Instant::now() < end, "no {kind} that fits within {LIMIT:?}");
            match self.part() {
                Part::Json(value) if value["kind"] == kind && fits(&value) => return value,
                _ => {}
            }
        }
    }
}

/// Asks again until the answer is as wanted.
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = std::time::Instant::now() + LIMIT;
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(std::time::Instant::now() < end, "not within {LIMIT:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
