//! The leases of broadcasts: one worker at a time prepares or releases a broadcast.

use std::time::Duration;

use shared_domain::{broadcast::Broadcast, ids::BroadcastId, keys::TeamKey, time::Timestamp};

use crate::{
    broadcast::broadcasts::Broadcasts,
    table::{
        error::StoreError,
        item::{number, text},
        keys,
    },
};

/// How long a worker may go without renewing its lease.
const LEASE: Duration = Duration::from_secs(90);

impl Broadcasts {
    /// Acquires the lease of a worker, for 90 seconds. `false` if another worker has it. Renews the worker's
    /// own lease.
    ///
    /// A worker that `continues` also gets `false` before the time at which it is to go on. If several
    /// messages continue a broadcast, the first of them sets that time, and the others end.
    pub async fn acquire(
        &self,
        team: TeamKey<'_>,
        broadcast: &BroadcastId,
        worker: u64,
        continues: bool,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let key = keys::broadcast_lease(team.organization, broadcast);
        let is_free = "attribute_not_exists(worker) OR worker = :worker OR #until < :now";
        let condition = if continues {
            format!("({is_free}) AND (attribute_not_exists(goOnAt) OR goOnAt <= :now)")
        } else {
            is_free.to_owned()
        };
        let updated = self.table.update_if(key, |update| {
            update
                .update_expression("SET worker = :worker, #until = :until, #ttl = :ttl")
                .condition_expression(condition)
                .expression_attribute_names("#until", "until")
                .expression_attribute_names("#ttl", "ttl")
                .expression_attribute_values(":worker", text(format!("{worker:016x}")))
                .expression_attribute_values(":until", number((now + LEASE).millis()))
                .expression_attribute_values(":ttl", number((now + 40 * LEASE).seconds()))
                .expression_attribute_values(":now", number(now.millis()))
        });
        Ok(updated.await?.is_done())
    }

    /// Gives the lease back. `go_on_at` is when a worker goes on, `None` if there is no more to do. Does
    /// nothing if another worker has the lease.
    pub async fn give_back(
        &self,
        team: TeamKey<'_>,
        broadcast: &BroadcastId,
        worker: u64,
        go_on_at: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let key = keys::broadcast_lease(team.organization, broadcast);
        let updated = self.table.update_if(key, |update| {
            let update = update
                .condition_expression("worker = :worker")
                .expression_attribute_names("#until", "until")
                .expression_attribute_values(":worker", text(format!("{worker:016x}")));
            match go_on_at {
                Some(go_on_at) => update
                    .update_expression("SET goOnAt = :at REMOVE worker, #until")
                    .expression_attribute_values(":at", number(go_on_at.millis())),
                None => update.update_expression("REMOVE worker, #until, goOnAt"),
            }
        });
        updated.await.map(drop)
    }

    /// Returns whether queued recipients are to be compared with their messages now, which happens once in
    /// this `interval`. The time is kept with the lease, because users do not see it.
    pub async fn follow_since(
        &self,
        broadcast: &Broadcast,
        now: Timestamp,
        interval: Duration,
    ) -> Result<bool, StoreError> {
        let key = keys::broadcast_lease(&broadcast.organization, &broadcast.id);
        let updated = self.table.update_if(key, |update| {
            update
                .update_expression("SET followedAt = :now, #ttl = :ttl")
                .condition_expression("attribute_not_exists(followedAt) OR followedAt < :before")
                .expression_attribute_names("#ttl", "ttl")
                .expression_attribute_values(":now", number(now.millis()))
                .expression_attribute_values(":before", number((now - interval).millis()))
                .expression_attribute_values(":ttl", number((now + 40 * LEASE).seconds()))
        });
        Ok(updated.await?.is_done())
    }
}
