//! Tables `exception_item` and `exception_position`, and the queries for what is to be listed.

use jiff::Timestamp;
use jiff::civil::Date;
use ledger::chain::{Change, FieldHash, Subject};
use ledger::store::StoreError;
use tokio_postgres::{Client, GenericClient, Row, Transaction};

use super::item::{Decision, FoundMatter, Item, Signature, Source, State};
use super::kind::Act;

/// Advisory lock on following: whoever follows is alone, and whoever comes next starts where it ended.
const LOCK_FOLLOW: i64 = 5_857_005;

/// Batches of each chain, and presentments, that are followed at once.
const BATCHES_AT_ONCE: i64 = 500;
const PRESENTMENTS_AT_ONCE: i64 = 500;

/// Chains of lanes that were not followed to their end: how far they were, and how far they are now.
const DUE: &str = "
    SELECT i.instance, coalesce(p.batch_seq, 0), least(head.batch_seq, coalesce(p.batch_seq, 0) + $1)
    FROM journal_instance i
    LEFT JOIN exception_position p ON p.lane_instance = i.instance
    CROSS JOIN LATERAL (SELECT c.batch_seq FROM chain c WHERE c.bucket = (i.instance & 255) AND c.lane_instance = i.instance
                        ORDER BY c.batch_seq DESC LIMIT 1) head
    WHERE i.program = 'authhost' AND head.batch_seq > coalesce(p.batch_seq, 0)
    ORDER BY i.instance LIMIT 64";

/// The exceptions in a stretch of each of the chains `$1`: the batches after `$2`, up to `$3`, which lie between the bounds `$4`
/// and `$5` of all.
const ROWS: &str = "
    SELECT a.bucket, a.auth_id, a.exception, a.received_at, a.business_date, a.currency, a.acquirer, a.merchant, a.terminal, a.rrn,
      a.role::text AS role,
      CASE a.kind WHEN 'refund' THEN -1 ELSE 1 END * CASE a.approved_minor WHEN 0 THEN a.requested_minor ELSE a.approved_minor END
        AS minor
    FROM auth a JOIN unnest($1::int4[], $2::int8[], $3::int8[]) AS due(instance, after, upto)
      ON due.instance = a.lane_instance AND a.batch_seq > due.after AND a.batch_seq <= due.upto
    WHERE a.lane_instance = ANY($1) AND a.batch_seq > $4 AND a.batch_seq <= $5 AND a.exception IS NOT NULL
    ORDER BY a.lane_instance, a.batch_seq, a.batch_pos";

const MOVE_ON: &str =
    "INSERT INTO exception_position (lane_instance, batch_seq) SELECT * FROM unnest($1::int4[], $2::int8[])
    ON CONFLICT (lane_instance) DO UPDATE SET batch_seq = excluded.batch_seq";

const PRESENTMENTS: &str = "
    SELECT p.file_id || '/' || p.record AS reference, p.outcome, f.recorded_at, p.cycle, p.currency, p.acquirer, p.merchant,
      p.terminal, p.rrn, p.auth_bucket, p.auth_id,
      CASE WHEN p.takes_back THEN -p.presented_minor ELSE p.presented_minor END AS minor
    FROM presentment p JOIN clearing_file f USING (file_id)
    WHERE p.posted_minor = 0 AND NOT EXISTS (
      SELECT 1 FROM exception_item e WHERE e.source = 'backoffice' AND e.reference = p.file_id || '/' || p.record)
    ORDER BY p.file_id, p.record LIMIT $1";

/// The columns as texts, in the order in which they are recorded; moments in microseconds since 1970. docs/journal.md lists them.
macro_rules! recorded {
    () => {
        "item::text, source, reference, kind, (extract(epoch FROM opened_at) * 1000000)::int8::text, business_date::text,
         amount_minor::text, currency::text, acquirer, merchant, terminal, rrn, role, bucket::text, auth_id::text, state, act,
         reason, proposed_by, proposed_uid::text, (extract(epoch FROM proposed_at) * 1000000)::int8::text, approved_by,
         approved_uid::text, (extract(epoch FROM approved_at) * 1000000)::int8::text, posting_cycle::text,
         (extract(epoch FROM changed_at) * 1000000)::int8::text"
    };
}

