//! `wasm-bindgen-tool <input.wasm> <out-dir>`: writes `wasm.js`, `wasm.d.ts` and `wasm_bg.wasm` for the web.
//!
//! A library instead of the wasm-bindgen program: nothing to install, and the version is always that of
//! Cargo.lock.

use std::{env, path::PathBuf};

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<()> {
    let mut arguments = env::args_os().skip(1).map(PathBuf::from);
    let usage = "usage: wasm-bindgen-tool <input.wasm> <out-dir>";
    let (input, out) = arguments.next().zip(arguments.next()).context(usage)?;
    let mut bindgen = Bindgen::new();
    bindgen.input_path(&input).out_name("wasm").typescript(true).web(true)?;
    // Names and producers would only be loaded by every browser for nothing.
    bindgen.remove_name_section(true).remove_producers_section(true);
    bindgen.generate(&out).with_context(|| format!("cannot bind {}", input.display()))
}
