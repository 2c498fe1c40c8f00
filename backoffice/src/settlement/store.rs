//! The settlement tables, and the query for the movements of a cycle.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use ledger::journal::{Kind, Role};
use ledger::store::StoreError;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, GenericClient, Row, Transaction};

use super::Payer;
use super::export::PresentmentCount;
use super::fees::Charge;
use super::held::{Decided, Treatment};
use super::line::{Charged, MerchantBalance, Movement, MovementKind, OriginalCapture, SettlementLine};
use super::position::{MatchedPresentment, Position, Side};
use super::posting::OwnSums;
use super::sender::Sender;

/// Captured movements of our merchants in a cycle: journal rows with a leg on a merchant's account. A released hold, or
/// an advice that moved nothing, has no such leg. Postings are found by the cycle, as the rows are: they have no index by
/// number that would find single ones. A reversal has beside it what its capture was, what stood of it, and what it was
/// charged in earlier batches. Earlier reversals are those of earlier cycles and, within a cycle, those of lower number:
/// numbers of two hosts at once do not follow time, but a cycle that is closed gets no further ones.
const MOVEMENTS: &str = "
    SELECT a.bucket, a.auth_id, a.kind::text AS kind, a.role::text AS role,
           CASE WHEN l.payee_kind = 'merchant' THEN l.amount_minor ELSE -l.amount_minor END AS amount_minor,
           CASE WHEN l.payee_kind = 'merchant' THEN l.payee_ref ELSE l.payer_ref END AS merchant, a.currency,
           a.terminal, coalesce(o.mcc, a.mcc) AS mcc, coalesce(o.entry_mode, a.entry_mode) AS entry_mode, a.rrn, a.approval_code,
           a.lifecycle, a.local_at, a.business_date, a.issuer,
           coalesce(t.dpan_masked, c.pan_masked, f.pan_masked) AS pan_masked, a.approved_minor,
           o.auth_id AS original_auth_id, o.cycle AS original_cycle, o.kind::text AS original_kind,
           o.approved_minor - coalesce(e.minor, 0) AS standing_minor,
           CASE WHEN s.settled THEN s.fee_minor + coalesce(e.fee_minor, 0) END AS charged_fee,
           CASE WHEN e.same_cycle IS NOT TRUE THEN s.interchange_minor + coalesce(e.interchange_minor, 0) END AS charged_interchange,
           s.scheme_fee_minor + coalesce(e.scheme_fee_minor, 0) AS charged_scheme_fee,
           CASE a.kind WHEN 'reversal' THEN o.exception ELSE a.exception END AS exception, x.act, s.settled, s.rejected
    FROM auth a
    JOIN posting l ON l.cycle = $1 AND l.bucket = a.bucket AND l.auth_id = a.auth_id
                  AND (l.payer_kind = 'merchant' OR l.payee_kind = 'merchant')
    LEFT JOIN auth o ON a.kind = 'reversal' AND o.bucket = a.bucket AND o.idem_date = a.original_date AND o.idem = a.original_idem
    LEFT JOIN LATERAL (
        SELECT bool_or(NOT s.held) AS settled, bool_or(s.rejected) AS rejected, sum(s.fee_minor)::int8 AS fee_minor,
               sum(s.interchange_minor)::int8 AS interchange_minor, sum(s.scheme_fee_minor)::int8 AS scheme_fee_minor
        FROM settlement_line s WHERE a.kind = 'reversal' AND o.cycle < $1 AND s.bucket = o.bucket AND s.auth_id = o.auth_id) s
      ON a.kind = 'reversal'
    LEFT JOIN LATERAL (
        SELECT sum(v.approved_minor)::int8 AS minor, bool_or(v.cycle = $1) AS same_cycle, sum(w.fee_minor)::int8 AS fee_minor,
               sum(w.interchange_minor)::int8 AS interchange_minor, sum(w.scheme_fee_minor)::int8 AS scheme_fee_minor
        FROM auth v LEFT JOIN LATERAL (
            SELECT sum(l.fee_minor) AS fee_minor, sum(l.interchange_minor) AS interchange_minor,
                   sum(l.scheme_fee_minor) AS scheme_fee_minor
            FROM settlement_line l WHERE v.cycle < $1 AND l.bucket = v.bucket AND l.auth_id = v.auth_id) w ON true
        WHERE v.bucket = a.bucket AND v.original_idem = a.original_idem AND v.original_date = a.original_date
          AND v.kind = 'reversal' AND v.approved_minor <> 0 AND (v.cycle, v.auth_id) < ($1, a.auth_id)) e ON a.kind = 'reversal'
    LEFT JOIN exception_item x ON x.source = 'host' AND x.state = 'resolved'
                              AND x.reference = a.bucket || '/' || coalesce(o.auth_id, a.auth_id)
    LEFT JOIN token t ON t.bucket = a.bucket AND t.token_id = a.token_id
    LEFT JOIN card c ON c.bucket = a.bucket AND c.card_id = a.card_id
    LEFT JOIN foreign_card f ON a.role = 'acquired' AND f.pan_index = coalesce(a.pan_index, o.pan_index)
                            AND f.bucket = get_byte(f.pan_index, 0) % 64
    WHERE a.cycle = $1
    ORDER BY 6, a.local_at, a.auth_id";