const INSERT: &str = concat!(
    "INSERT INTO exception_item (source, reference, kind, opened_at, business_date, amount_minor, currency, acquirer, merchant,
       terminal, rrn, role, bucket, auth_id, changed_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
     ON CONFLICT (source, reference) DO NOTHING RETURNING ",
    recorded!()
);

macro_rules! columns {
    () => {
        "SELECT item, source, reference, kind, opened_at, business_date, amount_minor, currency, acquirer, merchant, terminal, rrn,
           role, bucket, auth_id, state, act, reason, proposed_by, proposed_uid, proposed_at, approved_by, approved_uid, approved_at,
           posting_cycle, changed_at,
           EXISTS (SELECT 1 FROM settlement_line l WHERE l.bucket = exception_item.bucket AND l.auth_id = exception_item.auth_id
                   AND NOT l.held) AS settled FROM exception_item "
    };
}

/// Chains whose exceptions are listed up to their end, or a stretch nearer to it.
#[derive(Debug)]
pub struct Stretch {
    instances: Vec<i32>,
    upto: Vec<i64>,
    pub found: Vec<FoundMatter>,
}

/// Waits until nobody else follows. To the end of the transaction.
pub async fn begin_follow(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    // a statement of its own: what follows sees what was committed while it waited
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK_FOLLOW]).await?;
    Ok(())
}

/// What the transaction does besides is planned as usual again.
pub async fn end_follow(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    Ok(transaction.batch_execute("SET LOCAL enable_seqscan TO DEFAULT").await?)
}

/// The next stretch of the lanes' chains; `None` if all were followed to their end.
pub async fn next_stretch(transaction: &Transaction<'_>) -> Result<Option<Stretch>, StoreError> {
    let due = transaction.query(DUE, &[&BATCHES_AT_ONCE]).await?;
    if due.is_empty() {
        return Ok(None);
    }
    // a stretch is found by its place; the journal is never read from end to end for it, whatever the statistics say
    transaction.batch_execute("SET LOCAL enable_seqscan = off").await?;
    let instances: Vec<i32> = due.iter().map(|chain| chain.get(0)).collect();
    let after: Vec<i64> = due.iter().map(|chain| chain.get(1)).collect();
    let upto: Vec<i64> = due.iter().map(|chain| chain.get(2)).collect();
    let rows = transaction.query(ROWS, &[&instances, &after, &upto, &after.iter().min(), &upto.iter().max()]).await?;
    let found = rows.iter().map(|row| {
        let (bucket, auth_id): (i16, i64) = (row.get("bucket"), row.get("auth_id"));
        FoundMatter {
            source: Source::Host,
            reference: format!("{bucket}/{auth_id}"),
            kind: row.get("exception"),
            opened_at: row.get("received_at"),
            business_date: row.get("business_date"),
            amount_minor: row.get("minor"),
            currency: row.get("currency"),
            acquirer: row.get("acquirer"),
            merchant: row.get("merchant"),
            terminal: row.get("terminal"),
            rrn: row.get("rrn"),
            role: row.get("role"),
            row: Some((bucket, auth_id)),
        }
    });
    let found = found.collect();
    Ok(Some(Stretch { instances, upto, found }))
}

/// The stretch is listed.
pub async fn move_on(transaction: &Transaction<'_>, past: &Stretch) -> Result<(), StoreError> {
    transaction.execute(MOVE_ON, &[&past.instances, &past.upto]).await?;
    Ok(())
}

