//! Checks an expression and writes it down again for the evaluator, in one walk over its syntax tree:
//! nothing reaches the evaluator that was not checked. On the way every text join, filter and lookup
//! gets a guard, so that an absent value stops an evaluation instead of becoming the word "none".

use std::collections::BTreeSet;
use std::fmt::Write;
use std::ops::Range;

use minijinja::machinery::Span;
use minijinja::machinery::ast::{
    BinOp, BinOpKind, Compare, CompareOpKind, Expr, GetAttr, GetItem, IfExpr, Map, Slice, UnaryOp,
    UnaryOpKind,
};
use minijinja::value::{Value, ValueKind};

use super::language;
use super::schema::{self, Kind};
use super::{ExpressionError, Subject, nearest};

/// A checked part of an expression.
pub(super) struct Lowered {
    /// Text for the evaluator.
    pub(super) code: String,
    /// What it yields.
    pub(super) kind: Kind,
    /// How messages call it.
    pub(super) label: String,
    /// The path, where it is a property and nothing else.
    pub(super) property: Option<String>,
    /// Whether `code` can be followed by `|` as it is.
    tight: bool,
}

impl Lowered {
    pub(super) fn loose(code: String, kind: Kind) -> Self {
        Self { code, kind, label: "the value".to_owned(), property: None, tight: false }
    }

    pub(super) fn tight(code: String, kind: Kind) -> Self {
        Self { tight: true, ..Self::loose(code, kind) }
    }

    /// The code as an operand.
    pub(super) fn operand(&self) -> String {
        if self.tight { self.code.clone() } else { format!("({})", self.code) }
    }

    pub(super) fn guarded(&self, guard: &str) -> String {
        format!("{}|{guard}({})", self.operand(), quoted(&self.label))
    }
}

/// Walks one expression.
pub(super) struct Lowering {
    pub(super) subject: Subject,
    pub(super) reads: BTreeSet<String>,
    pub(super) depth: usize,
}

/// Deepest tree that is walked; far below what the stack holds.
const DEPTH_MAX: usize = 100;

pub(super) type Result<T> = std::result::Result<T, ExpressionError>;

pub(super) fn wrong<T>(at: Range<usize>, message: impl Into<String>) -> Result<T> {
    Err(ExpressionError { message: message.into(), at, suggestion: None })
}

fn range(span: Span) -> Range<usize> {
    span.start_offset as usize..span.end_offset as usize
}

/// The parser starts the spans of filters and tests at their name and ends those of lookups with it.
fn name_at_start(span: Span, name: &str) -> Range<usize> {
    let start = span.start_offset as usize;
    start..start + name.len()
}

fn name_at_end(span: Span, name: &str) -> Range<usize> {
    let end = span.end_offset as usize;
    end.saturating_sub(name.len())..end
}

fn quoted(text: &str) -> String {
    let mut code = String::with_capacity(text.len() + 2);
    code.push('"');
    for letter in text.chars() {
        match letter {
            '"' => code.push_str("\\\""),
            '\\' => code.push_str("\\\\"),
            '\n' => code.push_str("\\n"),
            '\r' => code.push_str("\\r"),
            '\t' => code.push_str("\\t"),
            other => code.push(other),
        }
    }
    code.push('"');
    code
}

impl Lowering {
    pub(super) fn lower(&mut self, expr: &Expr<'_>) -> Result<Lowered> {
        if self.depth == DEPTH_MAX {
            return wrong(range(expr.span()), "the expression is too deeply nested");
        }
        self.depth += 1;
        let lowered = self.lower_one(expr);
        self.depth -= 1;
        lowered
    }

    fn lower_one(&mut self, expr: &Expr<'_>) -> Result<Lowered> {
        if let Some(lookup) = self.property(expr)? {
            return Ok(lookup);
        }
        match expr {
            Expr::Var(var) => self.variable(var.id, range(var.span())),
            Expr::Const(constant) => literal(&constant.value, range(constant.span())),
            Expr::UnaryOp(unary) => self.unary(unary),
            Expr::BinOp(binary) => self.binary(binary, range(binary.span())),
            Expr::Compare(chain) => self.chain(chain, range(chain.span())),
            Expr::IfExpr(choice) => self.choice(choice),
            Expr::Filter(filter) => match &filter.expr {
                Some(inner) => {
                    let at = name_at_start(filter.span(), filter.name);
                    self.filter(filter.name, at, inner, &filter.args)
                }
                None => wrong(range(filter.span()), "a filter needs something before it"),
            },
            Expr::Test(test) => {
                let at = name_at_start(test.span(), test.name);
                self.test(test.name, at, &test.expr, &test.args)
            }
            Expr::GetAttr(lookup) => self.no_part(lookup, name_at_end(lookup.span(), lookup.name)),
            Expr::GetItem(lookup) => self.element(lookup, range(lookup.span())),
            Expr::Slice(slice) => self.slice(slice),
            Expr::List(list) => self.list(&list.items),
            Expr::Tuple(tuple) => self.list(&tuple.items),
            Expr::Map(map) => self.map(map),
            Expr::Call(call) => {
                if let Expr::GetAttr(method) = &call.expr {
                    let at = name_at_end(method.span(), method.name);
                    let name = method.name;
                    let message = format!("there are no methods; filters are written `| {name}`");
                    return wrong(at, message);
                }
                wrong(range(call.span()), "there are no functions in expressions")
            }
        }
    }

