//! The verbs that each role's socket offers.
use std::collections::BTreeMap;

use hsm::MacKey;
use hsm::verb::{Verb, VerbKind};

use crate::config::Role;

/// Whether a socket of this role carries out this request. A data key belongs to the one role that the configuration names.
pub(crate) fn offers(role: Role, verb: &Verb, data_keys: &BTreeMap<String, Role>) -> bool {
    match verb {
        // the switch makes MACs for terminals and zones; sealing the audit chain is a verb of its own
        Verb::Mac { key: MacKey::Terminal(_) | MacKey::DukptTdes(_) | MacKey::DukptAes(_), .. } => role == Role::Switch,
        Verb::Mac { key: MacKey::Named(name), .. } => role == Role::Switch && name.as_str().starts_with("zak/"),
        Verb::DataKey(name) => data_keys.get(name) == Some(&role),
        other => offers_kind(role, other.kind()),
    }
}

fn offers_kind(role: Role, kind: VerbKind) -> bool {
    use VerbKind::{
        CardCode, ChangePin, CheckCard, CheckSeal, CheckValues, DataKey, DrawKey, Edge, Health, ImportKey, IssuePin,
        Mac, PanIndex, PersonaliseCard, PersonaliseToken, Random, Reseal, Reveal, Script, Seal, TerminalKeys, Tokenize,
        TransportKcv,
    };
    match role {
        // keys are exchanged in network management messages (0800), which the switch sends and receives
        Role::Switch => {
            matches!(kind, Health | Edge | Mac | DataKey | ImportKey | DrawKey | CheckValues | Random)
        }
        Role::Host => {
            matches!(
                kind,
                Health
                    | PanIndex
                    | Tokenize
                    | Reveal
                    | Reseal
                    | CheckCard
                    | ChangePin
                    | Script
                    | Seal
                    | CheckSeal
                    | DataKey
                    | Random
            )
        }
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
                | ImportKey
                | DrawKey
                | CheckValues
                | Random
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use codecs::value::Pan;
    use hsm::KeyName;

    #[test]
    fn a_role_has_its_own_verbs_only() {
        let none = BTreeMap::new();
        let audit = Verb::Seal(Vec::new());
        let as_a_mac = Verb::Mac { key: MacKey::Named(KeyName::audit()), data: Vec::new() };
        assert!(!offers(Role::Host, &as_a_mac, &none) && !offers(Role::Switch, &as_a_mac, &none));
        let zone = Verb::Mac { key: MacKey::Named(KeyName::new("zpk/host").unwrap()), data: Vec::new() };
        assert!(offers(Role::Host, &audit, &none) && !offers(Role::Switch, &audit, &none));
        assert!(!offers(Role::Host, &zone, &none) && !offers(Role::Switch, &zone, &none));
        let partner = Verb::Mac { key: MacKey::Named(KeyName::new("zak/partner").unwrap()), data: Vec::new() };
        assert!(offers(Role::Switch, &partner, &none) && !offers(Role::Host, &partner, &none));
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
