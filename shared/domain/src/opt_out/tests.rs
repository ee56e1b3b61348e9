use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::{
    ids::{ContactId, InboxId, OrganizationId, TeamId, UserId},
    inbox::{Inbox, InboxKind, Stage},
    keys::TeamKey,
    phone::PhoneNumber,
    segment::{Encoding, Segments},
    time::Timestamp,
};

fn words(group: &str, kind: &str) -> Vec<String> {
    let file: serde_json::Value =
        serde_json::from_str(include_str!("../../../../tests/fixtures/common/opt_out_keywords.json"))
            .unwrap();
    let list = if kind.is_empty() { &file[group] } else { &file[group][kind] };
    list.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_keyword_with_invisible_characters_or_in_another_form_acts() {
    for text in ["ST\u{200b}OP", "\u{202a}STOP\u{202c}", "\u{feff}stop", "ARRE\u{302}T", "opt\u{2060}-out"] {
        assert_eq!(keyword(text), Some(Keyword::Stop), "{text:?}");
    }
    assert!(wants_review("please sto\u{200b}p texting me"));
}

#[test]
fn what_users_and_imports_said_goes_along_to_another_number_and_nothing_else_does() {
    use OptOutSource::{Carrier, Import, Keyword, User};
    let after = |current: &[OptOutSource], former: &[OptOutSource]| {
        let state = |sources: &[OptOutSource]| OptOutState::out_by(sources.iter().copied());
        after_number_change(&state(current), &state(former))
            .map(|change| (change.state, change.source, change.turned))
    };
    let out = |sources: &[OptOutSource]| OptOutState::out_by(sources.iter().copied());
    assert_eq!(after(&[], &[]), None);
    assert_eq!(after(&[], &[Keyword, Carrier]), None);
    assert_eq!(after(&[], &[User, Keyword]), Some((out(&[User]), User, true)));
    assert_eq!(after(&[Keyword], &[Import, Carrier]), Some((out(&[Keyword, Import]), Import, false)));
    assert_eq!(after(&[User], &[User, Import]), Some((out(&[User, Import]), Import, false)));
    assert_eq!(after(&[User, Import, Carrier], &[User, Import]), None);
}

#[test]
fn every_keyword_of_the_lists_is_recognized() {
    let all = [
        (words("application_union_stop", ""), Keyword::Stop),
        (words("fcc_per_se", ""), Keyword::Stop),
        (words("twilio", "stop"), Keyword::Stop),
        (words("telnyx", "stop"), Keyword::Stop),
        (words("application_start", ""), Keyword::Start),
        (words("telnyx", "start"), Keyword::Start),
        (words("application_help", ""), Keyword::Help),
        (words("twilio", "help"), Keyword::Help),
    ];
    for (words, expected) in all {
        assert!(!words.is_empty());
        for word in words {
            for text in
                [word.clone(), word.to_lowercase(), format!("  \"{word}\"!!\r\n"), format!("{word} 👍")]
            {
                assert_eq!(keyword(&text), Some(expected), "{text:?}");
            }
        }
    }
    assert_eq!(keyword("Yes."), Some(Keyword::Yes));
    assert_eq!(keyword("arrêt"), Some(Keyword::Stop));
    assert_eq!(keyword("opt\u{2011}out"), Some(Keyword::Stop), "the hyphen that phones insert");
    assert_eq!(keyword("Opt  Out"), Some(Keyword::Stop));
}

#[test]
fn a_keyword_within_a_longer_text_does_not_act() {
    for text in [
        "",
        " ",
        "...",
        "stop by tomorrow",
        "please stop",
        "stop stop",
        "stopp",
        "don't stop",
        "S T O P",
        "st-op",
        "unstoppable",
        "yes please",
        "help me",
        "the end",
        "td",
        "1 stop",
        "stop1",
        &"stop ".repeat(50),
    ] {
        assert_eq!(keyword(text), None, "{text:?}");
    }
}

#[test]
fn opt_out_requests_in_other_words_want_review_and_ordinary_messages_do_not() {
    let positive = [
        "please stop texting me",
        "Please STOP texting me!!!",
        "don't text me again",
        "Don’t text me again.",
        "dont txt me",
        "do not contact me",
        "Do not ever message me again",
        "never text this number again",
        "remove me from your list",
        "Please remove me.",
        "take me off",
        "take me off your list please",
        "take us off this list",
        "Delete my number",
        "lose my number",
        "leave me alone",
        "Please stop",
        "stop please",
        "STOP stop stop",
        "Wrong person. Stop.",
        "stop it now",
        "can you stop texting me",
        "can't you stop texting me?",
        "I want you to stop sending me messages",
        "stop sending these",
        "quit messaging me",
        "stop these messages",
        "stop all texts",
        "no more texts please",
        "I no longer want to receive these messages",
        "I don't want your texts",
        "don't send me any more messages",
        "please unsubscribe me",
        "how do I unsubscribe",
        "I'd like to opt out",
        "opt me out",
        "cancel please",
        "I revoke my consent",
        "hello, please stop",
    ];
    for text in positive {
        assert!(wants_review(text), "{text:?}");
    }
    let negative = [
        "",
        "stop by tomorrow",
        "I'll stop by and text you",
        "I will stop at the shop",
        "I will stop at the shop and send messages",
        "please don't stop",
        "Please don't stop texting me",
        "do not stop sending the reminders",
        "why did you stop texting me?",
        "if you stop texting me I will be sad",
        "I don't want you to stop",
        "I don't want you to stop texting me",
        "when does the bus stop here",
        "next stop, Chicago",
        "can you text me again",
        "do not text and drive",
        "don't forget to text me",
        "don't send me the invoice yet",
        "I did not get your messages",
        "the end",
        "cancel my appointment",
        "ok thanks",
        "yes",
        "remove me from the Friday shift",
        "can you stop by with the updates",
        "No, I want your messages",
        "longer messages are fine",
        "STOP",
        "Unsubscribe!",
    ];
    for text in negative {
        assert!(!wants_review(text), "{text:?}");
    }
}

#[test]
fn requests_in_spanish_want_review() {
    for text in [
        "ALTO",
        "Parar",
        "baja",
        "cancelar por favor",
        "No quiero recibir más mensajes",
        "no mas mensajes por favor",
        "Dejen de enviarme mensajes",
        "deja de escribirme",
        "no me manden textos",
        "Quiero darme de baja",
        "Quíteme de la lista",
        "borren mi número",
    ] {
        assert!(wants_review(text), "{text:?}");
    }
    for text in [
        "para mañana",
        "en voz alta",
        "No me llamo Ana",
        "deje la llave en la puerta",
        "la planta baja",
        "quiero cancelar mi cita",
    ] {
        assert!(!wants_review(text), "{text:?}");
    }
}

#[test]
fn a_misspelled_or_disguised_stop_wants_review_and_does_not_act() {
    for text in [
        "STOPP",
        "ST0P",
        "5top",
        "S.T.O.P.",
        "S T O P",
        "s-t-o-p",
        "STOP 12345",
        "stop1",
        "ＳＴＯＰ",
        "СТОП",
        "ЅΤОР",
        "$TOP",
        "Unsubscribee",
        "C A N C E L",
        "stoooop!!",
        "St\u{f6}p",
    ] {
        assert_eq!(keyword(text), None, "{text:?}");
        assert!(wants_review(text), "{text:?}");
    }
    for text in ["STEP", "top", "stops", "50 TOP", "the end", "12345", "shop", "weekend", "cancelled it"] {
        assert!(!wants_review(text), "{text:?}");
    }
}

#[test]
fn quoted_words_are_not_a_request() {
    for text in [
        "Liked “Front Desk: reply STOP to opt out.”",
        "Reacted 👍 to “You are unsubscribed”",
        "What does “reply STOP to opt out” mean?",
        "> Reply STOP to opt out\nSee you at 3",
    ] {
        assert!(!wants_review(text), "{text:?}");
    }
    for text in
        ["please \"stop\" texting me", "Loved “Dune”. Please stop texting me", "> See you\nplease stop"]
    {
        assert!(wants_review(text), "{text:?}");
    }
}

#[test]
fn review_outcomes_have_the_names_of_the_api() {
    assert_eq!(
        (ReviewOutcome::OptedOut.as_str(), ReviewOutcome::Dismissed.as_str()),
        ("opted_out", "dismissed")
    );
}

fn out(sources: &[OptOutSource]) -> OptOutState {
    OptOutState::out_by(sources.iter().copied())
}

fn decide(current: &OptOutState, keyword: Keyword) -> (Option<OptOutState>, Option<KeywordReply>) {
    match after_keyword(current, keyword, true, KeywordReplies::Product, false) {
        KeywordDecision::Keyword { change, reply } => (change.map(|change| change.state), reply),
        KeywordDecision::Ordinary => panic!("{keyword:?} is a keyword"),
    }
}

#[test]
fn stop_opts_out_and_is_confirmed_once() {
    let (state, reply) = decide(&OptOutState::default(), Keyword::Stop);
    assert_eq!((state.as_ref(), reply), (Some(&out(&[OptOutSource::Keyword])), Some(KeywordReply::Stopped)));
    assert_eq!(decide(&state.unwrap(), Keyword::Stop), (None, None), "the second STOP is not confirmed");
    let both = out(&[OptOutSource::Keyword, OptOutSource::User]);
    assert_eq!(decide(&out(&[OptOutSource::User]), Keyword::Stop), (Some(both), None), "already opted out");
}

#[test]
fn start_lifts_an_opt_out_by_keyword_and_no_other() {
    assert_eq!(
        decide(&out(&[OptOutSource::Keyword]), Keyword::Start),
        (Some(OptOutState::default()), Some(KeywordReply::Started))
    );
    assert_eq!(decide(&OptOutState::default(), Keyword::Start), (None, None));
    for source in [OptOutSource::User, OptOutSource::Import, OptOutSource::Carrier] {
        assert_eq!(decide(&out(&[source]), Keyword::Start), (None, None), "{source:?}");
        let both = out(&[source, OptOutSource::Keyword]);
        assert_eq!(
            decide(&both, Keyword::Start),
            (Some(out(&[source])), None),
            "the opt-out by {source:?} remains"
        );
    }
    let elsewhere =
        after_keyword(&out(&[OptOutSource::Keyword]), Keyword::Start, false, KeywordReplies::Product, false);
    assert_eq!(elsewhere, KeywordDecision::Keyword { change: None, reply: None });
}

#[test]
fn yes_is_an_ordinary_message_unless_the_contact_opted_out_by_keyword() {
    let after =
        |state: &OptOutState, same| after_keyword(state, Keyword::Yes, same, KeywordReplies::Product, false);
    assert_eq!(
        decide(&out(&[OptOutSource::Keyword]), Keyword::Yes),
        (Some(OptOutState::default()), Some(KeywordReply::Started))
    );
    assert_eq!(after(&OptOutState::default(), true), KeywordDecision::Ordinary);
    assert_eq!(after(&out(&[OptOutSource::User, OptOutSource::Carrier]), true), KeywordDecision::Ordinary);
    assert_eq!(after(&out(&[OptOutSource::Keyword]), false), KeywordDecision::Ordinary);
}

#[test]
fn keyword_replies_are_a_setting() {
    assert_eq!(KeywordReplies::parse("product"), Some(KeywordReplies::Product));
    assert_eq!(KeywordReplies::parse("carrier"), Some(KeywordReplies::default()));
    assert_eq!(KeywordReplies::parse(""), None);
}

#[test]
fn help_is_always_answered_and_changes_nothing() {
    for state in [OptOutState::default(), out(&[OptOutSource::Keyword]), out(&[OptOutSource::User])] {
        assert_eq!(decide(&state, Keyword::Help), (None, Some(KeywordReply::Help)));
    }
}

#[test]
fn if_the_carrier_replies_the_change_is_recorded_without_a_reply() {
    for (replies, carrier_replied) in
        [(KeywordReplies::Carrier, false), (KeywordReplies::Carrier, true), (KeywordReplies::Product, true)]
    {
        let after = |state: &OptOutState, word| after_keyword(state, word, true, replies, carrier_replied);
        let KeywordDecision::Keyword { change: Some(out), reply: None } =
            after(&OptOutState::default(), Keyword::Stop)
        else {
            panic!("expected a change without a reply")
        };
        assert!(out.turned && out.state.is_out());
        let KeywordDecision::Keyword { change: Some(lifted), reply: None } =
            after(&out.state, Keyword::Start)
        else {
            panic!("expected a change without a reply")
        };
        assert!(lifted.turned && !lifted.state.is_out());
        assert_eq!(
            after(&lifted.state, Keyword::Help),
            KeywordDecision::Keyword { change: None, reply: None }
        );
    }
}

#[test]
fn a_user_lifts_every_opt_out_and_an_import_none_by_the_contact_or_the_carrier() {
    let all = out(&[OptOutSource::Keyword, OptOutSource::User, OptOutSource::Import, OptOutSource::Carrier]);
    assert_eq!(after_user(&all, false).unwrap().state, OptOutState::default());
    assert_eq!(
        after_import(&all, false).unwrap().state,
        out(&[OptOutSource::Keyword, OptOutSource::Carrier])
    );
    assert_eq!(after_import(&out(&[OptOutSource::Keyword]), false), None);
    assert_eq!(after_import(&out(&[OptOutSource::Import]), false).unwrap().state, OptOutState::default());
    assert_eq!(after_user(&OptOutState::default(), false), None);
    assert!(after_carrier_refusal(&OptOutState::default()).unwrap().turned);
    assert_eq!(after_carrier_refusal(&out(&[OptOutSource::Carrier])), None);
}

#[test]
fn a_change_has_a_ledger_entry() {
    let office = inbox("org_1", "team_1", InboxKind::Shared);
    let phone = number(0);
    let subject = OptOutSubject::of(&office, &phone);
    let contact = ContactId::provisional(&office.team, &phone);
    let at = Timestamp::from_millis(1);
    let entry = after_user(&OptOutState::default(), true).unwrap().entry(
        &subject,
        contact.clone(),
        None,
        Some(UserId::parse("ada").unwrap()),
        at,
    );
    assert!(entry.opted_out);
    assert_eq!((entry.source.as_str(), entry.scope.as_str(), entry.contact), ("user", "team", contact));
    assert_eq!((entry.number, entry.at, entry.user.unwrap().as_str()), (phone, at, "ada"));
}

#[test]
fn the_state_is_stored_as_a_list_of_sources() {
    let state = out(&[OptOutSource::Carrier, OptOutSource::Keyword]);
    assert_eq!(serde_json::to_string(&state).unwrap(), r#"["keyword","carrier"]"#);
    assert_eq!(serde_json::from_str::<OptOutState>("[]").unwrap(), OptOutState::default());
}

#[test]
fn confirmations_are_one_segment_that_names_the_team() {
    assert!(stop_text("Front desk").starts_with("Front desk: You are unsubscribed"));
    assert!(help_text("Café “Zoë” [2]").starts_with("Café \"Zoe\" (2): "));
    assert!(start_text("受付").starts_with("Team texting: "));
    assert!(help_text(&"Long name ".repeat(8)).contains("...: "));
}

#[test]
fn a_name_is_shortened_only_if_it_does_not_fit_in_one_segment() {
    for text in [stop_text, start_text, help_text] {
        let room = 161 - text("n").len();
        let (fits, longer) = ("n".repeat(room), "n".repeat(room + 1));
        assert!(text(&fits).starts_with(&format!("{fits}: ")) && text(&fits).len() == 160);
        let cut = format!("{}...: ", "n".repeat(room - 3));
        assert!(text(&longer).starts_with(&cut) && text(&longer).len() == 160);
    }
}

#[test]
fn a_name_is_converted_to_characters_of_one_septet() {
    for (name, plain) in [
        ("Front\u{a0}desk", "Front desk"),
        ("Zoë’s „Łódź“ — {A|B}", "Zoe's \"Lodz\" - (A-B)"),
        ("A^B€C\\D 受付", "ABCD"),
        ("Crème brûlée", "Crème brulée"),
    ] {
        assert!(stop_text(name).starts_with(&format!("{plain}: ")), "{}", stop_text(name));
    }
}

#[test]
fn a_text_of_more_than_forty_bytes_is_not_a_keyword() {
    let padded = |bytes: usize| format!("opt{}out", "-".repeat(bytes - 6));
    assert_eq!(keyword(&padded(40)), Some(Keyword::Stop));
    assert_eq!(keyword(&padded(41)), None);
    assert_eq!(keyword(&padded(42)), None);
}

fn inbox(organization: &str, team: &str, kind: InboxKind) -> Inbox {
    Inbox {
        organization: OrganizationId::parse(organization).unwrap(),
        id: InboxId::parse("inb_1").unwrap(),
        team: TeamId::parse(team).unwrap(),
        kind,
        name: "Front desk".into(),
        color: "#336699".into(),
        api_code: "FRONT".into(),
        number: PhoneNumber::from_carrier("+12025550100").unwrap(),
        number_sid: None,
        voice_forwarding: None,
        creator: None,
        stage: Stage::Active,
        segments_per_second: None,
    }
}

fn subjects_that_stop(inbox: &Inbox, number: &PhoneNumber) -> Vec<OptOutSubject> {
    let team = TeamKey { organization: &inbox.organization, team: &inbox.team };
    OptOutSubject::all_that_stop(team, inbox.kind, number)
}

fn number(last: u8) -> PhoneNumber {
    PhoneNumber::from_carrier(&format!("+1202555014{last}")).unwrap()
}

#[derive(Debug, Clone, Copy)]
enum Event {
    Word(Keyword, bool),
    User(bool),
    Import(bool),
    Refused,
}

fn events() -> impl Strategy<Value = Event> {
    let word = prop::sample::select(vec![Keyword::Stop, Keyword::Start, Keyword::Yes, Keyword::Help]);
    prop_oneof![
        3 => (word, any::<bool>()).prop_map(|(word, same)| Event::Word(word, same)),
        1 => any::<bool>().prop_map(Event::User),
        1 => any::<bool>().prop_map(Event::Import),
        1 => Just(Event::Refused),
    ]
}

fn apply(state: &OptOutState, event: Event) -> Option<OptOutChange> {
    match event {
        Event::Word(word, same) => match after_keyword(state, word, same, KeywordReplies::Product, false) {
            KeywordDecision::Keyword { change, reply } => {
                let turned =
                    change.as_ref().filter(|change| change.turned).map(|change| change.state.is_out());
                let expected = match (word, turned) {
                    (Keyword::Help, _) => Some(KeywordReply::Help),
                    (_, Some(true)) => Some(KeywordReply::Stopped),
                    (_, Some(false)) => Some(KeywordReply::Started),
                    (_, None) => None,
                };
                assert_eq!(
                    reply, expected,
                    "only HELP and a change between opted in and opted out are answered"
                );
                change
            }
            KeywordDecision::Ordinary => None,
        },
        Event::User(out) => after_user(state, out),
        Event::Import(out) => after_import(state, out),
        Event::Refused => after_carrier_refusal(state),
    }
}

/// The rule, stated differently: a source keeps the subject opted out until an event that lifts it.
fn is_out_by(history: &[Event], source: OptOutSource) -> bool {
    let outcome = |event: &Event| match (*event, source) {
        (Event::Word(Keyword::Stop, _), OptOutSource::Keyword)
        | (Event::User(true), OptOutSource::User)
        | (Event::Import(true), OptOutSource::Import)
        | (Event::Refused, OptOutSource::Carrier) => Some(true),
        (Event::Word(Keyword::Start | Keyword::Yes, true), OptOutSource::Keyword)
        | (Event::Import(false), OptOutSource::Import | OptOutSource::User)
        | (Event::User(false), _) => Some(false),
        _ => None,
    };
    history.iter().rev().find_map(outcome).unwrap_or(false)
}

const SOURCES: [OptOutSource; 4] =
    [OptOutSource::Keyword, OptOutSource::User, OptOutSource::Import, OptOutSource::Carrier];

proptest! {
    #[test]
    fn the_state_is_what_the_history_says(history in prop::collection::vec(events(), 0..40)) {
        let mut state = OptOutState::default();
        for (index, event) in history.iter().enumerate() {
            let change = apply(&state, *event);
            let expected = out(&SOURCES.into_iter().filter(|source| is_out_by(&history[..=index], *source)).collect::<Vec<_>>());
            prop_assert_eq!(change.is_some(), expected != state, "there is a change if and only if the state changes");
            if let Some(change) = change {
                prop_assert_eq!(change.turned, change.state.is_out() != state.is_out());
                state = change.state;
            }
            prop_assert_eq!(&state, &expected);
            prop_assert!(apply(&state, *event).is_none(), "repeating the event changes nothing");
        }
    }

    #[test]
    fn an_opt_out_never_reaches_beyond_its_scope(
        stops in prop::collection::vec((0_u8..2, 0_u8..3, any::<bool>(), 0_u8..2), 0..6),
    ) {
        let inbox_of = |organization: u8, team: u8, shared: bool| {
            let kind = if shared { InboxKind::Shared } else { InboxKind::Personal };
            // Team ids repeat between organizations on purpose.
            inbox(&format!("org_{organization}"), &format!("team_{team}"), kind)
        };
        let opted_out: BTreeSet<OptOutSubject> = stops
            .iter()
            .map(|(organization, team, shared, last)| OptOutSubject::of(&inbox_of(*organization, *team, *shared), &number(*last)))
            .collect();
        for organization in 0..2 {
            for team in 0..3 {
                for (shared, last) in [(true, 0), (true, 1), (false, 0), (false, 1)] {
                    let blocked = subjects_that_stop(&inbox_of(organization, team, shared), &number(last))
                        .iter()
                        .any(|subject| opted_out.contains(subject));
                    let expected = stops.iter().any(|stop| {
                        stop.0 == organization && stop.3 == last && if stop.2 { stop.1 == team } else { !shared }
                    });
                    prop_assert_eq!(blocked, expected);
                }
            }
        }
    }

    #[test]
    fn confirmations_fit_one_segment_whatever_the_name(name in "\\PC{0,90}") {
        for text in [stop_text(&name), start_text(&name), help_text(&name)] {
            let segments = Segments::of(&text);
            prop_assert_eq!((segments.encoding, segments.count), (Encoding::Gsm7, 1));
            prop_assert!(segments.units <= 160 && text.contains("STOP") | text.contains("START"));
        }
    }

    #[test]
    fn no_text_causes_a_panic(text in "\\PC*") {
        let _ = (keyword(&text), wants_review(&text));
    }
}
