//! Which module may name which: only modules below it, and never in a circle.

use std::collections::{BTreeMap, BTreeSet};

use crate::tidy::{is_test, rust};

/// The modules of the library from the top to the bottom. Each may name those that follow it, and none before it.
const LAYERS: [&str; 26] = [
    "main",
    "command",
    "app",
    "upkeep",
    "event_loop",
    "admin",
    "http",
    "spans",
    "api",
    "kafka",
    "aws",
    "registry",
    "config",
    "outbound",
    "encode",
    "provider",
    "signature",
    "delivery",
    "signed_url",
    "metrics",
    "error",
    "clock",
    "event",
    "logged",
    "closed",
    "proto",
];

/// A module as the names of its path from the crate.
type Module = Vec<String>;

/// Returns the modules of a package with their code, without comments and tests.
fn modules(folder: &str) -> BTreeMap<Module, String> {
    let files = rust().into_iter().filter(|(name, _)| name.starts_with(folder) && !is_test(name));
    let modules = files.map(|(name, text)| {
        let mut path: Module = name[folder.len()..].trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        if matches!(path.last().map(String::as_str), Some("mod" | "lib")) {
            path.pop();
        }
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        let lines = code.lines().map(|line| line.split("//").next().unwrap_or_default());
        (path, lines.collect::<Vec<_>>().join("\n"))
    });
    modules.collect()
}

/// Collects the paths of a `use` tree: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn written_out(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    let tree = tree.trim();
    let Some((before, rest)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or(tree);
        if !path.is_empty() {
            paths.push(format!("{prefix}{path}"));
        }
        return;
    };
    let inner = rest.rsplit_once('}').map_or(rest, |(inner, _)| inner);
    let (mut depth, mut begin) = (0, 0);
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                written_out(&format!("{prefix}{before}"), &inner[begin..at], paths);
                begin = at + 1;
            }
            _ => {}
        }
    }
    written_out(&format!("{prefix}{before}"), &inner[begin..], paths);
}

/// Returns the paths that the code of a module names, in `use` and elsewhere. The flag marks a path that the module only re-exports.
fn named(code: &str) -> Vec<(bool, String)> {
    let (mut named, mut lines) = (Vec::new(), code.lines());
    while let Some(line) = lines.next() {
        let (before, tree) = line.split_once("use ").unwrap_or((line, ""));
        let visibility = before.trim();
        if tree.is_empty() || !(visibility.is_empty() || visibility.starts_with("pub") && !visibility.contains(' ')) {
            for (at, _) in line.match_indices("crate::").chain(line.match_indices("super::")) {
                let path = line[at..].chars().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | ':'));
                named.push((false, path.collect()));
            }
            continue;
        }
        let mut tree = tree.to_owned();
        while !tree.contains(';') {
            tree.push_str(lines.next().expect("a use ends").trim());
        }
        let mut paths = Vec::new();
        written_out("", tree.trim_end_matches(';'), &mut paths);
        named.extend(paths.into_iter().map(|path| (!visibility.is_empty(), path)));
    }
    named
}

/// Returns a path as seen from the crate, or `None` where it begins outside of the crate.
fn absolute(modules: &BTreeMap<Module, String>, from: &Module, path: &str) -> Option<Module> {
    let mut parts: Vec<String> = path.split("::").map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect();
    let mut base = from.clone();
    match parts.first()?.as_str() {
        "crate" => base.clear(),
        "super" | "self" => {}
        first => {
            base.push(first.to_owned());
            if !modules.contains_key(&base) {
                return None;
            }
            parts.insert(0, "self".to_owned());
        }
    }
    for _ in parts.iter().take_while(|part| *part == "super") {
        base.pop();
    }
    base.extend(parts.into_iter().filter(|part| !matches!(part.as_str(), "crate" | "super" | "self")));
    Some(base)
}

