//! Statements: verbs with their forms, blocks, `let` and `do`.

use super::form::{Cursor, Mismatch};
use super::kind::word;
use super::names::Symbol;
use super::typed::Binding;
use super::value::constant_text;
use super::{CALL_DEPTH_MAX, Checker, STATEMENTS_MAX};
use crate::ast::{self, Atom, Expr, ExprKind, Literal, Name, Piece};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::codes::meaning;
use crate::hir::{self, Action, Node, Operand, Statement};
use crate::plan::{Arg, Constant, Expression, RuleSpec, Term};
use crate::scheme::{Flow, Kind, Type, VerbSpec};
use crate::source::Span;

impl<'a> Checker<'a> {
    /// The statements of a block; names of `let` in it end with it.
    pub(super) fn block(&mut self, block: &'a ast::Block) -> Vec<Statement> {
        let visible = self.lets.len();
        let mut statements = Vec::with_capacity(block.statements.len());
        for statement in &block.statements {
            self.statements += 1;
            if self.statements == STATEMENTS_MAX {
                let message = format!("more than {STATEMENTS_MAX} statements, each `do` written out");
                self.report(&meaning::TOO_LARGE, block.span, message, "");
            }
            if self.statements >= STATEMENTS_MAX {
                break;
            }
            statements.extend(self.statement(statement));
        }
        self.lets.truncate(visible);
        statements
    }

    fn statement(&mut self, statement: &'a ast::Statement) -> Option<Statement> {
        match statement {
            ast::Statement::Verb(verb) => {
                let guard = verb.guard.as_ref().map(|guard| self.condition(guard));
                let action = self.verb(verb)?;
                Some(Statement::Verb { guard, action })
            }
            ast::Statement::If(written) => {
                let arms = written.arms.iter().map(|(condition, body)| {
                    let condition = self.condition(condition);
                    (condition, self.block(body))
                });
                let arms = arms.collect();
                let otherwise = written.otherwise.as_ref().map(|body| self.block(body));
                let span = written.arms.first().map_or(written.span, |(condition, _)| condition.span);
                Some(Statement::If { arms, otherwise, span })
            }
            ast::Statement::Let { name, value } => {
                self.bind_let(name, value);
                None
            }
            ast::Statement::Do { name, guard, span } => {
                let guard = guard.as_ref().map(|guard| self.condition(guard));
                let body = self.call_check(name)?;
                Some(Statement::Do { guard, body, span: *span })
            }
        }
    }

    fn bind_let(&mut self, name: &'a Name, value: &'a Expr) {
        let known = self.names.find(&name.text).map(|(_, span)| span);
        let before = known.or_else(|| self.binding(&name.text).map(|(_, span)| span));
        if let Some(before) = before {
            let fault =
                Diagnostic::new(&meaning::TWICE, name.span, format!("`{}` is defined twice", name.text))
                    .with_label("defined again here")
                    .with_related(before, "first defined here");
            self.fault(fault);
        } else if let Some(taken) = self.taken(&name.text) {
            let message = format!("`{}` is a {taken}", name.text);
            self.report(&meaning::TWICE, name.span, message, "the name is taken");
        }
        let binding = if self.stands_for_condition(value) {
            Some(self.hidden_rule(value))
        } else {
            self.value(value).map(Binding::Value)
        };
        if let Some(binding) = binding {
            self.lets.push((&name.text, binding, name.span));
        }
    }

    fn stands_for_condition(&self, value: &Expr) -> bool {
        match &value.kind {
            ExprKind::Not(_)
            | ExprKind::And(..)
            | ExprKind::Or(..)
            | ExprKind::Compare { .. }
            | ExprKind::Literal(Literal::Bool(_)) => true,
            ExprKind::Path(path) => match path.as_slice() {
                [name] => match self.binding(&name.text) {
                    Some((binding, _)) => matches!(binding, Binding::Condition(_)),
                    None => matches!(self.names.find(&name.text), Some((Symbol::Rule(_), _))),
                },
                _ => false,
            },
            _ => false,
        }
    }

