//! Simulated days by seed with three originators – our terminals, which take foreign cards too, and two foreign acquirers –
//! and two books: our host's and a foreign issuer's. Purchases, pre-authorizations with their completions and sales decided
//! offline are repeated and reversed; messages are lost, delayed and doubled on every way, the switch is killed, and it
//! remembers few requests in memory. At the end, without faults, both books have what the originators hold approved.

#![expect(clippy::print_stderr, reason = "how much was played")]

use super::*;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;

const SECOND_ACQUIRER: ListenerId = ListenerId(2);
const SECOND_LINE: ConnectionId = ConnectionId(21);

fn with_second_acquirer() -> Config {
    let mut config = config();
    let mut second = config.listeners[ACQUIRER.0].clone();
    second.name = "second".to_owned();
    config.listeners.push(second);
    let links = include_str!("../../../../config/links.toml");
    let links = format!("{links}\n[second]\nacquirer_id = \"510077\"\n");
    config.roles = link::role::Roles::parse(&links, "links.toml").expect("valid rows");
    // fewer than a day has, so that fingerprints are needed
    config.recent.max_entries = 30;
    config
}

/// What stands at one institution, by its own key of a transaction.
#[derive(Default)]
struct Book {
    standing: BTreeMap<String, i64>,
    /// Reversed: a request of this key that comes late is declined.
    reversed: HashSet<String>,
    decided: HashMap<String, bool>,
}

impl Book {
    fn request(&mut self, key: String, minor: i64, decline: bool) -> bool {
        // a second copy of a request posts nothing
        if let Some(approved) = self.decided.get(&key) {
            return *approved && !self.reversed.contains(&key);
        }
        let approve = !decline && !self.reversed.contains(&key);
        if approve {
            self.standing.insert(key.clone(), minor);
        }
        self.decided.insert(key, approve);
        approve
    }

    /// `completes`: the authorization whose hold the advice takes the place of.
    fn advice(&mut self, key: String, minor: i64, completes: Option<String>) {
        if self.reversed.contains(&key) || self.decided.insert(key.clone(), true).is_some() {
            return;
        }
        if let Some(authorization) = completes {
            self.standing.remove(&authorization).expect("the authorization stands");
        }
        self.standing.insert(key, minor);
    }

    fn reversal(&mut self, key: String) {
        self.standing.remove(&key);
        self.reversed.insert(key);
    }

    fn amounts(&self) -> Vec<i64> {
        let mut amounts: Vec<i64> = self.standing.values().copied().collect();
        amounts.sort_unstable();
        amounts
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Purchase,
    PreAuthorization,
    Offline,
}

/// The state of a transaction at its originator.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Belief {
    Waiting,
    Approved,
    Completing,
    Completed,
    NotApproved,
    Reversing,
}

#[derive(Debug, Clone)]
struct Deal {
    listener: ListenerId,
    kind: Kind,
    foreign: bool,
    belief: Belief,
    /// DE37 of its answer.
    rrn: Option<Rrn>,
}

struct Day {
    world: World,
    host: Book,
    /// The merchants' side of foreign cards, at the host.
    acquired: Book,
    issuer: Book,
    random: SmallRng,
    /// By trace number.
    deals: BTreeMap<u32, Deal>,
    up: Vec<(DestinationId, Message)>,
    down: Vec<(DestinationId, Builder)>,
    faults: bool,
    events: u64,
}

/// Trace numbers of completions are those of their authorizations and so many more.
const COMPLETION: u32 = 100_000;

fn minor(stan: u32) -> i64 {
    i64::from(stan % COMPLETION) * 10 + i64::from(stan / COMPLETION)
}

impl Day {
    fn new(seed: u64) -> Self {
        let mut world = World::without_destinations(with_second_acquirer(), Vec::new());
        Self::bring_up(&mut world);
        Self {
            world,
            host: Book::default(),
            acquired: Book::default(),
            issuer: Book::default(),
            random: SmallRng::seed_from_u64(seed),
            deals: BTreeMap::new(),
            up: Vec::new(),
            down: Vec::new(),
            faults: true,
            events: 0,
        }
    }

    fn bring_up(world: &mut World) {
        world.event(Event::OriginatorConnected(SECOND_ACQUIRER, SECOND_LINE));
        world.connect(HOST, HOST_LINE);
        world.connect(ISSUER, ISSUER_LINE);
        for (listener, line) in [(ACQUIRER, ACQUIRER_LINE), (SECOND_ACQUIRER, SECOND_LINE)] {
            let sign_on = world.network_request(1);
            world.arrive(listener, line, b"", sign_on);
        }
        world.answers.clear();
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.faults && self.random.random_range(0..100) < percent
    }

