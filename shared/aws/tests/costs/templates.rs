//! Templates.

use shared_aws::{table::Versioned, template};
use shared_domain::{ids::TemplateId, template::Template};

use crate::support::TestStores;

use super::Measurements;

pub(super) async fn templates(measured: &mut Measurements) {
    let templates = |stores: &TestStores| stores.templates.clone();
    let response = |name: &str| {
        let text = "Hi {{firstName|there}}, the office is open from nine to five. {{senderName}}";
        Template::parse(TemplateId::parse("tpl_01KB5Q8Z7M4T9XRA").unwrap(), name, text).unwrap()
    };
    let write = async |stores: &TestStores, before: Option<&Versioned<Template>>, name: &str| {
        let wanted = response(name);
        let done = templates(stores).write(stores.inbox.team_key(), before, &wanted, None).await;
        assert_eq!(done.unwrap(), template::TemplateWrite::Done);
    };
    let read = async |stores: &TestStores| {
        let id = response("x").id;
        templates(stores).get(stores.inbox.team_key(), &id).await.unwrap().unwrap()
    };
    measured.measure("create a template", async |stores| write(stores, None, "Office hours").await).await;
    let made = measured.measure("read a template", async |stores| read(stores).await).await;
    measured
        .measure("change a template", async |stores| write(stores, Some(&made), "Office hours").await)
        .await;
    let made = read(&measured.stores).await;
    measured
        .measure("rename a template", async |stores| write(stores, Some(&made), "Opening times").await)
        .await;
}
