//! Purchases with one card at our own terminal and at a foreign acquirer's: approved and declined, with the right postings.

use anyhow::Result;
use e2e::{TestSystem, code, euros};
use pos_sim::exchange::RequestKind;
use pos_sim::reading::{Instrument, PinEntry};

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_moves_its_amount_once_and_a_decline_moves_nothing() -> Result<()> {
    let system = TestSystem::open("purchase").await?;
    let (terminal, acquirer) = (&system.world.terminals[0], &system.world.acquirer);
    let merchant = terminal.acceptor().merchant.as_str();
    let card = system.world.card("stripe")?;

    let bought = terminal.transact(RequestKind::Purchase, &euros(Instrument::Stripe(card.clone()), 1_999)).await?;
    assert_eq!(code(&bought.exchange), "00");
    assert_eq!(system.available("stripe").await?, 100_000 - 1_999);
    assert_eq!(system.owed_to(merchant).await?, 1_999);

    let abroad = acquirer.transact(RequestKind::Purchase, &euros(Instrument::Stripe(card.clone()), 2_050)).await?;
    assert_eq!(code(&abroad.exchange), "00");
    assert_eq!(system.available("stripe").await?, 100_000 - 1_999 - 2_050);
    assert_eq!(system.owed_to(merchant).await?, 1_999, "the foreign acquirer's merchant is not ours to pay");

    let poor = system.world.card("funds")?;
    for exchange in [
        terminal.transact(RequestKind::Purchase, &euros(Instrument::Stripe(poor.clone()), 50_000)).await?.exchange,
        acquirer.transact(RequestKind::Purchase, &euros(Instrument::Stripe(poor), 50_000)).await?.exchange,
    ] {
        assert_eq!(code(&exchange), "51");
    }
    assert_eq!(system.available("funds").await?, 500);
    assert_eq!(system.owed_to(merchant).await?, 1_999);
    assert_eq!(system.unbalanced().await?, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duplicate_gets_the_same_answer_and_moves_nothing_more() -> Result<()> {
    let system = TestSystem::open("duplicate").await?;
    let terminal = &system.world.terminals[1];
    let card = system.world.card("duplicate")?;
    let payment = euros(Instrument::Chip(card.clone()), 1_111).with_pin(PinEntry::Right);

    let first = terminal.transact(RequestKind::Purchase, &payment).await?;
    let again = terminal.repeat(&first).await?;
    let other = terminal.transact_again_as(&first, &euros(Instrument::Chip(card), 2_222)).await?;

    assert_eq!((code(&first.exchange), code(&again), code(&other.exchange)), ("00".into(), "00".into(), "94".into()));
    let approval = |exchange: &pos_sim::exchange::Exchange| exchange.answer().and_then(|answer| answer.approval);
    assert_eq!(approval(&first.exchange), approval(&again));
    assert_eq!(system.available("duplicate").await?, 100_000 - 1_111);
    Ok(())
}
