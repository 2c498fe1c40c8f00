use crate::de;
use crate::error::DecodeError;
use crate::message::Message;
use crate::mti::Class;
use crate::value::{Count, Currency, MonthDay, SignedTotal, Stan, TerminalId, Total};

/// Totals of one side for a business date, from the point of view of the message's sender: debits are sales.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub credits: (Count, Total),
    pub credit_reversals: (Count, Total),
    pub debits: (Count, Total),
    pub debit_reversals: (Count, Total),
    pub authorizations: Count,
    pub net: SignedTotal,
}

impl Totals {
    /// Credits less debits, net of reversals: the value of DE97 for these counts and amounts.
    pub fn net_of_amounts(&self) -> SignedTotal {
        let [credits, credit_reversals, debits, debit_reversals] =
            [self.credits, self.credit_reversals, self.debits, self.debit_reversals].map(|(_, Total(sum))| sum as i64);
        SignedTotal(credits - credit_reversals - debits + debit_reversals)
    }
}

/// The totals of a terminal or an acquirer for one closed date and currency (0500, 0520).
#[derive(Debug)]
pub struct Reconciliation<'m> {
    pub message: &'m Message,
    pub stan: Stan,
    pub date: MonthDay,
    pub currency: Option<Currency>,
    pub terminal: Option<TerminalId>,
    pub totals: Totals,
}

impl<'m> Reconciliation<'m> {
    /// # Errors
    /// The message is of another class, or a mandatory element is missing or malformed: the error names it. An absent
    /// total counts as zero.
    pub fn of(message: &'m Message) -> Result<Self, DecodeError> {
        super::require_class(message, Class::Reconciliation)?;
        Ok(Self {
            message,
            stan: message.require::<de::Stan>()?,
            date: message.require::<de::SettlementDate>()?,
            currency: message.get::<de::SettlementCurrency>()?,
            terminal: message.get::<de::TerminalId>()?,
            totals: Totals {
                credits: (
                    message.get::<de::CreditsCount>()?.unwrap_or_default(),
                    message.get::<de::CreditsAmount>()?.unwrap_or_default(),
                ),
                credit_reversals: (
                    message.get::<de::CreditReversalsCount>()?.unwrap_or_default(),
                    message.get::<de::CreditReversalsAmount>()?.unwrap_or_default(),
                ),
                debits: (
                    message.get::<de::DebitsCount>()?.unwrap_or_default(),
                    message.get::<de::DebitsAmount>()?.unwrap_or_default(),
                ),
                debit_reversals: (
                    message.get::<de::DebitReversalsCount>()?.unwrap_or_default(),
                    message.get::<de::DebitReversalsAmount>()?.unwrap_or_default(),
                ),
                authorizations: message.get::<de::AuthorizationsCount>()?.unwrap_or_default(),
                net: message.get::<de::NetSettlement>()?.unwrap_or_default(),
            },
        })
    }
}

impl crate::Builder {
    /// Puts every total; zero is sent as well.
    pub fn put_totals(&mut self, totals: &Totals) -> &mut Self {
        self.put::<de::CreditsCount>(totals.credits.0)
            .put::<de::CreditReversalsCount>(totals.credit_reversals.0)
            .put::<de::DebitsCount>(totals.debits.0)
            .put::<de::DebitReversalsCount>(totals.debit_reversals.0)
            .put::<de::AuthorizationsCount>(totals.authorizations)
            .put::<de::CreditsAmount>(totals.credits.1)
            .put::<de::CreditReversalsAmount>(totals.credit_reversals.1)
            .put::<de::DebitsAmount>(totals.debits.1)
            .put::<de::DebitReversalsAmount>(totals.debit_reversals.1)
            .put::<de::NetSettlement>(totals.net)
    }
}
