//! Reads cards that are in no cache. Look-ups that arrive while a query is under way share the next one: however many cards
//! are asked for at once, one connection and one query at a time are enough.

use std::collections::HashMap;
use std::sync::Arc;

use deadpool_postgres::Pool;
use hsm::PanIndex;
use ledger::store::{CardLookup, StoreError, card_lookup};
use metrics::histogram;
use telemetry::LastingTasks;
use tokio::sync::{mpsc, oneshot};

/// Most cards in one query.
const PER_QUERY: usize = 256;
/// Look-ups that may wait; more wait to be allowed to.
const WAITING: usize = 4096;

/// What a look-up finds: the card, or none with this index. All that share a query share its error.
pub(super) type Found = Result<Option<Arc<CardLookup>>, Arc<StoreError>>;

/// The cards that one query found; those that are not there are none.
type Cards = HashMap<PanIndex, Found>;

/// Asks the task that reads.
#[derive(Clone, Debug)]
pub struct CardReader {
    asked: mpsc::Sender<Asked>,
}

#[derive(Debug)]
struct Asked {
    index: PanIndex,
    answer: oneshot::Sender<Found>,
}

/// The reader's task has ended, and the host with it.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads cards any more")]
pub struct ReaderGone;

impl CardReader {
    /// Starts the task on the current runtime. It ends with the last reader.
    #[must_use]
    pub fn start(pool: Pool, tasks: &LastingTasks) -> Self {
        Self::reading_by(tasks, move |indexes| {
            let pool = pool.clone();
            async move { read(&pool, indexes).await }
        })
    }

    /// A reader over any query.
    fn reading_by<Q, R>(tasks: &LastingTasks, query: Q) -> Self
    where
        Q: Fn(Vec<PanIndex>) -> R + Send + Sync + 'static,
        R: Future<Output = Cards> + Send + 'static,
    {
        let (asked, questions) = mpsc::channel(WAITING);
        tasks.spawn("reading cards", serve(questions, query));
        Self { asked }
    }

    /// The card or token with this PAN index, from a query that began after this call.
    pub(super) async fn read(&self, index: PanIndex) -> Result<Found, ReaderGone> {
        let (answer, found) = oneshot::channel();
        self.asked.send(Asked { index, answer }).await.map_err(|_| ReaderGone)?;
        found.await.map_err(|_| ReaderGone)
    }
}

/// Answers the questions that wait with one query, and then those that came meanwhile, until nobody can ask any more.
async fn serve<Q, R>(mut questions: mpsc::Receiver<Asked>, query: Q)
where
    Q: Fn(Vec<PanIndex>) -> R,
    R: Future<Output = Cards>,
{
    let mut waiting = Vec::with_capacity(PER_QUERY);
    while questions.recv_many(&mut waiting, PER_QUERY).await > 0 {
        // whoever has given up needs no answer
        waiting.retain(|asked: &Asked| !asked.answer.is_closed());
        let mut indexes: Vec<PanIndex> = waiting.iter().map(|asked| asked.index).collect();
        indexes.sort_unstable();
        indexes.dedup();
        histogram!("host_cards_read_size").record(indexes.len() as f64);
        let cards = if indexes.is_empty() { Cards::new() } else { query(indexes).await };
        for Asked { index, answer } in waiting.drain(..) {
            // whoever has given up meanwhile gets none
            let _ = answer.send(cards.get(&index).cloned().unwrap_or(Ok(None)));
        }
    }
}

