//! Texts that may be a wish for no more texts: the members of the inbox, whose texts they are, judge them.

use lambda_http::Request;
use shared_app::opt_out::ReviewUpdate;
use shared_aws::opt_out::InboxInTeam;
use shared_domain::{
    ids::ReviewId,
    opt_out::{ReviewOutcome, ReviewResolution},
    time::Timestamp,
};
use shared_http::{
    access::{self, MemberAccess},
    input,
    problem::Problem,
    reply::{self, Outcome},
    wire::{
        Page,
        opt_out_review::{DecidedView, OptOutReviewView, ReviewDeciding},
        problem::ProblemView,
    },
};

use crate::{App, changed};

fn place(access: &MemberAccess) -> InboxInTeam<'_> {
    let membership = &access.membership;
    InboxInTeam { organization: &access.organization, team: &membership.team, inbox: &membership.inbox }
}

/// Texts that may be opt-outs
///
/// Such as "please stop texting me": they wait for somebody to judge them. Newest first; for the inbox's members alone.
#[utoipa::path(get, path = "/v1/inboxes/{inboxId}/opt-out-reviews", tag = "contacts",
    params(("inboxId" = String, Path), ("limit" = Option<u16>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Page<OptOutReviewView>), (status = 400, body = ProblemView), (status = 404, body = ProblemView)))]
pub(crate) async fn list(app: &App, request: &Request) -> Outcome {
    let access = access::member(request, &app.claims, &app.members).await?;
    let scope = format!("opt-out reviews {}", access.membership.inbox);
    let cursor = input::query(request, "cursor");
    let after = cursor.map(|cursor| app.cursors.open(&access.principal, &scope, cursor)).transpose()?;
    let page = app.reviews.open(place(&access), input::limit(request)?, after.as_deref()).await?;
    let next_cursor = page.next.map(|place| app.cursors.seal(&access.principal, &scope, &place));
    let items = page.entries.iter().map(OptOutReviewView::of).collect();
    reply::json(200, &Page { items, next_cursor })
}

/// Judge a text that may be an opt-out
///
/// `opted_out` opts the contact out, by the caller; `dismissed` changes nothing. Either way the text waits no longer. Deciding
/// again in the same way gives the same answer.
#[utoipa::path(put, path = "/v1/inboxes/{inboxId}/opt-out-reviews/{reviewId}", tag = "contacts",
    params(("inboxId" = String, Path), ("reviewId" = String, Path)), request_body = ReviewDeciding,
    responses((status = 200, body = OptOutReviewView), (status = 400, body = ProblemView), (status = 404, body = ProblemView),
        (status = 409, description = "`already_decided`, with the decision", body = ProblemView)))]
pub(crate) async fn decide(app: &App, now: Timestamp, request: &Request) -> Outcome {
    let access = access::member(request, &app.claims, &app.members).await?;
    let id: ReviewId = input::path_id(request, "reviewId")?;
    let verdict = ReviewOutcome::from(input::body::<ReviewDeciding>(request)?.decision);
    let resolution = ReviewResolution { verdict, by: access.membership.user.clone(), at: now };
    match app.opt_out.resolve_review(place(&access), &id, &resolution).await? {
        ReviewUpdate::Done => {
            let entry = app.reviews.get(place(&access), &id).await?.ok_or_else(Problem::not_found)?;
            reply::json(200, &OptOutReviewView::of(&entry))
        }
        ReviewUpdate::NoReview => Err(Problem::not_found()),
        ReviewUpdate::ResolvedOtherwise(earlier) => Err(already_reviewed(&earlier)),
        ReviewUpdate::Contended => Err(changed()),
    }
}

fn already_reviewed(earlier: &ReviewResolution) -> Problem {
    let decided = serde_json::to_value(DecidedView::of(earlier)).unwrap_or_default();
    Problem::new(409, "already_decided", "This message has already been reviewed with a different outcome.")
        .with("decided", decided)
}
