//! Submitting a campaign: messaging service, numbers into it, campaign; then one transaction that says so.
//!
//! Each step at the carrier is looked up before it is made, under a name of ours, so that asking again after a lost answer
//! or a crash goes on where it stopped, and nothing is made twice. Nothing turns before the carrier has taken the details.

use lambda_http::Request;
use shared_aws::{registration::Submitted, team::AuditEvent};
use shared_carriers::twilio::{CallError, Campaign, CampaignDetails as Details, CampaignStatus};
use shared_domain::{
    inbox::InboxKind,
    registration::{CampaignSubmission, Registration, RegistrationStatus, StepSource, TimelineStep},
    time::Timestamp,
};
use shared_http::{
    access::{self, TeamAccess},
    idempotency::{self, Attempt},
    input,
    problem::Problem,
    reply::{self, Outcome},
    wire::{
        problem::ProblemView,
        registration::{CampaignDetails, RegistrationView},
    },
};

use crate::{App, view};

/// Submit the campaign's details
///
/// By those who manage the team: the first time, and again after a rejection. The carriers' review takes days; admins get
/// an e-mail when it is done.
#[utoipa::path(post, path = "/v1/teams/{teamId}/registration", tag = "registration",
    params(("teamId" = String, Path), ("Idempotency-Key" = Option<String>, Header)), request_body = CampaignDetails,
    responses((status = 202, body = RegistrationView), (status = 400, body = ProblemView), (status = 403, body = ProblemView),
        (status = 404, body = ProblemView),
        (status = 409, description = "`registration_submitted`: under review, approved or suspended; `brand_missing`", body = ProblemView),
        (status = 422, body = ProblemView),
        (status = 503, description = "The carrier does not answer: ask again, nothing is made twice", body = ProblemView)))]
pub(crate) async fn submit(app: &App, now: Timestamp, entropy: u64, request: &Request) -> Outcome {
    let access = access::team(request, &app.claims, &app.members).await?.manager()?;
    let wanted: CampaignDetails = input::body(request)?;
    let attempt = Attempt {
        organization: &access.organization,
        principal: access.principal.clone(),
        route: format!("registration {}", access.team()),
        key: idempotency::key(request)?,
    };
    if attempt.recalled(&app.keys, now).await?.is_some() {
        return current(app, request).await;
    }
    let submission = CampaignSubmission::from(wanted);
    submission.check()?;
    let registration = app.registrations.get(&access.organization, access.team()).await?;
    let status = access.standing.team.registration;
    if !status.takes_submission(registration.is_submitted()) {
        return Err(Problem::new(
            409,
            "registration_submitted",
            "The campaign's details are with the carriers already; they can be corrected after a rejection.",
        )
        .with("registration", status.as_str()));
    }
    let brand = app.brand.as_deref().ok_or_else(brand_missing)?;
    let (service, campaign) = at_the_carrier(app, &access, &registration, brand, &submission).await?;
    // As it was read before the carrier was asked: what turned since stands against this turn.
    let from = Registration { messaging_service: Some(service), ..registration };
    let step = TimelineStep {
        id: format!("submission-{:08x}", entropy & 0xffff_ffff),
        status: RegistrationStatus::Pending,
        at: now,
        source: StepSource::User,
        codes: Vec::new(),
        detail: Some(
            if from.is_submitted() { "Corrected and submitted again." } else { "Submitted." }.into(),
        ),
        by: Some(access.standing.user.id.clone()),
    };
    let submitted = Submitted {
        submission: &submission,
        brand,
        campaign: &campaign.sid,
        as_of: carrier_time(&campaign).unwrap_or(now),
        step: &step,
    };
    let actor = &access.standing.user.id;
    let deed =
        AuditEvent { actor, action: "registration.submit", target: access.team().as_str(), at: now, entropy };
    let done = app
        .registrations
        .submitted(&access.organization, access.team(), &from, submitted, &deed, attempt.idempotency())
        .await?;
    if !done && attempt.recalled(&app.keys, now).await?.is_none() {
        return Err(changed());
    }
    tracing::info!(team = %access.team(), "campaign submitted");
    current(app, request).await
}