    /// The condition of a `let`: a rule without a name, computed once however often it is asked.
    fn hidden_rule(&mut self, value: &'a Expr) -> Binding {
        let before = std::mem::take(&mut self.since);
        let condition = self.condition(value);
        let since = std::mem::replace(&mut self.since, before);
        let spec = RuleSpec {
            name: String::new(),
            weight: None,
            off: false,
            text: None,
            group: None,
            shadow: false,
            location: self.set.sources.location(value.span),
        };
        let rule = self.rules.len();
        self.rules.push(hir::Rule { spec, condition });
        self.rule_since.push(since);
        self.order.push(Node::Rule(rule));
        Binding::Condition(rule)
    }

    /// The statements of a check, as this place sees them.
    fn call_check(&mut self, name: &'a Name) -> Option<Vec<Statement>> {
        let Symbol::Check(index) = self.named(name, "check")? else { return None };
        let check = self.names.checks.get(index).copied()?;
        if self.calls.contains(&index) {
            let names = self.calls.iter().filter_map(|call| self.names.checks.get(*call));
            let mut names: Vec<&str> = names.map(|check| check.name.text.as_str()).collect();
            names.push(&name.text);
            let fault = Diagnostic::new(
                &meaning::RECURSION,
                name.span,
                format!("check `{}` calls itself", name.text),
            )
            .with_note(format!("the calls are {}", names.join(" -> ")));
            self.fault(fault);
            return None;
        }
        if self.calls.len() == CALL_DEPTH_MAX {
            let message = format!("checks call checks more than {CALL_DEPTH_MAX} deep");
            self.report(&meaning::TOO_LARGE, name.span, message, "");
            return None;
        }
        self.calls.push(index);
        // A check sees its own names only: what it means does not depend on who calls it.
        let outer = std::mem::take(&mut self.lets);
        let body = self.block(&check.body);
        self.lets = outer;
        self.calls.pop();
        Some(body)
    }

    fn verb(&mut self, verb: &'a ast::Verb) -> Option<Action> {
        let (index, spec) = self.verb_spec(&verb.word.text, verb.word.span)?;
        let last = verb.atoms.last().map_or(verb.word.span, |atom| atom.span);
        let mut at = Cursor { rest: &verb.atoms, end: Span { start: last.end, ..last }, values: true };
        let mut operands = Vec::new();
        // After a fault the verb still ends what it ends, so that nothing is said of paths that are none.
        let read = self.form(&spec.form, &mut at, &mut operands);
        if let Some(atom) = at.peek().filter(|_| read.is_some()) {
            self.misfit(&spec.form, atom.span, "the end of the statement or `if`");
        }
        self.same_class(&operands, &verb.atoms);
        let span = verb.word.span;
        if verb.shadow {
            for operand in &mut operands {
                if let Operand::Statement(nested) = operand {
                    nested.shadow = true;
                }
            }
        }
        let location = self.set.sources.location(span);
        Some(Action { verb: index, shadow: verb.shadow, operands, location, span })
    }

    fn verb_spec(&mut self, name: &str, span: Span) -> Option<(usize, &'static VerbSpec)> {
        let found = self.scheme.verbs.iter().enumerate().find(|(_, verb)| verb.form.word == name);
        let Some((index, spec)) = found else {
            let fault = Diagnostic::new(&meaning::VERB, span, format!("there is no verb `{name}`"));
            let verbs = self.scheme.verbs.iter().map(|verb| verb.form.word);
            let fault = self.suggest(fault, name, verbs.chain(["if", "let", "do", "shadow"]));
            self.fault(fault);
            return None;
        };
        if let Some(phase) =
            self.phase.filter(|phase| !spec.phases.is_empty() && !spec.phases.contains(phase))
        {
            let phases = spec.phases.iter().map(|phase| self.phase_name(*phase));
            let phases = super::member::either(phases.collect::<Vec<_>>());
            let message = format!("`{name}` cannot stand in phase `{}`", self.phase_name(phase));
            let fault = Diagnostic::new(&meaning::VERB_PHASE, span, message)
                .with_label(format!("stands in {phases}"));
            self.fault(fault);
        }
        Some((index, spec))
    }

