//! Reviews: inbound messages that may be opt-out requests. The members of the inbox decide what they are.

use axum::extract::State;
use shared_app::opt_out::ReviewUpdate;
use shared_domain::{ids, keys::TeamInboxKey, opt_out::ReviewResolution};
use shared_http::{
    access::InboxMember,
    json::Json,
    page::PageRequest,
    problem::Problem,
    request::{Now, PathId},
    wire::{
        Page,
        opt_out_review::{DecidedView, OptOutReviewView, ReviewRequest},
        problem::AlreadyDecided,
    },
};

use crate::{App, changed};

fn team_inbox(member: &InboxMember) -> TeamInboxKey<'_> {
    let membership = &member.membership;
    TeamInboxKey { organization: &member.organization, team: &membership.team, inbox: &membership.inbox }
}

/// List opt-out reviews
///
/// Inbound messages that may be opt-out requests, such as "please stop texting me", until a member of the
/// inbox decides. Newest first, for the inbox's members.
#[utoipa::path(get, path = "/v1/inboxes/{inboxId}/opt-out-reviews",
    tag = "contacts", operation_id = "listOptOutReviews",
    params(("inboxId" = String, Path), ("limit" = Option<u16>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Page<OptOutReviewView>)))]
pub(crate) async fn list(
    State(app): State<App>,
    member: InboxMember,
    page: PageRequest,
) -> Result<Json<Page<OptOutReviewView>>, Problem> {
    let page = page.of(&member.principal, format!("opt-out reviews {}", member.membership.inbox)).await?;
    let found = app.reviews.open(team_inbox(&member), page.limit, page.after()).await?;
    Ok(Json(page.response(found.items.iter().map(OptOutReviewView::of), found.next.as_deref())))
}

/// Resolve an opt-out review
///
/// `opted_out` opts the contact out on your behalf; `dismissed` changes nothing. Both end the review.
/// Repeating the same decision returns the same response.
#[utoipa::path(put, path = "/v1/inboxes/{inboxId}/opt-out-reviews/{reviewId}",
    tag = "contacts", operation_id = "resolveOptOutReview",
    params(("inboxId" = String, Path), ("reviewId" = String, Path)),
    request_body = ReviewRequest,
    responses((status = 200, body = OptOutReviewView)),
    extensions(("x-errors" = json!(["already_decided"]))))]
pub(crate) async fn resolve(
    State(app): State<App>,
    member: InboxMember,
    PathId(id): PathId<ids::kind::Review>,
    Now(now): Now,
    Json(body): Json<ReviewRequest>,
) -> Result<Json<OptOutReviewView>, Problem> {
    let resolution =
        ReviewResolution { outcome: body.decision.into(), by: member.membership.user.clone(), at: now };
    match app.opt_out.resolve_review(team_inbox(&member), &id, &resolution).await? {
        ReviewUpdate::Done => {
            let entry = app.reviews.get(team_inbox(&member), &id).await?;
            Ok(Json(OptOutReviewView::of(&entry.ok_or_else(Problem::not_found)?)))
        }
        ReviewUpdate::NoReview => Err(Problem::not_found()),
        ReviewUpdate::ResolvedOtherwise(earlier) => Err(already_reviewed(&earlier)),
        ReviewUpdate::Contended => Err(changed()),
    }
}

fn already_reviewed(earlier: &ReviewResolution) -> Problem {
    Problem::new(409, "already_decided", "This message has already been reviewed with a different outcome.")
        .with_data(AlreadyDecided { decided: DecidedView::of(earlier) })
}
