//! Canned responses: a name is one's alone, whoever asks at once.

use shared_aws::{
    table::Versioned,
    template::{TemplateWrite, Templates},
};
use shared_domain::{ids::TemplateId, keys::TeamKey, template::CannedResponse};
use tokio::task::JoinSet;

use crate::support::Desk;

fn response(place: usize, name: &str, text: &str) -> CannedResponse {
    let id = TemplateId::parse(&format!("tpl_{place:04}")).unwrap();
    CannedResponse::parse(id, name, text).unwrap()
}

async fn write(
    desk: &Desk,
    before: Option<&Versioned<CannedResponse>>,
    after: &CannedResponse,
) -> TemplateWrite {
    let templates = Templates::new(desk.other_host());
    templates
        .write(TeamKey { organization: desk.organization(), team: &desk.inbox.team }, before, after, None)
        .await
        .unwrap()
}

async fn get(desk: &Desk, id: &TemplateId) -> Option<Versioned<CannedResponse>> {
    let templates = Templates::new(desk.other_host());
    templates.get(TeamKey { organization: desk.organization(), team: &desk.inbox.team }, id).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_one_s_alone_and_free_again_when_it_is_given_up() {
    let desk = Desk::open().await;
    let hours = response(1, "Office hours", "We open at nine.");
    assert_eq!(write(&desk, None, &hours).await, TemplateWrite::Done);
    assert_eq!(write(&desk, None, &response(2, "OFFICE  hours", "Other")).await, TemplateWrite::NameTaken);
    let read = get(&desk, &hours.id).await.unwrap();
    let louder = response(1, "OFFICE HOURS", "We open at nine.");
    assert_eq!(write(&desk, Some(&read), &louder).await, TemplateWrite::Done, "its own name in another case");
    assert_eq!(write(&desk, Some(&read), &hours).await, TemplateWrite::Changed, "what was read is old");

    let read = get(&desk, &hours.id).await.unwrap();
    assert_eq!((read.value.name.as_str(), read.version), ("OFFICE HOURS", 2));
    assert_eq!(write(&desk, Some(&read), &response(1, "Times", "At nine.")).await, TemplateWrite::Done);
    assert_eq!(write(&desk, None, &response(2, "Office hours", "Other")).await, TemplateWrite::Done);
    let read = get(&desk, &hours.id).await.unwrap();
    assert_eq!(write(&desk, Some(&read), &response(1, "Office hours", "x")).await, TemplateWrite::NameTaken);

    let templates = Templates::new(desk.other_host());
    assert!(
        templates
            .remove(TeamKey { organization: desk.organization(), team: &desk.inbox.team }, &read)
            .await
            .unwrap()
    );
    assert!(
        !templates
            .remove(TeamKey { organization: desk.organization(), team: &desk.inbox.team }, &read)
            .await
            .unwrap()
    );
    assert_eq!(get(&desk, &hours.id).await, None);
    assert_eq!(write(&desk, None, &response(3, "Times", "x")).await, TemplateWrite::Done);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_ask_for_a_name_at_once_one_gets_it() {
    let desk = Desk::open().await;
    let mut asking = JoinSet::new();
    for place in 0..8 {
        let templates = Templates::new(desk.other_host());
        let (organization, team) = (desk.organization().clone(), desk.inbox.team.clone());
        asking.spawn(async move {
            let wanted = response(place, "Welcome", "Hello");
            templates
                .write(TeamKey { organization: &organization, team: &team }, None, &wanted, None)
                .await
                .unwrap()
        });
    }
    let answers = asking.join_all().await;
    assert_eq!(answers.iter().filter(|answer| **answer == TemplateWrite::Done).count(), 1, "{answers:?}");
    assert_eq!(
        answers.iter().filter(|answer| **answer == TemplateWrite::NameTaken).count(),
        7,
        "{answers:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_s_list_goes_on_where_a_page_ended_and_holds_nothing_else() {
    let desk = Desk::open().await;
    for place in 0..5 {
        write(&desk, None, &response(place, &format!("Name {place}"), "Hello")).await;
    }
    let templates = Templates::new(desk.other_host());
    let (mut after, mut names) = (None, Vec::new());
    loop {
        let page = templates
            .page(TeamKey { organization: desk.organization(), team: &desk.inbox.team }, 2, after.as_deref())
            .await
            .unwrap();
        names.extend(page.items.into_iter().map(|entry| entry.value.name));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(names, ["Name 0", "Name 1", "Name 2", "Name 3", "Name 4"]);
}
