//! Terminal colours by role. The text is the same without them.

/// Plain text or colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Plain,
    /// With the colour sequences of ECMA-48 terminals.
    Colour,
}

impl Style {
    fn wrap(self, code: &str, text: &str) -> String {
        match self {
            Self::Colour if !text.is_empty() => format!("\x1b[{code}m{text}\x1b[0m"),
            _ => text.into(),
        }
    }

    /// The name of an element or a tag.
    pub fn label(self, text: &str) -> String {
        self.wrap("36", text)
    }

    pub fn heading(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// A value of the message.
    pub fn value(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// Secondary information: offsets, bytes.
    pub fn aside(self, text: &str) -> String {
        self.wrap("2", text)
    }

    /// A meaning in words.
    pub fn meaning(self, text: &str) -> String {
        self.wrap("32", text)
    }

    pub fn fault(self, text: &str) -> String {
        self.wrap("31;1", text)
    }
}
