//! Reading a message and its values, and writing one with warm buffers, allocate nothing.

use allocation_counter::measure;
use bytes::{Bytes, BytesMut};
use codecs::value::{Minor, Stan};
use codecs::{Builder, Message, de, dialect};

mod sample;

#[test]
fn decoding_allocates_nothing() {
    for name in ["iso87-ascii", "iso87-binary", "iso87-ebcdic"] {
        let dialect = dialect::shipped(name).expect("shipped");
        let bytes = sample::authorization(&dialect).encode().expect("the sample is well formed");
        let mut elements = 0;
        let info = measure(|| {
            let message = Message::decode(&dialect, Bytes::clone(&bytes)).expect("as encoded");
            elements = message.elements().count();
            assert!(message.require::<de::Amount>() == Ok(Minor(1999)) && message.require::<de::Stan>() == Ok(Stan(7)));
            assert!(message.require::<de::Pan>().is_ok() && message.require::<de::Track2>().is_ok());
            assert!(message.require::<de::TerminalId>().is_ok() && message.require::<de::PinBlock>().is_ok());
        });
        assert_eq!((elements, info.count_total), (25, 0), "{name}");
    }
}

#[test]
fn encoding_into_warm_buffers_allocates_nothing() {
    for name in ["iso87-ascii", "iso87-binary", "iso87-ebcdic"] {
        let dialect = dialect::shipped(name).expect("shipped");
        let builder = sample::authorization(&dialect);
        let message = Message::decode(&dialect, builder.encode().expect("well formed")).expect("as encoded");
        let mut again = Builder::new(&dialect, message.mti());
        let mut out = BytesMut::with_capacity(2048);
        let mut forward = || {
            out.clear();
            again.restart(message.mti());
            again.copy_all(&message).put::<de::Stan>(Stan(8));
            again.encode_into(&mut out).expect("well formed");
        };
        forward();
        let info = measure(forward);
        assert_eq!(info.count_total, 0, "{name}");
        assert_eq!(out.len(), message.bytes().len());
        let values = sample::Values::new();
        let mut build = || {
            out.clear();
            again.restart(sample::MTI);
            values.fill(&mut again);
            again.encode_into(&mut out).expect("well formed");
        };
        build();
        assert_eq!(measure(build).count_total, 0, "{name}");
        assert_eq!(out, message.bytes()[..]);
    }
}
