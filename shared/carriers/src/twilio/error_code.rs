//! Twilio's error codes: sentences for people, and the consequences for a message.
//!
//! Only the code matters, because the HTTP status is 400 for most codes.
//! Source: <https://www.twilio.com/docs/api/errors>.

use std::borrow::Cow;

/// The consequences of a refused message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RefusalClass {
    /// The message can be accepted later: too many requests (20429), or the number's queue is full (21611).
    pub retryable: bool,
    /// The recipient has opted out at the carrier (21610), which must be recorded as an opt-out.
    pub opted_out: bool,
    /// What an operator has to repair at the carrier, if anything.
    pub account_fault: Option<AccountFault>,
}

/// A fault of the account at the carrier. An operator has to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountFault {
    /// The carrier refuses the whole account, so it accepts no message at all: wrong credentials, or an
    /// account that is suspended, closed or unknown.
    Refused,
    /// The account may not send from this number or to this country.
    Restricted,
}

/// Returns the consequences of a refusal with this code.
pub fn classify(code: u32) -> RefusalClass {
    RefusalClass {
        retryable: matches!(code, 20429 | 21611),
        opted_out: is_opt_out(code),
        account_fault: account_fault(code),
    }
}

/// Whether a code says that the recipient has opted out at the carrier. It can be the answer to a send, or
/// with a Messaging Service the reason of a failed delivery.
pub fn is_opt_out(code: u32) -> bool {
    code == 21610
}

/// A limit of a number, or of its campaign, that a code reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberLimit {
    /// Messages were sent faster than the campaign allows (30022).
    Rate,
    /// The campaign (30023) or its brand (30027) has sent its messages of the day.
    Daily,
    /// Too many messages wait for the number, as the answer to a send (21611) or later (30001).
    Queue,
    /// The number is not part of an approved campaign (30034).
    Registration,
}

/// Returns the limit that a code reports. The other messages of the number should wait.
pub fn number_limit(code: u32) -> Option<NumberLimit> {
    match code {
        30022 => Some(NumberLimit::Rate),
        30023 | 30027 => Some(NumberLimit::Daily),
        21611 | 30001 => Some(NumberLimit::Queue),
        30034 => Some(NumberLimit::Registration),
        _ => None,
    }
}

fn account_fault(code: u32) -> Option<AccountFault> {
    match code {
        20003 | 20005 | 20404 | 30002 => Some(AccountFault::Refused),
        21408 | 21606 | 21659 => Some(AccountFault::Restricted),
        _ => None,
    }
}

/// Describes a code in a sentence for the person who sent the message.
pub fn sentence(code: u32) -> Cow<'static, str> {
    match known(code) {
        Some(sentence) => sentence.into(),
        None => format!("The carrier reported error {code}.").into(),
    }
}

fn known(code: u32) -> Option<&'static str> {
    let sentence = match code {
        // The send call.
        20003 => "The carrier did not accept our credentials.",
        20005 => "Our account at the carrier is not active.",
        20404 => "The carrier does not know our account.",
        20429 => "The carrier is getting too many requests from us; the message will be tried again.",
        21211 => "The recipient's number is not a valid phone number.",
        21408 => "Our account may not send to the recipient's country.",
        21606 | 21659 => "The inbox's number cannot send from our account.",
        21610 => "The recipient has opted out of messages from this number.",
        21611 => "Too many messages are waiting to be sent from this number.",
        21612 => "The carrier has no route from this number to the recipient.",
        21614 => "The recipient's number is not a mobile number.",
        21617 => "The message is longer than the 1,600 characters a carrier takes.",
        21620 | 21623 => "The carrier could not use the link of an attached file.",
        21635 => "The recipient's number is a landline, which cannot get texts.",
        // Delivery.
        14107 => "Too many replies went back and forth within seconds; the carrier stopped them as a loop.",
        30001 => "The carrier's queue was full.",
        30002 => "Our account at the carrier is suspended.",
        30003 => "The recipient's phone could not be reached; it may be off or out of coverage.",
        30004 => "The recipient or their carrier blocks messages from this number.",
        30005 => "The recipient's number is unknown or no longer in use.",
        30006 => "The recipient's number is a landline or its carrier cannot be reached.",
        30007 => "A carrier filtered the message as unwanted.",
        30008 => "The message could not be delivered, and the carrier does not say why.",
        30022 => "Messages were sent faster than the campaign's registration allows.",
        30023 | 30027 => "The campaign has used up its messages for today.",
        30032 => "The toll-free number is not verified yet.",
        30034 => "The inbox's number is not part of a registered campaign.",
        30035 => "The inbox's number is still being set up at the carrier.",
        _ => return None,
    };
    Some(sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEND_CALL: [u32; 16] = [
        20003, 20005, 20404, 20429, 21211, 21408, 21606, 21610, 21611, 21612, 21614, 21617, 21620, 21623,
        21635, 21659,
    ];
    const DELIVERY: [u32; 15] = [
        14107, 30001, 30002, 30003, 30004, 30005, 30006, 30007, 30008, 30022, 30023, 30027, 30032, 30034,
        30035,
    ];

    #[test]
    fn every_documented_code_has_its_own_sentence() {
        for code in SEND_CALL.into_iter().chain(DELIVERY) {
            let sentence = sentence(code);
            assert!(sentence.ends_with('.') && !sentence.contains(&code.to_string()), "{code}: {sentence}");
        }
    }

    #[test]
    fn an_unknown_code_is_named() {
        assert_eq!(sentence(63_038), "The carrier reported error 63038.");
    }

    #[test]
    fn only_too_many_requests_and_full_queues_are_retried() {
        let retried: Vec<u32> = (0..70_000).filter(|code| classify(*code).retryable).collect();
        assert_eq!(retried, [20429, 21611]);
    }

    #[test]
    fn four_codes_refuse_the_whole_account() {
        let refused: Vec<u32> =
            (0..70_000).filter(|code| classify(*code).account_fault == Some(AccountFault::Refused)).collect();
        assert_eq!(refused, [20003, 20005, 20404, 30002]);
    }

    #[test]
    fn six_codes_report_a_limit_of_the_number() {
        let limited: Vec<u32> = (0..70_000).filter(|code| number_limit(*code).is_some()).collect();
        assert_eq!(limited, [21611, 30001, 30022, 30023, 30027, 30034]);
        assert_eq!(number_limit(30023), number_limit(30027));
    }

    #[test]
    fn only_one_code_is_an_opt_out() {
        let opted_out: Vec<u32> = (0..70_000).filter(|code| classify(*code).opted_out).collect();
        assert_eq!(opted_out, [21610]);
    }
}