    fn step(&mut self) {
        match self.random.random_range(0..8) {
            0..=2 if self.faults => self.begin(),
            3..=4 if self.faults => self.go_on(),
            _ => {}
        }
        self.carry();
        self.hear();
        if self.chance(1) {
            self.kill();
        }
        let pause = self.random.random_range(0..1_500);
        self.world.pass(Duration::from_millis(pause));
        self.hear();
    }

    fn begin(&mut self) {
        let stan = self.deals.len() as u32 + 1;
        let listener = [TERMINALS, TERMINALS, ACQUIRER, SECOND_ACQUIRER][self.random.random_range(0..4)];
        let kind = [Kind::Purchase, Kind::PreAuthorization, Kind::Offline][self.random.random_range(0..3)];
        // foreign cards are routed from our terminals only
        let foreign = listener == TERMINALS && self.random.random();
        self.deals.insert(stan, Deal { listener, kind, foreign, belief: Belief::Waiting, rrn: None });
        self.send(stan, false);
    }

    /// One of the transactions so far is repeated, completed or reversed, whichever fits.
    fn go_on(&mut self) {
        let stan = self.random.random_range(1..=self.deals.len().max(1)) as u32;
        let Some(deal) = self.deals.get(&stan).cloned() else { return };
        match deal.belief {
            // what was decided offline is repeated until it is acknowledged
            Belief::Waiting if deal.kind == Kind::Offline || self.random.random() => self.send(stan, true),
            Belief::Approved if deal.kind == Kind::PreAuthorization && self.random.random() => {
                self.complete(stan, false)
            }
            Belief::Completing => self.complete(stan, true),
            Belief::Waiting | Belief::Approved | Belief::Reversing => self.reverse(stan),
            Belief::Completed | Belief::NotApproved => {}
        }
    }

    fn send(&mut self, stan: u32, again: bool) {
        let mti = match (self.deals[&stan].kind, again) {
            (Kind::Purchase, false) => b"0200",
            (Kind::Purchase, true) => b"0201",
            (Kind::PreAuthorization, false) => b"0100",
            (Kind::PreAuthorization, true) => b"0101",
            (Kind::Offline, false) => b"0220",
            (Kind::Offline, true) => b"0221",
        };
        let message = self.message(mti, stan);
        self.arrive(stan, message);
    }

    fn complete(&mut self, stan: u32, again: bool) {
        self.set(stan, Belief::Completing);
        let deal = self.deals[&stan].clone();
        let mut message = self.message(if again { b"0221" } else { b"0220" }, stan + COMPLETION);
        message.put::<de::Rrn>(deal.rrn.expect("an approval had one"));
        self.arrive(stan, message);
    }

    fn reverse(&mut self, stan: u32) {
        self.set(stan, Belief::Reversing);
        let deal = self.deals[&stan].clone();
        let mut message = if deal.listener == TERMINALS {
            terminal_reversal(stan, minor(stan))
        } else {
            let mut message = self.message(b"0420", stan);
            let mti = match deal.kind {
                Kind::Purchase => Mti::of(b"0200"),
                Kind::PreAuthorization => Mti::of(b"0100"),
                Kind::Offline => Mti::of(b"0220"),
            };
            message.put::<de::OriginalData>(OriginalData {
                mti,
                stan: Stan(stan),
                transmitted: Some(crate::now::transmission_time(START_MS)),
                acquirer: None,
                forwarder: None,
            });
            message
        };
        if deal.foreign {
            // a foreign card's reversal names it, so that it finds its issuer
            message.put::<de::Pan>(Pan::from_digits(FOREIGN_CARD.as_bytes()).expect("a PAN"));
        }
        self.arrive(stan, message);
    }

    fn message(&self, mti: &[u8; 4], stan: u32) -> Builder {
        let deal = &self.deals[&(stan % COMPLETION)];
        let mut message = if deal.listener == TERMINALS {
            terminal_request(mti, stan, if deal.foreign { FOREIGN_CARD } else { OUR_CARD }, minor(stan))
        } else {
            let mut message = acquirer_request(mti, stan, minor(stan));
            message.put::<de::Rrn>(Rrn::new(&format!("6324{:08}", stan % COMPLETION)).expect("twelve"));
            if deal.listener == SECOND_ACQUIRER {
                message.put::<de::Acquirer>(InstitutionId::new("510077").expect("digits"));
                message.put::<de::TerminalId>(TerminalId::new("G0000001").expect("eight"));
            }
            message
        };
        if &mti[2..3] == b"2" {
            message.remove::<de::PinBlock>();
        }
        message
    }

