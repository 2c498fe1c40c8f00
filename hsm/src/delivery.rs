//! Delivery files, and `hsmd terminals`, which makes one for a terminal vendor.
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use crate::ceremony::CeremonyError;
use crate::config::Config;
use crate::issue::{DeliveryFile, DeliveryItem, DeliveryKind, TerminalKeyRow, TerminalOrder};
use crate::key_file::{KeyFile, write_whole};
use crate::module::Fault;
use crate::token::Token;
use crate::verbs::{hex, issue};

/// Where the deliveries of a kind are collected.
pub(crate) fn path(folder: &Path, kind: DeliveryKind) -> PathBuf {
    folder.join(format!("{}.json", kind.as_str()))
}

/// Adds items to a delivery file.
pub(crate) fn append(
    folder: &Path,
    kind: DeliveryKind,
    transport_kcv: &str,
    items: Vec<DeliveryItem>,
) -> Result<(), (PathBuf, io::Error)> {
    let path = path(folder, kind);
    let fail = |error| (path.clone(), error);
    let mut file = match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| fail(error.into()))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            DeliveryFile { kind, transport_kcv: transport_kcv.to_owned(), items: Vec::new() }
        }
        Err(error) => return Err(fail(error)),
    };
    if file.transport_kcv != transport_kcv {
        return Err(fail(io::Error::other("holds items under another transport key")));
    }
    file.items.extend(items);
    let bytes = serde_json::to_vec_pretty(&file).map_err(|error| fail(error.into()))?;
    write_whole(&path, &bytes).map_err(fail)
}

/// Gives keys to the terminals that have none yet: key blocks into the switch's file, the keys themselves, sealed, into the
/// vendor's. Answers how many were new.
pub fn terminals(config: &Config, orders: &[TerminalOrder]) -> Result<usize, CeremonyError> {
    let mut rows: Vec<TerminalKeyRow> = read_rows(&config.terminal_keys)?;
    let known: BTreeSet<String> = rows.iter().map(|row| row.terminal.clone()).collect();
    let fresh: Vec<&TerminalOrder> = orders.iter().filter(|order| !known.contains(&order.terminal)).collect();
    for order in &fresh {
        check(order)?;
    }
    if fresh.is_empty() {
        return Ok(0);
    }
    let library = config.token.library()?;
    let token = Token::open(&library, &config.token)?;
    let made = make(&token, &fresh);
    token.close();
    let (new_rows, items) = made?;
    rows.extend(new_rows);
    let transport_kcv = KeyFile::load(&config.keys_dir)
        .map_err(|error| CeremonyError::File(KeyFile::path(&config.keys_dir), error))?
        .transport_kcv
        .ok_or_else(|| Fault::KeyMissing("transport".into()))?;
    // the vendor's file first: a terminal that the switch does not know yet only cannot sign on
    append(&config.deliveries_dir, DeliveryKind::Terminals, &transport_kcv, items)
        .map_err(|(path, error)| CeremonyError::File(path, error))?;
    let fail = |error| CeremonyError::File(config.terminal_keys.clone(), error);
    let bytes = serde_json::to_vec_pretty(&rows).map_err(|error| fail(error.into()))?;
    write_whole(&config.terminal_keys, &bytes).map_err(fail)?;
    Ok(fresh.len())
}

fn read_rows(path: &Path) -> Result<Vec<TerminalKeyRow>, CeremonyError> {
    let fail = |error| CeremonyError::File(path.to_owned(), error);
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| fail(error.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(fail(error)),
    }
}

fn check(order: &TerminalOrder) -> Result<(), CeremonyError> {
    let refuse = |why| Err(CeremonyError::Terminal(order.terminal.clone(), why));
    if order.terminal.len() != 8 {
        return refuse("a terminal id has eight characters");
    }
    if order.merchant.len() != 15 {
        return refuse("a merchant id has fifteen characters");
    }
    if order.mcc.len() != 4 || !order.mcc.bytes().all(|b| b.is_ascii_digit()) {
        return refuse("a merchant category code has four digits");
    }
    Ok(())
}

type Made = (Vec<TerminalKeyRow>, Vec<DeliveryItem>);

fn make(token: &Token, orders: &[&TerminalOrder]) -> Result<Made, Fault> {
    let mut made: Made = (Vec::new(), Vec::new());
    for order in orders {
        let keys = issue::terminal_keys(token, order)?;
        made.0.push(TerminalKeyRow {
            terminal: order.terminal.clone(),
            merchant: order.merchant.clone(),
            mcc: order.mcc.clone(),
            mac: order.mac,
            tpk_block: hex(&keys.tpk.to_bytes()),
            tak_block: hex(&keys.tak.to_bytes()),
            tak_kcv: keys.tak_kcv,
        });
        made.1.push(keys.delivery);
    }
    Ok(made)
}
