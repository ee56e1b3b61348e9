//! Media to send: a presigned URL to which the client uploads a file.

use std::{collections::BTreeMap, time::Duration};

use axum::{extract::State, http::StatusCode};
use shared_aws::messaging::uploaded_at;
use shared_domain::{
    ids::MediaId,
    keys::InboxKey,
    media::{OutgoingMediaError, check_outgoing, plain_type},
};
use shared_http::{
    access::InboxMember,
    json::Json,
    problem::Problem,
    request::{Entropy, Now},
    wire::message::{MediaPlace, NewMedia, Upload},
};

use crate::{App, content::invalid};

/// How long an upload can start after the URL was returned.
const UPLOAD_URL_TTL: Duration = Duration::from_mins(15);

/// Prepare a media upload
///
/// Returns a request that uploads one file, valid for that type and size only. For a week, `media` of a reply
/// or a composed message from this inbox can then contain the ID. Each request returns a new ID.
#[utoipa::path(post, path = "/v1/inboxes/{inboxId}/media",
    tag = "messages", operation_id = "createMediaUpload",
    params(("inboxId" = String, Path)),
    request_body = NewMedia,
    responses((status = 201, body = MediaPlace)),
    extensions(("x-errors" = json!(["media_invalid"]))))]
pub(crate) async fn prepare(
    State(app): State<App>,
    member: InboxMember,
    Now(now): Now,
    Entropy(entropy): Entropy,
    Json(body): Json<NewMedia>,
) -> Result<(StatusCode, Json<MediaPlace>), Problem> {
    let content_type = plain_type(&body.content_type);
    check_outgoing(&content_type, body.size).map_err(|fault| {
        let pointer = match fault {
            OutgoingMediaError::Type => "/contentType",
            OutgoingMediaError::Size { .. } => "/size",
        };
        invalid(pointer, &fault.to_string())
    })?;
    let id = MediaId::new(now, entropy);
    let key =
        uploaded_at(InboxKey { organization: &member.organization, inbox: &member.membership.inbox }, &id);
    let url = app.bucket.presigned_put(&key, &content_type, Some(body.size), UPLOAD_URL_TTL, now)?;
    let headers = BTreeMap::from([("content-type", content_type)]);
    let upload = Upload { url, method: "PUT", headers };
    let expires_at = (now + UPLOAD_URL_TTL).to_string();
    Ok((StatusCode::CREATED, Json(MediaPlace { media_id: id.to_string(), upload, expires_at })))
}
