//! An authority of our own and what it vouches for, made by openssl.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

pub struct Authority {
    folder: TempDir,
}

/// A certificate and its key.
pub struct Issued {
    pub cert: PathBuf,
    pub key: PathBuf,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let authority = Self { folder: tempfile::tempdir().expect("temporary folder") };
        authority.new_key("ca.key", "ca.crt", name, &["-x509", "-days", "2"]);
        let settings = "[ca]\ndefault_ca=own\n[own]\ndatabase=index\nserial=serial\nnew_certs_dir=.\n\
                        default_md=sha256\npolicy=any\nunique_subject=no\n[any]\ncommonName=supplied\n";
        fs::write(authority.file("ca.conf"), settings).expect("write");
        fs::write(authority.file("index"), "").expect("write");
        authority
    }

    pub fn ca(&self) -> PathBuf {
        self.file("ca.crt")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A certificate for `names` (`DNS:localhost`), valid now.
    pub fn issue(&self, subject: &str, names: &str) -> Issued {
        self.issue_until(subject, names, "491231000000Z")
    }

    /// A certificate that ends at `end` (`YYMMDDHHMMSSZ`).
    pub fn issue_until(&self, subject: &str, names: &str, end: &str) -> Issued {
        let [key, request, cert, extensions] =
            ["key", "csr", "crt", "ext"].map(|ending| format!("{subject}.{ending}"));
        fs::write(self.file(&extensions), format!("subjectAltName={names}\n")).expect("write");
        self.new_key(&key, &request, subject, &[]);
        let more = ["-extfile", &extensions, "-startdate", "200101000000Z", "-enddate", end];
        self.sign(&request, &cert, &more);
        Issued { cert: self.file(&cert), key: self.file(&key) }
    }

    /// Makes `cert` of `request`, as the authority.
    fn sign(&self, request: &str, cert: &str, more: &[&str]) {
        let ours = ["ca", "-batch", "-notext", "-rand_serial", "-config", "ca.conf"];
        let authority = ["-cert", "ca.crt", "-keyfile", "ca.key", "-in", request, "-out", cert];
        self.openssl(&[&ours[..], &authority, more].concat());
    }

    /// What many guides make: a certificate without extensions, which is of X.509 version 1.
    pub fn issue_version_1(&self, subject: &str) -> Issued {
        let [key, request, cert] = ["key", "csr", "crt"].map(|end| format!("{subject}.{end}"));
        self.new_key(&key, &request, subject, &[]);
        self.sign(&request, &cert, &["-days", "2"]);
        Issued { cert: self.file(&cert), key: self.file(&key) }
    }

    /// A certificate that is its own authority, as `openssl req -x509` makes it, until
    /// `end` (`YYMMDDHHMMSSZ`).
    pub fn self_signed_until(&self, subject: &str, names: &str, end: &str) -> Issued {
        let [key, request, cert, extensions] =
            ["key", "csr", "crt", "ext"].map(|ending| format!("{subject}.{ending}"));
        let lines = format!("subjectAltName={names}\nbasicConstraints=critical,CA:TRUE\n");
        fs::write(self.file(&extensions), lines).expect("write");
        self.new_key(&key, &request, subject, &[]);
        self.openssl(&[
            "ca",
            "-selfsign",
            "-batch",
            "-notext",
            "-rand_serial",
            "-config",
            "ca.conf",
            "-keyfile",
            &key,
            "-in",
            &request,
            "-out",
            &cert,
            "-extfile",
            &extensions,
            "-startdate",
            "200101000000Z",
            "-enddate",
            end,
        ]);
        Issued { cert: self.file(&cert), key: self.file(&key) }
    }

    /// A new key, and `out`: a request for it, or as `more` says.
    fn new_key(&self, key: &str, out: &str, subject: &str, more: &[&str]) {
        let curve = "ec_paramgen_curve:prime256v1";
        let made = ["req", "-newkey", "ec", "-pkeyopt", curve, "-nodes", "-keyout", key];
        let subject = format!("/CN={subject}");
        self.openssl(&[&made[..], &["-out", out, "-subj", &subject], more].concat());
    }

    fn openssl(&self, arguments: &[&str]) {
        let output = Command::new("openssl")
            .args(arguments)
            .current_dir(self.folder.path())
            .output()
            .expect("these tests need openssl: apt-get install openssl");
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {arguments:?}: {words}");
    }
}

/// A path as it stands in a settings file.
pub fn text(path: &Path) -> String {
    path.display().to_string()
}
