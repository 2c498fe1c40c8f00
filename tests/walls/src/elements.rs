//! No integer literal selects a data element outside codecs.
//!
//! A function that takes an element number is found by its parameter: a function of the same crate, or a public one of another,
//! whose parameter is called `element`, `elements` or `highest` and is made of `u8`; also the functions of codecs' `Bitmap`. A
//! number reaches such a parameter as a literal, in an array, or by a constant that is defined outside codecs; or by a name of
//! the function around the call: then the values that the name is bound to (`let`, `for`, a closure on an array), compared
//! with or matched against are checked too. So are values compared with a variable or field called `element`, with
//! `…::NUMBER`, or with the items of `.elements()`, a field `element:` of a struct, and a `DataElement` that is implemented
//! elsewhere.
//!
//! Not seen: a number that is computed, read from text (`"52"` in JSON and dialect files, which are exempt) or passed through a
//! parameter or a field of another name, and the output of macros whose arguments are no list of expressions.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{BinOp, Expr, Lit, Pat, Token};

use crate::ratchet::{Violation, Wall};
use crate::source::Source;
use crate::tokens::line_of;

pub const WALL: Wall = Wall {
    name: "elements",
    sentence: "No integer literal selects a data element outside codecs: an element is called by its name in `codecs::de`.",
    what_to_do: "use `get::<de::Name>()`, `put::<de::Name>(…)` or `de::Name::NUMBER`; an element without a name gets a row in codecs/src/de.rs.",
};

/// A function with a parameter that is an element number.
#[derive(Debug, PartialEq, Eq)]
struct ElementFunction {
    package: String,
    is_public: bool,
    /// The type that it is a method or associated function of.
    owner: Option<String>,
    is_method: bool,
    /// Position of the parameter, `self` not counted.
    at: usize,
}

type ElementFunctions = BTreeMap<String, Vec<ElementFunction>>;

/// Package and name → the numbers that a constant holds.
type Constants = BTreeMap<(String, String), Vec<String>>;

pub fn violations(sources: &[Source]) -> Vec<Violation> {
    let element_functions = element_functions(sources);
    let outside: Vec<&Source> = sources.iter().filter(|source| source.package != "codecs").collect();
    let constants = constants(&outside);
    outside.into_iter().flat_map(|source| of_file(source, &element_functions, &constants)).collect()
}

/// The functions are found in the tokens, because some are made by macros.
fn element_functions(sources: &[Source]) -> ElementFunctions {
    let mut element_functions = ElementFunctions::new();
    for source in sources {
        collect_element_functions(&source.package, source.file.to_token_stream(), None, &mut element_functions);
    }
    element_functions
}

fn collect_element_functions(package: &str, tokens: TokenStream, owner: Option<&str>, into: &mut ElementFunctions) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let is_word = |at: usize, word: &str| matches!(tokens.get(at), Some(TokenTree::Ident(ident)) if ident == word);
    for at in 0..tokens.len() {
        if is_word(at, "fn")
            && let (Some(TokenTree::Ident(name)), Some(parameters)) = (tokens.get(at + 1), parameters(&tokens, at + 2))
        {
            let qualifiers = ["const", "unsafe", "async"];
            let before = (0..at).rev().find(|back| !qualifiers.iter().any(|word| is_word(*back, word)));
            let is_public = before.is_some_and(|before| is_word(before, "pub"));
            let (is_method, places) = places_of(&parameters, owner);
            let function = |at| ElementFunction {
                package: package.to_owned(),
                is_public,
                owner: owner.map(str::to_owned),
                is_method,
                at,
            };
            if !places.is_empty() {
                into.entry(name.to_string()).or_default().extend(places.into_iter().map(function));
            }
        }
        let TokenTree::Group(group) = &tokens[at] else { continue };
        let header =
            (0..at).rev().take_while(|back| !matches!(&tokens[*back], TokenTree::Group(_))).collect::<Vec<_>>();
        let is_impl = header.iter().any(|back| is_word(*back, "impl"));
        let is_function = header.iter().any(|back| is_word(*back, "fn"));
        let impl_of = if is_impl && !is_function { type_of_impl(&tokens[..at]) } else { None };
        collect_element_functions(package, group.stream(), impl_of.as_deref().or(owner), into);
    }
}

