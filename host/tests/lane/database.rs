//! A database for each test, in the Postgres cluster that `./test` starts.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use host::Config;
use host::lanes::Lanes;
use ledger::store::{Connection, migrate, pool};
use telemetry::LastingTasks;
use tokio_postgres::{Client, NoTls};
use tokio_util::sync::CancellationToken;

/// Set by `./test`.
const CLUSTER: &str = "SWITCHYARD_TEST_POSTGRES";

pub struct Database {
    pub config: Config,
    pub client: Client,
    /// How the owner of the tables connects.
    #[allow(dead_code, reason = "for those who include this file and are not the host")]
    pub owner: Connection,
    pub lanes: Lanes,
    pub tasks: LastingTasks,
}

/// Creates a database with the current schema and an open business day, and starts lanes on it. They, like everything with
/// the configuration's connection string, have the rights of the host's role and no others; `client` is the owner's.
pub async fn fresh() -> Database {
    fresh_with(|_| {}).await
}

/// As [`fresh`], with another configuration.
pub async fn fresh_with(change: impl FnOnce(&mut Config)) -> Database {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let cluster = std::env::var(CLUSTER).expect("SWITCHYARD_TEST_POSTGRES names no cluster: run ./test");
    let name = format!("lane_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    connect(&cluster).await.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    let mut own: tokio_postgres::Config = cluster.parse().unwrap();
    own.dbname(&name);
    let socket = match &own.get_hosts()[0] {
        tokio_postgres::config::Host::Unix(path) => path.display().to_string(),
        tokio_postgres::config::Host::Tcp(host) => host.clone(),
    };
    let text = include_str!("../../../config/host.toml").replace(
        "host=/run/postgresql user=authhost dbname=switchyard",
        &format!(
            "host={socket} port={} user={} dbname={name} options='-c role=switchyard_host'",
            own.get_ports().first().unwrap_or(&5432),
            own.get_user().unwrap()
        ),
    );
    let links = link::role::Roles::parse(include_str!("../../../config/links.toml"), "links.toml").unwrap();
    let mut config = Config::parse(&text, Path::new("host.toml"), links).unwrap();
    change(&mut config);
    migrate::migrate(&mut pool(&own.clone().into(), 1).unwrap().get().await.unwrap()).await.unwrap();
    let general = pool(&config.postgres(), 2).unwrap();
    let tasks = LastingTasks::until(CancellationToken::new());
    let lanes = Lanes::start(&config, &general, &tasks).await.unwrap();
    let client = own.connect(NoTls).await.unwrap();
    let (client, connection) = client;
    tokio::spawn(connection);
    client.batch_execute("INSERT INTO business_day (date, state) VALUES ('2026-11-20', 'open')").await.unwrap();
    Database { config, client, owner: own.into(), lanes, tasks }
}

async fn connect(to: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(to, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

impl Database {
    /// Inserts an account with one card, without anything that only an HSM could have made.
    pub async fn account(&self, account_id: i64, ledger_minor: i64) {
        let bucket = bucket(account_id);
        self.client
            .execute(
                "INSERT INTO account_state (bucket, account_id, currency, ledger_minor) VALUES ($1, $2, 978, $3)",
                &[&bucket, &account_id, &ledger_minor],
            )
            .await
            .unwrap();
        let index = account_id.to_be_bytes().to_vec();
        self.client
            .execute(
                "INSERT INTO card (bucket, card_id, account_id, pan_index, pan_envelope, pan_masked, expiry, service_code, pvki, pvv,
                    key_set, status, limit_txn_minor, limit_day_minor, note)
                 VALUES ($1, $2, $2, $3, '\\x00', '400012******0000', '2912', '201', 1, '0000', '400012', 'active', 100000, 150000, '')",
                &[&bucket, &account_id, &index],
            )
            .await
            .unwrap();
        self.client
            .execute(
                "INSERT INTO card_state (bucket, card_id, account_id) VALUES ($1, $2, $2)",
                &[&bucket, &account_id],
            )
            .await
            .unwrap();
    }

    /// Ledger balance and held amount of an account.
    pub async fn balance(&self, account_id: i64) -> (i64, i64) {
        let row = self
            .client
            .query_one("SELECT ledger_minor, held_minor FROM account_state WHERE account_id = $1", &[&account_id])
            .await
            .unwrap();
        (row.get(0), row.get(1))
    }

    pub async fn number(&self, sql: &str) -> i64 {
        self.client.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// Asserts the invariants: legs sum to zero, balances are the sums of their legs, held amounts are the sums of open
    /// holds, and the hash chain as recomputed by the database is the stored one.
    pub async fn check_books(&self, opening: &[(i64, i64)]) {
        let unbalanced =
            "SELECT count(*) FROM (SELECT 1 FROM ledger GROUP BY auth_id, currency HAVING sum(amount_minor) <> 0) u";
        assert_eq!(self.number(unbalanced).await, 0, "legs of a transaction must sum to zero");
        for (account_id, opened_with) in opening {
            let moved = format!(
                "SELECT coalesce(sum(amount_minor), 0)::int8 FROM ledger WHERE account_kind = 'cardholder' AND account_ref = '{account_id}'"
            );
            let held = format!(
                "SELECT coalesce(sum(amount_minor), 0)::int8 FROM hold WHERE account_id = {account_id} AND state = 'open'"
            );
            let expected = (opened_with + self.number(&moved).await, self.number(&held).await);
            assert_eq!(self.balance(*account_id).await, expected, "account {account_id}");
        }
        // that a link's hash is that of its rows is the auditor's to check, with code of its own
        let broken = "SELECT count(*) FROM chain c
            LEFT JOIN (SELECT lane_instance, batch_seq, count(*) AS rows FROM auth GROUP BY 1, 2) r USING (lane_instance, batch_seq)
            WHERE c.rows <> coalesce(r.rows, 0)";
        assert_eq!(self.number(broken).await, 0, "a link has other rows than it says");
        let gaps = "SELECT count(*) FROM (
              SELECT previous, lag(hash, 1, decode(repeat('00', 32), 'hex')) OVER (PARTITION BY lane_instance ORDER BY batch_seq) AS before
              FROM chain) c WHERE previous IS DISTINCT FROM before";
        assert_eq!(self.number(gaps).await, 0, "a link does not follow the one before it");
    }
}

pub fn bucket(account_id: i64) -> i16 {
    i16::try_from(account_id % 64).unwrap()
}
