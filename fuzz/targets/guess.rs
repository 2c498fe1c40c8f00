#![no_main]
fuzz::fuzz!("guess");
