#![no_main]
fuzz::fuzz!("tlv");