/// The movements of a cycle, in the order in which merchants see them.
pub async fn movements(client: &impl GenericClient, cycle: Date) -> Result<Vec<Movement>, StoreError> {
    client.query(MOVEMENTS, &[&cycle]).await?.iter().map(read_movement).collect()
}

/// Movements that batches before cycle `$1` have held in currency `$2`, and that people have decided since. Nothing was
/// charged for them yet; a reversal was held because what it reverses was, so both are here.
const DECIDED: &str = "
    SELECT a.bucket, a.auth_id, a.kind::text AS kind, a.role::text AS role, h.gross_minor AS amount_minor, h.merchant, a.currency,
           a.terminal, coalesce(o.mcc, a.mcc) AS mcc, coalesce(o.entry_mode, a.entry_mode) AS entry_mode, a.rrn, a.approval_code,
           a.lifecycle, a.local_at, a.business_date, a.issuer, h.pan_masked, a.approved_minor,
           o.auth_id AS original_auth_id, o.cycle AS original_cycle, o.kind::text AS original_kind,
           o.approved_minor - coalesce(e.minor, 0) AS standing_minor,
           NULL::int8 AS charged_fee, NULL::int8 AS charged_interchange, NULL::int8 AS charged_scheme_fee,
           CASE a.kind WHEN 'reversal' THEN o.exception ELSE a.exception END AS exception, x.act, false AS settled, false AS rejected
    FROM settlement_line h
    JOIN settlement_batch b ON b.batch_id = h.batch_id AND b.cycle < $1 AND b.currency = $2
    JOIN auth a ON a.cycle = b.cycle AND a.bucket = h.bucket AND a.auth_id = h.auth_id
    LEFT JOIN auth o ON a.kind = 'reversal' AND o.bucket = a.bucket AND o.idem_date = a.original_date AND o.idem = a.original_idem
    LEFT JOIN LATERAL (
        SELECT sum(v.approved_minor)::int8 AS minor FROM auth v
        WHERE v.bucket = a.bucket AND v.original_idem = a.original_idem AND v.original_date = a.original_date
          AND v.kind = 'reversal' AND v.approved_minor <> 0 AND (v.cycle, v.auth_id) < (a.cycle, a.auth_id)) e ON a.kind = 'reversal'
    JOIN exception_item x ON x.source = 'host' AND x.state = 'resolved'
                         AND x.reference = a.bucket || '/' || coalesce(o.auth_id, a.auth_id)
    WHERE h.held AND NOT EXISTS (SELECT 1 FROM settlement_line l WHERE l.bucket = h.bucket AND l.auth_id = h.auth_id AND NOT l.held)
    ORDER BY h.merchant, a.local_at, a.auth_id";

/// Held movements of earlier batches that were decided since.
pub async fn decided(client: &impl GenericClient, before: Date, currency: i16) -> Result<Vec<Movement>, StoreError> {
    client.query(DECIDED, &[&before, &currency]).await?.iter().map(read_movement).collect()
}

