//! The cardholder's receipt: forty columns of text.

use crate::chip::{IssuerAuthentication, tag};
use crate::exchange::RequestKind;
use crate::till::Transaction;
use codecs::value::{EntryMode, Minor};
use codecs::{Message, de, tlv};

const COLUMNS: usize = 40;

/// The receipt of an approved sale, capture or refund; `None` for other transactions.
#[must_use]
pub fn text(transaction: &Transaction) -> Option<String> {
    let (original, exchange) = (&transaction.original, &transaction.exchange);
    let answer = exchange.answer().filter(|answer| answer.is_approval())?;
    let title = match original.kind {
        RequestKind::Purchase | RequestKind::Completion => "SALE",
        RequestKind::PreAuthorization => "PRE-AUTHORIZATION",
        RequestKind::Refund => "REFUND",
        _ => return None,
    };
    let asked = &exchange.asked;
    let at = original.trace.at;
    let currency = original.currency;
    let mut rows = vec![
        centred(asked.merchant.as_ref().map_or("", |m| m.as_str())),
        row("TERMINAL", asked.terminal.as_ref().map_or("", |t| t.as_str())),
        row("DATE", &format!("20{:02}-{:02}-{:02} {}", at.year, at.date.month, at.date.day, clock(at))),
        rule(),
        row(if transaction.token { "DEVICE" } else { "CARD" }, &card_shown(transaction)),
        row("ENTRY", entry(original.entry.mode())),
    ];
    rows.extend(chip_rows(transaction));
    rows.push(rule());
    rows.push(row(title, &format!("{currency} {}", currency.decimal(answer.approved))));
    if answer.approved < asked.amount {
        let left = Minor(asked.amount.0 - answer.approved.0);
        rows.push(row("REQUESTED", &format!("{currency} {}", currency.decimal(asked.amount))));
        rows.push(row("STILL TO PAY", &format!("{currency} {}", currency.decimal(left))));
    }
    rows.push(rule());
    rows.push(row("APPROVAL CODE", answer.approval.as_ref().map_or("", |code| code.as_str())));
    rows.push(row("REFERENCE", original.rrn.as_ref().map_or("", |rrn| rrn.as_str())));
    rows.push(row("TRACE", &asked.stan.to_string()));
    rows.push(centred(&format!("APPROVED {}", answer.code)));
    Some(rows.join("\n") + "\n")
}

/// Of a token only the last four digits: the token is not the cardholder's card number.
fn card_shown(transaction: &Transaction) -> String {
    let pan = &transaction.original.pan;
    if transaction.token { format!("************{}", pan.last_four()) } else { pan.masked() }
}

/// Application and cryptogram, where a chip was read.
fn chip_rows(transaction: &Transaction) -> Vec<String> {
    let body = &transaction.original.body.0;
    let Some(dialect) = transaction.exchange.answer().map(|answer| answer.message.dialect()) else { return Vec::new() };
    let Ok(request) = Message::decode(dialect, body.clone()) else { return Vec::new() };
    let Ok(Some(data)) = request.get::<de::Icc>() else { return Vec::new() };
    let shown = |tag| tlv::find(data.bytes(), tag).ok().flatten().map(crate::crypto::key::hex).unwrap_or_default();
    let issuer = match transaction.chip {
        IssuerAuthentication::Genuine { .. } => "VERIFIED BY CHIP",
        IssuerAuthentication::Absent => "NOT PROVEN",
        IssuerAuthentication::Wrong => "REFUSED BY CHIP",
    };
    vec![
        row("AID", &shown(tag::APPLICATION_ID)),
        row("ATC", &shown(tag::COUNTER)),
        row("CRYPTOGRAM", &shown(tag::CRYPTOGRAM)),
        row("TVR", &shown(tag::VERIFICATION_RESULTS)),
        row("ISSUER", issuer),
    ]
}

fn entry(mode: EntryMode) -> &'static str {
    match mode {
        EntryMode::Chip => "CHIP",
        EntryMode::ContactlessChip => "CONTACTLESS",
        EntryMode::Stripe | EntryMode::Fallback => "MAGNETIC STRIPE",
        EntryMode::Ecommerce => "E-COMMERCE",
        _ => "KEYED",
    }
}

fn clock(at: crate::moment::Moment) -> String {
    format!("{:02}:{:02}:{:02} UTC", at.time.hour, at.time.minute, at.time.second)
}

fn row(left: &str, right: &str) -> String {
    let room = COLUMNS.saturating_sub(left.chars().count());
    format!("{left}{right:>room$}")
}

fn centred(text: &str) -> String {
    format!("{text:^COLUMNS$}").trim_end().to_owned()
}

fn rule() -> String {
    "-".repeat(COLUMNS)
}
