//! Checks of what changes with every transaction: balances, holds and counters, recomputed from the journal. They are read
//! first, in one short snapshot; rows that were committed after it are told by the account's own count.

use std::collections::HashMap;

use jiff::civil::Date;
use tokio_postgres::{Client, Row};

use super::row::JournalRow;
use super::{AuditError, Differences, Finding, decimal};

/// An account as it was read, and the sums of its rows up to then.
#[derive(Debug, Default)]
struct Account {
    ledger_minor: i64,
    held_minor: i64,
    seq: i64,
    posted_minor: i64,
    rows: i64,
    open_holds_minor: i64,
}

#[derive(Debug)]
struct Hold {
    state: String,
    minor: i64,
    expires_on: Date,
    account_id: i64,
    /// Sequence number of the last row that changed it, and what that left. The number is 0 before any.
    last: (i64, i64),
    authorized_minor: i64,
    captured_minor: i64,
    /// What its rows authorized and captured, less what was reversed, and the last day that they set.
    of_rows: (i64, i64, Option<Date>),
    /// What rows of version 1 tell: approved, given back, completed.
    version_1: (i64, i64, bool),
    expired: bool,
    /// It is not what the row says that opened it.
    strayed: bool,
}

#[derive(Debug)]
struct Counter {
    day: Date,
    spent_minor: i64,
    counted_minor: i64,
    /// A row of version 1 that may have counted on that day does not tell what it counted.
    unknown: bool,
}

/// The accounts, holds and counters of the installation.
#[derive(Debug)]
pub(super) struct Accounts {
    accounts: HashMap<i64, Account>,
    holds: HashMap<i64, Hold>,
    counters: HashMap<i64, Counter>,
    today: Option<Date>,
    differences: Differences,
    /// Cards without counters (`true`), and counters without their card.
    uncounted: Vec<(i64, bool)>,
}

impl Hold {
    /// Adds a row that changed it.
    fn take(&mut self, row: &JournalRow, seq: i64, left: i64) {
        if seq > self.last.0 {
            self.last = (seq, left);
        }
        let (authorized, captured, last_day) = &mut self.of_rows;
        *last_day = (*last_day).max(row.hold_expires_on);
        match (row.kind.as_str(), row.original_kind.as_deref()) {
            ("pre-authorization" | "increment", _) => *authorized += row.approved_minor,
            ("completion", _) => *captured += row.approved_minor,
            ("reversal", Some("completion")) => *captured -= row.approved_minor,
            ("reversal", _) => *authorized -= row.approved_minor,
            _ => {}
        }
    }

    /// What is wrong with it, if its rows are of this version.
    fn fault(&self) -> Option<String> {
        let (authorized, captured, last_day) = self.of_rows;
        if self.strayed {
            Some("it is not what the row says that opened it".to_owned())
        } else if self.last.0 == 0 || self.version_1.0 > 0 {
            None
        } else if (self.authorized_minor, self.captured_minor) != (authorized, captured) {
            let [there, taken, rows, rows_taken] =
                [self.authorized_minor, self.captured_minor, authorized, captured].map(decimal);
            Some(format!("{there} authorized and {taken} captured, its rows say {rows} and {rows_taken}"))
        } else {
            let told = last_day.filter(|day| *day != self.expires_on)?;
            Some(format!("ends on {}, its rows say {told}", self.expires_on))
        }
    }
}

impl Accounts {
    pub(super) async fn read(client: &Client) -> Result<Self, AuditError> {
        client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        let read = Self::in_snapshot(client).await;
        client.batch_execute("ROLLBACK").await?;
        read
    }

    async fn in_snapshot(client: &Client) -> Result<Self, AuditError> {
        let accounts = client.query("SELECT account_id, ledger_minor, held_minor, seq FROM account_state", &[]).await?;
        let holds = "SELECT h.auth_id, h.state::text, h.amount_minor, h.expires_on, h.account_id,
                EXISTS (SELECT 1 FROM recorded_change r WHERE r.subject = 'hold' AND r.reference = h.bucket || '/' || h.auth_id),
                h.authorized_minor, h.captured_minor,
                (a.auth_id, a.account_id, a.card_id, a.currency, a.rrn, a.approval_code, a.lifecycle, a.merchant,
                  coalesce(a.counted_on, a.business_date))
                IS DISTINCT FROM (h.auth_id, h.account_id, h.card_id, h.currency, h.rrn, h.approval_code, h.lifecycle, h.merchant,
                  h.counted_on)
             FROM hold h LEFT JOIN auth a ON a.bucket = h.bucket AND a.idem_date = h.idem_date AND a.idem = h.idem";
        let holds = client.query(holds, &[]).await?;
        let counters = client.query("SELECT card_id, day, spent_minor FROM card_state", &[]).await?;
        let uncounted = "SELECT coalesce(c.card_id, s.card_id), s.card_id IS NULL FROM card c
             FULL JOIN card_state s ON s.bucket = c.bucket AND s.card_id = c.card_id AND s.account_id = c.account_id
             WHERE c.card_id IS NULL OR s.card_id IS NULL";
        let uncounted = client.query(uncounted, &[]).await?;
        let today = client.query_one("SELECT max(date) FROM business_day WHERE state = 'open'", &[]).await?.get(0);
        let account = |row: &Row| Account {
            ledger_minor: row.get(1),
            held_minor: row.get(2),
            seq: row.get(3),
            ..Account::default()
        };
        let hold = |row: &Row| Hold {
            state: row.get(1),
            minor: row.get(2),
            expires_on: row.get(3),
            account_id: row.get(4),
            last: (0, 0),
            authorized_minor: row.get(6),
            captured_minor: row.get(7),
            of_rows: (0, 0, None),
            version_1: (0, 0, false),
            expired: row.get(5),
            strayed: row.get(8),
        };
        let counter =
            |row: &Row| Counter { day: row.get(1), spent_minor: row.get(2), counted_minor: 0, unknown: false };
        Ok(Self {
            accounts: accounts.iter().map(|row| (row.get(0), account(row))).collect(),
            holds: holds.iter().map(|row| (row.get(0), hold(row))).collect(),
            counters: counters.iter().map(|row| (row.get(0), counter(row))).collect(),
            today,
            differences: Differences::default(),
            uncounted: uncounted.iter().map(|row| (row.get(0), row.get(1))).collect(),
        })
    }

