//! What a transaction in another currency comes to in the currency of our accounts (DE4 and DE49 against DE6, DE10 and DE51).
//! Pure.

use codecs::value::{ConversionRate, Currency, Minor, Money};
use rust_decimal::{Decimal, RoundingStrategy};
use serde::Deserialize;

/// `[billing]`: our rates, and how far another's may be from them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Billing {
    /// How far a network's amount may be from ours, in percent of ours.
    pub tolerance_percent: u8,
    #[serde(default)]
    pub rates: Vec<Rate>,
}

/// `[[billing.rates]]`: a currency that we bill.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// ISO 4217 number.
    pub currency: u16,
    /// Units of our currency for one of it.
    pub rate: Decimal,
}

/// What a message says of its amount in the currency of the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CardholderBilling {
    /// DE6 and DE51.
    pub money: Money,
    /// DE10.
    pub rate: Option<ConversionRate>,
}

/// The amount of a transaction in the currency of our accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Billed {
    /// In the currency of our accounts; as it was sent, where that cannot be converted.
    pub money: Money,
    /// The transaction was in another currency.
    pub foreign: Option<Foreign>,
    /// What the message says of the amount in the card's currency was not taken.
    pub disbelieved: bool,
}

/// A transaction in another currency than our accounts'.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// DE4 and DE49.
    pub sent: Money,
    /// By which it was converted; of a reversal none.
    pub rate: Option<ConversionRate>,
}

impl Billed {
    /// An amount that is not converted.
    #[must_use]
    pub const fn as_sent(sent: Money) -> Self {
        Self { money: sent, foreign: None, disbelieved: false }
    }
}

impl Rate {
    /// The rate as it is written to the wire; `None` if it needs more than seven digits there, or is not positive.
    #[must_use]
    pub fn on_the_wire(&self) -> Option<ConversionRate> {
        let rate = self.rate.normalize();
        ConversionRate::new(u32::try_from(rate.mantissa()).ok()?, u8::try_from(rate.scale()).ok()?)
    }
}

impl Billing {
    /// What `sent` comes to in `ours`: as a network says, if that is near our own rate, else at our own. Without a rate of
    /// our own it stays as it is.
    #[must_use]
    pub fn bill(&self, sent: Money, said: Option<&CardholderBilling>, from_network: bool, ours: Currency) -> Billed {
        if sent.currency == ours {
            return Billed { disbelieved: said.is_some_and(|said| said.money != sent), ..Billed::as_sent(sent) };
        }
        let Some((own, own_rate)) = self.at_our_rate(sent, ours) else { return Billed::as_sent(sent) };
        let in_ours = said.filter(|said| from_network && said.money.currency == ours);
        let rate = in_ours.and_then(|said| self.believed(sent, said, own));
        let minor = in_ours.filter(|_| rate.is_some()).map_or(own, |said| said.money.minor);
        Billed {
            money: Money { minor, currency: ours },
            foreign: Some(Foreign { sent, rate: rate.or(Some(own_rate)) }),
            disbelieved: said.is_some() && rate.is_none(),
        }
    }

    /// `None` if we have no rate for the currency, or the amount would have more than twelve digits.
    fn at_our_rate(&self, sent: Money, ours: Currency) -> Option<(Minor, ConversionRate)> {
        let rate = self.rates.iter().find(|rate| rate.currency == sent.currency.number())?.on_the_wire()?;
        Some((converted(sent, rate, ours)?, rate))
    }

    /// A network's rate, if its own elements agree and its amount is near ours.
    fn believed(&self, sent: Money, said: &CardholderBilling, own: Minor) -> Option<ConversionRate> {
        let rate = said.rate?;
        let product = converted(sent, rate, said.money.currency)?;
        let allowed = i128::from(own.0) * i128::from(self.tolerance_percent) / 100;
        let apart = |from: Minor| i128::from(said.money.minor.0.abs_diff(from.0));
        // networks round in more ways than one
        (apart(product) <= 1 && apart(own) <= allowed.max(1)).then_some(rate)
    }
}

