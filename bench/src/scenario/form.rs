//! A scenario file as it is written: its keys and their types.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::Fault;

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Form {
    pub(super) about: String,
    pub(super) warm_up: Option<Spanned<String>>,
    pub(super) rest: Option<Spanned<String>>,
    pub(super) measure: Option<Spanned<MeasureForm>>,
    #[serde(default)]
    pub(super) events: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) expect: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) expect_of_weir: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) node: Vec<Spanned<NodeForm>>,
    #[serde(default)]
    pub(super) load: Vec<Spanned<LoadForm>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MeasureForm {
    pub(super) node: String,
    #[serde(rename = "as")]
    pub(super) role: Option<String>,
    #[serde(default)]
    pub(super) next_hops: Vec<String>,
    pub(super) dns: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NodeForm {
    pub(super) name: Spanned<String>,
    pub(super) count: Option<Spanned<usize>>,
    pub(super) at: Option<Spanned<String>>,
    pub(super) core: Option<usize>,
    pub(super) weir: Option<String>,
    pub(super) sink: Option<Spanned<String>>,
    pub(super) dns: Option<Spanned<String>>,
    pub(super) clamd: Option<Spanned<String>>,
    pub(super) command: Option<Spanned<String>>,
    pub(super) address: Option<Spanned<String>>,
    pub(super) arguments: Option<Spanned<String>>,
    pub(super) ready: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) own_clock: bool,
    #[serde(default)]
    pub(super) replace: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LoadForm {
    pub(super) name: Option<Spanned<String>>,
    pub(super) to: Spanned<String>,
    pub(super) from: Option<Spanned<String>>,
    pub(super) messages: Option<Spanned<u64>>,
    #[serde(default)]
    pub(super) hold: bool,
    #[serde(rename = "for")]
    pub(super) lasts: Spanned<String>,
    #[serde(default = "nothing")]
    pub(super) source: Spanned<String>,
    pub(super) core: Option<usize>,
}

fn nothing() -> Spanned<String> {
    Spanned::new(0..0, String::new())
}

/// Reads a file; keys that there are not and values of another type are refused.
pub(super) fn parse(text: &str) -> Result<Form, Fault> {
    toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        Fault::new(at, error.message())
    })
}
