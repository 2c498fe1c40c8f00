//! The message for benchmarks: an authorization request of 25 elements, as an acquirer sends it.

use codecs::value::*;
use codecs::{Builder, Dialect, Mti, de};
use std::sync::Arc;

pub const MTI: Mti = Mti::of(b"0100");

pub fn authorization(dialect: &Arc<Dialect>) -> Builder {
    let mut builder = Builder::new(dialect, MTI);
    Values::new().fill(&mut builder);
    builder
}

/// The values of the message. They are in memory, as in real use, so that the compiler cannot turn constants into
/// digits beforehand.
pub struct Values {
    pan: Pan,
    processing_code: ProcessingCode,
    amount: Minor,
    date: MonthDay,
    time: LocalTime,
    stan: Stan,
    expiry: Expiry,
    merchant_type: Number<4>,
    country: Number<3>,
    entry_mode: PosEntryMode,
    card_sequence: Number<3>,
    condition: Number<2>,
    acquirer: InstitutionId,
    track: Track2,
    rrn: Rrn,
    terminal: TerminalId,
    merchant: MerchantId,
    name: Opaque<'static>,
    additional_data: Opaque<'static>,
    currency: Currency,
    pin: PinBlock,
    additional_amounts: Opaque<'static>,
    chip: Opaque<'static>,
    invoice: Opaque<'static>,
}

impl Values {
    pub fn new() -> Self {
        const SURE: &str = "constants of the sample are well formed";
        Self {
            pan: Pan::from_digits(b"4000120000000002").expect(SURE),
            processing_code: ProcessingCode::PURCHASE,
            amount: Minor(1999),
            date: MonthDay::new(11, 20).expect(SURE),
            time: LocalTime::new(10, 15, 30).expect(SURE),
            stan: Stan(7),
            expiry: Expiry::new(30, 12).expect(SURE),
            merchant_type: Number(5999),
            country: Number(276),
            entry_mode: PosEntryMode { entry: 5, pin: 1 },
            card_sequence: Number(1),
            condition: Number(0),
            acquirer: InstitutionId::new("510099").expect(SURE),
            track: Track2::from_chars(b"4000120000000002=30122010000123000").expect(SURE),
            rrn: Rrn::new("632500000007").expect(SURE),
            terminal: TerminalId::new("F0000001").expect(SURE),
            merchant: MerchantId::new("FACQ00000000001").expect(SURE),
            name: Opaque::text("CORNER SHOP            BERLIN       DE D"),
            additional_data: Opaque::text("61011"),
            currency: Currency::EUR,
            pin: PinBlock::new(&[0xA5; 8]).expect(SURE),
            additional_amounts: Opaque::text("0040978D000000000500"),
            chip: Opaque::new(&CHIP[..]),
            invoice: Opaque::text("000017"),
        }
    }

    /// Puts the 25 elements into an empty builder.
    pub fn fill(&self, builder: &mut Builder) {
        let transmitted = TransmissionTime { date: self.date, time: self.time };
        builder
            .put_ref::<de::Pan>(&self.pan)
            .put::<de::ProcessingCode>(self.processing_code)
            .put::<de::Amount>(self.amount)
            .put::<de::TransmissionTime>(transmitted)
            .put::<de::Stan>(self.stan)
            .put::<de::LocalTime>(self.time)
            .put::<de::LocalDate>(self.date)
            .put::<de::Expiry>(self.expiry)
            .put::<de::MerchantType>(self.merchant_type)
            .put::<de::AcquirerCountry>(self.country)
            .put::<de::PosEntryMode>(self.entry_mode)
            .put::<de::CardSequence>(self.card_sequence)
            .put::<de::ConditionCode>(self.condition)
            .put_ref::<de::Acquirer>(&self.acquirer)
            .put_ref::<de::Track2>(&self.track)
            .put_ref::<de::Rrn>(&self.rrn)
            .put_ref::<de::TerminalId>(&self.terminal)
            .put_ref::<de::MerchantId>(&self.merchant)
            .put_ref::<de::MerchantName>(&self.name)
            .put_ref::<de::AdditionalData>(&self.additional_data)
            .put::<de::Currency>(self.currency)
            .put_ref::<de::PinBlock>(&self.pin)
            .put_ref::<de::AdditionalAmounts>(&self.additional_amounts)
            .put_ref::<de::Icc>(&self.chip)
            .put_ref::<de::Invoice>(&self.invoice);
    }
}

/// Chip data for an ARQC check, as from a chip of an EMV scheme.
const CHIP: [u8; 84] = *b"\x9F\x02\x06\0\0\0\0\x19\x99\x9F\x03\x06\0\0\0\0\0\0\x9F\x1A\x02\x02\x76\x95\x05\0\0\0\x80\0\
    \x5F\x2A\x02\x09\x78\x9A\x03\x26\x11\x20\x9C\x01\0\x9F\x37\x04\x1B\x2C\x3D\x4E\x82\x02\x19\x80\x9F\x36\x02\0\x2A\
    \x9F\x10\x07\x06\x01\x12\x03\xA0\0\0\x9F\x26\x08\x11\x22\x33\x44\x55\x66\x77\x88\x9F\x27\x01\x80";
