//! Any input is an error or a message, and a message encodes to its bytes.

use bytes::{Bytes, BytesMut};
use codecs::encoding::{Content, Format};
use codecs::frame::Framing;
use codecs::value::{Currency, Minor};
use codecs::{Builder, Dialect, Message, Mti, de, dialect};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::Index;
use std::sync::{Arc, LazyLock};
use tokio_util::codec::Decoder;

/// The shipped dialects, and one for each axis that they do not use.
static DIALECTS: LazyLock<Vec<Arc<Dialect>>> = LazyLock::new(|| {
    let inline = |text: &str| {
        let source = |base: &str| dialect::shipped_text(base).map(Into::into);
        Arc::new(Dialect::from_toml("inline", text, &source).expect("the dialect is well formed"))
    };
    let shipped = dialect::SHIPPED.iter().map(|(name, _)| dialect::shipped(name).expect("shipped dialects read"));
    shipped
        .chain([
            inline("extends = \"iso87-binary\"\nlen = \"bin\"\nch = \"ebcdic\"\nebcdic_page = \"cp037\""),
            inline("extends = \"iso87-binary\"\nlen_unit = \"bytes\"\npad_var = \"rightF\"\npad = \"right0\""),
            inline("version = \"1987\"\nmti = \"ebcdic\"\nn = \"ebcdic\"\nch = \"ebcdic\"\nb = \"hexebcdic\"\nlen = \"ebcdic\"\nbitmap = \"hexebcdic\""),
            inline("version = \"2003\"\nmti = \"bcd\"\nn = \"bcd\"\nlen = \"bcd\"\nheader = \"6000010000\""),
            inline("extends = \"iso87-ascii\"\ntertiary = \"after-secondary\"\n[fields.130]\nformat = \"ans\"\nlen_type = \"llvar\"\nmax_len = 20"),
            inline("extends = \"iso87-ascii\"\ntertiary = \"de127\"\n[fields.130]\nformat = \"n\"\nlen_type = \"fixed\"\nmax_len = 5"),
        ])
        .collect()
});

/// Content for a row, cut from `seed`; `None` if the row cannot hold content of that length.
fn content(dialect: &Dialect, element: u8, seed: &[u8]) -> Option<Vec<u8>> {
    let rule = dialect.rule(element)?;
    let len = match rule.length {
        dialect::Length::Fixed => rule.max,
        dialect::Length::Prefix(_) => seed.len().min(rule.max),
    };
    let byte = |i: usize| seed.get(i % seed.len().max(1)).copied().unwrap_or(7);
    let mut content: Vec<u8> = (0..len)
        .map(|i| match rule.format {
            Format::Numeric | Format::Track => b'0' + byte(i) % 10,
            Format::SignedNumeric if i == 0 => b'C' + byte(i) % 2,
            Format::SignedNumeric => b'0' + byte(i) % 10,
            Format::Text => b' ' + byte(i) % 95,
            Format::Binary => byte(i),
        })
        .collect();
    if rule.format == Format::Track && rule.content == Content::Bcd && len > 2 {
        content[len / 2] = b'D';
    }
    Some(content)
}

/// A message has the elements that were put, and building it again gives the same bytes – both for the first message of
/// its bitmap, which is read element by element, and for a later one, for which there may be a plan.
fn turns_back(dialect: &Arc<Dialect>, builder: &Builder, put: &[(u8, Vec<u8>)]) {
    let bytes = builder.encode().expect("content was made to suit");
    for _ in 0..2 {
        let message = Message::decode(dialect, bytes.clone()).expect("what is built can be read");
        let read: Vec<(u8, Vec<u8>)> =
            message.elements().map(|n| (n, message.field(n).expect("present").chars().collect())).collect();
        assert_eq!(read, put, "{}", dialect.name);
        let mut copy = Builder::new(dialect, message.mti());
        assert_eq!(copy.copy_all(&message).encode().expect("as before"), bytes);
        // a builder emptied element by element works like a new one
        put.iter().for_each(|(element, _)| {
            copy.remove_element(*element);
        });
        assert_eq!(copy.copy_all(&message).encode().expect("as before"), bytes);
    }
}

/// More bitmaps than places for plans.
#[test]
fn bitmaps_without_a_plan_are_read_alike() {
    const ELEMENTS: [u8; 8] = [2, 3, 4, 35, 41, 48, 49, 102];
    for name in ["iso87-ascii", "iso87-binary"] {
        let dialect = dialect::shipped(name).expect("shipped dialects read");
        for bits in (0..=255u8).chain(0..=255) {
            let mut builder = Builder::new(&dialect, Mti::of(b"0200"));
            let mut put = Vec::new();
            for (bit, element) in ELEMENTS.into_iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1) {
                let content = content(&dialect, element, &[bit as u8 + 3; 13]).expect("iso87 has these elements");
                builder.put_content(element, &content);
                put.push((element, content));
            }
            turns_back(&dialect, &builder, &put);
        }
    }
}

