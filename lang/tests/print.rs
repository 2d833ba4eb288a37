//! Printing is the inverse of parsing.

mod support;

use proptest::prelude::*;
use support::{samples, shape, tree, trees};
use weir_lang::print;

#[test]
fn samples_print_to_themselves() {
    for (path, text) in samples() {
        let read = tree(&text);
        let printed = print::file(&read);
        assert_eq!(shape(&tree(&printed)), shape(&read), "{}\n{printed}", path.display());
        assert_eq!(print::file(&tree(&printed)), printed, "{}", path.display());
    }
}

proptest! {
    #[test]
    fn made_up_trees_print_to_themselves(made in trees::file()) {
        let printed = print::file(&made);
        prop_assert_eq!(shape(&tree(&printed)), shape(&made), "{}", printed);
    }
}
