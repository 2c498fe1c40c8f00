//! Totals of the journal for one originator and business date. No index of their own slows authorizations: a row's cycle is
//! never before its business date, so what was written before that day is left out by the index of ranges on `cycle`.

use codecs::value::Currency;
use deadpool_postgres::Pool;
use jiff::civil::Date;

use super::{StoreError, currency_column};
use crate::totals::{Counted, Originator, Sum};

/// A reversal counts under its own date, apart from the kind that it reverses. Amounts are in the currency of the messages:
/// of a part of one in a foreign currency as it was answered, rounded down.
const COUNT: &str = "SELECT
    count(*) FILTER (WHERE a.kind IN ('purchase', 'completion')),
    coalesce(sum(a.minor) FILTER (WHERE a.kind IN ('purchase', 'completion')), 0)::int8,
    count(*) FILTER (WHERE o.kind IN ('purchase', 'completion')),
    coalesce(sum(a.minor) FILTER (WHERE o.kind IN ('purchase', 'completion')), 0)::int8,
    count(*) FILTER (WHERE a.kind = 'refund'),
    coalesce(sum(a.minor) FILTER (WHERE a.kind = 'refund'), 0)::int8,
    count(*) FILTER (WHERE o.kind = 'refund'),
    coalesce(sum(a.minor) FILTER (WHERE o.kind = 'refund'), 0)::int8,
    count(*) FILTER (WHERE a.kind = 'pre-authorization'
      OR a.kind IN ('balance-inquiry', 'account-verification') AND a.response_code IN ('00', '85'))
  FROM (SELECT *, coalesce(transaction_currency, currency) AS sent_in,
          CASE WHEN transaction_minor IS NULL THEN approved_minor
            ELSE div(approved_minor::numeric * transaction_minor, nullif(requested_minor, 0))::int8 END AS minor FROM auth) a
  LEFT JOIN auth o ON a.kind = 'reversal' AND o.bucket = a.bucket AND o.idem_date = a.original_date AND o.idem = a.original_idem
  WHERE a.business_date = $1 AND a.cycle >= $1 AND a.sent_in = $2
    AND (a.approved_minor > 0 OR a.kind IN ('balance-inquiry', 'account-verification'))
    AND CASE WHEN $3 THEN a.terminal = $4 AND a.role <> 'issued' ELSE a.acquirer = $4 AND a.role = 'issued' END";

/// The journal's totals of an originator on a date.
pub async fn count(pool: &Pool, of: &Originator, date: Date, currency: Currency) -> Result<Counted, StoreError> {
    let client = pool.get().await?;
    let (is_terminal, name) = match of {
        Originator::Terminal(name) => (true, name),
        Originator::Acquirer(name) => (false, name),
    };
    let currency = currency_column(currency);
    let row = client.query_one(COUNT, &[&date, &currency, &is_terminal, name]).await?;
    let sum = |at: usize| Sum { count: row.get(at), amount_minor: row.get(at + 1) };
    Ok(Counted {
        debits: sum(0),
        debit_reversals: sum(2),
        credits: sum(4),
        credit_reversals: sum(6),
        authorizations: row.get(8),
    })
}
