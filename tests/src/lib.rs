//! What holds across crates; the tests are in `tests/`.
