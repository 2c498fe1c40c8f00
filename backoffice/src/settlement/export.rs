//! Reports of a batch: one CSV file per merchant, and `batch.json` for the back office. Pure: returns bytes.

use codecs::value::{Currency, Minor};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;

use super::line::{MerchantBalance, SettlementLine};
use super::position::Position;
use super::posting::OwnSums;

/// Values common to all files of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchHead {
    pub batch_id: String,
    pub cycle: Date,
    pub currency: Currency,
    /// When the day was closed. The time is stored with the day's change of state, so it is the same in every run.
    pub closed_at: Timestamp,
    pub value_date: Date,
}

impl BatchHead {
    /// The id of the batch of a cycle and currency.
    #[must_use]
    pub fn id(cycle: Date, currency: Currency) -> String {
        format!("{}-{currency}", cycle.strftime("%Y%m%d"))
    }

    /// End-to-end id of a merchant's payment: at most 35 characters.
    #[must_use]
    pub fn payout_reference(&self, merchant: &str) -> String {
        format!("{}-{merchant}", self.batch_id)
    }
}

const COLUMNS: [&str; 20] = [
    "batch_id",
    "cycle_date",
    "merchant_id",
    "terminal_id",
    "movement",
    "transaction_time",
    "business_date",
    "role",
    "pan_masked",
    "rrn",
    "approval_code",
    "lifecycle_id",
    "acquirer_reference",
    "currency",
    "gross",
    "fee",
    "net",
    "rate_id",
    "value_date",
    "payout_reference",
];

/// A merchant's lines as CSV, with the acquirer reference number of those that were presented to another issuer.
///
/// # Errors
/// None in practice: it writes to memory.
pub fn merchant_csv<'l>(
    head: &BatchHead,
    lines: impl IntoIterator<Item = (&'l SettlementLine, Option<&'l str>)>,
) -> Result<Vec<u8>, csv::Error> {
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record(COLUMNS)?;
    let (cycle, value_date) = (head.cycle.to_string(), head.value_date.to_string());
    let letters = head.currency.to_string();
    for (line, reference) in lines {
        let of = &line.movement;
        let decimal = |minor: i64| head.currency.decimal(Minor(minor));
        let text = |text: &Option<String>| inert(text.as_deref().unwrap_or(""));
        out.write_record([
            head.batch_id.clone(),
            cycle.clone(),
            inert(&of.merchant),
            text(&of.terminal),
            line.movement_word().to_owned(),
            of.local_at.to_string(),
            of.business_date.to_string(),
            of.role.as_str().to_owned(),
            text(&of.pan_masked),
            text(&of.rrn),
            text(&of.approval),
            inert(&of.life_cycle),
            reference.unwrap_or("").to_owned(),
            letters.clone(),
            decimal(of.gross_minor),
            decimal(line.fee.minor),
            decimal(line.net_minor()),
            inert(&line.fee.rate_id),
            value_date.clone(),
            head.payout_reference(&of.merchant),
        ])?;
    }
    out.into_inner().map_err(|error| error.into_error().into())
}

/// Text that a spreadsheet does not take for a formula: values received in messages may begin like one.
fn inert(text: &str) -> String {
    match text.as_bytes().first() {
        Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r' | b'\n') => format!("'{text}"),
        _ => text.to_owned(),
    }
}

/// An outgoing clearing file, as in its control file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClearingSummary {
    pub file: String,
    pub institution: String,
    pub records: u32,
    pub checksum: u64,
    pub sha256: String,
}

/// Number of presentments of the cycle with one outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PresentmentCount {
    pub outcome: String,
    pub items: i64,
    pub minor: i64,
}

/// Sums over the lines of one merchant, or of all, in `batch.json`: gross - fee = net; net + brought forward = payout +
/// carried forward. A debt is carried as a negative sum.
#[derive(Serialize)]
struct MerchantSums {
    lines: i64,
    gross_minor: i64,
    fee_minor: i64,
    net_minor: i64,
    brought_forward_minor: i64,
    payout_minor: i64,
    carried_forward_minor: i64,
    #[serde(flatten)]
    unpaid: Unpaid,
}

/// Movements of the batch that are in none of these sums: held, or rejected. Told where there are any.
#[derive(Serialize)]
struct Unpaid {
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<Movements>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rejected: Option<Movements>,
}

#[derive(Serialize)]
struct Movements {
    lines: i64,
    gross_minor: i64,
}

