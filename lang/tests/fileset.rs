//! Reading file sets: what `use`, fragments, score files, lists and maps bring in, and what is refused.

use std::collections::BTreeMap;

use weir_lang::ast::{AtomKind, Entries, ExprKind, Item, Literal, Scores};
use weir_lang::diagnostic::{self, Style};
use weir_lang::fileset::{FileSet, Files, USE_DEPTH_MAX};
use weir_lang::parse;

/// Files in memory; a pattern matches by its folder and ending.
#[derive(Default)]
struct Table(BTreeMap<String, String>);

impl Table {
    fn with(mut self, path: &str, text: &str) -> Self {
        self.0.insert(path.to_owned(), text.to_owned());
        self
    }

    fn read(&self, root: &str) -> FileSet {
        FileSet::read([root], self)
    }
}

impl Files for Table {
    fn read(&self, path: &str) -> Result<String, String> {
        self.0.get(path).cloned().ok_or_else(|| String::from("no such file"))
    }

    fn glob(&self, pattern: &str) -> Result<Vec<String>, String> {
        let (folder, ending) = pattern.split_once('*').ok_or("no star")?;
        // In the wrong order on purpose.
        Ok(self
            .0
            .keys()
            .rev()
            .filter(|path| path.starts_with(folder) && path.ends_with(ending))
            .cloned()
            .collect())
    }
}

fn shown(set: &FileSet) -> String {
    diagnostic::render_all(&set.diagnostics, &set.sources, Style::Plain)
}

fn ids(set: &FileSet) -> Vec<&str> {
    set.diagnostics.iter().map(|fault| fault.code.id).collect()
}

#[test]
fn all_that_a_file_names() {
    let table = Table::default()
        .with(
            "/w/main.weir",
            "weir 1\nrole mx\nuse \"common.weir\"\nscores \"s.d/*.scores\"\nuse \"rules.d/*.weir\"\n\
             pool p {\n  balance round_robin\n  use \"p.d/*.server\"\n  empty 451 4.3.2 \"none\"\n}\n",
        )
        .with(
            "/w/common.weir",
            "weir 1\nlist nets : net = file \"lists/nets.txt\"\nmap who : address -> text = file \"who.map\"\n",
        )
        .with("/w/lists/nets.txt", "# nets\n192.0.2.0/24 # one\n\n2001:db8::/32\n")
        .with("/w/who.map", "a@example.org  first of all\n")
        .with("/w/s.d/b.scores", "B = off\n")
        .with("/w/s.d/a.scores", "# first\nA = 1.5\n")
        .with("/w/s.d/a.scores.bak", "C = 9\n")
        .with("/w/rules.d/x.weir", "weir 1\nrule A 1 = true\n")
        .with("/w/rules.d/.hidden.weir", "not a rule file")
        .with("/w/p.d/two.server", "server two 192.0.2.2:25\n")
        .with("/w/p.d/one.server", "server one 192.0.2.1:25\n  slots 5\n");
    let set = table.read("/w/main.weir");
    assert_eq!(shown(&set), "");
    let names: Vec<&str> =
        set.files.iter().map(|file| set.sources.file(file.span.file).unwrap().name.as_str()).collect();
    assert_eq!(names, ["/w/main.weir", "/w/common.weir", "/w/rules.d/x.weir"]);

    let main = &set.files[0];
    let Some(Item::Scores(Scores::Inline(entries))) = main.items.get(1) else { panic!("{main:?}") };
    let overrides: Vec<_> = entries.iter().map(|entry| (entry.rule.text.as_str(), entry.weight)).collect();
    assert_eq!(overrides.len(), 2);
    assert_eq!((overrides[0].0, overrides[1]), ("A", ("B", None)));
    assert_eq!(set.sources.location(entries[1].rule.span).to_string(), "b.scores:1");

    let Some(Item::Declaration(pool)) = main.items.get(3) else { panic!("{main:?}") };
    let words: Vec<&str> = pool
        .body
        .iter()
        .map(|atom| if matches!(atom.kind, AtomKind::Newline) { "|" } else { set.sources.text(atom.span) })
        .collect();
    assert_eq!(
        words.join(" "),
        "balance round_robin | server one 192.0.2.1:25 | slots 5 | server two 192.0.2.2:25 | empty 451 4.3.2 \"none\""
    );

    let Item::List(list) = &set.files[1].items[0] else { panic!("no list") };
    let Entries::File(quoted) = &list.entries else { panic!("no file") };
    let [id] = set.attached(quoted) else { panic!("not attached") };
    let entries = parse::entries(&set.sources, *id).tree;
    assert_eq!(entries.iter().map(|entry| entry.text).collect::<Vec<_>>(), ["192.0.2.0/24", "2001:db8::/32"]);
    assert_eq!(set.sources.location(entries[1].span).line, 4);

    let Item::Map(map) = &set.files[1].items[1] else { panic!("no map") };
    let Entries::File(quoted) = &map.entries else { panic!("no file") };
    let pairs = parse::pairs(&set.sources, set.attached(quoted)[0]).tree;
    assert_eq!((pairs[0].0.text, pairs[0].1.text), ("a@example.org", "first of all"));
    assert_eq!(set.sources.text(pairs[0].1.span), "first of all");
}

