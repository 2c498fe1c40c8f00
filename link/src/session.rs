//! The session of one connection: it signs on, sends an echo when nothing has arrived for a while, and closes the
//! connection after three unanswered echoes in a row. A state machine without clock or socket.

use std::time::{Duration, Instant};

/// Echoes in a row that may go unanswered.
const MISSED_ECHOES: u8 = 3;

/// The reason of a session's deadline. A session has at most one deadline at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// No answer to the sign-on: it is sent again.
    SignOn,
    /// Nothing arrived for a while: an echo is due.
    Idle,
    /// An echo is unanswered.
    Echo,
}

/// An action that the caller has to carry out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    SendSignOn,
    SendEcho,
    SendSignOff,
    /// The peer accepted the sign-on: traffic may start.
    Up,
    /// No more traffic may be sent; `Close` follows if the socket is to be closed too.
    Down,
    Close,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    SigningOn {
        attempts: u8,
    },
    Up {
        missed: u8,
    },
    /// Signed off by the operator or by the peer: the socket stays open, without traffic.
    SignedOff,
    Closed,
}

#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub idle: Duration,
    /// The time for an answer to a sign-on or an echo.
    pub answer: Duration,
}

#[derive(Debug)]
pub struct Session {
    state: State,
    limits: Limits,
    timer: Option<(Timer, Instant)>,
}

impl Session {
    /// The session of a new connection, and its first action: the sign-on.
    pub fn start(now: Instant, limits: Limits) -> (Self, Action) {
        let timer = Some((Timer::SignOn, now + limits.answer));
        (Self { state: State::SigningOn { attempts: 1 }, limits, timer }, Action::SendSignOn)
    }

    pub fn is_up(&self) -> bool {
        matches!(self.state, State::Up { .. })
    }

    pub fn is_signed_off(&self) -> bool {
        self.state == State::SignedOff
    }

    pub fn next_deadline(&self) -> Option<Instant> {
        self.timer.map(|(_, at)| at)
    }

    /// The peer answered the sign-on, accepting it or not.
    pub fn signed_on(&mut self, now: Instant, accepted: bool) -> Option<Action> {
        match (self.state, accepted) {
            (State::SigningOn { .. }, true) => {
                self.enter_up(now);
                Some(Action::Up)
            }
            // sent again when the timer fires: a peer that starts up may refuse for a while
            (State::SigningOn { .. }, false) => None,
            (State::Up { .. } | State::SignedOff | State::Closed, _) => None,
        }
    }

    /// A message of any kind arrived from the peer: the count of missed echoes starts over.
    pub fn message_arrived(&mut self, now: Instant) {
        if let State::Up { .. } = self.state {
            self.enter_up(now);
        }
    }

    /// Call when `next_deadline` has passed.
    pub fn timeout(&mut self, now: Instant) -> Vec<Action> {
        let Some((timer, at)) = self.timer else { return Vec::new() };
        if at > now {
            return Vec::new();
        }
        self.timer = None;
        match (self.state, timer) {
            (State::SigningOn { attempts }, Timer::SignOn) if attempts < MISSED_ECHOES => {
                self.state = State::SigningOn { attempts: attempts + 1 };
                self.timer = Some((Timer::SignOn, now + self.limits.answer));
                vec![Action::SendSignOn]
            }
            (State::SigningOn { .. }, _) => self.close(),
            (State::Up { missed }, Timer::Idle) => self.ask_for_echo(now, missed),
            (State::Up { missed }, _) if missed + 1 >= MISSED_ECHOES => {
                let mut actions = vec![Action::Down];
                actions.extend(self.close());
                actions
            }
            (State::Up { missed }, _) => self.ask_for_echo(now, missed + 1),
            (State::SignedOff | State::Closed, _) => Vec::new(),
        }
    }

    /// The operator signs the connection off, or the peer signed off.
    pub fn sign_off(&mut self, tell_peer: bool) -> Vec<Action> {
        let was_up = self.is_up();
        if self.state == State::Closed {
            return Vec::new();
        }
        self.state = State::SignedOff;
        self.timer = None;
        let mut actions = Vec::new();
        if tell_peer {
            actions.push(Action::SendSignOff);
        }
        if was_up {
            actions.push(Action::Down);
        }
        actions
    }

    /// Signs on again after a sign-off.
    pub fn sign_on_again(&mut self, now: Instant) -> Option<Action> {
        if self.state != State::SignedOff {
            return None;
        }
        self.state = State::SigningOn { attempts: 1 };
        self.timer = Some((Timer::SignOn, now + self.limits.answer));
        Some(Action::SendSignOn)
    }