/// The type in `impl<…> Trait for Type<…>`.
fn type_of_impl(header: &[TokenTree]) -> Option<String> {
    let start = header.iter().rposition(|token| matches!(token, TokenTree::Ident(word) if word == "impl"))?;
    let (mut depth, mut name) = (0_i32, None);
    for token in &header[start + 1..] {
        match token {
            TokenTree::Punct(sign) if sign.as_char() == '<' => depth += 1,
            TokenTree::Punct(sign) if sign.as_char() == '>' => depth -= 1,
            TokenTree::Ident(word) if word == "where" => break,
            TokenTree::Ident(word) if word == "for" && depth == 0 => name = None,
            TokenTree::Ident(word) if depth == 0 => name = Some(word.to_string()),
            _ => {}
        }
    }
    name
}

/// The parameters behind a function's name and generics.
fn parameters(tokens: &[TokenTree], from: usize) -> Option<TokenStream> {
    let mut depth = 0_i32;
    for token in &tokens[from..] {
        match token {
            TokenTree::Punct(sign) if sign.as_char() == '<' => depth += 1,
            TokenTree::Punct(sign) if sign.as_char() == '>' => depth -= 1,
            TokenTree::Group(group) if depth == 0 => return Some(group.stream()),
            _ if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// Whether there is a `self`, and the positions of element numbers among the other parameters.
fn places_of(parameters: &TokenStream, owner: Option<&str>) -> (bool, Vec<usize>) {
    let parse = Punctuated::<syn::FnArg, Token![,]>::parse_terminated;
    let Ok(parameters) = parse.parse2(parameters.clone()) else { return (false, Vec::new()) };
    let is_method = matches!(parameters.first(), Some(syn::FnArg::Receiver(_)));
    let takes = |parameter: &syn::FnArg| match parameter {
        syn::FnArg::Typed(parameter) => {
            let of = parameter.ty.to_token_stream().to_string();
            let is_number = of.contains("u8") && !of.contains(['[']) && !of.contains("Vec");
            let name = bound(&parameter.pat).unwrap_or_default();
            match name.as_str() {
                "elements" => of.contains("u8"),
                "element" | "highest" => is_number,
                _ => is_number && owner == Some("Bitmap"),
            }
        }
        syn::FnArg::Receiver(_) => false,
    };
    let places = parameters.iter().enumerate().filter(|(_, parameter)| takes(parameter));
    (is_method, places.map(|(at, _)| at - usize::from(is_method)).collect())
}

fn constants(sources: &[&Source]) -> Constants {
    struct Collect<'c> {
        package: &'c str,
        into: &'c mut Constants,
    }
    impl Collect<'_> {
        fn take(&mut self, name: &syn::Ident, value: &Expr) {
            let numbers: Vec<String> =
                literals(value, &BTreeMap::new()).into_iter().map(|(number, _)| number).collect();
            if !numbers.is_empty() {
                self.into.insert((self.package.to_owned(), name.to_string()), numbers);
            }
        }
    }
    impl<'ast> Visit<'ast> for Collect<'_> {
        fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
            self.take(&item.ident, &item.expr);
        }
        fn visit_item_static(&mut self, item: &'ast syn::ItemStatic) {
            self.take(&item.ident, &item.expr);
        }
        fn visit_impl_item_const(&mut self, item: &'ast syn::ImplItemConst) {
            self.take(&item.ident, &item.expr);
        }
    }
    let mut constants = Constants::new();
    for source in sources {
        Collect { package: &source.package, into: &mut constants }.visit_file(&source.file);
    }
    constants
}

/// Constants of one package by name.
type PackageConstants<'c> = BTreeMap<&'c str, &'c [String]>;

