//! People decide exceptions: one person what moves no money, two different ones what does. All of a decision is one transaction, on
//! the locked item: two people at once take turns, and after a kill either all of it is there or nothing.
#![expect(clippy::disallowed_methods, reason = "shell: a decision says when it was made")]

use codecs::value::Currency;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use ledger::store::operator::{self, Operator};
use ledger::store::{StoreError, Writer, business_day, settlement_posting};
use tokio_postgres::{Client, Transaction};

use super::item::{Decision, Item, Signature, State};
use super::kind::{self, Act};
use super::step::{self, Refusal, Step};
use super::store;
use crate::PROGRAM;
use crate::clearing::store as clearing;

/// What a person says.
#[derive(Clone, Copy, Debug)]
pub enum Word<'a> {
    Resolve { act: Act, reason: &'a str },
    Approve,
    Withdraw,
}

/// Why an item was not decided. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    #[error("there is no exception {0}")]
    NoSuchItem(i64),
    #[error("user {0} is no operator: see `backoffice operators add`")]
    NoOperator(u32),
    #[error("a reason is needed")]
    NoReason,
    #[error("exception {0}: {1}")]
    Refused(i64, Refusal),
    #[error("exception {0}: its amount, acquirer or currency does not let that be posted")]
    NothingToPost(i64),
    #[error("exception {0}: its transaction was presented since, and posted")]
    Presented(i64),
    #[error("no business day is open to post in")]
    NoDay,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<tokio_postgres::Error> for ResolveError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Store(error.into())
    }
}

/// The operator who runs as this user decides about an item. Gives the item, and whether anything changed.
pub async fn decide(
    client: &mut Client,
    unix_uid: u32,
    number: i64,
    word: Word<'_>,
    currency: Currency,
) -> Result<(Item, bool), ResolveError> {
    let transaction = client.transaction().await?;
    let mut item = store::lock(&transaction, number).await?.ok_or(ResolveError::NoSuchItem(number))?;
    let by = operator::of_user(&transaction, unix_uid).await?.ok_or(ResolveError::NoOperator(unix_uid))?;
    let refused = |refusal| ResolveError::Refused(number, refusal);
    let step = match word {
        Word::Resolve { reason, .. } if reason.trim().is_empty() => return Err(ResolveError::NoReason),
        Word::Resolve { act, .. } => Some(step::resolve(&item, act, &by).map_err(refused)?),
        Word::Approve => Some(step::approve(&item, &by).map_err(refused)?),
        Word::Withdraw if item.state == State::Proposed => None,
        Word::Withdraw => return Err(refused(Refusal::NothingProposed)),
    };
    if step == Some(Step::Already) {
        return Ok((item, false));
    }
    if step == Some(Step::Approve) {
        // a file could present it at the same moment, and a day be closed: a batch that comes later has it
        clearing::one_file_at_a_time(&transaction).await?;
    }
    // the last change is told by its time, whatever a clock says
    let at = Timestamp::now().max(item.changed_at + 1.microsecond());
    let signature = Signature { name: by.name.clone(), unix_uid: by.unix_uid, at };
    let said = match (step, word) {
        (Some(Step::Approve), _) => {
            approve(&transaction, &mut item, signature, currency).await?;
            "approved"
        }
        (Some(step), Word::Resolve { act, reason }) => {
            if act.posts() {
                // what cannot be posted is not proposed
                postable(&item, act, currency)?;
            }
            let reason = reason.trim().to_owned();
            item.decision = Some(Decision { act, reason, proposed: signature, approved: None, posting_cycle: None });
            item.state = if step == Step::Propose { State::Proposed } else { State::Resolved };
            if step == Step::Propose { "proposed" } else { "resolved" }
        }
        _ => {
            (item.decision, item.state) = (None, State::Open);
            "withdrawn"
        }
    };
    item.changed_at = at;
    let said = said_by(said, &by);
    let change = store::decided(&transaction, &item, &said).await?;
    Writer::register(&transaction, PROGRAM).await?.record(&transaction, &[change]).await?;
    transaction.commit().await?;
    Ok((item, true))
}

fn said_by(said: &str, by: &Operator) -> String {
    format!("{said} by {} (uid {})", by.name, by.unix_uid)
}

fn postable(item: &Item, act: Act, currency: Currency) -> Result<ledger::posting::NamedPosting, ResolveError> {
    let is_ours = item.of.currency.is_some_and(|of| of.unsigned_abs() == currency.number());
    kind::entry(act, item).filter(|_| is_ours).ok_or(ResolveError::NothingToPost(item.number))
}

async fn approve(
    transaction: &Transaction<'_>,
    item: &mut Item,
    signature: Signature,
    currency: Currency,
) -> Result<(), ResolveError> {
    let Some(act) = item.decision.as_ref().map(|decision| decision.act) else {
        return Err(ResolveError::Refused(item.number, Refusal::NothingProposed));
    };
    if !act.posts() {
        approved(item, signature, None);
        return Ok(());
    }
    let posting = postable(item, act, currency)?;
    if let Some(at) = item.of.row
        && store::is_presented(transaction, at).await?
    {
        return Err(ResolveError::Presented(item.number));
    }
    let cycle = business_day::earliest_not_closed(transaction).await?.ok_or(ResolveError::NoDay)?;
    settlement_posting::insert(transaction, &[posting], currency, cycle).await?;
    approved(item, signature, Some(cycle));
    Ok(())
}

fn approved(item: &mut Item, signature: Signature, posting_cycle: Option<Date>) {
    if let Some(decision) = &mut item.decision {
        (decision.approved, decision.posting_cycle) = (Some(signature), posting_cycle);
    }
    item.state = State::Resolved;
}
