//! Rules: weights and groups, the order in which they can run, and from which phase on.

use std::collections::HashMap;

use super::names::Symbol;
use super::typed::Since;
use super::{Checker, RULE_DEPTH_MAX, RULES_MAX};
use crate::ast;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::codes::meaning;
use crate::hir::{self, Node};
use crate::plan::RuleSpec;
use crate::source::Span;

impl<'a> Checker<'a> {
    pub(super) fn check_rules(&mut self) {
        let rules = self.names.rules.clone();
        self.named = rules.len();
        if let Some(rule) = rules.get(RULES_MAX) {
            let message = format!("the set has more than {RULES_MAX} rules");
            self.report(&meaning::TOO_LARGE, rule.name.span, message, "");
        }
        self.rule_since = vec![Since::default(); rules.len()];
        self.group_since = vec![Since::default(); self.groups.len()];
        for (index, rule) in rules.into_iter().enumerate() {
            self.check_rule(index, rule);
        }
        self.sort_rules();
    }

    fn check_rule(&mut self, index: usize, rule: &'a ast::Rule) {
        let group = rule.group.as_ref().and_then(|name| match self.named(name, "group")? {
            Symbol::Group(group) => Some(group),
            _ => None,
        });
        match (&rule.weight, &rule.group) {
            (Some(_), None) => {
                let fault = Diagnostic::new(
                    &meaning::WEIGHT,
                    rule.name.span,
                    format!("rule `{}` has a weight and no group", rule.name.text),
                )
                .with_label("a weight adds to the score of a group")
                .with_help("write `in GROUP` before the `=`, or take the weight away");
                self.fault(fault);
            }
            (None, Some(name)) => {
                let fault = Diagnostic::new(
                    &meaning::WEIGHT,
                    name.span,
                    format!("rule `{}` has a group and no weight", rule.name.text),
                )
                .with_label("what does it add?")
                .with_help(format!("write the weight behind the name: `rule {} 1.0`", rule.name.text));
                self.fault(fault);
            }
            _ => {}
        }
        self.phase = None;
        self.since = Since::default();
        let condition = self.condition(&rule.condition);
        let since = std::mem::take(&mut self.since);
        if let Some(place) = self.rule_since.get_mut(index) {
            *place = since;
        }
        let group_of = group.filter(|_| rule.weight.is_some());
        if let Some(group) = group_of.and_then(|group| self.groups.get_mut(group)) {
            group.rules.push(index);
        }
        let spec = RuleSpec {
            name: rule.name.text.clone(),
            weight: rule.weight,
            off: false,
            text: rule.text.as_ref().map(|text| text.text.clone()),
            group,
            shadow: rule.shadow,
            location: self.set.sources.location(rule.name.span),
        };
        self.rules.push(hir::Rule { spec, condition });
    }

    /// Puts each rule and group behind those that it refers to; a circle is a fault.
    fn sort_rules(&mut self) {
        let mut sorting = Sorting::default();
        let rules = (0..self.rules.len()).map(Node::Rule);
        let groups = (0..self.groups.len()).map(Node::Group);
        for node in rules.chain(groups) {
            if let Some(circle) = sorting.visit(node, |node| self.referred(node)) {
                self.circle(&circle);
                return;
            }
        }
        for node in &sorting.order {
            let mut since = self.node_since(*node);
            for inner in self.referred(*node) {
                since = since.later(&self.node_since(inner));
            }
            match *node {
                Node::Rule(rule) => {
                    if let Some(place) = self.rule_since.get_mut(rule) {
                        *place = since;
                    }
                }
                Node::Group(group) => {
                    if let Some(place) = self.group_since.get_mut(group) {
                        *place = since;
                    }
                }
            }
        }
        if let Some(node) = sorting.order.iter().find(|node| sorting.depth(**node) > RULE_DEPTH_MAX) {
            let message = format!("rules refer to rules more than {RULE_DEPTH_MAX} deep");
            let place = self.node_place(*node);
            self.report(&meaning::TOO_LARGE, place, message, "here it becomes too deep");
        }
        self.order = sorting.order;
    }

    fn referred(&self, node: Node) -> Vec<Node> {
        match node {
            Node::Rule(rule) => self.rules.get(rule).map(|rule| rule.condition.nodes()).unwrap_or_default(),
            Node::Group(group) => self
                .groups
                .get(group)
                .map(|group| group.rules.iter().copied().map(Node::Rule).collect())
                .unwrap_or_default(),
        }
    }

    fn node_since(&self, node: Node) -> Since {
        let since = match node {
            Node::Rule(rule) => self.rule_since.get(rule),
            Node::Group(group) => self.group_since.get(group),
        };
        since.cloned().unwrap_or_default()
    }

    fn node_place(&self, node: Node) -> Span {
        let nowhere = Span { file: crate::source::FileId(0), start: 0, end: 0 };
        match node {
            Node::Rule(rule) => self.names.rules.get(rule).map_or(nowhere, |rule| rule.name.span),
            Node::Group(group) => self.names.groups.get(group).map_or(nowhere, |group| group.name.span),
        }
    }

    fn node_name(&self, node: Node) -> String {
        match node {
            Node::Rule(rule) => self.names.rules.get(rule).map_or("", |rule| &rule.name.text).to_owned(),
            Node::Group(group) => {
                format!("score({})", self.names.groups.get(group).map_or("", |group| &group.name.text))
            }
        }
    }

    fn circle(&mut self, circle: &[Node]) {
        let Some(first) = circle.first() else { return };
        let mut names: Vec<String> = circle.iter().map(|node| self.node_name(*node)).collect();
        names.extend(names.first().cloned());
        let mut fault = Diagnostic::new(
            &meaning::CIRCLE,
            self.node_place(*first),
            format!("`{}` depends on itself", self.node_name(*first)),
        )
        .with_label("to know it, it must be known already")
        .with_note(format!("the circle is {}", names.join(" -> ")));
        for node in circle.iter().skip(1) {
            fault = fault.with_related(self.node_place(*node), "through this");
        }
        self.fault(fault);
    }
}

/// A depth-first sort with a stack of its own, so that the depth of rules does not bound the depth of calls.
#[derive(Default)]
struct Sorting {
    /// Done, with its depth; or `None` while what it refers to is being done.
    seen: HashMap<Node, Option<usize>>,
    order: Vec<Node>,
}

impl Sorting {
    /// Sorts a node and all it refers to, or gives the circle that it is part of.
    fn visit(&mut self, node: Node, referred: impl Fn(Node) -> Vec<Node>) -> Option<Vec<Node>> {
        if self.seen.contains_key(&node) {
            return None;
        }
        self.seen.insert(node, None);
        let mut open = vec![(node, referred(node), 0)];
        while let Some((node, inner, next)) = open.last_mut() {
            let node = *node;
            let Some(child) = inner.get(*next).copied() else {
                let depth = inner.iter().map(|child| self.depth(*child)).max().unwrap_or(0) + 1;
                self.seen.insert(node, Some(depth));
                self.order.push(node);
                open.pop();
                continue;
            };
            *next += 1;
            match self.seen.get(&child) {
                Some(Some(_)) => {}
                Some(None) => {
                    let path = open.iter().map(|(node, ..)| *node);
                    return Some(path.skip_while(|node| *node != child).collect());
                }
                None => {
                    self.seen.insert(child, None);
                    open.push((child, referred(child), 0));
                }
            }
        }
        None
    }

    fn depth(&self, node: Node) -> usize {
        self.seen.get(&node).copied().flatten().unwrap_or(0)
    }
}
