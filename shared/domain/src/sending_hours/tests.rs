use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::{field::FieldErrors, weekly_hours::WrittenHours};

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn place(number: &str) -> RecipientPlace {
    RecipientPlace::of(&PhoneNumber::from_carrier(number).unwrap(), None)
}

fn hours(number: &str) -> SendingHours {
    SendingHours::of(&place(number), HoursMode::Recipient, None)
}

/// The zones of all entries of the table, each once, and those of an unknown place.
fn places() -> Vec<Vec<&'static str>> {
    let entries = number_zones::tests::entries().into_iter().map(|(_, zones)| zones);
    let places: BTreeSet<_> = entries.chain([Vec::new()]).collect();
    places.into_iter().collect()
}

/// The hours of a number that may be in these zones.
fn hours_in(zones: &[&'static str]) -> SendingHours {
    let zones = zones.iter().copied().map(Cow::Borrowed).collect();
    SendingHours::of(&RecipientPlace { zones: Cow::Owned(zones), state: None }, HoursMode::Recipient, None)
}

/// The release of a text to this number that is ready at this time.
fn release(number: &str, now: &str) -> (String, String) {
    let release = hours(number).next_release(at(now)).unwrap();
    (release.at.to_string(), release.until.unwrap().to_string())
}

fn weekly(zone: &str, days: &[(&str, &str, &str)]) -> WeeklyHours {
    let range = |(day, start, end): &(&str, &str, &str)| {
        ((*day).to_owned(), vec![((*start).to_owned(), (*end).to_owned())])
    };
    let written: WrittenHours = days.iter().map(range).collect();
    WeeklyHours::parse(time_zone(zone).unwrap(), &written, "", &mut FieldErrors::default())
}

const NEW_YORK: &str = "+12025550143";
const LOS_ANGELES: &str = "+12135550143";
const PHOENIX: &str = "+16025550143";
const BOISE_OR_LOS_ANGELES: &str = "+12083000143";
const TOLL_FREE: &str = "+18005550143";
const DALLAS: &str = "+12145550143";
const PROVIDENCE: &str = "+14015550143";
const SATELLITE: &str = "+870773111632";
const LONDON: &str = "+442079460958";
const BRITISH_MOBILE: &str = "+447911123456";
const GERMAN_MOBILE: &str = "+4915112345678";
const MUMBAI: &str = "+912212345678";
const SYDNEY: &str = "+61291234567";
const AUSTRALIAN_MOBILE: &str = "+61412345678";
const AUCKLAND: &str = "+6493001234";
const MOSCOW: &str = "+74951234567";
const RUSSIAN_MOBILE: &str = "+79161234567";

#[test]
fn a_text_goes_out_between_9_and_20_oclock_where_the_recipient_is() {
    let day = ("2026-11-23T14:00:00.000Z".to_owned(), "2026-11-24T01:00:00.000Z".to_owned());
    assert_eq!(release(NEW_YORK, "2026-11-23T03:00:00-05:00"), day);
    assert_eq!(release(NEW_YORK, "2026-11-23T08:59:59.999-05:00"), day);
    assert_eq!(release(NEW_YORK, "2026-11-22T20:00:00-05:00"), day);
    let (noon, until) = release(NEW_YORK, "2026-11-23T12:00:00-05:00");
    assert_eq!((noon.as_str(), until), ("2026-11-23T17:00:00.000Z", day.1));
    let (last, _) = release(NEW_YORK, "2026-11-23T19:59:59.999-05:00");
    assert_eq!(last, "2026-11-24T00:59:59.999Z");
    assert_eq!(release(LOS_ANGELES, "2026-11-23T09:00:00-05:00").0, "2026-11-23T17:00:00.000Z");
}

#[test]
fn a_number_in_several_zones_gets_a_text_within_the_hours_of_all() {
    let (from, until) = release(BOISE_OR_LOS_ANGELES, "2026-11-23T08:00:00Z");
    assert_eq!((from, until), ("2026-11-23T17:00:00.000Z".into(), "2026-11-24T03:00:00.000Z".into()));
    let evening = release(BOISE_OR_LOS_ANGELES, "2026-11-24T03:00:00Z");
    assert_eq!(evening.0, "2026-11-24T17:00:00.000Z", "8 p.m. in Boise is 7 p.m. in Los Angeles");
}

#[test]
fn numbers_of_all_countries_get_texts_between_9_and_20_oclock() {
    for (number, from, until) in [
        (LONDON, "2026-11-23T09:00:00Z", "2026-11-23T20:00:00Z"),
        (BRITISH_MOBILE, "2026-11-23T09:00:00Z", "2026-11-23T20:00:00Z"),
        (GERMAN_MOBILE, "2026-11-23T09:00:00+01:00", "2026-11-23T20:00:00+01:00"),
        (MUMBAI, "2026-11-23T09:00:00+05:30", "2026-11-23T20:00:00+05:30"),
        (MOSCOW, "2026-11-23T09:00:00+03:00", "2026-11-23T20:00:00+03:00"),
        (SYDNEY, "2026-11-23T09:00:00+11:00", "2026-11-23T20:00:00+11:00"),
        ("+819012345678", "2026-11-23T09:00:00+09:00", "2026-11-23T20:00:00+09:00"),
        ("+97798123456", "2026-11-23T09:00:00+05:45", "2026-11-23T20:00:00+05:45"),
    ] {
        let evening = at(from) - Duration::from_hours(13);
        let next = hours(number).next_release(evening).unwrap();
        assert_eq!(next, Release { at: at(from), until: Some(at(until)) }, "{number}");
    }
}

/// From 9 o'clock in the westernmost zone to 20 o'clock in the easternmost one.
#[test]
fn the_more_zones_a_number_may_be_in_the_shorter_are_its_hours() {
    let night = "2026-11-23T00:00:00Z";
    let (from, until) = release(AUSTRALIAN_MOBILE, night);
    let cocos_to_lord_howe = (at("2026-11-23T09:00:00+06:30"), at("2026-11-23T20:00:00+11:00"));
    assert_eq!((at(&from), at(&until)), cocos_to_lord_howe);
    let (from, until) = release(AUSTRALIAN_MOBILE, "2026-07-01T00:00:00Z");
    let winter = (at("2026-07-01T09:00:00+06:30"), at("2026-07-01T20:00:00+10:30"));
    assert_eq!((at(&from), at(&until)), winter);
    for day in ["2026-07-01", "2026-11-23"] {
        let (from, until) = release(RUSSIAN_MOBILE, &format!("{day}T00:00:00Z"));
        let kaliningrad_to_kamchatka =
            (at(&format!("{day}T09:00:00+02:00")), at(&format!("{day}T20:00:00+12:00")));
        assert_eq!((at(&from), at(&until)), kaliningrad_to_kamchatka, "one hour");
    }
}

#[test]
fn every_number_has_an_hour_on_every_day() {
    for zones in places() {
        let hours = hours_in(&zones);
        // All days for numbers in several zones.
        let step = if zones.len() > 1 { 1 } else { 14 };
        for day in (0_u64..365).step_by(step) {
            let now = at("2026-01-01T00:00:00Z") + Duration::from_hours(24 * day);
            let release = hours.next_release(now).unwrap();
            assert!(now.duration_until(release.at) < Duration::from_hours(24), "{zones:?} {now}");
            let begins = hours.next_release(release.until.unwrap()).unwrap();
            let length = begins.at.duration_until(begins.until.unwrap());
            assert!(length >= Duration::from_hours(1), "{zones:?} {now}: {length:?}");
        }
    }
}

#[test]
fn the_zone_of_the_contact_comes_first() {
    let number = PhoneNumber::from_carrier(NEW_YORK).unwrap();
    let own = RecipientPlace::of(&number, Some("america/los_angeles"));
    assert_eq!(own, place(LOS_ANGELES));
    assert_eq!(RecipientPlace::of(&number, Some("Mars/Olympus")), place(NEW_YORK));
    let toll_free = PhoneNumber::from_carrier(TOLL_FREE).unwrap();
    let hours =
        SendingHours::of(&RecipientPlace::of(&toll_free, Some("Europe/London")), HoursMode::Recipient, None);
    let release = hours.next_release(at("2026-11-23T03:00:00Z")).unwrap();
    assert_eq!(release.at, at("2026-11-23T09:00:00Z"));
}

#[test]
fn an_unknown_zone_has_hours_that_suit_the_whole_continent() {
    assert!(place(TOLL_FREE).is_unknown() && !place(NEW_YORK).is_unknown());
    for unknown in [TOLL_FREE, "+15005550006", SATELLITE] {
        let (from, until) = release(unknown, "2026-11-23T00:00:00-05:00");
        let expected = (at("2026-11-23T12:00:00-05:00"), at("2026-11-23T20:00:00-05:00"));
        assert_eq!((at(&from), at(&until)), expected);
        let in_continent = [NEW_YORK, DALLAS, "+13035550143", LOS_ANGELES].map(hours);
        for hours in in_continent {
            assert_eq!(hours.next_release(at(&from)).map(|release| release.at), Some(at(&from)));
        }
    }
}

#[test]
fn states_with_shorter_hours_are_respected() {
    let (from, _) = release(DALLAS, "2026-11-22T09:00:00-06:00");
    assert_eq!(at(&from), at("2026-11-22T12:00:00-06:00"), "on a Sunday, Texas begins at noon");
    let (from, _) = release(DALLAS, "2026-11-23T09:00:00-06:00");
    assert_eq!(at(&from), at("2026-11-23T09:00:00-06:00"));
    let (from, until) = release(PROVIDENCE, "2026-11-28T09:00:00-05:00");
    let saturday = (at("2026-11-28T10:00:00-05:00"), at("2026-11-28T17:00:00-05:00"));
    assert_eq!((at(&from), at(&until)), saturday);
    let (from, _) = release(PROVIDENCE, "2026-11-29T18:00:00-05:00");
    assert_eq!(at(&from), at("2026-11-30T09:00:00-05:00"));
}

#[test]
fn the_hours_of_the_team_shorten_those_of_the_recipient() {
    let team = weekly("America/Chicago", &[("mon", "08:00", "10:00"), ("wed", "16:00", "24:00")]);
    let both = SendingHours::of(&place(LOS_ANGELES), HoursMode::Recipient, Some(&team));
    let release = both.next_release(at("2026-11-23T00:00:00Z")).unwrap();
    let wednesday = (at("2026-11-25T14:00:00-08:00"), Some(at("2026-11-25T20:00:00-08:00")));
    assert_eq!((release.at, release.until), wednesday, "on Mondays they have nothing in common");
    let alone = SendingHours::of(&place(LOS_ANGELES), HoursMode::Team, Some(&team));
    assert_eq!(
        alone.next_release(at("2026-11-23T00:00:00Z")).unwrap(),
        Release { at: at("2026-11-23T08:00:00-06:00"), until: Some(at("2026-11-23T10:00:00-06:00")) }
    );
    assert_eq!(SendingHours::of(&place(LOS_ANGELES), HoursMode::Team, None), hours(LOS_ANGELES));
}

#[test]
fn hours_that_have_nothing_in_common_never_release_a_text() {
    let office = weekly("America/New_York", &[("mon", "09:00", "17:00"), ("fri", "09:00", "17:00")]);
    let russia = SendingHours::of(&place(RUSSIAN_MOBILE), HoursMode::Recipient, Some(&office));
    assert_eq!(russia.next_release(at("2026-11-23T00:00:00Z")), None);
    let night = weekly("America/New_York", &[("mon", "00:00", "06:00"), ("sun", "20:00", "24:00")]);
    let never = SendingHours::of(&place(NEW_YORK), HoursMode::Recipient, Some(&night));
    assert_eq!(never.next_release(at("2026-11-23T00:00:00Z")), None);
    let closed = SendingHours::of(&place(NEW_YORK), HoursMode::Team, Some(&weekly("UTC", &[])));
    assert_eq!(closed.next_release(at("2026-11-23T00:00:00Z")), None);
}

#[test]
fn always_releases_at_once_and_without_an_end() {
    let now = at("2026-11-23T03:00:00-05:00");
    let always = SendingHours::of(&place(NEW_YORK), HoursMode::Always, None).next_release(now);
    assert_eq!(always, Some(Release { at: now, until: None }));
    assert_eq!(serde_json::to_value(HoursMode::default()).unwrap(), HoursMode::Recipient.as_str());
    for mode in [HoursMode::Team, HoursMode::Always] {
        assert_eq!(serde_json::to_value(mode).unwrap(), mode.as_str());
    }
}

/// In 2026, daylight saving time begins on 8 March and ends on 1 November at 2 o'clock.
#[test]
fn hours_follow_the_local_time_over_both_clock_changes() {
    for (now, from) in [
        ("2026-03-07T21:00:00-05:00", "2026-03-08T09:00:00-04:00"),
        ("2026-03-08T01:59:59-05:00", "2026-03-08T09:00:00-04:00"),
        ("2026-10-31T21:00:00-04:00", "2026-11-01T09:00:00-05:00"),
        ("2026-11-01T01:30:00-04:00", "2026-11-01T09:00:00-05:00"),
        ("2026-11-01T01:30:00-05:00", "2026-11-01T09:00:00-05:00"),
    ] {
        assert_eq!(at(&release(NEW_YORK, now).0), at(from), "{now}");
    }
    // In 2026, summer time begins in the European Union and in the United Kingdom on 29 March at 1 o'clock
    // UTC and ends on 25 October. On the southern hemisphere, it ends in April and begins in September or
    // October.
    for (number, now, from) in [
        (LONDON, "2026-03-28T21:00:00+00:00", "2026-03-29T09:00:00+01:00"),
        (LONDON, "2026-10-24T21:00:00+01:00", "2026-10-25T09:00:00+00:00"),
        (GERMAN_MOBILE, "2026-03-29T01:59:59+01:00", "2026-03-29T09:00:00+02:00"),
        (GERMAN_MOBILE, "2026-10-25T02:30:00+02:00", "2026-10-25T09:00:00+01:00"),
        (SYDNEY, "2026-04-04T21:00:00+11:00", "2026-04-05T09:00:00+10:00"),
        (SYDNEY, "2026-10-03T21:00:00+10:00", "2026-10-04T09:00:00+11:00"),
        (AUCKLAND, "2026-04-04T21:00:00+13:00", "2026-04-05T09:00:00+12:00"),
        (AUCKLAND, "2026-09-26T21:00:00+12:00", "2026-09-27T09:00:00+13:00"),
    ] {
        assert_eq!(at(&release(number, now).0), at(from), "{number} {now}");
    }
    let arizona = |now| at(&release(PHOENIX, now).0);
    assert_eq!(arizona("2026-03-07T21:00:00-07:00"), at("2026-03-08T09:00:00-07:00"));
    assert_eq!(arizona("2026-10-31T21:00:00-07:00"), at("2026-11-01T09:00:00-07:00"));
}

#[test]
fn hours_that_begin_in_a_skipped_hour_begin_at_the_clock_change() {
    let night = weekly("America/New_York", &[("sun", "02:30", "04:00")]);
    let hours = SendingHours::of(&place(NEW_YORK), HoursMode::Team, Some(&night));
    let spring = hours.next_release(at("2026-03-08T00:00:00-05:00")).unwrap();
    assert_eq!(spring.at, at("2026-03-08T03:00:00-04:00"));
    let twice = weekly("America/New_York", &[("sun", "01:00", "01:30")]);
    let hours = SendingHours::of(&place(NEW_YORK), HoursMode::Team, Some(&twice));
    let first = hours.next_release(at("2026-11-01T00:00:00-04:00")).unwrap();
    assert_eq!(first.until, Some(at("2026-11-01T01:30:00-04:00")));
    let second = hours.next_release(at("2026-11-01T01:30:00-04:00")).unwrap();
    assert_eq!(second.at, at("2026-11-01T01:00:00-05:00"), "the hour is repeated");
}

#[test]
fn the_carrier_may_try_until_the_hours_end() {
    let now = at("2026-11-23T19:59:00-05:00");
    let until = hours(NEW_YORK).next_release(now).unwrap().until.unwrap();
    assert_eq!(validity(until, now), Some(Duration::from_secs(60)));
    assert_eq!(validity(until, now + Duration::from_millis(58_500)), Some(Duration::from_secs(1)));
    assert_eq!(validity(until, now + Duration::from_millis(59_500)), None);
    let morning = at("2026-11-23T09:00:00-05:00");
    assert_eq!(validity(until, morning), Some(MAX_VALIDITY), "eleven hours are more than Twilio accepts");
}

/// Whether a text may go out, by the local time of each zone.
fn may_get_a_text(zones: &[&str], instant: Timestamp) -> bool {
    let instant = jiff::Timestamp::from_millisecond(instant.millis()).unwrap();
    let hour = |zone: &str| instant.in_tz(zone).unwrap().hour();
    match zones {
        [] => (12..20).contains(&hour("America/New_York")),
        zones => zones.iter().all(|zone| (9..20).contains(&hour(zone))),
    }
}

proptest! {
    /// Half-open: the release is within the hours, the end is not, and nothing before the release is.
    #[test]
    fn a_release_is_the_first_instant_within_all_hours(
        number in prop::sample::select(vec![
            NEW_YORK, LOS_ANGELES, PHOENIX, BOISE_OR_LOS_ANGELES, TOLL_FREE, DALLAS, PROVIDENCE, "+17095550143",
            LONDON, GERMAN_MOBILE, MUMBAI, SYDNEY, AUSTRALIAN_MOBILE, RUSSIAN_MOBILE,
        ]),
        minutes in prop_oneof![0_i64..525_600, 94_000_i64..97_000, 437_000_i64..440_000],
    ) {
        let minute = Duration::from_secs(60);
        let now = Timestamp::from_millis(1_767_225_600_000 + minutes * 60_000); // from 1 January 2026 on
        let hours = hours(number);
        let is_open = |instant| hours.0.iter().all(|hours| hours.is_open(instant));
        let release = hours.next_release(now).unwrap();
        let until = release.until.unwrap();
        prop_assert!(is_open(release.at) && is_open(until - Duration::from_millis(1)) && !is_open(until));
        let (mut instant, mut count) = (now, 0);
        while instant < release.at {
            prop_assert!(!is_open(instant), "{instant}");
            instant = instant + minute;
            count += 1;
        }
        prop_assert!(count <= 24 * 60);
        prop_assert!(until > release.at && release.at.duration_until(until) <= Duration::from_hours(11));
    }

    /// Of every entry of the table, against a search minute by minute.
    #[test]
    fn a_release_is_the_first_minute_at_which_it_is_day_in_all_zones_of_a_number(
        zones in prop::sample::select(places()),
        minutes in 0_i64..525_600,
    ) {
        let now = Timestamp::from_millis(1_767_225_600_000 + minutes * 60_000); // from 1 January 2026 on
        let minute = |count: u64| now + Duration::from_secs(60 * count);
        let first = (0..48 * 60).map(minute).find(|instant| may_get_a_text(&zones, *instant)).unwrap();
        let release = hours_in(&zones).next_release(now).unwrap();
        prop_assert_eq!(release.at, first, "{:?}", zones);
        let until = release.until.unwrap();
        let mut instant = first;
        while instant < until {
            prop_assert!(may_get_a_text(&zones, instant), "{:?}", zones);
            instant = instant + Duration::from_secs(60);
        }
        prop_assert!(!may_get_a_text(&zones, until));
    }
}