fn read_movement(row: &Row) -> Result<Movement, StoreError> {
    let kind = Kind::from_word(row.get("kind")).ok_or(StoreError::Column("auth.kind"))?;
    let original_kind: Option<&str> = row.get("original_kind");
    let (approved, standing): (i64, Option<i64>) = (row.get("approved_minor"), row.get("standing_minor"));
    let movement_kind = match kind {
        Kind::Purchase | Kind::Completion => MovementKind::Sale,
        Kind::Refund => MovementKind::Refund,
        Kind::Reversal => MovementKind::Reversal {
            of_refund: original_kind.and_then(Kind::from_word) == Some(Kind::Refund),
            whole: standing == Some(approved),
        },
        _ => return Err(StoreError::Column("auth.kind")),
    };
    let charged = row.get::<_, Option<i64>>("charged_interchange").map(|interchange_minor| Charged {
        fee_minor: row.get("charged_fee"),
        interchange_minor,
        scheme_fee_minor: row.get("charged_scheme_fee"),
    });
    let settled = row.get::<_, Option<bool>>("settled") == Some(true);
    let rejected = row.get::<_, Option<bool>>("rejected") == Some(true);
    let settled = settled.then_some(if rejected { Treatment::Rejected } else { Treatment::Payable });
    let decided = row.get::<_, Option<&str>>("act").and_then(Decided::of);
    let original: (Option<i64>, Option<Date>) = (row.get("original_auth_id"), row.get("original_cycle"));
    let original = original.0.zip(original.1).zip(standing).map(|((auth_id, cycle), standing_minor)| OriginalCapture {
        auth_id,
        cycle,
        standing_minor,
        charged,
    });
    Ok(Movement {
        bucket: row.get("bucket"),
        auth_id: row.get("auth_id"),
        kind: movement_kind,
        role: Role::from_word(row.get("role")).ok_or(StoreError::Column("auth.role"))?,
        gross_minor: row.get("amount_minor"),
        currency: row.get::<_, i16>("currency").unsigned_abs(),
        merchant: row.get("merchant"),
        terminal: row.get("terminal"),
        mcc: row.get("mcc"),
        entry_mode: row.get("entry_mode"),
        rrn: row.get("rrn"),
        approval: row.get("approval_code"),
        life_cycle: row.get("lifecycle"),
        local_at: row.get("local_at"),
        business_date: row.get("business_date"),
        pan_masked: row.get("pan_masked"),
        issuer: row.get("issuer"),
        original,
        treatment: Treatment::of(row.get("exception"), decided, settled),
    })
}

