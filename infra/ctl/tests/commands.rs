//! Commands against a table and a user pool in this process.

#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use std::{collections::BTreeMap, time::Duration};

use inboxctl::{
    Error, Operator,
    machine::{self, NewMachine},
    operator::Pool,
    organization::{self, CreatedOrganization, NewOrganization},
    secret::{self, Rotation},
    sending::{self, Change, SendingChange},
    token::{self, TokenRequest},
    user::{self, NewUser, UserRemoval},
};
use shared_aws::{clients, sending::SendingPauses, table::Table, team::TeamMembers};
use shared_domain::{
    ids::{OrganizationId, TeamId, UserId},
    membership::{Role, TeamRole},
    time::Timestamp,
};
use test_kit::{
    engine::Engine,
    secrets::FakeSecrets,
    user_directory::{FakeUserDirectory, MACHINE_CLIENT},
};

struct Stack {
    engine: Engine,
    pool: FakeUserDirectory,
}

impl Stack {
    async fn start() -> Self {
        Self { engine: Engine::start().await, pool: FakeUserDirectory::start().await }
    }

    fn table(&self) -> Table {
        self.engine.table()
    }

    /// Each operator has other random numbers.
    fn operator(&self, entropy: u64) -> Operator {
        let pool = Pool {
            users: self.pool.client(),
            web_client: "web-client".into(),
            machine_client: MACHINE_CLIENT.into(),
            more_machine_clients: Vec::new(),
            is_local: false,
        };
        Operator::new(self.table(), Some(pool), now(), entropy)
    }
}

fn now() -> Timestamp {
    Timestamp::parse("2026-11-28T09:00:00Z").unwrap()
}

fn clinic() -> NewOrganization {
    NewOrganization {
        name: "Clinic".into(),
        owner_name: "Olivia Owens".into(),
        owner_email: "olivia@clinic.example".into(),
        owner_id: None,
        id: None,
        no_invitation: false,
    }
}

