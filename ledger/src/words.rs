//! Stored words of enums. They are explicit because rows outlive the names in a program: a variant may be renamed, its
//! word may not.

/// Gives an enum its stored words: `as_str`, `from_word`, and `ALL` in the order of the table. A variant without a word
/// does not compile.
#[macro_export]
macro_rules! stored_words {
    ($type:ident, $column:literal { $($variant:ident => $word:literal),+ $(,)? }) => {
        impl $type {
            /// Every value, in the order of the table of words.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            #[doc = concat!("The word in ", $column, ".")]
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            #[doc = concat!("What a word in ", $column, " means; `None` for a word that this version does not know.")]
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use crate::card::CardStatus;
    use crate::chart::AccountKind;
    use crate::day::DayState;
    use crate::hold::HoldState;
    use crate::journal::{Kind, Role};
    use crate::reference::ReferenceKind;
    use crate::token::TokenStatus;

    /// The words are in the tables of every installation. A word may be added; none may change.
    #[test]
    fn words_are_what_they_have_always_been() {
        macro_rules! words {
            ($type:ident) => {{
                for value in $type::ALL {
                    assert_eq!($type::from_word(value.as_str()), Some(*value));
                }
                assert_eq!($type::from_word("?"), None);
                $type::ALL.iter().map(|value| value.as_str()).collect::<Vec<_>>().join(" ")
            }};
        }
        assert_eq!(
            words!(Kind),
            "purchase pre-authorization completion refund reversal balance-inquiry account-verification opening \
             increment not-served refund-authorization"
        );
        assert_eq!(words!(Role), "on-us issued acquired");
        assert_eq!(words!(CardStatus), "active blocked lost stolen closed");
        assert_eq!(words!(TokenStatus), "active suspended deleted");
        assert_eq!(words!(HoldState), "open completed released");
        assert_eq!(words!(DayState), "open closing closed");
        assert_eq!(words!(ReferenceKind), "account card token");
        assert_eq!(
            words!(AccountKind),
            "cardholder merchant unpresented network suspense funding position service-charge interchange-paid \
             interchange-earned scheme-fee-paid scheme payout exceptions"
        );
    }
}