/// What the last batch before `cycle` carried forward, by merchant. What an earlier one had carried forward is in it: each
/// batch has a row of every merchant to whom the one before left something.
pub async fn brought_forward(
    client: &impl GenericClient,
    cycle: Date,
    currency: i16,
) -> Result<BTreeMap<String, i64>, StoreError> {
    let rows = client
        .query(
            "SELECT merchant, carried_forward_minor FROM settlement_merchant
             WHERE carried_forward_minor <> 0 AND batch_id =
               (SELECT batch_id FROM settlement_batch WHERE cycle < $1 AND currency = $2 ORDER BY cycle DESC LIMIT 1)",
            &[&cycle, &currency],
        )
        .await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// The matched presentments of a cycle, and the scheme fees that we owe for them.
pub async fn matched_presentments(
    client: &impl GenericClient,
    cycle: Date,
    currency: i16,
) -> Result<(Vec<MatchedPresentment>, i64), StoreError> {
    let rows = client
        .query(
            "SELECT acquirer, posted_minor, interchange_minor, scheme_fee_minor FROM presentment
             WHERE cycle = $1 AND coalesce(posted_currency, currency) = $2 AND posted_minor <> 0 ORDER BY file_id, record",
            &[&cycle, &currency],
        )
        .await?;
    let matched = rows.iter().map(|row| MatchedPresentment {
        acquirer: row.get("acquirer"),
        minor: row.get("posted_minor"),
        interchange_minor: row.get("interchange_minor"),
    });
    let scheme_fee: i64 = rows.iter().map(|row| row.get::<_, i64>("scheme_fee_minor")).sum();
    Ok((matched.collect(), scheme_fee))
}

/// Number of presentments of the cycle by outcome.
pub async fn presentment_counts(client: &impl GenericClient, cycle: Date) -> Result<Vec<PresentmentCount>, StoreError> {
    let rows = client
        .query(
            "SELECT outcome, count(*) AS items, sum(presented_minor)::int8 AS minor FROM presentment
             WHERE cycle = $1 GROUP BY outcome ORDER BY outcome",
            &[&cycle],
        )
        .await?;
    let count =
        |row: &Row| PresentmentCount { outcome: row.get("outcome"), items: row.get("items"), minor: row.get("minor") };
    Ok(rows.iter().map(count).collect())
}

/// Inserts the numbers of presentments that a batch shows.
pub async fn insert_presentment_counts(
    client: &impl GenericClient,
    batch_id: &str,
    counts: &[PresentmentCount],
) -> Result<(), StoreError> {
    for of in counts {
        client
            .execute(
                "INSERT INTO settlement_presentment (batch_id, outcome, items, minor) VALUES ($1, $2, $3, $4)",
                &[&batch_id, &of.outcome, &of.items, &of.minor],
            )
            .await?;
    }
    Ok(())
}

/// The numbers of presentments that a batch shows.
pub async fn shown_presentments(client: &Client, batch_id: &str) -> Result<Vec<PresentmentCount>, StoreError> {
    let sql = "SELECT outcome, items, minor FROM settlement_presentment WHERE batch_id = $1 ORDER BY outcome";
    let count =
        |row: &Row| PresentmentCount { outcome: row.get("outcome"), items: row.get("items"), minor: row.get("minor") };
    Ok(client.query(sql, &[&batch_id]).await?.iter().map(count).collect())
}

/// A settlement batch as stored in `settlement_batch`: the close of one cycle in one currency (ISO 4217 number). `own` are
/// the sums that belong to no merchant and no institution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchRow {
    pub batch_id: String,
    pub cycle: Date,
    pub currency: i16,
    pub closed_at: Timestamp,
    pub value_date: Date,
    pub own: OwnSums,
    /// Unknown of a batch of form 1.
    pub sender: Option<Sender>,
}

/// The batch of a cycle and currency, if there is one.
pub async fn batch(client: &impl GenericClient, cycle: Date, currency: i16) -> Result<Option<BatchRow>, StoreError> {
    let row = client
        .query_opt(
            "SELECT batch_id, cycle, currency, closed_at, value_date, scheme_fee_minor, on_us_interchange_minor,
                 form, acquirer_id, dialect, processing, payer_name, payer_iban, payer_bic
             FROM settlement_batch WHERE cycle = $1 AND currency = $2",
            &[&cycle, &currency],
        )
        .await?;
    Ok(row.map(|row| BatchRow {
        batch_id: row.get("batch_id"),
        cycle: row.get("cycle"),
        currency: row.get("currency"),
        closed_at: row.get("closed_at"),
        value_date: row.get("value_date"),
        own: OwnSums {
            on_us_interchange_minor: row.get("on_us_interchange_minor"),
            scheme_fee_minor: row.get("scheme_fee_minor"),
        },
        sender: (row.get::<_, i16>("form") > 1).then(|| Sender {
            acquirer_id: row.get("acquirer_id"),
            dialect: row.get("dialect"),
            processing: row.get("processing"),
            payer: Payer { name: row.get("payer_name"), iban: row.get("payer_iban"), bic: row.get("payer_bic") },
        }),
    }))
}

/// The form of the batches that this version writes: their rows have everything that their files show, and say which lines
/// are held or rejected.
const FORM: i16 = 3;

/// Inserts the row of a batch of today's form, which names its sender.
pub async fn insert_batch(client: &impl GenericClient, batch: &BatchRow, sender: &Sender) -> Result<(), StoreError> {
    client
        .execute(
            "INSERT INTO settlement_batch
                 (batch_id, cycle, currency, closed_at, value_date, scheme_fee_minor, on_us_interchange_minor, form,
                  acquirer_id, dialect, processing, payer_name, payer_iban, payer_bic)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
            &[
                &batch.batch_id,
                &batch.cycle,
                &batch.currency,
                &batch.closed_at,
                &batch.value_date,
                &batch.own.scheme_fee_minor,
                &batch.own.on_us_interchange_minor,
                &FORM,
                &sender.acquirer_id,
                &sender.dialect,
                &sender.processing,
                &sender.payer.name,
                &sender.payer.iban,
                &sender.payer.bic,
            ],
        )
        .await?;
    Ok(())
}

