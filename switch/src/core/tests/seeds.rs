//! Simulated days by seed: terminals, a host whose messages are lost, delayed and doubled, and a switch that is killed.
//! At the end, without faults, the requests that terminals count as approved are those that stand at the host; and the
//! effects of the switch are, byte for byte, those of the time when `traces.txt` was written.

use super::*;
use codecs::originator::NamedKey;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;

/// A model of the host: one effect per key, which a reversal removes; a tombstone declines a late original.
#[derive(Default)]
struct Books {
    standing: HashMap<String, i64>,
    tombstones: HashSet<String>,
}

impl Books {
    fn decide(&mut self, message: &Message) -> ResponseCode {
        let key = NamedKey::parse(&text::<de::OriginatorKey>(message)).expect("a key").key.to_string();
        match message.mti().as_str() {
            "0200" | "0201" if self.tombstones.contains(&key) => ResponseCode::ISSUER_INOPERATIVE,
            "0200" | "0201" | "0220" | "0221" => {
                let minor = message.require::<de::Amount>().expect("an amount").0;
                self.standing.entry(key).or_insert(minor);
                ResponseCode::APPROVED
            }
            "0420" | "0421" => {
                self.standing.remove(&key);
                self.tombstones.insert(key);
                ResponseCode::APPROVED
            }
            _ => ResponseCode::APPROVED,
        }
    }
}

/// The state of a request at its terminal.
#[derive(Debug, Clone, PartialEq)]
enum Belief {
    Waiting,
    Approved,
    NotApproved,
    Reversing,
}

struct Day {
    world: World,
    books: Books,
    random: SmallRng,
    /// In order, so that a seed plays the same day each time.
    beliefs: BTreeMap<u32, Belief>,
    /// On the way to the host, and from it.
    up: Vec<Message>,
    down: Vec<Builder>,
    faults: bool,
}

impl Day {
    fn new(seed: u64) -> Self {
        let (books, random) = (Books::default(), SmallRng::seed_from_u64(seed));
        Self {
            world: World::new(),
            books,
            random,
            beliefs: BTreeMap::new(),
            up: Vec::new(),
            down: Vec::new(),
            faults: true,
        }
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.faults && self.random.random_range(0..100) < percent
    }

    fn minor(stan: u32) -> i64 {
        i64::from(stan) * 10
    }

    fn step(&mut self) {
        match self.random.random_range(0..8) {
            0..=2 if self.faults => self.buy(),
            3 if self.faults => self.ask_again_or_reverse(),
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

    fn buy(&mut self) {
        let stan = self.beliefs.len() as u32 + 1;
        self.beliefs.insert(stan, Belief::Waiting);
        self.world.terminal_sends(terminal_request(b"0200", stan, OUR_CARD, Self::minor(stan)));
    }

    fn ask_again_or_reverse(&mut self) {
        let stan = self.random.random_range(1..=self.beliefs.len().max(1)) as u32;
        let Some(belief) = self.beliefs.get(&stan).cloned() else { return };
        match belief {
            Belief::Waiting if self.random.random() => {
                self.world.terminal_sends(terminal_request(b"0201", stan, OUR_CARD, Self::minor(stan)));
            }
            Belief::Waiting | Belief::Approved | Belief::Reversing => self.reverse(stan),
            Belief::NotApproved => {}
        }
    }

    fn reverse(&mut self, stan: u32) {
        self.beliefs.insert(stan, Belief::Reversing);
        self.world.terminal_sends(terminal_reversal(stan, Self::minor(stan)));
    }

    /// Moves messages between switch and host, in any order, some lost, some twice.
    fn carry(&mut self) {
        let fresh: Vec<Message> = self.world.sent.entry(HOST).or_default().drain(..).collect();
        self.world.sent.clear();
        for message in fresh {
            if message.mti().as_str() == "0800" {
                self.world.answer_network(HOST, HOST_LINE, &message);
            } else if !self.chance(10) {
                if self.chance(10) {
                    self.up.push(message.clone());
                }
                self.up.push(message);
            }
        }
        self.up.shuffle(&mut self.random);
        let arriving = if self.faults { self.random.random_range(0..=self.up.len()) } else { self.up.len() };
        for message in self.up.split_off(self.up.len() - arriving) {
            let code = self.books.decide(&message);
            if !self.chance(15) {
                self.down.push(host_answer(&message, code));
            }
        }
        self.down.shuffle(&mut self.random);
        let arriving = if self.faults { self.random.random_range(0..=self.down.len()) } else { self.down.len() };
        for answer in self.down.split_off(self.down.len() - arriving) {
            self.world.answer_from(HOST, HOST_LINE, answer);
        }
    }

    /// Answers reach the terminals, or are lost on the way.
    fn hear(&mut self) {
        let answers: Vec<_> = self.world.answers.drain(..).map(|(_, message)| message).collect();
        for answer in answers {
            if self.chance(10) {
                continue;
            }
            let stan = answer.require::<de::Stan>().expect("a STAN").0;
            let approved = code(&answer).is_approval();
            let belief = self.beliefs.get_mut(&stan).expect("its own request");
            *belief = match (answer.mti().as_str(), belief.clone()) {
                ("0210", Belief::Waiting) if approved => Belief::Approved,
                ("0210", Belief::Waiting) => Belief::NotApproved,
                ("0410", Belief::Reversing) if approved => Belief::NotApproved,
                (_, other) => other,
            };
        }
    }

    fn kill(&mut self) {
        let down = World::without_destinations(config(), Vec::new());
        let world = std::mem::replace(&mut self.world, down);
        self.world = world.restart();
    }

    /// The faults are over: terminals that wait reverse, and every message of store and forward is delivered.
    fn heal(&mut self) {
        self.faults = false;
        for _ in 0..60 {
            let open: Vec<u32> = self
                .beliefs
                .iter()
                .filter(|(_, b)| matches!(b, Belief::Waiting | Belief::Reversing))
                .map(|(s, _)| *s)
                .collect();
            open.into_iter().for_each(|stan| self.reverse(stan));
            self.step();
            self.world.pass(Duration::from_secs(5));
        }
    }
}

#[test]
fn what_terminals_hold_approved_is_what_stands_at_the_host() {
    #[expect(clippy::disallowed_methods, reason = "how long to look is the caller's choice")]
    let seeds = std::env::var("SWITCH_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(60u64);
    let mut reversed = 0;
    for seed in 0..seeds {
        let mut day = Day::new(seed);
        for _ in 0..250 {
            day.step();
        }
        day.heal();
        assert_eq!(day.world.owed_count(), 0, "seed {seed}: something is owed for ever");
        let mut held: Vec<i64> =
            day.beliefs.iter().filter(|(_, b)| **b == Belief::Approved).map(|(stan, _)| Day::minor(*stan)).collect();
        let mut standing: Vec<i64> = day.books.standing.values().copied().collect();
        held.sort_unstable();
        standing.sort_unstable();
        assert_eq!(held, standing, "seed {seed}");
        assert!(!day.beliefs.values().any(|b| *b == Belief::Waiting), "seed {seed}: a request never ended");
        reversed += day.books.tombstones.len();
        trace::is_as_recorded(seed, day.world.trace);
    }
    assert!(reversed > 0, "the faults were real");
}
