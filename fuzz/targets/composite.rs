#![no_main]
fuzz::fuzz!("composite");
