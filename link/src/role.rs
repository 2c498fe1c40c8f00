//! Whose merchants are behind each link of the switch: `config/links.toml`, which switch and host both read, so that
//! they cannot disagree about a link.

use std::collections::BTreeMap;
use std::path::Path;

use config_file::{Check, ConfigError, InvalidValue, check_digits};
use serde::Deserialize;

/// Whose merchants are behind a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Our own, whom we settle.
    Ours,
    /// A foreign acquirer's, who presents to us.
    Acquirer {
        /// The id by which it presents and is settled.
        id: String,
        /// Other ids that it may claim in DE32.
        others: Vec<String>,
        /// It is a network: what it says of an amount in the card's currency is believed within limits.
        network: bool,
    },
}

impl Role {
    /// Whether the merchants are ours.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        *self == Self::Ours
    }

    /// The id by which a foreign acquirer presents and is settled.
    #[must_use]
    pub fn acquirer_id(&self) -> Option<&str> {
        match self {
            Self::Ours => None,
            Self::Acquirer { id, .. } => Some(id),
        }
    }

    /// Whether the link is a network's.
    #[must_use]
    pub fn is_network(&self) -> bool {
        matches!(self, Self::Acquirer { network: true, .. })
    }

    /// All ids that a foreign acquirer may claim in DE32.
    pub fn claimable_ids(&self) -> impl Iterator<Item = &str> {
        let others: &[String] = match self {
            Self::Ours => &[],
            Self::Acquirer { others, .. } => others,
        };
        self.acquirer_id().into_iter().chain(others.iter().map(String::as_str))
    }
}

/// The role of each link, by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles(BTreeMap<String, Role>);

impl Roles {
    /// Reads and checks a file of links.
    ///
    /// # Errors
    /// It cannot be read, or a row of it is not valid.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        config_file::load(path).map(Rows::into_roles)
    }

    /// Checks the text of a file of links; `name` is its name in errors.
    ///
    /// # Errors
    /// As [`Roles::load`], without the reading.
    pub fn parse(text: &str, name: &str) -> Result<Self, ConfigError> {
        config_file::parse(text, name).map(Rows::into_roles)
    }

    /// The role of the link of this name.
    #[must_use]
    pub fn get(&self, link: &str) -> Option<&Role> {
        self.0.get(link)
    }

    /// The first link of the foreign acquirer that presents under this id.
    #[must_use]
    pub fn link_of(&self, acquirer_id: &str) -> Option<&str> {
        self.0.iter().find(|(_, role)| role.acquirer_id() == Some(acquirer_id)).map(|(link, _)| link.as_str())
    }

    /// All roles, in the order of the links' names.
    pub fn values(&self) -> impl Iterator<Item = &Role> {
        self.0.values()
    }
}

#[derive(Debug, Deserialize)]
#[serde(transparent)]
struct Rows(BTreeMap<String, Row>);

/// A row of the file: one link.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    #[serde(default)]
    ours: bool,
    acquirer_id: Option<String>,
    #[serde(default)]
    other_acquirer_ids: Vec<String>,
    #[serde(default)]
    network: bool,
}

impl Row {
    fn into_role(self) -> Role {
        match self.acquirer_id {
            Some(id) => Role::Acquirer { id, others: self.other_acquirer_ids, network: self.network },
            None => Role::Ours,
        }
    }

    fn check(&self, link: &str) -> Result<(), InvalidValue> {
        let key = |key: &str| format!("{link}.{key}");
        if self.ours && self.acquirer_id.is_some() {
            return Err(InvalidValue::new(
                key("acquirer_id"),
                "belongs to a link of a foreign acquirer, and this one is ours",
            ));
        }
        if !self.ours && self.acquirer_id.is_none() {
            return Err(InvalidValue::new(
                link,
                "says nothing: either ours = true, or the acquirer_id of a foreign acquirer",
            ));
        }
        if self.ours && !self.other_acquirer_ids.is_empty() {
            return Err(InvalidValue::new(key("other_acquirer_ids"), "belongs beside an acquirer_id"));
        }
        if self.ours && self.network {
            return Err(InvalidValue::new(key("network"), "belongs beside an acquirer_id"));
        }
        if let Some(id) = &self.acquirer_id {
            check_digits(&key("acquirer_id"), id, 1..=11)?;
        }
        let mut others = self.other_acquirer_ids.iter().enumerate();
        others.try_for_each(|(at, id)| check_digits(&key(&format!("other_acquirer_ids[{at}]")), id, 1..=11))
    }
}

