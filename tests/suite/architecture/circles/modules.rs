//! The modules of a crate, what each declares, imports and names, and where a path leads.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::tokens::{Token, tokens};

/// A path in the code, without its generic arguments.
type Names = Vec<String>;

/// All modules of a crate; the first one is its root.
#[derive(Debug, Default)]
pub(super) struct Crate {
    modules: Vec<Module>,
    /// What was looked up already; nothing while it is being looked up, for imports in a ring.
    known: RefCell<BTreeMap<(usize, String), Option<Found>>>,
}

#[derive(Debug, Default)]
struct Module {
    file: PathBuf,
    parent: Option<usize>,
    children: BTreeMap<String, usize>,
    /// What is declared with `fn`, `struct` and so on, for imports of everything.
    declared: BTreeSet<String>,
    imports: Vec<Import>,
    paths: BTreeSet<Names>,
    /// Every word outside of `use` items.
    words: BTreeSet<String>,
}

/// One name of a `use` item.
#[derive(Clone, Debug)]
struct Import {
    path: Names,
    /// `*` for everything.
    alias: String,
    public: bool,
}

/// That one file uses what another one defines.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Use {
    pub user: PathBuf,
    pub owner: PathBuf,
    pub path: String,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug)]
enum Found {
    Module(usize),
    Item(usize),
}

impl Crate {
    /// Reads a crate from its root file.
    pub fn read(root: &Path) -> Self {
        let mut read = Self::default();
        let directory = root.parent().unwrap().to_owned();
        read.add(root.to_owned(), None, &directory, &tokens(&source(root)));
        read
    }

    /// Adds a module with its children; `directory` is where the files of those are.
    fn add(
        &mut self,
        file: PathBuf,
        parent: Option<usize>,
        directory: &Path,
        code: &[Token],
    ) -> usize {
        let index = self.modules.len();
        self.modules.push(Module { file: file.clone(), parent, ..Module::default() });
        let mut at = 0;
        while at < code.len() {
            let public = at > 0 && matches!(code[at - 1].text.as_str(), "pub" | ")");
            at = match (code[at].text.as_str(), code.get(at + 1), code.get(at + 2)) {
                ("mod", Some(name), Some(next)) if name.is_word() && next.text == ";" => {
                    self.add_file(index, directory, &name.text);
                    at + 3
                }
                ("mod", Some(name), Some(next)) if name.is_word() && next.text == "{" => {
                    let end = closing(code, at + 2);
                    let inner = directory.join(&name.text);
                    let child = self.add(file.clone(), Some(index), &inner, &code[at + 3..end]);
                    self.modules[index].children.insert(name.text.clone(), child);
                    end + 1
                }
                ("use", _, _) => self.add_imports(index, code, at + 1, public),
                _ => self.modules[index].note(code, at),
            };
        }
        index
    }

    fn add_file(&mut self, parent: usize, directory: &Path, name: &str) {
        let file = [directory.join(format!("{name}.rs")), directory.join(name).join("mod.rs")]
            .into_iter()
            .find(|file| file.exists())
            .unwrap_or_else(|| panic!("no file of the module {name} in {}", directory.display()));
        let code = tokens(&source(&file));
        let child = self.add(file, Some(parent), &directory.join(name), &code);
        self.modules[parent].children.insert(name.to_owned(), child);
    }

    fn add_imports(&mut self, index: usize, code: &[Token], start: usize, public: bool) -> usize {
        let end = (start..code.len()).find(|at| code[*at].text == ";").unwrap_or(code.len());
        let mut tree = &code[start..end];
        // `use<'a>` of a return type is no import.
        if tree.first().is_none_or(|first| first.text != "<") {
            import_tree(&mut tree, &[], public, &mut self.modules[index].imports);
        }
        end + 1
    }

    /// Returns which files use what others define.
    pub fn uses(&self) -> Vec<Use> {
        let mut found = Vec::new();
        for (index, module) in self.modules.iter().enumerate() {
            let taken = |import: &&Import| !import.public || module.words.contains(&import.alias);
            let imports = module.imports.iter().filter(taken);
            for path in imports.map(|import| &import.path).chain(&module.paths) {
                for owner in self.passed(index, path) {
                    let (user, owner) = (&module.file, &self.modules[owner].file);
                    if user != owner {
                        let (user, owner) = (user.clone(), owner.clone());
                        found.push(Use { user, owner, path: path.join("::") });
                    }
                }
            }
        }
        found.sort();
        found
    }

    /// Returns the modules that a path leads through and the one that defines what it names, all
    /// but those that the module is a part of.
    fn passed(&self, from: usize, path: &[String]) -> BTreeSet<usize> {
        let steps = (1..=path.len()).map_while(|length| self.follow(from, &path[..length]));
        let modules = steps.map(|(Found::Module(module) | Found::Item(module))| module);
        modules.filter(|module| !self.is_part_of(from, *module)).collect()
    }

