//! Access and locks.

use shared_aws::conversation::Acquired;
use shared_domain::{
    inbox::InboxKind,
    lock::{FencingToken, Lease, LockPolicy},
    membership::Membership,
    user::UserRef,
};

use crate::support::{TestStores, ada, at_second, ben, cleo};

use super::{Measurements, receive};

pub(super) async fn access_check(measured: &mut Measurements) {
    let stores = &measured.stores;
    let (inbox, team) = (stores.inbox.id.clone(), stores.inbox.team.clone());
    let member = Membership { inbox, kind: InboxKind::Shared, team, user: ada() };
    stores.members.put(stores.organization(), &member).await.unwrap();
    let found = measured
        .measure("access check", async |stores| {
            stores.members.membership(stores.inbox.key(), &ada().id).await.unwrap()
        })
        .await;
    assert_eq!(found, Some(member));
}

pub(super) async fn locks(measured: &mut Measurements) {
    let conversation = measured.conversation(0).await;
    let policy = LockPolicy::default();
    let acquire = async |stores: &TestStores, user: UserRef, at| {
        stores
            .locks
            .acquire(
                stores.conversation_key(&conversation),
                &user,
                at_second(at),
                shared_lambda::clock::entropy(),
                &policy,
            )
            .await
            .unwrap()
    };
    let renew = async |stores: &TestStores, user: UserRef, token: FencingToken, at| {
        let key = stores.conversation_key(&conversation);
        stores.locks.renew(key, &user.id, token, true, at_second(at), &policy).await.unwrap()
    };
    let release = async |stores: &TestStores, lease: &Lease| {
        stores
            .locks
            .release(stores.conversation_key(&conversation), &lease.holder.id, lease.token)
            .await
            .unwrap()
    };
    let held = |acquired| match acquired {
        Acquired::Held(lease) => lease,
        other => panic!("not acquired: {other:?}"),
    };
    for user in [ada(), ben()] {
        // The first lock of a user also creates the item of the user's locks.
        release(&measured.stores, &held(acquire(&measured.stores, user, 0).await)).await;
    }
    receive(&measured.stores, 0, 1).await;
    let operation = "acquire, unread conversation";
    let first = held(measured.measure(operation, async |stores| acquire(stores, ada(), 0).await).await);
    release(&measured.stores, &first).await;
    held(measured.measure("acquire a free lock", async |stores| acquire(stores, ada(), 0).await).await);
    measured.measure("acquire, refused", async |stores| acquire(stores, ben(), 1).await).await;
    let again =
        measured.measure("acquire again as the holder", async |stores| acquire(stores, ada(), 2).await).await;
    let old = held(again).token;
    measured.measure("renew", async |stores| renew(stores, ada(), old, 3).await).await;
    let taken = held(
        measured.measure("take over an expired lock", async |stores| acquire(stores, ben(), 100).await).await,
    );
    measured.measure("renew, lost", async |stores| renew(stores, ada(), old, 101).await).await;
    measured.measure("release", async |stores| release(stores, &taken).await).await;
    measured.measure("release, already released", async |stores| release(stores, &taken).await).await;
    let lease = held(acquire(&measured.stores, ada(), 102).await);
    let broken = async |stores: &TestStores| {
        stores.locks.break_lock(stores.conversation_key(&conversation), &cleo(), lease.token).await.unwrap()
    };
    measured.measure("break", broken).await;
}
