//! Checks of postings, balances, effects per idempotency key, dates and holds.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::civil::Date;
use tokio_postgres::Client;

use super::journal::{Journal, JournalRow};
use super::{AuditError, Finding, compare, decimal};

/// The legs of each transaction and of each settlement posting sum to zero per currency.
pub(super) async fn postings_sum_zero(client: &Client) -> Result<Finding, AuditError> {
    let sums = "SELECT name, currency, sum(amount_minor)::int8 AS minor FROM (
            SELECT 'transaction ' || auth_id AS name, currency, amount_minor FROM ledger
            UNION ALL SELECT 'posting ' || posting, currency, amount_minor FROM settlement_posting) AS legs
        GROUP BY name, currency";
    let checked: i64 = client.query_one(&format!("SELECT count(*) FROM ({sums}) s"), &[]).await?.get(0);
    let off = client.query(&format!("SELECT * FROM ({sums}) s WHERE minor <> 0 ORDER BY name"), &[]).await?;
    let differences = off.iter().map(|row| {
        let (name, currency, minor): (String, i16, i64) = (row.get(0), row.get(1), row.get(2));
        format!("{name}: legs sum to {} in currency {currency:03}", decimal(minor))
    });
    Ok(Finding::new(
        "postings_sum_zero",
        "I1: the postings of each transaction sum to zero in each currency",
        usize::try_from(checked).unwrap_or(0),
        differences.collect(),
    ))
}

/// Account kind, reference and amount of a leg, either stored or expected.
type StoredLeg<'j> = (&'j str, &'j str, i64);
type ExpectedLeg = (&'static str, String, i64);

/// Each journal row has the legs that its kind and amount require, and no leg is without a row.
pub(super) fn legs_follow_the_journal(journal: &Journal) -> Finding {
    let mut found: HashMap<(i16, i64), Vec<StoredLeg<'_>>> = HashMap::new();
    for leg in &journal.legs {
        found.entry((leg.bucket, leg.auth_id)).or_default().push((&leg.kind, &leg.reference, leg.minor));
    }
    let mut differences = Vec::new();
    for entry in &journal.entries {
        let mut legs = found.remove(&(entry.bucket, entry.auth_id)).unwrap_or_default();
        let mut expected = expected_legs(journal, entry);
        legs.sort_unstable();
        expected.sort();
        if !legs.iter().copied().eq(expected.iter().map(|(kind, reference, minor)| (*kind, reference.as_str(), *minor)))
        {
            differences.push(format!("{}: legs {legs:?}, expected {expected:?}", entry.named()));
        }
    }
    let mut orphans: Vec<i64> = found.into_keys().map(|(_, auth_id)| auth_id).collect();
    orphans.sort_unstable();
    differences.extend(orphans.into_iter().map(|auth_id| format!("legs of {auth_id}: no such row in the journal")));
    Finding::new(
        "legs_follow_the_journal",
        "each movement in the journal has its two legs, on the accounts of its parties",
        journal.entries.len(),
        differences,
    )
}

fn expected_legs(journal: &Journal, entry: &JournalRow) -> Vec<ExpectedLeg> {
    if entry.kind == "opening" {
        let account = entry.account_id.map(|id| id.to_string()).unwrap_or_default();
        let minor = entry.approved_minor;
        return if minor == 0 {
            Vec::new()
        } else {
            vec![("cardholder", account, minor), ("funding", "opening".to_owned(), -minor)]
        };
    }
    let minor = journal.moved(entry);
    if minor == 0 {
        return Vec::new();
    }
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "unnamed".to_owned());
    let payer = match (entry.role.as_str(), entry.account_id) {
        ("acquired", _) => ("network", text(&entry.issuer)),
        (_, Some(account)) => ("cardholder", account.to_string()),
        (_, None) => ("suspense", entry.acquirer.clone()),
    };
    let payee = match entry.role.as_str() {
        "issued" => ("unpresented", entry.acquirer.clone()),
        _ => ("merchant", text(&entry.merchant)),
    };
    vec![(payer.0, payer.1, -minor), (payee.0, payee.1, minor)]
}

/// Balances of accounts are the sums of their legs; held amounts are the sums of open holds.
pub(super) async fn balances_are_sums(client: &Client, journal: &Journal) -> Result<Finding, AuditError> {
    let accounts = client.query("SELECT account_id, ledger_minor, held_minor FROM account_state", &[]).await?;
    let holds = client
        .query("SELECT account_id, sum(amount_minor)::int8 FROM hold WHERE state = 'open' GROUP BY account_id", &[])
        .await?;
    let mut ledger: BTreeMap<String, i64> = BTreeMap::new();
    let mut held: BTreeMap<String, i64> = BTreeMap::new();
    for row in &accounts {
        let account: i64 = row.get(0);
        ledger.insert(format!("account {account}, ledger"), row.get(1));
        held.insert(format!("account {account}, held"), row.get(2));
    }
    let mut legs: BTreeMap<String, i64> = BTreeMap::new();
    for leg in journal.legs.iter().filter(|leg| leg.kind == "cardholder") {
        *legs.entry(format!("account {}, ledger", leg.reference)).or_default() += leg.minor;
    }
    let open: BTreeMap<String, i64> =
        holds.iter().map(|row| (format!("account {}, held", row.get::<_, i64>(0)), row.get(1))).collect();
    let mut differences = compare(("balance", &ledger), ("sum of legs", &legs));
    differences.extend(compare(("balance", &held), ("sum of open holds", &open)));
    Ok(Finding::new(
        "available_is_ledger_less_holds",
        "I2: each account's balance is the sum of its legs, and what it holds the sum of its open holds",
        accounts.len(),
        differences,
    ))
}