/// Presentments that were not posted and are not listed, some of them.
pub async fn next_presentments(transaction: &Transaction<'_>) -> Result<Vec<FoundMatter>, StoreError> {
    let rows = transaction.query(PRESENTMENTS, &[&PRESENTMENTS_AT_ONCE]).await?;
    let found = |row: &Row| FoundMatter {
        source: Source::Backoffice,
        reference: row.get("reference"),
        kind: row.get("outcome"),
        opened_at: row.get("recorded_at"),
        business_date: row.get("cycle"),
        amount_minor: row.get("minor"),
        currency: row.get("currency"),
        acquirer: row.get("acquirer"),
        merchant: row.get("merchant"),
        terminal: row.get("terminal"),
        rrn: row.get("rrn"),
        role: Some("issued".to_owned()),
        row: row.get::<_, Option<i16>>("auth_bucket").zip(row.get("auth_id")),
    };
    Ok(rows.iter().map(found).collect())
}

/// Lists a matter, unless it is listed. The change is to be recorded.
pub async fn open(client: &impl GenericClient, of: &FoundMatter, at: Timestamp) -> Result<Option<Change>, StoreError> {
    let row = client
        .query_opt(
            INSERT,
            &[
                &of.source.as_str(),
                &of.reference,
                &of.kind,
                &of.opened_at,
                &of.business_date,
                &of.amount_minor,
                &of.currency,
                &of.acquirer,
                &of.merchant,
                &of.terminal,
                &of.rrn,
                &of.role,
                &of.row.map(|(bucket, _)| bucket),
                &of.row.map(|(_, auth_id)| auth_id),
                &at,
            ],
        )
        .await?;
    Ok(row.map(|row| change(&row, "opened", at)))
}

fn change(row: &Row, said: &str, at: Timestamp) -> Change {
    let mut content = FieldHash::of(Subject::Exception.as_str());
    (0..row.len()).for_each(|column| _ = content.text(row.get::<_, Option<&str>>(column)));
    Change {
        subject: Subject::Exception,
        reference: row.get::<_, &str>(0).to_owned(),
        said: said.to_owned(),
        content: content.finish(),
        at,
    }
}

/// Which items are listed.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Without one: those that are not resolved.
    pub state: Option<State>,
    pub source: Option<Source>,
    pub kind: Option<String>,
}

const FILTERED: &str = "WHERE CASE WHEN $1::text IS NULL THEN state <> 'resolved' ELSE state = $1 END
  AND ($2::text IS NULL OR source = $2) AND ($3::text IS NULL OR kind = $3)";

/// The first items of those that are asked for, the oldest number first, and how many there are.
pub async fn list(client: &Client, filter: &Filter, most: u32) -> Result<(Vec<Item>, i64), StoreError> {
    let (state, source) = (filter.state.map(State::as_str), filter.source.map(Source::as_str));
    let count = format!("SELECT count(*) FROM exception_item {FILTERED}");
    let count = client.query_one(&count, &[&state, &source, &filter.kind]).await?.get(0);
    let rows = format!("{} {FILTERED} ORDER BY item LIMIT $4", columns!());
    let rows = client.query(&rows, &[&state, &source, &filter.kind, &i64::from(most)]).await?;
    Ok((rows.iter().map(read).collect::<Result<_, _>>()?, count))
}

/// One item.
pub async fn item(client: &impl GenericClient, number: i64) -> Result<Option<Item>, StoreError> {
    client.query_opt(concat!(columns!(), "WHERE item = $1"), &[&number]).await?.as_ref().map(read).transpose()
}

