use jiff::tz::TimeZoneDatabase;
use proptest::prelude::*;

use super::*;
use crate::weekly_hours::{DAYS, clock};

fn draft(mode: Mode, zone: &str, hours: &[(&str, &[(&str, &str)])], holidays: &[&str]) -> Draft {
    let pair = |(start, end): &(&str, &str)| ((*start).to_owned(), (*end).to_owned());
    Draft {
        mode,
        message: "We are closed.".into(),
        time_zone: zone.into(),
        hours: hours.iter().map(|(day, all)| ((*day).to_owned(), all.iter().map(pair).collect())).collect(),
        holidays: holidays.iter().map(|date| (*date).to_owned()).collect(),
    }
}

fn schedule(mode: Mode, zone: &str, hours: &[(&str, &[(&str, &str)])], holidays: &[&str]) -> Schedule {
    Schedule::parse(&draft(mode, zone, hours, holidays)).unwrap()
}

fn at(text: &str) -> Timestamp {
    Timestamp::from_millis(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

const SAVED: Timestamp = Timestamp::from_millis(1_790_000_000_000);
const NINE_TO_FIVE: &[(&str, &str)] = &[("09:00", "17:00")];
const OFFICE: &[(&str, &[(&str, &str)])] = &[
    ("mon", NINE_TO_FIVE),
    ("tue", NINE_TO_FIVE),
    ("wed", NINE_TO_FIVE),
    ("thu", NINE_TO_FIVE),
    ("fri", NINE_TO_FIVE),
];

#[test]
fn off_is_never_closed_and_on_is_one_period_that_starts_when_it_was_saved() {
    let (off, on) = (schedule(Mode::Off, "UTC", OFFICE, &[]), schedule(Mode::On, "UTC", OFFICE, &[]));
    let open = at("2026-11-23T12:00:00Z");
    assert_eq!(closed_period(&off, at("2026-11-22T12:00:00Z"), SAVED), None);
    let period = closed_period(&on, open, SAVED).unwrap();
    assert_eq!((period.since, period.until), (SAVED, None));
    assert_eq!(closed_period(&on, at("2027-11-23T12:00:00Z"), SAVED), Some(period.clone()));
    assert_ne!(closed_period(&on, open, open).unwrap().id, period.id);
}

#[test]
fn a_night_a_holiday_and_a_weekend_are_one_period() {
    let office = schedule(Mode::Auto, "America/New_York", OFFICE, &["2026-11-26", "2026-11-27"]);
    let thanksgiving = ClosedPeriod {
        id: format!("auto-{}", at("2026-11-25T22:00:00Z").millis()),
        since: at("2026-11-25T22:00:00Z"),
        until: Some(at("2026-11-30T14:00:00Z")),
    };
    for inside in
        ["2026-11-25T22:00:00Z", "2026-11-26T15:00:00Z", "2026-11-28T00:00:00Z", "2026-11-30T13:59:59.999Z"]
    {
        assert_eq!(closed_period(&office, at(inside), SAVED).as_ref(), Some(&thanksgiving), "{inside}");
    }
    for open in ["2026-11-25T21:59:59.999Z", "2026-11-30T14:00:00Z"] {
        assert_eq!(closed_period(&office, at(open), SAVED), None, "{open}");
    }
}

#[test]
fn saving_again_in_a_closed_period_does_not_start_another() {
    let office = schedule(Mode::Auto, "Europe/Berlin", OFFICE, &[]);
    let night = at("2026-11-23T23:00:00Z");
    assert_eq!(closed_period(&office, night, SAVED), closed_period(&office, night, night));
}

#[test]
fn hours_may_end_at_midnight_and_continue_on_the_next_day() {
    let bar =
        schedule(Mode::Auto, "UTC", &[("fri", &[("18:00", "24:00")]), ("sat", &[("00:00", "02:00")])], &[]);
    for open in ["2026-11-27T23:59:59Z", "2026-11-28T00:00:00Z", "2026-11-28T01:59:00Z"] {
        assert_eq!(closed_period(&bar, at(open), SAVED), None, "{open}");
    }
    let week = closed_period(&bar, at("2026-11-28T02:00:00Z"), SAVED).unwrap();
    assert_eq!(week.since, at("2026-11-28T02:00:00Z"));
    assert_eq!(week.until, Some(at("2026-12-04T18:00:00Z")));
}

#[test]
fn auto_without_hours_is_one_endless_period_and_with_all_hours_is_always_open() {
    let never = schedule(Mode::Auto, "UTC", &[("mon", &[])], &[]);
    let period = closed_period(&never, at("2026-11-23T12:00:00Z"), SAVED).unwrap();
    assert_eq!((period.since, period.until), (SAVED, None));
    assert_eq!(period.id, format!("closed-{}", SAVED.millis()));
    let day: &[(&str, &str)] = &[("12:00", "24:00"), ("00:00", "12:00")];
    let always: Vec<_> = DAYS.iter().map(|(name, _)| (*name, day)).collect();
    let always = schedule(Mode::Auto, "UTC", &always, &["2026-12-25"]);
    assert_eq!(closed_period(&always, at("2026-11-23T12:00:00Z"), SAVED), None);
    let christmas = closed_period(&always, at("2026-12-25T12:00:00Z"), SAVED).unwrap();
    assert_eq!(christmas.since, at("2026-12-25T00:00:00Z"));
    assert_eq!(christmas.until, Some(at("2026-12-26T00:00:00Z")));
}

#[test]
fn a_year_of_holidays_is_one_period() {
    let first = Date::constant(2026, 1, 1);
    let holidays: Vec<String> =
        first.series(jiff::Span::new().days(1)).take(366).map(|d| d.to_string()).collect();
    let year =
        Draft { holidays, ..draft(Mode::Auto, "Asia/Kolkata", &[("wed", &[("09:00", "10:00")])], &[]) };
    let year = Schedule::parse(&year).unwrap();
    let period = closed_period(&year, at("2026-07-01T00:00:00Z"), SAVED).unwrap();
    assert_eq!(period.since, at("2025-12-31T04:30:00Z"));
    assert_eq!(period.until, Some(at("2027-01-06T03:30:00Z")));
    let early = closed_period(&year, period.since, SAVED);
    let late = closed_period(&year, at("2027-01-06T03:29:59Z"), SAVED);
    assert_eq!((early.as_ref(), late.as_ref()), (Some(&period), Some(&period)));
}

#[test]
fn hours_in_a_skipped_or_repeated_hour_follow_the_local_time() {
    let night: &[(&str, &[(&str, &str)])] = &[("sun", &[("01:15", "01:45"), ("02:00", "03:00")])];
    let night = schedule(Mode::Auto, "America/New_York", night, &[]);
    let open = |text: &str| closed_period(&night, at(text), SAVED).is_none();
    // 8 March 2026: 02:00 EST is 03:00 EDT.
    assert!(open("2026-03-08T06:30:00Z"), "01:30 EST");
    assert!(!open("2026-03-08T07:00:00Z"), "03:00 EDT");
    let after = closed_period(&night, at("2026-03-08T07:00:00Z"), SAVED).unwrap();
    assert_eq!(after.since, at("2026-03-08T06:45:00Z"));
    // 1 November 2026: 02:00 EDT is 01:00 EST.
    assert!(open("2026-11-01T05:30:00Z") && !open("2026-11-01T06:00:00Z") && open("2026-11-01T06:30:00Z"));
    let between = closed_period(&night, at("2026-11-01T06:00:00Z"), SAVED).unwrap();
    assert_eq!(
        (between.since, between.until),
        (at("2026-11-01T05:45:00Z"), Some(at("2026-11-01T06:15:00Z")))
    );
}

#[test]
fn hours_that_start_or_end_in_a_skipped_hour_do_so_at_the_clock_change() {
    // 8 March 2026, 07:00 UTC: 02:00 EST is 03:00 EDT.
    let change = at("2026-03-08T07:00:00Z");
    let opens = schedule(Mode::Auto, "America/New_York", &[("sun", &[("02:30", "04:00")])], &[]);
    assert_eq!(closed_period(&opens, at("2026-03-08T06:00:00Z"), SAVED).unwrap().until, Some(change));
    let closes = schedule(Mode::Auto, "America/New_York", &[("sun", &[("01:00", "02:30")])], &[]);
    assert_eq!(closed_period(&closes, at("2026-03-08T12:00:00Z"), SAVED).unwrap().since, change);
}

#[test]
fn a_schedule_has_the_mode_and_message_of_its_settings() {
    for (mode, word) in [(Mode::Off, "off"), (Mode::On, "on"), (Mode::Auto, "auto")] {
        let kept = schedule(mode, "UTC", OFFICE, &[]);
        assert_eq!((kept.mode(), kept.mode().as_str(), kept.message()), (mode, word, "We are closed."));
    }
}

#[test]
fn all_errors_are_reported_at_once() {
    let bad = Draft {
        message: " ".into(),
        ..draft(
            Mode::On,
            "America/Gotham",
            &[
                ("mon", &[("9:00", "12:00"), ("13:00", "25:00"), ("17:00", "16:00")]),
                ("tue", &[("09:00", "12:00"), ("12:00", "13:00"), ("11:59", "12:01"), ("24:00", "24:00")]),
                ("someday/never", &[]),
                ("wed", &[("00:00", "00:01"); 13]),
            ],
            &["2026-12-25", "2026-02-30", "25.12.2026", "2026-12-25T00:00"],
        )
    };
    let pointers: Vec<_> =
        Schedule::parse(&bad).unwrap_err().into_iter().map(|error| error.pointer).collect();
    let all = [
        "/message",
        "/timeZone",
        "/hours/mon/0/0",
        "/hours/mon/1/1",
        "/hours/mon/2",
        "/hours/someday~1never",
        "/hours/tue/2",
        "/hours/tue/3/0",
        "/hours/wed",
        "/holidays/1",
        "/holidays/2",
        "/holidays/3",
    ];
    assert_eq!(pointers, all);
}

#[test]
fn a_day_has_up_to_twelve_ranges_of_valid_times() {
    let times: Vec<(String, String)> =
        (0..12).map(|hour| (clock(hour * 60), clock(hour * 60 + 30))).collect();
    let with = |ranges: Vec<(String, String)>| {
        let hours = WrittenHours::from([("mon".to_owned(), ranges)]);
        Schedule::parse(&Draft { hours, ..draft(Mode::Auto, "UTC", &[], &[]) })
    };
    assert!(with(times.clone()).is_ok());
    assert!(with([times, vec![("23:00".into(), "23:30".into())]].concat()).is_err());
    assert!(with(vec![("09:00".into(), "09:59".into())]).is_ok());
    assert!(with(vec![("09:00".into(), "09:60".into())]).is_err());
}

#[test]
fn a_holiday_is_an_iso_date_with_hyphens() {
    assert!(Schedule::parse(&draft(Mode::Auto, "UTC", &[], &["2026-12-25"])).is_ok());
    for bad in ["20261225", "2026-12-25 ", "2026-W52-5"] {
        assert!(Schedule::parse(&draft(Mode::Auto, "UTC", &[], &[bad])).is_err(), "{bad}");
    }
}

#[test]
fn the_message_has_1_to_480_characters_and_may_be_empty_only_while_off() {
    let with = |mode, message: &str| {
        let message = message.to_owned();
        Schedule::parse(&Draft { message, ..draft(mode, "UTC", &[], &[]) }).map(|kept| kept.message)
    };
    assert_eq!(with(Mode::On, &format!(" {} ", "ü".repeat(480))), Ok("ü".repeat(480)));
    assert_eq!(with(Mode::Auto, "two\nlines"), Ok("two\nlines".into()));
    for bad in ["", " \n", "\u{200b}", " \u{3164} ", &"x".repeat(481), "bell\u{7}"] {
        assert!(with(Mode::On, bad).is_err() && with(Mode::Auto, bad).is_err(), "{bad:?}");
    }
    for blank in ["", "\u{200b} "] {
        assert_eq!(with(Mode::Off, blank), Ok(String::new()));
    }
    assert!(with(Mode::Off, &"x".repeat(481)).is_err());
}

#[test]
fn a_time_zone_is_an_iana_name_in_any_case() {
    for (name, kept) in [
        ("america/new_york", "America/New_York"),
        ("Pacific/Apia", "Pacific/Apia"),
        ("Australia/Lord_Howe", "Australia/Lord_Howe"),
        ("UTC", "UTC"),
    ] {
        assert_eq!(schedule(Mode::Off, name, &[], &[]).draft().time_zone, kept);
    }
    for bad in ["", " ", "EST5EDT4", "+05:30", "Etc/Unknown", "../etc/passwd", "America/New York"] {
        assert!(Schedule::parse(&draft(Mode::Off, bad, &[], &[])).is_err(), "{bad}");
    }
}

#[test]
fn the_settings_have_the_format_of_the_api() {
    let json = serde_json::json!({
        "mode": "auto", "message": "Closed.", "timeZone": "America/New_York",
        "hours": {"mon": [["13:00", "17:00"], ["09:00", "12:00"]]}, "holidays": ["2026-12-25"],
    });
    let kept = Schedule::parse(&serde_json::from_value(json).unwrap()).unwrap();
    let tidy = serde_json::json!({
        "mode": "auto", "message": "Closed.", "timeZone": "America/New_York",
        "hours": {"mon": [["09:00", "12:00"], ["13:00", "17:00"]]}, "holidays": ["2026-12-25"],
    });
    assert_eq!(serde_json::to_value(kept.draft()).unwrap(), tidy);
    assert_eq!(Schedule::parse(&kept.draft()), Ok(kept));
}

#[test]
fn keywords_automatic_messages_and_own_numbers_are_not_answered() {
    let period = ClosedPeriod { id: "on-1".into(), since: SAVED, until: None };
    let person = Inbound::default();
    assert!(should_answer(Some(&period), &person, 0));
    assert!(!should_answer(None, &person, 0));
    for what in [
        Inbound { keyword: true, ..person },
        Inbound { automatic: true, ..person },
        Inbound { from_own_number: true, ..person },
        Inbound { short_code: true, ..person },
    ] {
        assert!(!should_answer(Some(&period), &what, 0), "{what:?}");
    }
}

#[test]
fn a_contact_gets_at_most_three_automatic_replies_per_hour() {
    assert!(loop_guard(0) && loop_guard(2));
    assert!(!loop_guard(3) && !loop_guard(u32::MAX));
    let period = ClosedPeriod { id: "on-1".into(), since: SAVED, until: None };
    assert!(!should_answer(Some(&period), &Inbound::default(), 3));
}

#[test]
fn an_echo_of_the_own_message_is_recognized() {
    assert!(echoes("we are  CLOSED.\n", "We are closed."));
    assert!(!echoes("We are closed", "We are closed."));
    assert!(!echoes("", "") && !echoes(" ", ""));
}

/// A zone, and a day near one of its clock changes.
fn places() -> impl Strategy<Value = (&'static str, &'static str)> {
    prop::sample::select(vec![
        ("America/New_York", "2026-03-08"),
        ("America/New_York", "2026-11-01"),
        ("Europe/Berlin", "2026-03-29"),
        ("Europe/Berlin", "2026-10-25"),
        ("Australia/Lord_Howe", "2026-04-05"),
        ("Australia/Lord_Howe", "2026-10-04"),
        ("Pacific/Apia", "2011-12-30"),
        ("America/St_Johns", "2006-10-29"), // 00:01 is 23:01 of the day before
        ("Asia/Kolkata", "2026-11-23"),
    ])
}

fn time() -> impl Strategy<Value = u16> {
    // Clock changes happen in the small hours.
    prop_oneof![(0_u16..=20).prop_map(|quarter| quarter * 15), 0_u16..=1440, Just(1440)]
}

fn day_ranges() -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::btree_set(time(), 0..=6).prop_map(|times| {
        let times: Vec<u16> = times.into_iter().collect();
        times.chunks_exact(2).map(|pair| (clock(pair[0]), clock(pair[1]))).collect()
    })
}

fn drafts(zone: &'static str, day: &'static str) -> impl Strategy<Value = Draft> {
    let hours = prop::collection::vec(day_ranges(), 7);
    let holidays = prop::collection::btree_set(-1_i64..=1, 0..=2);
    (hours, holidays).prop_map(move |(hours, holidays)| {
        let day: Date = day.parse().unwrap();
        let off = |offset: i64| day.checked_add(jiff::Span::new().days(offset)).unwrap().to_string();
        let holidays = holidays.into_iter().map(off).collect();
        let hours = DAYS.iter().map(|(name, _)| (*name).to_owned()).zip(hours).collect();
        Draft { mode: Mode::Auto, message: "Closed.".into(), time_zone: zone.into(), hours, holidays }
    })
}

/// Whether the inbox is open, computed from the unparsed settings and the local time.
fn naively_open(draft: &Draft, now: Timestamp) -> bool {
    let instant = jiff::Timestamp::from_millisecond(now.millis()).unwrap();
    let zone = TimeZoneDatabase::bundled().get(&draft.time_zone).unwrap();
    let local = instant.to_zoned(zone);
    let time = local.strftime("%H:%M").to_string();
    let day = local.strftime("%a").to_string().to_lowercase();
    !draft.holidays.contains(&local.date().to_string())
        && draft.hours[&day].iter().any(|(start, end)| *start <= time && time < *end)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_schedule_agrees_with_the_local_time_in_every_minute(
        (draft, day) in places().prop_flat_map(|(zone, day)| (drafts(zone, day), Just(day))),
    ) {
        let schedule = Schedule::parse(&draft).unwrap();
        let midnight = at(&format!("{day}T00:00:00Z")).millis();
        let mut period: Option<ClosedPeriod> = None;
        let mut ids = BTreeSet::new();
        for minute in -18 * 60..36 * 60 {
            let now = Timestamp::from_millis(midnight + minute * 60_000);
            let seen = closed_period(&schedule, now, SAVED);
            prop_assert_eq!(seen.is_none(), naively_open(&draft, now), "{}", now);
            if let Some(seen) = &seen {
                match &period {
                    Some(period) => prop_assert_eq!(period, seen, "one period at {}", now),
                    None => prop_assert!(ids.insert(seen.id.clone()), "a repeated id at {}", now),
                }
            }
            period = seen;
        }
    }

    #[test]
    fn a_period_starts_and_ends_at_its_bounds(
        (draft, day) in places().prop_flat_map(|(zone, day)| (drafts(zone, day), Just(day))),
        millis in -86_400_000_i64..2 * 86_400_000,
    ) {
        let schedule = Schedule::parse(&draft).unwrap();
        let now = Timestamp::from_millis(at(&format!("{day}T00:00:00Z")).millis() + millis);
        let Some(period) = closed_period(&schedule, now, SAVED) else { return Ok(()) };
        let beside = |instant: Timestamp, by: i64| Timestamp::from_millis(instant.millis() + by);
        let again = |instant| closed_period(&schedule, instant, SAVED);
        if let Some(until) = period.until {
            prop_assert!(period.since <= now && now < until);
            prop_assert!(naively_open(&draft, until) && !naively_open(&draft, beside(until, -1)));
            prop_assert!(!naively_open(&draft, period.since) && naively_open(&draft, beside(period.since, -1)));
            prop_assert_eq!(again(beside(until, -1)), Some(period.clone()));
            prop_assert_eq!(again(period.since), Some(period.clone()));
        } else {
            prop_assert!(draft.hours.values().all(Vec::is_empty));
        }
    }
}