/// The integer literals that may be the value of an expression.
fn literals(expr: &Expr, known: &PackageConstants<'_>) -> Vec<(String, Span)> {
    let of = |expr: &Expr| literals(expr, known);
    match expr {
        Expr::Lit(literal) => number(&literal.lit),
        Expr::Paren(inner) => of(&inner.expr),
        Expr::Group(inner) => of(&inner.expr),
        Expr::Reference(inner) => of(&inner.expr),
        Expr::Unary(inner) => of(&inner.expr),
        Expr::Cast(inner) => of(&inner.expr),
        Expr::Repeat(inner) => of(&inner.expr),
        Expr::Array(array) => array.elems.iter().flat_map(of).collect(),
        Expr::Range(range) => range.start.iter().chain(&range.end).flat_map(|end| of(end)).collect(),
        Expr::If(choice) => {
            let otherwise = choice.else_branch.iter().flat_map(|(_, expr)| of(expr));
            of_block(&choice.then_branch, known).into_iter().chain(otherwise).collect()
        }
        Expr::Block(block) => of_block(&block.block, known),
        Expr::Match(choice) => choice.arms.iter().flat_map(|arm| of(&arm.body)).collect(),
        Expr::Call(call) if matches!(last_of(&call.func).as_deref(), Some("from" | "Some")) => {
            call.args.iter().flat_map(of).collect()
        }
        Expr::MethodCall(call) => {
            let hands_on = ["iter", "into_iter", "copied", "cloned", "rev", "chain", "to_vec", "into", "as_slice"];
            let is_known = hands_on.iter().any(|name| call.method == name);
            let own = if is_known { of(&call.receiver) } else { Vec::new() };
            own.into_iter().chain(call.args.iter().filter(|_| is_known).flat_map(of)).collect()
        }
        Expr::Macro(call) if call.mac.path.is_ident("vec") => {
            expressions(&call.mac.tokens).iter().flat_map(of).collect()
        }
        Expr::Path(path) => {
            let name = path.path.segments.last().map(|last| last.ident.to_string()).unwrap_or_default();
            let numbers = known.get(name.as_str());
            numbers.map(|numbers| (format!("{name} = {}", numbers.join(", ")), path.span())).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

fn number(literal: &Lit) -> Vec<(String, Span)> {
    match literal {
        Lit::Int(number) => vec![(number.base10_digits().to_owned(), number.span())],
        _ => Vec::new(),
    }
}

fn of_block(block: &syn::Block, known: &PackageConstants<'_>) -> Vec<(String, Span)> {
    match block.stmts.last() {
        Some(syn::Stmt::Expr(expr, None)) => literals(expr, known),
        _ => Vec::new(),
    }
}

fn expressions(tokens: &TokenStream) -> Vec<Expr> {
    let parse = Punctuated::<Expr, Token![,]>::parse_terminated;
    parse.parse2(tokens.clone()).map(|list| list.into_iter().collect()).unwrap_or_default()
}

/// `matches!(…)`.
struct Matches {
    scrutinee: Expr,
    pattern: Pat,
}

impl Parse for Matches {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let scrutinee = input.parse()?;
        input.parse::<Token![,]>()?;
        let pattern = Pat::parse_multi_with_leading_vert(input)?;
        input.parse::<TokenStream>()?; // a guard
        Ok(Self { scrutinee, pattern })
    }
}

fn last_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
        _ => None,
    }
}

/// The variable that an expression is, without dereferences, borrows and casts.
fn variable(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Path(path) => path.path.get_ident().map(ToString::to_string),
        Expr::Paren(inner) => variable(&inner.expr),
        Expr::Reference(inner) => variable(&inner.expr),
        Expr::Unary(inner) => variable(&inner.expr),
        Expr::Cast(inner) => variable(&inner.expr),
        _ => None,
    }
}

fn bound(pattern: &Pat) -> Option<String> {
    match pattern {
        Pat::Ident(name) => Some(name.ident.to_string()),
        Pat::Reference(inner) => bound(&inner.pat),
        Pat::Type(inner) => bound(&inner.pat),
        Pat::Paren(inner) => bound(&inner.pat),
        _ => None,
    }
}