    /// The statement behind `else` in a `limit`.
    pub(super) fn nested(&mut self, at: &mut Cursor<'a>, out: &mut Vec<Operand>) -> Result<(), Mismatch> {
        let start = at.rest;
        let Some(atom) = at.next() else { return Err(Mismatch::Expected(String::from("a verb"))) };
        let Some(name) = word(atom) else {
            at.rest = start;
            return Err(Mismatch::Expected(String::from("a verb")));
        };
        let (verb, spec) = self.verb_spec(name, atom.span).ok_or(Mismatch::Reported)?;
        if spec.flow == Flow::Asks {
            let message = format!("`{name}` cannot stand behind `else`");
            self.report(&meaning::VERB_PHASE, atom.span, message, "expected another verb");
            return Err(Mismatch::Reported);
        }
        let mut operands = Vec::new();
        self.form(&spec.form, at, &mut operands).ok_or(Mismatch::Reported)?;
        self.same_class(&operands, start);
        let location = self.set.sources.location(atom.span);
        let action = Action { verb, shadow: false, operands, location, span: atom.span };
        out.push(Operand::Statement(Box::new(action)));
        Ok(())
    }

    /// An enhanced status code is of the class of the code before it (RFC 2034, 4).
    fn same_class(&mut self, operands: &[Operand], atoms: &[Atom]) {
        for pair in operands.windows(2) {
            let [Operand::Arg(Arg::Code(code)), Operand::Arg(Arg::Enhanced(class, subject, detail))] = pair
            else {
                continue;
            };
            if *code / 100 == u16::from(*class) {
                continue;
            }
            let is_enhanced = |atom: &&Atom| {
                matches!(
                    &atom.kind,
                    ast::AtomKind::Value(Expr { kind: ExprKind::Literal(Literal::Enhanced(..)), .. })
                )
            };
            let Some(atom) = atoms.iter().find(is_enhanced) else { continue };
            let right = code / 100;
            let message = format!("{code} and {class}.{subject}.{detail} are of different classes");
            let fault = Diagnostic::new(&meaning::CLASS, atom.span, message)
                .with_label(format!("expected {right}.{subject}.{detail}"));
            self.fault(fault);
        }
    }

    /// A value or text that is shown or used as a key.
    pub(super) fn operand(&mut self, kind: Kind, expr: &'a Expr) -> Option<Operand> {
        if let (Kind::Template, ExprKind::Literal(Literal::Text(pieces))) = (kind, &expr.kind) {
            return match constant_text(pieces) {
                Some(text) => Some(Operand::Arg(Arg::Text(text))),
                None => self.template(pieces),
            };
        }
        let typed = self.value(expr)?;
        let key = matches!(typed.ty, Type::Ip | Type::Net | Type::Domain | Type::Address | Type::Text);
        let shown = kind == Kind::Template && typed.ty != Type::Message;
        if !key && !shown {
            let label = format!("this is of type {}", typed.ty.name());
            self.report(&meaning::TYPE, expr.span, "expected an ip, net, domain, address or text", &label);
            return None;
        }
        if kind == Kind::Expr && !self.is_value(&typed, expr.span) {
            return None;
        }
        Some(Operand::Value(typed.value))
    }

    fn template(&mut self, pieces: &'a [Piece]) -> Option<Operand> {
        let mut values = Vec::with_capacity(pieces.len());
        let mut whole = true;
        for piece in pieces {
            match piece {
                Piece::Text(text) => {
                    let text = Constant::Text(text.as_bytes().into());
                    values.push(Expression::Term(Term::Constant(text)));
                }
                Piece::Value(expr) => match self.value(expr) {
                    Some(typed) if typed.ty == Type::Message => {
                        self.report(&meaning::TYPE, expr.span, "the message is no text", "expected a value");
                        whole = false;
                    }
                    Some(typed) => values.push(typed.value),
                    None => whole = false,
                },
            }
        }
        whole.then_some(Operand::Template(values))
    }
}
