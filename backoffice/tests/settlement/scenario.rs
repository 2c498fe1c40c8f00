//! One day of transactions, authorized by real lanes, and the file in which the foreign acquirer presents its captures.

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

use audit::{Evidence, Installation, Report, Seal, audit};
use backoffice::Config;
use backoffice::clearing::advice::ClearingAdvice;
use backoffice::clearing::host_link::{HostLinkError, PostingHost};
use backoffice::clearing::present_in::{AcceptanceRules, IncomingFile, PresentError, PresentedFile, present_in};
use backoffice::clearing::reader::{self, Dialects, FileRequirements};
use backoffice::clearing::record::{FileId, Header, Presentment, ProcessingMode};
use backoffice::clearing::reference::AcquirerReference;
use backoffice::clearing::writer::Writer;
use backoffice::close::{CloseError, Closed, PanVault, close_day};
use backoffice::seed;
use backoffice::settlement::fees::FeeSchedule;
use codecs::value::{
    ApprovalCode, Currency, Expiry, InstitutionId, LocalDateTime, LocalTime, MerchantId, Minor, MonthDay, Pan,
    ProcessingCode, ResponseCode, Stan,
};
use codecs::{Message, dialect};
use deadpool_postgres::Pool;
use host::batch::PreparedRequest;
use host::lanes::{Committed, Lanes};
use host::request::Request;
use hsm::{HsmError, KeySet, PanEnvelope, PanIndex, Pvv};
use jiff::Timestamp;
use jiff::civil::{Date, date};
use ledger::card::CardStatus;
use ledger::chain::ChainHead;
use ledger::journal::{Kind, Role};
use ledger::row_location::RowLocation;
use ledger::store::account::{NewAccount, open_account};
use ledger::store::anchor::{self, Anchor, Occasion};
use ledger::store::card::NewCard;
use ledger::store::instance::JournalInstance;
use ledger::store::{Writer as JournalWriter, business_day, day_total, hold, pool};
use sha2::{Digest, Sha256};
use tokio_postgres::{Client, NoTls};

use crate::database::{self, Database, bucket};
use crate::sample;

const FOREIGN_PAN: &[u8; 16] = b"5100510000000008";

/// Opens envelopes that hold their PAN in clear, as this test makes them. The HSM's envelopes have tests of their own.
pub struct Vault;

impl PanVault for Vault {
    async fn reveal(&self, envelopes: &[(PanEnvelope, Vec<u8>)]) -> Result<Vec<Option<Pan>>, HsmError> {
        let open = |(envelope, _): &(PanEnvelope, Vec<u8>)| {
            let bytes = envelope.as_bytes();
            Pan::from_digits(&bytes[13..bytes.len() - 16]).ok()
        };
        Ok(envelopes.iter().map(open).collect())
    }
}

/// Substitute for the HSM's audit key, which nobody who can only write to the tables has.
pub struct AuditKey;

impl Seal for AuditKey {
    async fn holds(&self, covered: &[u8], seal: &[u8]) -> Result<bool, HsmError> {
        Ok(Self::mac(covered) == seal)
    }
}

impl AuditKey {
    pub fn mac(covered: &[u8]) -> Vec<u8> {
        Sha256::new_with_prefix(b"a key").chain_update(covered).finalize()[..8].to_vec()
    }
}

/// When files are read.
fn evening() -> Timestamp {
    "2026-11-20T22:00:00Z".parse().unwrap()
}

/// Reads each advice as a host does, and has it decided by real lanes. In place of the HSM it knows the one card of ours.
pub struct HostOfLanes<'a> {
    lanes: &'a Lanes,
    config: &'a host::config::Config,
    /// Records that were told.
    pub told: Mutex<Vec<u32>>,
}

impl PostingHost for HostOfLanes<'_> {
    async fn tell(&self, advices: &[(u32, ClearingAdvice)]) -> Result<(), HostLinkError> {
        let dialect = dialect::load(&config_folder().join("dialects"), "switchyard-host").unwrap();
        for (record, advice) in advices {
            let message = advice.message(&dialect, Stan(1), date(2026, 11, 20).at(22, 0, 0, 0));
            let message = Message::decode(&dialect, message.encode().unwrap()).unwrap();
            let (request, presented) = host::request::read(&message, self.config, date(2026, 11, 20)).unwrap();
            let mut prepared = sample::prepared(request, bucket(1001), 1001);
            if presented.pan.unwrap().expose() != OUR_PAN {
                prepared.request.identify(Some(PanIndex([0x55; 32])));
                prepared.location = RowLocation::NoAccount { bucket: 0x55 % 64 };
            }
            let committed = self.lanes.submit(prepared, Instant::now()).await.unwrap();
            assert_eq!(committed.row().response_code, ResponseCode::APPROVED, "record {record}");
            self.told.lock().unwrap().push(*record);
        }
        Ok(())
    }
}