fn of_file(source: &Source, element_functions: &ElementFunctions, constants: &Constants) -> Vec<Violation> {
    let known = constants.iter().filter(|((package, _), _)| *package == source.package);
    let names_bitmap = source.file.to_token_stream().to_string().contains("Bitmap");
    let mut search = Search {
        package: &source.package,
        element_functions,
        known: known.map(|((_, name), numbers)| (name.as_str(), numbers.as_slice())).collect(),
        names_bitmap,
        elements: BTreeSet::new(),
        is_gathering: false,
        found: BTreeMap::new(),
    };
    search.visit_file(&source.file);
    let violation = |((line, _), key): ((usize, usize), String)| Violation {
        key: format!("{}: {key}", source.path),
        place: format!("{}:{line}", source.path),
        what: format!("`{key}` selects an element by a number"),
    };
    search.found.into_iter().map(violation).collect()
}

struct Search<'c> {
    package: &'c str,
    element_functions: &'c ElementFunctions,
    known: PackageConstants<'c>,
    names_bitmap: bool,
    /// Variables of the function around that are element numbers.
    elements: BTreeSet<String>,
    /// The first of two passes over a function finds those.
    is_gathering: bool,
    /// By line and column, since an expression can be reached in two ways.
    found: BTreeMap<(usize, usize), String>,
}

impl Search<'_> {
    fn report(&mut self, how: &str, numbers: Vec<(String, Span)>) {
        for (number, span) in numbers {
            if !self.is_gathering {
                let key = how.replace('#', &number);
                self.found.entry((line_of(span), span.start().column)).or_insert(key);
            }
        }
    }

    /// Checks an expression in the place of an element number.
    fn taken(&mut self, how: &str, expr: &Expr) {
        self.elements.extend(variable(expr).filter(|name| name.starts_with(char::is_lowercase)));
        self.report(how, literals(expr, &self.known));
    }

    fn is_element(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Field(field) => matches!(&field.member, syn::Member::Named(name) if name == "element"),
            Expr::Path(path) if path.path.segments.len() > 1 => last_of(expr).as_deref() == Some("NUMBER"),
            Expr::Paren(inner) => self.is_element(&inner.expr),
            Expr::Reference(inner) => self.is_element(&inner.expr),
            Expr::Unary(inner) => self.is_element(&inner.expr),
            Expr::Cast(inner) => self.is_element(&inner.expr),
            _ => variable(expr).is_some_and(|name| self.is_element_name(&name)),
        }
    }

    fn is_element_name(&self, name: &str) -> bool {
        name == "element" || self.elements.contains(name)
    }

    fn call(&mut self, name: &str, owner: Option<&str>, is_method: bool, arguments: &[&Expr]) {
        let (element_functions, package) = (self.element_functions.get(name), self.package);
        for function in
            element_functions.into_iter().flatten().filter(|function| function.is_public || function.package == package)
        {
            let is_owner = match (&function.owner, owner) {
                (Some(taker), Some(owner)) => taker == owner || owner == "Self",
                (None, Some(owner)) => owner.starts_with(char::is_lowercase),
                (function, None) => is_method || function.is_none(),
            };
            // many collections have functions of the same names
            let is_likely = !is_method || function.owner.as_deref() != Some("Bitmap") || self.names_bitmap;
            let at = function.at + usize::from(function.is_method && !is_method);
            if is_owner
                && is_likely
                && function.is_method >= is_method
                && let Some(argument) = arguments.get(at)
            {
                self.taken(&format!("{name}(#)"), argument);
            }
        }
    }

    fn pattern(&mut self, how: &str, pattern: &Pat) {
        match pattern {
            Pat::Lit(literal) => self.report(how, number(&literal.lit)),
            Pat::Range(range) => {
                let ends = range.start.iter().chain(&range.end);
                let numbers = ends.flat_map(|end| literals(end, &self.known)).collect();
                self.report(how, numbers);
            }
            Pat::Or(any) => any.cases.iter().for_each(|case| self.pattern(how, case)),
            Pat::Paren(inner) => self.pattern(how, &inner.pat),
            Pat::Reference(inner) => self.pattern(how, &inner.pat),
            Pat::Ident(name) => {
                if let Some((_, inner)) = &name.subpat {
                    self.pattern(how, inner);
                } else if let Some(numbers) = self.known.get(name.ident.to_string().as_str()) {
                    let numbers = vec![(format!("{} = {}", name.ident, numbers.join(", ")), name.span())];
                    self.report(how, numbers);
                }
            }
            _ => {}
        }
    }

    fn matched(&mut self, scrutinee: &Expr, patterns: &[&Pat]) {
        if self.is_element(scrutinee) {
            patterns.iter().for_each(|pattern| self.pattern("match element { # }", pattern));
        }
    }

    fn function(&mut self, block: &syn::Block, parameters: &[String]) {
        let (outer, was_gathering) = (self.elements.clone(), self.is_gathering);
        self.elements.retain(|name| !parameters.contains(name));
        if !was_gathering {
            self.is_gathering = true;
            visit::visit_block(self, block);
            self.is_gathering = false;
        }
        visit::visit_block(self, block);
        (self.elements, self.is_gathering) = (outer, was_gathering);
    }
}