#[test]
fn a_missing_file_hides_no_other_fault() {
    let table = Table::default()
        .with("main.weir", "weir 1\nuse \"gone.weir\"\nuse \"bad.weir\"\nlist a : net = file \"gone.txt\"\n")
        .with("bad.weir", "weir 1\nrule = 1\n");
    let set = table.read("main.weir");
    assert_eq!(ids(&set), ["W0130", "W0130", "W0103"], "{}", shown(&set));
    assert!(set.has_errors());
}

#[test]
fn cycles_are_refused_and_diamonds_are_not() {
    let table = Table::default()
        .with("a.weir", "weir 1\nuse \"b.weir\"\nuse \"./c.weir\"\n")
        .with("b.weir", "weir 1\nuse \"c.weir\"\n")
        .with("c.weir", "weir 1\nrule A = true\n");
    let set = table.read("a.weir");
    assert_eq!(shown(&set), "");
    assert_eq!(set.files.len(), 3);
    let table = table.with("c.weir", "weir 1\nuse \"a.weir\"\n");
    assert_eq!(ids(&table.read("a.weir")), ["W0132"]);
}

#[test]
fn depth_is_bounded() {
    let mut table = Table::default();
    for index in 0..USE_DEPTH_MAX + 5 {
        table = table.with(&format!("{index}.weir"), &format!("weir 1\nuse \"{}.weir\"\n", index + 1));
    }
    assert_eq!(ids(&table.read("0.weir")), ["W0135"]);
}

#[test]
fn used_files_have_facts_only() {
    let table = Table::default()
        .with("a.weir", "weir 1\nrole mx\nuse \"b.weir\"\n")
        .with("b.weir", "weir 1\nrole scanner\non rcpt { accept }\n");
    let set = table.read("a.weir");
    assert_eq!(ids(&set), ["W0134", "W0133"]);
}

#[test]
fn a_pattern_without_a_match_is_a_warning() {
    let table = Table::default()
        .with("a.weir", "weir 1\nuse \"none.d/*.weir\"\npool p { use \"none.d/*.server\" }\n");
    let set = table.read("a.weir");
    assert_eq!(ids(&set), ["W0131", "W0131"]);
    assert!(!set.has_errors());
    let Item::Declaration(pool) = &set.files[0].items[1] else { panic!("no pool") };
    assert!(pool.body.is_empty());
}

#[test]
fn faults_of_lists_scores_and_fragments_are_theirs() {
    let table = Table::default()
        .with(
            "a.weir",
            "weir 1\nscores \"x.scores\"\nmap m : address -> text = file \"m.map\"\npool p { use \"x.server\" }\n",
        )
        .with("x.scores", "A 1.5\nB = 2\nC = 1.234\n")
        .with("m.map", "lonely\nkey value\n")
        .with("x.server", "server one (\nserver two 192.0.2.1:99999\n");
    let set = table.read("a.weir");
    let names: Vec<String> =
        set.diagnostics.iter().map(|f| format!("{} {}", f.code.id, set.sources.location(f.span))).collect();
    assert_eq!(
        names,
        ["W0136 x.scores:1", "W0108 x.scores:3", "W0137 m.map:1", "W0105 x.server:1", "W0108 x.server:2"],
        "{}",
        shown(&set)
    );
}

#[test]
fn a_root_that_is_missing_is_named() {
    let set = Table::default().read("/nowhere/main.weir");
    assert_eq!(
        shown(&set),
        "error[W0130]: `/nowhere/main.weir` cannot be read: no such file

"
    );
}

#[test]
fn plain_texts_keep_their_kind() {
    // A `use` in a body is a setting only before a plain text.
    let table = Table::default().with("a.weir", "weir 1\npool p { use 3 }\n");
    let set = table.read("a.weir");
    let Item::Declaration(pool) = &set.files[0].items[0] else { panic!("no pool") };
    let last = pool.body.last().unwrap();
    let AtomKind::Value(value) = &last.kind else { panic!("no value") };
    assert!(matches!(value.kind, ExprKind::Literal(Literal::Int(3))));
}
