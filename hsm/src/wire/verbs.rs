//! The bodies of verbs and answers.
use codecs::value::{Expiry, Mac, Pan, PinBlock};

use super::body::{Malformed, Reader, Wire, put_list, put_sized, take_list};
use crate::audit_seal::AuditSeal;
use crate::card::*;
use crate::delivery_file::DeliveryItem;
use crate::dukpt::{AesTransaction, TdesTransaction};
use crate::edge::*;
use crate::error::HsmError;
use crate::health::{Health, ModuleState};
use crate::issue::*;
use crate::key_block::{KeyBlock, KeyUsage};
use crate::key_exchange::{CheckValues, ImportedKey, KeyImportOutcome, KeyOrder, MadeKey};
use crate::name::{KeyName, KeySet};
use crate::pin::{IssuedPin, OffsetScheme, PinChange, PinChangeOutcome, PinMethod, PinOffset, PinOrder, PinReference};
use crate::script::{EnteredPin, ScriptData, ScriptOrder, ScriptOutcome};
use crate::secret::{DataKey, Pvv, RandomBytes, SecurityCode};
use crate::vault::{PanEnvelope, PanIndex};
use crate::verb::{Answer, Verb, VerbKind};

/// A struct is its fields in the order given here.
macro_rules! record {
    ($type:ty { $($field:ident),* $(,)? }) => {
        impl Wire for $type {
            fn put(&self, out: &mut Vec<u8>) {
                $(self.$field.put(out);)*
            }
            fn take(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
                Ok(Self { $($field: Wire::take(reader)?),* })
            }
        }
    };
}

/// An enum is a number, followed by the variant's value if it has one.
macro_rules! choice {
    ($type:ident { $($number:literal => $variant:ident $(($value:ident))? $({ $field:ident })?),* $(,)? }) => {
        impl Wire for $type {
            fn put(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$variant $(($value))? $({ $field })? => {
                        out.push($number);
                        $($value.put(out);)?
                        $($field.put(out);)?
                    })*
                }
            }
            fn take(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
                match u8::take(reader)? {
                    $($number => Ok(Self::$variant $(({ let $value = Wire::take(reader)?; $value }))? $({ $field: Wire::take(reader)? })?),)*
                    _ => Err(Malformed(concat!("unknown ", stringify!($type)))),
                }
            }
        }
    };
}

/// A value with its own parser, carried as its bytes.
macro_rules! text {
    ($type:ty, $bytes:expr, $parse:expr) => {
        impl Wire for $type {
            fn put(&self, out: &mut Vec<u8>) {
                put_sized($bytes(self), out);
            }
            fn take(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
                $parse(reader.sized()?).ok_or(Malformed(stringify!($type)))
            }
        }
    };
}

fn utf8(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

text!(PanEnvelope, PanEnvelope::as_bytes, |b| PanEnvelope::from_bytes(b).ok());
text!(AuditSeal, AuditSeal::as_bytes, |b| AuditSeal::from_bytes(b).ok());
text!(PinBlock, PinBlock::expose, PinBlock::new);
text!(Pan, Pan::expose, |b| Pan::from_digits(b).ok());

impl Wire for KeyName {
    fn put(&self, out: &mut Vec<u8>) {
        put_sized(self.as_str().as_bytes(), out);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        utf8(reader.sized()?).and_then(|s| Self::new(s).ok()).ok_or(Malformed("KeyName"))
    }
}

impl Wire for KeySet {
    fn put(&self, out: &mut Vec<u8>) {
        put_sized(self.as_str().as_bytes(), out);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        utf8(reader.sized()?).and_then(|s| Self::new(s).ok()).ok_or(Malformed("KeySet"))
    }
}

impl Wire for KeyBlock {
    fn put(&self, out: &mut Vec<u8>) {
        put_sized(&self.to_bytes(), out);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Self::from_bytes(reader.sized()?).map_err(|_| Malformed("KeyBlock"))
    }
}

impl Wire for SecurityCode {
    fn put(&self, out: &mut Vec<u8>) {
        self.expose().put(out);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Self::new(Wire::take(reader)?).map_err(|_| Malformed("SecurityCode"))
    }
}

impl Wire for Pvv {
    fn put(&self, out: &mut Vec<u8>) {
        self.expose().put(out);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Self::new(Wire::take(reader)?).map_err(|_| Malformed("Pvv"))
    }
}

impl Wire for PinOffset {
    fn put(&self, out: &mut Vec<u8>) {
        put_sized(self.expose(), out);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Self::new(reader.sized()?).map_err(|_| Malformed("PinOffset"))
    }
}

/// Without the table: a caller cannot choose one.
impl Wire for OffsetScheme {
    fn put(&self, out: &mut Vec<u8>) {
        self.parts().put(out);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let [first, count, pad] = Wire::take(reader)?;
        Self::usual(first, count, pad).map_err(|_| Malformed("OffsetScheme"))
    }
}

impl Wire for TdesTransaction {
    fn put(&self, out: &mut Vec<u8>) {
        self.bdk().put(out);
        self.ksn().put(out);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Self::new(Wire::take(reader)?, Wire::take(reader)?).map_err(|_| Malformed("TdesTransaction"))
    }
}

impl Wire for AesTransaction {
    fn put(&self, out: &mut Vec<u8>) {
        self.bdk().put(out);
        self.ksn().put(out);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Self::new(Wire::take(reader)?, Wire::take(reader)?).map_err(|_| Malformed("AesTransaction"))
    }
}

impl Wire for PinReference {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Pvv { pvv, pvki } => {
                out.push(0);
                pvv.put(out);
                pvki.put(out);
            }
            Self::Offset { offset, scheme } => {
                out.push(1);
                offset.put(out);
                scheme.put(out);
            }
        }
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        match u8::take(reader)? {
            0 => Ok(Self::Pvv { pvv: Wire::take(reader)?, pvki: Wire::take(reader)? }),
            1 => Ok(Self::Offset { offset: Wire::take(reader)?, scheme: Wire::take(reader)? }),
            _ => Err(Malformed("unknown PinReference")),
        }
    }
}

