//! A limit to how often one line is logged: a peer that sends refused messages as fast as it can must not fill the disk.
//!
//! What counts as one line is its place in the source together with the link that it is about. In each period the first
//! lines are written; the others are counted.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

const PERIOD: Duration = Duration::from_secs(10);
/// Lines of one kind in a period.
const LINES: u32 = 50;
/// Kinds that are told apart; with more all counts start anew.
const KINDS: usize = 10_000;
/// Fields that name the link that a line is about.
const LINK_FIELDS: [&str; 3] = ["link", "listener", "destination"];

/// How many lines of each kind were written in its period.
#[derive(Debug, Default)]
struct LogLimit(Mutex<HashMap<Kind, Count>>);

type Kind = (Identifier, u64);

#[derive(Clone, Copy, Debug)]
struct Count {
    since: Instant,
    lines: u32,
}

impl LogLimit {
    /// Whether a line of this kind is written now.
    fn admits(&self, kind: Kind, now: Instant) -> bool {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= KINDS && !counts.contains_key(&kind) {
            counts.clear();
        }
        let count = counts.entry(kind).or_insert(Count { since: now, lines: 0 });
        if now.saturating_duration_since(count.since) >= PERIOD {
            *count = Count { since: now, lines: 0 };
        }
        count.lines = count.lines.saturating_add(1);
        count.lines <= LINES
    }
}

/// A layer that writes lines, within the limit. (A filter of that layer would not do: what it says of one event the registry
/// takes for the next one's too.)
#[derive(Debug)]
pub(crate) struct Limited<L> {
    lines: L,
    limit: LogLimit,
}

impl<L> Limited<L> {
    pub(crate) fn new(lines: L) -> Self {
        Self { lines, limit: LogLimit::default() }
    }
}

impl<S: Subscriber, L: Layer<S>> Layer<S> for Limited<L> {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut link = Link(DefaultHasher::new());
        event.record(&mut link);
        if self.limit.admits((event.metadata().callsite(), link.0.finish()), now()) {
            self.lines.on_event(event, context);
        } else {
            metrics::counter!("log_lines_left_out_total").increment(1);
        }
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        self.lines.on_new_span(attributes, id, context);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        self.lines.on_record(id, values, context);
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        self.lines.on_enter(id, context);
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        self.lines.on_exit(id, context);
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        self.lines.on_close(id, context);
    }
}

fn now() -> Instant {
    Instant::now()
}

/// The hash of the fields that name a link.
struct Link(DefaultHasher);

impl Visit for Link {
    fn record_str(&mut self, field: &Field, value: &str) {
        if LINK_FIELDS.contains(&field.name()) {
            value.hash(&mut self.0);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if LINK_FIELDS.contains(&field.name()) {
            format!("{}={value:?}", field.name()).hash(&mut self.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::Arc;
    use tracing::Metadata;
    use tracing::subscriber::Interest;
    use tracing_subscriber::layer::SubscriberExt;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn one_link_s_flood_does_not_silence_another_line_or_link() {
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = tracing_subscriber::fmt::layer().with_writer(move || writer.clone());
        let subscriber = tracing_subscriber::registry().with(Limited::new(layer));
        tracing::subscriber::with_default(subscriber, || {
            let refused = |link: &str| tracing::warn!(link = %link, "message refused");
            for _ in 0..1_000 {
                refused("loud");
            }
            refused("quiet");
            tracing::warn!(link = "loud", "something else");
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let count = |part: &str| text.lines().filter(|line| line.contains(part)).count();
        assert_eq!((count("loud") as u32, count("quiet"), count("something else")), (LINES + 1, 1, 1));
    }

    #[test]
    fn a_new_period_begins_anew() {
        let limit = LogLimit::default();
        let place = Identifier(test_callsite());
        let begin = now();
        let admitted = |at: Instant| (0..200).filter(|_| limit.admits((place.clone(), 1), at)).count() as u32;
        assert_eq!(admitted(begin), LINES);
        assert_eq!(admitted(begin + PERIOD - Duration::from_millis(1)), 0);
        assert_eq!(admitted(begin + PERIOD), LINES);
    }

    fn test_callsite() -> &'static dyn tracing::Callsite {
        struct Here;
        impl tracing::Callsite for Here {
            fn set_interest(&self, _: Interest) {}
            fn metadata(&self) -> &Metadata<'_> {
                unreachable!("nothing is logged here")
            }
        }
        &Here
    }
}
