//! Whether the broker is who it should be, when `mqtt.tls.ca_file` says whom to believe.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

/// Believes the authorities of `ca_file`, and the broker that shows a certificate of that
/// file itself.
///
/// The second is what a home has that made one self-signed certificate for its broker
/// (`openssl req -x509`, which marks it as an authority). webpki lets no authority stand
/// for itself. That is right where many trust one authority; here the owner has named this
/// very certificate, and only who has its key can answer with it. Its dates and its name
/// are checked as for any other.
#[derive(Debug)]
pub(super) struct Verifier {
    by_authority: Arc<WebPkiServerVerifier>,
    named: Vec<CertificateDer<'static>>,
}

impl Verifier {
    /// `named` are the certificates of `ca_file`, which `by_authority` believes.
    pub(super) fn new(
        by_authority: Arc<WebPkiServerVerifier>,
        named: Vec<CertificateDer<'static>>,
    ) -> Self {
        Self { by_authority, named }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let outcome = self.by_authority.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match outcome {
            // webpki looks at the dates of a certificate before it looks at whether it is
            // an authority, so this one is in force.
            Err(error) if is_authority(&error) && self.named.contains(end_entity) => {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            outcome => outcome,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.by_authority.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.by_authority.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.by_authority.supported_verify_schemes()
    }
}

/// Whether the certificate was refused because it is an authority's. rustls hands on
/// webpki's error in a box; its type belongs to a crate that we do not name, so its name
/// is compared (tests/mqtt/tls.rs would fail if that changed).
pub(in crate::mqtt) fn is_authority(error: &Error) -> bool {
    is_other(error, "CaUsedAsEndEntity")
}

/// Whether the certificate is of X.509 version 1, which has no names of hosts.
pub(in crate::mqtt) fn is_version_1(error: &Error) -> bool {
    is_other(error, "UnsupportedCertVersion")
}

fn is_other(error: &Error, name: &str) -> bool {
    match error {
        Error::InvalidCertificate(CertificateError::Other(other)) => {
            format!("{:?}", other.0) == name
        }
        _ => false,
    }
}