/// The number in which the acquirer presents our card. Its masked form is that of the row.
const OUR_PAN: &[u8] = b"4000120000000000";

fn envelope(pan: &[u8]) -> Vec<u8> {
    [&[1][..], &[0; 12], pan, &[0; 16]].concat()
}

/// A transaction counter (ATC) in DE55.
pub const CHIP: &[u8] = &[0x9F, 0x36, 2, 0, 42];

fn config_folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config")
}

pub fn dialects_dir() -> std::path::PathBuf {
    config_folder().join("dialects")
}

pub fn dialects() -> Dialects {
    let load = |name| dialect::load(&dialects_dir(), name).unwrap();
    Dialects { ascii: load("ipm"), ebcdic: load("ipm-ebcdic") }
}

pub fn fees() -> FeeSchedule {
    FeeSchedule::load(&config_folder().join("fees/standard.toml")).unwrap()
}

/// The example configuration; its database is not used.
pub fn config() -> Config {
    let text = fs::read_to_string(config_folder().join("backoffice.toml")).unwrap();
    let links = link::role::Roles::load(&config_folder().join("links.toml")).unwrap();
    Config::parse(&text, Path::new("backoffice.toml"), links).unwrap()
}

/// A client of a database, and a configuration for it.
pub async fn connect(to: &str) -> (Client, Config) {
    let (client, connection) = tokio_postgres::connect(to, NoTls).await.unwrap();
    tokio::spawn(connection);
    (client, config())
}

pub async fn cluster() -> Client {
    let to = std::env::var("SWITCHYARD_TEST_POSTGRES").expect("SWITCHYARD_TEST_POSTGRES names no cluster: run ./test");
    connect(&to).await.0
}

/// The auditor's report on the database of a client.
pub async fn audit_over(client: &Client, config: &Config, evidence: &Evidence) -> Report {
    let installation =
        Installation { dialects_dir: &config_folder().join("dialects"), issuers: &config.clearing.issuers };
    audit(client, installation, evidence, &AuditKey).await.unwrap()
}

pub fn database_name(connection: &str) -> String {
    let config: tokio_postgres::Config = connection.parse().unwrap();
    config.get_dbname().unwrap().to_owned()
}

/// Every file below a folder, by its path.
pub fn files_below(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fn walk(folder: &Path, base: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, base, files);
            } else {
                let name = path.strip_prefix(base).unwrap().display().to_string();
                files.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    let mut files = BTreeMap::new();
    walk(folder, folder, &mut files);
    files
}

pub fn minor_of(decimal: &str) -> i64 {
    decimal.replace('.', "").parse().unwrap()
}

/// A day after its cut-over, with the acquirer's file read.
pub struct Day {
    db: Database,
    pub pool: Pool,
    pub file: Vec<u8>,
    pub presented: PresentedFile,
}

impl Day {
    /// Four movements at merchant 1, five of foreign cards at merchant 2, four of our card abroad.
    pub async fn of_trade() -> Self {
        let db = database::fresh().await;
        let pool = pool(&db.owner, 2).unwrap();
        issue(&pool).await;
        let merchants =
            seed::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/settlement/merchants.toml")).unwrap();
        seed::seed(&mut pool.get().await.unwrap(), &merchants).await.unwrap();
        let mut index = foreign_index().to_vec();
        db.client
            .execute(
                "INSERT INTO foreign_card (bucket, pan_index, pan_envelope, pan_masked) VALUES ($1, $2, $3, '510051******0008')",
                &[&foreign_bucket(), &index, &envelope(FOREIGN_PAN)],
            )
            .await
            .unwrap();
        index.clear();
        let chip =
            prepared("terminals|T0000002|SWYD00000000002", 4, Kind::Purchase, Role::Acquired, 0).request.key.original;
        db.client
            .execute("INSERT INTO acquired_chip VALUES ($1, $2, $3)", &[&foreign_bucket(), &&chip.0[..], &CHIP])
            .await
            .unwrap();
        let empty = PresentedFile {
            file_id: String::new(),
            acquirer: String::new(),
            cycle: date(2026, 11, 20),
            already: None,
            records: 0,
            checksum_minor: 0,
            matched: 0,
            outcomes: BTreeMap::new(),
            posted_minor: 0,
            exceptions: Vec::new(),
        };
        let mut day = Self { db, pool, file: Vec::new(), presented: empty };
        let issued = day.trade().await;
        business_day::cut_over(&day.pool, date(2026, 11, 21)).await.unwrap();
        day.file = acquirers_file(&issued, false);
        day.presented = day.present(&day.file).await.unwrap();
        day
    }