/// Returns which module names which. A re-exported item counts as an item of the module that defines it. A module and the modules
/// inside it may name one another.
fn graph(modules: &BTreeMap<Module, String>) -> BTreeMap<&Module, BTreeSet<&Module>> {
    let mut reexported = BTreeMap::new();
    let mut named_by = Vec::new();
    for (module, code) in modules {
        for (only_reexported, path) in named(code) {
            let Some(path) = absolute(modules, module, &path) else { continue };
            let name = module.iter().chain(path.last()).cloned().collect::<Module>();
            if name != path {
                reexported.insert(name, path.clone());
            }
            if !only_reexported {
                named_by.push((module, path));
            }
        }
    }
    let mut graph = BTreeMap::<&Module, BTreeSet<&Module>>::new();
    for (module, mut path) in named_by {
        for _ in 0..4 {
            match reexported.get(&path) {
                Some(further) if !modules.contains_key(&path) => path.clone_from(further),
                _ => break,
            }
        }
        let owner = (0..=path.len()).rev().find_map(|length| modules.get_key_value(&path[..length]));
        if let Some((owner, _)) = owner
            && !owner.starts_with(module)
            && !module.starts_with(owner)
        {
            graph.entry(module).or_default().insert(owner);
        }
    }
    graph
}

/// Returns a path from a module back to itself, if there is one.
fn circle(graph: &BTreeMap<&Module, BTreeSet<&Module>>) -> Option<String> {
    for start in graph.keys() {
        let (mut seen, mut ways) = (BTreeSet::new(), vec![vec![*start]]);
        while let Some(way) = ways.pop() {
            for next in graph.get(way[way.len() - 1]).into_iter().flatten() {
                if next == start {
                    let names: Vec<String> = way.iter().chain([next]).map(|module| module.join("::")).collect();
                    return Some(names.join(" → "));
                }
                if seen.insert(*next) {
                    ways.push(way.iter().copied().chain([*next]).collect());
                }
            }
        }
    }
    None
}

#[test]
fn no_circle() {
    #[track_caller]
    fn check(folder: &str) {
        let modules = modules(folder);
        let graph = graph(&modules);
        assert!(graph.values().map(BTreeSet::len).sum::<usize>() > modules.len(), "the search finds too little in {folder}");
        assert_eq!(circle(&graph), None, "modules of {folder} that name one another");
    }
    check("src/");
    check("faults/src/");
}

#[test]
fn layers_point_down() {
    let modules = modules("src/");
    let layer = |module: &Module| {
        let name = module.first()?;
        Some(LAYERS.iter().position(|layer| layer == name).unwrap_or_else(|| panic!("{name} has no place among the layers")))
    };
    let mut up = Vec::new();
    for (module, owners) in graph(&modules) {
        let above = owners.into_iter().filter(|owner| layer(owner).is_some_and(|owner| Some(owner) < layer(module)));
        up.extend(above.map(|owner| format!("{} names {}", module.join("::"), owner.join("::"))));
    }
    assert!(up.is_empty(), "{up:#?}");
}

/// The search finds a circle that re-exports hide, and takes a module and the modules inside it for one.
#[test]
fn a_circle_is_found() {
    #[track_caller]
    fn check(files: &[(&str, &str)], expected: Option<&str>) {
        let module = |name: &str| name.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect::<Module>();
        let modules = files.iter().map(|(name, code)| (module(name), (*code).to_owned())).collect();
        assert_eq!(circle(&graph(&modules)).as_deref(), expected);
    }
    check(&[("a", "use crate::b::B;"), ("b", "")], None);
    check(&[("a", "use crate::b::B;"), ("b", "fn x() -> crate::a::A {}")], Some("a → b → a"));
    check(&[("a", "use crate::{c, b::{self, B}};"), ("b", "use super::a::A;"), ("c", "")], Some("a → b → a"));
    let hidden = [("f", "mod a;\nmod b;\npub use a::A;\npub use b::B;"), ("f::a", "use super::B;"), ("f::b", "use super::A;")];
    check(&hidden, Some("f::a → f::b → f::a"));
    check(&[("f", "mod a;\nuse a::A;\npub struct S;"), ("f::a", "use super::S;")], None);
}
