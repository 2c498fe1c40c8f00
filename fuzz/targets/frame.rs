#![no_main]
fuzz::fuzz!("frame");
