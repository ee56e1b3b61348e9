//! Control routes of campaigns: what the carriers decide, and events that come twice.

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

/// The most that one redelivery repeats an event.
const MAX_REPEATS: usize = 100;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CampaignDecided {
    messaging_service_sid: String,
    campaign_sid: String,
    status: &'static str,
    event_ids: Vec<String>,
    #[serde(flatten)]
    outcome: Outcome,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventRepeated {
    event_id: String,
    #[serde(flatten)]
    outcome: Outcome,
}

/// A campaign enters a state, from whichever state, and the sinks hear of it before the answer. With `Notify=false`
/// only the resource changes and no event is made.
pub(crate) async fn campaign_status(
    State(carrier): State<Arc<Carrier>>,
    Form(fields): Form<Fields>,
) -> Result<Json<CampaignDecided>, Failure> {
    let messaging_service_sid = fields.required("MessagingServiceSid")?.to_owned();
    let status = Status::parse(fields.required("Status")?)
        .ok_or_else(|| Failure::parameter("Status is not a state of a campaign".to_owned()))?;
    let code = fields.whole("ErrorCode")?;
    if code.is_some() && status != Status::Failed {
        return Err(Failure::parameter("ErrorCode is for FAILED alone".to_owned()));
    }
    let notify = fields.flag("Notify")?.unwrap_or(true);
    let (campaign_sid, event_ids, posts) = {
        let mut resources = carrier.resources();
        let unknown = || Failure::not_found(&format!("/Services/{messaging_service_sid}/Compliance/Usa2p"));
        let service = resources.service_mut(&messaging_service_sid).ok_or_else(unknown)?;
        let (campaign_sid, mut events) =
            decide(service, status, code, &carrier.settings.account_sid).ok_or_else(unknown)?;
        events.truncate(if notify { events.len() } else { 0 });
        let event_ids: Vec<_> = events.iter().map(|event| event.id.clone()).collect();
        (campaign_sid, event_ids, resources.record(events))
    };
    let answer = carrier.post_now(posts).await;
    let status = status.as_str();
    tracing::info!(campaign.sid = campaign_sid, status, answer = answer.status, "a campaign was decided");
    let outcome = answer.into();
    Ok(Json(CampaignDecided { messaging_service_sid, campaign_sid, status, event_ids, outcome }))
}

/// An event comes again, with the same id and time, to the sinks that are subscribed by now.
pub(crate) async fn redeliver_event(
    State(carrier): State<Arc<Carrier>>,
    Form(fields): Form<Fields>,
) -> Result<Json<EventRepeated>, Failure> {
    let event_id = fields.required("EventId")?.to_owned();
    let count = fields.whole("Count")?.unwrap_or(1);
    if !(1..=MAX_REPEATS).contains(&count) {
        return Err(Failure::parameter(format!("Count is not 1 to {MAX_REPEATS}")));
    }
    let posts = {
        let resources = carrier.resources();
        let event = resources.events.get(&event_id).cloned();
        let event = event.ok_or_else(|| Failure::not_found(&format!("/Events/{event_id}")))?;
        std::iter::repeat_n(event, count).flat_map(|event| resources.posts(&[event])).collect()
    };
    let answer = carrier.post_now(posts).await;
    tracing::info!(event.id = event_id, count, answer = answer.status, "an event was told again");
    Ok(Json(EventRepeated { event_id, outcome: answer.into() }))
}

/// The campaign's sid and what is to be told: of the campaign, and of each number when they may send from now on.
fn decide(
    service: &mut Service,
    status: Status,
    code: Option<u32>,
    account: &str,
) -> Option<(String, Vec<Event>)> {
    let now = Timestamp::now();
    let campaign = service.campaign.as_mut()?;
    let becomes_verified = status == Status::Verified && campaign.status != Status::Verified;
    campaign.enter(status, code, now);
    let mut events = vec![Event::campaign(campaign, &service.sid, account, now)];
    if becomes_verified {
        events.extend(service.members.iter().map(|member| {
            Event::number_registered(&member.number_sid, &service.sid, campaign, account, now)
        }));
    }
    Some((campaign.sid.clone(), events))
}
