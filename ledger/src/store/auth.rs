//! Table `auth`: the journal.

use std::borrow::Cow;
use std::sync::Arc;

use codecs::value::{
    ApprovalCode, InstitutionId, MerchantId, Minor, Number, PosEntryMode, ResponseCode, Rrn, Stan, TerminalId,
};
use hsm::PanIndex;
use tokio_postgres::types::ToSql;
use tokio_postgres::{GenericClient, Statement};

use super::{StoreError, currency, currency_column, fixed};
use crate::journal::{Kind, Original, Role, Row, RowKey};
use crate::key::{ContentDigest, JournalKey};

/// Rows by primary key. `$1` buckets, `$2` dates, `$3` keys, side by side.
const LOAD: &str = "SELECT a.bucket, a.idem_date, a.idem, a.auth_id, a.kind::text, a.role::text, a.advice, a.digest, a.pan_index,
    a.account_id, a.card_id, a.token_id, a.account_seq, a.response_code, a.reason, a.approval_code, a.requested_minor,
    a.approved_minor, a.currency, a.icc_answer, a.available_minor, a.link, a.acquirer, a.issuer, a.merchant, a.terminal, a.mcc,
    a.entry_mode, a.stan, a.rrn, a.lifecycle, a.local_at, a.received_at, a.business_date, a.cycle, a.original_date,
    a.original_idem, a.original_auth_id, a.why
  FROM unnest($1::int2[], $2::date[], $3::bytea[]) AS u(bucket, idem_date, idem)
  JOIN auth a ON a.bucket = u.bucket AND a.idem_date = u.idem_date AND a.idem = u.idem";

const INSERT: &str = "INSERT INTO auth (bucket, idem_date, idem, auth_id, kind, role, advice, digest, pan_index, account_id, card_id,
    token_id, account_seq, response_code, reason, approval_code, requested_minor, approved_minor, currency, icc_answer,
    available_minor, link, acquirer, issuer, merchant, terminal, mcc, entry_mode, stan, rrn, lifecycle, local_at, received_at,
    business_date, cycle, original_date, original_idem, original_auth_id, exception, why, lane_instance, batch_seq, batch_pos)
  SELECT u.bucket, u.idem_date, u.idem, u.auth_id, u.kind::auth_kind, u.role::auth_role, u.advice, u.digest, u.pan_index,
    u.account_id, u.card_id, u.token_id, u.account_seq, u.response_code, u.reason, u.approval_code, u.requested_minor,
    u.approved_minor, u.currency, u.icc_answer, u.available_minor, u.link, u.acquirer, u.issuer, u.merchant, u.terminal, u.mcc,
    u.entry_mode, u.stan, u.rrn, u.lifecycle, u.local_at, u.received_at, u.business_date, u.cycle, u.original_date,
    u.original_idem, u.original_auth_id, u.exception, u.why, $41::int4, $42::int8, u.pos
  FROM unnest($1::int2[], $2::date[], $3::bytea[], $4::int8[], $5::text[], $6::text[], $7::bool[], $8::bytea[], $9::bytea[],
    $10::int8[], $11::int8[], $12::int8[], $13::int8[], $14::text[], $15::text[], $16::text[], $17::int8[], $18::int8[],
    $19::int2[], $20::bytea[], $21::int8[], $22::text[], $23::text[], $24::text[], $25::text[], $26::text[], $27::int2[],
    $28::text[], $29::int4[], $30::text[], $31::text[], $32::timestamp[], $33::timestamptz[], $34::date[], $35::date[],
    $36::date[], $37::bytea[], $38::int8[], $39::text[], $40::bytea[], $43::int2[])
    AS u(bucket, idem_date, idem, auth_id, kind, role, advice, digest, pan_index, account_id, card_id, token_id, account_seq,
    response_code, reason, approval_code, requested_minor, approved_minor, currency, icc_answer, available_minor, link, acquirer,
    issuer, merchant, terminal, mcc, entry_mode, stan, rrn, lifecycle, local_at, received_at, business_date, cycle, original_date,
    original_idem, original_auth_id, exception, why, pos)";

/// The journal's statements, prepared on one connection.
#[derive(Debug)]
pub(super) struct AuthTable {
    load: Statement,
    insert: Statement,
}

/// Position of a batch of rows in its chain.
#[derive(Clone, Copy, Debug)]
pub(super) struct LinkPlace {
    pub lane_instance: i32,
    pub batch_seq: i64,
}

impl AuthTable {
    pub(super) async fn prepare(client: &impl GenericClient) -> Result<Self, StoreError> {
        Ok(Self { load: client.prepare(LOAD).await?, insert: client.prepare(INSERT).await? })
    }

