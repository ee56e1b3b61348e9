//! The audience of a broadcast while its segment changes.

use shared_app::broadcast::BroadcastWorkflow;
use shared_aws::{
    broadcast::{Broadcasts, Recipients, reference},
    clients::BroadcastJob,
    segment::Segments,
    team::AuditEvent,
};
use shared_domain::{
    audience::{AudienceSegment, SegmentKind},
    broadcast::{Audience, Broadcast, BroadcastStatus},
    contact::Contact,
    ids::SegmentId,
};
use shared_lambda::clock::now;
use test_kit::{TestApp, build, contention::overtaken_table};

/// A segment that is removed while the broadcast is prepared never leaves people out silently: the broadcast
/// has them, or fails.
#[tokio::test(flavor = "multi_thread")]
async fn a_segment_that_is_removed_during_the_preparation_fails_the_broadcast_or_is_complete() {
    let mut outcomes = (0, 0);
    for nth in 0..14 {
        let test = TestApp::start().await;
        let ada = build::user_ref("ada", "Ada");
        test.add_contact(&build::contact()).await;
        let segment = AudienceSegment {
            id: SegmentId::parse("seg_1").unwrap(),
            name: "Bus 12".into(),
            kind: SegmentKind::Static,
            count: 1,
            complete: true,
            counted_at: now(),
        };
        let segments = Segments::new(test.table());
        segments.write(test.inbox.team_key(), None, &segment, None).await.unwrap();
        let Contact { id: contact, .. } = build::contact();
        segments.add_contacts(test.organization(), &segment.id, &[contact]).await.unwrap();
        let broadcast = Broadcast {
            audience: Audience { segments: vec![segment.id.clone()], ..Audience::default() },
            status: BroadcastStatus::Preparing,
            ..build::broadcast(&test.inbox, &ada)
        };
        let event =
            AuditEvent { actor: &ada.id, action: "broadcast.create", target: "bct_1", at: now(), entropy: 1 };
        Broadcasts::new(test.table()).create(&broadcast, &event, None).await.unwrap();
        let job = BroadcastJob {
            organization: broadcast.organization.clone(),
            team: broadcast.team.clone(),
            broadcast: broadcast.id.clone(),
            continues: false,
        };
        let inbox = test.inbox.clone();
        let remove = async move {
            segments.remove(inbox.team_key(), &segment.id).await.unwrap();
        };
        let table = overtaken_table(&test.engine.aws, nth, remove);
        BroadcastWorkflow::new(&table, None).run_slice(now, 1, &job).await.unwrap();

        let found = Broadcasts::new(test.table()).get(broadcast.team_key(), &broadcast.id).await.unwrap();
        let found = found.unwrap().value;
        let recipients = Recipients::new(test.table());
        let progress = recipients.progress(&broadcast.organization, &reference(&found)).await.unwrap();
        if found.status == BroadcastStatus::Failed {
            outcomes.0 += 1;
            assert!(found.reason.as_deref().is_some_and(|reason| reason.contains("removed")), "{found:?}");
        } else {
            outcomes.1 += 1;
            assert_eq!(progress.total(), 1, "removed before request {nth}: {found:?}");
        }
    }
    assert!(outcomes.0 > 1 && outcomes.1 > 1, "{outcomes:?}");
}
