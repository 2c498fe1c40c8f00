//! Every form that the content of an element can have.

use codecs::Dialect;
use codecs::composite::Inner;
use codecs::dialect::{self, SHIPPED};
use std::sync::{Arc, LazyLock};

/// One element of each form, of which the shipped dialects may use fewer.
const EVERY_FORM: &str = r#"
version = "1987"
mti = "ascii"
n = "ascii"
ch = "ascii"
b = "raw"
len = "ascii"
bitmap = "bin"

[fields.44]
inner = "positions"
positions = [["owner", 4], ["network", 0], ["rest", 3]]

[fields.46]
len_type = "lllvar"
max_len = 999
inner = "tag3-len3"

[fields.47]
inner = "len3-tag2"

[fields.48]
inner = "pds"

[fields.54]
inner = "amounts"

[fields.55]
format = "b"
inner = "ber-tlv"

[fields.56]
format = "b"
inner = "datasets"
sets.33 = { bits = 16, fields.1 = { format = "n", len_type = "fixed", max_len = 3 }, fields.9 = { format = "b", len_type = "llvar", max_len = 40, inner = "ber-tlv" } }

[fields.57]
format = "b"
inner = "bin-tag2-len1"

[fields.58]
format = "b"
inner = "bin-len2-tag1"

[fields.60]
inner = "bitmap"
nested.bitmap = "hexascii"
nested.bits = 32
nested.fields.1 = { format = "n", len_type = "fixed", max_len = 5 }
nested.fields.32 = { format = "ans", len_type = "lllvar", max_len = 100, inner = "tag2-len2" }

[fields.61]
format = "b"
inner = "bitmap-or-xml"
nested.n = "bcd"
nested.len = "bcd"
nested.pad = "left0"
nested.fields.2 = { format = "n", len_type = "llvar", max_len = 19 }
nested.fields.7 = { format = "x+n", len_type = "fixed", max_len = 9 }
nested.fields.25 = { format = "b", len_type = "llllvar", max_len = 999, inner = "bitmap", nested.fields.64 = { format = "b", len_type = "fixed", max_len = 8 } }

[fields.63]
inner = "tokens"

[fields.90]
inner = "original-data"

[fields.95]
inner = "replacement-amounts"
"#;

/// A form with its place in a dialect.
pub struct OfElement {
    pub dialect: Arc<Dialect>,
    pub element: u8,
}

impl OfElement {
    pub fn inner(&self) -> &Inner {
        self.dialect.inner(self.element).expect("the list is of elements that have one")
    }
}

/// Those of the dialect above, then those of the shipped dialects.
pub static FORMS: LazyLock<Vec<OfElement>> = LazyLock::new(|| {
    let every = Dialect::from_toml("every-form", EVERY_FORM, &|base| dialect::shipped_text(base).map(Into::into));
    let every = Arc::new(every.unwrap_or_else(|fault| panic!("{fault}")));
    let shipped = SHIPPED.iter().map(|(name, _)| dialect::shipped(name).expect("shipped dialects read"));
    std::iter::once(every)
        .chain(shipped)
        .flat_map(|dialect| {
            let elements: Vec<u8> = (2..=192).filter(|element| dialect.inner(*element).is_some()).collect();
            elements.into_iter().map(move |element| OfElement { dialect: Arc::clone(&dialect), element })
        })
        .collect()
});