impl Rows {
    fn into_roles(self) -> Roles {
        Roles(self.0.into_iter().map(|(link, row)| (link, row.into_role())).collect())
    }
}

impl Check for Rows {
    fn check(&self) -> Result<(), InvalidValue> {
        if self.0.is_empty() {
            return Err(InvalidValue::new("", "at least one link must have a row"));
        }
        self.0.iter().try_for_each(|(link, row)| row.check(link))
    }
}

#[cfg(test)]
mod tests {
    use config_file::example_mistakes;

    use super::*;

    const EXAMPLE: &str = include_str!("../../config/links.toml");

    #[test]
    fn the_example_is_complete() {
        let roles = Roles::parse(EXAMPLE, "links.toml").expect("is read");
        assert!(roles.get("terminals").expect("has a row").is_ours());
        assert_eq!(roles.get("acquirer-ascii").expect("has a row").acquirer_id(), Some("510099"));
        assert!(roles.get("acquirer-ascii").expect("has a row").is_network());
        assert_eq!(roles.get("nobody"), None);
    }

    #[test]
    fn a_foreign_acquirer_may_claim_more_than_it_is_settled_by() {
        let text = "[a]\nacquirer_id = '510099'\nother_acquirer_ids = ['510098', '1']";
        let roles = Roles::parse(text, "links.toml").expect("is read");
        let role = roles.get("a").expect("has a row");
        assert_eq!(role.claimable_ids().collect::<Vec<_>>(), ["510099", "510098", "1"]);
        assert_eq!(role.acquirer_id(), Some("510099"));
        assert_eq!(Role::Ours.claimable_ids().count(), 0);
    }

    #[test]
    fn a_row_without_meaning_is_refused() {
        for (text, line) in [
            ("", "links.toml: at least one link must have a row"),
            (
                "[a]",
                "links.toml: a: says nothing: either ours = true, or the acquirer_id of a foreign acquirer (line 1)",
            ),
            (
                "[a]\nours = false",
                "links.toml: a: says nothing: either ours = true, or the acquirer_id of a foreign acquirer (line 1)",
            ),
            (
                "[a]\nours = true\nacquirer_id = '1'",
                "links.toml: a.acquirer_id: belongs to a link of a foreign acquirer, and this one is ours (line 3)",
            ),
            (
                "[a]\nours = true\nother_acquirer_ids = ['1']",
                "links.toml: a.other_acquirer_ids: belongs beside an acquirer_id (line 3)",
            ),
            ("[a]\nours = true\nnetwork = true", "links.toml: a.network: belongs beside an acquirer_id (line 3)"),
            ("[a]\nacquirer_id = ''", "links.toml: a.acquirer_id: must be 1 to 11 digits (line 2)"),
            ("[a]\nacquirer_id = '51x'", "links.toml: a.acquirer_id: must be 1 to 11 digits (line 2)"),
            (
                "[a]\nacquirer_id = '1'\nother_acquirer_ids = ['2', '123456789012']",
                "links.toml: a.other_acquirer_ids[1]: must be 1 to 11 digits (line 3)",
            ),
            (
                "[a]\nacquirer = '1'",
                "links.toml: a.acquirer: is not a key; here may stand ours, acquirer_id, other_acquirer_ids, network (line 2)",
            ),
            ("a = true", "links.toml: a: must be a table, and is true or false (line 1)"),
        ] {
            assert_eq!(Roles::parse(text, "links.toml").expect_err("must be refused").to_string(), line);
        }
    }

    #[test]
    fn every_key_misspelt_is_named_and_no_value_is_repeated() {
        example_mistakes::every_key_is_named_and_no_value_repeated(EXAMPLE, &[""], |text| {
            Roles::parse(text, "links.toml")
        });
    }
}
