//! Colours by role, so that a text reads the same without them.

/// How a text is written.
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

    /// What a thing is called: an element, a tag.
    pub fn label(self, text: &str) -> String {
        self.wrap("36", text)
    }

    pub fn heading(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// What stands in the message.
    pub fn value(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// What is said beside it: places, bytes.
    pub fn aside(self, text: &str) -> String {
        self.wrap("2", text)
    }

    /// What it means, in words.
    pub fn meaning(self, text: &str) -> String {
        self.wrap("32", text)
    }

    pub fn fault(self, text: &str) -> String {
        self.wrap("31;1", text)
    }
}