/// Inserts the lines of a batch. The table's key refuses a movement that another batch has.
pub async fn insert_lines(
    transaction: &Transaction<'_>,
    batch_id: &str,
    lines: &[SettlementLine],
) -> Result<(), StoreError> {
    const TYPES: [Type; 17] = [
        Type::INT2,
        Type::INT8,
        Type::TEXT,
        Type::TEXT,
        Type::TEXT,
        Type::BOOL,
        Type::BOOL,
        Type::INT8,
        Type::INT8,
        Type::TEXT,
        Type::INT8,
        Type::TEXT,
        Type::INT8,
        Type::TEXT,
        Type::TEXT,
        Type::BOOL,
        Type::BOOL,
    ];
    let sink = transaction
        .copy_in(
            "COPY settlement_line (bucket, auth_id, batch_id, merchant, movement, of_refund, whole, gross_minor, fee_minor, rate_id,
                 interchange_minor, interchange_rate_id, scheme_fee_minor, scheme_fee_rate_id, pan_masked, held, rejected) FROM STDIN (FORMAT binary)",
        )
        .await?;
    let writer = BinaryCopyInWriter::new(sink, &TYPES);
    futures::pin_mut!(writer);
    for line in lines {
        let of = &line.movement;
        let (of_refund, whole) = match of.kind {
            MovementKind::Reversal { of_refund, whole } => (of_refund, whole),
            kind => (kind == MovementKind::Refund, true),
        };
        writer
            .as_mut()
            .write(&[
                &of.bucket,
                &of.auth_id,
                &batch_id,
                &of.merchant,
                &line.movement_word(),
                &of_refund,
                &whole,
                &of.gross_minor,
                &line.fee.minor,
                &line.fee.rate_id,
                &line.interchange.minor,
                &line.interchange.rate_id,
                &line.scheme_fee.minor,
                &line.scheme_fee.rate_id,
                &of.pan_masked,
                &(of.treatment == Treatment::Held),
                &(of.treatment == Treatment::Rejected),
            ])
            .await?;
    }
    writer.finish().await?;
    Ok(())
}

/// What the lines of a batch show, `$1`: from the batch and from the journal, neither of which changes.
macro_rules! lines {
    ($masked:literal, $rows:literal, $cards:literal) => {
        concat!(
            "SELECT l.bucket, l.auth_id, l.merchant, l.movement, l.of_refund, l.whole, l.gross_minor, l.fee_minor, l.rate_id,
               l.interchange_minor, l.interchange_rate_id, l.scheme_fee_minor, l.scheme_fee_rate_id, ",
            $masked,
            " AS pan_masked, l.held, l.rejected, a.role::text AS role, a.currency, a.terminal, coalesce(o.mcc, a.mcc) AS mcc,
               coalesce(o.entry_mode, a.entry_mode) AS entry_mode, a.rrn, a.approval_code, a.lifecycle, a.local_at,
               a.business_date, a.issuer
             FROM settlement_line l ",
            $rows,
            " AND a.bucket = l.bucket AND a.auth_id = l.auth_id
             LEFT JOIN auth o ON a.kind = 'reversal' AND o.bucket = a.bucket AND o.idem_date = a.original_date
                             AND o.idem = a.original_idem ",
            $cards,
            " WHERE l.batch_id = $1"
        )
    };
}

/// The lines of the batch's own cycle, `$2`, and those of movements that earlier batches held.
const LINES: &str = concat!(
    lines!("l.pan_masked", "JOIN auth a ON a.cycle = $2", ""),
    " UNION ALL ",
    lines!(
        "l.pan_masked",
        "JOIN settlement_line h ON h.bucket = l.bucket AND h.auth_id = l.auth_id AND h.held AND NOT l.held
         JOIN settlement_batch b ON b.batch_id = h.batch_id JOIN auth a ON a.cycle = b.cycle",
        ""
    ),
    " ORDER BY merchant, local_at, auth_id"
);

