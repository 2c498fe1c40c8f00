#![no_main]
fuzz::fuzz!("decode");
