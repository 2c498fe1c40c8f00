//! The parsed sources of a crate, without its tests.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, ImplItem, Item, Stmt};

/// One file under `src/` of a member of the workspace.
pub struct Source {
    /// Name of the package.
    pub package: String,
    /// Path from the root of the checkout.
    pub path: String,
    /// Path from `src/`.
    pub inside: String,
    pub file: syn::File,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Source {
    /// # Errors
    /// The text is no Rust.
    pub fn parse(package: &str, path: &str, text: &str) -> Result<Self, syn::Error> {
        let inside = path.split_once("src/").map_or(path, |(_, inside)| inside).to_owned();
        Ok(Self { package: package.to_owned(), path: path.to_owned(), inside, file: syn::parse_file(text)? })
    }

    /// The modules that lead to this file's own: `a/b.rs` is `a::b`, the root has none.
    pub fn modules(&self) -> Vec<&str> {
        let stem = self.inside.strip_suffix(".rs").unwrap_or(&self.inside);
        let mut modules: Vec<&str> = stem.split('/').collect();
        if matches!(modules.last(), Some(&"mod")) || matches!(stem, "lib" | "main") {
            modules.pop();
        }
        modules
    }

    /// Whether the file belongs to a program beside the library, which has a module tree of its own.
    pub fn is_of_a_program(&self) -> bool {
        self.inside == "main.rs" || self.inside.starts_with("bin/")
    }
}

/// Removes files, modules and items that are compiled for tests only.
pub fn outside_tests(mut sources: Vec<Source>) -> Vec<Source> {
    let test_modules: BTreeSet<String> = sources.iter().flat_map(test_modules).collect();
    sources.retain(|source| {
        let folders = Path::new(&source.inside).components().map(|part| part.as_os_str());
        let is_named_tests = folders.into_iter().any(|part| part == "tests" || part == "tests.rs" || part == "benches");
        let is_of_a_test_module = test_modules
            .iter()
            .any(|module| source.path.strip_prefix(module).is_some_and(|rest| rest == ".rs" || rest.starts_with('/')));
        !is_named_tests && !is_of_a_test_module
    });
    sources.iter_mut().for_each(|source| Pruning.visit_file_mut(&mut source.file));
    sources
}

/// Path prefixes of the files of modules that are declared for tests only.
fn test_modules(source: &Source) -> Vec<String> {
    let folder = match source.path.rsplit_once('/') {
        Some((folder, "lib.rs" | "main.rs" | "mod.rs")) => folder.to_owned(),
        _ => source.path.trim_end_matches(".rs").to_owned(),
    };
    let declared = source.file.items.iter().filter_map(|item| match item {
        Item::Mod(module) if module.content.is_none() && are_for_tests(&module.attrs) => Some(module),
        _ => None,
    });
    declared.map(|module| format!("{folder}/{}", module.ident)).collect()
}

fn are_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::Path(path) => path.segments.last().is_some_and(|last| last.ident == "test"),
        syn::Meta::List(list) if list.path.is_ident("cfg") => {
            let condition = list.tokens.to_string();
            condition == "test" || (condition.starts_with("all") && condition.contains("test"))
        }
        syn::Meta::List(list) => list.path.segments.last().is_some_and(|last| last.ident == "test"),
        syn::Meta::NameValue(_) => false,
    })
}

struct Pruning;

impl VisitMut for Pruning {
    fn visit_file_mut(&mut self, file: &mut syn::File) {
        file.items.retain(|item| !are_for_tests(attributes(item)));
        visit_mut::visit_file_mut(self, file);
    }

    fn visit_item_mod_mut(&mut self, module: &mut syn::ItemMod) {
        if let Some((_, items)) = &mut module.content {
            items.retain(|item| !are_for_tests(attributes(item)));
        }
        visit_mut::visit_item_mod_mut(self, module);
    }

    fn visit_item_impl_mut(&mut self, block: &mut syn::ItemImpl) {
        block.items.retain(|item| match item {
            ImplItem::Fn(function) => !are_for_tests(&function.attrs),
            ImplItem::Const(constant) => !are_for_tests(&constant.attrs),
            _ => true,
        });
        visit_mut::visit_item_impl_mut(self, block);
    }

    fn visit_block_mut(&mut self, block: &mut syn::Block) {
        block.stmts.retain(|statement| match statement {
            Stmt::Item(item) => !are_for_tests(attributes(item)),
            Stmt::Local(local) => !are_for_tests(&local.attrs),
            _ => true,
        });
        visit_mut::visit_block_mut(self, block);
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Sources for unit tests: each file's path and its text.
#[cfg(test)]
pub fn planted(files: &[(&str, &str)]) -> Vec<Source> {
    let parse = |(path, text): &(&str, &str)| {
        let package = path.split_once("/src/").map_or("planted", |(package, _)| package);
        Source::parse(package, path, text).unwrap()
    };
    outside_tests(files.iter().map(parse).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_taken_out_wherever_they_stand() {
        let sources = planted(&[
            ("shop/src/lib.rs", "mod till; #[cfg(test)] mod software; #[cfg(test)] const A: u8 = 1; #[test] fn b() {}"),
            ("shop/src/till.rs", "pub fn c() {} #[cfg(test)] mod tests { fn d() {} }"),
            ("shop/src/till/tests.rs", "fn e() {}"),
            ("shop/src/till/tests/more.rs", "fn f() {}"),
            ("shop/src/software.rs", "fn g() {}"),
            ("shop/src/software/deep.rs", "fn h() {}"),
            ("shop/src/software_list.rs", "fn i() {}"),
        ]);
        let left: Vec<(&str, usize)> = sources.iter().map(|s| (s.inside.as_str(), s.file.items.len())).collect();
        assert_eq!(left, [("lib.rs", 1), ("till.rs", 1), ("software_list.rs", 1)]);
    }

    #[test]
    fn a_file_knows_its_modules() {
        let modules = |path| Source::parse("shop", path, "").unwrap().modules().join("::");
        assert_eq!(modules("shop/src/a.rs"), "a");
        assert_eq!(modules("shop/src/a/mod.rs"), "a");
        assert_eq!(modules("tests/shop/src/a/b.rs"), "a::b");
        assert_eq!(modules("shop/src/lib.rs"), "");
    }
}
