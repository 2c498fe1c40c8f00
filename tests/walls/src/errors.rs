//! No operation answers with a text as its error.
//!
//! A text tells a person what happened, and no program what to do about it; an enum beside the operation tells both. Seen is
//! `Result<…, String>` and `Result<…, &str>`, wherever a type stands.
//!
//! Not seen: a type in the body of a macro, an alias of `String`, and an error type whose only content is a text.

use syn::visit::{self, Visit};
use syn::{GenericArgument, PathArguments, PathSegment, Type};

use crate::ratchet::{Violation, Wall};
use crate::source::Source;
use crate::tokens::line_of;

pub const WALL: Wall = Wall {
    name: "errors",
    sentence: "No operation answers with a text as its error: an error is a type beside it.",
    what_to_do: "give the operation an error type of its own, and let the caller print it.",
};

pub fn violations(sources: &[Source]) -> Vec<Violation> {
    let mut found = Vec::new();
    for source in sources {
        let mut results = Results { source, found: &mut found };
        results.visit_file(&source.file);
    }
    found
}

struct Results<'s> {
    source: &'s Source,
    found: &'s mut Vec<Violation>,
}

impl Visit<'_> for Results<'_> {
    fn visit_path_segment(&mut self, segment: &PathSegment) {
        if let Some(error) = error_of(segment).filter(|error| is_text(error)) {
            let line = line_of(syn::spanned::Spanned::span(error));
            let path = &self.source.path;
            let place = format!("{path}:{line}");
            self.found.push(Violation { key: path.clone(), place, what: "the error is a text".to_owned() });
        }
        visit::visit_path_segment(self, segment);
    }
}

/// The second argument of `Result<…, …>`.
fn error_of(segment: &PathSegment) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    match arguments.args.iter().nth(1) {
        Some(GenericArgument::Type(error)) if segment.ident == "Result" => Some(error),
        _ => None,
    }
}

fn is_text(error: &Type) -> bool {
    match error {
        Type::Path(path) => path.path.segments.last().is_some_and(|last| last.ident == "String" || last.ident == "str"),
        Type::Reference(reference) => is_text(&reference.elem),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::planted;

    fn count(text: &str) -> usize {
        violations(&planted(&[("host/src/a.rs", text)])).len()
    }

    #[test]
    fn a_text_as_an_error_is_seen_wherever_a_type_stands() {
        for text in [
            "fn a() -> Result<(), String> { b }",
            "fn a() -> Result<Vec<u8>, std::string::String> { b }",
            "fn a() -> std::result::Result<(), &'static str> { b }",
            "struct A(Arc<Mutex<Result<(), String>>>);",
            "type A = Arc<dyn Fn() -> Result<(), String> + Send>;",
            "fn a(f: impl FnOnce(&B) -> Result<C, String>) {}",
            "trait A { fn a(&self) -> Result<u8, String>; }",
            "fn a() { let b: Result<u8, String> = c(); }",
        ] {
            assert_eq!(count(text), 1, "{text}");
        }
    }

    #[test]
    fn other_errors_and_tests_are_lawful() {
        for text in [
            "fn a() -> Result<String, Error> { b }",
            "fn a() -> Result<String> { b }",
            "fn a() -> Option<String> { b }",
            "fn a() -> HashMap<u8, String> { b }",
            "#[cfg(test)] fn a() -> Result<(), String> { b }",
        ] {
            assert_eq!(count(text), 0, "{text}");
        }
    }
}
