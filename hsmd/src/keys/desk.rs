//! The order of a ceremony at a desk: who is asked what, and what is refused. How a question reaches a person, and how what
//! is typed comes back, is the [`Desk`]'s business.
use std::io;
use std::path::Path;

use zeroize::Zeroizing;

use crate::keys::ceremony_error::CeremonyError;
use crate::keys::custody::{Assembly, ComponentRefused, Part};
use crate::module::key_kind::KeyKind;

/// Where custodians sit down, one after the other.
pub trait Desk {
    /// Shows a line.
    fn say(&mut self, line: &str) -> io::Result<()>;
    /// Asks for something that may be seen.
    fn ask(&mut self, question: &str) -> io::Result<String>;
    /// Asks for something that is not shown while it is typed.
    fn ask_secret(&mut self, question: &str) -> io::Result<Zeroizing<String>>;
    /// A component that its custodian carries in a file.
    fn open(&mut self, file: &Path) -> io::Result<Zeroizing<String>>;
    /// Takes what one custodian saw out of the next one's sight.
    fn wipe(&mut self) -> io::Result<()>;
}

/// Who may sit down.
pub(crate) enum Seats<'a> {
    /// So many persons.
    Anybody(usize),
    /// Those whom the configuration names, in whatever order.
    Named(&'a [String]),
}

/// How often a question is put to one person.
const ATTEMPTS: usize = 3;

/// Puts a key together from what the custodians type or load. `check_value` is that of a component and of the whole.
pub(crate) fn gather(
    desk: &mut dyn Desk,
    key: &str,
    kind: KeyKind,
    seats: &Seats<'_>,
    check_value: impl Fn(&[u8]) -> Result<String, CeremonyError>,
) -> Result<Assembly, CeremonyError> {
    let mut assembly = Assembly::of(kind);
    let count = match seats {
        Seats::Anybody(count) => *count,
        Seats::Named(names) => names.len(),
    };
    for number in 1..=count {
        desk.say(&format!("{key}: custodian {number} of {count}. Nobody else looks at the screen or the keyboard."))?;
        let name = seated(desk, &assembly, seats)?;
        let part = brought(desk, &assembly, &name, &check_value)?;
        assembly.add(part);
        desk.wipe()?;
    }
    let value = check_value(&assembly.key()?)?;
    if confirmed(desk, &format!("{key} has the check value {value}. Do all of you accept it? [yes/no] "))? {
        Ok(assembly)
    } else {
        Err(CeremonyError::NotAccepted(key.to_owned()))
    }
}

/// The next custodian's name.
fn seated(desk: &mut dyn Desk, assembly: &Assembly, seats: &Seats<'_>) -> Result<String, CeremonyError> {
    let mut refused = CeremonyError::Component(String::new(), ComponentRefused::Nobody);
    for _ in 0..ATTEMPTS {
        let name = desk.ask("Your name: ")?.trim().to_owned();
        let known = match seats {
            Seats::Anybody(_) => Some(name.clone()),
            Seats::Named(names) => names.iter().find(|known| known.eq_ignore_ascii_case(&name)).cloned(),
        };
        let admitted = known.ok_or(ComponentRefused::NoCustodian);
        match admitted.and_then(|name| assembly.admits(&name).map(|()| name)) {
            Ok(name) => return Ok(name),
            Err(why) => {
                desk.say(&format!("Refused: {why}."))?;
                refused = CeremonyError::Component(name, why);
            }
        }
    }
    Err(refused)
}

/// A component that its custodian recognises by its check value.
fn brought(
    desk: &mut dyn Desk,
    assembly: &Assembly,
    name: &str,
    check_value: &impl Fn(&[u8]) -> Result<String, CeremonyError>,
) -> Result<Part, CeremonyError> {
    let mut refused = CeremonyError::NotAccepted(format!("the component of {name}"));
    for _ in 0..ATTEMPTS {
        let typed = desk.ask_secret("Your component in hex, which is not shown, or @FILE: ")?;
        let text = match typed.trim().strip_prefix('@') {
            None => typed,
            Some(file) => match desk.open(Path::new(file)) {
                Ok(text) => text,
                Err(error) => {
                    desk.say(&format!("Refused: {file}: {error}."))?;
                    continue;
                }
            },
        };
        match assembly.read(name, &text) {
            Ok(part) => {
                let value = check_value(&part.component)?;
                if confirmed(desk, &format!("Its check value is {value}. Is that the one you have? [yes/no] "))? {
                    return Ok(part);
                }
                refused = CeremonyError::NotAccepted(format!("the component of {name}"));
            }
            Err(why) => {
                desk.say(&format!("Refused: {why}."))?;
                refused = CeremonyError::Component(name.to_owned(), why);
            }
        }
    }
    Err(refused)
}

