//! One message to its answer: transactions go through facts and a lane, network messages and reconciliations do not.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use codecs::mti::{Class, Mti};
use codecs::value::ResponseCode;
use codecs::view::{Network, NetworkFunction, Reconciliation};
use codecs::{Builder, DecodeError, Message, de};
use deadpool_postgres::Pool;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use ledger::key::nearest_year;
use ledger::store::{StoreError, business_day, day_total};
use metrics::counter;
use tracing::Instrument;

use crate::config::Config;
use crate::facts::FactFinder;
use crate::lanes::{LaneError, Lanes};
use crate::totals::TotalsRefused;
use crate::{answer, answer::NoDecision, facts::FactsError};
use crate::{request, totals};

/// How often the facts of a card are found again because its row changed before the lock.
const FACT_ATTEMPTS: u32 = 3;

/// Everything that answering needs: configuration, facts, lanes, database.
#[derive(Debug)]
pub struct HostContext {
    pub config: Config,
    pub facts: FactFinder,
    pub lanes: Lanes,
    pub pool: Pool,
    /// For totals alone: whoever asks waits for those who ask at the same time.
    pub totals_pool: Pool,
}

/// Answers one message; `None` for a response, or if the answer cannot be written.
pub async fn respond(context: Arc<HostContext>, message: Box<Message>) -> Option<Bytes> {
    let mti = message.mti();
    if mti.is_response() {
        counter!("host_bad_messages_total", "kind" => "response").increment(1);
        tracing::warn!(%mti, "a response that nobody asked for");
        return None;
    }
    let span = tracing::debug_span!("transaction", %mti, stan = stan_of(&message), code = tracing::field::Empty);
    let answer = by_class(&context, &message).instrument(span.clone()).await;
    encode(&answer, mti, &span)
}

/// Answers a message that cannot be read, if its message type asks for an answer.
#[must_use]
pub fn unreadable(error: &DecodeError, readable: Option<&Message>) -> Option<Bytes> {
    counter!("host_bad_messages_total", "kind" => error.kind.name()).increment(1);
    let readable = readable.filter(|part| !part.mti().is_response())?;
    without_decision(readable, NoDecision::Unreadable).encode().ok()
}

/// The trace number (DE11), for the log.
fn stan_of(message: &Message) -> u32 {
    message.get::<de::Stan>().ok().flatten().map_or(0, |stan| stan.0)
}

fn encode(answer: &Builder, mti: Mti, span: &tracing::Span) -> Option<Bytes> {
    match answer.encode() {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            span.in_scope(|| tracing::error!(%error, %mti, "an answer cannot be written"));
            None
        }
    }
}

async fn by_class(context: &HostContext, message: &Message) -> Builder {
    match message.mti().class() {
        Class::Authorization | Class::Financial | Class::Reversal => transaction(context, message).await,
        Class::Network => network(context, message).await,
        Class::Reconciliation => reconciliation(context, message).await,
        _ => without_decision(message, NoDecision::NotServed),
    }
}

async fn transaction(context: &HostContext, message: &Message) -> Builder {
    let (arrived, now) = (Instant::now(), Timestamp::now());
    let (request, presented) = match request::read(message, &context.config, utc_date(now)) {
        Ok(read) => read,
        Err(refusal) => {
            tracing::warn!(%refusal, "a request is refused");
            return without_decision(message, (&refusal).into());
        }
    };
    for _ in 0..FACT_ATTEMPTS {
        let prepared = match context.facts.find(request.clone(), &presented, now).await {
            Ok(prepared) => prepared,
            Err(error) => return malfunction(message, &error),
        };
        let pan_index = prepared.request.pan_index;
        match context.lanes.submit(prepared, arrived).await {
            Ok(committed) => {
                let row = committed.row();
                count(message.mti(), row.response_code);
                tracing::Span::current().record("code", row.response_code.as_str());
                tracing::debug!(
                    kind = row.kind.as_str(), role = row.role.as_str(), link = %row.link, lifecycle = %row.life_cycle,
                    reason = row.reason.as_deref(), exception = row.exception.as_deref(), repeat = committed.is_repeat(), "decided",
                );
                return answer::decided(message, &committed);
            }
            Err(LaneError::Stale) => context.facts.forget(pan_index),
            Err(error) => {
                tracing::error!(%error, "no decision");
                return without_decision(message, NoDecision::Malfunction);
            }
        }
    }
    tracing::error!("a card changed each time it was looked at");
    without_decision(message, NoDecision::Malfunction)
}

