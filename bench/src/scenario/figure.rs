//! The figures of a run by name, and what a scenario expects of them: `lost = 0`, `over.goodput >= 0.9 * peak.goodput`.

use std::collections::BTreeMap;

use crate::figures::{FIGURES, Of, known, owner};

/// Figures by name.
pub(crate) type Figures = BTreeMap<String, f64>;

/// All names that a scenario can use.
pub(super) fn all() -> Vec<&'static str> {
    FIGURES.iter().filter(|figure| figure.of != Of::Compare).map(|figure| figure.name).collect()
}

/// What a figure's name can be in a scenario.
pub(super) struct Known<'a> {
    pub(super) loads: Vec<&'a str>,
    pub(super) nodes: Vec<&'a str>,
    pub(super) has_sinks: bool,
    pub(super) is_measured: bool,
}

impl Known<'_> {
    /// Explains what is wrong with a name.
    pub(super) fn check(&self, name: &str) -> Result<(), String> {
        let (owner, figure) = owner(name);
        let of = if is_code(figure) { Some(Of::Count) } else { known(figure).map(|figure| figure.of) };
        if of == Some(Of::Sinks) && !self.has_sinks {
            return Err(format!("`{name}` is what sinks prove, and no node is a sink"));
        }
        let is_known = match (owner, of) {
            (None, Some(Of::Node)) => self.is_measured,
            (None, of) => !matches!(of, None | Some(Of::Compare)),
            (Some(owner), Some(Of::Count | Of::Load)) if self.loads.contains(&owner) => true,
            // The measured node's, while that load ran.
            (Some(owner), Some(Of::Node)) if self.loads.contains(&owner) => self.is_measured,
            (Some(owner), Some(Of::Node)) => self.nodes.contains(&owner),
            (Some(_), _) => false,
        };
        match owner.filter(|owner| !self.loads.contains(owner) && !self.nodes.contains(owner)) {
            Some(owner) => Err(format!("`{name}`: no load or node is called `{owner}`")),
            None if is_known => Ok(()),
            None => Err(self.refusal(name, of == Some(Of::Node))),
        }
    }

    fn refusal(&self, name: &str, of_node: bool) -> String {
        if of_node && !self.is_measured {
            return format!(
                "`{name}` is a figure of the measured node: add `measure = {{ node = \"NAME\" }}`"
            );
        }
        let all = all();
        format!("there is no figure `{name}`; there are: {}, refused_CODE", all.join(", "))
    }
}

/// `refused_421`: attempts that were refused with this code.
fn is_code(figure: &str) -> bool {
    figure.strip_prefix("refused_").is_some_and(|code| code.len() == 3 && code.parse::<u16>().is_ok())
}

/// A number, a figure, or a number times a figure.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Term {
    factor: f64,
    figure: Option<String>,
}

impl Term {
    pub(crate) fn figure(&self) -> Option<&str> {
        self.figure.as_deref()
    }

    /// Its value; a figure that is not there is NaN, which is neither more nor less than anything.
    pub(crate) fn value(&self, figures: &Figures) -> f64 {
        let figure = self.figure.as_ref().map_or(1.0, |name| of(figures, name));
        self.factor * figure
    }
}

/// A figure's value. No client was refused with a code that does not occur.
fn of(figures: &Figures, name: &str) -> f64 {
    let absent = if is_code(name.rsplit('.').next().unwrap_or(name)) { 0.0 } else { f64::NAN };
    figures.get(name).copied().unwrap_or(absent)
}

impl std::str::FromStr for Term {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || format!("`{text}` is no value: write a number, a figure, or `NUMBER * FIGURE`");
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
        if let Some((factor, figure)) = text.split_once('*') {
            let factor = number(factor).ok_or_else(wanted)?;
            return Ok(Self { factor, figure: Some(name(figure.trim()).ok_or_else(wanted)?) });
        }
        match number(text) {
            Some(factor) => Ok(Self { factor, figure: None }),
            None => Ok(Self { factor: 1.0, figure: Some(name(text.trim()).ok_or_else(wanted)?) }),
        }
    }
}