async fn read(pool: &Pool, indexes: Vec<PanIndex>) -> Cards {
    match card_lookup::find(pool, &indexes).await {
        Ok(cards) => cards
            .into_iter()
            .map(|(index, card)| (index, card.map(|card| Some(Arc::new(card))).map_err(Arc::new)))
            .collect(),
        Err(error) => {
            let error = Arc::new(error);
            indexes.into_iter().map(|index| (index, Err(Arc::clone(&error)))).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::future::join_all;
    use hsm::{KeySet, Pvv};
    use ledger::row_location::RowLocation;
    use tokio::sync::Semaphore;
    use tokio_util::sync::CancellationToken;

    use super::*;

    fn card(number: u8) -> CardLookup {
        CardLookup {
            location: RowLocation::NoAccount { bucket: number.into() },
            pvv: Pvv::new(*b"0000").unwrap(),
            pvki: 1,
            sequence: number,
            issuer_keys: KeySet::new("400012").unwrap(),
            chip_keys: KeySet::new("400012").unwrap(),
            funding: None,
        }
    }

    /// Queries that wait for a permit each, and the indexes that each had.
    struct Queries {
        permits: Arc<Semaphore>,
        asked: Arc<Mutex<Vec<Vec<PanIndex>>>>,
        reader: CardReader,
    }

    /// Even numbers are cards, 255 fails, other odd ones are not there.
    fn queries() -> Queries {
        let (permits, asked) = (Arc::new(Semaphore::new(0)), Arc::new(Mutex::new(Vec::new())));
        let (permit, log) = (Arc::clone(&permits), Arc::clone(&asked));
        let tasks = LastingTasks::until(CancellationToken::new());
        let reader = CardReader::reading_by(&tasks, move |indexes| {
            let permit = Arc::clone(&permit);
            log.lock().unwrap().push(indexes.clone());
            async move {
                permit.acquire().await.unwrap().forget();
                let found = |index: PanIndex| match index.0[0] {
                    255 => Some((index, Err(Arc::new(StoreError::Column("card.pvv"))))),
                    number if number % 2 == 0 => Some((index, Ok(Some(Arc::new(card(number)))))),
                    _ => None,
                };
                indexes.into_iter().filter_map(found).collect()
            }
        });
        Queries { permits, asked, reader }
    }

    fn index(number: u8) -> PanIndex {
        PanIndex([number; 32])
    }

    #[tokio::test]
    async fn look_ups_that_arrive_while_a_query_is_under_way_share_the_next() {
        let Queries { permits, asked, reader } = queries();
        let first = tokio::spawn({
            let reader = reader.clone();
            async move { reader.read(index(2)).await }
        });
        tokio::task::yield_now().await;
        let numbers = [4, 3, 6, 4, 2, 255];
        let later = tokio::spawn(async move { join_all(numbers.map(|number| reader.read(index(number)))).await });
        tokio::task::yield_now().await;
        permits.add_permits(2);
        assert_eq!(first.await.unwrap().unwrap().unwrap().unwrap().sequence, 2);
        let found: Vec<_> = later.await.unwrap().into_iter().map(|found| found.unwrap()).collect();
        let sequences: Vec<_> =
            found.iter().map(|found| found.as_ref().map(|card| card.as_ref().map(|card| card.sequence)).ok()).collect();
        assert_eq!(sequences, [Some(Some(4)), Some(None), Some(Some(6)), Some(Some(4)), Some(Some(2)), None]);
        let asked = asked.lock().unwrap().clone();
        assert_eq!(asked, [vec![index(2)], [2, 3, 4, 6, 255].map(index).to_vec()], "2 is read anew, 4 once");
    }

    #[tokio::test]
    async fn whoever_gives_up_costs_no_query() {
        let Queries { permits, asked, reader } = queries();
        let first = tokio::spawn({
            let reader = reader.clone();
            async move { reader.read(index(2)).await }
        });
        tokio::task::yield_now().await;
        let given_up = tokio::spawn({
            let reader = reader.clone();
            async move { reader.read(index(4)).await }
        });
        tokio::task::yield_now().await;
        given_up.abort();
        given_up.await.unwrap_err();
        permits.add_permits(2);
        first.await.unwrap().unwrap().unwrap();
        reader.read(index(6)).await.unwrap().unwrap();
        assert_eq!(*asked.lock().unwrap(), [vec![index(2)], vec![index(6)]]);
    }
}
