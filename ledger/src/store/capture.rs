//! Captures in table `auth` that a refund may mean, found before the lock: the journal is searched by account, which takes
//! longer than anybody may wait under it. Rows do not change, so what is found stays what it is; what followed from it is read
//! under the lock.

use codecs::value::{ApprovalCode, MerchantId, Rrn};
use deadpool_postgres::Pool;
use jiff::civil::Date;

use super::{StoreError, fixed, text};
use crate::capture::{Capture, NamedBy, choose};
use crate::journal::RowKey;
use crate::key::JournalKey;

const FIND: &str = "SELECT a.idem_date, a.idem, a.lifecycle, a.rrn, a.approval_code, a.merchant FROM auth a
    WHERE a.account_id = $2 AND a.bucket = $1 AND a.idem_date BETWEEN $3 AND $4 AND a.kind IN ('purchase', 'completion')
      AND a.approved_minor > 0 AND (a.lifecycle = $5 OR a.idem = $6 OR a.approval_code = $7)";

/// Refunds of these captures, and further captures that name them.
const FOLLOWED: &str = "SELECT a.bucket, a.idem_date, a.idem FROM auth a
    WHERE a.bucket = $1 AND a.original_idem = ANY($2) AND a.kind IN ('refund', 'completion') AND a.approved_minor > 0";

/// The captures of an account, between two local dates, that are named; and the refunds and completions that name them in
/// turn.
pub async fn find(
    pool: &Pool,
    (bucket, account_id): (i16, i64),
    (first, last): (Date, Date),
    by: &NamedBy<'_>,
) -> Result<(Vec<RowKey>, Vec<RowKey>), StoreError> {
    let client = pool.get().await?;
    let (idem, code) = (by.key.as_ref().map(|key| &key.0[..]), by.approval_code.as_ref().map(ApprovalCode::as_str));
    let statement = client.prepare_cached(FIND).await?;
    let rows = client.query(&statement, &[&bucket, &account_id, &first, &last, &by.life_cycle, &idem, &code]).await?;
    let read = |row: &tokio_postgres::Row| {
        Ok(Capture {
            key: RowKey { bucket, date: row.get(0), idem: JournalKey(fixed(row.get(1), "auth.idem")?) },
            life_cycle: row.get(2),
            rrn: text(row, "rrn", Rrn::new)?,
            approval_code: text(row, "approval_code", ApprovalCode::new)?,
            merchant: text(row, "merchant", MerchantId::new)?,
        })
    };
    let captures = choose(&rows.iter().map(read).collect::<Result<Vec<_>, StoreError>>()?, by);
    if captures.is_empty() {
        return Ok((captures, Vec::new()));
    }
    let named: Vec<&[u8]> = captures.iter().map(|key| &key.idem.0[..]).collect();
    let statement = client.prepare_cached(FOLLOWED).await?;
    let followed = client.query(&statement, &[&bucket, &named]).await?;
    let follower = |row: &tokio_postgres::Row| {
        Ok(RowKey { bucket: row.get(0), date: row.get(1), idem: JournalKey(fixed(row.get(2), "auth.idem")?) })
    };
    Ok((captures, followed.iter().map(follower).collect::<Result<Vec<_>, StoreError>>()?))
}
