//! The references of an order, before anything of it is made.

use std::collections::HashSet;

use ledger::reference::{Named, Reference};
use ledger::store::{StoreError, reference};

use super::{IssuingError, Office};

/// Refuses an order that names something twice, something that there is already, or something as what is named by its number
/// is named.
pub(super) async fn must_be_free<'a>(
    office: &Office,
    of: Named,
    names: impl IntoIterator<Item = &'a Reference>,
) -> Result<(), IssuingError> {
    let client = office.pool.get().await.map_err(StoreError::from)?;
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
