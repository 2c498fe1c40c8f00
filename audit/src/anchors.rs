//! Checks of the anchors: the heads of the chains under the HSM's audit key, one chain over all instances, and their copy
//! outside the database.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::future::Future;
use std::io::{BufRead, BufReader};
use std::path::Path;

use hsm::{AuditSeal, HsmError, MacOutcome};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio_postgres::Client;

use super::{AuditError, Differences, Finding};

/// Anchors in their order, each with the hash that its link has.
const ANCHORS: &str = "SELECT a.anchor_seq, a.lane_instance, a.batch_seq, a.hash, a.occasion, a.previous, a.mac, c.hash,
      i.instance IS NOT NULL
    FROM anchor a
    LEFT JOIN chain c ON c.bucket = (a.lane_instance & 255) AND c.lane_instance = a.lane_instance AND c.batch_seq = a.batch_seq
    LEFT JOIN journal_instance i ON i.instance = a.lane_instance
    WHERE a.anchor_seq > $1 ORDER BY a.anchor_seq LIMIT 10000";

/// Anchors of version 1, which are in no chain of their own.
const VERSION_1: &str = "SELECT a.lane_instance, a.batch_seq, a.hash, a.mac, c.hash FROM anchor_version_1 a
    LEFT JOIN chain c ON c.bucket = a.bucket AND c.lane_instance = a.lane_instance AND c.batch_seq = a.batch_seq
    ORDER BY 1, 2";

/// What is after the last anchor of each chain, of either version.
const AFTER: &str = "SELECT coalesce(sum(c.rows), 0)::int8 FROM chain c
    WHERE c.batch_seq > greatest(
      (SELECT coalesce(max(batch_seq), 0) FROM anchor a WHERE a.lane_instance = c.lane_instance),
      (SELECT coalesce(max(batch_seq), 0) FROM anchor_version_1 v WHERE v.bucket = c.bucket AND v.lane_instance = c.lane_instance))";

/// Chains of instances that were never registered.
const UNREGISTERED: &str = "SELECT DISTINCT c.lane_instance FROM chain c
    LEFT JOIN journal_instance i ON i.instance = c.lane_instance WHERE i.instance IS NULL";

/// Verifies that an anchor was made by this installation: the HSM checks the seal under its audit key.
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

struct Anchor {
    seq: i64,
    instance: i32,
    covered: Vec<u8>,
    mac: Vec<u8>,
}

/// A line of the copy outside the database.
#[derive(Deserialize)]
struct Line {
    seq: i64,
    instance: i32,
    batch_seq: i64,
    hash: String,
    occasion: String,
    previous: String,
    mac: String,
}

