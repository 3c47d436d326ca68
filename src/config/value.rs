//! Values that keys take: durations with units, URLs, files, choices, expressions. From the
//! environment everything comes as text and is read as what the key wants; in the file a quoted number
//! is a mistake.

use std::ops::RangeInclusive;
use std::time::Duration;

use url::{Host, Url};

use super::outline::Shape;
use super::reading::{Entry, Wrong};
use super::tree::{Content, Place};
use crate::core::expression::{Expression, Subject, nearest};
use crate::core::model::{ObjectId, Timestamp};

impl Entry {
    /// Notes what the value may be, when that is what is asked.
    pub(super) fn note(&self, shape: Shape) {
        if let Content::Asked(sketch) = &self.node.content {
            sketch.simple(shape);
        }
    }

    /// The text, when it is one.
    pub(super) fn text(&self) -> Result<&str, Wrong> {
        self.note(Shape::Text);
        match &self.node.content {
            Content::Text(text) => Ok(text),
            other => Err(format!("{} is not text; write it in quotes", noun(other)).into()),
        }
    }

    /// Text that is not empty.
    pub(super) fn filled(&self) -> Result<&str, Wrong> {
        match self.text()? {
            text if text.trim().is_empty() => Err("must not be empty".into()),
            text => Ok(text),
        }
    }

    fn variable(&self) -> bool {
        matches!(self.node.place, Place::Variable(_))
    }

    /// True or false.
    pub(super) fn truth(&self) -> Result<bool, Wrong> {
        self.note(Shape::Truth);
        match &self.node.content {
            Content::Truth(truth) => Ok(*truth),
            Content::Text(text) if self.variable() && text == "true" => Ok(true),
            Content::Text(text) if self.variable() && text == "false" => Ok(false),
            other => {
                Err(format!("{} is neither true nor false{}", noun(other), quoted(other)).into())
            }
        }
    }

    /// A whole number within bounds.
    pub(super) fn whole(&self, bounds: &RangeInclusive<u32>) -> Result<u32, Wrong> {
        self.note(Shape::Whole(*bounds.start(), *bounds.end()));
        let expected =
            || format!("expected a whole number from {} to {}", bounds.start(), bounds.end());
        let number = match &self.node.content {
            Content::Whole(number) => u32::try_from(*number).ok(),
            Content::Text(text) if self.variable() => text.parse().ok(),
            other => {
                return Err(format!("{}, not {}{}", expected(), noun(other), quoted(other)).into());
            }
        };
        number.filter(|number| bounds.contains(number)).ok_or_else(|| expected().into())
    }

    /// A number above 0, with a fraction or without.
    pub(super) fn positive(&self, most: f64) -> Result<f64, Wrong> {
        self.note(Shape::Number(most));
        let expected = || format!("expected a number above 0 and up to {most}");
        let number = match &self.node.content {
            Content::Whole(number) => i32::try_from(*number).map_or(f64::NAN, f64::from),
            Content::Fraction(number) => *number,
            Content::Text(text) if self.variable() => text.parse().unwrap_or(f64::NAN),
            other => {
                return Err(format!("{}, not {}{}", expected(), noun(other), quoted(other)).into());
            }
        };
        if number > 0.0 && number <= most { Ok(number) } else { Err(expected().into()) }
    }

