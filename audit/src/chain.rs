//! Checks of the hash chains, recomputed from the rows with an independent description of their columns. A stretch of one
//! chain is read at a time: a committed batch does not change any more, so no snapshot has to span the whole.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use sha2::{Digest, Sha256};
use tokio_postgres::{Client, Row};

use super::days::Days;
use super::fields::Fields;
use super::{AuditError, Differences, Finding};

/// Links that are read at once, and about how many rows.
const LINKS_AT_ONCE: i64 = 2_000;
const ROWS_AT_ONCE: i64 = 20_000;

const INSTANCES: &str = "SELECT lane_instance, max(batch_seq) FROM chain GROUP BY 1 ORDER BY 1";

const LINKS: &str = "SELECT batch_seq, rows, changes, previous, hash, version FROM chain
    WHERE bucket = ($1::int4 & 255) AND lane_instance = $1 AND batch_seq BETWEEN $2 AND $3 ORDER BY batch_seq";

/// The rows of a stretch. The text is what version 1 hashes: columns with a dash for NULL (comment on table `chain`).
const ROWS: &str = "
    SELECT batch_seq, cycle, hash_version, auth_id, account_id, account_seq, card_id, token_id, requested_minor, approved_minor,
      standing_minor, transaction_minor, available_minor, hold_auth_id, hold_left_minor, counted_minor, original_auth_id, local_at,
      received_at, idem_date, business_date, original_date, hold_expires_on, counted_on, stan, kind::text AS kind,
      role::text AS role, bucket, class, currency, transaction_currency, mcc, advice, response_code, idem, digest, pan_index,
      original_idem, reason, exception, approval_code, icc_answer, link, acquirer, issuer, merchant, terminal, entry_mode, rrn,
      lifecycle, why, batch_pos,
      CASE hash_version WHEN 1 THEN
           array_to_string(ARRAY[bucket::text, idem_date::text, encode(idem, 'hex'), auth_id::text, kind::text, role::text,
             encode(digest, 'hex'), coalesce(account_id::text, '-'), coalesce(account_seq::text, '-'), response_code::text,
             coalesce(approval_code, '-'), requested_minor::text, approved_minor::text, currency::text, link,
             coalesce(merchant, '-'), coalesce(terminal, '-'), coalesce(rrn, '-'), lifecycle, business_date::text, cycle::text,
             coalesce(encode(original_idem, 'hex'), '-')], '|') END AS version_1
    FROM auth WHERE lane_instance = $1 AND batch_seq BETWEEN $2 AND $3 ORDER BY batch_seq, batch_pos";

/// The postings of a stretch of numbers.
const POSTINGS: &str = "SELECT auth_id, amount_minor, payer_kind::text, payer_ref, payee_kind::text, payee_ref
    FROM posting WHERE auth_id BETWEEN $1 AND $2";

const CHANGES: &str = "SELECT batch_seq, subject, reference, said, content, at, batch_pos FROM recorded_change
    WHERE instance = $1 AND batch_seq BETWEEN $2 AND $3 ORDER BY batch_seq, batch_pos";

/// Rows and changes that no link can have: beyond the end of their chain, or of an instance without one.
const WITHOUT_LINK: &str = "SELECT 'row ' || a.auth_id, a.lane_instance, a.batch_seq FROM auth a
    LEFT JOIN (SELECT lane_instance, max(batch_seq) AS last FROM chain GROUP BY 1) c ON c.lane_instance = a.lane_instance
    WHERE (c.last IS NULL OR a.batch_seq > c.last OR a.batch_seq < 1)
      AND NOT (a.kind = 'opening' AND a.lane_instance = 0 AND a.hash_version = 1)
  UNION ALL
    SELECT r.subject || ' ' || r.reference, r.instance, r.batch_seq FROM recorded_change r
    LEFT JOIN (SELECT lane_instance, max(batch_seq) AS last FROM chain GROUP BY 1) c ON c.lane_instance = r.instance
    WHERE c.last IS NULL OR r.batch_seq > c.last OR r.batch_seq < 1";

/// The rows and changes of one batch, hashed.
#[derive(Default)]
struct Batch {
    rows: i64,
    changes: i64,
    hashes: Vec<[u8; 32]>,
    names: Vec<String>,
    cycles: Vec<Date>,
    /// One does not stand in the next place.
    misplaced: bool,
}