impl Movements {
    fn of(lines: i64, gross_minor: i64) -> Option<Self> {
        (lines != 0).then_some(Self { lines, gross_minor })
    }
}

#[derive(Serialize)]
struct Merchant<'a> {
    merchant_id: &'a str,
    #[serde(flatten)]
    totals: MerchantSums,
    payout_reference: Option<String>,
}

#[derive(Serialize)]
struct Standing<'a> {
    institution: &'a str,
    side: &'static str,
    items: i64,
    gross_minor: i64,
    interchange_minor: i64,
    /// Positive: owed by us.
    net_minor: i64,
}

#[derive(Serialize)]
struct Own {
    service_charge_minor: i64,
    interchange_paid_minor: i64,
    interchange_earned_minor: i64,
    scheme_fee_minor: i64,
    result_minor: i64,
}

#[derive(Serialize)]
struct Document<'a> {
    batch_id: &'a str,
    cycle_date: String,
    currency: String,
    currency_number: u16,
    exponent: u32,
    closed_at: String,
    value_date: String,
    totals: MerchantSums,
    merchants: Vec<Merchant<'a>>,
    positions: Vec<Standing<'a>>,
    own: Own,
    presentments: &'a [PresentmentCount],
    clearing: &'a [ClearingSummary],
}

/// Everything that `batch.json` contains.
#[derive(Clone, Copy, Debug)]
pub struct BatchContents<'a> {
    pub head: &'a BatchHead,
    pub balances: &'a [MerchantBalance],
    pub positions: &'a [Position],
    pub own: OwnSums,
    pub presentments: &'a [PresentmentCount],
    pub clearing: &'a [ClearingSummary],
}

/// Renders `batch.json`. Amounts are integers in minor units of the batch's currency.
#[must_use]
pub fn batch_json(of: &BatchContents<'_>) -> Vec<u8> {
    let head = of.head;
    let merchant = |balance: &'_ MerchantBalance| MerchantSums {
        lines: balance.lines,
        gross_minor: balance.gross_minor,
        fee_minor: balance.fee_minor,
        net_minor: balance.net_minor(),
        brought_forward_minor: balance.brought_forward_minor,
        payout_minor: balance.payout_minor,
        carried_forward_minor: balance.carried_forward_minor,
        unpaid: Unpaid {
            held: Movements::of(balance.held_lines, balance.held_minor),
            rejected: Movements::of(balance.rejected_lines, balance.rejected_minor),
        },
    };
    let document = Document {
        batch_id: &head.batch_id,
        cycle_date: head.cycle.to_string(),
        currency: head.currency.to_string(),
        currency_number: head.currency.number(),
        exponent: head.currency.exponent(),
        closed_at: head.closed_at.to_string(),
        value_date: head.value_date.to_string(),
        totals: merchant(&sum(of.balances)),
        merchants: of
            .balances
            .iter()
            .map(|balance| Merchant {
                merchant_id: &balance.merchant,
                totals: merchant(balance),
                payout_reference: (balance.payout_minor > 0).then(|| head.payout_reference(&balance.merchant)),
            })
            .collect(),
        positions: of
            .positions
            .iter()
            .map(|position| Standing {
                institution: &position.institution,
                side: position.side.as_str(),
                items: position.items,
                gross_minor: position.gross_minor,
                interchange_minor: position.interchange_minor,
                net_minor: position.net_minor(),
            })
            .collect(),
        own: own(of),
        presentments: of.presentments,
        clearing: of.clearing,
    };
    let mut bytes = serde_json::to_vec_pretty(&document).expect("text and numbers serialize");
    bytes.push(b'\n');
    bytes
}

/// The acquirer's and the issuer's own result of the cycle.
fn own(of: &BatchContents<'_>) -> Own {
    use super::position::Side;
    let interchange = |side| -> i64 {
        of.positions.iter().filter(|position| position.side == side).map(|position| position.interchange_minor).sum()
    };
    let service_charge_minor = of.balances.iter().map(|balance| balance.fee_minor).sum();
    let interchange_paid_minor = interchange(Side::Issuer) + of.own.on_us_interchange_minor;
    let interchange_earned_minor = interchange(Side::Acquirer) + of.own.on_us_interchange_minor;
    let scheme_fee_minor = of.own.scheme_fee_minor;
    Own {
        service_charge_minor,
        interchange_paid_minor,
        interchange_earned_minor,
        scheme_fee_minor,
        result_minor: service_charge_minor - interchange_paid_minor + interchange_earned_minor - scheme_fee_minor,
    }
}