/// The builder's buffer may end within any element, or between the bytes of a number.
#[test]
fn a_builder_grows_wherever_its_room_ends() {
    for name in ["iso87-ascii", "iso87-binary", "iso87-ebcdic"] {
        let dialect = dialect::shipped(name).expect("shipped dialects read");
        for length in 0..=999 {
            let mut builder = Builder::new(&dialect, Mti::of(b"0200"));
            let data = vec![b'A'; length];
            builder.put_content(48, &data).put::<de::Currency>(Currency::EUR);
            builder.put::<de::BillingCurrency>(Currency::from_number(7)).put_content(62, &data[..length.min(70)]);
            builder.put::<de::Amount>(Minor(length as i64));
            let message = Message::decode(&dialect, builder.encode().expect("content suits")).expect("as encoded");
            let held = |element| message.field(element).expect("present").content().into_owned();
            assert_eq!((held(48), held(62)), (data.clone(), data[..length.min(70)].to_vec()), "{name} {length}");
            assert_eq!([held(4), held(49), held(51)].concat(), format!("{length:012}978007").into_bytes());
        }
    }
}

proptest! {
    #[test]
    fn what_is_built_turns_back(
        which in any::<Index>(),
        mti in "[0-9]{4}",
        elements in btree_map(2..=130u8, vec(any::<u8>(), 0..140), 0..24),
        start in any::<Index>(),
    ) {
        let dialect = which.get(&DIALECTS);
        let digits = <[u8; 4]>::try_from(mti.as_bytes()).expect("four digits");
        let mut builder = Builder::new(dialect, Mti::from_digits(digits).expect("digits"));
        let mut put = Vec::new();
        for (element, seed) in &elements {
            // with a third bitmap in place of 127 there is no element 127
            let content = content(dialect, *element, seed).filter(|_| *element != 127 || dialect.tertiary.is_none());
            if let Some(content) = content {
                builder.put_content(*element, &content);
                put.push((*element, content));
            }
        }
        turns_back(dialect, &builder, &put);
        // starting with any of them, and with one put twice, the message is the same
        let bytes = builder.encode().expect("as before");
        builder.restart(builder.mti());
        let begun = start.index(put.len().max(1)).min(put.len());
        for (element, content) in put[begun..].iter().chain(&put[..begun]).chain(put.first()) {
            builder.put_content(*element, content);
        }
        prop_assert_eq!(builder.encode().expect("as before"), bytes);
    }

    #[test]
    fn noise_is_an_error_or_a_message(which in any::<Index>(), noise in vec(any::<u8>(), 0..400)) {
        let dialect = which.get(&DIALECTS);
        if let Ok(message) = Message::decode(dialect, Bytes::from(noise)) {
            for element in message.elements() {
                prop_assert!(message.field(element).is_some());
            }
        }
    }

    /// A plausible start takes the decoder further into a message than noise does.
    #[test]
    fn noise_behind_bitmaps_is_an_error_or_a_message(
        which in any::<Index>(),
        bits in any::<u64>(),
        noise in vec(prop_oneof![any::<u8>(), b'0'..=b'9', Just(0u8), Just(0xF0u8)], 0..400),
    ) {
        let dialect = which.get(&DIALECTS);
        let empty = Builder::new(dialect, Mti::of(b"0200")).encode().expect("an empty message");
        let mut bytes = BytesMut::from(&empty[..]);
        let map = bytes.len() - if dialect.bitmap == dialect::BitmapEncoding::Raw { 8 } else { 16 };
        if dialect.bitmap == dialect::BitmapEncoding::Raw {
            bytes[map..].copy_from_slice(&bits.to_be_bytes());
        }
        bytes.extend_from_slice(&noise);
        if let Err(fault) = Message::decode(dialect, bytes.clone().freeze()) {
            prop_assert!(fault.offset <= bytes.len());
        }
    }

    #[test]
    fn noise_on_a_stream_is_an_error_or_frames(which in 0..Framing::NAMES.len(), noise in vec(any::<u8>(), 0..200)) {
        let mut codec = Framing::named(Framing::NAMES[which]).expect("named").codec(300);
        let mut stream = BytesMut::from(&noise[..]);
        let mut frames = 0;
        while let Ok(Some(_)) = codec.decode_eof(&mut stream) {
            frames += 1;
            prop_assert!(frames <= noise.len(), "each frame takes bytes");
        }
    }

    #[test]
    fn noise_in_chip_data_is_an_error_or_tags(noise in vec(any::<u8>(), 0..80)) {
        let read = codecs::tlv::tags(&noise).count();
        prop_assert!(read <= noise.len());
    }
}
