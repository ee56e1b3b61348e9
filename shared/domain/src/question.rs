//! Questions of broadcasts: how replies are sorted into answers, and which follow-up an answer gets.
//!
//! A question has answers of one kind: yes or no, a scale from 1 to 5, or up to eight lettered choices. The
//! first reply within the reply window is sorted. A reply that fits no answer is `other`. Opt-out words and
//! automatic replies of phones are not answers. A user may correct the answer of a recipient; a correction
//! sends no follow-up.
//!
//! ```
//! use shared_domain::question::{Answer, Question, WrittenQuestion};
//!
//! let written = WrittenQuestion { kind: "choice".into(), choices: vec!["Bus".into(), "Car".into()], ..Default::default() };
//! let question = Question::parse("/question", &written).unwrap();
//! assert_eq!(question.answer_of("B."), Some(Answer::Choice(1)));
//! assert_eq!(question.answer_of("by train"), Some(Answer::Other));
//! assert_eq!(question.answer_of("STOP"), None);
//! ```

use std::{borrow::Cow, collections::BTreeMap};

use serde::{Deserialize, Serialize};

use crate::{
    automatic::automatic,
    field::{FieldError, FieldErrors, escape_pointer},
    opt_out::{self, Keyword},
    text,
};

/// The number of values on the scale.
const SCALE: u8 = 5;
/// The letters of the choices.
const LETTERS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
/// The maximum length of a choice, in characters.
const MAX_CHOICE_LENGTH: usize = 80;
/// The maximum length of a follow-up, in characters: two segments of a text in GSM-7.
const MAX_FOLLOW_UP_LENGTH: usize = 306;

/// Words for yes, in [normal form](normal).
const YES: &[&str] = &[
    "yes",
    "y",
    "yea",
    "yup",
    "yep",
    "yeah",
    "1",
    "ye",
    "ya",
    "si",
    "ok",
    "okay",
    "sure",
    "thumbs up",
    "👍",
];
/// Words for no, in [normal form](normal).
const NO: &[&str] = &["no", "n", "nope", "nah", "2", "no thanks", "no thank you", "thumbs down", "👎"];
/// The numbers of the scale as words.
const NUMBERS: [&str; SCALE as usize] = ["one", "two", "three", "four", "five"];

/// Which answers a question has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuestionKind {
    /// Yes or no.
    YesNo,
    /// 1 to 5.
    Scale,
    /// One of several choices with letters.
    Choice,
}

impl QuestionKind {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::YesNo => "yes_no",
            Self::Scale => "scale",
            Self::Choice => "choice",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::YesNo, Self::Scale, Self::Choice].into_iter().find(|kind| kind.as_str() == name)
    }
}

/// An answer to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// Yes.
    Yes,
    /// No.
    No,
    /// A value of the scale, 1 to 5.
    Scale(u8),
    /// A choice, from 0.
    Choice(u8),
    /// A reply that fits no answer.
    Other,
}

impl Answer {
    /// The name in the API: `yes`, `no`, `1` to `5`, `a` to `h`, or `other`.
    pub fn name(self) -> Cow<'static, str> {
        match self {
            Self::Yes => "yes".into(),
            Self::No => "no".into(),
            Self::Other => "other".into(),
            Self::Scale(value) => value.to_string().into(),
            Self::Choice(index) => LETTERS.get(usize::from(index)).copied().unwrap_or_default().into(),
        }
    }

    /// Parses the name of an answer to any question. Returns `None` for an unknown name.
    pub fn parse(name: &str) -> Option<Self> {
        let choices = (0..).zip(LETTERS).find(|(_, letter)| *letter == name);
        match name {
            "yes" => Some(Self::Yes),
            "no" => Some(Self::No),
            "other" => Some(Self::Other),
            "1" | "2" | "3" | "4" | "5" => name.parse().ok().map(Self::Scale),
            _ => choices.map(|(index, _)| Self::Choice(index)),
        }
    }
}

/// The answer of a recipient, which a user may correct. Counts use the corrected answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordedAnswer {
    /// How the first reply was sorted. Later replies do not change it.
    sorted: Answer,
    corrected: Option<Answer>,
}

impl RecordedAnswer {
    /// The answer as it was sorted.
    pub fn new(sorted: Answer) -> Self {
        Self { sorted, corrected: None }
    }

    /// The answer that counts.
    pub fn current(self) -> Answer {
        self.corrected.unwrap_or(self.sorted)
    }

