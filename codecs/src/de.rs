//! The data elements: the only place in the workspace with element numbers. (The exception is `guess`, whose tables of
//! likelihoods are by number, because it reads messages before anything identifies their elements.)
//!
//! A row gives an element its number, value type, short name and exposure. Numbers and names are those of ISO
//! 8583:1987; where 1993 uses a number for something else, the row's name says so. The standards' names of the elements
//! are in `describe::element_name`.

use crate::dialect::Length;
use crate::encoding::Format;
use crate::field::Field;
use crate::value::{self, Value};

/// Stands for the message type identifier in errors; it is no element. The bitmap is 1.
pub const MTI: u8 = 0;
pub const BITMAP: u8 = 1;
/// The bit that announces a third bitmap, in dialects that place it after the second.
pub const BITMAP_TERTIARY: u8 = 65;
/// The first element of the third bitmap.
pub(crate) const THIRD: u8 = 129;
/// The element in which some dialects nest further elements.
pub const NESTED: u8 = 127;
/// The element of the message authentication code, without a second bitmap and with one.
pub const MAC_PRIMARY: u8 = 64;
pub const MAC_SECONDARY: u8 = 128;

/// How much of an element may be shown in logs and to people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposure {
    Clear,
    /// First six and last four of a card number.
    Masked,
    /// Only its length.
    Hidden,
}

/// A data element as a type: its number, and the type of its value.
pub trait DataElement {
    const NUMBER: u8;
    const NAME: &'static str;
    type Value<'m>: Value<'m>;
}

