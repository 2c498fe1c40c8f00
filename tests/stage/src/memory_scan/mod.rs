//! Clear PINs exist only in hsmd, and there for one verb; keys are where docs/security.md says. This test checks it: the memory of
//! the running programs is searched under load for all PINs and keys that the simulator knows, and that of hsmd once it has
//! answered.
//!
//! A search that finds nothing may have searched nothing. So each program holds a planted control, and a value that is surely on
//! its heap; a scan that does not find both has failed.

mod canaries;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use pos_sim::crypto::key::{hex, unhex};
use pos_sim::delivery::{
    self, Delivered, DeliveredCard, DeliveredTerminal, DeliveredWallet, DeliveredZone, TransportKey,
};
use pos_sim::load::{self, Participants, Plan};
use pos_sim::mix::Mix;
use pos_sim::reading::PinEntry;
use pos_sim::world::World;

use crate::demo::narrate::Narrator;
use crate::layout::state_root;
use crate::memory;
use crate::pin_tries::load_cards;
use crate::pin_tries::pin_attempt::enter;
use crate::population::Population;
use crate::secret_search::{Hit, Needle, SecretSearch};
use crate::stage::{Options, Stage};
use crate::supervisor::Program;

#[derive(Debug, Clone, Args)]
pub struct MemoryScanArguments {
    /// Length of the load under which the switch and the host are searched
    #[arg(long, default_value_t = 20)]
    seconds: u32,
    /// Requests a second meanwhile, besides cardholders who enter wrong and right PINs
    #[arg(long, default_value_t = 150)]
    rate: u32,
}

/// Hits that are shown of each scan; the others are counted.
const SHOWN: usize = 12;
/// After this long without a request hsmd is idle.
const AT_REST: Duration = Duration::from_secs(2);
const CONTROL: &str = "SWITCHYARD_MEMORY_CONTROL";
/// PINs entered one by one, with a search of both daemons after each.
const SINGLE_PINS: usize = 20;
const PLANTED: &str = "the planted control";
const CERTAIN: &str = "what it surely holds";
/// The programs that are searched: those that handle card data.
const SEARCHED: [Program; 4] = [Program::Switch, Program::Host, Program::Hsm, Program::SecondHsm];

/// One pass over one process.
#[derive(Debug)]
struct Scan {
    bytes: u64,
    /// Both controls were found.
    controlled: bool,
    hits: Vec<Hit>,
}

/// Searches; true if every control was found and nothing else.
pub async fn run(checkout: &Path, arguments: &MemoryScanArguments) -> Result<bool> {
    let mut told = Narrator::new();
    told.step("Raising the stage");
    let control = hex(&rand::random::<[u8; 16]>());
    let mut options = Options::new(checkout, state_root(checkout).join("memory-scan"))?;
    options.population = Population { load_cards: 120, load_wallets: 24, ..Population::demo() };
    options.environment = vec![(CONTROL, control.clone().into())];
    let stage = Stage::start(options).await?;
    let world = stage.open_world().await?;
    for terminal in &world.terminals {
        terminal.sign_on().await?;
    }
    world.acquirer.sign_on().await?;
    let needles = Needles::collect(&stage, &world, control).await?;
    told.say(format!(
        "{} canaries of clear PINs of {} cards and {} wallets, {} of keys",
        needles.pins.len(),
        world.cards.len() + world.foreign_cards.len(),
        world.wallets.len(),
        needles.keys.len()
    ));

    let MemoryScanArguments { seconds, rate } = *arguments;
    told.step(format!("Memory under {rate} requests a second for {seconds} s, and PINs entered all the while"));
    let over = AtomicBool::new(false);
    let plan = Plan { rate, seconds, concurrency: 256, mix: Mix::everyday(), seed: 2_718 };
    let loaded = async {
        let report = load::run(Participants::of(&world, "load"), &plan, |_| {}).await;
        over.store(true, Ordering::Relaxed);
        report
    };
    let (report, pins, scans) = tokio::join!(loaded, enter_pins(&world, &over), scan_until(&stage, &needles, &over));
    let (report, pins, scans) = (report?, pins?, scans?);
    told.check("requests answered meanwhile", "some", report.answered, report.answered > 0);
    told.check("PINs entered meanwhile", "some", pins, pins > 0);
    for (program, scans) in SEARCHED.into_iter().zip(&scans) {
        let deals_with_pins = matches!(program, Program::Hsm | Program::SecondHsm);
        judge(&mut told, program, scans, deals_with_pins);
    }

    told.step(format!("{SINGLE_PINS} PINs, one by one, and the memory of both hsmd right after the answer to each"));
    for (program, scans) in
        [Program::Hsm, Program::SecondHsm].into_iter().zip(after_each(&stage, &world, &needles).await?)
    {
        judge(&mut told, program, &scans, false);
    }

    told.step("Memory at rest, after the last answer");
    tokio::time::sleep(AT_REST).await;
    for program in SEARCHED {
        let scan = tokio::task::block_in_place(|| needles.scan(&stage, program))?;
        judge(&mut told, program, &[scan], false);
    }
    told.close();
    Ok(told.all_held())
}