    /// One of several words.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T, Wrong> {
        self.note(Shape::Choice(choices.iter().map(|(word, _)| (*word).to_owned()).collect()));
        let text = self.text()?;
        if let Some((_, value)) = choices.iter().find(|(word, _)| *word == text) {
            return Ok(*value);
        }
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        Err(Wrong {
            message: format!("expected one of: {}", words.join(", ")),
            suggestion: nearest(text, words.into_iter()),
            within: None,
            is_hidden: false,
        })
    }

    /// A duration with its unit, from `least` to `most`.
    pub(super) fn duration(&self, bounds: &RangeInclusive<Duration>) -> Result<Duration, Wrong> {
        const EXPECTED: &str =
            "expected a duration with its unit in quotes, as \"30s\", \"5m\" or \"1d\"";
        self.note(Shape::Duration(*bounds.start(), *bounds.end()));
        let Content::Text(text) = &self.node.content else { return Err(EXPECTED.into()) };
        let has_unit = text.trim_end().ends_with(|letter: char| letter.is_ascii_alphabetic());
        let span = has_unit.then(|| humantime::parse_duration(text.trim()).ok()).flatten();
        let span = span.ok_or(EXPECTED)?;
        if bounds.contains(&span) {
            return Ok(span);
        }
        let (least, most) = (bounds.start(), bounds.end());
        let show = humantime::format_duration;
        Err(format!("must be from {} to {}", show(*least), show(*most)).into())
    }

    /// A day, by its beginning in UTC.
    pub(super) fn date(&self) -> Result<Timestamp, Wrong> {
        const EXPECTED: &str = "expected a date in quotes, as \"2027-03-01\"";
        self.note(Shape::Date);
        let Content::Text(text) = &self.node.content else { return Err(EXPECTED.into()) };
        let form = text.trim().bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
        if !form || text.trim().len() != 10 {
            return Err(EXPECTED.into());
        }
        let day = jiff::civil::Date::strptime("%Y-%m-%d", text.trim());
        let day = day.map_err(|_| "there is no such day")?;
        let begins = day.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| EXPECTED)?;
        Ok(Timestamp(begins.timestamp().as_millisecond()))
    }

    /// A GUID, in the usual lower case.
    pub(super) fn guid(&self) -> Result<ObjectId, Wrong> {
        const EXPECTED: &str = "expected a GUID, as 01234567-89ab-cdef-0123-456789abcdef";
        self.note(Shape::Guid);
        ObjectId::parse(self.text()?.trim()).ok_or(EXPECTED.into())
    }

    /// An address that a token may be sent to.
    pub(super) fn url(&self) -> Result<Url, Wrong> {
        self.note(Shape::Url);
        let url = Url::parse(self.filled()?).map_err(|error| {
            format!("is no URL, as https://platform.example.no/scim/v2: {error}")
        })?;
        let local = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        match url.scheme() {
            "https" => {}
            "http" if local => {}
            "http" => {
                return Err("must start with https; http is for loopback addresses only".into());
            }
            other => return Err(format!("must start with https, not {other}").into()),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must not hold a user name or password".into());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("must not have a query or fragment".into());
        }
        Ok(url)
    }

    /// An address without a path.
    pub(super) fn origin(&self) -> Result<Url, Wrong> {
        let url = self.url()?;
        if url.path() != "/" {
            return Err("must be a scheme and a host only, without a path".into());
        }
        Ok(url)
    }

    /// A checked expression.
    pub(super) fn expression(&self, subject: Subject) -> Result<Expression, Wrong> {
        self.note(Shape::Expression);
        Ok(Expression::parse(self.text()?, subject)?)
    }

    /// An expression that decides: it must be able to yield true or false.
    pub(super) fn filter(&self, subject: Subject) -> Result<Expression, Wrong> {
        let expression = self.expression(subject)?;
        if !expression.may_be_bool() {
            return Err("is never true or false, as a filter must be".into());
        }
        if !expression.may_select() {
            return Err("can select nothing: it is false whatever Entra says".into());
        }
        Ok(expression)
    }

    /// An expression that yields text.
    pub(super) fn naming(&self, subject: Subject) -> Result<Expression, Wrong> {
        let expression = self.expression(subject)?;
        if expression.may_be_text() {
            return Ok(expression);
        }
        Err("never yields text, as it must".into())
    }
}

fn noun(content: &Content) -> &'static str {
    match content {
        Content::Text(_) => "text",
        Content::Whole(_) | Content::Fraction(_) => "a number",
        Content::Truth(_) => "a truth value",
        Content::Date => "a date",
        Content::List(_) => "a list",
        Content::Table(_) => "a table",
        Content::Asked(_) => "nothing",
    }
}

fn quoted(content: &Content) -> &'static str {
    if matches!(content, Content::Text(_)) { "; leave out the quotes" } else { "" }
}
