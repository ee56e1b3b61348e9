//! Files of inbound texts, as Twilio serves them: under the message, for who shows the account, by way of a storage host that
//! refuses whoever shows anything.
//!
//! The control route's field `Media` takes a word for each file. What a file is stands in its sid, so nothing is kept; the
//! storage host is this one under another name (`localhost`).

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use crate::failure::Failure;
use crate::site::Site;
use crate::{Carrier, sid};

/// A green dot.
const PICTURE: [u8; 69] = [
    0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0x00, 0x00, 0x00, 0x0D, 0x49, 0x48, 0x44, 0x52, 0x00,
    0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x02, 0x00, 0x00, 0x00, 0x90, 0x77, 0x53, 0xDE, 0x00,
    0x00, 0x00, 0x0C, 0x49, 0x44, 0x41, 0x54, 0x78, 0xDA, 0x63, 0x60, 0x58, 0x10, 0x00, 0x00, 0x01, 0x94,
    0x00, 0xF1, 0x8A, 0xB8, 0x5E, 0x93, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4E, 0x44, 0xAE, 0x42, 0x60,
    0x82,
];
const CARD: &str = "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Anna\r\nEND:VCARD\r\n";
const PAGE: &str = "<!DOCTYPE html><html><body><script>alert(1)</script></body></html>";
/// A megabyte, sent over and over without a length.
static MEGABYTE: [u8; 1 << 20] = [7; 1 << 20];
const LARGE_MEGABYTES: usize = 17;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A PNG.
    Picture,
    /// A contact card.
    Card,
    /// HTML that says it is a PNG.
    Page,
    /// More than anybody wants.
    Large,
    /// A redirect to a host that is not the carrier's.
    Elsewhere,
    /// Deleted.
    Gone,
}

impl Kind {
    const ALL: [(&'static str, Self); 6] = [
        ("picture", Self::Picture),
        ("card", Self::Card),
        ("page", Self::Page),
        ("large", Self::Large),
        ("elsewhere", Self::Elsewhere),
        ("gone", Self::Gone),
    ];

    /// Reads a word of the control route.
    pub(crate) fn parse(word: &str) -> Result<Self, Failure> {
        let known = Self::ALL.iter().find(|(known, _)| *known == word).map(|(_, kind)| *kind);
        known.ok_or_else(|| {
            let words: Vec<_> = Self::ALL.iter().map(|(word, _)| *word).collect();
            Failure::parameter(format!("Media is one of {}", words.join(", ")))
        })
    }

    /// What the webhook says it is.
    pub(crate) fn announced(self) -> &'static str {
        match self {
            Self::Card => "text/x-vcard",
            Self::Large => "video/mp4",
            Self::Picture | Self::Page | Self::Elsewhere | Self::Gone => "image/png",
        }
    }

    /// A new sid, whose first digit says what the file is.
    pub(crate) fn sid(self) -> String {
        let place = Self::ALL.iter().position(|(_, kind)| *kind == self).unwrap_or_default();
        format!("ME{place}{}", &sid::random_hex()[1..])
    }

    fn of(sid: &str) -> Option<Self> {
        let digit = sid.strip_prefix("ME")?.chars().next()?.to_digit(10)?;
        Self::ALL.get(digit as usize).map(|(_, kind)| *kind)
    }
}

/// Where a file of a message is.
pub(crate) fn address(site: &Site, account: &str, message: &str, file: &str) -> String {
    site.url(&format!("/2010-04-01/Accounts/{account}/Messages/{message}/Media/{file}"))
}

/// Leads on to the storage host.
pub(crate) async fn redirect(
    State(carrier): State<Arc<Carrier>>,
    Path((account, _, file)): Path<(String, String, String)>,
    uri: Uri,
    site: Site,
) -> Result<Response, Failure> {
    carrier.own(&account, uri.path())?;
    let location = match Kind::of(&file) {
        None | Some(Kind::Gone) => return Err(Failure::not_found(uri.path())),
        Some(Kind::Elsewhere) => "http://169.254.169.254/latest/meta-data/".to_owned(),
        Some(_) => site.under("localhost").url(&format!("/storage/{account}/{file}")),
    };
    Ok((StatusCode::TEMPORARY_REDIRECT, [(LOCATION, location)]).into_response())
}

/// The storage host: open, and closed to credentials, as the real one is.
pub(crate) async fn storage(Path((_, file)): Path<(String, String)>, headers: HeaderMap) -> Response {
    if headers.contains_key(AUTHORIZATION) {
        return (StatusCode::BAD_REQUEST, "Only one auth mechanism allowed").into_response();
    }
    let Some(kind) = Kind::of(&file) else { return StatusCode::NOT_FOUND.into_response() };
    let body = match kind {
        Kind::Card => Body::from(CARD),
        Kind::Page => Body::from(PAGE),
        Kind::Large => {
            let megabyte = || Ok::<_, std::convert::Infallible>(Bytes::from_static(&MEGABYTE));
            Body::from_stream(stream::iter((0..LARGE_MEGABYTES).map(move |_| megabyte())))
        }
        Kind::Picture | Kind::Elsewhere | Kind::Gone => Body::from(&PICTURE[..]),
    };
    ([(CONTENT_TYPE, kind.announced())], body).into_response()
}
