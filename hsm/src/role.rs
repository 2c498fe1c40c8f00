//! What each role's socket offers.
use std::collections::BTreeMap;

use crate::KeyName;
use crate::config::Role;
use crate::edge::MacKey;
use crate::verb::{Verb, VerbKind};

/// Whether a socket of this role carries out this request. A data key belongs to the one role that the configuration names.
pub(crate) fn offers(role: Role, verb: &Verb, data_keys: &BTreeMap<String, Role>) -> bool {
    match verb {
        // the switch speaks for terminals; sealing the books is the host's
        Verb::Mac { key: MacKey::Terminal(_), .. } => role == Role::Switch,
        Verb::Mac { key: MacKey::Named(name), .. } => role == Role::Host && *name == KeyName::audit(),
        Verb::DataKey(name) => data_keys.get(name) == Some(&role),
        other => offers_kind(role, other.kind()),
    }
}

fn offers_kind(role: Role, kind: VerbKind) -> bool {
    use VerbKind::{
        CardCode, ChangePin, CheckCard, DataKey, Edge, Health, IssuePin, Mac, PanIndex, PersonaliseCard,
        PersonaliseToken, Reveal, TerminalKeys, Tokenize, TransportKcv,
    };
    match role {
        Role::Switch => matches!(kind, Health | Edge | Mac | DataKey),
        Role::Host => matches!(kind, Health | PanIndex | Tokenize | Reveal | CheckCard | ChangePin | Mac | DataKey),
        Role::Operator => matches!(
            kind,
            Health
                | PanIndex
                | Tokenize
                | PersonaliseCard
                | PersonaliseToken
                | IssuePin
                | CardCode
                | TerminalKeys
                | TransportKcv
                | DataKey
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use codecs::value::Pan;

    #[test]
    fn a_role_has_its_own_verbs_only() {
        let none = BTreeMap::new();
        let audit = Verb::Mac { key: MacKey::Named(KeyName::audit()), data: Vec::new() };
        let zone = Verb::Mac { key: MacKey::Named(KeyName::new("zpk/host").unwrap()), data: Vec::new() };
        assert!(offers(Role::Host, &audit, &none) && !offers(Role::Switch, &audit, &none));
        assert!(!offers(Role::Host, &zone, &none));
        let reveal = Verb::Reveal(Vec::new());
        assert!(offers(Role::Host, &reveal, &none));
        assert!(!offers(Role::Switch, &reveal, &none) && !offers(Role::Operator, &reveal, &none));
        let index = Verb::PanIndex(vec![Pan::from_digits(b"4000120000000002").unwrap()]);
        assert!(!offers(Role::Switch, &index, &none));
    }

    #[test]
    fn a_data_key_belongs_to_one_role() {
        let owners = BTreeMap::from([("switch-pending".to_owned(), Role::Switch)]);
        let verb = Verb::DataKey("switch-pending".into());
        assert!(offers(Role::Switch, &verb, &owners));
        assert!(!offers(Role::Host, &verb, &owners));
        assert!(!offers(Role::Switch, &Verb::DataKey("other".into()), &owners));
    }
}
