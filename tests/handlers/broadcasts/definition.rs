//! What a broadcast copies, and what it only names: the text of a template, and segments.

use std::time::Duration;

use serde_json::{Value, json};
use shared_app::audience::AudienceWorkflow;
use shared_aws::{
    contact::Contacts,
    segment::{SegmentWrite, Segments},
    template::{TemplateWrite, Templates},
};
use shared_domain::{
    audience::{AudienceSegment, Filter, SegmentKind},
    contact::Contact,
    ids::{ContactId, SegmentId, TemplateId},
    template::Template,
};
use shared_lambda::clock::now;
use test_kit::build;

use super::{Broadcasting, CANCEL, CHANGE, CONFIRM, ESTIMATE, PAUSE, phone};

impl Broadcasting {
    /// Stores the template `tpl_1` with this text.
    async fn write_template(&self, text: &str) {
        let (templates, team) = (Templates::new(self.test.table()), self.test.inbox.team_key());
        let template = Template::parse(TemplateId::parse("tpl_1").unwrap(), "Snow", text).unwrap();
        let before = templates.get(team, &template.id).await.unwrap();
        let written = templates.write(team, before.as_ref(), &template, None).await.unwrap();
        assert_eq!(written, TemplateWrite::Done);
    }

    /// Creates a broadcast to the contact of the test with this content.
    async fn create_with(&self, content: Value) -> (u16, Value) {
        let mut body = json!({
            "name": "Snow day", "from": { "inboxId": self.test.inbox.id }, "hours": { "mode": "always" },
            "audience": { "phoneNumbers": [self.test.contact.as_str()] },
        });
        body.as_object_mut().unwrap().extend(content.as_object().unwrap().clone());
        self.create("ada", &body).await
    }

    /// Stores a segment with the contact of the test.
    async fn add_segment(&self, id: &str) {
        self.add_segment_counted(id, 1).await;
    }

    /// As [`Self::add_segment`], with another count.
    async fn add_segment_counted(&self, id: &str, count: u64) {
        let segment = AudienceSegment {
            id: SegmentId::parse(id).unwrap(),
            name: id.to_owned(),
            kind: SegmentKind::Static,
            count,
            complete: true,
            counted_at: now(),
        };
        let (segments, team) = (Segments::new(self.test.table()), self.test.inbox.team_key());
        assert_eq!(segments.write(team, None, &segment, None).await.unwrap(), SegmentWrite::Done);
        segments.add_contacts(self.test.organization(), &segment.id, &[build::contact().id]).await.unwrap();
    }

    async fn remove_segment(&self, id: &str) {
        let (segments, segment) = (Segments::new(self.test.table()), SegmentId::parse(id).unwrap());
        assert!(segments.remove(self.test.inbox.team_key(), &segment).await.unwrap());
    }

