//! The measured operations: one message decoded, read or written, with warm buffers.

use super::sample;
use bytes::{Bytes, BytesMut};
use codecs::value::Stan;
use codecs::{Builder, Dialect, Message, de};
use std::hint::black_box;
use std::sync::Arc;

const SURE: &str = "the sample is well formed";

/// An operation that is measured.
pub type Verb = fn(&mut Work);

pub struct Work {
    dialect: Arc<Dialect>,
    values: sample::Values,
    /// The message's bytes. Each decoded message shares them, as it would share a stream's buffer.
    frame: Bytes,
    message: Message,
    builder: Builder,
    out: BytesMut,
}

impl Work {
    pub const VERBS: [(&str, Verb); 4] = [
        ("decode", Self::decode),
        ("decode_and_read", Self::decode_and_read),
        ("encode", Self::encode),
        ("forward", Self::forward),
    ];

    pub fn new(dialect: &Arc<Dialect>) -> Self {
        let frame = sample::authorization(dialect).encode().expect(SURE);
        let message = Message::decode(dialect, frame.clone()).expect(SURE);
        Self {
            dialect: Arc::clone(dialect),
            values: sample::Values::new(),
            frame: Bytes::copy_from_slice(&frame),
            message,
            builder: Builder::new(dialect, sample::MTI),
            out: BytesMut::with_capacity(4096),
        }
    }

    pub fn bytes(&self) -> usize {
        self.frame.len()
    }

    /// Decodes the message: every element located and checked.
    fn decode(&mut self) {
        black_box(&self.message_of_frame());
    }

    /// Decodes the message and reads the values that a switch needs.
    fn decode_and_read(&mut self) {
        let message = self.message_of_frame();
        black_box(read(&message).expect(SURE));
    }

    /// Puts 25 typed values and encodes them.
    fn encode(&mut self) {
        self.builder.restart(sample::MTI);
        black_box(&self.values).fill(&mut self.builder);
        self.write();
    }

    /// Copies the message and changes its trace number.
    fn forward(&mut self) {
        self.builder.restart(self.message.mti());
        self.builder.copy_all(&self.message).put::<de::Stan>(Stan(8));
        self.write();
    }

    fn message_of_frame(&self) -> Message {
        Message::decode(&self.dialect, black_box(&self.frame).clone()).expect(SURE)
    }

    fn write(&mut self) {
        self.out.clear();
        self.builder.encode_into(&mut self.out).expect(SURE);
        black_box(&self.out);
    }
}

/// The values that a switch reads from a request.
fn read(message: &Message) -> Result<u64, codecs::DecodeError> {
    let pan = message.require::<de::Pan>()?;
    let track = message.require::<de::Track2>()?;
    let terminal = message.require::<de::TerminalId>()?;
    let merchant = message.require::<de::MerchantId>()?;
    let time = message.require::<de::LocalTime>()?;
    let date = message.require::<de::LocalDate>()?;
    let mode = message.require::<de::PosEntryMode>()?;
    black_box((&pan, &track, &terminal, &merchant, time, date, mode, message.field(55)));
    Ok(message.require::<de::Amount>()?.0 as u64 + u64::from(message.require::<de::Stan>()?.0))
}
