//! Files to send: a place in the bucket for one, which the browser puts there itself.

use std::{collections::BTreeMap, time::Duration};

use lambda_http::Request;
use shared_aws::messaging::uploaded_at;
use shared_domain::{
    ids::MediaId,
    media::{NotSendable, check_outgoing, plain_type},
    time::Timestamp,
};
use shared_http::{
    access, input,
    reply::{self, Outcome},
    wire::{
        message::{MediaPlace, NewMedia, Upload},
        problem::ProblemView,
    },
};

use crate::{App, content::invalid};

/// How long the upload may begin after the place was given.
const UPLOAD_URL_TTL: Duration = Duration::from_mins(15);

/// Prepare a file to send
///
/// Gives a request that uploads it, good for that type and size alone; the id then stands in `media` of a reply or a
/// composed text from this inbox, for a week. Asking again gives another place.
#[utoipa::path(post, path = "/v1/inboxes/{inboxId}/media", tag = "messages", params(("inboxId" = String, Path)),
    request_body = NewMedia,
    responses((status = 201, body = MediaPlace), (status = 400, body = ProblemView), (status = 404, body = ProblemView),
        (status = 422, description = "`media_invalid`: a type or size that carriers do not take", body = ProblemView)))]
pub(crate) async fn place(app: &App, now: Timestamp, entropy: u64, request: &Request) -> Outcome {
    let member = access::member(request, &app.claims, &app.members).await?;
    let wanted: NewMedia = input::body(request)?;
    let content_type = plain_type(&wanted.content_type);
    check_outgoing(&content_type, wanted.size).map_err(|fault| {
        let pointer = match fault {
            NotSendable::Type => "/contentType",
            NotSendable::Size { .. } => "/size",
        };
        invalid(pointer, &fault.to_string())
    })?;
    let id = MediaId::new(now, entropy);
    let key = uploaded_at(&member.organization, &member.membership.inbox, &id);
    let url = app.bucket.presigned_put(&key, &content_type, wanted.size, UPLOAD_URL_TTL, now)?;
    let headers = BTreeMap::from([("content-type", content_type)]);
    let upload = Upload { url, method: "PUT", headers };
    let expires_at = (now + UPLOAD_URL_TTL).to_string();
    reply::json(201, &MediaPlace { media_id: id.to_string(), upload, expires_at })
}