/// Anchors follow each other without a gap, each names a head that its chain has, the last bears the HSM's MAC – and with
/// it all before, whose hashes it covers. What the copy outside the database has, the database has. Gives the number of
/// rows after the last anchor of their chain too: nothing but the journal's own hashes protects them yet.
pub(super) async fn anchors_hold(
    client: &Client,
    seal: &impl Seal,
    copy: Option<&Path>,
) -> Result<(Finding, usize), AuditError> {
    let mut differences = Differences::default();
    let outside = copy.map(read_copy).transpose()?.unwrap_or_default();
    let (mut last, mut previous, mut checked) = (0, vec![0; 32], 0);
    let mut newest: BTreeMap<i32, Anchor> = BTreeMap::new();
    let mut found = 0;
    loop {
        let anchors = client.query(ANCHORS, &[&last]).await?;
        if anchors.is_empty() {
            break;
        }
        for row in &anchors {
            let (seq, instance, batch_seq): (i64, i32, i64) = (row.get(0), row.get(1), row.get(2));
            let (hash, occasion, before, mac): (&[u8], &str, &[u8], &[u8]) =
                (row.get(3), row.get(4), row.get(5), row.get(6));
            let name = format!("anchor {seq} of chain {instance}, batch {batch_seq}");
            if seq != last + 1 {
                differences.push(format!("{name}: anchor {} should come here", last + 1));
            } else if before != previous {
                differences.push(format!("{name}: does not follow the anchor before it"));
            }
            match row.get::<_, Option<&[u8]>>(7) {
                None if batch_seq == 0 && hash == [0; 32] => {}
                Some(link) if link == hash => {}
                _ => differences.push(format!("{name}: was anchored with another hash, or is gone")),
            }
            if !row.get::<_, bool>(8) {
                differences.push(format!("{name}: its instance is not registered"));
            }
            if let Some(line) = outside.get(&seq) {
                found += 1;
                let there = (line.instance, line.batch_seq, line.occasion.as_str());
                let bytes = [&line.hash, &line.previous, &line.mac].map(|text| text.as_str());
                if there != (instance, batch_seq, occasion) || bytes != [&hex(hash), &hex(before), &hex(mac)] {
                    differences.push(format!("{name}: another one is outside the database"));
                }
            }
            let covered = [
                &seq.to_be_bytes()[..],
                &instance.to_be_bytes(),
                &batch_seq.to_be_bytes(),
                hash,
                before,
                occasion.as_bytes(),
            ]
            .concat();
            previous = Sha256::new_with_prefix(&covered).chain_update(mac).finalize().to_vec();
            newest.insert(instance, Anchor { seq, instance, covered, mac: mac.to_vec() });
            last = seq;
            checked += 1;
        }
    }
    if found < outside.len() {
        let missing = outside.keys().filter(|seq| **seq > last).count();
        differences.push(format!("{missing} anchors are outside the database, and gone from it"));
    }
    for anchor in newest.values() {
        if !seal.holds(&anchor.covered, &anchor.mac).await? {
            let (seq, instance) = (anchor.seq, anchor.instance);
            differences.push(format!("anchor {seq} of chain {instance}: was not made under the audit key"));
        }
    }
    checked += version_1(client, seal, &mut differences).await?;
    for row in &client.query(UNREGISTERED, &[]).await? {
        differences.push(format!("chain {}: its instance is not registered", row.get::<_, i32>(0)));
    }
    let after: i64 = client.query_one(AFTER, &[]).await?.get(0);
    let finding = Finding::new(
        "anchors_are_sealed",
        "I17: the anchored heads are in their chains, no anchor is missing, and they bear the HSM's MAC",
        checked,
        differences,
    );
    Ok((finding, usize::try_from(after).unwrap_or(0)))
}

/// Each anchor of version 1 names a head that its chain has, and the newest of each chain bears the HSM's MAC.
async fn version_1(client: &Client, seal: &impl Seal, differences: &mut Differences) -> Result<usize, AuditError> {
    let anchors = client.query(VERSION_1, &[]).await?;
    for (at, row) in anchors.iter().enumerate() {
        let (lane, seq): (i32, i64) = (row.get(0), row.get(1));
        let (hash, mac): (&[u8], &[u8]) = (row.get(2), row.get(3));
        if row.get::<_, Option<&[u8]>>(4) != Some(hash) {
            differences.push(format!("chain {lane}, batch {seq}: was anchored with another hash, or is gone"));
        }
        let is_newest = anchors.get(at + 1).is_none_or(|next| next.get::<_, i32>(0) != lane);
        let covered = [&lane.to_be_bytes()[..], &seq.to_be_bytes(), hash].concat();
        if is_newest && !seal.holds(&covered, mac).await? {
            differences.push(format!("chain {lane}, batch {seq}: its anchor was not made under the audit key"));
        }
    }
    Ok(anchors.len())
}

fn read_copy(path: &Path) -> Result<HashMap<i64, Line>, AuditError> {
    let file = File::open(path).map_err(|error| AuditError::file(path, error))?;
    let mut lines = HashMap::new();
    for (number, text) in BufReader::new(file).lines().enumerate() {
        let text = text.map_err(|error| AuditError::file(path, error))?;
        let line: Line = serde_json::from_str(&text)
            .map_err(|error| AuditError::file(path, format!("line {}: {error}", number + 1)))?;
        lines.insert(line.seq, line);
    }
    Ok(lines)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