    /// Whether a user corrected it.
    pub fn is_corrected(self) -> bool {
        self.corrected.is_some()
    }

    /// The answer after a user's correction. A correction back to the sorted answer removes the earlier one.
    /// `None` if the question does not have the answer.
    #[must_use]
    pub fn corrected(self, question: &Question, answer: Answer) -> Option<Self> {
        let corrected = Some(answer).filter(|answer| *answer != self.sorted);
        question.has(answer).then_some(Self { corrected, ..self })
    }
}

/// A question as it is in the API and in stored items.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WrittenQuestion {
    /// `yes_no`, `scale` or `choice`.
    pub kind: String,
    /// The choices, in the order of their letters. Empty for the other kinds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// The text that is sent after an answer, by the name of the answer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub follow_ups: BTreeMap<String, String>,
}

/// A valid question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    kind: QuestionKind,
    choices: Vec<String>,
    follow_ups: BTreeMap<Answer, String>,
}

impl Question {
    /// Checks all fields. A question of kind `choice` has 2 to 8 choices that differ.
    ///
    /// # Errors
    /// All [`FieldError`]s, with pointers that begin with `pointer`.
    pub fn parse(pointer: &str, written: &WrittenQuestion) -> Result<Self, Vec<FieldError>> {
        let mut errors = FieldErrors::default();
        let Some(kind) = QuestionKind::parse(&written.kind) else {
            return Err(vec![FieldError::new(format!("{pointer}/kind"), "one of yes_no, scale, choice")]);
        };
        let choices = choices(kind, &written.choices, &format!("{pointer}/choices"), &mut errors);
        let mut question = Self { kind, choices, follow_ups: BTreeMap::new() };
        for (name, text) in &written.follow_ups {
            let pointer = format!("{pointer}/followUps/{}", escape_pointer(name));
            match Answer::parse(name).filter(|answer| question.has(*answer)) {
                None => errors.add(pointer, format!("one of the answers {}", question.names())),
                Some(_) if !is_text(text, MAX_FOLLOW_UP_LENGTH) => {
                    errors.add(pointer, "1 to 306 characters");
                }
                Some(answer) => {
                    question.follow_ups.insert(answer, text::trim(text).to_owned());
                }
            }
        }
        errors.finish()?;
        Ok(question)
    }

    /// All answers that a reply can have.
    pub fn answers(&self) -> Vec<Answer> {
        let mut answers: Vec<Answer> = match self.kind {
            QuestionKind::YesNo => vec![Answer::Yes, Answer::No],
            QuestionKind::Scale => (1..=SCALE).map(Answer::Scale).collect(),
            QuestionKind::Choice => {
                (0..).zip(&self.choices).map(|(index, _)| Answer::Choice(index)).collect()
            }
        };
        answers.push(Answer::Other);
        answers
    }

    /// Whether a recipient can have this answer, by a reply or by a user's correction.
    pub fn has(&self, answer: Answer) -> bool {
        self.answers().contains(&answer)
    }

    /// The text that is sent after this answer.
    pub fn follow_up(&self, answer: Answer) -> Option<&str> {
        self.follow_ups.get(&answer).map(String::as_str)
    }

    /// The answer that a reply gives. `None` if the reply is no answer: an opt-out word or another keyword
    /// that acts, an automatic reply of a phone, or a text without anything visible.
    pub fn answer_of(&self, reply: &str) -> Option<Answer> {
        let acts = matches!(opt_out::keyword(reply), Some(Keyword::Stop | Keyword::Start | Keyword::Help));
        if acts || automatic(reply).is_some() || !text::is_visible(reply) {
            return None;
        }
        let words = normal(reply);
        let answer = match self.kind {
            QuestionKind::YesNo if YES.contains(&words.as_str()) => Some(Answer::Yes),
            QuestionKind::YesNo if NO.contains(&words.as_str()) => Some(Answer::No),
            QuestionKind::YesNo => None,
            QuestionKind::Scale => scale(reply),
            QuestionKind::Choice => self.choice(&words),
        };
        Some(answer.unwrap_or(Answer::Other))
    }

    fn choice(&self, reply: &str) -> Option<Answer> {
        let letter = reply.strip_prefix("option ").or_else(|| reply.strip_prefix("answer ")).unwrap_or(reply);
        let place = self.choices.iter().zip(LETTERS).position(|(choice, of_choice)| {
            let choice = normal(choice);
            letter == of_choice || reply == choice || reply == format!("{of_choice} {choice}")
        });
        place.and_then(|place| u8::try_from(place).ok()).map(Answer::Choice)
    }