/// As it stands now, for the one who asked.
async fn current(app: &App, request: &Request) -> Outcome {
    let access = access::team(request, &app.claims, &app.members).await?;
    reply::json(202, &view(app, &access).await?)
}

/// The messaging service with the team's numbers, and its campaign as the carrier has it.
async fn at_the_carrier(
    app: &App,
    access: &TeamAccess,
    registration: &Registration,
    brand: &str,
    submission: &CampaignSubmission,
) -> Result<(String, Campaign), Problem> {
    let service = match &registration.messaging_service {
        Some(service) => service.clone(),
        None => messaging_service(app, access).await?,
    };
    let inboxes = app.inboxes.of_team(&access.organization, access.team()).await?;
    let shared = inboxes.iter().filter(|inbox| inbox.kind == InboxKind::Shared);
    for sid in shared.filter_map(|inbox| inbox.number_sid.as_deref()) {
        app.carrier.add_number(&service, sid).await.map_err(|error| problem(&error))?;
    }
    let details = details(brand, submission);
    let there = app.carrier.find_campaign(&service).await.map_err(|error| problem(&error))?;
    let campaign = match there {
        None => create_campaign(app, &service, &details).await,
        Some(campaign) if campaign.status == CampaignStatus::Failed => {
            app.carrier.update_campaign(&service, &campaign.sid, &details).await
        }
        // An earlier request made it and died before it could say so.
        Some(campaign) => Ok(campaign),
    };
    Ok((service, campaign.map_err(|error| problem(&error))?))
}

/// A service has one campaign: one that another request made at this instant is why the carrier refuses ours, and counts.
async fn create_campaign(app: &App, service: &str, details: &Details) -> Result<Campaign, CallError> {
    match app.carrier.create_campaign(service, details).await {
        Err(refused @ CallError::Refused { .. }) => app.carrier.find_campaign(service).await?.ok_or(refused),
        answer => answer,
    }
}

/// Made under a name of ours, by which it is found again. Of two that are made at one instant the one counts that was
/// remembered first; the other stays empty.
async fn messaging_service(app: &App, access: &TeamAccess) -> Result<String, Problem> {
    let name = format!("{} {}", access.organization, access.team());
    let found = app.carrier.find_service(&name).await.map_err(|error| problem(&error))?;
    let service = match found {
        Some(service) => service,
        None => app.carrier.create_service(&name).await.map_err(|error| problem(&error))?,
    };
    Ok(app.registrations.settle_service(&access.organization, access.team(), &service.sid).await?)
}

fn details(brand: &str, submission: &CampaignSubmission) -> Details {
    Details {
        brand_sid: brand.to_owned(),
        use_case: submission.use_case.clone(),
        description: submission.description.clone(),
        message_flow: submission.message_flow.clone(),
        message_samples: submission.message_samples.clone(),
        has_embedded_links: submission.has_embedded_links,
        has_embedded_phone: submission.has_embedded_phone,
        privacy_policy_url: submission.privacy_policy_url.clone(),
        terms_url: submission.terms_url.clone(),
    }
}

fn carrier_time(campaign: &Campaign) -> Option<Timestamp> {
    campaign.updated_at.map(|at| Timestamp::from_millis(at.as_millisecond()))
}

fn brand_missing() -> Problem {
    Problem::new(
        409,
        "brand_missing",
        "This deployment has no A2P brand yet; an operator has to set it before campaigns can be submitted.",
    )
}

/// A refusal of the details is told with the carrier's words, since an admin can act on them.
fn problem(error: &CallError) -> Problem {
    let cause = Some(error.to_string());
    match error {
        CallError::Unavailable | CallError::Unknown => Problem {
            retry_after: Some(5),
            cause,
            ..Problem::new(
                503,
                "carrier_unavailable",
                "The carrier does not answer; try again, nothing is made twice.",
            )
        },
        CallError::Refused { http_status: 400, message, .. } => {
            Problem { cause, ..Problem::new(422, "campaign_refused", message.clone()) }
        }
        CallError::Refused { .. } => Problem {
            cause,
            ..Problem::new(503, "carrier_refused", "The carrier refused; an operator has to look into it.")
        },
    }
}

/// It turned at this instant: the caller may ask again.
fn changed() -> Problem {
    Problem::changed("The registration changed at this instant; try again.")
}
