//! Lists as JSON, or as CSV (RFC 4180) for `Accept: text/csv`.

use std::fmt::Write;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use lambda_http::http::request::Parts;
use serde::Serialize;
use shared_domain::import::export_safe;

use crate::{json::Json, page::PageRequest, problem::Problem, wire::Page};

/// The default number of rows in a CSV response.
const DEFAULT_CSV_LIMIT: u16 = 100;

/// The format that the request accepts.
#[derive(Debug, Clone, Copy)]
pub enum ListFormat {
    Json,
    Csv,
}

impl<S: Sync> FromRequestParts<S> for ListFormat {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let accept = parts.headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
        Ok(if accept.is_some_and(|accept| accept.contains("text/csv")) { Self::Csv } else { Self::Json })
    }
}

impl ListFormat {
    /// The page with the default number of items of this format.
    pub fn page(self, page: PageRequest) -> PageRequest {
        match self {
            Self::Json => page,
            Self::Csv => page.default_limit(DEFAULT_CSV_LIMIT),
        }
    }

    /// The response. In CSV, `cells` returns the cells of a row, one for each of the `columns`, and the
    /// header `x-next-cursor` has the cursor of the next page.
    pub fn response<'a, T: Serialize, const N: usize>(
        self,
        page: &'a Page<T>,
        columns: [&str; N],
        cells: impl Fn(&'a T) -> [&'a str; N],
    ) -> Response {
        match self {
            Self::Json => Json(page).into_response(),
            Self::Csv => {
                let content_type = HeaderValue::from_static("text/csv; charset=utf-8");
                let mut headers = HeaderMap::from_iter([(header::CONTENT_TYPE, content_type)]);
                if let Some(cursor) = page.next_cursor.as_ref().and_then(|cursor| cursor.parse().ok()) {
                    headers.insert("x-next-cursor", cursor);
                }
                (headers, csv(columns, page.items.iter().map(cells))).into_response()
            }
        }
    }
}

/// Every cell is quoted, and none is a formula to a spreadsheet.
fn csv<'a, const N: usize>(columns: [&str; N], rows: impl Iterator<Item = [&'a str; N]>) -> String {
    let mut text = columns.join(",") + "\r\n";
    for row in rows {
        let cells = row.map(|cell| format!("\"{}\"", export_safe(cell).replace('"', "\"\"")));
        let _ = write!(text, "{}\r\n", cells.join(","));
    }
    text
}