impl Wire for DataKey {
    fn put(&self, out: &mut Vec<u8>) {
        self.expose().put(out);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self::new(Wire::take(reader)?))
    }
}

impl Wire for Mac {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self(Wire::take(reader)?))
    }
}

impl Wire for Expiry {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.year, self.month]);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let [year, month] = Wire::take(reader)?;
        Self::new(year, month).ok_or(Malformed("Expiry"))
    }
}

impl Wire for PanIndex {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self(Wire::take(reader)?))
    }
}

impl Wire for DeliveryItem {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self(Wire::take(reader)?))
    }
}

choice!(CodeRead { 0 => Stripe { service_code }, 1 => Chip, 2 => Keyed, 3 => Dynamic(read) });
choice!(CodeOutcome { 0 => Ok, 1 => Wrong, 2 => ChipDataOnStripe });
choice!(PinOutcome { 0 => Ok, 1 => Wrong, 2 => FormatError, 3 => EnvelopeMismatch });
choice!(ChipOutcome { 0 => Ok { approval }, 1 => Wrong, 2 => UnknownVersion(version) });
choice!(PinMethod { 0 => Pvv { pvki }, 1 => Offset(scheme) });
choice!(PinChangeOutcome { 0 => Changed(reference), 1 => Wrong, 2 => FormatError, 3 => EnvelopeMismatch });
choice!(ScriptData { 0 => Open(bytes), 1 => Enciphered(bytes), 2 => NewPin(entered) });
choice!(ScriptOutcome { 0 => Made(command), 1 => NotPossibleHere, 2 => UnknownVersion(version), 3 => FormatError });
choice!(KeyUsage { 1 => PinDes, 2 => PinAes, 3 => MacAesCmac, 4 => MacX919 });
choice!(KeyImportOutcome {
    0 => Imported(key), 1 => NotAuthentic, 2 => Malformed, 3 => UsageNotOffered, 4 => LengthNotOffered, 5 => Weak,
});
choice!(MacOutcome { 0 => Ok, 1 => Wrong });
choice!(TranslationOutcome { 0 => Translated(block), 1 => FormatError });
choice!(MacKey { 0 => Terminal(block), 1 => Named(name), 2 => DukptTdes(transaction), 3 => DukptAes(transaction) });
choice!(PinKey { 0 => Terminal(block), 1 => Zone(name), 2 => DukptTdes(transaction), 3 => DukptAes(transaction) });
choice!(PinFormat { 0 => Iso0, 1 => Iso1, 3 => Iso3, 4 => Iso4 });
choice!(MacAlgorithm { 0 => AesCmac, 1 => X919 });
choice!(ModuleState { 0 => Up, 1 => Degraded, 2 => Down });

