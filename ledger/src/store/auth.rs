//! Table `auth`: the journal.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use codecs::originator::KeyClass;
use codecs::value::{
    ApprovalCode, InstitutionId, MerchantId, Minor, Money, Number, PosEntryMode, ResponseCode, Rrn, Stan, TerminalId,
};
use hsm::PanIndex;
use jiff::civil::Date;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, GenericClient, Statement};

use super::word::Word;
use super::{StoreError, currency, currency_column, fixed, text};
use crate::journal::{Counted, HoldChange, Kind, Original, Role, Row, RowKey};
use crate::key::{ContentDigest, JournalKey};

/// The columns of a row, without its place in a chain.
const COLUMNS: &str =
    "auth_id, account_id, account_seq, card_id, token_id, requested_minor, approved_minor, standing_minor,
    transaction_minor, available_minor, hold_auth_id, hold_left_minor, counted_minor, original_auth_id, local_at,
    received_at, idem_date, business_date, cycle, original_date, hold_expires_on, counted_on, stan, kind, role,
    bucket, class, currency, transaction_currency, mcc, advice, response_code, idem, digest, pan_index, original_idem,
    reason, exception, approval_code, icc_answer, link, acquirer, issuer, merchant, terminal, entry_mode, rrn,
    lifecycle, why";

const INSERT: &str = "INSERT INTO auth (auth_id, account_id, account_seq, card_id, token_id, requested_minor, approved_minor,
    standing_minor, transaction_minor, available_minor, hold_auth_id, hold_left_minor,
    counted_minor, original_auth_id, local_at, received_at, idem_date, business_date, cycle,
    original_date, hold_expires_on, counted_on, stan, kind, role, bucket, class, currency,
    transaction_currency, mcc, advice, response_code, idem, digest, pan_index, original_idem,
    reason, exception, approval_code, icc_answer, link, acquirer, issuer, merchant, terminal,
    entry_mode, rrn, lifecycle, why, lane_instance, batch_seq, batch_pos, hash_version)
  SELECT u.auth_id, u.account_id, u.account_seq, u.card_id, u.token_id, u.requested_minor, u.approved_minor,
    u.standing_minor, u.transaction_minor, u.available_minor, u.hold_auth_id, u.hold_left_minor,
    u.counted_minor, u.original_auth_id, u.local_at, u.received_at, u.idem_date, u.business_date, u.cycle,
    u.original_date, u.hold_expires_on, u.counted_on, u.stan, u.kind, u.role, u.bucket, u.class, u.currency,
    u.transaction_currency, u.mcc, u.advice, u.response_code, u.idem, u.digest, u.pan_index, u.original_idem,
    u.reason, u.exception, u.approval_code, u.icc_answer, u.link, u.acquirer, u.issuer, u.merchant,
    u.terminal, u.entry_mode, u.rrn, u.lifecycle, u.why, $51::int4, $52::int8, u.batch_pos, 2::int2
  FROM unnest($1::int8[], $2::int8[], $3::int8[], $4::int8[], $5::int8[], $6::int8[], $7::int8[], $8::int8[], $9::int8[],
    $10::int8[], $11::int8[], $12::int8[], $13::int8[], $14::int8[], $15::timestamp[], $16::timestamptz[],
    $17::date[], $18::date[], $19::date[], $20::date[], $21::date[], $22::date[], $23::int4[],
    $24::auth_kind[], $25::auth_role[], $26::int2[], $27::int2[], $28::int2[], $29::int2[], $30::int2[],
    $31::bool[], $32::text[], $33::bytea[], $34::bytea[], $35::bytea[], $36::bytea[], $37::text[],
    $38::text[], $39::text[], $40::bytea[], $41::text[], $42::text[], $43::text[], $44::text[], $45::text[],
    $46::text[], $47::text[], $48::text[], $49::bytea[], $50::int2[])
    AS u(auth_id, account_id, account_seq, card_id, token_id, requested_minor, approved_minor, standing_minor,
    transaction_minor, available_minor, hold_auth_id, hold_left_minor, counted_minor, original_auth_id,
    local_at, received_at, idem_date, business_date, cycle, original_date, hold_expires_on, counted_on, stan,
    kind, role, bucket, class, currency, transaction_currency, mcc, advice, response_code, idem, digest,
    pan_index, original_idem, reason, exception, approval_code, icc_answer, link, acquirer, issuer, merchant,
    terminal, entry_mode, rrn, lifecycle, why, batch_pos)";

/// The month of the dates in keys that one partition has.
type Month = (i16, i8);

