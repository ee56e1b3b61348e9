//! Control routes of campaigns: a decision of the carriers, and the redelivery of an event.

use std::sync::Arc;

use axum::extract::State;
use axum::{Form, Json};
use jiff::Timestamp;
use serde::Serialize;

use crate::Carrier;
use crate::campaigns::campaign::Status;
use crate::control::Outcome;
use crate::events::event::Event;
use crate::failure::Failure;
use crate::form::Fields;
use crate::services::service::Service;

/// The maximum `Count` of a redelivery.
const MAX_REPEATS: usize = 100;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CampaignStatusSet {
    messaging_service_sid: String,
    campaign_sid: String,
    status: &'static str,
    event_ids: Vec<String>,
    #[serde(flatten)]
    outcome: Outcome,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventRedelivered {
    event_id: String,
    #[serde(flatten)]
    outcome: Outcome,
}

/// `POST /_twilio/simulate/campaign-status`: sets the status of a campaign and notifies the sinks before it
/// responds. With `Notify=false` there is no event.
pub(crate) async fn campaign_status(
    State(carrier): State<Arc<Carrier>>,
    Form(fields): Form<Fields>,
) -> Result<Json<CampaignStatusSet>, Failure> {
    let messaging_service_sid = fields.required("MessagingServiceSid")?.to_owned();
    let status = Status::parse(fields.required("Status")?).ok_or_else(|| {
        Failure::parameter("Status must be VERIFIED, FAILED, IN_PROGRESS or SUSPENDED".to_owned())
    })?;
    let code = fields.whole("ErrorCode")?;
    if code.is_some() && status != Status::Failed {
        return Err(Failure::parameter("ErrorCode is only for FAILED".to_owned()));
    }
    let notify = fields.flag("Notify")?.unwrap_or(true);
    let (campaign_sid, event_ids, posts) = {
        let mut resources = carrier.resources();
        let unknown = || Failure::not_found(&format!("/Services/{messaging_service_sid}/Compliance/Usa2p"));
        let service = resources.service_mut(&messaging_service_sid).ok_or_else(unknown)?;
        let (campaign_sid, mut events) =
            set_status(service, status, code, &carrier.settings.account_sid).ok_or_else(unknown)?;
        events.truncate(if notify { events.len() } else { 0 });
        let event_ids: Vec<_> = events.iter().map(|event| event.id.clone()).collect();
        (campaign_sid, event_ids, resources.record(events))
    };
    let answer = carrier.post_now(posts).await;
    let status = status.as_str();
    tracing::info!(campaign.sid = campaign_sid, status, answer = answer.status, "campaign status set");
    let outcome = answer.into();
    Ok(Json(CampaignStatusSet { messaging_service_sid, campaign_sid, status, event_ids, outcome }))
}

/// `POST /_twilio/simulate/redeliver-event`: delivers an event again, with the same id and time, to the
/// subscribed sinks.
pub(crate) async fn redeliver_event(
    State(carrier): State<Arc<Carrier>>,
    Form(fields): Form<Fields>,
) -> Result<Json<EventRedelivered>, Failure> {
    let event_id = fields.required("EventId")?.to_owned();
    let count = fields.whole("Count")?.unwrap_or(1);
    if !(1..=MAX_REPEATS).contains(&count) {
        return Err(Failure::parameter(format!("Count must be from 1 to {MAX_REPEATS}")));
    }
    let posts = {
        let resources = carrier.resources();
        let event = resources.events.get(&event_id).cloned();
        let event = event.ok_or_else(|| Failure::not_found(&format!("/Events/{event_id}")))?;
        std::iter::repeat_n(event, count).flat_map(|event| resources.posts(&[event])).collect()
    };
    let answer = carrier.post_now(posts).await;
    tracing::info!(event.id = event_id, count, answer = answer.status, "event redelivered");
    Ok(Json(EventRedelivered { event_id, outcome: answer.into() }))
}

/// Sets the status of the campaign. Returns its sid and the events: one for the campaign and, if it becomes
/// verified, one for each of its numbers.
fn set_status(
    service: &mut Service,
    status: Status,
    code: Option<u32>,
    account: &str,
) -> Option<(String, Vec<Event>)> {
    let now = Timestamp::now();
    let campaign = service.campaign.as_mut()?;
    let becomes_verified = status == Status::Verified && campaign.status != Status::Verified;
    campaign.set_status(status, code, now);
    let mut events = vec![Event::campaign(campaign, &service.sid, account, now)];
    if becomes_verified {
        events.extend(service.members.iter().map(|member| {
            Event::number_registered(&member.number_sid, &service.sid, campaign, account, now)
        }));
    }
    Some((campaign.sid.clone(), events))
}