record!(CardCheck { presented, funding, issuer_keys, code, pin, chip });
record!(CodeCheck { read, expiry, value });
record!(DynamicRead { service_code, psn, atc });
record!(PinCheck { block, zone_key, reference });
record!(PinChange { presented, funding, issuer_keys, zone_key, format, current, reference, new });
record!(PinOrder { pan, keys, method, note });
record!(IssuedPin { reference, mailer });
record!(ScriptOrder { presented, keys, psn, cryptogram, atc, iad, header, data });
record!(EnteredPin { block, zone_key, format });
record!(KeyOrder { usage, under, key_version });
record!(CheckValues { zeros, cmac });
record!(ImportedKey { key, check_values });
record!(MadeKey { key, tr31, check_values });
record!(CodeOrder { pan, expiry, keys, read });
record!(ChipCheck { keys, psn, cryptogram, data, approve_csu });
record!(CryptogramData { amount, other_amount, country, tvr, currency, date, kind, unpredictable, aip, atc, iad });
record!(CardVerdict { code, pin, chip });
record!(EdgeCheck { mac, pin });
record!(MacCheck { key, data, mac });
record!(PinTranslation { from, from_format, block, pan, to, to_format });
record!(EdgeVerdict { mac, pin });
record!(CardOrder { pan, expiry, psn, service_code, pvki, keys, note, balance_minor, currency });
record!(PersonalisedCard { pvv, pvki, delivery });
record!(TokenOrder { dpan, expiry, psn, keys, card_note });
record!(TerminalOrder { terminal, merchant, mcc, mac });
record!(TerminalKeys { tpk, tak, tak_kcv, delivery });
record!(Health { state, objects_since_init, initialisations, queue_depth });

pub(super) fn put_verb(verb: &Verb, out: &mut Vec<u8>) {
    match verb {
        Verb::Health | Verb::TransportKcv => {}
        Verb::PanIndex(pans) => put_list(pans, out),
        Verb::Tokenize { pan, aad } => {
            pan.put(out);
            aad.put(out);
        }
        Verb::Reveal(envelopes) | Verb::Reseal(envelopes) => put_list(envelopes, out),
        Verb::CheckCard(check) => check.put(out),
        Verb::Edge(check) => check.put(out),
        Verb::Mac { key, data } => {
            key.put(out);
            data.put(out);
        }
        Verb::DataKey(name) => name.put(out),
        Verb::PersonaliseCard(order) => order.put(out),
        Verb::PersonaliseToken(order) => order.put(out),
        Verb::TerminalKeys(order) => order.put(out),
        Verb::ChangePin(request) => request.put(out),
        Verb::IssuePin(order) => order.put(out),
        Verb::CardCode(order) => order.put(out),
        Verb::ImportKey { under, block } => {
            under.put(out);
            block.put(out);
        }
        Verb::DrawKey(order) => order.put(out),
        Verb::CheckValues(block) => block.put(out),
        Verb::Random(length) => length.put(out),
        Verb::Script(order) => order.put(out),
        Verb::Seal(data) => data.put(out),
        Verb::CheckSeal { data, seal } => {
            data.put(out);
            seal.put(out);
        }
    }
}

pub(super) fn take_verb(kind: VerbKind, reader: &mut Reader<'_>) -> Result<Verb, Malformed> {
    Ok(match kind {
        VerbKind::Health => Verb::Health,
        VerbKind::TransportKcv => Verb::TransportKcv,
        VerbKind::PanIndex => Verb::PanIndex(take_list(reader)?),
        VerbKind::Tokenize => Verb::Tokenize { pan: Wire::take(reader)?, aad: Wire::take(reader)? },
        VerbKind::Reveal => Verb::Reveal(take_list(reader)?),
        VerbKind::Reseal => Verb::Reseal(take_list(reader)?),
        VerbKind::CheckCard => Verb::CheckCard(Box::new(Wire::take(reader)?)),
        VerbKind::Edge => Verb::Edge(Box::new(Wire::take(reader)?)),
        VerbKind::Mac => Verb::Mac { key: Wire::take(reader)?, data: Wire::take(reader)? },
        VerbKind::DataKey => Verb::DataKey(Wire::take(reader)?),
        VerbKind::PersonaliseCard => Verb::PersonaliseCard(Box::new(Wire::take(reader)?)),
        VerbKind::PersonaliseToken => Verb::PersonaliseToken(Box::new(Wire::take(reader)?)),
        VerbKind::TerminalKeys => Verb::TerminalKeys(Box::new(Wire::take(reader)?)),
        VerbKind::ChangePin => Verb::ChangePin(Box::new(Wire::take(reader)?)),
        VerbKind::IssuePin => Verb::IssuePin(Box::new(Wire::take(reader)?)),
        VerbKind::CardCode => Verb::CardCode(Box::new(Wire::take(reader)?)),
        VerbKind::ImportKey => Verb::ImportKey { under: Wire::take(reader)?, block: Wire::take(reader)? },
        VerbKind::DrawKey => Verb::DrawKey(Wire::take(reader)?),
        VerbKind::CheckValues => Verb::CheckValues(Wire::take(reader)?),
        VerbKind::Random => Verb::Random(Wire::take(reader)?),
        VerbKind::Script => Verb::Script(Box::new(Wire::take(reader)?)),
        VerbKind::Seal => Verb::Seal(Wire::take(reader)?),
        VerbKind::CheckSeal => Verb::CheckSeal { data: Wire::take(reader)?, seal: Wire::take(reader)? },
    })
}