impl Batch {
    /// The next row or change stands in this place.
    fn place(&mut self, pos: i16) {
        self.misplaced |= usize::try_from(pos) != Ok(self.hashes.len());
    }
}

/// Every link matches its rows, its changes and the link before it.
pub(super) async fn chains_verify(client: &Client, days: &mut Days) -> Result<Finding, AuditError> {
    let mut differences = Differences::default();
    let mut links = 0;
    for instance in &client.query(INSTANCES, &[]).await? {
        let (instance, last): (i32, i64) = (instance.get(0), instance.get(1));
        let mut chain = Chain { instance, at: 0, hash: [0; 32].to_vec() };
        while chain.at < last {
            links += chain.stretch(client, last, days, &mut differences).await?;
        }
    }
    for row in &client.query(WITHOUT_LINK, &[]).await? {
        let (name, instance, seq): (&str, i32, i64) = (row.get(0), row.get(1), row.get(2));
        differences.push(format!("{name}: chain {instance} has no batch {seq}"));
    }
    Ok(Finding::new(
        "hash_chains_verify",
        "I17: every row of the journal and every recorded change is in its chain, unchanged and in its place",
        links,
        differences,
    ))
}

/// A chain that is followed from its start.
struct Chain {
    instance: i32,
    /// The batch that was verified last, and the hash of its link.
    at: i64,
    hash: Vec<u8>,
}

impl Chain {
    /// Verifies the next links. Gives their number.
    async fn stretch(
        &mut self,
        client: &Client,
        last: i64,
        days: &mut Days,
        differences: &mut Differences,
    ) -> Result<usize, AuditError> {
        let first = self.at + 1;
        let wanted = (first + LINKS_AT_ONCE - 1).min(last);
        let links = client.query(LINKS, &[&self.instance, &first, &wanted]).await?;
        let mut rows = 0;
        let fit = links.iter().take_while(|link| {
            rows += i64::from(link.get::<_, i32>(1));
            rows <= ROWS_AT_ONCE
        });
        let links = &links[..fit.count().max(1).min(links.len())];
        let until = links.last().map_or(wanted, |link| link.get(0));
        let mut batches = self.batches(client, first, until).await?;
        for link in links {
            let seq: i64 = link.get(0);
            let batch = batches.remove(&seq).unwrap_or_default();
            if let Some(fault) = self.follow(link, &batch) {
                differences.push(format!("chain {}, batch {seq}: {fault}", self.instance));
                batch.cycles.iter().for_each(|cycle| days.fault(*cycle));
            }
        }
        for (seq, batch) in batches {
            differences.push(format!("chain {}: no batch {seq}, which has {}", self.instance, batch.names.join(", ")));
            batch.cycles.iter().for_each(|cycle| days.fault(*cycle));
        }
        self.at = until;
        Ok(links.len())
    }

    fn follow(&mut self, link: &Row, batch: &Batch) -> Option<String> {
        let (seq, rows, changes): (i64, i32, i32) = (link.get(0), link.get(1), link.get(2));
        let (previous, hash, version): (&[u8], &[u8], i16) = (link.get(3), link.get(4), link.get(5));
        let (expected, before) = (self.at + 1, std::mem::replace(&mut self.hash, hash.to_vec()));
        self.at = seq;
        if seq != expected {
            return Some(format!("batch {expected} should come here"));
        }
        if previous != before {
            return Some("does not follow the batch before it".to_owned());
        }
        if (i64::from(rows), i64::from(changes)) != (batch.rows, batch.changes) {
            let (there, recorded) = (batch.rows, batch.changes);
            let names = batch.names.join(", ");
            return Some(format!(
                "{rows} rows and {changes} changes were chained, there are {there} and {recorded}: {names}"
            ));
        }
        if batch.misplaced {
            return Some(format!("one is not in its place, of {}", batch.names.join(", ")));
        }
        let chained = match version {
            1 => {
                let start = Sha256::new_with_prefix(previous);
                batch.hashes.iter().fold(start, |chained, hash| chained.chain_update(hash)).finalize().into()
            }
            2 => {
                let start = Fields::of("link").bytes(Some(previous)).number(Some(i64::from(self.instance)));
                let start = start.number(Some(seq));
                batch.hashes.iter().fold(start, |chained, hash| chained.bytes(Some(hash))).finish()
            }
            version => return Some(format!("nobody writes links of version {version}")),
        };
        // one hash covers all rows of a batch, so the changed one cannot be named
        (chained[..] != *hash).then(|| format!("something was changed or moved, one of {}", batch.names.join(", ")))
    }

