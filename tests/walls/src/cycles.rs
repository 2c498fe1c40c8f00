//! No cycle among the top modules of a crate.
//!
//! A top module is a file or folder directly under `src/`; the root (`lib.rs`, `main.rs`) and `src/bin` are none. A module
//! uses another if a file of it names `crate::other`, or `super::other` up to the root, in a `use` or in any path, inside
//! macros too; a name that the root re-exports counts as the module it re-exports it from.
//!
//! Not seen: names that come by a glob (`use crate::*`), macros by `#[macro_export]`, methods and trait implementations
//! that are used without naming their module, and paths that a macro puts together.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Item, UseTree};

use crate::ratchet::{Violation, Wall};
use crate::source::Source;
use crate::tokens::{is_path_sign, is_sign, line_of};

pub const WALL: Wall = Wall {
    name: "cycles",
    sentence: "No cycle among the top modules of a crate: what is used does not use its user.",
    what_to_do: "move what both need to the one that is used, or into a module of its own named by its noun; or hand it over as an argument.",
};

/// The edges that lie on a cycle, of every crate.
pub fn violations(sources: &[Source]) -> Vec<Violation> {
    let packages: BTreeSet<&str> = sources.iter().map(|source| source.package.as_str()).collect();
    let of = |package| sources.iter().filter(|s| s.package == package && !s.is_of_a_program()).collect::<Vec<_>>();
    packages.into_iter().flat_map(|package| of_crate(package, &of(package))).collect()
}

fn of_crate(package: &str, sources: &[&Source]) -> Vec<Violation> {
    let modules: BTreeSet<&str> = sources.iter().filter_map(|source| source.modules().first().copied()).collect();
    let root = sources.iter().find(|source| source.inside == "lib.rs");
    let re_exports = root.map(|root| re_exports(root, &modules)).unwrap_or_default();
    let mut edges: BTreeMap<(String, String), String> = BTreeMap::new();
    for source in sources {
        let path = source.modules();
        let Some(from) = path.first() else { continue };
        let mut walk = Walk { named: Vec::new() };
        walk.tokens(source.file.to_token_stream(), path.len());
        for name in walk.named {
            let line = line_of(name.span());
            let name = name.to_string();
            let to = if modules.contains(name.as_str()) { Some(&name) } else { re_exports.get(&name) };
            if let Some(to) = to.filter(|to| to.as_str() != *from) {
                let edge = ((*from).to_owned(), to.clone());
                edges.entry(edge).or_insert_with(|| format!("{}:{line}", source.path));
            }
        }
    }
    let reachable = reachable(&edges);
    let on_a_cycle = |(from, to): &(String, String)| reachable[to].contains(from);
    let on_cycles = edges.iter().filter(|(edge, _)| on_a_cycle(edge));
    let violation = |((from, to), place): (&(String, String), &String)| {
        let together: Vec<&str> =
            reachable[from].iter().filter(|other| reachable[*other].contains(from)).map(String::as_str).collect();
        Violation {
            key: format!("{package}: {from} -> {to}"),
            place: place.clone(),
            what: format!("{from} uses {to}, one cycle of {}", together.join(", ")),
        }
    };
    on_cycles.map(violation).collect()
}

/// For each module, every module that can be reached from it.
fn reachable(edges: &BTreeMap<(String, String), String>) -> BTreeMap<String, BTreeSet<String>> {
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (from, to) in edges.keys() {
        uses.entry(from.clone()).or_default().insert(to.clone());
        uses.entry(to.clone()).or_default();
    }
    let come_to = |from: &String| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(at) = open.pop() {
            open.extend(uses[at].iter().filter(|to| seen.insert((*to).clone())));
        }
        seen
    };
    uses.keys().map(|from| (from.clone(), come_to(from))).collect()
}

/// The names that the root re-exports from its modules.
fn re_exports(root: &Source, modules: &BTreeSet<&str>) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    for item in &root.file.items {
        if let Item::Use(item) = item {
            flatten(&item.tree, None, modules, &mut names);
        }
    }
    names
}

fn flatten(tree: &UseTree, of: Option<&str>, modules: &BTreeSet<&str>, names: &mut BTreeMap<String, String>) {
    match tree {
        UseTree::Path(path) => {
            let first = path.ident.to_string();
            let of = of.or_else(|| modules.get(first.as_str()).copied());
            flatten(&path.tree, of, modules, names);
        }
        UseTree::Group(group) => group.items.iter().for_each(|tree| flatten(tree, of, modules, names)),
        UseTree::Name(name) => names.extend(of.map(|of| (name.ident.to_string(), of.to_owned()))),
        UseTree::Rename(name) => names.extend(of.map(|of| (name.rename.to_string(), of.to_owned()))),
        UseTree::Glob(_) => {}
    }
}

/// Finds the names directly below the root of the crate.
struct Walk {
    named: Vec<Ident>,
}

