//! Our own terminals: merchant, merchant category code, and working keys as key blocks that only hsmd can unwrap.

use codecs::value::{MerchantId, Number, TerminalId};
use hsm::{KeyBlock, MacKey, PinKey, TerminalKeyRow};
use std::collections::HashMap;
use std::path::Path;

#[derive(Debug, thiserror::Error)]
#[error("{file}: {key}: {reason}")]
pub struct TerminalFileError {
    pub file: String,
    pub key: String,
    pub reason: String,
}

/// One of our own terminals.
#[derive(Debug, Clone)]
pub struct Terminal {
    pub merchant: MerchantId,
    pub mcc: Number<4>,
    pub pin_key: PinKey,
    pub mac_key: MacKey,
}

#[derive(Debug, Default)]
pub struct Terminals(HashMap<TerminalId, Terminal>);

impl Terminals {
    /// Reads the file that `hsmd terminals` writes.
    pub fn load(path: &Path) -> Result<Self, TerminalFileError> {
        let file = path.display().to_string();
        let wrong = |key: String, reason: String| TerminalFileError { file: file.clone(), key, reason };
        let text = std::fs::read_to_string(path).map_err(|e| wrong("file".into(), e.to_string()))?;
        let rows: Vec<TerminalKeyRow> = serde_json::from_str(&text)
            .map_err(|e| wrong(format!("line {}", e.line()), "no list of terminal keys".into()))?;
        let mut terminals = HashMap::with_capacity(rows.len());
        for (i, row) in rows.iter().enumerate() {
            let (id, terminal) = read_row(row).map_err(|(key, reason)| wrong(format!("[{i}].{key}"), reason))?;
            if terminals.insert(id, terminal).is_some() {
                return Err(wrong(format!("[{i}].terminal"), format!("{id} remaining twice")));
            }
        }
        Ok(Self(terminals))
    }

    #[cfg(test)]
    pub fn from_rows(rows: impl IntoIterator<Item = (TerminalId, Terminal)>) -> Self {
        Self(rows.into_iter().collect())
    }

    pub fn get(&self, terminal: &TerminalId) -> Option<&Terminal> {
        self.0.get(terminal)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }
}

type RowFault = (&'static str, String);

fn read_row(row: &TerminalKeyRow) -> Result<(TerminalId, Terminal), RowFault> {
    let id = TerminalId::new(&row.terminal).filter(|t| t.as_str().len() == 8);
    let id = id.ok_or(("terminal", "must be eight printable characters".to_owned()))?;
    let merchant = MerchantId::new(&row.merchant).filter(|m| m.as_str().len() == 15);
    let merchant = merchant.ok_or(("merchant", "must be fifteen printable characters".to_owned()))?;
    let mcc = row.mcc.parse().ok().filter(|_| row.mcc.len() == 4);
    let mcc = Number(mcc.ok_or(("mcc", "must be four digits".to_owned()))?);
    let pin_key = PinKey::Terminal(key_block("tpk_block", &row.tpk_block)?);
    let mac_key = MacKey::Terminal(key_block("tak_block", &row.tak_block)?);
    Ok((id, Terminal { merchant, mcc, pin_key, mac_key }))
}

fn key_block(key: &'static str, hex: &str) -> Result<KeyBlock, RowFault> {
    let bytes = codecs::encoding::from_hex(hex).ok_or((key, "no hex string".to_owned()))?;
    KeyBlock::from_bytes(&bytes).map_err(|e| (key, e.to_string()))
}
