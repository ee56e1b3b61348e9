//! Texts that may be a wish for no more texts: the members of the inbox, whose texts they are, judge them.

use lambda_http::Request;
use shared_aws::opt_out::{InboxInTeam, OptOutWrite, ReviewEntry};
use shared_domain::{
    ids::ReviewId,
    opt_out::{self, OptOutReview, OptOutSubject, ReviewOutcome, ReviewResolution},
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

use crate::{App, changed, opt_out::is_told};

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
    for _ in 0..3 {
        let ReviewEntry { review, .. } = waiting_or_done(app, &access, &id).await?;
        let stored = match &review.decided {
            Some(before) if before.verdict != verdict => return Err(already(before)),
            Some(_) => true,
            None => store(app, now, &access, &review, verdict).await?,
        };
        if stored {
            if verdict == ReviewOutcome::OptedOut {
                let (organization, team) = (&access.organization, &access.membership.team);
                app.opt_outs.sync_copies(organization, team, &review.number).await?;
            }
            return reply::json(200, &OptOutReviewView::of(&waiting_or_done(app, &access, &id).await?));
        }
    }
    Err(changed())
}

async fn waiting_or_done(app: &App, access: &MemberAccess, id: &ReviewId) -> Result<ReviewEntry, Problem> {
    app.reviews.get(place(access), id).await?.ok_or_else(Problem::not_found)
}

fn already(before: &ReviewResolution) -> Problem {
    let decided = serde_json::to_value(DecidedView::of(before)).unwrap_or_default();
    Problem::new(409, "already_decided", "Somebody decided otherwise before.").with("decided", decided)
}

/// Stores a decision; `false` when something stood elsewhere by then.
async fn store(
    app: &App,
    now: Timestamp,
    access: &MemberAccess,
    review: &OptOutReview,
    verdict: ReviewOutcome,
) -> Result<bool, Problem> {
    let place = place(access);
    let user = &access.membership.user;
    let decided = ReviewResolution { verdict, by: user.clone(), at: now };
    let subject = OptOutSubject::of_team(place.organization, place.team, &review.number);
    let standing = app.opt_outs.get(&subject).await?;
    let change = match verdict {
        ReviewOutcome::OptedOut => opt_out::after_user(&standing.state, true),
        ReviewOutcome::Dismissed => None,
    };
    let Some(change) = change else { return Ok(app.reviews.end(place, review, &decided).await?) };
    let contact =
        app.contacts.by_number_or_provisional(place.organization, place.team, &review.number).await?;
    let (message, by) = (Some(review.message.clone()), Some(user.id.clone()));
    let entry = change.entry(&subject, contact.id.clone(), message, by, now);
    let recorded = OptOutWrite {
        team: place.team,
        contact: &contact,
        entry: &entry,
        inbox: None,
        confirmation: None,
        told: is_told(app, place.organization, place.team, &contact.id).await?,
    };
    let decision = (review, &decided);
    Ok(app.reviews.end_with_opt_out(place, decision, &subject, (&standing, &change), recorded).await?)
}