    fn unary(&mut self, unary: &UnaryOp<'_>) -> Result<Lowered> {
        let inner = self.lower(&unary.expr)?;
        Ok(match unary.op {
            UnaryOpKind::Not => Lowered::loose(format!("not {}", inner.operand()), Kind::Bool),
            UnaryOpKind::Neg => {
                expect(&inner, Kind::Int, &unary.expr)?;
                Lowered::loose(format!("-{}", inner.operand()), Kind::Int)
            }
        })
    }

    fn choice(&mut self, choice: &IfExpr<'_>) -> Result<Lowered> {
        let test = self.lower(&choice.test_expr)?;
        let yes = self.lower(&choice.true_expr)?;
        let no = match &choice.false_expr {
            Some(expr) => self.lower(expr)?,
            None => Lowered::tight("none".to_owned(), Kind::Null),
        };
        let code = format!("{} if {} else {}", yes.operand(), test.operand(), no.operand());
        Ok(Lowered::loose(code, yes.kind.or(no.kind)))
    }

    /// A dotted name that [`Self::property`] did not take.
    fn no_part(&mut self, lookup: &GetAttr<'_>, at: Range<usize>) -> Result<Lowered> {
        let inner = self.lower(&lookup.expr)?;
        match inner.kind {
            Kind::Complex(_) | Kind::Any => {
                wrong(at, "only properties have parts, as in person.employeeOrgData.division")
            }
            kind => wrong(at, format!("{} is {} and has no parts", inner.label, kind.noun())),
        }
    }

    fn element(&mut self, lookup: &GetItem<'_>, at: Range<usize>) -> Result<Lowered> {
        let container = self.lower(&lookup.expr)?;
        let key = self.lower(&lookup.subscript_expr)?;
        if !container.kind.may_be(Kind::List) && !matches!(container.kind, Kind::Complex(_)) {
            let noun = container.kind.noun();
            return wrong(at, format!("{} is {noun} and has no elements", container.label));
        }
        let code = format!("{}|{}({})", container.operand(), language::ITEM, key.code);
        Ok(Lowered::tight(code, Kind::Any))
    }

    fn slice(&mut self, slice: &Slice<'_>) -> Result<Lowered> {
        let inner = self.lower(&slice.expr)?;
        let mut bounds = Vec::new();
        for bound in [&slice.start, &slice.stop, &slice.step] {
            bounds.push(match bound {
                Some(expr) => {
                    let bound = self.lower(expr)?;
                    expect(&bound, Kind::Int, expr)?;
                    bound.operand()
                }
                None => String::new(),
            });
        }
        let code = format!("({})[{}]", inner.guarded(language::PRESENT), bounds.join(":"));
        Ok(Lowered::tight(code, inner.kind))
    }

    fn map(&mut self, map: &Map<'_>) -> Result<Lowered> {
        let mut code = String::from("{");
        for (key, value) in map.keys.iter().zip(&map.values) {
            let (key, value) = (self.lower(key)?, self.lower(value)?);
            let _ = write!(code, "{}: {}, ", key.operand(), value.operand());
        }
        code.push('}');
        Ok(Lowered::tight(code, Kind::Any))
    }