    /// A message reaches the switch, or is lost on the way.
    fn arrive(&mut self, stan: u32, message: Builder) {
        self.events += 1;
        if self.chance(5) {
            return;
        }
        match self.deals[&stan].listener {
            TERMINALS => self.world.terminal_sends(message),
            ACQUIRER => self.world.acquirer_sends(message),
            second => self.world.arrive(second, SECOND_LINE, b"", message),
        }
    }

    fn set(&mut self, stan: u32, belief: Belief) {
        self.deals.get_mut(&stan).expect("it was begun").belief = belief;
    }

    /// Moves messages between the switch and host and issuer, in any order, some lost, some twice.
    fn carry(&mut self) {
        for (destination, line) in [(HOST, HOST_LINE), (ISSUER, ISSUER_LINE)] {
            let fresh: Vec<Message> = self.world.sent.entry(destination).or_default().drain(..).collect();
            for message in fresh {
                if message.mti().class() == codecs::mti::Class::Network {
                    self.world.answer_network(destination, line, &message);
                } else if !self.chance(10) {
                    if self.chance(10) {
                        self.up.push((destination, message.clone()));
                    }
                    self.up.push((destination, message));
                }
            }
        }
        self.up.shuffle(&mut self.random);
        let arriving = if self.faults { self.random.random_range(0..=self.up.len()) } else { self.up.len() };
        for (destination, message) in self.up.split_off(self.up.len() - arriving) {
            self.events += 1;
            let decline = self.chance(10);
            let answer = match destination {
                HOST => self.at_host(&message, decline),
                _ => self.at_issuer(&message, decline),
            };
            if !self.chance(15) {
                self.down.push((destination, answer));
            }
        }
        self.down.shuffle(&mut self.random);
        let arriving = if self.faults { self.random.random_range(0..=self.down.len()) } else { self.down.len() };
        for (destination, answer) in self.down.split_off(self.down.len() - arriving) {
            let line = if destination == HOST { HOST_LINE } else { ISSUER_LINE };
            self.world.answer_from(destination, line, answer);
        }
    }

    /// Our host: by originator key and class, as its journal.
    fn at_host(&mut self, message: &Message, decline: bool) -> Builder {
        let amount = message.require::<de::Amount>().expect("an amount").0;
        let book = if message.has::<de::AuthorizedBy>() { &mut self.acquired } else { &mut self.host };
        let refers_to = Some(text::<de::ReferredKey>(message)).filter(|key| !key.is_empty());
        let approve = match message.mti().as_str() {
            "0100" | "0101" | "0200" | "0201" => book.request(named(message), amount, decline),
            "0220" | "0221" => {
                // the hold of a foreign card is at its issuer
                let completes = refers_to.filter(|_| !message.has::<de::AuthorizedBy>());
                book.advice(named(message), amount, completes);
                true
            }
            "0420" | "0421" => {
                // a terminal names no class: what it means has its key
                let key = refers_to.expect("a reversal names what it reverses");
                let classes = if key.matches('|').count() == 6 {
                    vec![key]
                } else {
                    vec![format!("{key}|1"), format!("{key}|2")]
                };
                classes.into_iter().for_each(|key| book.reversal(key));
                true
            }
            other => panic!("{other}"),
        };
        let mut answer = host_answer(message, if approve { ResponseCode::APPROVED } else { ResponseCode(*b"51") });
        if approve {
            answer.put::<de::ApprovalCode>(ApprovalCode::new("A1B2C3").expect("six"));
        }
        answer
    }

    /// The issuer: by the trace number of the switch, which DE56 of a later message names.
    fn at_issuer(&mut self, message: &Message, decline: bool) -> Builder {
        let amount = message.require::<de::Amount>().expect("an amount").0;
        let key = message.require::<de::Stan>().expect("a STAN").to_string();
        let original = Some(text::<de::OriginalData93>(message)).filter(|original| !original.is_empty());
        let original = original.map(|original| original[4..10].to_owned());
        let action = match message.mti().as_str() {
            "1100" | "1101" | "1200" | "1201" => {
                if self.issuer.request(key, amount, decline) {
                    0
                } else {
                    116
                }
            }
            "1220" | "1221" => {
                self.issuer.advice(key, amount, original);
                0
            }
            "1420" | "1421" => {
                self.issuer.reversal(original.expect("a reversal names what was sent here"));
                400
            }
            other => panic!("{other}"),
        };
        let mut answer = Builder::answer_to(message);
        answer.copy::<de::TransmissionTime>(message).copy::<de::Stan>(message).copy::<de::Amount>(message);
        answer.put::<de::v93::ActionCode>(Number(action));
        if action == 0 {
            answer.put::<de::ApprovalCode>(ApprovalCode::new("F00D42").expect("six"));
        }
        answer
    }