/// Whether a chain of calls begins with the elements of a message.
fn is_of_elements(expr: &Expr) -> bool {
    match expr {
        Expr::MethodCall(call) => (call.method == "elements" && call.args.is_empty()) || is_of_elements(&call.receiver),
        _ => false,
    }
}

/// The numbers anywhere in the expression with which a chain of calls begins.
fn chained(expr: &Expr, known: &PackageConstants<'_>) -> Vec<(String, Span)> {
    match expr {
        Expr::MethodCall(call) => chained(&call.receiver, known),
        expr => literals(expr, known),
    }
}

impl<'ast> Visit<'ast> for Search<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.block, &names_of(&item.sig));
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.block, &names_of(&item.sig));
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let of_trait = item.trait_.as_ref().and_then(|(path, _)| path.segments.last()).map(|last| &last.ident);
        if of_trait.is_some_and(|name| name == "DataElement") {
            for inner in &item.items {
                if let syn::ImplItem::Const(constant) = inner
                    && constant.ident == "NUMBER"
                {
                    self.report("const NUMBER = #", literals(&constant.expr, &self.known));
                }
            }
        }
        visit::visit_item_impl(self, item);
    }

    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        if let Expr::Path(path) = &*call.func {
            let names: Vec<String> = path.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            if let Some((name, before)) = names.split_last() {
                let arguments: Vec<&Expr> = call.args.iter().collect();
                self.call(name, before.last().map(String::as_str), false, &arguments);
            }
        }
        visit::visit_expr_call(self, call);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        let arguments: Vec<&Expr> = call.args.iter().collect();
        self.call(&call.method.to_string(), None, true, &arguments);
        if let (true, Some(first)) = (call.method == "contains", arguments.first())
            && self.is_element(first)
        {
            self.report("[#].contains(element)", literals(&call.receiver, &self.known));
        }
        for argument in arguments {
            if let Expr::Closure(closure) = argument
                && let Some(name) = closure.inputs.first().and_then(bound)
            {
                if is_of_elements(&call.receiver) {
                    self.elements.insert(name.clone());
                }
                if self.is_element_name(&name) {
                    self.report("[#].map(|element| …)", chained(&call.receiver, &self.known));
                }
            }
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_for_loop(&mut self, each: &'ast syn::ExprForLoop) {
        if let Some(name) = bound(&each.pat) {
            if is_of_elements(&each.expr) {
                self.elements.insert(name.clone());
            }
            if self.is_element_name(&name) {
                self.report("for element in [#]", chained(&each.expr, &self.known));
            }
        }
        visit::visit_expr_for_loop(self, each);
    }

    fn visit_local(&mut self, local: &'ast syn::Local) {
        if let (Some(name), Some(init)) = (bound(&local.pat), &local.init)
            && self.is_element_name(&name)
        {
            self.report("let element = #", literals(&init.expr, &self.known));
        }
        visit::visit_local(self, local);
    }

    fn visit_expr_assign(&mut self, assign: &'ast syn::ExprAssign) {
        if self.is_element(&assign.left) {
            self.report("element = #", literals(&assign.right, &self.known));
        }
        visit::visit_expr_assign(self, assign);
    }

    fn visit_expr_binary(&mut self, binary: &'ast syn::ExprBinary) {
        let compares = |op: &BinOp| {
            matches!(op, BinOp::Eq(_) | BinOp::Ne(_) | BinOp::Lt(_) | BinOp::Le(_) | BinOp::Gt(_) | BinOp::Ge(_))
        };
        if compares(&binary.op) {
            for (one, other) in [(&binary.left, &binary.right), (&binary.right, &binary.left)] {
                if self.is_element(one) {
                    self.report("element == #", literals(other, &self.known));
                }
            }
        }
        visit::visit_expr_binary(self, binary);
    }

    fn visit_expr_match(&mut self, choice: &'ast syn::ExprMatch) {
        let patterns: Vec<&Pat> = choice.arms.iter().map(|arm| &arm.pat).collect();
        self.matched(&choice.expr, &patterns);
        visit::visit_expr_match(self, choice);
    }

    fn visit_expr_let(&mut self, choice: &'ast syn::ExprLet) {
        self.matched(&choice.expr, &[&choice.pat]);
        visit::visit_expr_let(self, choice);
    }

    fn visit_field_value(&mut self, field: &'ast syn::FieldValue) {
        if matches!(&field.member, syn::Member::Named(name) if name == "element") {
            self.report("element: #", literals(&field.expr, &self.known));
        }
        visit::visit_field_value(self, field);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        if call.path.is_ident("matches")
            && let Ok(Matches { scrutinee, pattern }) = syn::parse2(call.tokens.clone())
        {
            self.matched(&scrutinee, &[&pattern]);
        }
        let arguments = expressions(&call.tokens);
        // the parsed arguments live no longer than this call, so they are checked here
        for argument in &arguments {
            Visit::visit_expr(self, argument);
        }
    }
}

