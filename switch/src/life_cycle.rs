//! The life-cycle id: a name that an authorization, its completion, its reversals and its presentment share (DE63
//! between switch and host).

use rand::Rng;
use rand::rngs::SmallRng;

/// `SWY` and twelve letters or digits where the switch or our host made it; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LifeCycleId(String);

impl LifeCycleId {
    /// An id from the host's answer or from the pending log. `None` for an empty text.
    pub fn new(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }

    /// An id that an originator sent: `None` unless it has the form that the switch and our host give.
    pub fn claimed(text: &str) -> Option<Self> {
        let content = text.as_bytes();
        let is_ours =
            content.len() == 15 && content.starts_with(b"SWY") && content.iter().all(u8::is_ascii_alphanumeric);
        is_ours.then(|| Self(text.to_owned()))
    }

    /// A new id, unique by twelve random letters or digits.
    pub fn random(random: &mut SmallRng) -> Self {
        const DIGITS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
        let mut id = String::from("SWY");
        id.extend((0..12).map(|_| char::from(DIGITS[random.random_range(0..36)])));
        Self(id)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The id as the pending log stores it: empty if there is none.
pub(crate) fn stored(id: Option<&LifeCycleId>) -> String {
    id.map_or_else(String::new, |id| id.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn life_cycle_ids_have_their_form() {
        let mut random = SmallRng::seed_from_u64(1);
        let (one, other) = (LifeCycleId::random(&mut random), LifeCycleId::random(&mut random));
        assert_ne!(one, other);
        assert_eq!(LifeCycleId::claimed(one.as_str()), Some(one));
        for wrong in ["", "SWY", "SWY00000000000-", "ABC000000000000"] {
            assert_eq!(LifeCycleId::claimed(wrong), None, "{wrong}");
        }
        assert_eq!(LifeCycleId::new(""), None);
    }
}