fn malfunction(message: &Message, error: &FactsError) -> Builder {
    tracing::error!(%error, "no facts");
    without_decision(message, NoDecision::Malfunction)
}

fn without_decision(message: &Message, why: NoDecision) -> Builder {
    count(message.mti(), why.response_code());
    answer::without_decision(message, why)
}

fn network_answer(view: &Network<'_>) -> Builder {
    count(view.message.mti(), ResponseCode::APPROVED);
    answer::network_answer(view)
}

fn count(mti: Mti, code: ResponseCode) {
    counter!("host_requests_total", "mti" => mti.to_string(), "code" => code.to_string()).increment(1);
}

fn utc_date(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}

async fn network(context: &HostContext, message: &Message) -> Builder {
    let view = match Network::of(message) {
        Ok(view) => view,
        Err(error) => {
            tracing::warn!(%error, "a network message is refused");
            return without_decision(message, NoDecision::Unreadable);
        }
    };
    match view.function {
        NetworkFunction::SignOn | NetworkFunction::SignOff | NetworkFunction::Echo => network_answer(&view),
        NetworkFunction::CutOver => match view.date.and_then(|date| date_near(date, utc_date(Timestamp::now()))) {
            Some(date) => cut_over(context, &view, date).await,
            None => without_decision(message, NoDecision::Unreadable),
        },
        NetworkFunction::KeyChange | NetworkFunction::Other(_) => without_decision(message, NoDecision::NotServed),
    }
}

async fn cut_over(context: &HostContext, view: &Network<'_>, date: Date) -> Builder {
    match business_day::cut_over(&context.pool, date).await {
        Ok(changed) => {
            tracing::info!(%date, changed, "cut-over");
            network_answer(view)
        }
        Err(error) => unavailable(view.message, &error),
    }
}

fn date_near(date: codecs::value::MonthDay, today: Date) -> Option<Date> {
    nearest_year(i8::try_from(date.month).ok()?, i8::try_from(date.day).ok()?, today)
}

async fn reconciliation(context: &HostContext, message: &Message) -> Builder {
    let view = match Reconciliation::of(message) {
        Ok(view) => view,
        Err(error) => {
            tracing::warn!(%error, "totals are refused");
            return without_decision(message, NoDecision::Unreadable);
        }
    };
    let of = totals::check_net(&view.totals)
        .and_then(|()| totals::originator(&view, &context.config, &context.facts.acceptors()));
    let of = match of {
        Ok(of) => of,
        Err(refused) => return refuse_totals(message, &refused),
    };
    let open = match business_day::current(&context.totals_pool).await {
        Ok(open) => open,
        Err(error) => return unavailable(message, &error),
    };
    let date = match totals::day(&view, utc_date(Timestamp::now()), open) {
        Ok(date) => date,
        Err(refused) => return refuse_totals(message, &refused),
    };
    let currency = view.currency.unwrap_or_else(|| context.config.currency());
    match day_total::of(&context.totals_pool, &of, date, currency).await {
        Ok(ours) => {
            let ours = totals::as_totals(&ours);
            let balanced = totals::agree(&view.totals, &ours);
            tracing::info!(?of, %date, balanced, "totals compared");
            count(message.mti(), ResponseCode::APPROVED);
            totals::answer(&view, &ours)
        }
        Err(error) => unavailable(message, &error),
    }
}

fn refuse_totals(message: &Message, refused: &TotalsRefused) -> Builder {
    tracing::warn!(%refused, "totals are refused");
    without_decision(message, refused.no_decision())
}

fn unavailable(message: &Message, error: &StoreError) -> Builder {
    tracing::error!(%error, "the database could not be used");
    without_decision(message, NoDecision::Malfunction)
}
