//! Table `hold`: releasing what nobody completed.

use deadpool_postgres::Pool;
use jiff::civil::Date;

use super::StoreError;

/// Accounts in one transaction: their rows are locked while it lasts.
const ACCOUNTS_AT_ONCE: i64 = 100;

const DUE: &str = "SELECT DISTINCT bucket, account_id FROM hold WHERE state = 'open' AND expires_on < $1
  ORDER BY bucket, account_id LIMIT $2";

const LOCK: &str = "SELECT 1 FROM unnest($1::int2[], $2::int8[]) AS u(bucket, account_id)
  JOIN account_state a ON a.bucket = u.bucket AND a.account_id = u.account_id
  ORDER BY a.bucket, a.account_id FOR UPDATE OF a";

const RELEASE: &str = "WITH released AS (
    UPDATE hold h SET state = 'released' FROM unnest($1::int2[], $2::int8[]) AS u(bucket, account_id)
    WHERE h.bucket = u.bucket AND h.account_id = u.account_id AND h.state = 'open' AND h.expires_on < $3
    RETURNING h.bucket, h.account_id, h.amount_minor),
  sums AS (SELECT bucket, account_id, sum(amount_minor)::int8 AS minor FROM released GROUP BY bucket, account_id)
  UPDATE account_state a SET held_minor = a.held_minor - s.minor FROM sums s
  WHERE a.bucket = s.bucket AND a.account_id = s.account_id";

/// Releases every open hold that ended before `today`; a completion that comes later all the same is posted by force. Returns how
/// many accounts have something back.
pub async fn release_expired(pool: &Pool, today: Date) -> Result<u64, StoreError> {
    let mut client = pool.get().await?;
    let mut accounts = 0;
    loop {
        let due = client.query(DUE, &[&today, &ACCOUNTS_AT_ONCE]).await?;
        if due.is_empty() {
            return Ok(accounts);
        }
        let (buckets, ids): (Vec<i16>, Vec<i64>) =
            due.iter().map(|row| (row.get::<_, i16>(0), row.get::<_, i64>(1))).unzip();
        let transaction = client.transaction().await?;
        // the account first, as every writer; what is due is looked at again under the lock
        transaction.query(LOCK, &[&buckets, &ids]).await?;
        accounts += transaction.execute(RELEASE, &[&buckets, &ids, &today]).await?;
        transaction.commit().await?;
    }
}
