//! The broker that a simulated fleet talks to: on this machine and nowhere else.

use std::fs::{self, DirBuilder, File};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::sleep;

use crate::error::{Error, Kind, Result};
use crate::mqtt::url::BrokerUrl;
use crate::mqtt::urls::{BrokerUrls, Listed};
use crate::process;

/// How long a broker may take to listen, or to keep its sessions and end.
const LIMIT: Duration = Duration::from_secs(60);

/// A broker that runs already, or a Mosquitto that the simulation starts and stops.
pub struct FleetBroker {
    /// Its addresses, on the loopback interface.
    pub url: BrokerUrls,
    /// The same, read.
    pub(crate) brokers: Vec<BrokerUrl>,
    pid: Option<u32>,
    own: Option<Own>,
}

/// The Mosquitto that the simulation starts.
struct Own {
    program: PathBuf,
    folder: PathBuf,
    child: Option<Child>,
}

impl FleetBroker {
    /// A broker that runs already; with its process id its processor time is measured.
    ///
    /// # Errors
    ///
    /// [`Kind::Config`]: no address, one with TLS, or one beyond this machine's loopback
    /// interface. A thousand devices are a load test, which nobody may run against a
    /// machine that is not theirs.
    pub fn at(url: &str, pid: Option<u32>) -> Result<Self> {
        let url = BrokerUrls::from(url);
        let brokers = url
            .brokers()
            .map_err(|error| Error::new(Kind::Config, format!("--url: it {error}")))?;
        let elsewhere = brokers.iter().find(|broker| !broker.is_loopback() || broker.tls);
        if elsewhere.is_some() || brokers.is_empty() {
            return Err(Error::new(
                Kind::Config,
                format!(
                    "--url {}: a fleet is only simulated against a broker on this machine \
                     (127.0.0.1, ::1 or localhost), without TLS",
                    elsewhere.map(BrokerUrl::to_string).unwrap_or_default()
                ),
            ));
        }
        Ok(Self { url, brokers, pid, own: None })
    }

    /// A Mosquitto of our own, in a temporary folder, on a free port; not started yet.
    ///
    /// # Errors
    ///
    /// There is no Mosquitto, no free port, or no room for its files.
    pub fn own(program: Option<&Path>) -> Result<Self> {
        let cannot = |what: &str, error| Error::caused(Kind::Unavailable, what, error);
        let program = match program {
            Some(program) => program.to_owned(),
            None => find()?,
        };
        let folder = make_folder()?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .map_err(|error| cannot("no free port", error))?
            .port();
        // Without `user root`, a Mosquitto that root starts becomes a user who cannot write
        // in our folder. With a bound on queues (`max_queued_messages`) it would drop events
        // for the listener, which is the only client that can fall behind, and the report
        // would call them lost.
        let text = format!(
            "user root\nlistener {port} 127.0.0.1\nallow_anonymous true\n\
             persistence true\npersistence_location {}/\n\
             max_queued_messages 0\nlog_type error\nlog_type warning\n",
            folder.display()
        );
        fs::write(folder.join("mosquitto.conf"), text)
            .map_err(|error| Error::caused(Kind::Output, "cannot configure mosquitto", error))?;
        let url = BrokerUrl::on_loopback(port);
        let own = Some(Own { program, folder, child: None });
        Ok(Self { url: url.to_string().into(), brokers: vec![url], pid: None, own })
    }

