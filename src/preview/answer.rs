//! Answers, each with the headers that keep a browser from doing more than it is asked.

use bytes::Bytes;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;

use super::gate::Refusal;
use super::store::Refused;
use super::stream::Content;

/// Nothing from elsewhere, nothing inline, nobody may frame it, and nothing is kept.
const HEADERS: [(HeaderName, &str); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
         connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::CACHE_CONTROL, "no-store"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), microphone=(), geolocation=(), interest-cohort=()",
    ),
];

pub(super) const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

pub(super) fn content(status: StatusCode, kind: &str, content: Content) -> Response<Content> {
    let mut response = Response::new(content);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let kind = HeaderValue::from_str(kind).expect("our own words");
    headers.insert(header::CONTENT_TYPE, kind);
    response
}

pub(super) fn bytes(kind: &str, bytes: impl Into<Bytes>) -> Response<Content> {
    content(StatusCode::OK, kind, Content::Whole(Some(bytes.into())))
}

pub(super) fn text(status: StatusCode, text: impl Into<String>) -> Response<Content> {
    content(status, TEXT, Content::Whole(Some(text.into().into())))
}

/// As JSON.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response<Content> {
    match serde_json::to_vec(value) {
        Ok(text) => content(status, JSON, Content::Whole(Some(text.into()))),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

/// To what was not done, in words.
pub(super) fn not_done(status: StatusCode, why: impl Into<String>) -> Response<Content> {
    json(status, &Refused::because(why))
}

/// To a method that nothing here knows; `those` are what is known (RFC 9110, 15.5.6).
pub(super) fn not_allowed(those: &'static str) -> Response<Content> {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, format!("{those} only"));
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(those));
    response
}

/// What somebody is told who is not let in.
pub(super) fn refusal(refusal: Refusal) -> Response<Content> {
    let (status, words) = match refusal {
        Refusal::Host => (
            StatusCode::MISDIRECTED_REQUEST,
            "this device does not go by that name: add it to preview.hosts, or use its address",
        ),
        Refusal::CrossSite => (StatusCode::FORBIDDEN, "another site's page asks for this"),
        Refusal::Token => (StatusCode::UNAUTHORIZED, "the token is needed"),
        Refusal::TooMany => (StatusCode::TOO_MANY_REQUESTS, "too many wrong tokens: wait a minute"),
    };
    let mut response = text(status, words);
    let more = match refusal {
        Refusal::Token => Some((header::WWW_AUTHENTICATE, "Bearer")),
        Refusal::TooMany => Some((header::RETRY_AFTER, "60")),
        Refusal::Host | Refusal::CrossSite => None,
    };
    if let Some((name, value)) = more {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