    fn names(&self) -> String {
        self.answers().into_iter().map(Answer::name).collect::<Vec<_>>().join(", ")
    }
}

/// The value of a reply such as `4`, `four!` or `4/5`.
fn scale(reply: &str) -> Option<Answer> {
    let words = normal(reply.trim_end().strip_suffix("/5").unwrap_or(reply));
    let value = NUMBERS.iter().position(|word| *word == words).and_then(|place| u8::try_from(place + 1).ok());
    let value = value.or_else(|| words.parse().ok())?;
    (1..=SCALE).contains(&value).then_some(Answer::Scale(value))
}

fn choices(kind: QuestionKind, written: &[String], pointer: &str, errors: &mut FieldErrors) -> Vec<String> {
    let expected = match kind {
        QuestionKind::Choice => 2..=LETTERS.len(),
        QuestionKind::YesNo | QuestionKind::Scale => 0..=0,
    };
    if !expected.contains(&written.len()) {
        let phrase = if kind == QuestionKind::Choice {
            "2 to 8 choices"
        } else {
            "no choices for this kind of question"
        };
        errors.add(pointer, phrase);
        return Vec::new();
    }
    let mut choices: Vec<String> = Vec::new();
    for (index, choice) in written.iter().enumerate() {
        let pointer = format!("{pointer}/{index}");
        if !is_text(choice, MAX_CHOICE_LENGTH) {
            errors.add(pointer, "1 to 80 characters");
        } else if choices.iter().any(|other| normal(other) == normal(choice)) {
            errors.add(pointer, "a choice that differs from the others");
        }
        choices.push(text::trim(choice).to_owned());
    }
    choices
}

fn is_text(text: &str, max_length: usize) -> bool {
    let control = |c: char| c.is_control() && !matches!(c, '\n' | '\r');
    text::is_visible(text) && text.chars().count() <= max_length && !text.contains(control)
}