fn name(text: &str) -> Option<String> {
    let is_name = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    is_name.then(|| text.to_owned())
}

/// Something that must hold of a run.
#[derive(Clone, Debug)]
pub(crate) struct Expectation {
    /// As it was written.
    pub(crate) text: String,
    pub(crate) left: String,
    comparison: &'static str,
    pub(crate) right: Term,
}

/// Numbers that differ by less are equal: counts are whole.
const EQUAL_WITHIN: f64 = 1e-6;

/// Longer ones first, so that `<=` is not read as `<`.
const COMPARISONS: &[&str] = &["!=", "<=", ">=", "=", "<", ">"];

impl std::str::FromStr for Expectation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || format!("`{text}` is no expectation: write `lost = 0` or `latency_p99_us < 50000`");
        let found =
            COMPARISONS.iter().find_map(|comparison| Some((*comparison, text.split_once(comparison)?)));
        let (comparison, (left, right)) = found.ok_or_else(wanted)?;
        let left = name(left.trim()).ok_or_else(wanted)?;
        Ok(Self { text: text.to_owned(), left, comparison, right: right.parse()? })
    }
}

impl Expectation {
    /// Looks whether it is so.
    pub(crate) fn found(&self, figures: &Figures) -> crate::result::Expectation {
        let (found, wanted) = (of(figures, &self.left), self.right.value(figures));
        let met = match self.comparison {
            "!=" => (found - wanted).abs() >= EQUAL_WITHIN,
            "<=" => found <= wanted,
            ">=" => found >= wanted,
            "<" => found < wanted,
            ">" => found > wanted,
            _ => (found - wanted).abs() < EQUAL_WITHIN,
        };
        let found = Some(found).filter(|found| found.is_finite());
        crate::result::Expectation { text: self.text.clone(), found, met }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_met(text: &str) -> bool {
        let figures = Figures::from([("lost".into(), 0.0), ("a.rate".into(), 90.0), ("rate".into(), 100.0)]);
        text.parse::<Expectation>().unwrap_or_else(|fault| panic!("{fault}")).found(&figures).met
    }

    #[test]
    fn expectations_compare_figures_and_numbers() {
        for text in [
            "lost = 0",
            "lost <= 0",
            "a.rate >= 0.9 * rate",
            "a.rate < rate",
            "rate != 1e3",
            "refused_421 = 0",
        ] {
            assert!(is_met(text), "{text}");
        }
        for text in
            ["lost > 0", "lost != 0", "a.rate > 0.9 * rate", "nothing = 0", "nothing != 0", "lost < nothing"]
        {
            assert!(!is_met(text), "{text}");
        }
        for wrong in ["lost", "lost = ", "= 0", "lost = x y", "0 < lost", "lost = 2 * 3"] {
            assert!(wrong.parse::<Expectation>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_wrong_name_is_explained() {
        let known = Known { loads: vec!["peak"], nodes: vec!["lb"], has_sinks: false, is_measured: false };
        for right in ["accepted", "peak.accepted", "peak.refused_421", "lb.rss_peak_bytes", "fate_unsure"] {
            assert_eq!(known.check(right), Ok(()), "{right}");
        }
        for (wrong, part) in [
            ("acepted", "there is no figure `acepted`; there are: attempts_per_second, "),
            ("lost", "what sinks prove"),
            ("top.accepted", "no load or node is called `top`"),
            ("lb.accepted", "there is no figure `lb.accepted`"),
            ("rss_peak_bytes", "add `measure = { node = \"NAME\" }`"),
        ] {
            let fault = known.check(wrong).unwrap_err();
            assert!(fault.contains(part), "{wrong}: {fault}");
        }
    }
}
