//! The dialogue with key custodians: which questions they are asked, and which answers are refused. [`CustodianPrompt`]
//! puts a question to a person and returns the typed answer.
use std::io;
use std::path::Path;

use zeroize::Zeroizing;

use crate::keys::key_act_error::KeyActError;
use crate::keys::split_knowledge::{Assembly, ComponentRefused, CustodianComponent};
use crate::module::key_kind::KeyKind;

/// A terminal at which custodians are asked, one after the other.
pub trait CustodianPrompt {
    /// Shows a line.
    fn say(&mut self, line: &str) -> io::Result<()>;
    /// Asks for something that may be seen.
    fn ask(&mut self, question: &str) -> io::Result<String>;
    /// Asks for something that is not shown while it is typed.
    fn ask_secret(&mut self, question: &str) -> io::Result<Zeroizing<String>>;
    /// Reads a component from a custodian's file.
    fn open(&mut self, file: &Path) -> io::Result<Zeroizing<String>>;
    /// Clears the screen, so that the next custodian does not see the previous one's input.
    fn wipe(&mut self) -> io::Result<()>;
}

/// Who may bring a component.
pub(crate) enum Custodians<'a> {
    /// So many persons.
    Anybody(usize),
    /// The custodians of the configuration, in any order.
    Named(&'a [String]),
}

/// How often one person is asked the same question.
const ATTEMPTS: usize = 3;

/// Collects the components that the custodians type or load. `check_value` computes that of a component and of the whole key.
pub(crate) fn collect_components(
    prompt: &mut dyn CustodianPrompt,
    key: &str,
    kind: KeyKind,
    custodians: &Custodians<'_>,
    check_value: impl Fn(&[u8]) -> Result<String, KeyActError>,
) -> Result<Assembly, KeyActError> {
    let mut assembly = Assembly::of(kind);
    let count = match custodians {
        Custodians::Anybody(count) => *count,
        Custodians::Named(names) => names.len(),
    };
    for number in 1..=count {
        prompt
            .say(&format!("{key}: custodian {number} of {count}. Nobody else looks at the screen or the keyboard."))?;
        let name = ask_name(prompt, &assembly, custodians)?;
        let part = ask_component(prompt, &assembly, &name, &check_value)?;
        assembly.add(part);
        prompt.wipe()?;
    }
    let value = check_value(&assembly.key()?)?;
    if confirm(prompt, &format!("{key} has the check value {value}. Do all of you accept it? [yes/no] "))? {
        Ok(assembly)
    } else {
        Err(KeyActError::NotAccepted(key.to_owned()))
    }
}

/// The next custodian's name.
fn ask_name(
    prompt: &mut dyn CustodianPrompt,
    assembly: &Assembly,
    custodians: &Custodians<'_>,
) -> Result<String, KeyActError> {
    let mut refused = KeyActError::Component(String::new(), ComponentRefused::Nobody);
    for _ in 0..ATTEMPTS {
        let name = prompt.ask("Your name: ")?.trim().to_owned();
        let known = match custodians {
            Custodians::Anybody(_) => Some(name.clone()),
            Custodians::Named(names) => names.iter().find(|known| known.eq_ignore_ascii_case(&name)).cloned(),
        };
        let admitted = known.ok_or(ComponentRefused::NoCustodian);
        match admitted.and_then(|name| assembly.admits(&name).map(|()| name)) {
            Ok(name) => return Ok(name),
            Err(why) => {
                prompt.say(&format!("Refused: {why}."))?;
                refused = KeyActError::Component(name, why);
            }
        }
    }
    Err(refused)
}

/// Asks for a component until its custodian confirms its check value.
fn ask_component(
    prompt: &mut dyn CustodianPrompt,
    assembly: &Assembly,
    name: &str,
    check_value: &impl Fn(&[u8]) -> Result<String, KeyActError>,
) -> Result<CustodianComponent, KeyActError> {
    let mut refused = KeyActError::NotAccepted(format!("the component of {name}"));
    for _ in 0..ATTEMPTS {
        let typed = prompt.ask_secret("Your component in hex, which is not shown, or @FILE: ")?;
        let text = match typed.trim().strip_prefix('@') {
            None => typed,
            Some(file) => match prompt.open(Path::new(file)) {
                Ok(text) => text,
                Err(error) => {
                    prompt.say(&format!("Refused: {file}: {error}."))?;
                    continue;
                }
            },
        };
        match assembly.read(name, &text) {
            Ok(part) => {
                let value = check_value(&part.component)?;
                if confirm(prompt, &format!("Its check value is {value}. Is that the one you have? [yes/no] "))? {
                    return Ok(part);
                }
                refused = KeyActError::NotAccepted(format!("the component of {name}"));
            }
            Err(why) => {
                prompt.say(&format!("Refused: {why}."))?;
                refused = KeyActError::Component(name.to_owned(), why);
            }
        }
    }
    Err(refused)
}

