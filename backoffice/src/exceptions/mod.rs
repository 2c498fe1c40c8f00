//! Exceptions: matters that a person has to look at, from all programs, in one list.
//!
//! `·` is pure, `▶` does I/O.
//!
//! | what | module |
//! |---|---|
//! | an item of the list | [`item`] · |
//! | the kinds: meaning, possible acts, what an act posts | [`kind`] · |
//! | a dead letter of the switch | [`dead_letter`] · |
//! | what a person's word changes | [`step`] · |
//! | how items are shown | [`shown`] · |
//! | asks the switch | [`switch`] ▶ |
//! | lists what has come since | [`follow`] ▶ |
//! | people decide | [`resolve`] ▶ |
//! | the tables | [`store`] ▶ |

pub mod dead_letter;
pub mod follow;
pub mod item;
pub mod kind;
pub mod resolve;
pub mod shown;
pub mod step;
pub mod store;
pub mod switch;

use serde::Deserialize;

use switch::SwitchAdmin;

/// Settings of the list.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The switch's admin address or socket, for its dead letters; they are not listed without it.
    #[serde(default)]
    pub switch_admin: Option<SwitchAdmin>,
}
