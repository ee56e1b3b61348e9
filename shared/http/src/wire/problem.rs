//! Errors.

use serde::Serialize;
use utoipa::ToSchema;

/// RFC 9457 problem document. The data of an error stands beside these members: `holder`, `expiresAt`, `reason`,
/// `errors` with `pointer` and `detail` for bad fields.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem)]
pub struct ProblemView {
    /// Stable URI, ends in the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The code in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// One sentence for people.
    pub detail: String,
    /// Stable name, for programs.
    pub code: String,
    /// Names this request in our logs.
    pub request_id: String,
}
