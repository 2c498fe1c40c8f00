//! Our merchants and their terminals, cached. Reads both tables and writes none.

use std::collections::{HashMap, HashSet};

use codecs::value::{MerchantId, TerminalId};
use deadpool_postgres::Pool;

use super::StoreError;

/// Our merchants and their terminals as last read.
#[derive(Clone, Debug, Default)]
pub struct Acceptors {
    merchants: HashSet<String>,
    terminals: HashMap<String, String>,
}

impl Acceptors {
    /// Reads both tables.
    pub async fn load(pool: &Pool) -> Result<Self, StoreError> {
        let client = pool.get().await?;
        let merchants = client.query("SELECT merchant_id FROM merchant", &[]).await?;
        let terminals = client.query("SELECT terminal_id, merchant_id FROM terminal", &[]).await?;
        Ok(Self {
            merchants: merchants.iter().map(|row| row.get(0)).collect(),
            terminals: terminals.iter().map(|row| (row.get(0), row.get(1))).collect(),
        })
    }

    /// Whether this terminal belongs to this merchant.
    #[must_use]
    pub fn knows(&self, merchant: Option<&MerchantId>, terminal: Option<&TerminalId>) -> bool {
        let (Some(merchant), Some(terminal)) = (merchant, terminal) else { return false };
        let merchant = merchant.as_str();
        self.merchants.contains(merchant)
            && self.terminals.get(terminal.as_str()).is_some_and(|owner| owner == merchant)
    }

    /// Whether the terminal is one of ours.
    #[must_use]
    pub fn has_terminal(&self, terminal: &str) -> bool {
        self.terminals.contains_key(terminal)
    }
}