/// The statements that write and read the journal, prepared on one connection. What is read by key is read from the
/// partition of the key's month itself: through the parent, every statement would be planned for all of them.
#[derive(Debug)]
pub(super) struct AuthTable {
    insert: Statement,
    months: HashMap<Month, MonthStatements>,
    /// Followers in every month, once somebody asked.
    anywhere: Option<Statement>,
}

#[derive(Debug)]
struct MonthStatements {
    /// Rows by primary key. `$1` buckets, `$2` dates, `$3` keys, side by side.
    load: Statement,
    /// Rows that name others as their original, by the keys of those.
    followers: Statement,
}

/// Position of a batch of rows in its chain.
#[derive(Clone, Copy, Debug)]
pub(super) struct LinkPlace {
    pub lane_instance: i32,
    pub batch_seq: i64,
}

impl AuthTable {
    pub(super) async fn prepare(client: &impl GenericClient) -> Result<Self, StoreError> {
        Ok(Self { insert: client.prepare(INSERT).await?, months: HashMap::new(), anywhere: None })
    }

    /// Prepares the statements for the months of these keys. To be called before a flight: preparing waits for the
    /// server.
    pub(super) async fn prepare_months(&mut self, client: &Client, keys: [&[RowKey]; 2]) -> Result<(), StoreError> {
        for key in keys.into_iter().flatten() {
            let month = month_of(key.date);
            if let Entry::Vacant(vacant) = self.months.entry(month) {
                vacant.insert(MonthStatements::prepare(client, month).await?);
            }
        }
        Ok(())
    }

    /// Prepares to look for followers in every month, if any are wanted: it is planned for each of them, and few ask for it.
    pub(super) async fn prepare_anywhere(&mut self, client: &Client, keys: &[RowKey]) -> Result<(), StoreError> {
        if self.anywhere.is_none() && !keys.is_empty() {
            self.anywhere = Some(client.prepare(&followers_in("auth")).await?);
        }
        Ok(())
    }

    /// The rows of any month that name one of these as their original. It is prepared.
    pub(super) async fn load_followers_anywhere(
        &self,
        client: &Client,
        keys: &[RowKey],
    ) -> Result<Vec<Row>, StoreError> {
        let Some(statement) = self.anywhere.as_ref().filter(|_| !keys.is_empty()) else { return Ok(Vec::new()) };
        let buckets: Vec<i16> = keys.iter().map(|key| key.bucket).collect();
        let dates: Vec<Date> = keys.iter().map(|key| key.date).collect();
        let idems: Vec<&[u8]> = keys.iter().map(|key| &key.idem.0[..]).collect();
        client.query(statement, &[&buckets, &dates, &idems]).await?.iter().map(read).collect()
    }

    /// The rows that exist under these keys. Their months are prepared.
    pub(super) async fn load(&self, client: &Client, keys: &[RowKey]) -> Result<Vec<Row>, StoreError> {
        self.of_months(client, keys, |statements| &statements.load).await
    }

    /// The rows of these keys' months that name one of them as their original: reversals, full and partial, tombstones,
    /// completions. The months are prepared.
    pub(super) async fn load_followers(&self, client: &Client, keys: &[RowKey]) -> Result<Vec<Row>, StoreError> {
        self.of_months(client, keys, |statements| &statements.followers).await
    }

    async fn of_months(
        &self,
        client: &Client,
        keys: &[RowKey],
        statement: fn(&MonthStatements) -> &Statement,
    ) -> Result<Vec<Row>, StoreError> {
        let of_month = |(month, statements)| async move {
            let mine = || keys.iter().filter(move |key| month_of(key.date) == month);
            let buckets: Vec<i16> = mine().map(|key| key.bucket).collect();
            if buckets.is_empty() {
                return Ok(Vec::new());
            }
            let dates: Vec<Date> = mine().map(|key| key.date).collect();
            let idems: Vec<&[u8]> = mine().map(|key| &key.idem.0[..]).collect();
            let rows = client.query(statement(statements), &[&buckets, &dates, &idems]).await?;
            rows.iter().map(read).collect::<Result<Vec<_>, StoreError>>()
        };
        let months = self.months.iter().map(|(month, statements)| of_month((*month, statements)));
        Ok(futures::future::try_join_all(months).await?.into_iter().flatten().collect())
    }

