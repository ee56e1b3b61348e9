//! Pages by number, in the shapes of both APIs: `start`, `end` and `…_uri` in 2010-04-01, and `meta` in v1.
//!
//! Lists are newest first, so a new resource shifts the following pages.

use axum::http::Uri;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::form::Fields;
use crate::site::Site;

const DEFAULT_SIZE: usize = 50;
const MAX_PAGE_SIZE: usize = 1000;

/// The requested page size, from 1 to 1000.
pub(crate) fn size(query: &Fields, default: usize) -> Result<usize, Failure> {
    Ok(query.whole("PageSize")?.unwrap_or(default).clamp(1, MAX_PAGE_SIZE))
}

/// The requested page of a list.
pub(crate) struct Paging<'a> {
    path: &'a str,
    query: &'a Fields,
    number: usize,
    size: usize,
}

impl<'a> Paging<'a> {
    /// Reads `Page` (from 0) and `PageSize` (50).
    pub(crate) fn parse(uri: &'a Uri, query: &'a Fields) -> Result<Self, Failure> {
        let number = query.whole("Page")?.unwrap_or(0);
        Ok(Self { path: uri.path(), query, number, size: size(query, DEFAULT_SIZE)? })
    }

    /// A page in the shape of v1. `key` is the name of the list.
    pub(crate) fn v1(&self, site: &Site, key: &str, list: impl Iterator<Item = Value>) -> Value {
        let (found, more) = self.part(list);
        json!({
            "meta": {
                "key": key,
                "page": self.number,
                "page_size": self.size,
                "url": site.url(&self.link(self.number)),
                "first_page_url": site.url(&self.link(0)),
                "previous_page_url": self.previous().map(|link| site.url(&link)),
                "next_page_url": self.next(more).map(|link| site.url(&link)),
            },
            key: found,
        })
    }

    /// A page in the shape of 2010-04-01. `key` is the name of the list.
    pub(crate) fn v2010(&self, key: &str, list: impl Iterator<Item = Value>) -> Value {
        let (found, more) = self.part(list);
        let start = self.number.saturating_mul(self.size);
        json!({
            "start": start,
            "end": start + found.len().saturating_sub(1),
            "page": self.number,
            "page_size": self.size,
            "uri": self.link(self.number),
            "first_page_uri": self.link(0),
            "previous_page_uri": self.previous(),
            "next_page_uri": self.next(more),
            key: found,
        })
    }

    /// The elements of the page, and whether more follow.
    fn part(&self, list: impl Iterator<Item = Value>) -> (Vec<Value>, bool) {
        let skipped = self.number.saturating_mul(self.size);
        let mut found: Vec<_> = list.skip(skipped).take(self.size + 1).collect();
        let more = found.len() > self.size;
        found.truncate(self.size);
        (found, more)
    }

    fn previous(&self) -> Option<String> {
        self.number.checked_sub(1).map(|number| self.link(number))
    }

    fn next(&self, more: bool) -> Option<String> {
        more.then(|| self.link(self.number + 1))
    }

    /// The link to another page with the same filters.
    fn link(&self, number: usize) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.query.0.iter().filter(|(name, _)| !name.starts_with("Page")));
        query.append_pair("PageSize", &self.size.to_string()).append_pair("Page", &number.to_string());
        format!("{}?{}", self.path, query.finish())
    }
}