fn conflict<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    match result {
        Err(Error::Conflict(detail)) => detail,
        other => panic!("expected a conflict, not {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_organization_has_an_owner_with_claims_and_an_invitation() {
    let stack = Stack::start().await;
    let operator = stack.operator(1);
    let created = organization::create(&operator, &clinic()).await.unwrap();
    assert_eq!((created.owner_id.as_str(), created.created, created.invited), ("olivia", true, true));
    let id = OrganizationId::parse(&created.organization_id).unwrap();
    let owner = operator.members.user(&id, &UserId::parse("olivia").unwrap()).await.unwrap().unwrap();
    assert_eq!((owner.name.as_str(), owner.owner), ("Olivia Owens", true));
    let attribute = |name| stack.pool.attribute("olivia@clinic.example", name).unwrap();
    assert_eq!(attribute("custom:organization_id"), created.organization_id);
    assert_eq!(
        (attribute("custom:user_id").as_str(), attribute("email_verified").as_str()),
        ("olivia", "true")
    );
    assert_eq!(stack.pool.invitations(), ["olivia@clinic.example"]);
    let keys = stack.engine.keys().await;
    assert!(keys.iter().any(|key| key.starts_with(&format!("{id}#AUDIT "))), "{keys:?}");
    let listed = organization::list(&operator).await.unwrap();
    assert_eq!((listed.len(), listed[0].name.as_str()), (1, "Clinic"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_command_changes_nothing() {
    let stack = Stack::start().await;
    let first = organization::create(&stack.operator(1), &clinic()).await.unwrap();
    let items = stack.engine.items().await;
    for name in ["Clinic", " clinic "] {
        let again = NewOrganization { name: name.into(), ..clinic() };
        let second = organization::create(&stack.operator(2), &again).await.unwrap();
        assert_eq!(second, CreatedOrganization { invited: false, created: false, ..first.clone() });
    }
    assert_eq!(stack.engine.items().await, items);
    assert_eq!(stack.pool.invitations().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_commands_at_once_create_one_organization() {
    let stack = Stack::start().await;
    let (one, other) = (stack.operator(1), stack.operator(2));
    let new = clinic();
    let (one, other) = tokio::join!(organization::create(&one, &new), organization::create(&other, &new));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!(one.organization_id, other.organization_id);
    assert!(one.created != other.created, "{one:?} {other:?}");
    assert_eq!(organization::list(&stack.operator(3)).await.unwrap().len(), 1);
    assert_eq!(stack.pool.invitations().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_stopped_before_the_user_pool_is_completed_by_the_next_one() {
    let stack = Stack::start().await;
    let without_pool = Operator::new(stack.table(), None, now(), 1);
    let first = organization::create(&without_pool, &clinic()).await.unwrap();
    assert!(first.created && !first.invited);
    let second = organization::create(&stack.operator(2), &clinic()).await.unwrap();
    assert_eq!(second, CreatedOrganization { invited: true, created: false, ..first });
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_belongs_to_somebody_is_refused_and_the_user_is_named() {
    let stack = Stack::start().await;
    let clinic_id = organization::create(&stack.operator(1), &clinic()).await.unwrap().organization_id;
    let items = stack.engine.items().await;
    let school = NewOrganization { name: "School".into(), ..clinic() };
    let detail = conflict(organization::create(&stack.operator(2), &school).await);
    let expected =
        format!("olivia@clinic.example is already the user olivia of the organization {clinic_id}.");
    assert!(detail.starts_with(&expected), "{detail}");
    assert_eq!(stack.engine.items().await, items);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_taken_is_refused() {
    let stack = Stack::start().await;
    organization::create(&stack.operator(1), &clinic()).await.unwrap();
    for new in [
        NewOrganization { owner_email: "paul@clinic.example".into(), ..clinic() },
        NewOrganization { owner_id: Some("paul".into()), ..clinic() },
        NewOrganization { id: Some("org_other".into()), ..clinic() },
    ] {
        let detail = conflict(organization::create(&stack.operator(2), &new).await);
        assert!(detail.starts_with("The organization Clinic exists with the ID org_"), "{detail}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_argument_is_named() {
    let stack = Stack::start().await;
    for (new, expected) in [
        (NewOrganization { name: "  ".into(), ..clinic() }, "--name must be 1 to 80 characters"),
        (
            NewOrganization { owner_email: "olivia".into(), ..clinic() },
            "--owner-email must be an e-mail address",
        ),
        (NewOrganization { owner_id: Some("a b".into()), ..clinic() }, "--owner-id must be "),
        (NewOrganization { id: Some("clinic".into()), ..clinic() }, "--id must be "),
    ] {
        let error = organization::create(&stack.operator(1), &new).await.unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    assert!(stack.engine.keys().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_permission_is_one_sentence() {
    let stack = Stack::start().await;
    stack.pool.fail(Some("AccessDeniedException"));
    let error = organization::create(&stack.operator(1), &clinic()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "The credentials do not have the permission to use the user pool of the stack. Use those of an operator."
    );
    assert_eq!(error.document()["findings"][0]["code"], "credentials");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_is_added_to_an_organization_once() {
    let stack = Stack::start().await;
    let organization = organization::create(&stack.operator(1), &clinic()).await.unwrap().organization_id;
    let paul = NewUser {
        organization: organization.clone(),
        name: "Paul Park".into(),
        email: "paul@clinic.example".into(),
        id: None,
        owner: true,
        no_invitation: false,
    };
    let created = user::create(&stack.operator(2), &paul).await.unwrap();
    assert!(created.created && created.invited && created.owner);
    let again = user::create(&stack.operator(3), &paul).await.unwrap();
    assert!(!again.created && !again.invited);
    let olivia = NewUser { id: Some("olivia".into()), email: "other@clinic.example".into(), ..paul.clone() };
    let detail = conflict(user::create(&stack.operator(4), &olivia).await);
    assert!(detail.contains("has a user olivia with another address"), "{detail}");
    let taken = NewUser { id: Some("quinn".into()), ..paul.clone() };
    assert!(conflict(user::create(&stack.operator(5), &taken).await).contains("is already the user paul"));
    let unknown = NewUser { organization: "org_unknown".into(), ..paul };
    assert!(
        conflict(user::create(&stack.operator(6), &unknown).await).contains("no organization org_unknown")
    );
}

fn owner(organization: &str, name: &str) -> NewUser {
    NewUser {
        organization: organization.into(),
        name: name.into(),
        email: format!("{name}@clinic.example"),
        id: None,
        owner: true,
        no_invitation: false,
    }
}

fn removal(organization: &str, id: &str, successor: Option<&str>) -> UserRemoval {
    let successor = successor.map(str::to_owned);
    UserRemoval { organization: organization.into(), id: id.into(), successor, yes: true }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_is_removed_and_the_last_one_is_not() {
    let stack = Stack::start().await;
    let clinic = organization::create(&stack.operator(1), &clinic()).await.unwrap().organization_id;
    let items = stack.engine.items().await;
    for (successor, expected) in
        [(None, "--successor"), (Some("paul"), "paul is not an owner"), (Some("olivia"), "--successor")]
    {
        let refused = user::remove(&stack.operator(2), &removal(&clinic, "olivia", successor), || true).await;
        assert!(conflict(refused).contains(expected));
        assert_eq!(stack.engine.items().await, items);
    }
    user::create(&stack.operator(3), &owner(&clinic, "paul")).await.unwrap();
    let declined = UserRemoval { yes: false, ..removal(&clinic, "olivia", Some("paul")) };
    assert!(
        conflict(user::remove(&stack.operator(4), &declined, || false).await).contains("Nothing was removed")
    );

    let id = OrganizationId::parse(&clinic).unwrap();
    let olivia =
        stack.operator(5).members.user(&id, &UserId::parse("olivia").unwrap()).await.unwrap().unwrap();
    let role = TeamRole { team: TeamId::parse("team_1").unwrap(), role: Role::Admin, can_broadcast: false };
    TeamMembers::new(stack.table()).put_role(&id, &olivia, &role).await.unwrap();
    let removed = user::remove(&stack.operator(5), &removal(&clinic, "olivia", Some("paul")), || true).await;
    let keys = stack.engine.keys().await;
    assert!(keys.iter().all(|key| !key.contains("olivia")), "{keys:?}");
    assert!(removed.unwrap().removed);
    assert_eq!(organization::list(&stack.operator(6)).await.unwrap()[0].owner_id, "paul");
    assert_eq!(stack.pool.attribute("olivia@clinic.example", "sub"), None, "no longer in the pool");
    let quinn = NewUser { owner: false, ..owner(&clinic, "quinn") };
    user::create(&stack.operator(6), &quinn).await.unwrap();
    let removed = user::remove(&stack.operator(7), &removal(&clinic, "quinn", None), || true).await;
    assert!(removed.unwrap().removed, "a user who is not an owner");
    let again = user::remove(&stack.operator(7), &removal(&clinic, "olivia", None), || true).await.unwrap();
    assert!(!again.removed);
    assert!(
        conflict(user::remove(&stack.operator(8), &removal(&clinic, "paul", None), || true).await)
            .contains("paul")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_owners_who_are_removed_at_once_one_stays() {
    let stack = Stack::start().await;
    let clinic = organization::create(&stack.operator(1), &clinic()).await.unwrap().organization_id;
    user::create(&stack.operator(2), &owner(&clinic, "paul")).await.unwrap();
    let (one, other) = (stack.operator(3), stack.operator(4));
    let (first, second) =
        (removal(&clinic, "olivia", Some("paul")), removal(&clinic, "paul", Some("olivia")));
    let (first, second) =
        tokio::join!(user::remove(&one, &first, || true), user::remove(&other, &second, || true));
    assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
    let named = organization::list(&one).await.unwrap().remove(0).owner_id;
    let id = OrganizationId::parse(&clinic).unwrap();
    let left = one.members.user(&id, &UserId::parse(&named).unwrap()).await.unwrap();
    assert!(left.is_some_and(|left| left.owner), "{named} is an owner");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_organization_gets_the_client_of_the_template_and_others_get_a_new_one() {
    let stack = Stack::start().await;
    let clinic = organization::create(&stack.operator(1), &clinic()).await.unwrap().organization_id;
    let school =
        NewOrganization { name: "School".into(), owner_email: "zoe@school.example".into(), ..self::clinic() };
    let school = organization::create(&stack.operator(2), &school).await.unwrap().organization_id;
    let new = |organization: &str| NewMachine {
        organization: organization.to_owned(),
        name: "Booking".into(),
        client_id: None,
    };
    let first = machine::create(&stack.operator(3), &new(&clinic)).await.unwrap();
    assert_eq!(first.client_id, MACHINE_CLIENT);
    assert!(first.accepted && first.client_secret.is_some());
    assert_eq!(machine::create(&stack.operator(4), &new(&clinic)).await.unwrap(), first);
    let second = machine::create(&stack.operator(5), &new(&school)).await.unwrap();
    assert!(second.client_id != MACHINE_CLIENT && !second.accepted);
    let detail = second.detail.as_deref().unwrap();
    assert!(
        detail.contains(&format!("Add {} to the setting MachineClientIds", second.client_id)),
        "{detail}"
    );
    let mut deployed = stack.operator(8);
    deployed.pool.as_mut().unwrap().more_machine_clients = vec![second.client_id.clone()];
    let again = machine::create(&deployed, &new(&school)).await.unwrap();
    assert_eq!(
        (again.client_id.as_str(), again.accepted),
        (second.client_id.as_str(), true),
        "once deployed"
    );
    assert_eq!((again.client_secret.as_ref(), again.detail), (second.client_secret.as_ref(), None));
    for (machine, organization) in [(&first, &clinic), (&second, &school)] {
        let found = stack.operator(6).members.machine(&machine.client_id).await.unwrap().unwrap();
        assert_eq!(found.as_str(), organization);
    }
    let own_id = NewMachine { client_id: Some("mine".into()), ..new(&clinic) };
    assert!(conflict(machine::create(&stack.operator(7), &own_id).await).contains("Leave out --client-id"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_another_issuer_acts_for_one_organization() {
    let stack = Stack::start().await;
    let operator = Operator::new(stack.table(), None, now(), 1);
    let clinic = organization::create(&operator, &clinic()).await.unwrap().organization_id;
    let new = NewMachine { organization: clinic, name: "Booking".into(), client_id: Some("0oa1".into()) };
    let created = machine::create(&operator, &new).await.unwrap();
    assert_eq!((created.client_id.as_str(), created.client_secret, created.accepted), ("0oa1", None, true));
    let no_id = NewMachine { client_id: None, ..new.clone() };
    assert!(conflict(machine::create(&operator, &no_id).await).contains("--client-id"));
    let other = operator.at(now(), 2);
    let school = NewOrganization { name: "School".into(), ..self::clinic() };
    let school = organization::create(&other, &school).await.unwrap().organization_id;
    let taken = NewMachine { organization: school, ..new };
    assert!(conflict(machine::create(&operator, &taken).await).contains("acts for another organization"));
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_without_a_password_exist_in_a_local_cloud_only() {
    let stack = Stack::start().await;
    organization::create(&stack.operator(1), &clinic()).await.unwrap();
    let request = TokenRequest { user: "olivia".into(), organization: None };
    let detail = conflict(token::create(&stack.operator(2), &request).await);
    assert!(detail.starts_with("Tokens without a password"), "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sending_is_paused_and_resumed_for_one_organization_or_for_all() {
    let stack = Stack::start().await;
    let clinic = organization::create(&stack.operator(1), &clinic()).await.unwrap().organization_id;
    let school =
        NewOrganization { name: "School".into(), owner_email: "zoe@school.example".into(), ..self::clinic() };
    organization::create(&stack.operator(2), &school).await.unwrap();
    let pauses = SendingPauses::new(stack.table());
    let paused = async || pauses.list().await.unwrap().len();
    for (entropy, change, organization, expected) in [
        (3, Change::Pause, Some(clinic.clone()), 1),
        (4, Change::Pause, None, 2),
        (5, Change::Resume, Some(clinic), 1),
        (6, Change::Resume, None, 0),
        (7, Change::Resume, None, 0),
    ] {
        sending::change(&stack.operator(entropy), &SendingChange { change, organization }).await.unwrap();
        assert_eq!(paused().await, expected, "{change:?}");
    }
    let unknown = SendingChange { change: Change::Pause, organization: Some("org_unknown".into()) };
    assert!(conflict(sending::change(&stack.operator(8), &unknown).await).contains("org_unknown"));
}

const SIGNING_SECRET: &str = "arn:aws:secretsmanager:us-east-1:000000000000:secret:SigningSecret";

fn stack_with_signing_secret() -> clients::Stack {
    let outputs = [("SigningSecretArn".to_owned(), SIGNING_SECRET.to_owned())];
    clients::Stack::new("shared-inbox", outputs.into(), BTreeMap::new())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_signing_keys_are_rotated_once_in_a_week_unless_the_operator_insists() {
    let (stack, secrets) = (Stack::start().await, FakeSecrets::start("generated").await);
    organization::create(&stack.operator(1), &clinic()).await.unwrap();
    let rotate = async |days: u64, yes: bool, force: bool| {
        let operator = stack.operator(2).at(now() + Duration::from_hours(24 * days), 3 + days);
        let (aws, of_stack, rotation) = (secrets.aws(), stack_with_signing_secret(), Rotation { yes, force });
        let mut random = 0;
        let random = move || {
            random += 1;
            random + days
        };
        secret::rotate(&aws, &of_stack, &operator, &rotation, || false, random).await
    };
    let keys = async || secrets.client().signing_keys(SIGNING_SECRET).await.unwrap();
    let audited = async || {
        let keys = stack.engine.keys().await;
        keys.iter().filter(|key| key.contains("#AUDIT ")).count()
    };
    let before = audited().await;

    assert!(conflict(rotate(0, false, false).await).contains("not rotated. Confirm, or pass --yes"));
    assert_eq!((keys().await.current.key.as_str(), audited().await), ("generated", before));

    let rotated = rotate(0, true, false).await.unwrap();
    assert_eq!(rotated.signs_from, "2026-11-28T09:15:00.000Z");
    assert_eq!(rotated.previous_until, "2026-12-05T09:15:00.000Z");
    let first = keys().await;
    assert_eq!((first.signing(now()), first.current.key.len()), ("generated", 72));
    assert_eq!(audited().await, before + 1);

    let refused = conflict(rotate(7, true, false).await);
    assert!(refused.contains("accepted until 2026-12-05T09:15:00.000Z"), "{refused}");
    assert_eq!(keys().await, first);
    rotate(7, true, true).await.unwrap();
    assert_eq!(keys().await.previous, Some(first.current));
    assert!(rotate(14, true, false).await.is_err());
    rotate(15, true, false).await.unwrap();
}