    /// Inserts a batch of rows in the order in which the chain's link hashes them.
    pub(super) async fn insert(
        &self,
        client: &impl GenericClient,
        rows: &[Arc<Row>],
        place: LinkPlace,
    ) -> Result<(), StoreError> {
        macro_rules! column {
            ($row:ident => $value:expr) => {
                rows.iter().map(|$row| $value).collect::<Vec<_>>()
            };
        }
        let pos: Vec<i16> = (0..).take(rows.len()).collect();
        let columns: [&(dyn ToSql + Sync); 52] = [
            &column!(row => row.auth_id),
            &column!(row => row.account_id),
            &column!(row => row.account_seq),
            &column!(row => row.card_id),
            &column!(row => row.token_id),
            &column!(row => row.requested.0),
            &column!(row => row.approved.0),
            &column!(row => row.standing.map(|minor| minor.0)),
            &column!(row => row.transaction.map(|of| of.minor.0)),
            &column!(row => row.available.map(|minor| minor.0)),
            &column!(row => row.hold.map(|hold| hold.auth_id)),
            &column!(row => row.hold.map(|hold| hold.left.0)),
            &column!(row => row.counted.map(|counted| counted.minor)),
            &column!(row => row.original.and_then(|original| original.auth_id)),
            &column!(row => row.local_at),
            &column!(row => row.received_at),
            &column!(row => row.idem_date),
            &column!(row => row.business_date),
            &column!(row => row.cycle),
            &column!(row => row.original.map(|original| original.date)),
            &column!(row => row.hold.and_then(|hold| hold.expires_on)),
            &column!(row => row.counted.map(|counted| counted.on)),
            &column!(row => stan_column(row.stan)),
            &column!(row => Word(row.kind.as_str())),
            &column!(row => Word(row.role.as_str())),
            &column!(row => row.bucket),
            &column!(row => row.class.map(|class| class as i16)),
            &column!(row => currency_column(row.currency)),
            &column!(row => row.transaction.map(|of| currency_column(of.currency))),
            &column!(row => row.mcc.and_then(mcc_column)),
            &column!(row => row.advice),
            &column!(row => row.response_code.as_str()),
            &column!(row => &row.idem.0[..]),
            &column!(row => &row.digest.0[..]),
            &column!(row => row.pan_index.as_ref().map(|index| &index.0[..])),
            &column!(row => row.original.as_ref().map(|original| &original.idem.0[..])),
            &column!(row => row.reason.as_deref()),
            &column!(row => row.exception.as_deref()),
            &column!(row => row.approval_code.as_ref().map(ApprovalCode::as_str)),
            &column!(row => row.icc_answer.as_deref()),
            &column!(row => row.link.as_str()),
            &column!(row => row.acquirer.as_str()),
            &column!(row => row.issuer.as_deref()),
            &column!(row => row.merchant.as_ref().map(MerchantId::as_str)),
            &column!(row => row.terminal.as_ref().map(TerminalId::as_str)),
            &column!(row => row.entry_mode.map(|mode| mode.to_string())),
            &column!(row => row.rrn.as_ref().map(Rrn::as_str)),
            &column!(row => row.life_cycle.as_str()),
            &column!(row => row.why.as_slice()),
            &pos,
            &place.lane_instance,
            &place.batch_seq,
        ];
        client.execute(&self.insert, &columns).await?;
        Ok(())
    }
}

impl MonthStatements {
    async fn prepare(client: &Client, (year, month): Month) -> Result<Self, StoreError> {
        let columns = columns();
        // OFFSET 0 keeps the key at the index: a plan that is made while the month is empty may not read all of it instead
        let partition = format!("auth_{year:04}_{month:02}");
        let load = format!(
            "SELECT {columns} FROM {KEYS}
             CROSS JOIN LATERAL (SELECT * FROM {partition} a
               WHERE a.bucket = u.bucket AND a.idem_date = u.idem_date AND a.idem = u.idem OFFSET 0) a"
        );
        Ok(Self { load: client.prepare(&load).await?, followers: client.prepare(&followers_in(&partition)).await? })
    }
}

/// Keys of rows as a table of their own.
const KEYS: &str = "unnest($1::int2[], $2::date[], $3::bytea[]) AS u(bucket, idem_date, idem)";

fn columns() -> String {
    COLUMNS.split(',').map(|name| format!("a.{}", name.trim())).collect::<Vec<_>>().join(", ")
}

/// The statement for rows of a table that name others as their original.
fn followers_in(table: &str) -> String {
    let columns = columns();
    format!(
        "SELECT DISTINCT ON (a.auth_id) {columns} FROM {KEYS}
         CROSS JOIN LATERAL (SELECT * FROM {table} a
           WHERE a.bucket = u.bucket AND a.original_idem = u.idem AND a.original_idem IS NOT NULL OFFSET 0) a"
    )
}