/// No key moved money twice, no reversal gave back more than was approved, no transaction number occurs twice.
pub(super) fn one_effect_per_key(journal: &Journal) -> Finding {
    let mut differences = Vec::new();
    let (mut keys, mut numbers) = (HashMap::new(), HashSet::new());
    for entry in &journal.entries {
        if !numbers.insert(entry.auth_id) {
            differences.push(format!("{}: its number is used twice", entry.named()));
        }
        if entry.approved_minor > 0
            && let Some(first) = keys.insert(&entry.idem, entry)
        {
            differences.push(format!("{}: same key as {}", entry.named(), first.named()));
        }
    }
    let back = journal.reversed_amounts();
    for entry in journal.entries.iter().filter(|entry| entry.kind != "reversal") {
        let given = back.get(entry.idem.as_slice()).copied().unwrap_or(0);
        if given > entry.approved_minor {
            let (given, approved) = (decimal(given), decimal(entry.approved_minor));
            differences.push(format!("{}: {given} given back of {approved}", entry.named()));
        }
    }
    Finding::new(
        "one_effect_per_key",
        "I3: a key of an originator has at most one effect, and no more is given back than was approved",
        journal.entries.len(),
        differences,
    )
}

/// A transaction has one business date, which its legs share, and its cycle is that day or a later one.
pub(super) fn one_business_date(journal: &Journal) -> Finding {
    let dates: HashMap<(i16, i64), (Date, Date)> = journal
        .entries
        .iter()
        .map(|entry| ((entry.bucket, entry.auth_id), (entry.business_date, entry.cycle)))
        .collect();
    let early = journal.entries.iter().filter(|entry| entry.cycle < entry.business_date).map(|entry| {
        format!("{}: settled with {}, before its date {}", entry.named(), entry.cycle, entry.business_date)
    });
    let strayed = journal
        .legs
        .iter()
        .filter(|leg| {
            dates.get(&(leg.bucket, leg.auth_id)).is_some_and(|dates| *dates != (leg.business_date, leg.cycle))
        })
        .map(|leg| format!("transaction {}: a leg is dated {} / {}", leg.auth_id, leg.business_date, leg.cycle));
    Finding::new(
        "one_business_date",
        "I12: each transaction has one business date and one cycle, the same in its legs",
        journal.entries.len(),
        early.chain(strayed).collect(),
    )
}

/// Every open hold has the amount that its approved pre-authorization still keeps back, and has not expired.
pub(super) async fn holds_are_owned(client: &Client, journal: &Journal) -> Result<Finding, AuditError> {
    let today: Option<Date> =
        client.query_one("SELECT max(date) FROM business_day WHERE state = 'open'", &[]).await?.get(0);
    let holds =
        client.query("SELECT auth_id, amount_minor, state::text, expires_on FROM hold ORDER BY auth_id", &[]).await?;
    let approved: HashMap<i64, &JournalRow> = journal
        .entries
        .iter()
        .filter(|entry| entry.kind == "pre-authorization" && entry.approved_minor > 0)
        .map(|entry| (entry.auth_id, entry))
        .collect();
    let back = journal.reversed_amounts();
    let completed: HashSet<&[u8]> = journal
        .entries
        .iter()
        .filter(|entry| entry.kind == "completion" && entry.approved_minor > 0)
        .filter_map(|entry| entry.original_idem.as_deref())
        .collect();
    let mut differences = Vec::new();
    for row in &holds {
        let (auth_id, minor, state, expires): (i64, i64, String, Date) =
            (row.get(0), row.get(1), row.get(2), row.get(3));
        let Some(entry) = approved.get(&auth_id) else {
            differences.push(format!("hold {auth_id}: no approved pre-authorization"));
            continue;
        };
        if state != "open" {
            continue;
        }
        let left = entry.approved_minor - back.get(entry.idem.as_slice()).copied().unwrap_or(0);
        if completed.contains(entry.idem.as_slice()) {
            differences.push(format!("{}: completed, and still held", entry.named()));
        } else if left != minor {
            differences.push(format!("{}: {} held, {} left of it", entry.named(), decimal(minor), decimal(left)));
        }
        if today.is_some_and(|today| expires < today) {
            differences.push(format!("{}: held past {expires}", entry.named()));
        }
    }
    Ok(Finding::new(
        "holds_are_owned",
        "I7: every open hold belongs to a pre-authorization that still needs it",
        holds.len(),
        differences,
    ))
}
