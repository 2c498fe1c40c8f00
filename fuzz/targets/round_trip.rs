#![no_main]
fuzz::fuzz!("round_trip");