/// The amount in another currency, rounded half up; something never comes to nothing. `None` if it has more than twelve
/// digits.
fn converted(of: Money, rate: ConversionRate, into: Currency) -> Option<Minor> {
    let units = Decimal::try_new(of.minor.0, of.currency.exponent()).ok()?;
    let rate = Decimal::new(i64::from(rate.digits()), u32::from(rate.decimals()));
    let scale = Decimal::from(10u64.pow(into.exponent()));
    let minor = units.checked_mul(rate)?.checked_mul(scale)?;
    let minor = minor.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero);
    let minor = Minor(i64::try_from(minor).ok()?);
    let least = Minor(i64::from(of.minor.0 > 0));
    (minor <= Minor::WIRE_MAX).then_some(minor.max(least))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn billing() -> Billing {
        let rate = |currency, rate| Rate { currency, rate };
        let rates =
            vec![rate(840, Decimal::new(90, 2)), rate(392, Decimal::new(61, 4)), rate(414, Decimal::new(295, 2))];
        Billing { tolerance_percent: 5, rates }
    }

    fn money(minor: i64, currency: u16) -> Money {
        Money { minor: Minor(minor), currency: Currency::from_number(currency) }
    }

    fn said(minor: i64, currency: u16, rate: u32) -> CardholderBilling {
        CardholderBilling { money: money(minor, currency), rate: ConversionRate::from_number(rate) }
    }

    #[test]
    fn minor_units_are_those_of_each_currency() {
        for (minor, currency, billed, into) in [
            (1_000, 840, 900, 978),
            (5, 840, 5, 978),
            (1, 840, 1, 978),
            (1_000, 392, 610, 978),
            (1, 392, 1, 978),
            (1_000, 414, 295, 978),
            (0, 840, 0, 978),
            // without a rate it stays what it is
            (1_000, 826, 1_000, 826),
            (Minor::WIRE_MAX.0, 392, 609_999_999_999, 978),
        ] {
            let found = billing().bill(money(minor, currency), None, false, Currency::EUR);
            assert_eq!(found.money, money(billed, into), "{minor} of {currency}");
            assert_eq!((found.foreign.is_some(), found.disbelieved), (into != currency, false));
        }
    }

    #[test]
    fn a_network_is_believed_that_agrees_with_itself_and_is_near() {
        let dollars = money(1_000, 840);
        for (said, network, billed, disbelieved, meaning) in [
            (said(900, 978, 79_000_000), true, 900, false, "as we have it"),
            (said(930, 978, 79_300_000), true, 930, false, "near"),
            (said(931, 978, 79_300_000), true, 931, false, "rounded in another way"),
            (said(945, 978, 79_450_000), true, 945, false, "five percent"),
            (said(950, 978, 79_500_000), true, 900, true, "more than five percent"),
            (said(930, 978, 79_000_000), true, 900, true, "not DE4 times DE10"),
            (said(930, 978, 0), true, 900, true, "no rate"),
            (said(930, 826, 79_300_000), true, 900, true, "in pounds"),
            (said(930, 978, 79_300_000), false, 900, true, "no network"),
        ] {
            let found = billing().bill(dollars, Some(&said), network, Currency::EUR);
            let expected_rate = if disbelieved { ConversionRate::new(9, 1) } else { said.rate };
            let foreign = Some(Foreign { sent: dollars, rate: expected_rate });
            assert_eq!(found, Billed { money: money(billed, 978), foreign, disbelieved }, "{meaning}");
        }
    }

    #[test]
    fn what_is_in_our_currency_is_what_it_says() {
        for (said, disbelieved) in
            [(said(1_000, 978, 0), false), (said(900, 978, 0), true), (said(1_000, 840, 0), true)]
        {
            let found = billing().bill(money(1_000, 978), Some(&said), true, Currency::EUR);
            assert_eq!(found, Billed { disbelieved, ..Billed::as_sent(money(1_000, 978)) });
        }
    }

    #[test]
    fn a_rate_that_the_wire_cannot_carry_is_none() {
        for (text, wire) in [("0.90", Some(10_000_009)), ("1.2345678", None), ("0", None), ("-1", None)] {
            let rate = Rate { currency: 840, rate: text.parse().unwrap() };
            assert_eq!(rate.on_the_wire().map(ConversionRate::number), wire, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_amount_and_no_rate_is_too_much_for_it(
            minor in 0..=Minor::WIRE_MAX.0, digits in 1..=ConversionRate::MAX_DIGITS, decimals in 0u8..=9,
            from in 1u16..1000, into in 1u16..1000,
        ) {
            let rate = ConversionRate::new(digits, decimals).unwrap();
            if let Some(amount) = converted(money(minor, from), rate, Currency::from_number(into)) {
                prop_assert!(amount >= Minor(i64::from(minor > 0)) && amount <= Minor::WIRE_MAX);
            }
        }

        #[test]
        fn our_own_amount_and_rate_are_always_believed(minor in 1i64..1_000_000_000, currency in prop::sample::select(vec![840u16, 392, 414])) {
            let own = billing().bill(money(minor, currency), None, false, Currency::EUR);
            let said = CardholderBilling { money: own.money, rate: own.foreign.unwrap().rate };
            prop_assert_eq!(billing().bill(money(minor, currency), Some(&said), true, Currency::EUR), own);
        }
    }
}
