//! Where statements lead: to a final verb, through to the end, or out of the phase without a verdict.

use super::Checker;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::codes::meaning;
use crate::hir::{Action, Statement};
use crate::scheme::{Flow, Scheme};
use crate::source::Span;

/// The worst way through statements.
pub(super) enum Way {
    /// Every path ends in a final verb.
    Ends,
    /// A path runs through to the end, by these forks.
    Through(Vec<Span>),
    /// A path leaves the phase without a verdict, by these forks.
    Leaves(Vec<Span>),
}

/// Places shown of a path.
const PATH_MAX: usize = 12;

pub(super) fn way(scheme: &Scheme, statements: &[Statement]) -> Way {
    let mut path = Vec::new();
    for statement in statements {
        match way_of(scheme, statement) {
            Way::Ends => return Way::Ends,
            Way::Through(forks) => path.extend(forks),
            Way::Leaves(forks) => {
                path.extend(forks);
                path.truncate(PATH_MAX);
                return Way::Leaves(path);
            }
        }
    }
    path.truncate(PATH_MAX);
    Way::Through(path)
}

fn way_of(scheme: &Scheme, statement: &Statement) -> Way {
    match statement {
        Statement::Verb { guard, action } => match (flow(scheme, action), guard) {
            (Flow::EndsPhase, _) => Way::Leaves(vec![action.span]),
            (Flow::Final, None) => Way::Ends,
            (Flow::Final, Some(_)) => Way::Through(vec![action.span]),
            _ => Way::Through(Vec::new()),
        },
        Statement::Do { guard, body, span } => match (way(scheme, body), guard) {
            (Way::Ends, None) => Way::Ends,
            (Way::Ends | Way::Through(_), Some(_)) => Way::Through(vec![*span]),
            (other, _) => other,
        },
        Statement::If { arms, otherwise, span } => {
            let mut through = otherwise.is_none().then(|| vec![*span]);
            let blocks = arms.iter().map(|(_, body)| body).chain(otherwise);
            for body in blocks {
                match way(scheme, body) {
                    Way::Ends => {}
                    Way::Leaves(forks) => return Way::Leaves([vec![*span], forks].concat()),
                    Way::Through(forks) => {
                        through.get_or_insert_with(|| [vec![*span], forks].concat());
                    }
                }
            }
            through.map_or(Way::Ends, Way::Through)
        }
    }
}

/// What a verb does here: in the shadow nothing but note that it would.
fn flow(scheme: &Scheme, action: &Action) -> Flow {
    let flow = scheme.verbs.get(action.verb).map_or(Flow::Continues, |verb| verb.flow);
    if action.shadow { Flow::Continues } else { flow }
}

/// Whether nothing behind a statement can run.
fn stops(scheme: &Scheme, statement: &Statement) -> bool {
    match statement {
        Statement::Verb { guard, action } => {
            guard.is_none() && matches!(flow(scheme, action), Flow::Final | Flow::EndsPhase)
        }
        Statement::Do { guard, body, .. } => guard.is_none() && body.iter().any(|inner| stops(scheme, inner)),
        Statement::If { arms, otherwise, .. } => {
            let stopped = |body: &Vec<Statement>| body.iter().any(|inner| stops(scheme, inner));
            arms.iter().all(|(_, body)| stopped(body)) && otherwise.as_ref().is_some_and(stopped)
        }
    }
}

fn place(statement: &Statement) -> Span {
    match statement {
        Statement::Verb { action, .. } => action.span,
        Statement::Do { span, .. } | Statement::If { span, .. } => *span,
    }
}

impl Checker<'_> {
    pub(super) fn warn_of_unreachable(&mut self, statements: &[Statement]) {
        let stop = statements.iter().position(|statement| stops(self.scheme, statement));
        if let Some((stop, next)) = stop.and_then(|at| Some((statements.get(at)?, statements.get(at + 1)?))) {
            let fault = Diagnostic::new(&meaning::UNREACHABLE, place(next), "this statement never runs")
                .with_label("unreachable")
                .with_related(place(stop), "every path ends here");
            self.fault(fault);
        }
        for statement in statements {
            match statement {
                Statement::If { arms, otherwise, .. } => {
                    for body in arms.iter().map(|(_, body)| body).chain(otherwise) {
                        self.warn_of_unreachable(body);
                    }
                }
                Statement::Do { body, .. } => self.warn_of_unreachable(body),
                Statement::Verb { .. } => {}
            }
        }
    }
}
