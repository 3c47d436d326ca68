//! Checks what follows `|` and `is`: whether there is such a word, what it works on, and what it takes
//! in parentheses.

use std::ops::Range;

use minijinja::machinery::ast::{CallArg, Expr};

use super::language::{self, Gives, Takes, Word};
use super::lower::{Lowered, Lowering, Result, expect, wrong};
use super::schema::Kind;
use super::{ExpressionError, nearest};

impl Lowering {
    pub(super) fn filter(
        &mut self,
        name: &str,
        at: Range<usize>,
        inner: &Expr<'_>,
        args: &[CallArg<'_>],
    ) -> Result<Lowered> {
        let word = find(language::FILTERS, name, &at, "filter")?;
        let value = self.lower(inner)?;
        let (guard, wanted) = match word.takes {
            Takes::Text => (Some(language::TEXT), Kind::Text),
            Takes::List => (Some(language::LIST), Kind::List),
            Takes::Elements => (None, Kind::List),
            Takes::Present => (Some(language::PRESENT), Kind::Any),
            Takes::Any => (None, Kind::Any),
        };
        if !value.kind.may_be(wanted) {
            let (is, wanted) = (value.kind.noun(), wanted.noun());
            return wrong(at, format!("`{name}` works on {wanted}; {} is {is}", value.label));
        }
        let (arguments, first) = self.arguments(word, &at, args)?;
        let kind = match word.gives {
            Gives::Always(kind) => kind,
            Gives::Same => value.kind,
            Gives::Element => Kind::Any,
            Gives::Either => value.kind.or(first),
        };
        let before = guard.map_or_else(|| value.operand(), |guard| value.guarded(guard));
        Ok(Lowered::tight(format!("{before}|{name}({arguments})"), kind))
    }

    pub(super) fn test(
        &mut self,
        name: &str,
        at: Range<usize>,
        inner: &Expr<'_>,
        args: &[CallArg<'_>],
    ) -> Result<Lowered> {
        let word = find(language::TESTS, name, &at, "test")?;
        let value = self.lower(inner)?;
        if word.argument == Kind::Text && !value.kind.may_be(Kind::Text) {
            let is = value.kind.noun();
            return wrong(at, format!("`{name}` works on text; {} is {is}", value.label));
        }
        let (arguments, _) = self.arguments(word, &at, args)?;
        Ok(Lowered::loose(format!("{} is {name}({arguments})", value.operand()), Kind::Bool))
    }

    fn arguments(
        &mut self,
        word: &Word,
        at: &Range<usize>,
        args: &[CallArg<'_>],
    ) -> Result<(String, Kind)> {
        let (fewest, most) = word.arguments;
        if !(fewest..=most).contains(&args.len()) {
            let wanted = match (fewest, most) {
                (0, 0) => "nothing in parentheses".to_owned(),
                (few, many) if few == many => format!("{few} in parentheses"),
                (few, many) => format!("{few} to {many} in parentheses"),
            };
            return wrong(at.clone(), format!("`{}` takes {wanted}", word.name));
        }
        let mut code = Vec::new();
        let mut first = Kind::Null;
        for (place, arg) in args.iter().enumerate() {
            let CallArg::Pos(expr) = arg else {
                return wrong(at.clone(), "values in parentheses have no names here");
            };
            let lowered = self.lower(expr)?;
            if place == 0 {
                first = lowered.kind;
            }
            if word.argument == Kind::Text {
                expect(&lowered, Kind::Text, expr)?;
                code.push(lowered.guarded(language::TEXT));
            } else {
                code.push(lowered.code);
            }
        }
        Ok((code.join(", "), first))
    }
}

fn find(
    words: &'static [Word],
    name: &str,
    at: &Range<usize>,
    what: &str,
) -> Result<&'static Word> {
    words.iter().find(|word| word.name == name).ok_or_else(|| ExpressionError {
        message: format!("there is no {what} `{name}`"),
        at: at.clone(),
        suggestion: nearest(name, words.iter().map(|word| word.name)),
    })
}