impl Walk {
    /// `depth`: how many modules are around these tokens.
    fn tokens(&mut self, tokens: TokenStream, depth: usize) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for at in 0..tokens.len() {
            match &tokens[at] {
                TokenTree::Group(group) => {
                    let is_module = group.delimiter() == Delimiter::Brace
                        && at >= 2
                        && matches!(&tokens[at - 2], TokenTree::Ident(word) if word == "mod");
                    self.tokens(group.stream(), depth + usize::from(is_module));
                }
                TokenTree::Ident(_) if at < 2 || !is_path_sign(&tokens, at - 2) => self.path(&tokens, at, depth),
                _ => {}
            }
        }
    }

    /// A path that begins there.
    fn path(&mut self, tokens: &[TokenTree], mut at: usize, depth: usize) {
        let mut above = match &tokens[at] {
            TokenTree::Ident(word) if word == "crate" => 0,
            TokenTree::Ident(word) if word == "self" => depth,
            TokenTree::Ident(word) if word == "super" => depth.saturating_sub(1),
            _ => return,
        };
        while is_path_sign(tokens, at + 1) {
            at += 3;
            match tokens.get(at) {
                Some(TokenTree::Ident(word)) if word == "super" => above = above.saturating_sub(1),
                Some(TokenTree::Ident(name)) if above == 0 => return self.named.push(name.clone()),
                Some(TokenTree::Group(group)) if above == 0 => return self.branches(group.stream()),
                _ => return,
            }
        }
    }

    /// The first name of each branch of `{…}`.
    fn branches(&mut self, tokens: TokenStream) {
        let mut is_first = true;
        for token in tokens {
            match token {
                TokenTree::Ident(name) if is_first => self.named.push(name),
                ref token if is_sign(token, ',') => {
                    is_first = true;
                    continue;
                }
                _ => {}
            }
            is_first = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::planted;

    fn keys(files: &[(&str, &str)]) -> Vec<String> {
        violations(&planted(files)).into_iter().map(|violation| violation.key).collect()
    }

    const BOTH: [&str; 2] = ["shop: a -> b", "shop: b -> a"];

    #[test]
    fn two_modules_that_use_each_other_are_a_cycle() {
        let a = ("shop/src/a.rs", "use crate::b::B; fn a() {}");
        let ways = [
            "use crate::{c::C, a::{A, D}};",
            "fn b() { crate::a::a() }",
            "use super::a;",
            "mod inner { fn b() { super::super::a::a() } }",
            "fn b() { println!(\"{}\", crate::a::a()) }",
            "macro_rules! m { () => { $crate::a::a() } }",
        ];
        for way in ways {
            assert_eq!(keys(&[a, ("shop/src/b.rs", way)]), BOTH, "{way}");
        }
        assert_eq!(keys(&[a, ("shop/src/b/mod.rs", ""), ("shop/src/b/c.rs", "use super::super::a::A;")]), BOTH);
    }

    #[test]
    fn a_name_that_the_root_re_exports_is_its_module_s() {
        let lib = ("shop/src/lib.rs", "mod a; mod b; pub use a::{deep::A, Other as Config};");
        let a = ("shop/src/a.rs", "use crate::b::B;");
        assert_eq!(keys(&[lib, a, ("shop/src/b.rs", "use crate::Config;")]), BOTH);
        assert_eq!(keys(&[lib, a, ("shop/src/b.rs", "use crate::{A};")]), BOTH);
        assert!(keys(&[lib, a, ("shop/src/b.rs", "use crate::Else;")]).is_empty());
    }

    #[test]
    fn a_violation_tells_the_whole_cycle_and_where() {
        let files = [
            ("shop/src/a.rs", "use crate::b::B;"),
            ("shop/src/b.rs", "\nuse crate::c::C;"),
            ("shop/src/c.rs", "use crate::{a::A, d::D};"),
            ("shop/src/d.rs", ""),
        ];
        let found = violations(&planted(&files));
        assert_eq!(
            found.iter().map(|v| v.key.as_str()).collect::<Vec<_>>(),
            ["shop: a -> b", "shop: b -> c", "shop: c -> a"]
        );
        assert_eq!(
            (found[1].place.as_str(), found[1].what.as_str()),
            ("shop/src/b.rs:2", "b uses c, one cycle of a, b, c")
        );
    }

    #[test]
    fn use_in_one_direction_is_lawful() {
        let lawful: [&[(&str, &str)]; 6] = [
            &[("shop/src/a.rs", "use crate::b::B;"), ("shop/src/b.rs", "use std::a; use other::a::A;")],
            &[("shop/src/a.rs", "use crate::b::B;"), ("shop/src/b.rs", "#[cfg(test)] mod tests { use crate::a::A; }")],
            &[
                ("shop/src/a.rs", "use crate::b::B;"),
                ("shop/src/b/tests.rs", "use crate::a::A;"),
                ("shop/src/b.rs", ""),
            ],
            &[("shop/src/a.rs", "use crate::b::B;"), ("shop/src/lib.rs", "use crate::a::A; mod a; mod b;")],
            &[("shop/src/a.rs", "use crate::b::B;"), ("shop/src/b/c.rs", "use super::a::A;"), ("shop/src/b/a.rs", "")],
            &[("shop/src/a.rs", "use crate::b::B;"), ("store/src/b.rs", "use crate::a::A;"), ("store/src/a.rs", "")],
        ];
        for files in lawful {
            assert!(keys(files).is_empty(), "{files:?}");
        }
    }
}