    /// Starts our own (again) and waits until the broker listens, at most [`LIMIT`].
    pub(crate) async fn start(&mut self) -> Result<()> {
        if let Some(own) = &mut self.own {
            let child = own.spawn()?;
            self.pid = Some(child.id());
            own.child = Some(child);
        }
        let limit = Instant::now() + LIMIT;
        let listens =
            |broker: &BrokerUrl| TcpStream::connect((broker.host.as_str(), broker.port)).is_ok();
        while !self.brokers.iter().any(listens) {
            let ended = match self.own.as_mut().and_then(|own| own.child.as_mut()) {
                Some(child) => child.try_wait().is_ok_and(|status| status.is_some()),
                None => true,
            };
            if ended || Instant::now() > limit {
                let log = self.own.as_ref().map(Own::log).unwrap_or_default();
                return Err(Error::new(
                    Kind::Unavailable,
                    format!(
                        "nothing listens at {}: is the broker running? {log}",
                        Listed(&self.brokers)
                    ),
                ));
            }
            sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Ends our own with SIGTERM, as a service manager does, so that it writes its sessions
    /// to disk first.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        let Some(own) = &mut self.own else { return Ok(()) };
        let Some(child) = &mut own.child else { return Ok(()) };
        self.pid = None;
        kill_process(Pid::from_child(child), Signal::TERM)
            .map_err(|error| Error::caused(Kind::Unavailable, "cannot stop mosquitto", error))?;
        let limit = Instant::now() + LIMIT;
        while child.try_wait().is_ok_and(|status| status.is_none()) {
            if Instant::now() > limit {
                return Err(Error::new(Kind::Unavailable, "mosquitto does not end"));
            }
            sleep(Duration::from_millis(5)).await;
        }
        // Until here whoever drops it kills it.
        own.child = None;
        Ok(())
    }

    /// Time on a processor since it started; none when its process is not known.
    pub(crate) fn cpu_time(&self) -> Option<Duration> {
        self.pid.map(|pid| process::cpu_time(&pid.to_string()))
    }

    /// Largest resident memory so far, in MiB; none when its process is not known.
    pub(crate) fn peak_rss_mb(&self) -> Option<f64> {
        self.pid.map(|pid| process::peak_rss_mb(&pid.to_string()))
    }
}

impl Own {
    fn spawn(&self) -> Result<Child> {
        let log = File::options().create(true).append(true).open(self.folder.join("log"));
        let spawned = log.and_then(|log| {
            Command::new(&self.program)
                .arg("-c")
                .arg(self.folder.join("mosquitto.conf"))
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
        });
        spawned.map_err(|error| {
            let program = self.program.display();
            Error::caused(Kind::Unavailable, format!("cannot start {program}"), error)
        })
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // These fail only where it has ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
        // Where this fails, a few files stay in the temporary folder.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A folder that nobody else could have made or can write in: where root runs this, a link in it
/// would have any file overwritten. Of a number in use, a killed run's perhaps, the next is taken.
fn make_folder() -> Result<PathBuf> {
    let first = std::process::id();
    let named = |number| std::env::temp_dir().join(format!("expressiond-simulate-{number}"));
    for folder in (first..first.saturating_add(100)).map(named) {
        match DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => {
                let what = format!("cannot make {}", folder.display());
                return Err(Error::caused(Kind::Output, what, error));
            }
        }
    }
    let why = "cannot make a folder in the temporary one: a hundred names are taken";
    Err(Error::new(Kind::Output, why))
}

/// The Mosquitto in `PATH`, or in /usr/sbin: Debian installs it there, and only root's
/// `PATH` has that folder.
fn find() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join("mosquitto"))
        .find(|file| file.exists())
        .ok_or_else(|| {
            let remedy = "no mosquitto here: apt-get install mosquitto, or name it (--mosquitto), \
                          or a broker that runs already (--url)";
            Error::new(Kind::Unavailable, remedy)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loaded() {
        for url in ["mqtt://127.0.0.1:1883", "mqtt://[::1]", "mqtt://localhost,mqtt://127.0.0.2"] {
            assert!(FleetBroker::at(url, None).is_ok(), "{url}");
        }
        for url in [
            "mqtt://broker.example",
            "mqtt://192.0.2.1",
            "mqtt://0.0.0.0",
            "mqtts://[::1]",
            "x",
            "",
            "mqtt://127.0.0.1,mqtt://192.0.2.1",
        ] {
            let refused = FleetBroker::at(url, None).err().expect(url);
            assert_eq!(refused.kind(), Kind::Config, "{url}");
        }
    }
}
