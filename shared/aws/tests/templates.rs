//! Templates: names are unique, also under concurrent writes.

use shared_aws::{
    table::Versioned,
    template::{TemplateWrite, Templates},
};
use shared_domain::{ids::TemplateId, keys::TeamKey, template::Template};
use tokio::task::JoinSet;

use crate::support::TestStores;

fn template(index: usize, name: &str, text: &str) -> Template {
    let id = TemplateId::parse(&format!("tpl_{index:04}")).unwrap();
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
    let hours = template(1, "Office hours", "We open at nine.");
    assert_eq!(write(&stores, None, &hours).await, TemplateWrite::Done);
    assert_eq!(write(&stores, None, &template(2, "OFFICE  hours", "Other")).await, TemplateWrite::NameTaken);
    let read = get(&stores, &hours.id).await.unwrap();
    let louder = template(1, "OFFICE HOURS", "We open at nine.");
    assert_eq!(
        write(&stores, Some(&read), &louder).await,
        TemplateWrite::Done,
        "the template keeps its name in another case"
    );
    assert_eq!(write(&stores, Some(&read), &hours).await, TemplateWrite::Changed, "the read is stale");

    let read = get(&stores, &hours.id).await.unwrap();
    assert_eq!((read.value.name.as_str(), read.version), ("OFFICE HOURS", 2));
    assert_eq!(write(&stores, Some(&read), &template(1, "Times", "At nine.")).await, TemplateWrite::Done);
    assert_eq!(write(&stores, None, &template(2, "Office hours", "Other")).await, TemplateWrite::Done);
    let read = get(&stores, &hours.id).await.unwrap();
    assert_eq!(
        write(&stores, Some(&read), &template(1, "Office hours", "x")).await,
        TemplateWrite::NameTaken
    );

    let templates = Templates::new(stores.table());
    assert!(templates.remove(stores.inbox.team_key(), &read).await.unwrap());
    assert!(!templates.remove(stores.inbox.team_key(), &read).await.unwrap());
    assert_eq!(get(&stores, &hours.id).await, None);
    assert_eq!(write(&stores, None, &template(3, "Times", "x")).await, TemplateWrite::Done);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_concurrent_writes_of_a_name_one_succeeds() {
    let stores = TestStores::start().await;
    let mut tasks = JoinSet::new();
    for index in 0..8 {
        let templates = Templates::new(stores.table());
        let (organization, team) = (stores.organization().clone(), stores.inbox.team.clone());
        tasks.spawn(async move {
            let wanted = template(index, "Welcome", "Hello");
            templates
                .write(TeamKey { organization: &organization, team: &team }, None, &wanted, None)
                .await
                .unwrap()
        });
    }
    let answers = tasks.join_all().await;
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
    for index in 0..5 {
        write(&stores, None, &template(index, &format!("Name {index}"), "Hello")).await;
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
