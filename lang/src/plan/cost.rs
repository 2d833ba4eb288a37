//! What a plan can cost at worst, for `weir check --cost`.

use std::fmt;

/// The worst case of each phase.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CostReport {
    /// The phases of the file set, in wire order.
    pub phases: Vec<PhaseCost>,
    /// Operations of the whole plan: no evaluation takes more steps.
    pub operations: usize,
    /// Entries of all lists and maps.
    pub entries: usize,
}

/// The worst case of one run of one phase.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PhaseCost {
    /// Its name.
    pub phase: &'static str,
    /// Statements that it has, those of its checks included.
    pub statements: usize,
    /// Rules that it can run.
    pub rules: usize,
    /// Lookups and gathered fields that it can ask for.
    pub lookups: usize,
    /// The fields that patterns look at, each scanned once, with the number of patterns and of those that no literal
    /// finds.
    pub scans: Vec<ScanCost>,
    /// The longest that a group's decision waits, in milliseconds; `None` when no group in it has a deadline.
    pub deadline: Option<u64>,
}

/// One scanned field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanCost {
    /// As rules write it.
    pub field: String,
    /// Patterns in its set.
    pub patterns: usize,
    /// Those that run over every text: some 7 us for 4 KiB each.
    pub without_literal: usize,
}

impl fmt::Display for CostReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "phase     statements  rules  lookups  patterns  deadline  scanned")?;
        for phase in &self.phases {
            let patterns: usize = phase.scans.iter().map(|scan| scan.patterns).sum();
            let deadline =
                phase.deadline.map_or_else(|| String::from("-"), |milliseconds| format!("{milliseconds}ms"));
            let scanned: Vec<String> = phase.scans.iter().map(ToString::to_string).collect();
            writeln!(
                out,
                "{:<9} {:>10} {:>6} {:>8} {:>9} {:>9}  {}",
                phase.phase,
                phase.statements,
                phase.rules,
                phase.lookups,
                patterns,
                deadline,
                if scanned.is_empty() { String::from("-") } else { scanned.join(", ") }
            )?;
        }
        write!(out, "{} operations, {} list entries", self.operations, self.entries)
    }
}

impl fmt::Display for ScanCost {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ({}", self.field, self.patterns)?;
        if self.without_literal > 0 {
            write!(out, ", {} without a literal", self.without_literal)?;
        }
        out.write_str(")")
    }
}