fn read(row: &Row) -> Result<Item, StoreError> {
    let bucket: Option<i16> = row.get("bucket");
    Ok(Item {
        number: row.get("item"),
        of: FoundMatter {
            source: Source::from_word(row.get("source")).ok_or(StoreError::Column("exception_item.source"))?,
            reference: row.get("reference"),
            kind: row.get("kind"),
            opened_at: row.get("opened_at"),
            business_date: row.get("business_date"),
            amount_minor: row.get("amount_minor"),
            currency: row.get("currency"),
            acquirer: row.get("acquirer"),
            merchant: row.get("merchant"),
            terminal: row.get("terminal"),
            rrn: row.get("rrn"),
            role: row.get("role"),
            row: bucket.zip(row.get("auth_id")),
        },
        state: State::from_word(row.get("state")).ok_or(StoreError::Column("exception_item.state"))?,
        decision: decision(row)?,
        settled: row.get("settled"),
        changed_at: row.get("changed_at"),
    })
}

fn decision(row: &Row) -> Result<Option<Decision>, StoreError> {
    let Some(act) = row.get::<_, Option<&str>>("act") else { return Ok(None) };
    let signature = |by: &str, uid: &'static str, at: &str| -> Result<Option<Signature>, StoreError> {
        let (Some(name), Some(number), Some(at)) = (row.get(by), row.get::<_, Option<i64>>(uid), row.get(at)) else {
            return Ok(None);
        };
        Ok(Some(Signature { name, unix_uid: u32::try_from(number).map_err(|_| StoreError::Column(uid))?, at }))
    };
    Ok(Some(Decision {
        act: Act::from_word(act).ok_or(StoreError::Column("exception_item.act"))?,
        reason: row.get::<_, Option<String>>("reason").unwrap_or_default(),
        proposed: signature("proposed_by", "proposed_uid", "proposed_at")?
            .ok_or(StoreError::Column("exception_item.proposed_by"))?,
        approved: signature("approved_by", "approved_uid", "approved_at")?,
        posting_cycle: row.get::<_, Option<Date>>("posting_cycle"),
    }))
}

const DECIDED: &str = concat!(
    "UPDATE exception_item SET state = $2, act = $3, reason = $4, proposed_by = $5, proposed_uid = $6, proposed_at = $7,
       approved_by = $8, approved_uid = $9, approved_at = $10, posting_cycle = $11, changed_at = $12
     WHERE item = $1 RETURNING ",
    recorded!()
);

/// One item, which nobody else changes before the transaction ends.
pub async fn lock(transaction: &Transaction<'_>, number: i64) -> Result<Option<Item>, StoreError> {
    let sql = concat!(columns!(), "WHERE item = $1 FOR UPDATE");
    transaction.query_opt(sql, &[&number]).await?.as_ref().map(read).transpose()
}

/// Writes what was decided of an item. The change is to be recorded.
pub async fn decided(transaction: &Transaction<'_>, item: &Item, said: &str) -> Result<Change, StoreError> {
    let decision = item.decision.as_ref();
    let proposed = decision.map(|of| &of.proposed);
    let approved = decision.and_then(|of| of.approved.as_ref());
    let uid = |of: Option<&Signature>| of.map(|of| i64::from(of.unix_uid));
    let row = transaction
        .query_one(
            DECIDED,
            &[
                &item.number,
                &item.state.as_str(),
                &decision.map(|of| of.act.as_str()),
                &decision.map(|of| &of.reason),
                &proposed.map(|of| &of.name),
                &uid(proposed),
                &proposed.map(|of| of.at),
                &approved.map(|of| &of.name),
                &uid(approved),
                &approved.map(|of| of.at),
                &decision.and_then(|of| of.posting_cycle),
                &item.changed_at,
            ],
        )
        .await?;
    Ok(change(&row, said, item.changed_at))
}

/// Whether something was posted of the transaction that an item is about.
pub(super) async fn is_presented(transaction: &Transaction<'_>, at: (i16, i64)) -> Result<bool, StoreError> {
    let posted =
        "SELECT EXISTS (SELECT 1 FROM presentment WHERE auth_bucket = $1 AND auth_id = $2 AND posted_minor <> 0)";
    Ok(transaction.query_one(posted, &[&at.0, &at.1]).await?.get(0))
}