    /// Creates a broadcast to the segments `seg_1` and `seg_2`.
    async fn draft_to_segments(&self) -> String {
        self.test.add_contact(&build::contact()).await;
        for segment in ["seg_1", "seg_2"] {
            self.add_segment(segment).await;
        }
        let segments = json!({ "segmentIds": ["seg_1", "seg_2"] });
        let (status, draft) =
            self.create_with(json!({ "text": "Closed today.", "audience": segments })).await;
        assert_eq!(status, 201, "{draft}");
        draft["broadcastId"].as_str().unwrap().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_has_the_text_that_its_template_had_when_it_was_chosen() {
    let it = Broadcasting::start().await;
    let (closed, open) = ("Hi {{firstName|there}}, we are closed.", "Hi {{firstName|there}}, we are open.");
    it.write_template(closed).await;
    let (status, draft) = it.create_with(json!({ "templateId": "tpl_1" })).await;
    assert_eq!((status, &draft["text"], &draft["templateId"]), (201, &json!(closed), &json!("tpl_1")));
    let id = draft["broadcastId"].as_str().unwrap();

    it.write_template(open).await;
    let (_, renamed) = it.of("ada", CHANGE, id, Some(json!({ "name": "Ice day" }))).await;
    assert_eq!((&renamed["text"], &renamed["templateId"]), (&json!(closed), &json!("tpl_1")));
    it.confirm(id).await;
    it.work(now()).await;
    assert_eq!(it.texts().await, ["Hi there, we are closed."]);

    let other = it.draft(&[it.test.contact.as_str()], "Closed today.").await;
    let (_, chosen) = it.of("ada", CHANGE, &other, Some(json!({ "templateId": "tpl_1" }))).await;
    assert_eq!((&chosen["text"], &chosen["templateId"]), (&json!(open), &json!("tpl_1")));
    let (_, written) = it.of("ada", CHANGE, &other, Some(json!({ "text": "Come in." }))).await;
    assert_eq!((&written["text"], &written["templateId"]), (&json!("Come in."), &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_that_does_not_exist_is_too_long_or_has_a_text_beside_it_is_refused() {
    let it = Broadcasting::start().await;
    let id = it.draft(&[it.test.contact.as_str()], "Closed today.").await;
    it.write_template(&"a".repeat(307)).await;
    for (content, refused) in [
        (json!({ "templateId": "tpl_none" }), (422, "unknown_template", "/templateId")),
        (json!({ "templateId": "no id" }), (422, "unknown_template", "/templateId")),
        (json!({ "templateId": "tpl_1" }), (422, "invalid_fields", "/text")),
        (json!({ "templateId": "tpl_1", "text": "Hi" }), (400, "malformed", "/templateId")),
    ] {
        let created = it.create_with(content.clone()).await;
        let changed = it.of("ada", CHANGE, &id, Some(content)).await;
        for (status, problem) in [created, changed] {
            let (code, pointer) = (&problem["code"], &problem["errors"][0]["pointer"]);
            assert_eq!(
                (status, code, pointer),
                (refused.0, &json!(refused.1), &json!(refused.2)),
                "{problem}"
            );
        }
    }
    let (status, neither) = it.create_with(json!({})).await;
    assert_eq!((status, &neither["errors"][0]["pointer"]), (400, &json!("/text")), "{neither}");
    assert_eq!(it.read(&id).await["text"], "Closed today.");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_with_a_removed_segment_is_neither_estimated_nor_confirmed_before_it_is_edited() {
    let it = Broadcasting::start().await;
    let id = it.draft_to_segments().await;
    let estimate = it.estimate(&id).await;
    assert_eq!(estimate["recipients"], 1, "{estimate}");
    it.remove_segment("seg_2").await;
    let confirm = json!({ "estimateId": estimate["estimateId"] });
    for (route, body) in [(ESTIMATE, None), (CONFIRM, Some(confirm))] {
        let (status, problem) = it.of("ada", route, &id, body).await;
        assert_eq!((status, &problem["code"]), (422, &json!("segment_removed")), "{route}: {problem}");
        assert_eq!(problem["errors"][0]["pointer"], "/audience/segmentIds/1", "{route}");
    }
    assert_eq!(it.read(&id).await["status"], "draft");
    let audience = json!({ "audience": { "segmentIds": ["seg_1"] } });
    assert_eq!(it.of("ada", CHANGE, &id, Some(audience)).await.0, 200);
    assert_eq!(it.confirm(&id).await["status"], "preparing");
}

/// A colleague puts someone else into the segments. The number of recipients stays.
#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_whose_estimate_had_other_people_is_not_confirmed() {
    let it = Broadcasting::start().await;
    let id = it.draft_to_segments().await;
    let estimate = it.estimate(&id).await;
    let other =
        Contact { id: ContactId::new(now(), 2), external_id: None, number: phone(199), ..build::contact() };
    it.test.add_contact(&other).await;
    let (segments, organization) = (Segments::new(it.test.table()), it.test.organization());
    for segment in ["seg_1", "seg_2"].map(|id| SegmentId::parse(id).unwrap()) {
        segments.remove_contacts(organization, &segment, &[build::contact().id]).await.unwrap();
        segments.add_contacts(organization, &segment, std::slice::from_ref(&other.id)).await.unwrap();
    }
    let confirm = json!({ "estimateId": estimate["estimateId"] });
    let (status, problem) = it.of("ada", CONFIRM, &id, Some(confirm)).await;
    assert_eq!((status, &problem["code"]), (409, &json!("estimate_stale")), "{problem}");
    assert_eq!((&estimate["recipients"], &it.estimate(&id).await["recipients"]), (&json!(1), &json!(1)));
    assert_eq!(it.confirm(&id).await["status"], "preparing");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audience_that_a_request_cannot_evaluate_is_refused_at_once_by_the_estimate_and_confirmation() {
    let it = Broadcasting::start().await;
    let id = it.draft_to_segments().await;
    let estimate = it.estimate(&id).await;
    assert_eq!(estimate["recipients"], 1, "{estimate}");
    it.remove_segment("seg_2").await;
    it.add_segment_counted("seg_2", 50_000).await;
    let confirm = json!({ "estimateId": estimate["estimateId"] });
    for (route, body) in [(ESTIMATE, None), (CONFIRM, Some(confirm))] {
        let (status, problem) = it.of("ada", route, &id, body).await;
        assert_eq!((status, &problem["code"]), (422, &json!("audience_too_large")), "{route}: {problem}");
        assert_eq!(problem["errors"][0]["pointer"], "/audience", "{route}");
    }
    it.remove_segment("seg_2").await;
    it.add_segment_counted("seg_2", 49_999).await;
    assert_eq!(it.confirm(&id).await["status"], "preparing");
}

/// A filter on messages reads the conversations with each inbox.
#[tokio::test(flavor = "multi_thread")]
async fn a_filter_counts_with_all_contacts_of_the_team_and_what_it_reads_for_each() {
    let it = Broadcasting::start().await;
    it.test.add_contact(&build::contact()).await;
    let (contacts, team) = (Contacts::new(it.test.table()), it.test.inbox.team_key());
    assert_eq!((contacts.count(team, 9).await.unwrap(), contacts.count(team, 0).await.unwrap()), (1, 0));
    let items = async |filter: Value| {
        let filter = Filter::parse("/filter", &filter).unwrap();
        AudienceWorkflow::new(&it.test.table()).items_for_contact(team, &filter).await.unwrap()
    };
    let of = |field: &str| json!({ "field": field, "op": "exists", "value": true });
    assert_eq!(items(of("firstName")).await, 3);
    assert_eq!(items(of("lastInboundAt")).await, 4);
    let broadcasts = [of("broadcast.bct_1.state"), of("broadcast.bct_1.answer"), of("broadcast.bct_2.state")];
    assert_eq!(items(json!({ "all": broadcasts })).await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_broadcast_with_a_removed_segment_fails_with_the_reason_and_texts_nobody() {
    let it = Broadcasting::start().await;
    let id = it.draft_to_segments().await;
    let start = now() + Duration::from_hours(1);
    it.of("ada", CHANGE, &id, Some(json!({ "scheduledAt": start.to_string() }))).await;
    assert_eq!(it.confirm(&id).await["status"], "scheduled");
    it.remove_segment("seg_2").await;
    let failed = it.wake(start, &id).await;
    let reason = json!("A segment of the audience was removed.");
    assert_eq!((&failed["status"], &failed["reason"]), (&json!("failed"), &reason), "{failed}");
    assert_eq!((&failed["progress"]["total"], &failed["finishedAt"]), (&json!(0), &json!(start.to_string())));
    assert!(it.recipients(&id).await.is_empty() && it.texts().await.is_empty());
    for step in [PAUSE, CANCEL] {
        assert_eq!(it.of("ada", step, &id, None).await.1["broadcastStatus"], "failed", "{step}");
    }
    assert_eq!(it.sweep(start + Duration::from_hours(2)).await, 0, "there is nothing to do");
}