macro_rules! data_elements {
    ($( $(#[$doc:meta])* $name:ident = $number:literal : $value:ty, $title:literal, $exposure:ident; )*) => {
        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub enum $name {}

            impl DataElement for $name {
                const NUMBER: u8 = $number;
                const NAME: &'static str = $title;
                type Value<'m> = $value;
            }
        )*

        /// The exposure of an element.
        pub fn exposure(element: u8) -> Exposure {
            match element { $( $number => Exposure::$exposure, )* _ => Exposure::Clear }
        }
    };
}

data_elements! {
    Pan = 2: value::Pan, "primary account number", Masked;
    ProcessingCode = 3: value::ProcessingCode, "processing code", Clear;
    Amount = 4: value::Minor, "amount, transaction", Clear;
    SettlementAmount = 5: value::Minor, "amount, settlement", Clear;
    BillingAmount = 6: value::Minor, "amount, cardholder billing", Clear;
    /// UTC, set anew on each hop.
    TransmissionTime = 7: value::TransmissionTime, "transmission date and time", Clear;
    /// From the amount in DE4 to that in DE6.
    BillingRate = 10: value::ConversionRate, "conversion rate, cardholder billing", Clear;
    Stan = 11: value::Stan, "system trace audit number", Clear;
    /// hhmmss; in 1993 preceded by YYMMDD.
    LocalTime = 12: value::LocalTime, "time, local transaction", Clear;
    /// MMDD; in 1993 the effective date YYMM.
    LocalDate = 13: value::MonthDay, "date, local transaction", Clear;
    Expiry = 14: value::Expiry, "date, expiration", Clear;
    /// The business date of the sender of the stamp; in 1993 preceded by YY.
    SettlementDate = 15: value::MonthDay, "date, settlement", Clear;
    CaptureDate = 17: value::MonthDay, "date, capture", Clear;
    MerchantType = 18: value::Number<4>, "merchant type", Clear;
    AcquirerCountry = 19: value::Number<3>, "acquiring institution country code", Clear;
    PosEntryMode = 22: value::PosEntryMode, "point of service entry mode", Clear;
    CardSequence = 23: value::Number<3>, "card sequence number", Clear;
    /// 1987: network international identifier; 1993: function code.
    FunctionCode = 24: value::Number<3>, "network identifier / function code", Clear;
    ConditionCode = 25: value::Number<2>, "point of service condition code", Clear;
    PinCapture = 26: value::Number<2>, "point of service PIN capture code", Clear;
    Acquirer = 32: value::InstitutionId, "acquiring institution", Clear;
    Forwarder = 33: value::InstitutionId, "forwarding institution", Clear;
    ExtendedPan = 34: value::Opaque<'m>, "primary account number, extended", Hidden;
    Track2 = 35: value::Track2, "track 2 data", Hidden;
    Track3 = 36: value::Opaque<'m>, "track 3 data", Hidden;
    Rrn = 37: value::Rrn, "retrieval reference number", Clear;
    ApprovalCode = 38: value::ApprovalCode, "approval code", Clear;
    ResponseCode = 39: value::ResponseCode, "response code", Clear;
    ServiceCode = 40: value::Text<3>, "service restriction code", Clear;
    TerminalId = 41: value::TerminalId, "card acceptor terminal", Clear;
    MerchantId = 42: value::MerchantId, "card acceptor", Clear;
    MerchantName = 43: value::Opaque<'m>, "card acceptor name and location", Clear;
    AdditionalResponse = 44: value::Opaque<'m>, "additional response data", Clear;
    Track1 = 45: value::Opaque<'m>, "track 1 data", Hidden;
    /// Sub-elements by tag, including the card security code.
    AdditionalData = 48: value::Opaque<'m>, "additional data, private", Hidden;
    Currency = 49: value::Currency, "currency code, transaction", Clear;
    SettlementCurrency = 50: value::Currency, "currency code, settlement", Clear;
    BillingCurrency = 51: value::Currency, "currency code, cardholder billing", Clear;
    PinBlock = 52: value::PinBlock, "PIN data", Hidden;
    SecurityControl = 53: value::Opaque<'m>, "security related control information", Hidden;
    AdditionalAmounts = 54: value::Opaque<'m>, "additional amounts", Clear;
    /// BER-TLV; may hold tags 57 and 5A.
    Icc = 55: value::Opaque<'m>, "integrated circuit card data", Hidden;
    /// 1993 only: MTI, STAN, date and time, acquirer of the original.
    OriginalData93 = 56: value::Opaque<'m>, "original data elements (1993)", Clear;
    /// Between switch and host: the originator's key of the request (idempotency key), unchanged.
    OriginatorKey = 59: value::Opaque<'m>, "originator key", Clear;
    /// Between switch and host: the originator's key of the transaction that this one refers to.
    ReferredKey = 60: value::Opaque<'m>, "referred originator key", Clear;
    /// Between switch and host: the destination that authorized an acquired transaction.
    AuthorizedBy = 61: value::Opaque<'m>, "authorized by", Clear;
    Invoice = 62: value::Opaque<'m>, "invoice", Clear;
    LifeCycleId = 63: value::Opaque<'m>, "life-cycle id", Clear;
    MacPrimary = 64: value::Mac, "message authentication code", Hidden;
    SettlementCode = 66: value::Number<1>, "settlement code", Clear;
    NetworkManagementCode = 70: value::Number<3>, "network management information code", Clear;
    /// 1987 n4, 1993 n8: the record number in a clearing file.
    MessageNumber = 71: value::Opaque<'m>, "message number", Clear;
    CreditsCount = 74: value::Count, "credits, number", Clear;
    CreditReversalsCount = 75: value::Count, "credits, reversal number", Clear;
    DebitsCount = 76: value::Count, "debits, number", Clear;
    DebitReversalsCount = 77: value::Count, "debits, reversal number", Clear;
    AuthorizationsCount = 81: value::Count, "authorizations, number", Clear;
    CreditsAmount = 86: value::Total, "credits, amount", Clear;
    CreditReversalsAmount = 87: value::Total, "credits, reversal amount", Clear;
    DebitsAmount = 88: value::Total, "debits, amount", Clear;
    DebitReversalsAmount = 89: value::Total, "debits, reversal amount", Clear;
    /// 1987 only.
    OriginalData = 90: value::OriginalData, "original data elements", Clear;
    ReplacementAmounts = 95: value::ReplacementAmounts, "replacement amounts", Clear;
    NetSettlement = 97: value::SignedTotal, "amount, net settlement", Clear;
    SettlementInstitution = 99: value::InstitutionId, "settlement institution", Clear;
    Account1 = 102: value::Opaque<'m>, "account identification 1", Hidden;
    Account2 = 103: value::Opaque<'m>, "account identification 2", Hidden;
    MacSecondary = 128: value::Mac, "message authentication code 2", Hidden;
}

/// Elements with another meaning in ISO 8583:1993, by their names there.
pub mod v93 {
    use super::DataElement;
    use crate::value;

    macro_rules! same_number {
        ($( $(#[$doc:meta])* $name:ident as $of:ident : $value:ty, $title:literal; )*) => { $(
            $(#[$doc])*
            #[derive(Debug)]
            pub enum $name {}

            impl DataElement for $name {
                const NUMBER: u8 = <super::$of as DataElement>::NUMBER;
                const NAME: &'static str = $title;
                type Value<'m> = $value;
            }
        )* };
    }

    same_number! {
        /// YYMMDDhhmmss.
        LocalDateTime as LocalTime: value::LocalDateTime, "date and time, local transaction";
        /// YYMMDD.
        SettlementDate as SettlementDate: value::YearMonthDay, "date, settlement";
        /// Twelve positions.
        PosData as PosEntryMode: value::Text<12>, "point of service data code";
        MessageReason as ConditionCode: value::Number<4>, "message reason code";
        BusinessCode as PinCapture: value::Number<4>, "card acceptor business code";
        ActionCode as ResponseCode: value::Number<3>, "action code";
        MessageNumber as MessageNumber: value::Number<8>, "message number";
    }

    /// Original amounts, transaction and reconciliation: 12 digits each.
    #[derive(Debug)]
    pub enum OriginalAmounts {}

    impl DataElement for OriginalAmounts {
        const NUMBER: u8 = 30;
        const NAME: &'static str = "original amounts";
        type Value<'m> = value::OriginalAmounts;
    }

    /// Acquirer reference data: 23 digits, the last a check digit.
    #[derive(Debug)]
    pub enum AcquirerReference {}

    impl DataElement for AcquirerReference {
        const NUMBER: u8 = 31;
        const NAME: &'static str = "acquirer reference data";
        type Value<'m> = value::Opaque<'m>;
    }

    /// Transaction destination institution.
    #[derive(Debug)]
    pub enum Destination {}

    impl DataElement for Destination {
        const NUMBER: u8 = 93;
        const NAME: &'static str = "transaction destination institution";
        type Value<'m> = value::InstitutionId;
    }

    /// Transaction originator institution.
    #[derive(Debug)]
    pub enum Originator {}

    impl DataElement for Originator {
        const NUMBER: u8 = 94;
        const NAME: &'static str = "transaction originator institution";
        type Value<'m> = value::InstitutionId;
    }
}

/// The part of an element that may be shown to anyone.
///
/// Control characters become dots: a message must not be able to control a terminal that displays it.
pub fn shown(field: &Field<'_>) -> String {
    match field.rule().exposure {
        Exposure::Clear => shown_clear(field),
        Exposure::Masked => value::mask_digits(field.chars()),
        Exposure::Hidden => format!("[{} hidden]", field.len()),
    }
}

/// The same for an element or part that is known not to be hidden.
pub(crate) fn shown_clear(field: &Field<'_>) -> String {
    if field.rule().format == Format::Binary {
        return crate::encoding::to_hex(&field.content());
    }
    let mut text: Vec<u8> = field.chars().collect();
    if field.rule().format == Format::Text && field.rule().length != Length::Fixed {
        value::mask_card_numbers(&mut text);
    }
    text.into_iter().map(char::from).map(|char| if char.is_control() { '.' } else { char }).collect()
}
