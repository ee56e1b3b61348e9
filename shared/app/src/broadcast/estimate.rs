//! The estimate of a broadcast.

use std::collections::HashMap;

use shared_aws::table::StoreError;
use shared_domain::{
    broadcast::{Broadcast, Capacity, Estimate, SenderFacts, SkipReason, Tally, checks},
    inbox::Stage,
    sending_hours::{RecipientPlace, SendingHours},
    time::Timestamp,
};

use super::{AudienceError, BroadcastWorkflow, people::PersonalText};

impl BroadcastWorkflow {
    /// Evaluates the audience and counts it. `may_broadcast` says whether the user may confirm the broadcast.
    pub async fn estimate(
        &self,
        broadcast: &Broadcast,
        may_broadcast: bool,
        now: Timestamp,
        entropy: u64,
    ) -> Result<Estimate, AudienceError> {
        let from = self.inboxes.get_with_team(broadcast.inbox_key()).await?;
        let from = from.ok_or_else(|| StoreError::Corrupt("a broadcast without inbox".into()))?;
        let text = PersonalText::of(broadcast, &from.inbox.number);
        let mut tally = Tally::default();
        let starts_at = broadcast.scheduled_at.map_or(now, |at| at.max(now));
        let team_hours = self.team_hours(broadcast).await?;
        let mut is_reached: HashMap<RecipientPlace, bool> = HashMap::new();
        let mut audience = self.audience_of(broadcast, now);
        while let Some(people) = audience.next().await? {
            for person in people {
                let place = person.place();
                let is_reached = *is_reached.entry(place.clone()).or_insert_with(|| {
                    let hours = SendingHours::of(&place, broadcast.hours, team_hours.as_ref());
                    hours.next_release(starts_at).is_some()
                });
                match text.render(&person) {
                    Ok(_) if !is_reached => tally.exclude(SkipReason::Expired),
                    Ok(rendered) => {
                        tally.add(&place, &rendered, text.characters(&person));
                        tally.add_to_audience(&broadcast.id, &person.number);
                    }
                    Err(reason) => tally.exclude(reason),
                }
            }
        }
        let capacity = Capacity { segments_per_second: from.segments_per_second(), segments_per_day: None };
        let (state, stored) = self.paces.get_with_sending_state(broadcast.inbox_key()).await?;
        let drain = tally.drain(broadcast.hours, team_hours.as_ref(), capacity, stored.pace(), starts_at);
        let is_later = starts_at > now; // nobody knows which broadcasts run then
        let other_broadcasts = if is_later {
            0
        } else {
            self.texts_ahead.get(broadcast.inbox_key()).await?.value.others(&broadcast.id, now)
        };
        let sender = SenderFacts {
            is_active: from.inbox.stage == Stage::Active,
            is_registered: from.inbox.kind.is_covered_by(from.team.registration),
            may_broadcast,
            is_paused: state.pause.is_some(),
            other_broadcasts,
            is_past: broadcast.series.is_some() && broadcast.scheduled_at.is_none_or(|at| at <= now),
            names_opt_out: broadcast.text.to_lowercase().contains("stop"),
        };
        let price = self.price.as_ref();
        Ok(Estimate {
            id: format!("est_{:012x}{:08x}", now.millis(), entropy & 0xffff_ffff),
            price: price.map(|price| (price.amount(tally.segments()), price.currency().to_owned())),
            times: drain.as_ref().map(|drain| (drain.starts_at, drain.ends_at)),
            checks: checks(&tally, sender, drain.as_ref(), starts_at),
            tally,
        })
    }
}