    async fn trade(&self) -> Vec<Committed> {
        self.on_us(1, 1000).await;
        self.on_us(2, 1999).await;
        self.submit(ours(2, Kind::Reversal, 1999)).await;
        self.submit(ours(3, Kind::Refund, 500)).await;
        self.acquired(4, 2500).await;
        self.acquired(5, 3000).await;
        self.reverse_acquired(5, 3000, Some(2000)).await;
        self.acquired(6, 4000).await;
        self.reverse_acquired(6, 4000, None).await;
        let mut issued = Vec::new();
        for (stan, kind, minor) in
            [(7, Kind::Purchase, 1250), (8, Kind::Refund, 400), (9, Kind::Purchase, 1300), (10, Kind::Purchase, 2200)]
        {
            issued.push(self.submit(abroad(stan, kind, minor)).await);
        }
        self.reverse_abroad(9, Kind::Purchase, 1300, Some(1100)).await;
        issued
    }

    async fn submit(&self, prepared: PreparedRequest) -> Committed {
        let committed = self.db.lanes.submit(prepared, Instant::now()).await.unwrap();
        assert_eq!(committed.row().response_code, ResponseCode::APPROVED, "{:?}", committed.row().reason);
        committed
    }

    pub async fn on_us(&self, stan: u32, minor: i64) -> Committed {
        self.submit(ours(stan, Kind::Purchase, minor)).await
    }

    /// Pre-authorizations: one that is open, one raised and reversed in part, one completed.
    pub async fn pre_authorize(&self) {
        self.submit(ours(40, Kind::PreAuthorization, 1500)).await;
        let raised = self.submit(ours(41, Kind::PreAuthorization, 2500)).await;
        let mut more = ours(42, Kind::PreAuthorization, 500);
        more.request.approval_code = raised.row().approval_code;
        more.request.life_cycle = Some(raised.row().life_cycle.clone());
        self.submit(more).await;
        let completed = self.submit(ours(43, Kind::PreAuthorization, 3500)).await;
        let mut completion = ours(44, Kind::Completion, 3000);
        completion.request.life_cycle = Some(completed.row().life_cycle.clone());
        self.submit(completion).await;
    }

    /// Our card at the foreign acquirer.
    pub async fn abroad(&self, stan: u32, kind: Kind, minor: i64) -> Committed {
        self.submit(abroad(stan, kind, minor)).await
    }

    /// A reversal of a transaction abroad, until `standing` is left of it.
    pub async fn reverse_abroad(&self, stan: u32, kind: Kind, minor: i64, standing: Option<i64>) {
        let mut reversal = abroad(stan, Kind::Reversal, minor);
        let class = sample::class(kind).unwrap();
        reversal.request.class = Some(class);
        reversal.request.key = sample::key("acquirer-ascii|F0000001|FACQ00000000001", stan).of_class(class);
        reversal.request.other_class = None;
        reversal.request.replacement = standing.map(Minor);
        self.submit(reversal).await;
    }

    /// Releases the holds that end before a day.
    pub async fn release_holds(&self, before: Date) {
        let client = self.pool.get().await.unwrap();
        let writer = JournalWriter::register(&**client, "authhost").await.unwrap();
        drop(client);
        hold::release_expired(&self.pool, &writer, before, evening()).await.unwrap();
    }

    /// Available and held amount of the one account.
    pub async fn account(&self) -> (i64, i64) {
        self.db.balance(1001).await
    }

    pub async fn acquired(&self, stan: u32, minor: i64) {
        self.submit(foreign(stan, Kind::Purchase, minor, None)).await;
    }

    /// A refund of the foreign card that names nothing.
    pub async fn refund_acquired(&self, stan: u32, minor: i64) -> Committed {
        self.submit(foreign(stan, Kind::Refund, minor, None)).await
    }