fn sum(balances: &[MerchantBalance]) -> MerchantBalance {
    balances.iter().fold(MerchantBalance::default(), |sum, of| MerchantBalance {
        merchant: String::new(),
        lines: sum.lines + of.lines,
        gross_minor: sum.gross_minor + of.gross_minor,
        fee_minor: sum.fee_minor + of.fee_minor,
        brought_forward_minor: sum.brought_forward_minor + of.brought_forward_minor,
        payout_minor: sum.payout_minor + of.payout_minor,
        carried_forward_minor: sum.carried_forward_minor + of.carried_forward_minor,
        held_lines: sum.held_lines + of.held_lines,
        held_minor: sum.held_minor + of.held_minor,
        rejected_lines: sum.rejected_lines + of.rejected_lines,
        rejected_minor: sum.rejected_minor + of.rejected_minor,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use jiff::civil::date;

    use super::super::line::MovementKind;
    use super::super::line::tests::{fees, movement};
    use super::super::line::{balances, value_date};
    use super::*;

    pub(crate) fn head() -> BatchHead {
        let cycle = date(2026, 11, 20);
        BatchHead {
            batch_id: BatchHead::id(cycle, Currency::EUR),
            cycle,
            currency: Currency::EUR,
            closed_at: "2026-11-20T22:00:00Z".parse().unwrap(),
            value_date: value_date(cycle, 1),
        }
    }

    #[test]
    fn a_csv_line_says_all_of_a_movement() {
        let line = SettlementLine::of(movement(1, MovementKind::Sale, 1000), &fees()).unwrap();
        let csv = String::from_utf8(merchant_csv(&head(), [(&line, None)]).unwrap()).unwrap();
        assert_eq!(
            csv,
            "batch_id,cycle_date,merchant_id,terminal_id,movement,transaction_time,business_date,role,pan_masked,rrn,\
             approval_code,lifecycle_id,acquirer_reference,currency,gross,fee,net,rate_id,value_date,payout_reference\n\
             20261120-EUR,2026-11-20,SWYD00000000001,T0000001,sale,2026-11-20T10:15:30,2026-11-20,on-us,\
             400012******0008,632400000001,123456,SWY00000000000A,,EUR,10.00,0.23,9.77,MSC-STANDARD,2026-11-23,\
             20261120-EUR-SWYD00000000001\n"
        );
    }

    #[test]
    fn what_came_over_the_wire_is_no_formula() {
        let mut refund = movement(1, MovementKind::Refund, -5);
        refund.terminal = Some("=1+1".into());
        refund.rrn = Some("@SUM(A1)".into());
        refund.approval = Some("a\",\"b".into());
        let line = SettlementLine::of(refund, &fees()).unwrap();
        let bytes = merchant_csv(&head(), [(&line, None)]).unwrap();
        let mut reader = csv::Reader::from_reader(&bytes[..]);
        let row = reader.records().next().unwrap().unwrap();
        assert_eq!((&row[3], &row[9], &row[10]), ("'=1+1", "'@SUM(A1)", "a\",\"b"));
        assert_eq!(&row[14], "-0.05", "amounts are numbers and stay so");
    }

    #[test]
    fn batch_json_adds_up() {
        let lines = [
            SettlementLine::of(movement(1, MovementKind::Sale, 1000), &fees()).unwrap(),
            SettlementLine::of(movement(2, MovementKind::Refund, -200), &fees()).unwrap(),
        ];
        let balances = balances(&lines, &Default::default(), &|_| true);
        let own = OwnSums { on_us_interchange_minor: 2, scheme_fee_minor: 1 };
        let contents =
            BatchContents { head: &head(), balances: &balances, positions: &[], own, presentments: &[], clearing: &[] };
        let json: serde_json::Value = serde_json::from_slice(&batch_json(&contents)).unwrap();
        assert_eq!(json["totals"]["gross_minor"], 800);
        assert_eq!(json["totals"]["payout_minor"], 777);
        assert_eq!(json["merchants"][0]["payout_reference"], "20261120-EUR-SWYD00000000001");
        assert_eq!(json["own"]["result_minor"], 22, "23 charged, 2 paid and 2 earned, 1 to the scheme");
        assert_eq!(json["closed_at"], "2026-11-20T22:00:00Z");
    }
}
