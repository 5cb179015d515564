//! What a daemon logs, heard line by line.

use std::io::{BufRead, BufReader};
use std::process::Child;
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use super::LIMIT;

pub struct Log(Receiver<String>);

impl Log {
    /// Of a process whose standard error is a pipe.
    pub fn of(child: &mut Child) -> Self {
        let lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let (tell, log) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                // Read on when nobody listens: a daemon whose log is full would wait.
                let _ = tell.send(line);
            }
        });
        Self(log)
    }

    /// Waits for a line with these words.
    #[track_caller]
    pub fn says(&self, words: &str) -> String {
        let mut before = Vec::new();
        // Of the line, not of the next one: a daemon that works goes on to log.
        let end = Instant::now() + LIMIT;
        loop {
            match self.0.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) if line.contains(words) => return line,
                Ok(line) => before.push(line),
                Err(_) => panic!("it did not say {words}: {before:#?}"),
            }
        }
    }
}
