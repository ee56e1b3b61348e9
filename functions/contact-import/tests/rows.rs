//! The contacts that rows create and update.

use shared_aws::{
    contact::{ContactEntry, ContactWrite},
    keyword_reply::{KeywordAnswer, KeywordAnswers, KeywordOutcome},
    opt_out::OptOuts,
    team::TeamMembers,
};
use shared_domain::{
    ids::{ContactId, MessageId},
    import::ImportStatus,
    keys::TeamKey,
    membership::{Role, TeamRole},
    opt_out::OptOutSource,
    tag::Tags,
};
use test_kit::build;

use crate::team::{HEADER, START, TestTeam, sums};

#[tokio::test(flavor = "multi_thread")]
async fn contacts_are_created_then_found_unchanged_then_updated() {
    let team = TestTeam::start().await;
    let rows = "S-1,Ada,Lovelace,(202) 555-0141,,ben,12\nS-2,Bo,,202.555.0142,no,,\nS-3,Cy,Young,+12025550143,yes,ada,\n\
                S-4,,,2025550144,,,7\n";
    assert_eq!(sums(&team.import("imp_1", rows).await), [4, 4, 0, 0, 0]);
    assert_eq!(sums(&team.import("imp_2", rows).await), [4, 0, 0, 4, 0]);
    let ada = team.contact("S-1").await.unwrap();
    assert_eq!(ada.contact.assigned.as_ref().unwrap().name, "BEN");
    assert_eq!(ada.custom["Bus"], "12");
    assert!(team.contact("S-3").await.unwrap().contact.opted_out);
    let changed = "S-1,Ada,King,2025550141,,,\nS-2,Bo,,2025550142,,,\nS-3,Cy,Young,2025550143,no,ada,\n";
    assert_eq!(sums(&team.import("imp_3", changed).await), [3, 0, 2, 1, 0]);
    let ada = team.contact("S-1").await.unwrap();
    assert_eq!((ada.contact.last_name.as_deref(), ada.contact.assigned), (Some("King"), None));
    assert!(ada.custom.is_empty() && !team.contact("S-3").await.unwrap().contact.opted_out);
    let found = team.contacts().by_name(team.inbox.team_key(), "king", 10, None).await.unwrap();
    assert_eq!(found.items.len(), 1);
    let gone = team.contacts().by_name(team.inbox.team_key(), "lovelace", 10, None).await.unwrap();
    assert!(gone.items.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_rows_do_not_stop_good_ones_and_are_reported_by_row_and_column() {
    let team = TestTeam::start().await;
    let rows = "S-1,A,B,2025550141,,,\n,A,B,2025550142,,,\nS-3,A,B,nope,maybe,,\n\nS-4,A,B,2025550144,,nobody,\nS-5,A\n\
                S-6,A,B,2025550146,,,\n,,,,,,\n";
    let import = team.import("imp_1", rows).await;
    assert_eq!(sums(&import), [6, 3, 0, 0, 3]);
    let errors = team.errors(&import).await;
    let reported: Vec<_> =
        errors.iter().map(|error| (error.row, error.field.as_str(), error.imported)).collect();
    let expected = [
        (3, "ContactId", false),
        (4, "MobileNumber", false),
        (4, "OptedOut", false),
        (6, "StaffId", true),
        (7, "MobileNumber", false),
    ];
    assert_eq!(reported, expected);
    assert!(team.contact("S-5").await.is_none() && team.contact("S-6").await.is_some());
    assert_eq!(team.contact("S-4").await.unwrap().contact.assigned, None, "no user has this id");
    assert_eq!(import.file.unwrap().rows, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_in_another_form_is_the_same_contact() {
    let team = TestTeam::start().await;
    let rows = "\u{200b}S-1,A,B,2025550141,,,\nJosé,C,D,2025550142,,,\n";
    assert_eq!(sums(&team.import("imp_1", rows).await), [2, 2, 0, 0, 0]);
    let rows = "S-1,A,B,2025550141,,,\nJose\u{301},C,D,\u{202a}2025550142\u{202c},,,\n";
    assert_eq!(sums(&team.import("imp_2", rows).await), [2, 0, 0, 2, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_whose_id_was_stored_in_another_form_is_updated_and_keeps_its_id() {
    let team = TestTeam::start().await;
    assert_eq!(
        sums(&team.import("imp_1", "S-1,A,B,2025550141,,,\nS-2,C,D,2025550142,,,\n").await),
        [2, 2, 0, 0, 0]
    );
    for (id, stored) in [("S-1", "Jose\u{301}"), ("S-2", "\u{200b}S-9")] {
        let before = team.contact(id).await.unwrap();
        let mut after = ContactEntry { version: before.version + 1, ..before.clone() };
        after.contact.external_id = Some(stored.into());
        let written = team.contacts().write(team.inbox.team_key(), Some(&before), &after, None).await;
        assert_eq!(written.unwrap(), ContactWrite::Done);
    }
    let rows = "José,A,Z,2025550141,,,\n\u{200b}S-9,C,Z,2025550142,,,\nJosé,A,Z,2025550141,,,\n\u{200b}S-9,C,Y,2025550142,,,\n";
    assert_eq!(sums(&team.import("imp_2", rows).await), [4, 0, 3, 1, 0]);
    let contact = team.contact("Jose\u{301}").await.unwrap().contact;
    assert_eq!(
        (contact.external_id.as_deref(), contact.last_name.as_deref()),
        (Some("Jose\u{301}"), Some("Z"))
    );
    assert_eq!(team.contact("\u{200b}S-9").await.unwrap().contact.last_name.as_deref(), Some("Y"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_semicolons_or_tabs_is_imported_and_its_errors_have_their_rows() {
    let team = TestTeam::start().await;
    for (id, start, separator) in [("imp_1", "", ";"), ("imp_2", "", "\t"), ("imp_3", "sep=;\r\n", ";")] {
        let rows =
            "Contact-Id,First-Name,LastName,MobileNumber\r\nS-1,Ada,King,2025550141\r\nS-2,Bo,Lee,12\r\n";
        let import = team.create_import(id).await;
        let file = format!("{start}{}", rows.replace(',', separator));
        let import = team.run(&import, file.as_bytes()).await;
        assert_eq!((import.status, import.counts.refused), (ImportStatus::Completed, 1), "{id}");
        let errors = team.errors(&import).await;
        assert_eq!((errors[0].row, errors[0].field.as_str()), (3, "MobileNumber"), "{id}");
    }
    assert_eq!(team.contact("S-1").await.unwrap().contact.last_name.as_deref(), Some("King"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_user_id_of_a_member_may_be_in_another_case() {
    let team = TestTeam::start().await;
    let role = TeamRole { team: team.inbox.team.clone(), role: Role::Member, can_broadcast: false };
    let members = TeamMembers::new(team.engine.table());
    members.put_role(&team.organization, &build::user("ben"), &role).await.unwrap();
    let import = team.import("imp_1", "S-1,A,B,2025550141,,BEN,\nS-2,A,B,2025550142,,ben,\n").await;
    assert_eq!(team.errors(&import).await, []);
    for id in ["S-1", "S-2"] {
        let assigned = team.contact(id).await.unwrap().contact.assigned;
        assert_eq!(assigned.unwrap().id, build::user_id("ben"), "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_contact_id_is_created_and_then_updated() {
    let team = TestTeam::start().await;
    // Within a chunk of three, and across two.
    let rows = "S-1,A,B,2025550141,,,\nS-1,A,C,2025550141,,,\nS-2,X,Y,2025550142,,,\nS-1,A,D,2025550149,,,\n\
                S-2,X,Y,2025550142,,,\n";
    let import = team.import("imp_1", rows).await;
    assert_eq!(sums(&import), [5, 2, 2, 1, 0]);
    let errors = team.errors(&import).await;
    let reported: Vec<_> =
        errors.iter().map(|error| (error.row, error.reason.as_str(), error.imported)).collect();
    let earlier =
        |row| format!("row {row} has this contact ID with another name or number: the last row applies");
    assert_eq!(reported, [(3, earlier(2).as_str(), true), (5, earlier(3).as_str(), true)]);
    let contact = team.contact("S-1").await.unwrap().contact;
    assert_eq!((contact.last_name.as_deref(), contact.number.as_str()), (Some("D"), "+12025550149"));
    let all = team.contacts().page(team.inbox.team_key(), 10, None).await.unwrap();
    assert_eq!(all.items.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_counts_the_same_and_writes_no_contact() {
    let team = TestTeam::start().await;
    team.import("imp_0", "S-1,A,B,2025550141,,,\n").await;
    let before = team.items().await;
    let rows = "S-1,A,C,2025550141,yes,,\nS-2,A,B,2025550142,yes,ada,\nS-3,A,B,nope,,,\n";
    let dry = team.create_import_with("imp_1", |import| import.dry_run = true).await;
    let dry = team.run(&dry, format!("{HEADER}{rows}").as_bytes()).await;
    assert_eq!(team.errors(&dry).await.len(), 1);
    let mut after = team.items().await;
    after.retain(|(pk, _), _| !pk.contains("imp_1"));
    assert_eq!(after, before);
    assert_eq!(sums(&dry), sums(&team.import("imp_2", rows).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_texted_in_becomes_the_imported_contact_with_its_history_opt_out_and_block() {
    let team = TestTeam::start().await;
    team.receive("2025550141", "Hello?", 0).await;
    let provisional = ContactId::provisional(team.team_id(), &test_kit::build::number("2025550141"));
    let number = test_kit::build::number("2025550141");
    OptOuts::new(team.table()).set_blocked(team.inbox.team_key(), &number, true).await.unwrap();
    team.import("imp_1", "S-1,Ada,Lovelace,2025550141,yes,ben,\n").await;
    let known = team.contact("S-1").await.unwrap().contact;
    assert!(known.blocked && known.opted_out && !known.provisional);
    assert!(team.contacts().get_entry(team.inbox.team_key(), &provisional).await.unwrap().is_none());
    let shown = team.conversation("2025550141").await.unwrap().contact;
    assert_eq!(shown, known);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_is_imported_keeps_the_tags_that_keyword_replies_added() {
    let team = TestTeam::start().await;
    team.receive("2025550141", "Hours", 0).await;
    let (contacts, key) = (team.contacts(), team.inbox.team_key());
    let number = test_kit::build::number("2025550141");
    let before = contacts.shown_entry(key, &number).await.unwrap().unwrap();
    let tags = Tags::parse("", &["Curious"]).unwrap();
    let message = MessageId::parse("msg_1").unwrap();
    let answer = KeywordAnswer {
        inbox: &team.inbox,
        from: &number,
        message: &message,
        at: START,
        reply: None,
        tags: Some((&before, &tags)),
    };
    let written = KeywordAnswers::new(team.table()).write(&answer).await.unwrap();
    assert_eq!(written, KeywordOutcome::Done);
    team.import("imp_1", "S-1,Ada,Lovelace,2025550141,,,\n").await;
    let imported = team.contact("S-1").await.unwrap();
    assert_eq!(imported.tags, tags);
    assert!(contacts.get_entry(key, &before.contact.id).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn assignments_reach_conversations_and_a_missing_column_leaves_them_unless_asked() {
    let team = TestTeam::start().await;
    team.import("imp_1", "S-1,Ada,L,2025550141,,,\n").await;
    team.receive("2025550141", "Hello?", 0).await;
    team.import("imp_2", "S-1,Ada,L,2025550141,,ben,\n").await;
    let assigned = async || team.conversation("2025550141").await.unwrap().contact.assigned;
    assert_eq!(assigned().await.unwrap().id.as_str(), "ben");
    let short = "StudentId,FirstName,LastName,MobileNumber\nS-1,Ada,L,2025550141\n";
    let import = team.create_import("imp_3").await;
    assert_eq!(sums(&team.run(&import, short.as_bytes()).await), [1, 0, 0, 1, 0]);
    assert!(assigned().await.is_some());
    let import = team.create_import_with("imp_4", |import| import.clear_missing_assignments = true).await;
    assert_eq!(sums(&team.run(&import, short.as_bytes()).await), [1, 0, 1, 0, 0]);
    assert_eq!(assigned().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_that_changes_its_number_leaves_the_old_conversation() {
    let team = TestTeam::start().await;
    team.import("imp_1", "S-1,Ada,L,2025550141,yes,ben,\nS-2,Bo,M,2025550145,,,\n").await;
    team.receive("2025550141", "Hello?", 0).await;
    team.receive("2025550142", "Me too?", 1).await;
    team.import("imp_2", "S-1,Ada,L,2025550142,,ben,\n").await;
    let (old, new) =
        (team.conversation("2025550141").await.unwrap(), team.conversation("2025550142").await.unwrap());
    assert!(old.contact.provisional && old.contact.opted_out, "the opt-out is the number's");
    assert_eq!(new.contact.external_id.as_deref(), Some("S-1"));
    assert!(new.contact.opted_out, "what a file said goes along");
    // A number whose contact was removed belongs to the next contact that is imported with it.
    let bo = team.contact("S-2").await.unwrap();
    team.receive("2025550145", "Hi", 2).await;
    let (TeamKey { organization, team: team_id }, number) = (team.inbox.team_key(), &bo.contact.number);
    assert!(team.contacts().remove(TeamKey { organization, team: team_id }, &bo).await.unwrap());
    team.contacts().sync_conversations(team.inbox.team_key(), number).await.unwrap();
    team.import("imp_3", "S-9,New,Bo,2025550145,,,\n").await;
    let shown = team.conversation("2025550145").await.unwrap().contact;
    assert_eq!(shown.external_id.as_deref(), Some("S-9"));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_contacts_with_one_number_the_one_written_last_is_shown() {
    let team = TestTeam::start().await;
    team.receive("2025550141", "Mum here", 0).await;
    let import = team.import("imp_1", "S-1,Ann,L,2025550141,,,\nS-2,Ben,L,2025550141,,,\n").await;
    assert_eq!(sums(&import), [2, 2, 0, 0, 0]);
    let shown = async || team.conversation("2025550141").await.unwrap().contact.external_id.unwrap();
    assert_eq!(shown().await, "S-2");
    team.import("imp_2", "S-1,Anne,L,2025550141,,,\n").await;
    assert_eq!(shown().await, "S-1");
}

/// The parent whom the conversation showed gets a phone of their own.
#[tokio::test(flavor = "multi_thread")]
async fn the_other_contact_of_a_number_takes_the_place_of_one_that_an_import_gave_another_number() {
    let team = TestTeam::start().await;
    team.import("imp_1", "S-1,Pat,L,2025550141,,ben,\nS-2,Kim,L,2025550141,,ada,\n").await;
    team.receive("2025550141", "Hello", 0).await;
    let shown = async || {
        let contact = team.conversation("2025550141").await.unwrap().contact;
        (contact.external_id.unwrap(), contact.assigned.unwrap().id.as_str().to_owned())
    };
    assert_eq!(shown().await, ("S-2".to_owned(), "ada".to_owned()));
    team.import("imp_2", "S-2,Kim,L,2025550149,,ada,\n").await;
    assert_eq!(shown().await, ("S-1".to_owned(), "ben".to_owned()));
    let number = team.contact("S-1").await.unwrap().contact.number;
    let found = team.contacts().with_number(team.inbox.team_key(), &number, 10, None).await.unwrap();
    let found: Vec<_> = found.items.into_iter().map(|entry| entry.contact.external_id.unwrap()).collect();
    assert_eq!(found, ["S-1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_imported_opt_out_is_recorded_with_its_source_and_notifies_no_one() {
    let team = TestTeam::start().await;
    team.import("imp_1", "S-1,A,B,2025550141,yes,,\nS-2,A,B,2025550142,,,\n").await;
    team.import("imp_2", "S-1,A,B,2025550141,no,,\nS-2,A,B,2025550142,yes,,\n").await;
    team.import("imp_3", "S-1,A,B,2025550141,no,,\nS-2,A,B,2025550142,,,\n").await;
    assert!(!team.is_opted_out("2025550141").await && team.is_opted_out("2025550142").await);
    let opt_outs = OptOuts::new(team.table());
    let contact = team.contact("S-1").await.unwrap().contact;
    let ledger = opt_outs.of_contact(&team.organization, &contact.id, 10, None).await.unwrap().items;
    let said: Vec<_> = ledger.iter().map(|line| (line.opted_out, line.source)).collect();
    assert_eq!(said.last(), Some(&(true, OptOutSource::Import)));
    assert_eq!(ledger.iter().filter_map(|line| line.user.as_ref()).count(), ledger.len());
    assert!(!team.items().await.keys().any(|(pk, _)| pk.starts_with("OUTBOX")), "no e-mail");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_read_fails_with_its_reason() {
    let team = TestTeam::start().await;
    let import = team.create_import("imp_1").await;
    let failed = team.run(&import, b"Name,Phone\nA,1\n").await;
    assert_eq!(failed.status, ImportStatus::Failed);
    let faults = team.errors(&import).await;
    assert_eq!((faults[0].row, Some(&faults[0].reason)), (1, failed.reason.as_ref()));
    assert!(faults[0].reason.contains("missing: ContactId"));
    let import = team.create_import("imp_2").await;
    let failed = team.run(&import, b"PK\x03\x04 and more of it").await;
    assert!(failed.reason.unwrap().contains("save it as CSV"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_errors_are_stored_and_the_rest_are_counted() {
    let team = TestTeam::start().await;
    let rows = "S-1,A,B,nope,maybe,,\n".repeat(600);
    let import = team.import("imp_1", &rows).await;
    assert_eq!((import.counts.errors, import.counts.errors_beyond), (1000, 200));
    let faults = team.errors(&import).await;
    assert_eq!((faults.len(), faults[0].row, faults[999].row), (1000, 2, 501));
}