fn names_of(signature: &syn::Signature) -> Vec<String> {
    let names = signature.inputs.iter().filter_map(|parameter| match parameter {
        syn::FnArg::Typed(parameter) => bound(&parameter.pat),
        syn::FnArg::Receiver(_) => None,
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::planted;

    const CODECS: &[(&str, &str)] = &[
        (
            "codecs/src/message.rs",
            "impl Message { pub fn field(&self, element: u8) -> Option<Field<'_>> {} fn take(&self, element: u8) {} pub fn get<E: DataElement>(&self) {} }",
        ),
        (
            "codecs/src/builder.rs",
            "impl Builder { pub fn put_content(&mut self, element: u8, content: &[u8]) -> &mut Self {} pub fn copy_element(&mut self, from: &Message, element: u8) {} }",
        ),
        (
            "codecs/src/bitmap.rs",
            "impl Bitmap { pub fn set(&mut self, element: u8) {} pub fn next(&self, from: u8) {} }",
        ),
        (
            "codecs/src/error.rs",
            "impl DecodeError { pub fn new(kind: ErrorKind, element: u8, offset: usize) -> Self {} }",
        ),
        (
            "codecs/src/describe/parts.rs",
            "pub fn parts(message: &Message, element: u8) -> Vec<Part> { message.field(52) }",
        ),
        ("codecs/src/de.rs", "macro_rules! m { () => { pub fn exposure(element: u8) -> Exposure {} } }"),
    ];

    fn keys(text: &str) -> Vec<String> {
        let files: Vec<_> = CODECS.iter().copied().chain([("shop/src/a.rs", text)]).collect();
        let found = violations(&planted(&files)).into_iter();
        found.map(|violation| violation.key.strip_prefix("shop/src/a.rs: ").unwrap().to_owned()).collect()
    }

    #[test]
    fn a_number_that_selects_an_element_is_seen() {
        for (text, expected) in [
            ("fn a() { m.field(59); }", "field(59)"),
            ("fn a() { b.put_content(59u8, &[1]); }", "put_content(59)"),
            ("fn a() { b.copy_element(&m, 0x3B); }", "copy_element(59)"),
            ("fn a() { Message::field(&m, 59); }", "field(59)"),
            ("fn a() { codecs::describe::parts(&m, 59); }", "parts(59)"),
            ("fn a() { parts(&m, 59); }", "parts(59)"),
            ("fn a() { de::exposure(u8::from(59)); }", "exposure(59)"),
            ("fn a() { println!(\"{}\", m.field(59)); }", "field(59)"),
            ("fn a() { DecodeError::new(kind, 59, 0); }", "new(59)"),
            ("const KEY: u8 = 59; fn a() { m.field(KEY); }", "field(KEY = 59)"),
            (
                "const SOME: [u8; 2] = [de::Pan::NUMBER, 59]; fn a() { for e in SOME { m.field(e); } }",
                "for element in [SOME = 59]",
            ),
            ("fn a() { for e in [59] { m.field(e); } }", "for element in [59]"),
            ("fn a() { [59].iter().map(|e| m.field(*e)); }", "[59].map(|element| …)"),
            ("fn a() { let e = 59; m.field(e); }", "let element = 59"),
            ("fn a() { let e = if b { 59 } else { c }; m.field(e); }", "let element = 59"),
            ("fn a(n: u8) { match n { 59 => m.field(n), _ => None }; }", "match element { 59 }"),
            ("fn a(n: u8) { if matches!(n, 59) { m.field(n); } }", "match element { 59 }"),
            ("fn a(n: u8) { if n == 59 { m.field(n); } }", "element == 59"),
            ("fn a() { m.elements().filter(|n| *n != 59); }", "element == 59"),
            ("fn a() { for n in m.elements() { if n > 59 {} } }", "element == 59"),
            ("fn a(n: u8) { [59].contains(&n) && m.field(n).is_some(); }", "[59].contains(element)"),
            ("fn a() { if error.element == 59 {} }", "element == 59"),
            ("fn a<E: DataElement>() { if E::NUMBER == 59 {} }", "element == 59"),
            ("fn a() { Fault { element: 59 }; }", "element: 59"),
            ("impl DataElement for Key { const NUMBER: u8 = 59; }", "const NUMBER = 59"),
            ("use codecs::bitmap::Bitmap; fn a() { bits.set(59); }", "set(59)"),
            ("fn own(element: u8) {} fn a() { own(59); }", "own(59)"),
            ("fn own(elements: &[u8]) {} fn a() { own(&[59]); }", "own(59)"),
        ] {
            assert_eq!(keys(text), [expected], "{text}");
        }
        assert_eq!(keys("fn a(n: u8) { match n { 2 | 35..=36 => m.field(n), _ => None }; }").len(), 3);
    }

    #[test]
    fn names_other_numbers_and_tests_are_lawful() {
        for text in [
            "fn a() { m.get::<de::Pan>(); m.field(de::Pan::NUMBER); DecodeError::new(kind, de::MTI, 0); }",
            "const SOME: [u8; 1] = [de::Pan::NUMBER]; fn a() { for e in SOME { m.field(e); } }",
            "fn a(element: u8) { m.field(element); }",
            "fn a() { b.put_content(de::Icc::NUMBER, &[59]); list.take(59); }",
            "fn own(element: &[u8]) {} fn a() { own(&[59]); }",
            "fn a() { gauge.set(59); list.next(59); Other::new(kind, 59, 0); }",
            "fn a(n: u8) { m.field(de::Pan::NUMBER); if n == 59 {} match n { 59 => {} _ => {} } }",
            "fn a() { for n in [59] { row.get(n); } }",
            "fn a() { bail!(\"element 59 is missing\"); m.elements().count() == 59; m.elements().filter(|n| known(n)); }",
            "#[cfg(test)] mod tests { fn a() { m.field(59); } }",
            "fn b(n: u8) { m.field(n); } fn a(n: u8) { if n == 59 {} }",
        ] {
            assert!(keys(text).is_empty(), "{text}: {:?}", keys(text));
        }
    }

    #[test]
    fn codecs_may() {
        assert!(violations(&planted(CODECS)).is_empty());
    }
}
