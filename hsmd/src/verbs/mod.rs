//! The verbs, written once over [`Module`]: each request as operations of block ciphers.
pub(crate) mod audit;
pub(crate) mod card;
pub(crate) mod cvv;
pub(crate) mod dukpt;
pub(crate) mod edge;
pub(crate) mod emv;
pub(crate) mod exchangeable;
pub(crate) mod issue;
pub(crate) mod kcv;
pub(crate) mod mac;
pub(crate) mod offset;
pub(crate) mod pin;
pub(crate) mod pin_block;
pub(crate) mod script;
#[cfg(test)]
pub(crate) mod software;
pub(crate) mod tr31;
pub(crate) mod tr31_text;
pub(crate) mod vault;
pub(crate) mod working_keys;

#[cfg(test)]
mod tests;

use hsm::RandomBytes;
use hsm::verb::{Answer, Verb};

use crate::module::{Fault, Module};
use working_keys::WorkingKeys;

/// Carries out a verb. `health`, `data_key` and `transport_kcv` are left to the daemon: they need its state or the key file.
pub(crate) fn perform<M: Module>(module: &M, working: &mut WorkingKeys<M::Key>, verb: &Verb) -> Result<Answer, Fault> {
    Ok(match verb {
        Verb::PanIndex(pans) => {
            Answer::PanIndex(pans.iter().map(|pan| vault::index(module, pan)).collect::<Result<_, _>>()?)
        }
        Verb::Tokenize { pan, aad } => Answer::Tokenize(vault::index(module, pan)?, vault::seal(module, pan, aad)?),
        Verb::Reveal(envelopes) => Answer::Reveal(vault::open_batch(module, envelopes)?),
        Verb::Reseal(envelopes) => Answer::Reseal(vault::reseal_batch(module, envelopes)?),
        Verb::CheckCard(request) => Answer::CheckCard(card::check(module, request)?),
        Verb::Edge(request) => Answer::Edge(edge::check(module, working, request)?),
        Verb::Mac { key, data } => Answer::Mac(edge::make_mac(module, working, key, data)?),
        Verb::PersonaliseCard(order) => Answer::Personalised(issue::personalise_card(module, order)?),
        Verb::PersonaliseToken(order) => Answer::Delivery(issue::personalise_token(module, order)?),
        Verb::TerminalKeys(order) => Answer::TerminalKeys(issue::terminal_keys(module, order)?),
        Verb::ChangePin(request) => Answer::PinChanged(pin::change(module, request)?),
        Verb::IssuePin(order) => Answer::PinIssued(issue::issue_pin(module, order)?),
        Verb::CardCode(order) => Answer::CardCode(issue::card_code(module, order)?),
        Verb::ImportKey { under, block } => Answer::KeyImported(tr31::import(module, under, block)?),
        Verb::DrawKey(order) => Answer::KeyDrawn(tr31::draw_for_partner(module, order)?),
        Verb::CheckValues(block) => Answer::CheckValues(kcv::of_working_key(module, block)?),
        Verb::Script(order) => Answer::Script(script::make(module, order)?),
        Verb::Seal(data) => Answer::Sealed(audit::seal(module, data)?),
        Verb::CheckSeal { data, seal } => Answer::SealChecked(audit::check(module, data, seal)?),
        Verb::Random(length) => Answer::Random(random(module, *length)?),
        Verb::Health | Verb::DataKey(_) | Verb::TransportKcv => {
            return Err(Fault::Request("the daemon answers this verb itself"));
        }
    })
}

/// A longer request would delay authorizations; keys are never longer than this.
const MOST_RANDOM: u16 = 1024;

fn random<M: Module>(module: &M, length: u16) -> Result<RandomBytes, Fault> {
    if length > MOST_RANDOM {
        return Err(Fault::Request("at most 1024 random bytes are drawn in one job"));
    }
    let mut bytes = vec![0; length.into()];
    module.random(&mut bytes)?;
    Ok(RandomBytes::new(bytes))
}
