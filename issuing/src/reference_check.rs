//! Check of an order's references, before anything is issued.

use std::collections::HashSet;

use ledger::reference::{Reference, ReferenceKind};
use ledger::store::{StoreError, reference};

use super::{IssuingContext, IssuingError};

/// Refuses a reference that occurs twice in the order, that is taken, or that has the form of a default reference
/// (`card-1001`).
pub(super) async fn must_be_free<'a>(
    context: &IssuingContext,
    of: ReferenceKind,
    names: impl IntoIterator<Item = &'a Reference>,
) -> Result<(), IssuingError> {
    let client = context.pool.get().await.map_err(StoreError::from)?;
    let mut ordered = HashSet::new();
    for name in names {
        if !ordered.insert(name) {
            return Err(IssuingError::Twice(of.as_str(), name.clone()));
        }
        if name.is_by_number(of) {
            return Err(IssuingError::Numbered(of.as_str(), name.clone()));
        }
        if reference::find(&**client, of, name).await?.is_some() {
            return Err(IssuingError::Taken(of.as_str(), name.clone()));
        }
    }
    Ok(())
}