    /// The rows that exist under these keys.
    pub(super) async fn load(&self, client: &impl GenericClient, keys: &[RowKey]) -> Result<Vec<Row>, StoreError> {
        let buckets: Vec<i16> = keys.iter().map(|key| key.bucket).collect();
        let dates: Vec<_> = keys.iter().map(|key| key.date).collect();
        let idems: Vec<&[u8]> = keys.iter().map(|key| &key.idem.0[..]).collect();
        client.query(&self.load, &[&buckets, &dates, &idems]).await?.iter().map(read).collect()
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
        let columns: [&(dyn ToSql + Sync); 43] = [
            &column!(row => row.bucket),
            &column!(row => row.idem_date),
            &column!(row => &row.idem.0[..]),
            &column!(row => row.auth_id),
            &column!(row => row.kind.as_str()),
            &column!(row => row.role.as_str()),
            &column!(row => row.advice),
            &column!(row => &row.digest.0[..]),
            &column!(row => row.pan_index.as_ref().map(|index| &index.0[..])),
            &column!(row => row.account_id),
            &column!(row => row.card_id),
            &column!(row => row.token_id),
            &column!(row => row.account_seq),
            &column!(row => row.response_code.as_str()),
            &column!(row => row.reason.as_deref()),
            &column!(row => row.approval_code.as_ref().map(ApprovalCode::as_str)),
            &column!(row => row.requested.0),
            &column!(row => row.approved.0),
            &column!(row => currency_column(row.currency)),
            &column!(row => row.icc_answer.as_deref()),
            &column!(row => row.available.map(|minor| minor.0)),
            &column!(row => row.link.as_str()),
            &column!(row => row.acquirer.as_str()),
            &column!(row => row.issuer.as_deref()),
            &column!(row => row.merchant.as_ref().map(MerchantId::as_str)),
            &column!(row => row.terminal.as_ref().map(TerminalId::as_str)),
            &column!(row => row.mcc.and_then(mcc_column)),
            &column!(row => row.entry_mode.map(|mode| mode.to_string())),
            &column!(row => stan_column(row.stan)),
            &column!(row => row.rrn.as_ref().map(Rrn::as_str)),
            &column!(row => row.life_cycle.as_str()),
            &column!(row => row.local_at),
            &column!(row => row.received_at),
            &column!(row => row.business_date),
            &column!(row => row.cycle),
            &column!(row => row.original.map(|original| original.date)),
            &column!(row => row.original.as_ref().map(|original| &original.idem.0[..])),
            &column!(row => row.original.and_then(|original| original.auth_id)),
            &column!(row => row.exception),
            &column!(row => row.why.as_slice()),
            &place.lane_instance,
            &place.batch_seq,
            &pos,
        ];
        client.execute(&self.insert, &columns).await?;
        Ok(())
    }
}

/// Trace numbers have six digits.
fn stan_column(stan: Stan) -> i32 {
    i32::try_from(stan.0).expect("a trace number has six digits")
}

/// Merchant category codes have four digits; a longer one is stored as none.
fn mcc_column(mcc: Number<4>) -> Option<i16> {
    i16::try_from(mcc.0).ok()
}

/// The value of a nullable text column, parsed.
fn text<T>(
    row: &tokio_postgres::Row,
    column: &'static str,
    value: fn(&str) -> Option<T>,
) -> Result<Option<T>, StoreError> {
    let text: Option<&str> = row.get(column);
    text.map(|text| value(text).ok_or(StoreError::Column(column))).transpose()
}

fn read(row: &tokio_postgres::Row) -> Result<Row, StoreError> {
    let kind: &str = row.get("kind");
    let role: &str = row.get("role");
    let code: &str = row.get("response_code");
    let original: Option<jiff::civil::Date> = row.get("original_date");
    let pan_index: Option<&[u8]> = row.get("pan_index");
    let stan: i32 = row.get("stan");
    let mcc: Option<i16> = row.get("mcc");
    Ok(Row {
        bucket: row.get("bucket"),
        idem_date: row.get("idem_date"),
        idem: JournalKey(fixed(row.get("idem"), "auth.idem")?),
        auth_id: row.get("auth_id"),
        kind: Kind::from_word(kind).ok_or(StoreError::Column("auth.kind"))?,
        role: Role::from_word(role).ok_or(StoreError::Column("auth.role"))?,
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
        currency: currency(row.get("currency")),
        icc_answer: row.get("icc_answer"),
        available: row.get::<_, Option<i64>>("available_minor").map(Minor),
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
        // read by the back office only; no decision uses it
        exception: None,
        why: row.get("why"),
    })
}

#[cfg(test)]
mod tests;
