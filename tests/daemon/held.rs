//! Settings that are tried for as long as a test wants: they name a password in a named pipe,
//! and whoever reads that waits for its writer.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::running::LIMIT;

pub struct Held {
    pipe: PathBuf,
    /// Comes when the pipe is read.
    reached: Receiver<File>,
}

impl Held {
    /// With its pipe in `folder`. Can be reached once.
    pub fn within(folder: &Path) -> Self {
        Self::at(folder.join("password"))
    }

    fn at(pipe: PathBuf) -> Self {
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let (tell, reached) = channel();
        let path = pipe.clone();
        // Waits for a reader; where none comes, to the end of the tests.
        std::thread::spawn(move || {
            if let Ok(pipe) = File::options().write(true).open(path) {
                let _ = tell.send(pipe);
            }
        });
        Self { pipe, reached }
    }

    /// For the section `[mqtt]`.
    pub fn keys(&self) -> String {
        format!("username = 'a'\npassword_file = {:?}\n", self.pipe)
    }

    /// Waits until they are being tried.
    pub fn reached(&self) -> Trial {
        let pipe = self.reached.recv_timeout(LIMIT).expect("the password is read");
        Trial { pipe, path: self.pipe.clone() }
    }
}

/// A trial that is under way.
pub struct Trial {
    pipe: File,
    path: PathBuf,
}

impl Trial {
    /// It goes on, and finds them fit so far. Whoever starts with them reads a plain file.
    pub fn passes(mut self) {
        std::fs::remove_file(&self.path).unwrap();
        std::fs::write(&self.path, "secret").unwrap();
        self.pipe.write_all(b"secret").unwrap();
    }

    /// As [`Self::passes`], but whoever reads them next is held again.
    pub fn passes_once(mut self) -> Held {
        std::fs::remove_file(&self.path).unwrap();
        // Another pipe: who reads this one to its end would read on in the same.
        let again = Held::at(self.path);
        self.pipe.write_all(b"secret").unwrap();
        again
    }

    /// It goes on, and finds that they cannot be.
    pub fn fails(mut self) {
        self.pipe.write_all(b"\xff").unwrap();
    }
}
