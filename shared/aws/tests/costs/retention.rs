//! Messages that expire.

use shared_aws::{
    messaging::Guard,
    team::{Erasure, ExpiringTeam, Retentions},
};
use shared_domain::message::{DeliveryState, Report};

use crate::support::{TestStores, ada, at_second, number};

use super::{Measurements, TEXT};

pub(super) async fn expired_messages(measured: &mut Measurements) {
    let conversation = measured.conversation(41).await;
    let organization = measured.stores.organization().clone();
    let look = async |stores: &TestStores, until| {
        let messages = &stores.messages;
        let found =
            messages.created_before(&organization, &conversation, at_second(until), None, false).await;
        found.unwrap().items
    };
    let none =
        measured.measure("look for expired messages, none", async |stores| look(stores, 0).await).await;
    assert_eq!(none, []);
    let reply = measured.stores.outbound(&number(41), TEXT, &ada(), at_second(50));
    let guard = Guard::Compose { user: Some(&ada().id) };
    let _ = measured.stores.accept(&reply, guard, None).await;
    for state in [DeliveryState::Sent, DeliveryState::Delivered] {
        let report = Report::at(at_second(51));
        measured.stores.messages.report(&organization, &reply.id, state, &report, None).await.unwrap();
    }
    let expired = look(&measured.stores, 60).await;
    let retentions = Retentions::new(measured.stores.table());
    let team = measured.stores.inbox.team_key();
    retentions.add_missing(team, at_second(60)).await.unwrap();
    let [lease]: [ExpiringTeam; 1] = retentions.due(at_second(60)).await.unwrap().teams.try_into().unwrap();
    let is_held =
        async |stores: &TestStores| Retentions::new(stores.metered_table()).is_held(&lease).await.unwrap();
    assert!(measured.measure("whether a run still has its team", is_held).await);
    let names = ["erase an expired message, inbound", "erase an expired message, outbound"];
    for (name, message) in names.into_iter().zip(&expired) {
        let erase =
            async |stores: &TestStores| stores.messages.expire(&lease, &[message], at_second(70)).await;
        assert_eq!(measured.measure(name, erase).await.unwrap(), Erasure::Done);
    }
    assert_eq!((expired.len(), look(&measured.stores, 60).await), (2, Vec::new()));
    let erase = async |stores: &TestStores| {
        let key = stores.conversation_key(&conversation);
        stores.conversations.expire_preview(&lease, key, &reply.id).await.unwrap()
    };
    assert_eq!(measured.measure("erase the newest message in the lists", erase).await, Erasure::Done);
}
