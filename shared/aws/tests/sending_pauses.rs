//! Sending pauses: which pause replaces another, how they end, and the count of lost answers.

use shared_aws::sending::SendingPauses;
use shared_domain::sending_pause::{MAX_LOST_ANSWERS, PauseCause, SendingPause};

use crate::support::{TestStores, ada, at_second, ben};

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_by_the_owner_replaces_an_automatic_one_and_is_replaced_by_none() {
    let stores = TestStores::start().await;
    let (pauses, organization) = (SendingPauses::new(stores.table()), stores.organization());
    assert!(pauses.pause_automatically(organization, PauseCause::CarrierDown, at_second(1)).await.unwrap());
    assert!(
        !pauses.pause_automatically(organization, PauseCause::AccountRefused, at_second(2)).await.unwrap()
    );
    let manual = SendingPause::manual(ada(), at_second(3));
    assert_eq!(pauses.pause(organization, &manual).await.unwrap(), manual);
    let later = SendingPause::manual(ben(), at_second(4));
    assert_eq!(pauses.pause(organization, &later).await.unwrap(), manual, "the first one stays in force");
    assert!(!pauses.pause_automatically(organization, PauseCause::CarrierDown, at_second(5)).await.unwrap());
    assert_eq!(pauses.get(organization).await.unwrap().pause, Some(manual.clone()));
    assert_eq!(pauses.resume(organization, at_second(9)).await.unwrap(), Some(manual));
    assert_eq!(pauses.resume(organization, at_second(9)).await.unwrap(), None);
    assert_eq!(pauses.get(organization).await.unwrap().pause, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_automatic_pause_that_was_probed_ends_by_itself() {
    let stores = TestStores::start().await;
    let (pauses, organization) = (SendingPauses::new(stores.table()), stores.organization());
    pauses.pause_automatically(organization, PauseCause::AccountRefused, at_second(1)).await.unwrap();
    assert!(
        !pauses.resume_automatically(organization, at_second(2), at_second(9)).await.unwrap(),
        "another pause"
    );
    pauses.mark_probed(organization, at_second(2), at_second(9)).await.unwrap();
    let probed_at = async || pauses.get(organization).await.unwrap().pause.unwrap().probed_at;
    assert_eq!(probed_at().await, None, "another pause");
    pauses.mark_probed(organization, at_second(1), at_second(9)).await.unwrap();
    assert_eq!(probed_at().await, Some(at_second(9)));
    assert!(pauses.resume_automatically(organization, at_second(1), at_second(9)).await.unwrap());
    assert!(!pauses.resume_automatically(organization, at_second(1), at_second(9)).await.unwrap());
    pauses.pause(organization, &SendingPause::manual(ada(), at_second(3))).await.unwrap();
    assert!(
        !pauses.resume_automatically(organization, at_second(3), at_second(9)).await.unwrap(),
        "the owner ends it"
    );
    pauses.resume(organization, at_second(9)).await.unwrap();
    pauses.mark_probed(organization, at_second(3), at_second(9)).await.unwrap();
    assert_eq!(pauses.get(organization).await.unwrap().pause, None, "a late probe creates no pause");
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_in_a_row_pause_sending_once() {
    let stores = TestStores::start().await;
    let (pauses, organization) = (SendingPauses::new(stores.table()), stores.organization());
    let lose = async |second| pauses.count_lost_answer(organization, at_second(second)).await.unwrap();
    for _ in 1..MAX_LOST_ANSWERS {
        assert!(!lose(1).await);
    }
    pauses.reset_lost_answers(organization).await.unwrap();
    for _ in 1..MAX_LOST_ANSWERS {
        assert!(!lose(2).await, "the run started again");
    }
    assert!(lose(3).await);
    assert!(!lose(4).await, "sending is paused");
    let pause = pauses.get(organization).await.unwrap().pause.unwrap();
    assert_eq!((pause.cause, pause.since), (PauseCause::CarrierDown, at_second(3)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_has_the_organizations_that_are_paused() {
    let stores = TestStores::start().await;
    let pauses = SendingPauses::new(stores.table());
    let (one, other) = (stores.organization().clone(), test_kit::build::organization_id("org_2"));
    pauses.pause_automatically(&one, PauseCause::CarrierDown, at_second(1)).await.unwrap();
    pauses.count_lost_answer(&other, at_second(1)).await.unwrap();
    let listed = pauses.list().await.unwrap();
    let [paused] = &listed[..] else { panic!("expected one organization: {listed:?}") };
    assert_eq!((&paused.organization, paused.pause.cause), (&one, PauseCause::CarrierDown));
    pauses.resume(&one, at_second(9)).await.unwrap();
    assert_eq!(pauses.list().await.unwrap(), []);
}
