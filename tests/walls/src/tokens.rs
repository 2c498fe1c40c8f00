//! Searches in the tokens of a file, those inside macros included.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use quote::ToTokens;

use crate::source::Source;

/// A text in the source: a string literal outside attributes (documentation is an attribute).
#[derive(Debug)]
pub struct Text {
    pub text: String,
    pub line: usize,
    /// The macro of which it is a direct argument.
    pub of_macro: Option<String>,
}

pub fn texts(source: &Source) -> Vec<Text> {
    let mut texts = Vec::new();
    collect(source.file.to_token_stream(), None, &mut texts);
    texts
}

fn collect(tokens: TokenStream, of_macro: Option<&str>, into: &mut Vec<Text>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Literal(literal) => {
                if let syn::Lit::Str(text) = syn::Lit::new(literal.clone()) {
                    let line = line_of(literal.span());
                    into.push(Text { text: text.value(), line, of_macro: of_macro.map(str::to_owned) });
                }
            }
            TokenTree::Group(group) if !is_attribute(&tokens, at) => {
                collect(group.stream(), macro_before(&tokens, at).as_deref(), into);
            }
            _ => {}
        }
    }
}

/// Whether the group at this position is the rest of `#[…]` or `#![…]`.
fn is_attribute(tokens: &[TokenTree], at: usize) -> bool {
    let is_bracket = matches!(&tokens[at], TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket);
    let before =
        at.checked_sub(1).map(|before| if is_sign(&tokens[before], '!') { before.wrapping_sub(1) } else { before });
    is_bracket && before.and_then(|before| tokens.get(before)).is_some_and(|token| is_sign(token, '#'))
}

fn macro_before(tokens: &[TokenTree], at: usize) -> Option<String> {
    match (tokens.get(at.wrapping_sub(2)), tokens.get(at.wrapping_sub(1))) {
        (Some(TokenTree::Ident(name)), Some(sign)) if is_sign(sign, '!') => Some(name.to_string()),
        _ => None,
    }
}

pub fn is_sign(token: &TokenTree, sign: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == sign)
}

/// Whether `::` is at this position.
pub fn is_path_sign(tokens: &[TokenTree], at: usize) -> bool {
    tokens.get(at).is_some_and(|token| is_sign(token, ':'))
        && tokens.get(at + 1).is_some_and(|token| is_sign(token, ':'))
}

pub fn line_of(span: Span) -> usize {
    span.start().line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::planted;

    #[test]
    fn texts_are_found_in_macros_and_not_in_documentation() {
        let source = planted(&[(
            "shop/src/a.rs",
            "//! one\n/// two\n#[doc = \"three\"]\nfn a() { b(\"four\"); c!(d, \"five\", e(\"six\")); }\nf! { /// seven\n g }",
        )]);
        let found: Vec<(String, Option<String>)> =
            texts(&source[0]).into_iter().map(|t| (t.text, t.of_macro)).collect();
        let expected = [("four", None), ("five", Some("c")), ("six", None)];
        assert_eq!(found, expected.map(|(text, name)| (text.to_owned(), name.map(str::to_owned))));
    }
}