/// A wrong PIN and the right one by turns, card after card, so that no card runs out of tries.
async fn enter_pins(world: &World, over: &AtomicBool) -> Result<usize> {
    let cards = load_cards(world);
    let mut entered = 0;
    for (card, terminal) in cards.iter().cycle().zip(world.terminals.iter().cycle()) {
        if over.load(Ordering::Relaxed) {
            break;
        }
        for pin in [PinEntry::Wrong, PinEntry::Right] {
            enter(terminal, card, pin).await?;
            entered += 1;
        }
    }
    Ok(entered)
}

/// The scans of each daemon after single PINs, alternately wrong and right. No other request is under way, so that no other verb
/// overwrites the traces of this one.
async fn after_each(stage: &Stage, world: &World, needles: &Needles) -> Result<[Vec<Scan>; 2]> {
    let terminal = world.terminals.first().context("no terminal")?;
    let mut scans = [Vec::new(), Vec::new()];
    for card in load_cards(world).iter().rev().take(SINGLE_PINS / 2) {
        for pin in [PinEntry::Wrong, PinEntry::Right] {
            enter(terminal, card, pin).await?;
            tokio::task::block_in_place(|| {
                scans[0].push(needles.scan(stage, Program::Hsm)?);
                scans[1].push(needles.scan(stage, Program::SecondHsm)?);
                anyhow::Ok(())
            })?;
        }
    }
    Ok(scans)
}