/// Only a whole `yes` is one.
fn confirm(prompt: &mut dyn CustodianPrompt, question: &str) -> Result<bool, KeyActError> {
    Ok(prompt.ask(question)?.trim().eq_ignore_ascii_case("yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "1F1F1F1F1F1F1F1F0E0E0E0E0E0E0E0E";
    const OTHER: &str = "1F3D5B7997B5D3F1F1D3B597795B3D1F";

    /// Custodians with prepared answers, and everything that was shown to them.
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

    impl CustodianPrompt for Scripted {
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

    fn gathered(
        custodians: &Custodians<'_>,
        answers: &[&'static str],
    ) -> (Result<Zeroizing<Vec<u8>>, KeyActError>, String) {
        let mut prompt = Scripted { answers: Vec::from(answers).into_iter(), said: String::new() };
        let outcome = collect_components(&mut prompt, "zpk/x", KeyKind::PinDes, custodians, |key| {
            Ok(format!("{:02X}{:02X}", key[0], key[8]))
        });
        (outcome.and_then(|assembly| Ok(assembly.key()?)), prompt.said)
    }

    #[test]
    fn two_custodians_make_a_key_that_none_of_them_typed() {
        let (key, said) =
            gathered(&Custodians::Anybody(2), &["anna", ONE, "yes", "ben", "@/stick/other", "yes", "yes"]);
        // 0123456789ABCDEF FEDCBA9876543210 after parity
        assert_eq!(crate::hex::hex(&key.unwrap()), "0123456789ABCDEFFEDCBA9876543210");
        assert!(said.contains("1F0E") && said.contains("1FF1") && said.contains("01FE"), "{said}");
        assert_eq!(said.matches("[wiped]").count(), 2);
        assert!(!said.contains(ONE) && !said.contains(OTHER));
    }

    #[test]
    fn the_same_person_and_the_same_component_are_refused() {
        let (key, said) = gathered(&Custodians::Anybody(2), &["anna", ONE, "yes", "Anna", "anna ", "ANNA"]);
        assert!(matches!(key, Err(KeyActError::Component(_, ComponentRefused::SameCustodian))), "{said}");
        let (key, said) = gathered(&Custodians::Anybody(2), &["anna", ONE, "yes", "ben", ONE, ONE, ONE]);
        assert!(matches!(key, Err(KeyActError::Component(_, ComponentRefused::SameComponent(_)))), "{said}");
        // a custodian who then brings another component is accepted
        let (key, _) =
            gathered(&Custodians::Anybody(2), &["anna", ONE, "yes", "anna", "ben", ONE, OTHER, "yes", "yes"]);
        assert!(key.is_ok());
    }

    #[test]
    fn strangers_are_refused_and_nobody_has_to_accept() {
        let names = ["anna".to_owned(), "ben".to_owned()];
        let (key, _) = gathered(&Custodians::Named(&names), &["carl", "carl", "carl"]);
        assert!(matches!(key, Err(KeyActError::Component(_, ComponentRefused::NoCustodian))));
        let (key, _) = gathered(&Custodians::Named(&names), &["Ben", ONE, "yes", "anna", OTHER, "yes", "no"]);
        assert!(matches!(key, Err(KeyActError::NotAccepted(_))));
        let (key, _) = gathered(&Custodians::Anybody(2), &["anna", ONE, "no", ONE, "y", "@/nowhere"]);
        assert!(matches!(key, Err(KeyActError::NotAccepted(_))));
        // equal halves after all: sound components, a whole that is single DES
        let (key, _) =
            gathered(&Custodians::Anybody(2), &["anna", ONE, "yes", "ben", "0E0E0E0E0E0E0E0E1F1F1F1F1F1F1F1F", "yes"]);
        assert!(matches!(key, Err(KeyActError::Token(_))));
    }

    #[test]
    fn one_who_leaves_ends_it() {
        let (key, _) = gathered(&Custodians::Anybody(2), &["anna", ONE, "yes"]);
        assert!(matches!(key, Err(KeyActError::Prompt(_))));
    }
}