/// The same of a batch of form 1, which does not say how it showed the cards, and held none.
const LINES_OF_FORM_1: &str = concat!(
    lines!(
        "coalesce(t.dpan_masked, c.pan_masked, f.pan_masked)",
        "JOIN auth a ON a.cycle = $2",
        "LEFT JOIN token t ON t.bucket = a.bucket AND t.token_id = a.token_id
         LEFT JOIN card c ON c.bucket = a.bucket AND c.card_id = a.card_id
         LEFT JOIN foreign_card f ON a.role = 'acquired' AND f.pan_index = coalesce(a.pan_index, o.pan_index)
                                 AND f.bucket = get_byte(f.pan_index, 0) % 64"
    ),
    " ORDER BY l.merchant, a.local_at, a.auth_id"
);

/// The lines of a batch as they are stored, in the order in which merchants see them.
pub async fn lines(client: &Client, batch: &BatchRow) -> Result<Vec<SettlementLine>, StoreError> {
    let lines = if batch.sender.is_some() { LINES } else { LINES_OF_FORM_1 };
    client.query(lines, &[&batch.batch_id, &batch.cycle]).await?.iter().map(read_line).collect()
}

fn read_line(row: &Row) -> Result<SettlementLine, StoreError> {
    let (of_refund, whole) = (row.get("of_refund"), row.get("whole"));
    let kind = match row.get("movement") {
        "sale" => MovementKind::Sale,
        "refund" => MovementKind::Refund,
        "reversal" => MovementKind::Reversal { of_refund, whole },
        _ => return Err(StoreError::Column("settlement_line.movement")),
    };
    let charge = |minor, rate| Charge { minor: row.get(minor), rate_id: row.get(rate) };
    Ok(SettlementLine {
        movement: Movement {
            bucket: row.get("bucket"),
            auth_id: row.get("auth_id"),
            kind,
            role: Role::from_word(row.get("role")).ok_or(StoreError::Column("auth.role"))?,
            gross_minor: row.get("gross_minor"),
            currency: row.get::<_, i16>("currency").unsigned_abs(),
            merchant: row.get("merchant"),
            terminal: row.get("terminal"),
            mcc: row.get("mcc"),
            entry_mode: row.get("entry_mode"),
            rrn: row.get("rrn"),
            approval: row.get("approval_code"),
            life_cycle: row.get("lifecycle"),
            local_at: row.get("local_at"),
            business_date: row.get("business_date"),
            pan_masked: row.get("pan_masked"),
            issuer: row.get("issuer"),
            original: None,
            treatment: match (row.get("held"), row.get("rejected")) {
                (true, _) => Treatment::Held,
                (_, true) => Treatment::Rejected,
                _ => Treatment::Payable,
            },
        },
        fee: charge("fee_minor", "rate_id"),
        interchange: charge("interchange_minor", "interchange_rate_id"),
        scheme_fee: charge("scheme_fee_minor", "scheme_fee_rate_id"),
    })
}

/// A merchant's balance, with name, place and bank account as they were when the batch was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettledMerchant {
    pub balance: MerchantBalance,
    pub name: String,
    pub iban: Option<String>,
    /// City and country (ISO 3166 numeric); absent for a merchant that is none of ours.
    pub place: Option<(String, String)>,
}

/// Inserts the merchants of a batch.
pub async fn insert_merchants(
    client: &impl GenericClient,
    batch_id: &str,
    merchants: &[SettledMerchant],
) -> Result<(), StoreError> {
    for SettledMerchant { balance, name, iban, place } in merchants {
        let (city, country) = (place.as_ref().map(|of| &of.0), place.as_ref().map(|of| &of.1));
        client
            .execute(
                "INSERT INTO settlement_merchant (batch_id, merchant, name, iban, lines, gross_minor, fee_minor,
                     brought_forward_minor, payout_minor, carried_forward_minor, city, country)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
                &[
                    &batch_id,
                    &balance.merchant,
                    name,
                    iban,
                    &balance.lines,
                    &balance.gross_minor,
                    &balance.fee_minor,
                    &balance.brought_forward_minor,
                    &balance.payout_minor,
                    &balance.carried_forward_minor,
                    &city,
                    &country,
                ],
            )
            .await?;
    }
    Ok(())
}

