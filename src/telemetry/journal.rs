//! The journal: fields beside the words, and for each event that matters an id by which it is found
//! (`journalctl MESSAGE_ID=…`).

use tracing::Subscriber;
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// The events that matter, by the target they are logged under, with their ids. The ids never change.
pub const MESSAGE_IDS: [(&str, &str); 10] = [
    ("manntall::started", "5b0e4c1de5f64a7f9d2b6a2f0f8b3c01"),
    ("manntall::stopping", "5b0e4c1de5f64a7f9d2b6a2f0f8b3c02"),
    ("manntall::stopped", "5b0e4c1de5f64a7f9d2b6a2f0f8b3c03"),
    ("manntall::state", "5b0e4c1de5f64a7f9d2b6a2f0f8b3c04"),
    ("manntall::done", "5b0e4c1de5f64a7f9d2b6a2f0f8b3c05"),
    ("manntall::trouble", "5b0e4c1de5f64a7f9d2b6a2f0f8b3c06"),
    ("manntall::stuck", "5b0e4c1de5f64a7f9d2b6a2f0f8b3c07"),
    ("manntall::expired", "5b0e4c1de5f64a7f9d2b6a2f0f8b3c08"),
    ("manntall::notice", "5b0e4c1de5f64a7f9d2b6a2f0f8b3c09"),
    ("manntall::ending", "5b0e4c1de5f64a7f9d2b6a2f0f8b3c0a"),
];

/// Writes to the journal.
pub(super) struct Journal {
    plain: tracing_journald::Layer,
    named: Vec<(&'static str, tracing_journald::Layer)>,
}

/// The journal, where there is one.
pub(super) fn layer() -> Option<Journal> {
    let plain = || {
        let layer = tracing_journald::layer().ok()?;
        Some(layer.with_field_prefix(Some("MANNTALL".to_owned())))
    };
    let named = MESSAGE_IDS.into_iter().filter_map(|(target, id)| {
        Some((target, plain()?.with_custom_fields([("MESSAGE_ID", id)])))
    });
    Some(Journal { plain: plain()?, named: named.collect() })
}

impl<S: Subscriber + for<'span> LookupSpan<'span>> Layer<S> for Journal {
    // Spans are kept once, whoever writes them out.
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        self.plain.on_new_span(attributes, id, ctx);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, ctx: Context<'_, S>) {
        self.plain.on_record(id, values, ctx);
    }

    fn on_event(&self, event: &tracing::Event<'_>, ctx: Context<'_, S>) {
        let target = event.metadata().target();
        match self.named.iter().find(|(named, _)| *named == target) {
            Some((_, layer)) => layer.on_event(event, ctx),
            None => self.plain.on_event(event, ctx),
        }
    }
}
