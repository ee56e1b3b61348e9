//! Problem details.

use serde::Serialize;
use utoipa::ToSchema;

/// An error, as a problem document (RFC 9457). Some errors have more fields, such as `holder`, `expiresAt` or
/// `reason`. `errors` lists invalid fields, each with `pointer` and `detail`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem)]
pub struct ProblemView {
    /// Stable URI that ends in the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The code in words.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What happened, and what to do.
    pub detail: String,
    /// Stable code for programs.
    pub code: String,
    /// ID of the request. Include it when you contact your operator.
    pub request_id: String,
}
