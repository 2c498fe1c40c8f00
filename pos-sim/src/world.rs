//! The simulated world, set up from the configuration and the deliveries.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use codecs::value::{Currency, InstitutionId, Minor, Pan, luhn_digit};
use config_file::ConfigError;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::Serialize;

use crate::acquirer::Acquirer;
use crate::card::Card;
use crate::chip::Chip;
use crate::config::{Config, ForeignCard};
use crate::connection::Connection;
use crate::counters::{self, Counters};
use crate::crypto::TdesKey;
use crate::delivery::{
    self, Delivered, DeliveredCard, DeliveredTerminal, DeliveredWallet, DeliveredZone, DeliveryError, TransportKey,
};
use crate::issuer::{Issuer, IssuerSettings};
use crate::log::{Log, LogError};
use crate::request::CardAcceptor;
use crate::secret::Digits;
use crate::shop::Shop;
use crate::terminal::Terminal;
use crate::till::{TillError, TillSettings};
use crate::wallet::Wallet;

/// Why the world could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Till(#[from] TillError),
    #[error("the foreign issuer cannot listen on {address}: {source}")]
    Listen { address: std::net::SocketAddr, source: std::io::Error },
    #[error("{file}: {source}")]
    Write { file: PathBuf, source: std::io::Error },
    #[error("no zone key was delivered for \"{0}\"")]
    NoZone(String),
    #[error("nobody has a card with the note \"{0}\"")]
    NoCard(String),
    #[error("nobody has a token for the card \"{0}\"")]
    NoWallet(String),
    #[error("no terminal is called {0}")]
    NoTerminal(String),
    #[error("a token stands for the card \"{0}\", which was not delivered")]
    TokenWithoutCard(String),
}

/// All simulated parties: cards and wallets, terminals, the foreign acquirer and the foreign issuer.
#[derive(Debug)]
pub struct World {
    pub cards: Vec<Arc<Card>>,
    pub wallets: Vec<Arc<Wallet>>,
    /// Cards of the foreign issuer.
    pub foreign_cards: Vec<Arc<Card>>,
    pub terminals: Vec<Arc<Terminal>>,
    pub acquirer: Arc<Acquirer>,
    /// `None` where another process plays it.
    pub issuer: Option<Issuer>,
    pub log: Arc<Log>,
    /// Held because its task saves the counters.
    _counters: Arc<Counters>,
}

impl World {
    /// Opens the deliveries, starts the foreign issuer and sets up the tills; connections are dialled when first used.
    ///
    /// # Errors
    /// A configuration or delivery that is not right, or an address that is taken.
    pub async fn open(config: &Config) -> Result<Self, WorldError> {
        let key = TransportKey::from_components(&config.keys.component_1_file, &config.keys.component_2_file)?;
        let foreign = foreign_cards(config)?;
        let cards = foreign.iter().map(|(card, _)| Arc::clone(card)).collect();
        let world = Self::without_issuer(config, &key, cards, &config.terminal_log, 0)?;
        let pin_key = zone_key(&key, config, &config.issuer.zone)?;
        Ok(Self { issuer: Some(issuer(config, pin_key, foreign).await?), ..world })
    }

    /// The world of another running process once more: the same tills and cards, a log of its own, no issuer. Chips continue from
    /// the counters of that process, tills from the trace number `stan_before`.
    ///
    /// # Errors
    /// A configuration or delivery that is not right.
    ///
    /// # Panics
    /// Outside a runtime: counters are saved in the background.
    pub fn visit(config: &Config, log: &Path, stan_before: u32) -> Result<Self, WorldError> {
        let key = TransportKey::from_components(&config.keys.component_1_file, &config.keys.component_2_file)?;
        let foreign = foreign_cards(config)?.into_iter().map(|(card, _)| card).collect();
        Self::without_issuer(config, &key, foreign, log, stan_before)
    }

    fn without_issuer(
        config: &Config,
        key: &TransportKey,
        foreign_cards: Vec<Arc<Card>>,
        log: &Path,
        stan_before: u32,
    ) -> Result<Self, WorldError> {
        let folder = &config.keys.deliveries_dir;
        let log = Arc::new(Log::create(log)?);
        let (cards, wallets) = holders(key, folder)?;
        let all_cards = cards.iter().chain(&foreign_cards).cloned().collect();
        let counters = Arc::new(Counters::new(folder, all_cards, wallets.clone()));
        counters.restore();
        tokio::spawn(counters::keep_saving(Arc::downgrade(&counters)));
        Ok(Self {
            cards,
            wallets,
            foreign_cards,
            terminals: terminals(config, &delivered(key, folder)?, stan_before, &log)?,
            acquirer: Arc::new(acquirer(config, zone_key(key, config, &config.acquirer.zone)?, stan_before, &log)?),
            issuer: None,
            log,
            _counters: counters,
        })
    }

