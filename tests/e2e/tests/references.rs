//! Cards are ordered and changed by their references: a reference cannot be ordered twice, and a note finds no card.

use anyhow::Result;
use e2e::{TestSystem, code, euros};
use pos_sim::exchange::RequestKind;
use pos_sim::reading::Instrument;
use serde_json::json;
use stage::Tool;

#[tokio::test(flavor = "multi_thread")]
async fn a_card_is_changed_by_its_reference_and_ordered_once() -> Result<()> {
    let system = TestSystem::open("references").await?;
    let stage = &system.stage;
    let (card, terminal) = (system.world.card("stripe")?, &system.world.terminals[0]);
    let buys =
        async |minor| terminal.transact(RequestKind::Purchase, &euros(Instrument::Stripe(card.clone()), minor)).await;
    let set = |reference: &str, status: &str| {
        let arguments = ["card", "--reference", reference, "--status", status];
        stage.run_tool(Tool::Issuing, "set-state", &arguments).map_err(|error| error.to_string())
    };

    assert_eq!(code(&buys(1_100).await?.exchange), "00");
    set("stripe", "blocked").expect("it has this reference");
    assert_eq!(code(&buys(1_200).await?.exchange), "62");
    set("stripe", "active").expect("it has this reference");
    assert_eq!(code(&buys(1_300).await?.exchange), "00");
    let refused = set("daily limit", "blocked").expect_err("a note is no reference");
    assert!(refused.contains("is no reference"), "{refused}");
    let refused = set("nobody", "blocked").expect_err("there is none");
    assert!(refused.contains("no card has the reference nobody"), "{refused}");

    let cards = "SELECT count(*) FROM card";
    let before: i64 = system.books().await?.query_one(cards, &[]).await?.get(0);
    let orders = stage.layout().orders().join("cards.json");
    let again = stage.layout().deliveries().join("again.delivery.json");
    let (orders, again) = (orders.display().to_string(), again.display().to_string());
    let refused = stage.run_tool(Tool::Issuing, "issue", &["--cards", &orders, "--deliver-to", &again]);
    let refused = refused.expect_err("every reference is taken").to_string();
    assert!(refused.contains("with the reference by-hand already: nothing was made"), "{refused}");
    for (names, said) in [
        (["twin", "twin"], "the order gives the reference twin to two cards: nothing was made"),
        (["single", "card-77"], "card-77 is how a card without a reference is called, by its number: nothing was made"),
    ] {
        let cards = names.map(|name| json!({"reference": name, "note": "x", "balance_minor": 0, "expiry": "2912"}));
        let orders = stage.layout().orders().join("odd.json");
        std::fs::write(&orders, json!({ "card": cards }).to_string())?;
        let orders = orders.display().to_string();
        let refused = stage.run_tool(Tool::Issuing, "issue", &["--cards", &orders, "--deliver-to", &again]);
        assert!(refused.expect_err("it is refused").to_string().contains(said));
    }
    let after: i64 = system.books().await?.query_one(cards, &[]).await?.get(0);
    assert_eq!(after, before);

    let moved =
        stage.run_tool(Tool::Migrate, "set-state", &["card", "--note", "stripe"]).expect_err("it moved").to_string();
    assert!(moved.contains("`authhost set-state` is `issuing set-state` now"), "{moved}");
    Ok(())
}
