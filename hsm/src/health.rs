use serde::Serialize;

/// State of the module, as its supervisor sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ModuleState {
    /// The last probe encrypted under a token object.
    Up,
    /// Verbs are served from session copies of the keys, but the token itself does not answer.
    Degraded,
    /// No verb can be served; the supervisor keeps trying to reopen the module.
    Down,
}

/// Answer to `health`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    pub state: ModuleState,
    /// Objects the module has created since it was initialized; it is recycled before they use up its memory.
    pub objects_since_init: u64,
    /// Times the module was initialized since the daemon started.
    pub initialisations: u64,
    /// Jobs waiting, both priorities.
    pub queue_depth: u32,
}
