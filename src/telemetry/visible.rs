//! Fields for the journal in which nothing acts on a terminal: `journalctl` shows some of them as they are, and
//! other programs all.

use std::fmt::Debug;

use tracing::field::{Field, FieldSet, Value, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::core::visible::plain;

/// Tells a layer the same, in visible characters only.
pub(super) struct Visible<L>(pub(super) L);

impl<S, L> Layer<S> for Visible<L>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    L: Layer<S>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        let fields = attributes.fields();
        let said = Said::of(fields, |said| attributes.record(said));
        let values = said.values();
        let values = fields.value_set_all(&values);
        self.0.on_new_span(&Attributes::new(attributes.metadata(), &values), id, ctx);
    }

    fn on_record(&self, id: &Id, record: &Record<'_>, ctx: Context<'_, S>) {
        let Some(span) = ctx.metadata(id) else { return };
        let said = Said::of(span.fields(), |said| record.record(said));
        let values = said.values();
        self.0.on_record(id, &Record::new(&span.fields().value_set_all(&values)), ctx);
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        let fields = event.metadata().fields();
        let said = Said::of(fields, |said| event.record(said));
        let values = said.values();
        let values = fields.value_set_all(&values);
        self.0.on_event(&Event::new(event.metadata(), &values), ctx);
    }
}

/// What is said in each field; nothing where it is not told.
struct Said(Vec<Option<String>>);

impl Said {
    fn of(fields: &FieldSet, tell: impl FnOnce(&mut Self)) -> Self {
        let mut said = Self(vec![None; fields.len()]);
        tell(&mut said);
        said
    }

    fn values(&self) -> Vec<Option<&dyn Value>> {
        self.0.iter().map(|text| text.as_ref().map(|text| text as &dyn Value)).collect()
    }

    fn say(&mut self, field: &Field, text: &str) {
        if let Some(said) = self.0.get_mut(field.index()) {
            *said = Some(plain(text));
        }
    }
}

impl Visit for Said {
    fn record_str(&mut self, field: &Field, text: &str) {
        self.say(field, text);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.say(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests;