    fn enter_up(&mut self, now: Instant) {
        self.state = State::Up { missed: 0 };
        self.timer = Some((Timer::Idle, now + self.limits.idle));
    }

    fn ask_for_echo(&mut self, now: Instant, missed: u8) -> Vec<Action> {
        self.state = State::Up { missed };
        self.timer = Some((Timer::Echo, now + self.limits.answer));
        vec![Action::SendEcho]
    }

    fn close(&mut self) -> Vec<Action> {
        self.state = State::Closed;
        self.timer = None;
        vec![Action::Close]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: Limits = Limits { idle: Duration::from_secs(10), answer: Duration::from_secs(2) };

    fn start() -> Instant {
        #[expect(clippy::disallowed_methods, reason = "the test supplies the clock")]
        Instant::now()
    }

    fn up(t0: Instant) -> Session {
        let (mut session, first) = Session::start(t0, LIMITS);
        assert_eq!(first, Action::SendSignOn);
        assert!(!session.is_up(), "no traffic before the peer agrees");
        assert_eq!(session.signed_on(t0, true), Some(Action::Up));
        session
    }

    #[test]
    fn three_missed_echoes_take_the_connection_down() {
        let (t0, s) = (start(), Duration::from_secs);
        let mut session = up(t0);
        assert!(session.timeout(t0 + s(9)).is_empty());
        assert_eq!(session.timeout(t0 + s(10)), [Action::SendEcho]);
        assert_eq!(session.timeout(t0 + s(12)), [Action::SendEcho]);
        assert_eq!(session.timeout(t0 + s(14)), [Action::SendEcho]);
        assert!(session.is_up());
        assert_eq!(session.timeout(t0 + s(16)), [Action::Down, Action::Close]);
        assert!(!session.is_up());
        assert_eq!(session.next_deadline(), None);
    }

    #[test]
    fn anything_heard_starts_the_count_over() {
        let (t0, s) = (start(), Duration::from_secs);
        let mut session = up(t0);
        session.timeout(t0 + s(10));
        session.timeout(t0 + s(12));
        session.message_arrived(t0 + s(13));
        assert!(session.timeout(t0 + s(22)).is_empty());
        assert_eq!(session.timeout(t0 + s(23)), [Action::SendEcho]);
        assert!(session.is_up());
    }

    #[test]
    fn a_sign_on_without_answer_is_sent_three_times() {
        let (t0, s) = (start(), Duration::from_secs);
        let (mut session, _) = Session::start(t0, LIMITS);
        assert_eq!(session.signed_on(t0, false), None);
        assert_eq!(session.timeout(t0 + s(2)), [Action::SendSignOn]);
        assert_eq!(session.timeout(t0 + s(4)), [Action::SendSignOn]);
        assert_eq!(session.timeout(t0 + s(6)), [Action::Close]);
        assert_eq!(session.signed_on(t0 + s(7), true), None, "a closed session stays closed");
    }

    #[test]
    fn the_operator_signs_off_and_on_again() {
        let t0 = start();
        let mut session = up(t0);
        assert_eq!(session.sign_off(true), [Action::SendSignOff, Action::Down]);
        assert_eq!(session.next_deadline(), None);
        session.message_arrived(t0);
        assert!(!session.is_up());
        assert_eq!(session.sign_on_again(t0), Some(Action::SendSignOn));
        assert_eq!(session.signed_on(t0, true), Some(Action::Up));
    }

    proptest! {
        /// `Up` and `Down` alternate, whatever happens.
        #[test]
        fn up_and_down_alternate(steps in proptest::collection::vec(0u8..6, 0..100)) {
            let mut now = start();
            let (mut session, _) = Session::start(now, LIMITS);
            let mut is_up = false;
            for step in steps {
                let actions = match step {
                    0 => session.signed_on(now, true).into_iter().collect(),
                    1 => { session.message_arrived(now); Vec::new() }
                    2 => session.sign_off(true),
                    3 => session.sign_on_again(now).into_iter().collect(),
                    _ => { now += Duration::from_secs(3); session.timeout(now) }
                };
                for action in actions {
                    match action {
                        Action::Up => { prop_assert!(!is_up); is_up = true; }
                        Action::Down => { prop_assert!(is_up); is_up = false; }
                        _ => {}
                    }
                }
                prop_assert_eq!(session.is_up(), is_up);
            }
        }
    }
}