/// The merchants of a batch, in order.
pub async fn settled_merchants(client: &Client, batch_id: &str) -> Result<Vec<SettledMerchant>, StoreError> {
    let rows = client
        .query(
            "SELECT m.merchant, m.name, m.iban, m.city, m.country::text, m.lines, m.gross_minor, m.fee_minor, m.brought_forward_minor,
               m.payout_minor, m.carried_forward_minor, coalesce(u.held_lines, 0) AS held_lines, coalesce(u.held_minor, 0) AS held_minor,
               coalesce(u.rejected_lines, 0) AS rejected_lines, coalesce(u.rejected_minor, 0) AS rejected_minor
             FROM settlement_merchant m LEFT JOIN (
               SELECT merchant, count(*) FILTER (WHERE held) AS held_lines, sum(gross_minor) FILTER (WHERE held)::int8 AS held_minor,
                 count(*) FILTER (WHERE rejected) AS rejected_lines, sum(gross_minor) FILTER (WHERE rejected)::int8 AS rejected_minor
               FROM settlement_line WHERE batch_id = $1 AND (held OR rejected) GROUP BY merchant) u USING (merchant)
             WHERE m.batch_id = $1 ORDER BY m.merchant",
            &[&batch_id],
        )
        .await?;
    let settled = |row: &Row| SettledMerchant {
        balance: MerchantBalance {
            merchant: row.get("merchant"),
            lines: row.get("lines"),
            gross_minor: row.get("gross_minor"),
            fee_minor: row.get("fee_minor"),
            brought_forward_minor: row.get("brought_forward_minor"),
            payout_minor: row.get("payout_minor"),
            carried_forward_minor: row.get("carried_forward_minor"),
            held_lines: row.get("held_lines"),
            held_minor: row.get("held_minor"),
            rejected_lines: row.get("rejected_lines"),
            rejected_minor: row.get("rejected_minor"),
        },
        name: row.get("name"),
        iban: row.get("iban"),
        place: row.get::<_, Option<String>>("city").zip(row.get("country")),
    };
    Ok(rows.iter().map(settled).collect())
}

/// Inserts the positions of a batch.
pub async fn insert_positions(
    client: &impl GenericClient,
    batch_id: &str,
    positions: &[Position],
) -> Result<(), StoreError> {
    for of in positions {
        client
            .execute(
                "INSERT INTO settlement_position (batch_id, side, institution, items, gross_minor, interchange_minor)
                 VALUES ($1, $2, $3, $4, $5, $6)",
                &[&batch_id, &of.side.as_str(), &of.institution, &of.items, &of.gross_minor, &of.interchange_minor],
            )
            .await?;
    }
    Ok(())
}

/// The positions of a batch, acquirers first.
pub async fn positions(client: &Client, batch_id: &str) -> Result<Vec<Position>, StoreError> {
    let rows = client
        .query(
            "SELECT side, institution, items, gross_minor, interchange_minor FROM settlement_position
             WHERE batch_id = $1 ORDER BY side, institution",
            &[&batch_id],
        )
        .await?;
    let position = |row: &Row| {
        let side = match row.get("side") {
            "acquirer" => Side::Acquirer,
            "issuer" => Side::Issuer,
            _ => return Err(StoreError::Column("settlement_position.side")),
        };
        Ok(Position {
            institution: row.get("institution"),
            side,
            items: row.get("items"),
            gross_minor: row.get("gross_minor"),
            interchange_minor: row.get("interchange_minor"),
        })
    };
    rows.iter().map(position).collect()
}

/// Records the hash of a batch's file. If another hash is recorded already, returns that one.
pub async fn remember_file(
    client: &Client,
    batch_id: &str,
    path: &str,
    sha256: &[u8],
    bytes: i64,
) -> Result<Option<Vec<u8>>, StoreError> {
    client
        .execute(
            "INSERT INTO settlement_file (batch_id, path, sha256, bytes) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            &[&batch_id, &path, &sha256, &bytes],
        )
        .await?;
    let row = client
        .query_one("SELECT sha256 FROM settlement_file WHERE batch_id = $1 AND path = $2", &[&batch_id, &path])
        .await?;
    let remembered: Vec<u8> = row.get(0);
    Ok((remembered != sha256).then_some(remembered))
}