/// Searches one program after the other, again and again; the scans of each, in the order of [`SEARCHED`].
async fn scan_until(stage: &Stage, needles: &Needles, over: &AtomicBool) -> Result<Vec<Vec<Scan>>> {
    let mut scans: Vec<Vec<Scan>> = SEARCHED.iter().map(|_| Vec::new()).collect();
    while !over.load(Ordering::Relaxed) {
        for (program, scans) in SEARCHED.into_iter().zip(&mut scans) {
            scans.push(tokio::task::block_in_place(|| needles.scan(stage, program))?);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    Ok(scans)
}

fn judge(told: &mut Narrator, program: Program, scans: &[Scan], deals_with_pins: bool) {
    let bytes: u64 = scans.iter().map(|scan| scan.bytes).sum();
    let controlled = scans.iter().filter(|scan| scan.controlled).count();
    told.say(format!("{program}: {} scans, {bytes} bytes", scans.len()));
    told.equal(format!("{program}: scans that found both controls"), scans.len(), controlled);
    let hits: Vec<&Hit> = scans.iter().flat_map(|scan| &scan.hits).collect();
    if deals_with_pins {
        told.say(format!("{program}: clear PINs seen at work, which is where they may be: {}", hits.len()));
        return;
    }
    for hit in hits.iter().take(SHOWN) {
        told.say(format!("{} at {}: {}", hit.place, hit.offset, hit.needle));
    }
    told.equal(format!("{program}: canaries found"), 0, hits.len());
}

/// The secrets to search for, by the programs that must not hold them.
#[derive(Debug)]
struct Needles {
    planted: Needle,
    /// Must be nowhere outside a verb.
    pins: Vec<Needle>,
    /// Must not be in the switch and the host; hsmd's module holds them.
    keys: Vec<Needle>,
    /// A data key and the program that it belongs to.
    data_keys: Vec<(Program, Vec<Needle>)>,
}

impl Needles {
    async fn collect(stage: &Stage, world: &World, planted: String) -> Result<Self> {
        let cards: Vec<_> = world.cards.iter().chain(&world.foreign_cards).cloned().collect();
        let pins = canaries::of_pins(&cards, &world.wallets);
        let mut keys = delivered_keys(stage)?;
        let pin = std::fs::read_to_string(stage.layout().token_pins().join("user")).context("the token's PIN")?;
        keys.push(Needle::of_text("the token's PIN", pin.trim()));
        let mut data_keys = Vec::new();
        for (program, role, name) in
            [(Program::Switch, "switch", "switch-pending"), (Program::Host, "host", "host-spool")]
        {
            let socket = stage.layout().sockets().join(format!("hsm-a-{role}.sock"));
            let key = hsm::Client::connect(socket).data_key(name).await?;
            data_keys.push((program, canaries::of_key(&format!("data key {name}"), key.expose())));
        }
        Ok(Self { planted: Needle::of_text(PLANTED, &planted), pins, keys, data_keys })
    }

    fn scan(&self, stage: &Stage, program: Program) -> Result<Scan> {
        let certain = match program {
            Program::Hsm | Program::SecondHsm => "zpk/acquirer-ascii",
            _ => "SWYD00000000001",
        };
        let mut needles = vec![self.planted.clone(), Needle::of_text(CERTAIN, certain)];
        needles.extend(self.pins.iter().cloned());
        if matches!(program, Program::Switch | Program::Host) {
            needles.extend(self.keys.iter().cloned());
            let others = self.data_keys.iter().filter(|(owner, _)| *owner != program);
            needles.extend(others.flat_map(|(_, key)| key.iter().cloned()));
        }
        let mut search = SecretSearch::new(needles)?;
        let pid = stage.pid(program).with_context(|| format!("{program} is down"))?;
        memory::search(&mut search, pid, program.name())?;
        let control = |hit: &Hit| hit.needle == PLANTED || hit.needle == CERTAIN;
        let (controls, hits): (Vec<_>, Vec<_>) = search.hits.into_iter().partition(control);
        let controlled = [PLANTED, CERTAIN].iter().all(|control| controls.iter().any(|hit| hit.needle == *control));
        Ok(Scan { bytes: search.scanned_bytes, controlled, hits })
    }
}

/// Every delivered key: terminals', zones', cards' and wallets', the custodians' components and the transport key.
fn delivered_keys(stage: &Stage) -> Result<Vec<Needle>> {
    let layout = stage.layout();
    let [first, second] = layout.transport_components();
    let components = [&first, &second].map(|file| {
        let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        unhex(&text).context("a component is hexadecimal")
    });
    let [a, b] = components;
    let (a, b) = (a?, b?);
    let whole: Vec<u8> = a.iter().zip(&b).map(|(a, b)| a ^ b).collect();
    let mut needles = Vec::new();
    for (whose, key) in [("first component", &a), ("second component", &b), ("transport key", &whole)] {
        needles.extend(canaries::of_key(whose, key));
    }
    let key = TransportKey::from_components(&first, &second)?;
    for terminal in opened::<DeliveredTerminal>(stage, &key)? {
        needles.extend(canaries::of_key(&format!("TPK of {}", terminal.terminal), terminal.tpk.expose()));
        needles.extend(canaries::of_key(&format!("TAK of {}", terminal.terminal), terminal.tak.expose()));
    }
    for zone in opened::<DeliveredZone>(stage, &key)? {
        needles.extend(canaries::of_key(&format!("zone key of {}", zone.name), zone.zpk.expose()));
    }
    for card in opened::<DeliveredCard>(stage, &key)? {
        needles.extend(canaries::of_key(&format!("card key of \"{}\"", card.note), card.udk_ac.expose()));
    }
    for wallet in opened::<DeliveredWallet>(stage, &key)? {
        let whose = format!("card key of wallet \"{}\"", wallet.card_note);
        needles.extend(canaries::of_key(&whose, wallet.udk_ac.expose()));
    }
    Ok(needles)
}

fn opened<T: Delivered>(stage: &Stage, key: &TransportKey) -> Result<Vec<T>> {
    let mut items = Vec::new();
    for file in delivery::files_of(T::KIND, &stage.layout().deliveries())? {
        items.extend(delivery::open::<T>(key, &file)?);
    }
    Ok(items)
}
