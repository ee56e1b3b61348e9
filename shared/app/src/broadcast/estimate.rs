//! The estimate of a broadcast.

use shared_aws::table::StoreError;
use shared_domain::{
    broadcast::{Broadcast, Capacity, Estimate, SenderFacts, Tally, checks},
    inbox::Stage,
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
        let mut audience = self.audience_of(broadcast, now);
        while let Some(people) = audience.next().await? {
            for person in people {
                match text.render(&person) {
                    Ok(rendered) => tally.add(&person.place(), &rendered, text.characters(&person)),
                    Err(reason) => tally.exclude(reason),
                }
            }
        }
        let starts_at = broadcast.scheduled_at.map_or(now, |at| at.max(now));
        let capacity = Capacity { segments_per_second: from.segments_per_second(), segments_per_day: None };
        let team_hours = self.team_hours(broadcast).await?;
        let drain = tally.drain(broadcast.hours, team_hours.as_ref(), capacity, starts_at);
        let sender = SenderFacts {
            is_active: from.inbox.stage == Stage::Active,
            is_registered: from.inbox.kind.is_covered_by(from.team.registration),
            may_broadcast,
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
