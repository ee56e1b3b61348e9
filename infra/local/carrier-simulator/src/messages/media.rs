//! Attachments of inbound messages. As at Twilio, their URLs need the account's credentials and redirect to a
//! storage host, which refuses requests with credentials.
//!
//! The field `Media` of the control route names the kind of each file. The kind is a digit of the file's sid,
//! so no file is stored. The storage host is this server under the name `localhost`.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::{Value, json};

use crate::date::rfc2822;
use crate::failure::Failure;
use crate::form::Fields;
use crate::paging::Paging;
use crate::site::Site;
use crate::{Carrier, sid};

/// A small landscape, 160 by 120 pixels.
const PICTURE: &[u8] = include_bytes!("../../assets/landscape.png");
const CARD: &str = "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Anna\r\nEND:VCARD\r\n";
const PAGE: &str = "<!DOCTYPE html><html><body><script>alert(1)</script></body></html>";
/// One megabyte of the large file, which is sent without a content length.
static MEGABYTE: [u8; 1 << 20] = [7; 1 << 20];
const LARGE_MEGABYTES: usize = 17;

/// The kind of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Picture,
    Card,
    /// HTML with the content type of a PNG.
    Page,
    /// Larger than the product's size limit.
    Large,
    /// A redirect to a host that is not the carrier's.
    Elsewhere,
    /// Deleted.
    Gone,
}

impl Kind {
    const ALL: [Self; 6] = [Self::Picture, Self::Card, Self::Page, Self::Large, Self::Elsewhere, Self::Gone];

    /// Every kind, ordinary ones first.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter()
    }

    /// Reads a value of the field `Media`.
    pub(crate) fn parse(word: &str) -> Result<Self, Failure> {
        Self::all().find(|kind| kind.word() == word).ok_or_else(|| {
            let words: Vec<_> = Self::all().map(Self::word).collect();
            Failure::parameter(format!("Media must be one of {}", words.join(", ")))
        })
    }

    /// The value of the field `Media`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Picture => "picture",
            Self::Card => "card",
            Self::Page => "page",
            Self::Large => "large",
            Self::Elsewhere => "elsewhere",
            Self::Gone => "gone",
        }
    }

    /// The kind in words, for the phone page.
    pub(crate) fn description(self) -> &'static str {
        match self {
            Self::Picture => "Picture",
            Self::Card => "Contact card",
            Self::Page => "Web page that claims to be a picture",
            Self::Large => "Video of 17 MB",
            Self::Elsewhere => "Redirect to a host outside the carrier",
            Self::Gone => "File that the carrier has deleted",
        }
    }

    /// The content type in the webhook and in the response.
    pub(crate) fn announced(self) -> &'static str {
        match self {
            Self::Card => "text/x-vcard",
            Self::Large => "video/mp4",
            Self::Picture | Self::Page | Self::Elsewhere | Self::Gone => "image/png",
        }
    }

    /// A new sid. Its first digit is the kind's index.
    pub(crate) fn sid(self) -> String {
        let index = Self::all().position(|kind| kind == self).unwrap_or_default();
        format!("ME{index}{}", &sid::random_hex()[1..])
    }

    fn of(sid: &str) -> Option<Self> {
        let digit = sid.strip_prefix("ME")?.chars().next()?.to_digit(10)?;
        Self::all().nth(digit as usize)
    }
}

/// Reads the URL of a file of this simulator: returns its path on the storage host, and its kind.
pub(crate) fn file_of(url: &str) -> Option<(String, Kind)> {
    let (_, path) = url.split_once("/2010-04-01/Accounts/")?;
    let (account, rest) = path.split_once("/Messages/")?;
    let (_, file) = rest.split_once("/Media/")?;
    Kind::of(file).map(|kind| (format!("/storage/{account}/{file}"), kind))
}

/// The URL of a file of a message.
pub(crate) fn file_url(site: &Site, account: &str, message: &str, file: &str) -> String {
    site.url(&format!("/2010-04-01/Accounts/{account}/Messages/{message}/Media/{file}"))
}

/// `GET …/Messages/{sid}/Media.json`: the files of this simulator, in their order.
pub(crate) async fn list(
    State(carrier): State<Arc<Carrier>>,
    Path((account, message)): Path<(String, String)>,
    uri: Uri,
    Query(query): Query<Fields>,
) -> Result<Json<Value>, Failure> {
    carrier.check_account(&account, uri.path())?;
    let log = carrier.log();
    let message = log.get(&message).ok_or_else(|| Failure::not_found(uri.path()))?;
    let resource = |url: &String| {
        let file = url.rsplit('/').next()?;
        let kind = Kind::of(file)?;
        Some(json!({
            "account_sid": account,
            "content_type": kind.announced(),
            "date_created": rfc2822(message.created),
            "date_updated": rfc2822(message.updated),
            "parent_sid": message.sid,
            "sid": file,
            "uri": format!("{}/{file}.json", uri.path().trim_end_matches(".json")),
        }))
    };
    Ok(Json(Paging::parse(&uri, &query)?.v2010("media_list", message.media_urls.iter().filter_map(resource))))
}

/// `GET …/Messages/{sid}/Media/{sid}`: redirects to the storage host.
pub(crate) async fn redirect(
    State(carrier): State<Arc<Carrier>>,
    Path((account, _, file)): Path<(String, String, String)>,
    uri: Uri,
    site: Site,
) -> Result<Response, Failure> {
    carrier.check_account(&account, uri.path())?;
    let location = match Kind::of(&file) {
        None | Some(Kind::Gone) => return Err(Failure::not_found(uri.path())),
        Some(Kind::Elsewhere) => "http://169.254.169.254/latest/meta-data/".to_owned(),
        Some(_) => site.under("localhost").url(&format!("/storage/{account}/{file}")),
    };
    Ok((StatusCode::TEMPORARY_REDIRECT, [(LOCATION, location)]).into_response())
}

/// `GET /storage/{account}/{sid}`: serves the file without credentials, and refuses requests that have them.
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
        Kind::Picture | Kind::Elsewhere | Kind::Gone => Body::from(PICTURE),
    };
    ([(CONTENT_TYPE, kind.announced())], body).into_response()
}