    /// The batches of a stretch as the rows and changes have them.
    async fn batches(&self, client: &Client, first: i64, until: i64) -> Result<BTreeMap<i64, Batch>, AuditError> {
        let mut batches: BTreeMap<i64, Batch> = BTreeMap::new();
        let rows = client.query(ROWS, &[&self.instance, &first, &until]).await?;
        let numbers = || rows.iter().map(|row| row.get::<_, i64>("auth_id"));
        let mut postings: HashMap<i64, Vec<Row>> = HashMap::new();
        if let (Some(least), Some(most)) = (numbers().min(), numbers().max()) {
            let ours: std::collections::HashSet<i64> = numbers().collect();
            for posting in client.query(POSTINGS, &[&least, &most]).await? {
                let number = posting.get(0);
                if ours.contains(&number) {
                    postings.entry(number).or_default().push(posting);
                }
            }
        }
        for row in &rows {
            let number: i64 = row.get("auth_id");
            let batch = batches.entry(row.get(0)).or_default();
            batch.place(row.get("batch_pos"));
            batch.rows += 1;
            batch.hashes.push(row_hash(row, postings.get(&number).map_or(&[], Vec::as_slice)));
            batch.names.push(number.to_string());
            batch.cycles.push(row.get(1));
        }
        for change in &client.query(CHANGES, &[&self.instance, &first, &until]).await? {
            let batch = batches.entry(change.get(0)).or_default();
            let (subject, reference): (&str, &str) = (change.get(1), change.get(2));
            batch.place(change.get(6));
            batch.changes += 1;
            batch.names.push(format!("{subject} {reference}"));
            let hash = Fields::of("change").text(Some(subject)).text(Some(reference)).text(Some(change.get(3)));
            batch.hashes.push(hash.bytes(Some(change.get(4))).moment(change.get::<_, Timestamp>(5)).finish());
        }
        Ok(batches)
    }
}

fn row_hash(row: &Row, postings: &[Row]) -> [u8; 32] {
    if let Some(text) = row.get::<_, Option<&str>>("version_1") {
        return Sha256::digest(text.as_bytes()).into();
    }
    let number = |name: &str| row.get::<_, Option<i64>>(name);
    let small = |name: &str| row.get::<_, Option<i16>>(name).map(i64::from);
    let text = |name: &str| row.get::<_, Option<&str>>(name);
    let bytes = |name: &str| row.get::<_, Option<&[u8]>>(name);
    let date = |name: &str| row.get::<_, Option<Date>>(name);
    let mut hash = Fields::of("auth");
    for name in [
        "auth_id",
        "account_id",
        "account_seq",
        "card_id",
        "token_id",
        "requested_minor",
        "approved_minor",
        "standing_minor",
        "transaction_minor",
        "available_minor",
        "hold_auth_id",
        "hold_left_minor",
        "counted_minor",
        "original_auth_id",
    ] {
        hash = hash.number(number(name));
    }
    hash = hash.local(row.get::<_, DateTime>("local_at")).moment(row.get("received_at"));
    for name in ["idem_date", "business_date", "cycle", "original_date", "hold_expires_on", "counted_on"] {
        hash = hash.date(date(name));
    }
    hash = hash.number(Some(i64::from(row.get::<_, i32>("stan")))).text(text("kind")).text(text("role"));
    for name in ["bucket", "class", "currency", "transaction_currency", "mcc"] {
        hash = hash.number(small(name));
    }
    hash = hash.number(Some(i64::from(row.get::<_, bool>("advice")))).text(text("response_code"));
    for name in ["idem", "digest", "pan_index", "original_idem"] {
        hash = hash.bytes(bytes(name));
    }
    hash = hash.text(text("reason")).text(text("exception")).text(text("approval_code")).bytes(bytes("icc_answer"));
    for name in ["link", "acquirer", "issuer", "merchant", "terminal", "entry_mode", "rrn", "lifecycle"] {
        hash = hash.text(text(name));
    }
    hash = hash.bytes(bytes("why"));
    for posting in postings {
        hash = hash.text(Some("posting")).number(Some(posting.get(1)));
        hash = (2..6).fold(hash, |hash, at: usize| hash.text(Some(posting.get(at))));
    }
    hash.finish()
}