    fn list(&mut self, items: &[Expr<'_>]) -> Result<Lowered> {
        let mut code = String::from("[");
        for item in items {
            let _ = write!(code, "{}, ", self.lower(item)?.operand());
        }
        code.push(']');
        // Elements may be of any kind, unlike those of the lists that Graph gives.
        Ok(Lowered::tight(code, Kind::List))
    }

    fn variable(&self, name: &str, at: Range<usize>) -> Result<Lowered> {
        let own = self.subject.variable();
        if name != own {
            let suggestion = nearest(name, std::iter::once(own));
            let message = match self.subject {
                Subject::Key => format!("`{name}` is not known here; there is only `key`"),
                _ => format!("`{name}` is not known here; properties are written `{own}.NAME`"),
            };
            return Err(ExpressionError { message, at, suggestion });
        }
        if self.subject == Subject::Key {
            return Ok(Lowered {
                label: name.to_owned(),
                ..Lowered::tight(name.to_owned(), Kind::Text)
            });
        }
        wrong(at, format!("a property is missing: `{own}.NAME`"))
    }

    /// `person.mail`, `person["mail"]` and `person.employeeOrgData.division`, else `None`.
    fn property(&mut self, expr: &Expr<'_>) -> Result<Option<Lowered>> {
        let Some((inner, name, at)) = lookup(expr) else { return Ok(None) };
        let own = self.subject.variable();
        if let Expr::Var(var) = inner {
            if var.id != own || self.subject == Subject::Key {
                return Ok(None);
            }
            let Some(kind) = schema::property(self.subject, name) else {
                let known = schema::table(self.subject).iter().map(|(known, _)| *known);
                let suggestion = schema::alias(self.subject, name)
                    .map(str::to_owned)
                    .or_else(|| nearest(name, known));
                let message = format!("`{name}` is no property of `{own}`");
                return Err(ExpressionError { message, at, suggestion });
            };
            self.reads.insert(name.to_owned());
            return Ok(Some(self.field(name, kind)));
        }
        let Some((Expr::Var(var), whole, _)) = lookup(inner) else { return Ok(None) };
        let Some(Kind::Complex(parts)) = schema::property(self.subject, whole) else {
            return Ok(None);
        };
        if var.id != own {
            return Ok(None);
        }
        if !parts.contains(&name) {
            return Err(ExpressionError {
                message: format!("`{name}` is no part of `{own}.{whole}`"),
                at,
                suggestion: nearest(name, parts.iter().copied()),
            });
        }
        self.reads.insert(whole.to_owned());
        Ok(Some(self.field(&format!("{whole}.{name}"), Kind::Text)))
    }

    fn field(&self, path: &str, kind: Kind) -> Lowered {
        let own = self.subject.variable();
        let code = format!("{own}[{}]", quoted(path));
        let property = Some(path.to_owned());
        Lowered { label: format!("{own}.{path}"), property, ..Lowered::tight(code, kind) }
    }

    fn binary(&mut self, binary: &BinOp<'_>, at: Range<usize>) -> Result<Lowered> {
        match binary.op {
            BinOpKind::ScAnd => self.row(binary, "and"),
            BinOpKind::ScOr => self.row(binary, "or"),
            BinOpKind::Concat => self.row(binary, "~"),
            BinOpKind::Eq => self.compare(binary, "==", at),
            BinOpKind::Ne => self.compare(binary, "!=", at),
            BinOpKind::Lt => self.compare(binary, "<", at),
            BinOpKind::Lte => self.compare(binary, "<=", at),
            BinOpKind::Gt => self.compare(binary, ">", at),
            BinOpKind::Gte => self.compare(binary, ">=", at),
            BinOpKind::In => {
                let value = self.lower(&binary.left)?;
                let container = self.lower(&binary.right)?;
                if matches!(container.kind, Kind::Bool | Kind::Int) {
                    let noun = container.kind.noun();
                    return wrong(at, format!("{} is {noun} and holds nothing", container.label));
                }
                let code = format!("{}|{}({})", value.operand(), language::WITHIN, container.code);
                Ok(Lowered::tight(code, Kind::Bool))
            }
            BinOpKind::Add => self.sum(binary, "+"),
            BinOpKind::Sub => self.sum(binary, "-"),
            _ => wrong(at, "of arithmetic there is only + and -"),
        }
    }

    /// A row of operands with the same operator, without the parentheses of a tree: parsers count
    /// those.
    fn row(&mut self, binary: &BinOp<'_>, operator: &str) -> Result<Lowered> {
        let mut operands = vec![&binary.right];
        let mut left = &binary.left;
        while let Expr::BinOp(inner) = left {
            if std::mem::discriminant(&inner.op) != std::mem::discriminant(&binary.op) {
                break;
            }
            operands.push(&inner.right);
            left = &inner.left;
        }
        operands.push(left);
        let mut code = String::new();
        let mut kind = Kind::Null;
        for (at, expr) in operands.into_iter().rev().enumerate() {
            if at > 0 {
                let _ = write!(code, " {operator} ");
            }
            let operand = self.lower(expr)?;
            if operator == "~" {
                if !matches!(operand.kind, Kind::Text | Kind::Int | Kind::Any) {
                    let noun = operand.kind.noun();
                    let message = format!("{} is {noun}; `~` joins text", operand.label);
                    return wrong(extent(expr), message);
                }
                kind = Kind::Text;
                code.push_str(&operand.guarded(language::JOINED));
            } else {
                kind = kind.or(operand.kind);
                code.push_str(&operand.operand());
            }
        }
        Ok(Lowered::loose(code, kind))
    }

    fn sum(&mut self, binary: &BinOp<'_>, operator: &str) -> Result<Lowered> {
        let (left, right) = (self.lower(&binary.left)?, self.lower(&binary.right)?);
        let text = operator == "+" && (left.kind == Kind::Text || right.kind == Kind::Text);
        let wanted = if text { Kind::Text } else { Kind::Int };
        expect(&left, wanted, &binary.left)?;
        expect(&right, wanted, &binary.right)?;
        let guard = if text { language::JOINED } else { language::PRESENT };
        let code = format!("{} {operator} {}", left.guarded(guard), right.guarded(guard));
        Ok(Lowered::loose(code, wanted))
    }

    fn compare(&mut self, binary: &BinOp<'_>, operator: &str, at: Range<usize>) -> Result<Lowered> {
        let (left, right) = (self.lower(&binary.left)?, self.lower(&binary.right)?);
        comparable(&left, &right, &binary.right)?;
        // Whether null is less than text is nobody's intention.
        let ordering = !matches!(operator, "==" | "!=");
        if ordering && [left.kind, right.kind].contains(&Kind::Null) {
            return wrong(at, "nothing is more or less than none");
        }
        let side = |part: &Lowered| {
            if ordering { part.guarded(language::PRESENT) } else { part.operand() }
        };
        Ok(Lowered::loose(format!("{} {operator} {}", side(&left), side(&right)), Kind::Bool))
    }

    fn chain(&mut self, chain: &Compare<'_>, at: Range<usize>) -> Result<Lowered> {
        let mut last = self.lower(&chain.expr)?;
        let mut code = last.guarded(language::PRESENT);
        for op in &chain.ops {
            let operator = match op.op {
                CompareOpKind::Eq => "==",
                CompareOpKind::Ne => "!=",
                CompareOpKind::Lt => "<",
                CompareOpKind::Lte => "<=",
                CompareOpKind::Gt => ">",
                CompareOpKind::Gte => ">=",
                CompareOpKind::In | CompareOpKind::NotIn => {
                    return wrong(at, "write `and` between the comparisons");
                }
            };
            let next = self.lower(&op.expr)?;
            comparable(&last, &next, &op.expr)?;
            let _ = write!(code, " {operator} {}", next.guarded(language::PRESENT));
            last = next;
        }
        Ok(Lowered::loose(code, Kind::Bool))
    }
}

/// `inner.name` and `inner["name"]`.
fn lookup<'e, 's>(expr: &'e Expr<'s>) -> Option<(&'e Expr<'s>, &'e str, Range<usize>)> {
    match expr {
        Expr::GetAttr(get) => Some((&get.expr, get.name, name_at_end(get.span(), get.name))),
        Expr::GetItem(get) => match &get.subscript_expr {
            Expr::Const(key) => {
                Some((&get.expr, key.value.as_str()?, range(get.subscript_expr.span())))
            }
            _ => None,
        },
        _ => None,
    }
}

fn literal(value: &Value, at: Range<usize>) -> Result<Lowered> {
    let (code, kind) = match value.kind() {
        ValueKind::String => (quoted(value.as_str().unwrap_or_default()), Kind::Text),
        ValueKind::Bool => (value.to_string().to_lowercase(), Kind::Bool),
        ValueKind::Number if value.is_integer() => (value.to_string(), Kind::Int),
        ValueKind::None => ("none".to_owned(), Kind::Null),
        _ => return wrong(at, "only text, whole numbers, true, false and none can be written"),
    };
    let label = if kind == Kind::Null { "none" } else { "the value" };
    Ok(Lowered { label: label.to_owned(), ..Lowered::tight(code, kind) })
}

pub(super) fn expect(part: &Lowered, kind: Kind, expr: &Expr<'_>) -> Result<()> {
    if part.kind != Kind::Null && part.kind.may_be(kind) {
        return Ok(());
    }
    let (is, wanted) = (part.kind.noun(), kind.noun());
    wrong(extent(expr), format!("{} is {is}; {wanted} is needed here", part.label))
}

/// Comparing two kinds is always false, silently, so it is refused.
fn comparable(left: &Lowered, right: &Lowered, expr: &Expr<'_>) -> Result<()> {
    if left.kind.may_be(right.kind) || right.kind == Kind::Null {
        return Ok(());
    }
    let (one, two) = (left.kind.noun(), right.kind.noun());
    wrong(extent(expr), format!("{} is {one} and is never equal to {two}", left.label))
}

/// The range of an expression as far as the parser knows it; names and literals are exact.
fn extent(expr: &Expr<'_>) -> Range<usize> {
    match lookup(expr) {
        Some((_, _, at)) => at,
        None => range(expr.span()),
    }
}
