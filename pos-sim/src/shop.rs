//! A merchant's shop at the foreign acquirer, and how messages and clearing files describe it.

use crate::request::CardAcceptor;

/// A merchant's shop as the acquirer describes it.
#[derive(Clone, Debug)]
pub struct Shop {
    pub acceptor: CardAcceptor,
    pub name: String,
    pub street: String,
    pub city: String,
    pub postcode: String,
    /// Two letters in messages, three in clearing.
    pub country: [String; 2],
}

impl Shop {
    /// DE 43 of 1987: name in 25 characters, city in 13, country in 2.
    #[must_use]
    pub fn name_and_location(&self) -> Vec<u8> {
        let wide = |text: &str, width: usize| format!("{:width$}", text.chars().take(width).collect::<String>());
        format!("{}{}{}", wide(&self.name, 25), wide(&self.city, 13), wide(&self.country[0], 2)).into_bytes()
    }

    /// Name, street and city between backslashes, then postcode in ten characters, region and country in three each.
    #[must_use]
    pub fn clearing_location(&self) -> String {
        let (name, street, city) = (&self.name, &self.street, &self.city);
        format!("{name}\\{street}\\{city}\\{:10}{:3}{:3}", self.postcode, "", self.country[1])
    }
}