    /// The card with this note, ours or foreign.
    ///
    /// # Errors
    /// There is none.
    pub fn card(&self, note: &str) -> Result<Arc<Card>, WorldError> {
        let mut all = self.cards.iter().chain(&self.foreign_cards);
        all.find(|card| card.note == note).cloned().ok_or_else(|| WorldError::NoCard(note.to_owned()))
    }

    /// The wallet whose token stands for the card with this note.
    ///
    /// # Errors
    /// There is none.
    pub fn wallet(&self, note: &str) -> Result<Arc<Wallet>, WorldError> {
        let found = self.wallets.iter().find(|wallet| wallet.card.note == note);
        found.cloned().ok_or_else(|| WorldError::NoWallet(note.to_owned()))
    }

    /// The first of the foreign issuer's cards.
    ///
    /// # Errors
    /// It has none.
    pub fn foreign_card(&self) -> Result<Arc<Card>, WorldError> {
        self.foreign_cards.first().cloned().ok_or_else(|| WorldError::NoCard("foreign".to_owned()))
    }

    /// The terminal with this id.
    ///
    /// # Errors
    /// There is none.
    pub fn terminal(&self, id: &str) -> Result<Arc<Terminal>, WorldError> {
        let found = self.terminals.iter().find(|terminal| terminal.acceptor().terminal.as_str() == id);
        found.cloned().ok_or_else(|| WorldError::NoTerminal(id.to_owned()))
    }

    /// Writes `cards.json` and `terminals.json`, so that anyone can try the cards by hand. Besides the clearing files, `cards.json` is
    /// the one file with clear card numbers.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write_directory(&self, folder: &Path) -> Result<(), WorldError> {
        let cards: Vec<CardRow<'_>> = self.cards.iter().chain(&self.foreign_cards).map(|card| card_row(card)).collect();
        write_json(&folder.join("cards.json"), &cards)?;
        let ours = self.terminals.iter().map(|t| card_acceptor_row(t.acceptor(), t.acquirer(), "terminals"));
        let theirs = self.acquirer.shops().iter();
        let theirs =
            theirs.map(|shop| card_acceptor_row(&shop.acceptor, self.acquirer.institution(), "acquirer-ascii"));
        write_json(&folder.join("terminals.json"), &ours.chain(theirs).collect::<Vec<_>>())
    }
}

#[derive(Serialize)]
struct CardRow<'a> {
    pan: &'a str,
    expiry: String,
    cvv2: &'a str,
    pin: &'a str,
    balance_minor: i64,
    currency: String,
    note: &'a str,
}

fn card_row(card: &Card) -> CardRow<'_> {
    CardRow {
        pan: std::str::from_utf8(card.pan.expose()).expect("a PAN holds ASCII digits"),
        expiry: card.expiry.to_string(),
        cvv2: card.printed_code.expose(),
        pin: card.pin.expose(),
        balance_minor: card.opening_balance.0,
        currency: format!("{:03}", card.currency.number()),
        note: &card.note,
    }
}

#[derive(Serialize)]
struct CardAcceptorRow {
    terminal: String,
    merchant: String,
    acquirer: String,
    mcc: String,
    /// The switch's listener that it connects to.
    listener: &'static str,
}

fn card_acceptor_row(acceptor: &CardAcceptor, acquirer: InstitutionId, listener: &'static str) -> CardAcceptorRow {
    CardAcceptorRow {
        terminal: acceptor.terminal.to_string(),
        merchant: acceptor.merchant.to_string(),
        acquirer: acquirer.to_string(),
        mcc: format!("{:04}", acceptor.merchant_type),
        listener,
    }
}

fn write_json(file: &Path, rows: &impl Serialize) -> Result<(), WorldError> {
    let text = serde_json::to_string_pretty(rows).expect("rows hold text and numbers only");
    std::fs::write(file, text + "\n").map_err(|source| WorldError::Write { file: file.into(), source })
}

/// All items of a kind in a folder of deliveries, in the order of the files' names.
fn delivered<T: Delivered>(key: &TransportKey, folder: &Path) -> Result<Vec<T>, DeliveryError> {
    let mut items = Vec::new();
    for file in delivery::files_of(T::KIND, folder)? {
        items.extend(delivery::open::<T>(key, &file)?);
    }
    Ok(items)
}

fn zone_key(key: &TransportKey, config: &Config, name: &str) -> Result<TdesKey, WorldError> {
    let zones: Vec<DeliveredZone> = delivered(key, &config.keys.deliveries_dir)?;
    let found = zones.into_iter().find(|zone| zone.name == name);
    found.map(|zone| zone.zpk).ok_or_else(|| WorldError::NoZone(name.to_owned()))
}

type Holders = (Vec<Arc<Card>>, Vec<Arc<Wallet>>);

