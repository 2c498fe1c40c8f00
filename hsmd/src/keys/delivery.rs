//! Delivery files, and `hsmd terminals`, which makes one for a terminal vendor.
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use hsm::{DeliveryFile, DeliveryItem, DeliveryKind, TerminalKeyRow, TerminalOrder};

use crate::config::{Config, ZoneConfig};
use crate::hex::hex;
use crate::keys::key_act_error::KeyActError;
use crate::keys::key_store::{self, KeyStore, NewGeneration};
use crate::keys::whole_file::write_whole;
use crate::module::Fault;
use crate::token::{Extraction, Token};
use crate::verbs::issue::draw_key;
use crate::verbs::{issue, kcv};

/// Where the deliveries of a kind are collected.
pub(crate) fn path(folder: &Path, kind: DeliveryKind) -> PathBuf {
    folder.join(format!("{}.json", kind.as_str()))
}

/// Adds items to a delivery file. Items that are sealed under another transport key go into a file of their own, named after that
/// key's check value.
pub(crate) fn append(
    folder: &Path,
    kind: DeliveryKind,
    transport_kcv: &str,
    items: Vec<DeliveryItem>,
) -> Result<(), (PathBuf, io::Error)> {
    let fresh = || DeliveryFile { kind, transport_kcv: transport_kcv.to_owned(), items: Vec::new() };
    let mut path = path(folder, kind);
    let mut file = read(&path)?.unwrap_or_else(fresh);
    if file.transport_kcv != transport_kcv {
        path = folder.join(format!("{}-{transport_kcv}.json", kind.as_str()));
        file = read(&path)?.unwrap_or_else(fresh);
    }
    let fail = |error| (path.clone(), error);
    if file.transport_kcv != transport_kcv {
        return Err(fail(io::Error::other("holds items under another transport key")));
    }
    file.items.extend(items);
    let bytes = serde_json::to_vec_pretty(&file).map_err(|error| fail(error.into()))?;
    write_whole(&path, &bytes).map_err(fail)
}

fn read(path: &Path) -> Result<Option<DeliveryFile>, (PathBuf, io::Error)> {
    let fail = |error| (path.to_owned(), error);
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| fail(error.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(fail(error)),
    }
}

/// Draws a zone PIN key, writes its delivery to the partner, and stores it; returns its check value.
pub(crate) fn zone_key(
    keys: &mut KeyStore<'_>,
    zone: &ZoneConfig,
    target: &NewGeneration,
) -> Result<String, KeyActError> {
    let key = draw_key(&keys.token, zone.kind())?;
    let value = kcv::of_clear_key(&keys.token, zone.kind(), &key)?;
    let item = issue::zone_delivery(&keys.token, &zone.name, &key)?;
    let transport = keys.key_file.transport_kcv_now(&keys.token)?.to_owned();
    append(&keys.config.deliveries_dir, DeliveryKind::Zones, &transport, vec![item])?;
    keys.import(target, zone.kind(), &key, Extraction::Never)?;
    Ok(value)
}

/// Makes keys for the terminals that have none yet: key blocks go into the switch's file, the sealed keys into the vendor's.
/// Returns how many terminals were new.
pub fn terminals(config: &Config, orders: &[TerminalOrder], now: jiff::Timestamp) -> Result<usize, KeyActError> {
    key_store::run_act(config, now, |keys| {
        let mut rows = read_rows(&config.terminal_keys)?;
        let known: BTreeSet<String> = rows.iter().map(|row| row.terminal.clone()).collect();
        let fresh: Vec<&TerminalOrder> = orders.iter().filter(|order| !known.contains(&order.terminal)).collect();
        for order in &fresh {
            check(order)?;
        }
        if fresh.is_empty() {
            return Ok(0);
        }
        let (new_rows, items) = make(&keys.token, &fresh)?;
        rows.extend(new_rows);
        let transport = keys.key_file.transport_kcv_now(&keys.token)?;
        // the vendor's file first: if this is interrupted, the terminal merely cannot sign on yet
        append(&config.deliveries_dir, DeliveryKind::Terminals, transport, items)?;
        write_rows(&config.terminal_keys, &rows)?;
        Ok(fresh.len())
    })
}

/// Replaces the switch's file of terminals.
pub(crate) fn write_rows(path: &Path, rows: &[TerminalKeyRow]) -> Result<(), KeyActError> {
    let fail = |error| KeyActError::File(path.to_owned(), error);
    let bytes = serde_json::to_vec_pretty(rows).map_err(|error| fail(error.into()))?;
    write_whole(path, &bytes).map_err(fail)
}

/// The switch's file of terminals; an absent one has none.
pub(crate) fn read_rows(path: &Path) -> Result<Vec<TerminalKeyRow>, KeyActError> {
    let fail = |error| KeyActError::File(path.to_owned(), error);
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| fail(error.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(fail(error)),
    }
}

fn check(order: &TerminalOrder) -> Result<(), KeyActError> {
    let refuse = |why| Err(KeyActError::Terminal(order.terminal.clone(), why));
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
