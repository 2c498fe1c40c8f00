//! Checks of the hash chains, recomputed from the rows' text with an independent description of the columns.

use std::collections::BTreeMap;
use std::future::Future;

use hsm::{AuditSeal, HsmError, MacOutcome};
use sha2::{Digest, Sha256};
use tokio_postgres::Client;

use super::{AuditError, Finding};

/// The columns under a row's hash, as text, in order, with a dash for NULL (comment on table `chain`). Opening balances
/// are in no chain: issuing writes them, not a lane.
const ROWS: &str = "
    SELECT lane_instance, batch_seq, batch_pos, auth_id,
           array_to_string(ARRAY[bucket::text, idem_date::text, encode(idem, 'hex'), auth_id::text, kind::text, role::text,
             encode(digest, 'hex'), coalesce(account_id::text, '-'), coalesce(account_seq::text, '-'), response_code::text,
             coalesce(approval_code, '-'), requested_minor::text, approved_minor::text, currency::text, link,
             coalesce(merchant, '-'), coalesce(terminal, '-'), coalesce(rrn, '-'), lifecycle, business_date::text, cycle::text,
             coalesce(encode(original_idem, 'hex'), '-')], '|')
    FROM auth WHERE NOT (kind = 'opening' AND lane_instance = 0) ORDER BY lane_instance, batch_seq, batch_pos";

const LINKS: &str =
    "SELECT lane_instance, batch_seq, rows, previous, hash FROM chain ORDER BY lane_instance, batch_seq";

const ANCHORS: &str = "SELECT lane_instance, batch_seq, hash FROM chain_anchor ORDER BY lane_instance, batch_seq";

/// The newest anchor of each chain. It covers every link before it.
const NEWEST: &str = "SELECT DISTINCT ON (lane_instance) lane_instance, batch_seq, hash, mac FROM chain_anchor
    ORDER BY lane_instance, batch_seq DESC";

/// Verifies that a chain head was anchored by this installation: the HSM checks the seal under its audit key.
pub trait Seal {
    fn holds(&self, covered: &[u8], seal: &[u8]) -> impl Future<Output = Result<bool, HsmError>> + Send;
}

impl Seal for hsm::Client {
    async fn holds(&self, covered: &[u8], seal: &[u8]) -> Result<bool, HsmError> {
        // bytes that are no seal were not made by the HSM
        let Ok(seal) = AuditSeal::from_bytes(seal) else { return Ok(false) };
        match self.check_seal(covered, &seal).await {
            Ok(outcome) => Ok(outcome == MacOutcome::Ok),
            // the seal names a key generation that does not exist
            Err(HsmError::KeyMissing(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// The newest anchored head of each chain has a valid MAC of the HSM, which nobody who can only write to the tables can
/// make.
pub(super) async fn anchors_are_sealed(client: &Client, seal: &impl Seal) -> Result<Finding, AuditError> {
    let anchors = client.query(NEWEST, &[]).await?;
    let mut differences = Vec::new();
    for anchor in &anchors {
        let (lane, seq): (i32, i64) = (anchor.get(0), anchor.get(1));
        let (hash, mac): (&[u8], &[u8]) = (anchor.get(2), anchor.get(3));
        let covered = [&lane.to_be_bytes()[..], &seq.to_be_bytes(), hash].concat();
        if !seal.holds(&covered, mac).await? {
            differences.push(format!("chain {lane}, batch {seq}: its anchor was not made under the audit key"));
        }
    }
    Ok(Finding::new(
        "anchors_are_sealed",
        "I17: the newest anchored head of each chain bears the HSM's MAC",
        anchors.len(),
        differences,
    ))
}

struct Row {
    auth_id: i64,
    hash: [u8; 32],
}

/// Every link matches its rows and the link before it; every anchored head is still in its chain.
pub(super) async fn chains_verify(client: &Client) -> Result<Finding, AuditError> {
    let mut batches: BTreeMap<(i32, i64), Vec<Row>> = BTreeMap::new();
    for row in &client.query(ROWS, &[]).await? {
        let hash = Sha256::digest(row.get::<_, &str>(4).as_bytes()).into();
        batches.entry((row.get(0), row.get(1))).or_default().push(Row { auth_id: row.get(3), hash });
    }
    let mut differences = Vec::new();
    let mut heads: BTreeMap<(i32, i64), Vec<u8>> = BTreeMap::new();
    let mut before: Option<(i32, i64, Vec<u8>)> = None;
    let links = client.query(LINKS, &[]).await?;
    for link in &links {
        let (lane, seq, rows): (i32, i64, i32) = (link.get(0), link.get(1), link.get(2));
        let (previous, hash): (Vec<u8>, Vec<u8>) = (link.get(3), link.get(4));
        let (expected_seq, expected_previous) = match &before {
            Some((of, seq, hash)) if *of == lane => (seq + 1, hash.clone()),
            _ => (1, vec![0; 32]),
        };
        let name = format!("chain {lane}, batch {seq}");
        if seq != expected_seq {
            differences.push(format!("{name}: batch {expected_seq} should come here"));
        } else if previous != expected_previous {
            differences.push(format!("{name}: does not follow the batch before it"));
        }
        let batch = batches.remove(&(lane, seq)).unwrap_or_default();
        differences.extend(batch_fault(&batch, rows, &previous, &hash).map(|fault| format!("{name}: {fault}")));
        heads.insert((lane, seq), hash.clone());
        before = Some((lane, seq, hash));
    }
    differences.extend(batches.into_iter().flat_map(|((lane, seq), rows)| {
        rows.into_iter().map(move |row| format!("row {}: chain {lane} has no batch {seq}", row.auth_id))
    }));
    let anchors = client.query(ANCHORS, &[]).await?;
    for anchor in &anchors {
        let (lane, seq, hash): (i32, i64, Vec<u8>) = (anchor.get(0), anchor.get(1), anchor.get(2));
        if heads.get(&(lane, seq)) != Some(&hash) {
            differences.push(format!("chain {lane}, batch {seq}: was anchored with another hash, or is gone"));
        }
    }
    Ok(Finding::new(
        "hash_chains_verify",
        "I17: every row of the journal is in its chain, unchanged, in its place, and no anchored head is missing",
        links.len() + anchors.len(),
        differences,
    ))
}

fn batch_fault(batch: &[Row], rows: i32, previous: &[u8], hash: &[u8]) -> Option<String> {
    // one hash covers all rows of a batch, so the changed row cannot be named
    let named = || batch.iter().map(|row| row.auth_id.to_string()).collect::<Vec<_>>().join(", ");
    if usize::try_from(rows) != Ok(batch.len()) {
        return Some(format!("{rows} rows were chained, there are {}: {}", batch.len(), named()));
    }
    let mut chained = Sha256::new_with_prefix(previous);
    for row in batch {
        chained.update(row.hash);
    }
    (chained.finalize()[..] != *hash).then(|| format!("a row was changed or moved, one of {}", named()))
}