fn month_of(date: Date) -> Month {
    (date.year(), date.month())
}

/// Trace numbers have six digits.
fn stan_column(stan: Stan) -> i32 {
    i32::try_from(stan.0).expect("a trace number has six digits")
}

/// Merchant category codes have four digits; a longer one is stored as none.
fn mcc_column(mcc: Number<4>) -> Option<i16> {
    i16::try_from(mcc.0).ok()
}

fn read(row: &tokio_postgres::Row) -> Result<Row, StoreError> {
    let (kind, role): (Word<'_>, Word<'_>) = (row.get("kind"), row.get("role"));
    let code: &str = row.get("response_code");
    let original: Option<Date> = row.get("original_date");
    let pan_index: Option<&[u8]> = row.get("pan_index");
    let stan: i32 = row.get("stan");
    let mcc: Option<i16> = row.get("mcc");
    let class: Option<i16> = row.get("class");
    let class_of = |number: i16| u8::try_from(number).ok().and_then(KeyClass::from_number);
    let minor = |column: &str| row.get::<_, Option<i64>>(column).map(Minor);
    let transaction_currency = row.get::<_, Option<i16>>("transaction_currency").map(currency);
    Ok(Row {
        bucket: row.get("bucket"),
        idem_date: row.get("idem_date"),
        idem: JournalKey(fixed(row.get("idem"), "auth.idem")?),
        auth_id: row.get("auth_id"),
        kind: Kind::from_word(kind.0).ok_or(StoreError::Column("auth.kind"))?,
        class: class.map(|number| class_of(number).ok_or(StoreError::Column("auth.class"))).transpose()?,
        role: Role::from_word(role.0).ok_or(StoreError::Column("auth.role"))?,
        advice: row.get("advice"),
        digest: ContentDigest(fixed(row.get("digest"), "auth.digest")?),
        pan_index: pan_index.map(|index| fixed(index, "auth.pan_index")).transpose()?.map(PanIndex),
        account_id: row.get("account_id"),
        card_id: row.get("card_id"),
        token_id: row.get("token_id"),
        account_seq: row.get("account_seq"),
        response_code: ResponseCode(fixed(code.as_bytes(), "auth.response_code")?),
        reason: row.get::<_, Option<String>>("reason").map(Cow::Owned),
        approval_code: text(row, "approval_code", ApprovalCode::new)?,
        requested: Minor(row.get("requested_minor")),
        approved: Minor(row.get("approved_minor")),
        standing: minor("standing_minor"),
        currency: currency(row.get("currency")),
        transaction: minor("transaction_minor")
            .zip(transaction_currency)
            .map(|(minor, currency)| Money { minor, currency }),
        icc_answer: row.get("icc_answer"),
        available: minor("available_minor"),
        link: row.get("link"),
        acquirer: InstitutionId::new(row.get("acquirer")).ok_or(StoreError::Column("auth.acquirer"))?,
        issuer: row.get("issuer"),
        merchant: text(row, "merchant", MerchantId::new)?,
        terminal: text(row, "terminal", TerminalId::new)?,
        mcc: mcc.map(|mcc| Number(mcc.unsigned_abs().into())),
        entry_mode: text(row, "entry_mode", PosEntryMode::parse)?,
        stan: Stan(stan.unsigned_abs()),
        rrn: text(row, "rrn", Rrn::new)?,
        life_cycle: row.get("lifecycle"),
        local_at: row.get("local_at"),
        received_at: row.get("received_at"),
        business_date: row.get("business_date"),
        cycle: row.get("cycle"),
        original: match original {
            Some(date) => Some(Original {
                date,
                idem: JournalKey(fixed(row.get("original_idem"), "auth.original_idem")?),
                auth_id: row.get("original_auth_id"),
            }),
            None => None,
        },
        hold: row
            .get::<_, Option<i64>>("hold_auth_id")
            .zip(minor("hold_left_minor"))
            .map(|(auth_id, left)| HoldChange { auth_id, left, expires_on: row.get("hold_expires_on") }),
        counted: row
            .get::<_, Option<Date>>("counted_on")
            .zip(row.get::<_, Option<i64>>("counted_minor"))
            .map(|(on, minor)| Counted { on, minor }),
        exception: row.get::<_, Option<String>>("exception").map(Cow::Owned),
        why: row.get("why"),
    })
}

#[cfg(test)]
mod tests;