    /// Answers reach the originators, or are lost on the way.
    fn hear(&mut self) {
        let answers: Vec<_> = self.world.answers.drain(..).map(|(_, message)| message).collect();
        for answer in answers {
            self.events += 1;
            if self.chance(10) {
                continue;
            }
            let stan = answer.require::<de::Stan>().expect("a STAN").0;
            let approved = code(&answer).is_approval();
            let deal = self.deals.get_mut(&(stan % COMPLETION)).expect("its own transaction");
            deal.belief = match (answer.mti().as_str(), deal.belief) {
                ("0110" | "0210", Belief::Waiting) => {
                    deal.rrn = answer.get::<de::Rrn>().expect("readable");
                    if approved { Belief::Approved } else { Belief::NotApproved }
                }
                ("0230", Belief::Waiting) if stan < COMPLETION && approved => Belief::Approved,
                ("0230", Belief::Completing) if stan > COMPLETION && approved => Belief::Completed,
                ("0410" | "0430", Belief::Reversing) if approved => Belief::NotApproved,
                (_, other) => other,
            };
        }
    }

    fn kill(&mut self) {
        let down = World::without_destinations(config(), Vec::new());
        let killed = std::mem::replace(&mut self.world, down);
        self.world = World::at(killed.now, with_second_acquirer(), killed.journal, killed.fingerprints);
        Self::bring_up(&mut self.world);
    }

    /// The faults are over: who waits reverses, or repeats an advice, and every message of store and forward is delivered.
    fn heal(&mut self) {
        self.faults = false;
        for _ in 0..60 {
            let open: Vec<(u32, Kind, Belief)> =
                self.deals.iter().map(|(stan, deal)| (*stan, deal.kind, deal.belief)).collect();
            for (stan, kind, belief) in open {
                match belief {
                    Belief::Waiting if kind == Kind::Offline => self.send(stan, true),
                    Belief::Waiting | Belief::Reversing => self.reverse(stan),
                    Belief::Completing => self.complete(stan, true),
                    Belief::Approved | Belief::Completed | Belief::NotApproved => {}
                }
            }
            self.step();
            self.world.pass(Duration::from_secs(5));
        }
    }

    /// The amounts that originators hold approved, of those for which this holds.
    fn held(&self, counts: impl Fn(&Deal) -> bool) -> Vec<i64> {
        let held = self.deals.iter().filter(|(_, deal)| counts(deal)).filter_map(|(stan, deal)| match deal.belief {
            Belief::Approved => Some(minor(*stan)),
            Belief::Completed => Some(minor(stan + COMPLETION)),
            _ => None,
        });
        let mut held: Vec<i64> = held.collect();
        held.sort_unstable();
        held
    }
}

#[test]
fn both_books_have_what_the_originators_hold_approved() {
    #[expect(clippy::disallowed_methods, reason = "how long to look is the caller's choice")]
    let seeds = std::env::var("SWITCH_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(40u64);
    let (mut events, mut recalled) = (0, 0);
    for seed in 0..seeds {
        let mut day = Day::new(seed);
        for _ in 0..250 {
            day.step();
        }
        day.heal();
        assert_eq!(day.world.owed_count(), 0, "seed {seed}: something is owed for ever");
        let open = |deal: &&Deal| matches!(deal.belief, Belief::Waiting | Belief::Completing | Belief::Reversing);
        assert_eq!(day.deals.values().find(open).map(|deal| deal.belief), None, "seed {seed}: it never ended");
        let captured = |deal: &Deal| deal.kind != Kind::PreAuthorization || deal.belief == Belief::Completed;
        assert_eq!(day.host.amounts(), day.held(|deal| !deal.foreign), "seed {seed}: our cards");
        assert_eq!(day.issuer.amounts(), day.held(|deal| deal.foreign), "seed {seed}: foreign cards at their issuer");
        let merchants = day.held(|deal| deal.foreign && captured(deal));
        assert_eq!(day.acquired.amounts(), merchants, "seed {seed}: foreign cards at our host");
        events += day.events;
        recalled += day.world.fingerprints.asked;
    }
    assert!(recalled > 0, "fingerprints were needed");
    eprintln!("{seeds} seeds, {events} events, {recalled} questions to the fingerprints, 0 differences");
}