/// The [words](text::words) of a reply. A reply without words, such as a thumbs up in any skin tone, stays as
/// it is without modifiers and repetitions.
fn normal(reply: &str) -> String {
    let words = text::words(reply);
    if !words.is_empty() {
        return words;
    }
    let is_modifier = |c: char| matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}');
    let is_emoji = |c: &char| !c.is_whitespace() && !c.is_ascii() && !is_modifier(*c);
    let mut emoji: Vec<char> = text::clean(reply).chars().filter(is_emoji).collect();
    emoji.dedup();
    emoji.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn question(kind: &str, choices: &[&str]) -> Question {
        let choices = choices.iter().map(|choice| (*choice).to_owned()).collect();
        let written = WrittenQuestion { kind: kind.into(), choices, ..WrittenQuestion::default() };
        Question::parse("/question", &written).unwrap()
    }

    #[test]
    fn yes_and_no_are_recognized_as_people_write_them() {
        let question = question("yes_no", &[]);
        for yes in ["Yes", " YES! ", "yup.", "Y", "1", "Sí", "👍", "👍🏽", "👍👍", "(yeah)", "thumbs up"]
        {
            assert_eq!(question.answer_of(yes), Some(Answer::Yes), "{yes:?}");
        }
        for no in ["No", "nope!", "N", "no, thanks", "👎"] {
            assert_eq!(question.answer_of(no), Some(Answer::No), "{no:?}");
        }
        for other in ["maybe", "yes and no", "3", "❤️", "not yet", "yes please"] {
            assert_eq!(question.answer_of(other), Some(Answer::Other), "{other:?}");
        }
    }

    #[test]
    fn a_scale_has_the_values_1_to_5() {
        let question = question("scale", &[]);
        for (reply, value) in [("5", 5), ("4!", 4), ("3/5", 3), ("Two", 2), ("1️⃣", 1), ("５", 5)] {
            assert_eq!(question.answer_of(reply), Some(Answer::Scale(value)), "{reply:?}");
        }
        for other in ["0", "6", "55", "4.5", "yes", "5 stars"] {
            assert_eq!(question.answer_of(other), Some(Answer::Other), "{other:?}");
        }
    }

    #[test]
    fn a_choice_is_its_letter_or_its_words() {
        let question = question("choice", &["By bus", "By car"]);
        for (reply, index) in [("a", 0), ("A)", 0), ("Option B", 1), ("by CAR.", 1), ("B: by car", 1)] {
            assert_eq!(question.answer_of(reply), Some(Answer::Choice(index)), "{reply:?}");
        }
        for other in ["c", "ab", "1", "bus"] {
            assert_eq!(question.answer_of(other), Some(Answer::Other), "{other:?}");
        }
    }

    #[test]
    fn keywords_and_automatic_replies_are_no_answers() {
        for question in [question("yes_no", &[]), question("choice", &["Stop", "Go"])] {
            for text in ["STOP", "stop.", "HELP", "START", "I'm driving right now", "Liked “yes or no?”", " "]
            {
                assert_eq!(question.answer_of(text), None, "{text:?}");
            }
        }
    }

    #[test]
    fn a_user_may_correct_an_answer_to_another_one_of_the_question() {
        let question = question("yes_no", &[]);
        let sorted = RecordedAnswer::new(Answer::Other);
        assert_eq!((sorted.current(), sorted.is_corrected()), (Answer::Other, false));
        let corrected = sorted.corrected(&question, Answer::Yes).unwrap();
        assert_eq!((corrected.current(), corrected.is_corrected()), (Answer::Yes, true));
        assert_eq!(corrected.corrected(&question, Answer::Other), Some(sorted));
        assert_eq!(sorted.corrected(&question, Answer::Scale(1)), None);
    }

    #[test]
    fn all_errors_of_a_question_are_reported() {
        let parse = |kind: &str, choices: &[&str], follow_ups: &[(&str, &str)]| {
            let written = WrittenQuestion {
                kind: kind.into(),
                choices: choices.iter().map(|choice| (*choice).to_owned()).collect(),
                follow_ups: follow_ups
                    .iter()
                    .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
                    .collect(),
            };
            Question::parse("/question", &written)
        };
        let pointers = |parsed: Result<Question, Vec<FieldError>>| {
            parsed.unwrap_err().into_iter().map(|error| error.pointer).collect::<Vec<_>>()
        };
        assert_eq!(pointers(parse("open", &[], &[])), ["/question/kind"]);
        assert_eq!(pointers(parse("choice", &["one"], &[])), ["/question/choices"]);
        assert_eq!(pointers(parse("choice", &["x"; 9], &[])), ["/question/choices"]);
        assert_eq!(pointers(parse("scale", &["one"], &[])), ["/question/choices"]);
        assert_eq!(
            pointers(parse("choice", &["Bus", "bus!", " "], &[])),
            ["/question/choices/1", "/question/choices/2"]
        );
        let follow_ups = [("3", "Thanks"), ("yes", " "), ("no", "Pity"), ("a/b", "x")];
        assert_eq!(
            pointers(parse("yes_no", &[], &follow_ups)),
            ["/question/followUps/3", "/question/followUps/a~1b", "/question/followUps/yes"]
        );
        let question = parse("yes_no", &[], &[("yes", " Great "), ("other", "Noted")]).unwrap();
        assert_eq!(question.follow_up(Answer::Yes), Some("Great"));
        assert_eq!(
            (question.follow_up(Answer::No), question.follow_up(Answer::Other)),
            (None, Some("Noted"))
        );
        assert!(question.has(Answer::No) && !question.has(Answer::Scale(1)));
    }

    #[test]
    fn an_answer_is_parsed_from_its_name() {
        let choices: Vec<&str> = "a b c d e f g h".split(' ').collect();
        let questions = [question("yes_no", &[]), question("scale", &[]), question("choice", &choices)];
        for answer in questions.iter().flat_map(Question::answers) {
            assert_eq!(Answer::parse(&answer.name()), Some(answer));
        }
        for unknown in ["", "0", "6", "i", "Yes", "ab"] {
            assert_eq!(Answer::parse(unknown), None, "{unknown:?}");
        }
    }

    proptest! {
        #[test]
        fn every_visible_reply_of_a_person_has_an_answer_of_the_question(reply in ".{0,40}") {
            for question in [question("yes_no", &[]), question("scale", &[]), question("choice", &["x", "y"])] {
                if let Some(answer) = question.answer_of(&reply) {
                    prop_assert!(question.has(answer));
                }
                prop_assert_eq!(question.answer_of(&format!(" {reply}\n")), question.answer_of(&reply));
            }
        }
    }
}
