//! Who lives in the demo world: merchants with their terminals, and the cards that the issuer is asked for.

use serde_json::{Value, json};

/// How many of each there are besides the cards of the story.
#[derive(Debug, Clone, Copy)]
pub struct Population {
    pub merchants: u32,
    pub terminals_per_merchant: u32,
    /// Cards and wallets that the load draws from.
    pub load_cards: u32,
    pub load_wallets: u32,
}

impl Population {
    /// For tests: up in a moment.
    pub fn small() -> Self {
        Self { merchants: 3, terminals_per_merchant: 2, load_cards: 20, load_wallets: 4 }
    }

    pub fn demo() -> Self {
        Self { merchants: 10, terminals_per_merchant: 2, load_cards: 600, load_wallets: 100 }
    }

    /// What the terminal vendor orders keys for.
    pub fn terminal_orders(&self) -> Vec<Value> {
        self.terminals()
            .map(|(terminal, merchant)| {
                // one terminal of the older kind, so that both algorithms are in use
                let mac = if terminal == 2 { "x9.19" } else { "aes-cmac" };
                json!({
                    "terminal": terminal_id(terminal), "merchant": merchant_id(merchant),
                    "mcc": MCC[merchant as usize % MCC.len()], "mac": mac,
                })
            })
            .collect()
    }

    /// Numbers of terminals and of the merchants they stand at.
    fn terminals(&self) -> impl Iterator<Item = (u32, u32)> {
        let per_merchant = self.terminals_per_merchant;
        (0..self.merchants * per_merchant).map(move |index| (index + 1, index / per_merchant + 1))
    }
}

const MCC: [&str; 5] = ["5999", "5411", "5812", "5541", "7011"];

pub fn merchant_id(number: u32) -> String {
    format!("SWYD{number:011}")
}

pub fn terminal_id(number: u32) -> String {
    format!("T{number:07}")
}