fn holders(key: &TransportKey, folder: &Path) -> Result<Holders, WorldError> {
    let cards: Vec<Arc<Card>> =
        delivered::<DeliveredCard>(key, folder)?.into_iter().map(|card| Arc::new(Card::from(card))).collect();
    let by_note: HashMap<&str, &Arc<Card>> = cards.iter().map(|card| (card.note.as_str(), card)).collect();
    let wallets = delivered::<DeliveredWallet>(key, folder)?
        .into_iter()
        .map(|wallet| {
            let card = by_note.get(wallet.card_note.as_str()).map(|card| Arc::clone(card));
            let card = card.ok_or_else(|| WorldError::TokenWithoutCard(wallet.card_note.clone()))?;
            Ok(Arc::new(Wallet::new(wallet, card)))
        })
        .collect::<Result<_, WorldError>>()?;
    Ok((cards, wallets))
}

fn terminals(
    config: &Config,
    delivered: &[DeliveredTerminal],
    stan_before: u32,
    log: &Arc<Log>,
) -> Result<Vec<Arc<Terminal>>, WorldError> {
    let settings = config.terminal_connection()?;
    let acquirer = config.institution("terminals.acquirer_id", &config.terminals.acquirer_id)?;
    let till = TillSettings { stan_before, ..config.till_settings(config.terminals.manner) };
    delivered
        .iter()
        .map(|terminal| {
            let connection = Connection::new(settings.clone(), None, Arc::clone(log));
            Ok(Arc::new(Terminal::new(terminal, acquirer, connection, till)?))
        })
        .collect()
}

fn acquirer(config: &Config, pin_key: TdesKey, stan_before: u32, log: &Arc<Log>) -> Result<Acquirer, WorldError> {
    let shops = config.acquirer.shop.iter().enumerate().map(|(at, shop)| {
        let key = format!("acquirer.shop[{at}]");
        let acceptor = CardAcceptor::new(&shop.terminal_id, &shop.merchant_id, &shop.mcc)
            .ok_or_else(|| config.wrong(&key, "terminal_id, merchant_id or mcc does not fit its element"))?;
        Ok(Shop {
            acceptor,
            name: shop.name.clone(),
            street: shop.street.clone(),
            city: shop.city.clone(),
            postcode: shop.postcode.clone(),
            country: shop.country.clone(),
        })
    });
    let shops = shops.collect::<Result<_, ConfigError>>()?;
    let institution = config.institution("acquirer.acquirer_id", &config.acquirer.acquirer_id)?;
    let till = TillSettings { stan_before, ..config.till_settings(config.acquirer.manner) };
    let (settings, connections) = (config.acquirer_connection()?, config.acquirer.connections);
    Ok(Acquirer::new(institution, pin_key, shops, &settings, connections, till, log))
}

async fn issuer(config: &Config, pin_key: TdesKey, cards: Vec<(Arc<Card>, TdesKey)>) -> Result<Issuer, WorldError> {
    let address = config.issuer.address;
    let settings = IssuerSettings {
        listen: address,
        dialect: config.dialect("issuer.dialect", &config.issuer.dialect)?,
        framing: config.framing("issuer.framing", &config.issuer.framing)?,
        pin_key,
        faults: config.issuer.faults,
    };
    Issuer::start(settings, cards).await.map_err(|source| WorldError::Listen { address, source })
}

/// The foreign issuer personalises its own cards: numbers in order, secrets from its seed.
fn foreign_cards(config: &Config) -> Result<Vec<(Arc<Card>, TdesKey)>, ConfigError> {
    let mut rng = StdRng::seed_from_u64(config.issuer.seed);
    let cards = config.issuer.card.iter().zip(1_u32..);
    cards.map(|(card, number)| foreign_card(config, card, number, &mut rng)).collect()
}

fn foreign_card(
    config: &Config,
    card: &ForeignCard,
    number: u32,
    rng: &mut StdRng,
) -> Result<(Arc<Card>, TdesKey), ConfigError> {
    let expiry = delivery::expiry_from(&card.expiry)
        .ok_or_else(|| config.wrong(&format!("issuer.card[{}].expiry", number - 1), "must be YYMM"))?;
    let mut digits = |count: usize| {
        let drawn: String = (0..count).map(|_| char::from(b'0' + rng.random_range(0..10_u8))).collect();
        Digits::new(&drawn).expect("digits were drawn")
    };
    let (pin, cvv, icvv, printed_code) = (digits(4), digits(3), digits(3), digits(3));
    let key = TdesKey::new(rng.random());
    let card = Card {
        pan: numbered(&config.issuer.bin, number),
        expiry,
        sequence: 1,
        service_code: Digits::new("201").expect("digits"),
        pin,
        cvv,
        icvv,
        printed_code,
        chip: Chip::new(key.clone()),
        note: card.note.clone(),
        opening_balance: Minor(card.balance_minor),
        currency: Currency::EUR,
    };
    Ok((Arc::new(card), key))
}

/// A card number of sixteen digits in a range, with its check digit.
pub(crate) fn numbered(prefix: &str, number: u32) -> Pan {
    let width = 15 - prefix.len();
    let mut digits = format!("{prefix}{number:0width$}").into_bytes();
    digits.push(luhn_digit(&digits));
    Pan::from_digits(&digits).expect("sixteen digits are a card number")
}