    fn is_part_of(&self, module: usize, other: usize) -> bool {
        let mut parents = std::iter::successors(Some(module), |at| self.modules[*at].parent);
        parents.any(|parent| parent == other)
    }

    fn follow(&self, from: usize, path: &[String]) -> Option<Found> {
        let (first, mut rest) = path.split_first()?;
        let mut found = match first.as_str() {
            "crate" => Found::Module(0),
            "self" => Found::Module(from),
            "super" => Found::Module(self.modules[from].parent?),
            name => self.known(from, name)?,
        };
        while let (Found::Module(module), Some((name, after))) = (&found, rest.split_first()) {
            rest = after;
            found = match name.as_str() {
                "super" => Found::Module(self.modules[*module].parent?),
                "self" => Found::Module(*module),
                name => self.known(*module, name).unwrap_or(Found::Item(*module)),
            };
        }
        Some(found)
    }

    /// Looks a name up among the children, declarations and imports of a module.
    fn known(&self, module: usize, name: &str) -> Option<Found> {
        let key = (module, name.to_owned());
        if let Some(found) = self.known.borrow().get(&key) {
            return *found;
        }
        self.known.borrow_mut().insert(key.clone(), None);
        let found = self.look_up(module, name);
        self.known.borrow_mut().insert(key, found);
        found
    }

    fn look_up(&self, module: usize, name: &str) -> Option<Found> {
        let here = &self.modules[module];
        if let Some(child) = here.children.get(name) {
            return Some(Found::Module(*child));
        }
        if here.declared.contains(name) {
            return Some(Found::Item(module));
        }
        let mut named = here.imports.iter().filter(|import| import.alias == name);
        if let Some(found) = named.find_map(|import| self.follow(module, &import.path)) {
            return Some(found);
        }
        let everything = here.imports.iter().filter(|import| import.alias == "*");
        everything.filter_map(|import| self.follow(module, &import.path)).find_map(|found| {
            match found {
                Found::Module(other) => self.known(other, name),
                Found::Item(_) => None,
            }
        })
    }
}

impl Module {
    /// Notes the path, the declaration or the word at a token; returns where to go on.
    fn note(&mut self, code: &[Token], at: usize) -> usize {
        let token = &code[at];
        if !token.is_word() {
            return at + 1;
        }
        const DECLARES: [&str; 9] =
            ["fn", "struct", "enum", "union", "trait", "type", "const", "static", "macro_rules"];
        if DECLARES.contains(&token.text.as_str()) {
            let name =
                code[at + 1..].iter().take(3).find(|token| token.is_word() && token.text != "mut");
            self.declared.extend(name.map(|name| name.text.clone()));
        }
        let mut path = vec![token.text.clone()];
        let mut end = at + 1;
        while let (Some(colons), Some(word)) = (code.get(end), code.get(end + 1))
            && colons.text == "::"
            && word.is_word()
        {
            path.push(word.text.clone());
            end += 2;
        }
        self.words.insert(token.text.clone());
        let behind_colons = at > 0 && code[at - 1].text == "::";
        if path.len() > 1 && !behind_colons {
            self.paths.insert(path);
        }
        end
    }
}

/// Adds the names of one `use` tree.
fn import_tree(tree: &mut &[Token], before: &[String], public: bool, imports: &mut Vec<Import>) {
    let mut path = before.to_vec();
    let mut alias = None;
    // `::a` is a crate: no module has this name.
    if path.is_empty() && tree.first().is_some_and(|token| token.text == "::") {
        path.push("::".to_owned());
    }
    while let Some((token, rest)) = tree.split_first() {
        match token.text.as_str() {
            "," | "}" => break,
            "{" => {
                *tree = rest;
                while let Some(token) = tree.first() {
                    match token.text.as_str() {
                        "}" => break,
                        "," => *tree = &tree[1..],
                        _ => import_tree(tree, &path, public, imports),
                    }
                }
                *tree = tree.get(1..).unwrap_or_default();
                return;
            }
            "as" => {
                alias = rest.first().map(|token| token.text.clone());
                *tree = rest.get(1..).unwrap_or_default();
                continue;
            }
            "*" => alias = Some("*".to_owned()),
            "::" => {}
            // `a::{self}` is `a`.
            "self" if !path.is_empty() => {}
            word => path.push(word.to_owned()),
        }
        *tree = rest;
    }
    let Some(last) = path.last().cloned() else { return };
    imports.push(Import { path, alias: alias.unwrap_or(last), public });
}

/// Returns where the block that opens at `start` closes.
fn closing(code: &[Token], start: usize) -> usize {
    let mut depth = 0;
    for (at, token) in code.iter().enumerate().skip(start) {
        match token.text.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    code.len()
}

fn source(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}
