//! The merchants, terminals, cards and wallets of the demo, as orders to the back office and the terminal vendor.

use serde_json::{Value, json};

/// How many of each there are, besides the cards of the demo's steps.
#[derive(Debug, Clone, Copy)]
pub struct Population {
    pub merchants: u32,
    pub terminals_per_merchant: u32,
    /// Cards and wallets that the load draws from.
    pub load_cards: u32,
    pub load_wallets: u32,
}

/// Names and category codes that merchants take in turn.
const TRADES: [(&str, i16); 5] =
    [("Bakery", 5462), ("Supermarket", 5411), ("Restaurant", 5812), ("Petrol Station", 5541), ("Hotel", 7011)];
const CITIES: [&str; 3] = ["Hamburg", "Bremen", "Kiel"];
/// The reference of a card in orders, made from its note. Its wallet's token has the same reference.
pub fn reference(note: &str) -> String {
    note.replace(' ', "-")
}

/// Notes of the cards that are provisioned to a wallet.
const WALLETS: [&str; 2] = ["wallet", "deleted token"];
const EXPIRY: &str = "2912";

impl Population {
    /// For tests: small, so that it starts quickly.
    pub fn small() -> Self {
        Self { merchants: 6, terminals_per_merchant: 2, load_cards: 20, load_wallets: 4 }
    }

    pub fn demo() -> Self {
        Self { merchants: 10, terminals_per_merchant: 2, load_cards: 500, load_wallets: 100 }
    }

    /// The terminals for which the vendor orders keys.
    pub fn terminal_orders(&self) -> Value {
        let orders = (1..=self.merchants).flat_map(|merchant| {
            self.terminals_of(merchant).map(move |terminal| {
                // one terminal of the older kind, so that both algorithms are in use
                let mac = if terminal == 2 { "x9.19" } else { "aes-cmac" };
                let (_, mcc) = trade(merchant);
                json!({
                    "terminal": terminal_id(terminal), "merchant": merchant_id(merchant),
                    "mcc": format!("{mcc:04}"), "mac": mac,
                })
            })
        });
        orders.collect()
    }

    /// The merchants that the back office enters.
    pub fn merchants(&self) -> Value {
        let merchants = (1..=self.merchants).map(|number| {
            let (name, mcc) = trade(number);
            json!({
                "merchant_id": merchant_id(number), "name": format!("{name} {number}"), "mcc": mcc,
                "city": CITIES[number as usize % CITIES.len()], "country": "276", "iban": iban(number),
                "terminals": self.terminals_of(number).map(terminal_id).collect::<Vec<_>>(),
            })
        });
        json!({ "merchant": merchants.collect::<Vec<_>>() })
    }

    fn terminals_of(&self, merchant: u32) -> impl Iterator<Item = u32> + use<> {
        let last = merchant * self.terminals_per_merchant;
        last - self.terminals_per_merchant + 1..=last
    }

    /// One card for each step of the demo, and those of the load.
    pub fn cards(&self) -> Value {
        let mut cards: Vec<Value> = [
            ("by hand", 250_000),
            ("stripe", 100_000),
            ("chip", 250_000),
            ("wallet", 100_000),
            ("funds", 500),
            ("wrong PIN", 100_000),
            ("replay", 100_000),
            ("copied", 100_000),
            ("partial", 2_000),
            ("hotel", 100_000),
            ("refund", 100_000),
            ("deleted token", 100_000),
            ("reversal", 100_000),
            ("duplicate", 100_000),
            ("lost answer", 100_000),
            ("cut-over", 100_000),
        ]
        .into_iter()
        .map(|(note, balance)| json!({"reference": reference(note), "note": note, "balance_minor": balance, "expiry": EXPIRY}))
        .collect();
        cards.extend([
            json!({"reference": "nineteen-digits", "note": "nineteen digits", "balance_minor": 100_000, "expiry": EXPIRY, "digits": 19}),
            json!({"reference": "expired", "note": "expired", "balance_minor": 100_000, "expiry": "2401"}),
            json!({"reference": "blocked", "note": "blocked", "balance_minor": 100_000, "expiry": EXPIRY, "status": "blocked"}),
            json!({"reference": "daily-limit", "note": "daily limit", "balance_minor": 100_000, "expiry": EXPIRY, "limit_day_minor": 10_000}),
            // Zipf's law puts a tenth of the load on one card: its balance and daily limit must be enough for that.
            json!({
                "reference": "load", "note": "load", "count": self.load_cards, "balance_minor": 10_000_000_000_i64, "expiry": EXPIRY,
                "limit_day_minor": 10_000_000_000_i64,
            }),
        ]);
        json!({ "card": cards })
    }

    pub fn wallets(&self) -> Value {
        let story = WALLETS.iter().map(|note| (*note).to_owned());
        let load = (1..=self.load_wallets).map(|number| format!("load {number}"));
        let wallets = story.chain(load).map(|note| json!({ "card": reference(&note), "reference": reference(&note) }));
        json!({ "wallet": wallets.collect::<Vec<_>>() })
    }
}

fn trade(merchant: u32) -> (&'static str, i16) {
    TRADES[merchant as usize % TRADES.len()]
}

fn merchant_id(number: u32) -> String {
    format!("SWYD{number:011}")
}

fn terminal_id(number: u32) -> String {
    format!("T{number:07}")
}

/// A German account number with its check digits (ISO 13616: the whole, letters as numbers, is 1 modulo 97).
fn iban(number: u32) -> String {
    let account = format!("50010517{number:010}");
    let digits = format!("{account}131400");
    let remainder = digits.bytes().fold(0, |remainder, digit| (remainder * 10 + u32::from(digit - b'0')) % 97);
    format!("DE{:02}{account}", 98 - remainder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_numbers_pass_their_check() {
        let account = iban(1);
        let turned = format!("{}1314{}", &account[4..], &account[2..4]);
        let remainder = turned.bytes().fold(0, |remainder, digit| (remainder * 10 + u32::from(digit - b'0')) % 97);
        assert_eq!(remainder, 1);
    }

    #[test]
    fn vendor_and_back_office_are_told_of_the_same_terminals() {
        let population = Population::small();
        let vendor = population.terminal_orders();
        let office = population.merchants();
        let of_vendor: Vec<_> =
            vendor.as_array().expect("a list").iter().map(|order| order["terminal"].clone()).collect();
        let merchants = office["merchant"].as_array().expect("a list");
        let of_office: Vec<_> =
            merchants.iter().flat_map(|merchant| merchant["terminals"].as_array().expect("a list").clone()).collect();
        assert_eq!(of_vendor, of_office);
        assert_eq!(of_vendor.len(), 12);
    }
}
