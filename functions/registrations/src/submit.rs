//! Submitting a campaign: create the messaging service, add the numbers, create the campaign, then record the
//! submission in one transaction.
//!
//! Each step first looks at the carrier for what an earlier request created, under a name derived from the
//! team. A retry after a lost response or a crash continues where the earlier request stopped and creates
//! nothing twice. The status of the registration changes only after the carrier has accepted the details.

use axum::{extract::State, http::StatusCode};
use shared_aws::{registration::Submitted, team::AuditEvent};
use shared_carriers::twilio::{CallError, Campaign, CampaignDetails as Details, CampaignStatus};
use shared_domain::{
    inbox::InboxKind,
    registration::{CampaignSubmission, Registration, RegistrationStatus, StepSource, TimelineStep},
    time::Timestamp,
};
use shared_http::{
    access::{TeamAccess, TeamAdmin},
    idempotency::Attempt,
    json::{Json, KeyedJson},
    problem::Problem,
    request::{Entropy, Now},
    wire::{
        problem::RegistrationIncomplete,
        registration::{CampaignDetails, RegistrationView},
    },
};

use crate::{App, view};

/// Submit the campaign's details
///
/// For team admins and the organization's owner: the first time, and again after a rejection. The carriers'
/// review takes days; the team's admins get an e-mail when it is done.
#[utoipa::path(post, path = "/v1/teams/{teamId}/registration",
    tag = "registration", operation_id = "submitRegistration",
    params(("teamId" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = CampaignDetails,
    responses((status = 202, body = RegistrationView)),
    extensions(("x-errors" = json!(["admin_required", "brand_missing", "registration_submitted",
        "campaign_refused", "invalid_fields", "carrier_refused", "carrier_unavailable"]))))]
pub(crate) async fn submit(
    State(app): State<App>,
    TeamAdmin(access): TeamAdmin,
    Now(now): Now,
    Entropy(entropy): Entropy,
    KeyedJson { body, key }: KeyedJson<CampaignDetails>,
) -> Result<(StatusCode, Json<RegistrationView>), Problem> {
    let attempt = Attempt {
        organization: &access.organization,
        principal: access.principal.clone(),
        route: format!("registration {}", access.team()),
        key,
    };
    if attempt.recalled(&app.keys, now).await?.is_some() {
        return accepted(&app, access).await;
    }
    let submission = CampaignSubmission::from(body);
    submission.check()?;
    let registration = app.registrations.get(access.team_key()).await?;
    let status = access.caller.team.registration;
    if !status.accepts_submission(registration.is_submitted()) {
        return Err(Problem::new(
            409,
            "registration_submitted",
            "The campaign has already been submitted. Its details can be corrected after a rejection.",
        )
        .with_data(RegistrationIncomplete { registration: Some(status.as_str()) }));
    }
    let brand = app.brand.as_deref().ok_or_else(brand_missing)?;
    let (service, campaign) = submit_to_carrier(&app, &access, &registration, brand, &submission).await?;
    // As it was read before the calls to the carrier: the write is refused if the registration has changed
    // since.
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
        by: Some(access.caller.user.id.clone()),
    };
    let submitted = Submitted {
        submission: &submission,
        brand,
        campaign: &campaign.sid,
        as_of: carrier_time(&campaign).unwrap_or(now),
        step: &step,
    };
    let actor = &access.caller.user.id;
    let event =
        AuditEvent { actor, action: "registration.submit", target: access.team().as_str(), at: now, entropy };
    let done = app
        .registrations
        .submitted(access.team_key(), &from, submitted, &event, attempt.idempotency())
        .await?;
    if !done && attempt.recalled(&app.keys, now).await?.is_none() {
        return Err(changed());
    }
    tracing::info!(event = "campaign_submitted", team = %access.team(), "campaign submitted");
    accepted(&app, access).await
}

async fn accepted(app: &App, access: TeamAccess) -> Result<(StatusCode, Json<RegistrationView>), Problem> {
    let team = app.members.user_in_team(access.team_key(), &access.caller.user.id).await?;
    let access = TeamAccess { caller: team.ok_or_else(Problem::not_found)?, ..access };
    Ok((StatusCode::ACCEPTED, Json(view(app, &access).await?)))
}

/// Returns the messaging service with the team's numbers, and its campaign as the carrier reports it.
async fn submit_to_carrier(
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
    let inboxes = app.inboxes.of_team(access.team_key()).await?;
    let shared = inboxes.iter().filter(|inbox| inbox.kind == InboxKind::Shared);
    for sid in shared.filter_map(|inbox| inbox.number_sid.as_deref()) {
        app.carrier.add_number(&service, sid).await.map_err(|error| carrier_problem(&error))?;
    }
    let details = details(brand, submission);
    let there = app.carrier.find_campaign(&service).await.map_err(|error| carrier_problem(&error))?;
    let campaign = match there {
        None => create_campaign(app, &service, &details).await,
        Some(campaign) if campaign.status == CampaignStatus::Failed => {
            app.carrier.update_campaign(&service, &campaign.sid, &details).await
        }
        // An earlier request created it and failed before it recorded the submission.
        Some(campaign) => Ok(campaign),
    };
    Ok((service, campaign.map_err(|error| carrier_problem(&error))?))
}

/// Creates the campaign. A service has one campaign: if another request created it at the same time, the
/// carrier refuses this one, and the existing campaign is returned.
async fn create_campaign(app: &App, service: &str, details: &Details) -> Result<Campaign, CallError> {
    match app.carrier.create_campaign(service, details).await {
        Err(refused @ CallError::Refused { .. }) => app.carrier.find_campaign(service).await?.ok_or(refused),
        answer => answer,
    }
}

/// Finds or creates the team's messaging service by its name. If two requests create one at the same time,
/// the one that is stored first is used by both, and the other one stays empty.
async fn messaging_service(app: &App, access: &TeamAccess) -> Result<String, Problem> {
    let name = format!("{} {}", access.organization, access.team());
    let found = app.carrier.find_service(&name).await.map_err(|error| carrier_problem(&error))?;
    let service = match found {
        Some(service) => service,
        None => app.carrier.create_service(&name).await.map_err(|error| carrier_problem(&error))?,
    };
    Ok(app.registrations.get_or_set_service(access.team_key(), &service.sid).await?)
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
        "This deployment has no A2P brand. Ask your operator to set one before you submit campaigns.",
    )
}

/// A refusal of the details has the carrier's own message, because an admin can act on it.
fn carrier_problem(error: &CallError) -> Problem {
    let cause = Some(error.to_string());
    match error {
        CallError::Unavailable | CallError::Unknown => Problem {
            retry_after: Some(5),
            cause,
            ..Problem::new(
                503,
                "carrier_unavailable",
                "The carrier is not responding. Try again; nothing is created twice.",
            )
        },
        CallError::Refused { http_status: 400, message, .. } => {
            Problem { cause, ..Problem::new(422, "campaign_refused", message.clone()) }
        }
        CallError::Refused { .. } => Problem {
            cause,
            ..Problem::new(503, "carrier_refused", "The carrier refused the request. Contact your operator.")
        },
    }
}

fn changed() -> Problem {
    Problem::changed("The registration was changed by another request at the same time. Try again.")
}
