#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/it/foreign/entries/mod.rs"]
#[allow(dead_code, unused_imports)]
mod entries;

fuzz_target!(|data: &[u8]| entries::status_request(data));