pub(super) fn put_answer(answer: &Answer, out: &mut Vec<u8>) {
    match answer {
        Answer::Health(health) => health.put(out),
        Answer::PanIndex(indexes) => put_list(indexes, out),
        Answer::Tokenize(index, envelope) => {
            index.put(out);
            envelope.put(out);
        }
        Answer::Reveal(pans) => put_list(pans, out),
        Answer::Reseal(envelopes) => put_list(envelopes, out),
        Answer::CheckCard(verdict) => verdict.put(out),
        Answer::Edge(verdict) => verdict.put(out),
        Answer::Mac(mac) => mac.put(out),
        Answer::DataKey(key) => key.put(out),
        Answer::Personalised(card) => card.put(out),
        Answer::Delivery(item) => item.put(out),
        Answer::TerminalKeys(keys) => keys.put(out),
        Answer::TransportKcv(kcv) => kcv.put(out),
        Answer::PinChanged(outcome) => outcome.put(out),
        Answer::PinIssued(issued) => issued.put(out),
        Answer::CardCode(code) => code.put(out),
        Answer::KeyImported(outcome) => outcome.put(out),
        Answer::KeyDrawn(made) => made.put(out),
        Answer::CheckValues(values) => values.put(out),
        Answer::Random(bytes) => put_sized(bytes.expose(), out),
        Answer::Script(outcome) => outcome.put(out),
        Answer::Sealed(seal) => seal.put(out),
        Answer::SealChecked(outcome) => outcome.put(out),
    }
}

pub(super) fn take_answer(kind: VerbKind, reader: &mut Reader<'_>) -> Result<Answer, Malformed> {
    Ok(match kind {
        VerbKind::Health => Answer::Health(Wire::take(reader)?),
        VerbKind::PanIndex => Answer::PanIndex(take_list(reader)?),
        VerbKind::Tokenize => Answer::Tokenize(Wire::take(reader)?, Wire::take(reader)?),
        VerbKind::Reveal => Answer::Reveal(take_list(reader)?),
        VerbKind::Reseal => Answer::Reseal(take_list(reader)?),
        VerbKind::CheckCard => Answer::CheckCard(Wire::take(reader)?),
        VerbKind::Edge => Answer::Edge(Wire::take(reader)?),
        VerbKind::Mac => Answer::Mac(Wire::take(reader)?),
        VerbKind::DataKey => Answer::DataKey(Wire::take(reader)?),
        VerbKind::PersonaliseCard => Answer::Personalised(Wire::take(reader)?),
        VerbKind::PersonaliseToken => Answer::Delivery(Wire::take(reader)?),
        VerbKind::TerminalKeys => Answer::TerminalKeys(Wire::take(reader)?),
        VerbKind::TransportKcv => Answer::TransportKcv(Wire::take(reader)?),
        VerbKind::ChangePin => Answer::PinChanged(Wire::take(reader)?),
        VerbKind::IssuePin => Answer::PinIssued(Wire::take(reader)?),
        VerbKind::CardCode => Answer::CardCode(Wire::take(reader)?),
        VerbKind::ImportKey => Answer::KeyImported(Wire::take(reader)?),
        VerbKind::DrawKey => Answer::KeyDrawn(Wire::take(reader)?),
        VerbKind::CheckValues => Answer::CheckValues(Wire::take(reader)?),
        VerbKind::Random => Answer::Random(RandomBytes::new(Wire::take(reader)?)),
        VerbKind::Script => Answer::Script(Wire::take(reader)?),
        VerbKind::Seal => Answer::Sealed(Wire::take(reader)?),
        VerbKind::CheckSeal => Answer::SealChecked(Wire::take(reader)?),
    })
}

/// Reasons are sent as numbers, so that no text from a peer reaches a log; the client has a text of its own for each.
pub(super) fn put_error(error: &HsmError, out: &mut Vec<u8>) {
    match error {
        HsmError::KeyMissing(name) => {
            out.push(1);
            name.put(out);
        }
        HsmError::Busy => out.push(2),
        HsmError::Unavailable(_) => out.push(3),
        HsmError::Denied(_) => out.push(4),
        HsmError::BadInput(_) => out.push(5),
    }
}

pub(super) fn take_error(status: u8, reader: &mut Reader<'_>) -> HsmError {
    match status {
        1 => HsmError::KeyMissing(String::take(reader).unwrap_or_default()),
        2 => HsmError::Busy,
        4 => HsmError::Denied("the daemon refuses this verb or use of a key on this socket"),
        5 => HsmError::BadInput("the daemon refuses the request's values; its log names them"),
        _ => HsmError::Unavailable("the daemon's module does not answer"),
    }
}
