//! Deliveries open with the right key, for the right addressee, and otherwise not at all.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use pos_sim::delivery::{DeliveredCard, DeliveredTerminal, DeliveryError, TransportKey, files_of, open};
use support::{COMPONENT_1, COMPONENT_2, Folder, card, deliver, sealed, terminal};

fn key(folder: &Folder) -> TransportKey {
    TransportKey::from_components(&folder.file("component1"), &folder.file("component2")).unwrap()
}

#[test]
fn both_components_open_what_was_sealed() {
    let folder = Folder::new("deliveries");
    deliver(&folder);
    let files = files_of("cards", &folder.0).unwrap();
    assert_eq!(files, [folder.file("cards.json")], "orders and other kinds are left alone");
    let cards: Vec<DeliveredCard> = open(&key(&folder), &files[0]).unwrap();
    assert_eq!(cards.len(), 2);
    assert_eq!((cards[0].note.as_str(), cards[0].psn, cards[0].cvv.expose()), ("everyday", 1, "123"));
    let shown = format!("{cards:?}");
    for secret in ["4000120000000", "4711", "789", "40414243"] {
        assert!(!shown.contains(secret), "{secret} is shown");
    }
}

#[test]
fn nothing_opens_with_one_component_or_another_key() {
    let folder = Folder::new("components");
    deliver(&folder);
    let same = TransportKey::from_components(&folder.file("component1"), &folder.file("component1"));
    assert!(matches!(same, Err(DeliveryError::SameComponent(_))));
    let other = folder.write("other", &COMPONENT_2.replace("A5", "5A"));
    let wrong = TransportKey::from_components(&folder.file("component1"), &other).unwrap();
    let refused = open::<DeliveredCard>(&wrong, &folder.file("cards.json")).unwrap_err();
    assert!(matches!(refused, DeliveryError::CheckValue { .. }), "{refused}");
    let short = folder.write("short", &COMPONENT_1[2..]);
    let refused = TransportKey::from_components(&short, &other).unwrap_err();
    assert!(matches!(refused, DeliveryError::Component(_)), "{refused}");
}

#[test]
fn items_cannot_be_moved_or_changed() {
    let folder = Folder::new("moved");
    deliver(&folder);
    let refused = open::<DeliveredTerminal>(&key(&folder), &folder.file("cards.json")).unwrap_err();
    assert!(matches!(refused, DeliveryError::RequestKind { .. }), "{refused}");
    // an item for one addressee in a file that claims to be for another
    let mut moved = sealed("cards", &[terminal("T0000001")]);
    moved["kind"] = "terminals".into();
    let file = folder.write("moved.json", &moved.to_string());
    let refused = open::<DeliveredTerminal>(&key(&folder), &file).unwrap_err();
    assert!(matches!(refused, DeliveryError::Sealed { index: 0, .. }), "{refused}");
    let mut damaged = sealed("cards", &[card("x", 3)]);
    let item = damaged["items"][0].as_str().unwrap().replace(char::is_numeric, "0");
    damaged["items"][0] = item.into();
    let file = folder.write("damaged.json", &damaged.to_string());
    assert!(matches!(open::<DeliveredCard>(&key(&folder), &file), Err(DeliveryError::Sealed { .. })));
}

#[test]
fn an_item_with_something_wrong_in_it_does_not_show_it() {
    let folder = Folder::new("wrong");
    deliver(&folder);
    let mut wrong = card("x", 3);
    wrong["pin"] = "47a1".into();
    let file = folder.write("wrong.json", &sealed("cards", &[wrong]).to_string());
    let refused = open::<DeliveredCard>(&key(&folder), &file).unwrap_err().to_string();
    assert!(refused.contains("item 0") && !refused.contains("47a1"), "{refused}");
}
