//! What reaches the journal.
#![expect(clippy::unwrap_used, reason = "tests fail loudly")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tracing_subscriber::layer::SubscriberExt;

use super::*;

/// A layer that keeps what it is told, of spans and events alike.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<BTreeMap<String, String>>>);

impl Visit for Kept {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.lock().unwrap().insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, text: &str) {
        self.0.lock().unwrap().insert(field.name().to_owned(), text.to_owned());
    }
}

impl<S: Subscriber> Layer<S> for Kept {
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        attributes.record(&mut self.clone());
    }

    fn on_record(&self, _: &Id, record: &Record<'_>, _: Context<'_, S>) {
        record.record(&mut self.clone());
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        event.record(&mut self.clone());
    }
}

#[test]
fn fields_of_the_journal_act_on_no_terminal() {
    const HOSTILE: &str = "Ås\u{1b}[2J\u{9b}31m\nMESSAGE=x\u{202e}\u{2066}\u{200b}";
    const HARMLESS: &str = "Ås [2J 31m MESSAGE=x   ";
    let kept = Kept::default();
    let layer = Visible(kept.clone());
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let late = tracing::field::Empty;
        let span = tracing::info_span!("request", of = HOSTILE, shown = %HOSTILE, late);
        span.record("late", HOSTILE);
        let _inside = span.enter();
        tracing::warn!(text = HOSTILE, count = 7, ok = true, said = %HOSTILE, "it says {HOSTILE}");
    });
    let kept = kept.0.lock().unwrap();
    for name in ["of", "shown", "late", "text", "said"] {
        assert_eq!(kept.get(name).map(String::as_str), Some(HARMLESS), "{name}");
    }
    assert_eq!(kept["message"], format!("it says {HARMLESS}"));
    assert_eq!((kept["count"].as_str(), kept["ok"].as_str()), ("7", "true"));
}