    /// Adds a row of the journal.
    pub(super) fn take(&mut self, row: &JournalRow) {
        let (Some(account_id), Some(seq)) = (row.account_id, row.account_seq) else { return };
        let Some(account) = self.accounts.get_mut(&account_id) else {
            self.differences.push(format!("{}: there is no account {account_id}", row.named()));
            return;
        };
        if seq > account.seq {
            return;
        }
        account.rows += 1;
        if let Some(posting) = &row.posting {
            let reference = account_id.to_string();
            for (side, minor) in [(&posting.payer, -posting.minor), (&posting.payee, posting.minor)] {
                if side.0 == "cardholder" && side.1 == reference {
                    account.posted_minor += minor;
                }
            }
        }
        self.take_hold(row, seq);
        if let Some(counter) = row.card_id.and_then(|card_id| self.counters.get_mut(&card_id)) {
            match row.counted {
                Some((on, minor)) if on == counter.day => counter.counted_minor += minor,
                None if row.hash_version == 1 && row.business_date >= counter.day && row.kind != "opening" => {
                    counter.unknown = true;
                }
                _ => {}
            }
        }
    }

    fn take_hold(&mut self, row: &JournalRow, seq: i64) {
        if let Some((number, left)) = row.hold {
            match self.holds.get_mut(&number) {
                Some(hold) => hold.take(row, seq, left),
                None => self.differences.push(format!("{}: there is no hold {number}", row.named())),
            }
            return;
        }
        if row.hash_version != 1 || row.approved_minor == 0 {
            return;
        }
        let number = if row.kind == "pre-authorization" { Some(row.auth_id) } else { row.original_auth_id };
        let Some(hold) = number.and_then(|number| self.holds.get_mut(&number)) else { return };
        match row.kind.as_str() {
            "pre-authorization" => hold.version_1.0 += row.approved_minor,
            "reversal" => hold.version_1.1 += row.approved_minor,
            "completion" => hold.version_1.2 = true,
            _ => {}
        }
    }

    pub(super) fn findings(mut self) -> [Finding; 3] {
        let mut holds = Differences::default();
        for (number, hold) in &self.holds {
            let open = hold.state == "open";
            let before = if hold.version_1.2 { 0 } else { hold.version_1.0 - hold.version_1.1 };
            let left = if hold.last.0 > 0 { hold.last.1 } else { before };
            if hold.last.0 == 0 && hold.version_1.0 == 0 {
                holds.push(format!("hold {number}: no approved pre-authorization"));
            } else if open && hold.minor != left {
                holds.push(format!("hold {number}: {} held, {} left of it", decimal(hold.minor), decimal(left)));
            } else if !open && left != 0 && !hold.expired && hold.last.0 > 0 {
                holds.push(format!("hold {number}: ended, and {} left of it", decimal(left)));
            }
            holds.extend(hold.fault().map(|fault| format!("hold {number}: {fault}")));
            if open && hold.expired {
                holds.push(format!("hold {number}: was released when it expired, and is open"));
            }
            if open && self.today.is_some_and(|today| hold.expires_on < today) {
                holds.push(format!("hold {number}: held past {}", hold.expires_on));
            }
            if open && let Some(account) = self.accounts.get_mut(&hold.account_id) {
                account.open_holds_minor += hold.minor;
            }
        }
        let mut balances = self.differences;
        for (id, account) in &self.accounts {
            let name = format!("account {id}");
            if account.ledger_minor != account.posted_minor {
                let (stored, posted) = (decimal(account.ledger_minor), decimal(account.posted_minor));
                balances.push(format!("{name}, ledger: balance {stored}, sum of postings {posted}"));
            }
            if account.held_minor != account.open_holds_minor {
                let (stored, open) = (decimal(account.held_minor), decimal(account.open_holds_minor));
                balances.push(format!("{name}, held: balance {stored}, sum of open holds {open}"));
            }
            if account.seq != account.rows {
                balances.push(format!("{name}: {} rows were counted, {} are there", account.seq, account.rows));
            }
        }
        let mut limits = Differences::default();
        for (id, is_card) in &self.uncounted {
            let what = if *is_card { "it has no counters" } else { "its counters have no such card" };
            limits.push(format!("card {id}: {what}"));
        }
        for (id, counter) in self.counters.iter().filter(|(_, counter)| !counter.unknown) {
            if counter.spent_minor != counter.counted_minor {
                let (stored, counted) = (decimal(counter.spent_minor), decimal(counter.counted_minor));
                limits.push(format!("card {id}: spent {stored} on {}, its rows counted {counted}", counter.day));
            }
        }
        [
            Finding::new(
                "available_is_ledger_less_holds",
                "I2: each account's balance is the sum of its postings, what it holds the sum of its open holds, and no row of \
                 it is missing",
                self.accounts.len(),
                balances,
            ),
            Finding::new(
                "holds_are_owned",
                "I7: every hold has what its pre-authorization, completions and reversals left of it",
                self.holds.len(),
                holds,
            ),
            Finding::new(
                "limits_are_counted",
                "what a card has spent of its daily limit is what its rows counted that day",
                self.counters.len(),
                limits,
            ),
        ]
    }
}
