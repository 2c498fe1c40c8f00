//! Requests whose right answers are known, because their keys come from the daemon's own deliveries.
use codecs::value::{Expiry, Pan, PinBlock};
use hsm::*;

use crate::installation::{Installation, on_nss};
use crate::outside;

pub const PAN: &str = "4000120000000002";
/// A message as long as a chip purchase with its MAC.
pub const MESSAGE: [u8; 300] = [7; 300];
/// Cards of each range; more than card keys are kept, so that going round never meets one again.
const CARDS: usize = 512;
const CSU: [u8; 4] = [0x00, 0x82, 0x00, 0x00];

/// A second token range, fast, and a small memory for card keys; with HSM_MODULE=nss on NSS's softoken.
pub fn configured(config: String) -> String {
    let config = match std::env::var("HSM_MODULE").as_deref() {
        Ok("nss") => on_nss(config),
        _ => config,
    };
    config
        .replace(r#"["40001290"]"#, r#"["40001290", "40001291"]"#)
        .replace("fast_card_keys = []", r#"fast_card_keys = ["40001291"]"#)
        .replace("card_keys      = 4096", "card_keys      = 256")
}

/// Chip cards of one range with a right cryptogram each.
pub struct Cards {
    checks: Vec<CardCheck>,
}

impl Cards {
    /// The `number`th card's read, going round.
    pub fn read(&self, number: usize) -> CardCheck {
        self.checks[number % self.checks.len()].clone()
    }

    async fn of(operator: &Client, transport: &[u8], range: &str) -> Self {
        let mut checks = Vec::with_capacity(CARDS);
        for number in 0..CARDS {
            checks.push(one_card(operator, transport, range, number).await);
        }
        Self { checks }
    }
}

async fn one_card(operator: &Client, transport: &[u8], range: &str, number: usize) -> CardCheck {
    let dpan = Pan::from_digits(format!("{range}{number:08}").as_bytes()).unwrap();
    let keys = KeySet::new(range).unwrap();
    let order = TokenOrder {
        dpan: dpan.clone(),
        expiry: Expiry::new(30, 6).unwrap(),
        psn: 0,
        keys: keys.clone(),
        card_note: String::new(),
    };
    let item = operator.personalise_token(order).await.unwrap();
    let item = outside::open(transport, "wallets", &item.0);
    let udk = outside::unhex(item["udk_ac"].as_str().unwrap());
    let (data, cryptogram) = outside::cryptogram(&udk, 7);
    CardCheck {
        presented: dpan,
        funding: None,
        issuer_keys: KeySet::new("400012").unwrap(),
        code: None,
        pin: None,
        chip: Some(ChipCheck { keys, psn: 0, cryptogram, data, approve_csu: CSU }),
    }
}

pub struct Traffic {
    pub pan: Pan,
    pub envelopes: Vec<(PanEnvelope, Vec<u8>)>,
    pub strict: Cards,
    pub fast: Cards,
    /// The PIN of `pan` under `zpk/host`, and its reference value.
    pin_block: PinBlock,
    /// A block for another PIN.
    wrong_block: PinBlock,
    pvv: Pvv,
    code: SecurityCode,
    terminal: Terminal,
}

struct Terminal {
    tpk: KeyBlock,
    tak: KeyBlock,
    tpk_clear: Vec<u8>,
    tak_clear: Vec<u8>,
}

impl Traffic {
    pub async fn prepare(installation: &Installation) -> Self {
        let (host, switch, operator) =
            (installation.client("host"), installation.client("switch"), installation.client("operator"));
        let transport = outside::transport_key(&installation.folder.join("keys"));
        let pan = Pan::from_digits(PAN.as_bytes()).unwrap();
        let mut envelopes = Vec::new();
        for _ in 0..16 {
            envelopes.push((host.tokenize(&pan, b"row").await.unwrap().1, b"row".to_vec()));
        }
        let terminal = terminal(installation);
        let card = operator.personalise_card(card_order(&pan)).await.unwrap();
        let item = outside::open(&transport, "cards", &card.delivery.0);
        let right = item["pin"].as_str().unwrap();
        let wrong = if right == "0000" { "1111" } else { "0000" };
        let cvv = item["cvv2"].as_str().unwrap().as_bytes().try_into().unwrap();
        let pin_block = translated(&switch, &terminal, &pan, right).await;
        let wrong_block = translated(&switch, &terminal, &pan, wrong).await;
        Self {
            strict: Cards::of(&operator, &transport, "40001290").await,
            fast: Cards::of(&operator, &transport, "40001291").await,
            pan,
            envelopes,
            pin_block,
            wrong_block,
            pvv: card.pvv,
            code: SecurityCode::new(cvv).unwrap(),
            terminal,
        }
    }

    fn read(&self) -> CardCheck {
        let issuer_keys = KeySet::new("400012").unwrap();
        CardCheck { presented: self.pan.clone(), funding: None, issuer_keys, code: None, pin: None, chip: None }
    }

    /// A right PIN.
    pub fn pin_check(&self) -> CardCheck {
        self.pin_of(&self.pin_block)
    }

    /// A wrong PIN.
    pub fn wrong_pin_check(&self) -> CardCheck {
        self.pin_of(&self.wrong_block)
    }

    fn pin_of(&self, block: &PinBlock) -> CardCheck {
        let zone_key = KeyName::zone_pin("host").unwrap();
        let reference = PinReference::Pvv { pvv: self.pvv.clone(), pvki: 6 };
        let pin = PinCheck { block: block.clone(), zone_key, reference };
        CardCheck { pin: Some(pin), ..self.read() }
    }

    /// A right CVV2.
    pub fn code_check(&self) -> CardCheck {
        let expiry = Expiry::new(30, 6).unwrap();
        let code = CodeCheck { read: CodeRead::Keyed, expiry, value: self.code.clone() };
        CardCheck { code: Some(code), ..self.read() }
    }

    pub fn mac_key(&self) -> MacKey {
        MacKey::Terminal(self.terminal.tak.clone())
    }

    /// A purchase at the edge: right MAC, PIN to be translated.
    pub fn edge(&self, with_mac: bool, with_pin: bool) -> EdgeCheck {
        let mac = || {
            let mac = codecs::value::Mac(*outside::cmac(&self.terminal.tak_clear, &MESSAGE).first_chunk().unwrap());
            MacCheck { key: self.mac_key(), data: MESSAGE.as_slice().into(), mac }
        };
        EdgeCheck { mac: with_mac.then(mac), pin: with_pin.then(|| translation(&self.terminal, &self.pan, "1234")) }
    }
}

fn translation(terminal: &Terminal, pan: &Pan, pin: &str) -> PinTranslation {
    PinTranslation {
        from: PinKey::Terminal(terminal.tpk.clone()),
        from_format: PinFormat::Iso0,
        block: PinBlock::new(&outside::pin_block(&terminal.tpk_clear, pin, PAN)).unwrap(),
        pan: pan.clone(),
        to: PinKey::Zone(KeyName::zone_pin("host").unwrap()),
        to_format: PinFormat::Iso0,
    }
}

async fn translated(switch: &Client, terminal: &Terminal, pan: &Pan, pin: &str) -> PinBlock {
    let edge = EdgeCheck { mac: None, pin: Some(translation(terminal, pan, pin)) };
    match switch.edge(edge).await.unwrap().pin {
        Some(TranslationOutcome::Translated(block)) => block,
        other => panic!("{other:?}"),
    }
}

pub fn card_order(pan: &Pan) -> CardOrder {
    CardOrder {
        pan: pan.clone(),
        expiry: Expiry::new(30, 6).unwrap(),
        psn: 1,
        service_code: *b"201",
        pvki: 6,
        keys: KeySet::new("400012").unwrap(),
        note: String::new(),
        balance_minor: 1,
        currency: 978,
    }
}

fn terminal(installation: &Installation) -> Terminal {
    let order = r#"[{"terminal":"T0000001","merchant":"SWYD00000000001","mcc":"5411","mac":"aes-cmac"}]"#;
    let path = installation.folder.join("orders.json");
    std::fs::write(&path, order).unwrap();
    installation.verb(&["terminals", "--orders", path.to_str().unwrap()]);
    let rows: Vec<TerminalKeyRow> = serde_json::from_str(&installation.read("terminals.keys.json")).unwrap();
    let delivery: DeliveryFile = serde_json::from_str(&installation.read("deliveries/terminals.json")).unwrap();
    let item =
        outside::open(&outside::transport_key(&installation.folder.join("keys")), "terminals", &delivery.items[0].0);
    let block = |text: &str| KeyBlock::from_bytes(&outside::unhex(text)).unwrap();
    let clear = |name: &str| outside::unhex(item[name].as_str().unwrap());
    Terminal {
        tpk: block(&rows[0].tpk_block),
        tak: block(&rows[0].tak_block),
        tpk_clear: clear("tpk"),
        tak_clear: clear("tak"),
    }
}
