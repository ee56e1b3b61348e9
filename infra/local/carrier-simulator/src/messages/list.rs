//! The list of messages, newest first, with filters and pages.
//!
//! `next_page_uri` names the last message of the page, so new messages do not shift the following pages.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::Uri;
use serde_json::{Value, json};

use crate::Carrier;
use crate::failure::Failure;
use crate::form::Fields;
use crate::messages::filter::Filter;
use crate::messages::log::MessageLog;
use crate::messages::message::Message;

const DEFAULT_PAGE_SIZE: usize = 50;
const MAX_PAGE_SIZE: usize = 1000;

/// The prefix of page tokens. The sid of a message follows.
const TOKEN_PREFIX: &str = "PA";

/// `GET …/Messages.json`.
pub(crate) async fn list(
    State(carrier): State<Arc<Carrier>>,
    Path(account): Path<String>,
    uri: Uri,
    Query(query): Query<Fields>,
) -> Result<Json<Value>, Failure> {
    carrier.check_account(&account, uri.path())?;
    let filter = Filter::parse(&query)?;
    let page = Page::parse(&query)?;
    let log = carrier.log();
    let (found, more) = page.of(&log, &filter)?;
    Ok(Json(page.resource(&found, more, &account, &Links { path: uri.path(), query: &query })))
}

/// The requested page.
struct Page {
    number: usize,
    size: usize,
    /// The last message of the previous page.
    after: Option<String>,
}

impl Page {
    fn parse(query: &Fields) -> Result<Self, Failure> {
        let number = |name, default| match query.get(name) {
            Some(text) => {
                text.parse().map_err(|_| Failure::parameter(format!("{name} must be a whole number")))
            }
            None => Ok(default),
        };
        let after = match query.get("PageToken").map(|token| token.strip_prefix(TOKEN_PREFIX)) {
            Some(None) => return Err(unknown_token()),
            Some(Some(sid)) => Some(sid.to_owned()),
            None => None,
        };
        let size: usize = number("PageSize", DEFAULT_PAGE_SIZE)?;
        Ok(Self { number: number("Page", 0)?, size: size.clamp(1, MAX_PAGE_SIZE), after })
    }

    /// The messages of the page, and whether more follow.
    fn of<'a>(&self, log: &'a MessageLog, filter: &Filter) -> Result<(Vec<&'a Message>, bool), Failure> {
        let matching = |message: &&Message| filter.matches(message);
        let mut found: Vec<_> = if let Some(sid) = &self.after {
            log.older_than(sid).ok_or_else(unknown_token)?.filter(matching).take(self.size + 1).collect()
        } else {
            let skipped = self.number.saturating_mul(self.size);
            log.newest().filter(matching).skip(skipped).take(self.size + 1).collect()
        };
        let more = found.len() > self.size;
        found.truncate(self.size);
        Ok((found, more))
    }

    fn resource(&self, found: &[&Message], more: bool, account: &str, links: &Links) -> Value {
        let start = self.number.saturating_mul(self.size);
        let last = found.last().filter(|_| more).map(|message| message.sid.as_str());
        json!({
            "start": start,
            "end": start + found.len().saturating_sub(1),
            "messages": found.iter().map(|message| message.resource(account)).collect::<Vec<_>>(),
            "page": self.number,
            "page_size": self.size,
            "uri": links.to(self.number, self.size, self.after.as_deref()),
            "first_page_uri": links.to(0, self.size, None),
            "previous_page_uri": self.number.checked_sub(1).map(|number| links.to(number, self.size, None)),
            "next_page_uri": last.map(|sid| links.to(self.number + 1, self.size, Some(sid))),
        })
    }
}

/// Links to the pages of the list, relative to the host.
struct Links<'a> {
    path: &'a str,
    query: &'a Fields,
}

impl Links<'_> {
    /// The link to another page with the same filters.
    fn to(&self, number: usize, size: usize, after: Option<&str>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.query.0.iter().filter(|(name, _)| !name.starts_with("Page")));
        query.append_pair("PageSize", &size.to_string()).append_pair("Page", &number.to_string());
        if let Some(sid) = after {
            query.append_pair("PageToken", &format!("{TOKEN_PREFIX}{sid}"));
        }
        format!("{}?{}", self.path, query.finish())
    }
}

fn unknown_token() -> Failure {
    Failure::parameter("PageToken is unknown".to_owned())
}