/// Only a whole `yes` is one.
fn confirmed(desk: &mut dyn Desk, question: &str) -> Result<bool, CeremonyError> {
    Ok(desk.ask(question)?.trim().eq_ignore_ascii_case("yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "1F1F1F1F1F1F1F1F0E0E0E0E0E0E0E0E";
    const OTHER: &str = "1F3D5B7997B5D3F1F1D3B597795B3D1F";

    /// People who answer what is written down for them, and what they were told.
    struct Scripted {
        answers: std::vec::IntoIter<&'static str>,
        said: String,
    }

    impl Scripted {
        fn next(&mut self, question: &str) -> io::Result<String> {
            self.said.push_str(question);
            self.answers.next().map(str::to_owned).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
        }
    }

    impl Desk for Scripted {
        fn say(&mut self, line: &str) -> io::Result<()> {
            self.said.push_str(line);
            Ok(())
        }
        fn ask(&mut self, question: &str) -> io::Result<String> {
            self.next(question)
        }
        fn ask_secret(&mut self, question: &str) -> io::Result<Zeroizing<String>> {
            self.next(question).map(Zeroizing::new)
        }
        fn open(&mut self, file: &Path) -> io::Result<Zeroizing<String>> {
            if file == Path::new("/stick/other") {
                Ok(Zeroizing::new(format!("{OTHER}\n")))
            } else {
                Err(io::ErrorKind::NotFound.into())
            }
        }
        fn wipe(&mut self) -> io::Result<()> {
            self.said.push_str("[wiped]");
            Ok(())
        }
    }

    fn gathered(seats: &Seats<'_>, answers: &[&'static str]) -> (Result<Zeroizing<Vec<u8>>, CeremonyError>, String) {
        let mut desk = Scripted { answers: Vec::from(answers).into_iter(), said: String::new() };
        let outcome =
            gather(&mut desk, "zpk/x", KeyKind::PinDes, seats, |key| Ok(format!("{:02X}{:02X}", key[0], key[8])));
        (outcome.and_then(|assembly| Ok(assembly.key()?)), desk.said)
    }

    #[test]
    fn two_custodians_make_a_key_that_none_of_them_typed() {
        let (key, said) = gathered(&Seats::Anybody(2), &["anna", ONE, "yes", "ben", "@/stick/other", "yes", "yes"]);
        // 0123456789ABCDEF FEDCBA9876543210 after parity
        assert_eq!(crate::hex::hex(&key.unwrap()), "0123456789ABCDEFFEDCBA9876543210");
        assert!(said.contains("1F0E") && said.contains("1FF1") && said.contains("01FE"), "{said}");
        assert_eq!(said.matches("[wiped]").count(), 2);
        assert!(!said.contains(ONE) && !said.contains(OTHER));
    }

    #[test]
    fn the_same_person_and_the_same_component_are_refused() {
        let (key, said) = gathered(&Seats::Anybody(2), &["anna", ONE, "yes", "Anna", "anna ", "ANNA"]);
        assert!(matches!(key, Err(CeremonyError::Component(_, ComponentRefused::SameCustodian))), "{said}");
        let (key, said) = gathered(&Seats::Anybody(2), &["anna", ONE, "yes", "ben", ONE, ONE, ONE]);
        assert!(matches!(key, Err(CeremonyError::Component(_, ComponentRefused::SameComponent(_)))), "{said}");
        // one who then brings another is heard
        let (key, _) = gathered(&Seats::Anybody(2), &["anna", ONE, "yes", "anna", "ben", ONE, OTHER, "yes", "yes"]);
        assert!(key.is_ok());
    }

    #[test]
    fn strangers_are_refused_and_nobody_has_to_accept() {
        let names = ["anna".to_owned(), "ben".to_owned()];
        let (key, _) = gathered(&Seats::Named(&names), &["carl", "carl", "carl"]);
        assert!(matches!(key, Err(CeremonyError::Component(_, ComponentRefused::NoCustodian))));
        let (key, _) = gathered(&Seats::Named(&names), &["Ben", ONE, "yes", "anna", OTHER, "yes", "no"]);
        assert!(matches!(key, Err(CeremonyError::NotAccepted(_))));
        let (key, _) = gathered(&Seats::Anybody(2), &["anna", ONE, "no", ONE, "y", "@/nowhere"]);
        assert!(matches!(key, Err(CeremonyError::NotAccepted(_))));
        // equal halves after all: sound components, a whole that is single DES
        let (key, _) =
            gathered(&Seats::Anybody(2), &["anna", ONE, "yes", "ben", "0E0E0E0E0E0E0E0E1F1F1F1F1F1F1F1F", "yes"]);
        assert!(matches!(key, Err(CeremonyError::Token(_))));
    }

    #[test]
    fn one_who_leaves_ends_it() {
        let (key, _) = gathered(&Seats::Anybody(2), &["anna", ONE, "yes"]);
        assert!(matches!(key, Err(CeremonyError::Desk(_))));
    }
}