    /// A completion at merchant 1 whose authorization nobody knows.
    pub async fn force_post(&self, stan: u32, minor: i64) -> Committed {
        let mut completion = ours(stan, Kind::Completion, minor);
        completion.request.advice = true;
        completion.request.approval_code = ApprovalCode::new("NOSUCH");
        self.submit(completion).await
    }

    /// A reversal at merchant 1, until `standing` is left.
    pub async fn reverse_ours(&self, stan: u32, kind: Kind, minor: i64, standing: Option<i64>) -> Committed {
        let mut reversal = ours(stan, Kind::Reversal, minor);
        let class = sample::class(kind).unwrap();
        reversal.request.class = Some(class);
        reversal.request.key = sample::key("terminals|T0000001|SWYD00000000001", stan).of_class(class);
        reversal.request.other_class = None;
        reversal.request.replacement = standing.map(Minor);
        self.submit(reversal).await
    }

    pub async fn reverse_acquired(&self, stan: u32, minor: i64, standing: Option<i64>) {
        self.submit(foreign(stan, Kind::Reversal, minor, standing)).await;
    }

    pub async fn present(&self, file: &[u8]) -> Result<PresentedFile, PresentError> {
        self.present_to(file, &self.host()).await
    }

    /// The day's lanes, told of advices as a host's listener is.
    pub fn host(&self) -> HostOfLanes<'_> {
        HostOfLanes { lanes: &self.db.lanes, config: &self.db.config, told: Mutex::default() }
    }

    pub async fn present_to(&self, file: &[u8], host: &impl PostingHost) -> Result<PresentedFile, PresentError> {
        let (dialects, fees, config) = (dialects(), fees(), config());
        let rules = AcceptanceRules {
            dialects: &dialects,
            processing: ProcessingMode::Production,
            links: &config.links,
            fees: &fees,
        };
        let mut client = self.pool.get().await.unwrap();
        let incoming = IncomingFile { name: "in.ipm", content: Cursor::new(file), control: None };
        present_in(&mut client, &rules, host, incoming, evening()).await
    }

    /// A valid file with the id of the one that was read, and other content.
    pub fn file_with_other_content(&self) -> Vec<u8> {
        acquirers_file(&[], true)
    }

    pub async fn close(&self, of: Date, out: &Path) -> Result<Closed, CloseError> {
        let mut client = self.pool.get().await.unwrap();
        close_day(&mut client, &config(), &fees(), &dialects_dir(), &Vault, of, out).await
    }

    /// As [`Self::close`], by another schedule and configuration.
    pub async fn close_at(
        &self,
        fees: &FeeSchedule,
        config: &Config,
        of: Date,
        out: &Path,
    ) -> Result<Closed, CloseError> {
        let mut client = self.pool.get().await.unwrap();
        close_day(&mut client, config, fees, &dialects_dir(), &Vault, of, out).await
    }

    /// What the lines of an acquired transaction have cost: service charge, interchange, scheme fee.
    pub async fn charged(&self, stan: i32) -> (i64, i64, i64) {
        let sql = "SELECT sum(l.fee_minor)::int8, sum(l.interchange_minor)::int8, sum(l.scheme_fee_minor)::int8
                   FROM settlement_line l JOIN auth a USING (bucket, auth_id) WHERE a.stan = $1 AND a.role = 'acquired'";
        let row = self.db.client.query_one(sql, &[&stan]).await.unwrap();
        (row.get(0), row.get(1), row.get(2))
    }

    /// Presentments of a file of ours, verified as its receiver would do.
    pub fn read_own(&self, bytes: &[u8]) -> Vec<(u32, Presentment)> {
        let expected = FileRequirements { processing: ProcessingMode::Production, senders: &["400012"] };
        let dialects = dialects();
        let verified = reader::verify(Cursor::new(bytes), &dialects, &expected).unwrap();
        let mut presentments = reader::Presentments::of(&verified, Cursor::new(bytes), &dialects).unwrap();
        std::iter::from_fn(|| presentments.next_presentment().unwrap()).collect()
    }

    pub async fn number(&self, sql: &str) -> i64 {
        self.db.number(sql).await
    }

    pub async fn rows(&self, sql: &str) -> Vec<tokio_postgres::Row> {
        self.db.client.query(sql, &[]).await.unwrap()
    }

    pub async fn text(&self, sql: &str) -> String {
        self.db.client.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// Changes rows behind the programs' backs.
    pub async fn change(&self, sql: &str) {
        self.db.client.batch_execute(sql).await.unwrap();
    }

    /// Non-zero balances of all accounts of a kind.
    pub async fn balance(&self, kind: &str) -> BTreeMap<String, i64> {
        let rows = self
            .db
            .client
            .query(
                "SELECT account_ref, sum(amount_minor)::int8 FROM ledger_leg WHERE account_kind = $1 GROUP BY 1 HAVING sum(amount_minor) <> 0",
                &[&kind],
            )
            .await
            .unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    pub async fn check_books(&self) {
        // the opening balance has two legs like any other transaction
        self.db.check_books(&[(1001, 0)]).await;
        let unbalanced = "SELECT count(*) FROM (SELECT 1 FROM ledger_leg GROUP BY posting, currency HAVING sum(amount_minor) <> 0) u";
        assert_eq!(self.number(unbalanced).await, 0, "every posting sums to zero");
        let paid = "SELECT count(*) FROM settlement_merchant m WHERE m.gross_minor <>
                      (SELECT coalesce(sum(l.gross_minor), 0) FROM settlement_line l WHERE l.batch_id = m.batch_id AND l.merchant = m.merchant
                         AND NOT l.held AND NOT l.rejected)";
        assert_eq!(self.number(paid).await, 0, "a merchant's gross is the sum of its lines");
    }

    /// Anchors the heads of the chains, as the host does each second, and those of the other writers.
    pub async fn anchor(&self) {
        let client = self.pool.get().await.unwrap();
        let of_lanes = self.db.lanes.heads().filter(|(_, head)| head.batch_seq > 0);
        let heads = of_lanes.map(|(of, head)| (of, head, Occasion::Running)).collect::<Vec<_>>();
        for (of, head, occasion) in heads {
            seal(&client, of, head, occasion).await;
        }
        for (of, head) in anchor::left_alone(&**client, 0).await.unwrap() {
            seal(&client, of, head, Occasion::Adopted).await;
        }
    }

    /// As a host does now and then.
    pub async fn add_up(&self) {
        day_total::add_up(&self.pool).await.unwrap();
    }

    /// The auditor's report.
    pub async fn audit(&self, evidence: &Evidence) -> Report {
        audit_over(&self.db.client, &config(), evidence).await
    }

    /// Disconnects from the database and returns its connection string.
    pub fn into_database(self) -> String {
        self.db.config.postgres.replace(" options='-c role=switchyard_host'", "")
    }

    /// Closes the day without writing a batch, disconnects, and returns the connection string.
    pub async fn with_flag_set(self) -> String {
        let mut client = self.pool.get().await.unwrap();
        business_day::close(&mut client, date(2026, 11, 20)).await.unwrap();
        drop(client);
        self.into_database()
    }
}

async fn seal(client: &Client, of: JournalInstance, head: ChainHead, occasion: Occasion) {
    let (last, previous) = anchor::last(client).await.unwrap();
    let anchor = Anchor { seq: last + 1, of, head, occasion, previous };
    let mac = AuditKey::mac(&anchor.covered());
    assert!(anchor::insert(client, &anchor, &mac, Timestamp::now()).await.unwrap());
}

/// Issues the one card of ours, with an account that starts at 1,000.00.
async fn issue(pool: &Pool) {
    let mut client = pool.get().await.unwrap();
    let writer = JournalWriter::register(&**client, "issuing").await.unwrap();
    let mut index = [0; 32];
    index[..8].copy_from_slice(&1001_i64.to_be_bytes());
    let account = NewAccount {
        reference: None,
        currency: Currency::EUR,
        opening: Minor(100_000),
        pan_index: PanIndex(index),
        acquirer: InstitutionId::new("400012").unwrap(),
        now: date(2026, 11, 20).at(8, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp(),
    };
    open_account(&mut client, &writer, &account, async |account| {
        assert_eq!(account.account_id(), 1001);
        account
            .add_card(&NewCard {
                card_id: 1001,
                reference: None,
                pan_index: &PanIndex(index),
                pan_envelope: &envelope(b"4000120000001001"),
                pan_masked: "400012******0000",
                expiry: Expiry { year: 29, month: 12 },
                sequence: 0,
                service_code: "201",
                pvki: 1,
                pvv: &Pvv::new(*b"0000").unwrap(),
                key_set: &KeySet::new("400012").unwrap(),
                status: CardStatus::Active,
                limit_txn_minor: 100_000,
                limit_day_minor: 150_000,
                note: "",
            })
            .await
    })
    .await
    .unwrap();
}

fn foreign_index() -> [u8; 32] {
    [0x77; 32]
}

fn foreign_bucket() -> i16 {
    i16::from(0x77u8 % 64)
}

fn ours(stan: u32, kind: Kind, minor: i64) -> PreparedRequest {
    prepared("terminals|T0000001|SWYD00000000001", stan, kind, Role::OnUs, minor)
}

fn abroad(stan: u32, kind: Kind, minor: i64) -> PreparedRequest {
    let mut prepared = prepared("acquirer-ascii|F0000001|FACQ00000000001", stan, kind, Role::Issued, minor);
    prepared.request.acquirer = InstitutionId::new("510099").unwrap();
    prepared
}

fn foreign(stan: u32, kind: Kind, minor: i64, standing: Option<i64>) -> PreparedRequest {
    let mut prepared = prepared("terminals|T0000002|SWYD00000000002", stan, kind, Role::Acquired, minor);
    prepared.request.advice = kind != Kind::Reversal;
    prepared.request.advised = Some(ResponseCode::APPROVED);
    prepared.request.issuer = Some("issuer-510051".into());
    prepared.request.approval_code = ApprovalCode::new("654321");
    prepared.request.life_cycle = Some(format!("SWYACQ{stan:09}"));
    prepared.request.replacement = standing.map(Minor);
    prepared.request.identify(Some(PanIndex(foreign_index())));
    prepared.location = RowLocation::NoAccount { bucket: foreign_bucket() };
    prepared
}

fn prepared(origin: &str, stan: u32, kind: Kind, role: Role, amount_minor: i64) -> PreparedRequest {
    let processing_code = if kind == Kind::Refund { ProcessingCode::REFUND } else { ProcessingCode::PURCHASE };
    // scenarios that need an advice say so
    let advice = false;
    let request = Request { advice, role, processing_code, ..sample::request(origin, stan, kind, amount_minor) };
    sample::prepared(request, bucket(1001), 1001)
}

/// The acquirer's presentments: a sale and a refund unchanged, more than is left of a sale, the first one twice, one that takes
/// back what was never presented, and one with another card.
fn acquirers_file(issued: &[Committed], other: bool) -> Vec<u8> {
    let mut presentments = Vec::new();
    let mut sequence = 0;
    let mut put = |of: Presentment| presentments.push(of);
    let mut make = |of: &Committed| {
        sequence += 1;
        presentment(of, sequence)
    };
    if let [sale, refund, third, fourth] = issued {
        put(make(sale));
        put(make(refund));
        put(Presentment { amount: Minor(1101), ..make(third) });
        put(make(sale));
        put(Presentment { takes_back: true, ..make(fourth) });
        put(Presentment { pan: Pan::from_digits(b"4000120000000123").unwrap(), ..make(fourth) });
    }
    assert!(other || !issued.is_empty());
    file_of(1, &presentments)
}

/// The acquirer's file of this number.
pub fn file_of(number: u32, presentments: &[Presentment]) -> Vec<u8> {
    let file = FileId::new(1, date(2026, 11, 20), "510099", number).unwrap();
    let mut out = Vec::new();
    let header = Header { file, processing: ProcessingMode::Production };
    let mut writer = Writer::start(&dialects().ascii, header, &mut out).unwrap();
    for of in presentments {
        writer.presentment(of, of.takes_back.then(|| date(2026, 11, 20)), &mut out).unwrap();
    }
    writer.finish(&mut out).unwrap();
    out
}

/// A presentment of a transaction, with a reference of this number.
pub fn presentment(of: &Committed, sequence: u64) -> Presentment {
    let row = of.row();
    let institution = InstitutionId::new("510099");
    let refund = row.kind == Kind::Refund;
    Presentment {
        pan: Pan::from_digits(OUR_PAN).unwrap(),
        processing: if refund { ProcessingCode::REFUND } else { ProcessingCode::PURCHASE },
        amount: row.approved,
        currency: Currency::EUR,
        local_at: LocalDateTime {
            year: 26,
            date: MonthDay::new(11, 20).unwrap(),
            time: LocalTime::new(10, 15, 0).unwrap(),
        },
        pos_data: None,
        business_code: 5999,
        reference: AcquirerReference::new("510099", date(2026, 11, 20), sequence).unwrap(),
        forwarder: institution,
        rrn: row.rrn,
        approval: row.approval_code,
        service_code: None,
        terminal: row.terminal,
        merchant: MerchantId::new("FACQ00000000001").unwrap(),
        acceptor: None,
        icc: None,
        life_cycle: Some(row.life_cycle.clone()),
        originator: institution,
        takes_back: false,
    }
}
