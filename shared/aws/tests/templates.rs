//! Canned responses: a name is one's alone, whoever asks at once.

use shared_aws::{
    table::Versioned,
    template::{TemplateWrite, Templates},
};
use shared_domain::{ids::TemplateId, keys::TeamKey, template::Template};
use tokio::task::JoinSet;

use crate::support::TestStores;

fn response(place: usize, name: &str, text: &str) -> Template {
    let id = TemplateId::parse(&format!("tpl_{place:04}")).unwrap();
    Template::parse(id, name, text).unwrap()
}

async fn write(stores: &TestStores, before: Option<&Versioned<Template>>, after: &Template) -> TemplateWrite {
    let templates = Templates::new(stores.table());
    templates.write(stores.inbox.team_key(), before, after, None).await.unwrap()
}

async fn get(stores: &TestStores, id: &TemplateId) -> Option<Versioned<Template>> {
    let templates = Templates::new(stores.table());
    templates.get(stores.inbox.team_key(), id).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_unique_and_free_again_after_a_rename() {
    let stores = TestStores::start().await;
    let hours = response(1, "Office hours", "We open at nine.");
    assert_eq!(write(&stores, None, &hours).await, TemplateWrite::Done);
    assert_eq!(write(&stores, None, &response(2, "OFFICE  hours", "Other")).await, TemplateWrite::NameTaken);
    let read = get(&stores, &hours.id).await.unwrap();
    let louder = response(1, "OFFICE HOURS", "We open at nine.");
    assert_eq!(
        write(&stores, Some(&read), &louder).await,
        TemplateWrite::Done,
        "its own name in another case"
    );
    assert_eq!(write(&stores, Some(&read), &hours).await, TemplateWrite::Changed, "what was read is old");

    let read = get(&stores, &hours.id).await.unwrap();
    assert_eq!((read.value.name.as_str(), read.version), ("OFFICE HOURS", 2));
    assert_eq!(write(&stores, Some(&read), &response(1, "Times", "At nine.")).await, TemplateWrite::Done);
    assert_eq!(write(&stores, None, &response(2, "Office hours", "Other")).await, TemplateWrite::Done);
    let read = get(&stores, &hours.id).await.unwrap();
    assert_eq!(
        write(&stores, Some(&read), &response(1, "Office hours", "x")).await,
        TemplateWrite::NameTaken
    );

    let templates = Templates::new(stores.table());
    assert!(templates.remove(stores.inbox.team_key(), &read).await.unwrap());
    assert!(!templates.remove(stores.inbox.team_key(), &read).await.unwrap());
    assert_eq!(get(&stores, &hours.id).await, None);
    assert_eq!(write(&stores, None, &response(3, "Times", "x")).await, TemplateWrite::Done);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_concurrent_writes_of_a_name_one_succeeds() {
    let stores = TestStores::start().await;
    let mut asking = JoinSet::new();
    for place in 0..8 {
        let templates = Templates::new(stores.table());
        let (organization, team) = (stores.organization().clone(), stores.inbox.team.clone());
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
async fn the_pages_of_a_list_contain_each_template_once() {
    let stores = TestStores::start().await;
    for place in 0..5 {
        write(&stores, None, &response(place, &format!("Name {place}"), "Hello")).await;
    }
    let templates = Templates::new(stores.table());
    let (mut after, mut names) = (None, Vec::new());
    loop {
        let page = templates.page(stores.inbox.team_key(), 2, after.as_deref()).await.unwrap();
        names.extend(page.items.into_iter().map(|entry| entry.value.name));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(names, ["Name 0", "Name 1", "Name 2", "Name 3", "Name 4"]);
}
