use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::*;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read, not used")]
struct Shop {
    state_dir: PathBuf,
    address: SocketAddr,
    #[serde(rename = "till")]
    tills: Vec<Till>,
    #[serde(default)]
    shelf: BTreeMap<Goods, Shelf>,
    #[serde(default)]
    hours: Hours,
    #[serde(default)]
    route: Vec<Route>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read, not used")]
struct Till {
    name: String,
    address: SocketAddr,
    #[serde(default)]
    drawer_count: u8,
    pair: Option<[String; 2]>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Goods {
    DryGoods,
    Wine,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read, not used")]
struct Shelf {
    goods: Goods,
    height_mm: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Hours {
    opens: String,
    closes_after_min: i64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Route {
    prefix: String,
}

impl Check for Shop {
    const RENAMED: &'static [(&'static str, &'static str)] =
        &[("state_folder", "is called state_dir now"), ("till.listen", "is called address now")];

    fn check(&self) -> Result<(), InvalidValue> {
        check_range("hours.closes_after_min", self.hours.closes_after_min, 0..=1440)?;
        for (at, route) in self.route.iter().enumerate() {
            check_digits(&format!("route[{at}].prefix"), &route.prefix, 1..=19)?;
        }
        match self.tills.iter().position(|till| till.drawer_count == 0) {
            Some(at) => Err(InvalidValue::new(format!("till[{at}].drawer_count"), "a till has a drawer")),
            None => Ok(()),
        }
    }
}

const EXAMPLE: &str = r#"state_dir = "state"
address = "127.0.0.1:1"

[[till]]
name = "front"
address = "127.0.0.1:2"
drawer_count = 1
pair = ["left", "right"]

[[till]]
name = "back"
address = "127.0.0.1:3"
drawer_count = 2

[shelf.wine]
goods = "wine"
height_mm = 200

[hours]
opens = "08:00"
closes_after_min = 600

[[route]]
prefix = "40"

[[route]]
prefix = "51"
"#;

fn refused(text: &str) -> String {
    parse::<Shop>(text, "shop.toml").map(drop).expect_err(text).to_string()
}

#[test]
fn the_example_is_read() {
    let shop: Shop = parse(EXAMPLE, "shop.toml").unwrap();
    assert_eq!(shop.tills[0].pair.as_ref().unwrap()[1], "right");
    assert_eq!(shop.shelf[&Goods::Wine].goods, Goods::Wine);
}

#[test]
fn each_kind_of_mistake_is_one_line_with_file_key_reason_and_line() {
    for (from, to, line) in [
        // not TOML
        (
            "= \"state\"",
            "= state",
            "shop.toml: state_dir: string values must be quoted, expected literal string (line 1)",
        ),
        ("\"08:00\"", "\"08:00", "shop.toml: hours.opens: invalid basic string, expected `\"` (line 20)"),
        ("[shelf.wine]", "[shelf.wine", "shop.toml: unclosed table, expected `]` (line 15)"),
        (
            "height_mm = 200",
            "height_mm =",
            "shop.toml: shelf.wine.height_mm: string values must be quoted, expected literal string (line 17)",
        ),
        ("drawer_count = 1", "drawer_count = 1\nname = \"x\"", "shop.toml: till.front.name: duplicate key (line 8)"),
        (
            "[\"left\", \"right\"]",
            "[\n\"left\",\n@\"right\"]",
            "shop.toml: till.front.pair: missing opening quote, expected `\"` (line 10)",
        ),
        // unknown keys
        (
            "state_dir",
            "state_dri",
            "shop.toml: state_dri: is not a key; here may stand state_dir, address, till, shelf, hours, route (line 1)",
        ),
        (
            "height_mm",
            "depth_mm",
            "shop.toml: shelf.wine.depth_mm: is not a key; here may stand goods, height_mm (line 17)",
        ),
        (
            "drawer_count = 2",
            "drawers = 2",
            "shop.toml: till.back.drawers: is not a key; here may stand name, address, drawer_count, pair (line 13)",
        ),
        ("[shelf.wine]", "[shelf.beer]", "shop.toml: shelf.beer: must be one of dry-goods, wine (line 15)"),
        // renamed keys
        ("state_dir", "state_folder", "shop.toml: state_folder: is called state_dir now (line 1)"),
        (
            "address = \"127.0.0.1:3\"",
            "listen = \"127.0.0.1:3\"",
            "shop.toml: till.back.listen: is called address now (line 12)",
        ),
        // missing keys
        ("address = \"127.0.0.1:1\"", "", "shop.toml: address: is missing"),
        ("address = \"127.0.0.1:3\"", "", "shop.toml: till.back.address: is missing (line 10)"),
        ("name = \"back\"", "", "shop.toml: till[1].name: is missing (line 10)"),
        ("goods = \"wine\"", "", "shop.toml: shelf.wine.goods: is missing (line 15)"),
        // wrong types and values
        ("\"08:00\"", "8", "shop.toml: hours.opens: must be a text in quotes, and is a number (line 20)"),
        ("\"08:00\"", "08:00:00", "shop.toml: hours.opens: is a date without quotes (line 20)"),
        (
            "height_mm = 200",
            "height_mm = \"200\"",
            "shop.toml: shelf.wine.height_mm: must be a whole number, not negative, and is a text (line 17)",
        ),
        (
            "height_mm = 200",
            "height_mm = -200",
            "shop.toml: shelf.wine.height_mm: must be a whole number, not negative (line 17)",
        ),
        (
            "drawer_count = 1",
            "drawer_count = 256",
            "shop.toml: till.front.drawer_count: must be a whole number from 0 to 255 (line 7)",
        ),
        (
            "drawer_count = 1",
            "drawer_count = 99999999999999999999",
            "shop.toml: till.front.drawer_count: is a number beyond 64 bits (line 7)",
        ),
        ("\"127.0.0.1:2\"", "\"localhost\"", "shop.toml: till.front.address: invalid socket address syntax (line 6)"),
        (
            "goods = \"wine\"",
            "goods = \"beer\"",
            "shop.toml: shelf.wine.goods: must be one of dry-goods, wine (line 16)",
        ),
        ("goods = \"wine\"", "goods = true", "shop.toml: shelf.wine.goods: must be one of dry-goods, wine (line 16)"),
        (
            "[\"left\", \"right\"]",
            "[\"left\"]",
            "shop.toml: till.front.pair: must be a list of length 2, and has 1 entries (line 8)",
        ),
        (
            "[\"left\", \"right\"]",
            "[\"left\", 2]",
            "shop.toml: till.front.pair[1]: must be a text in quotes, and is a number (line 8)",
        ),
        ("[hours]", "[[hours]]", "shop.toml: hours: must be a table, and is a list (line 19)"),
        (
            "state_dir = \"state\"",
            "state_dir = []",
            "shop.toml: state_dir: must be a path in quotes, and is a list (line 1)",
        ),
        // wrong meanings
        ("= 600", "= 1441", "shop.toml: hours.closes_after_min: must be 0 to 1440 (line 21)"),
        ("\"51\"", "\"5x\"", "shop.toml: route[1].prefix: must be 1 to 19 digits (line 27)"),
        ("drawer_count = 2", "drawer_count = 0", "shop.toml: till.back.drawer_count: a till has a drawer (line 13)"),
        ("drawer_count = 2", "", "shop.toml: till.back.drawer_count: a till has a drawer (line 10)"),
    ] {
        let text = EXAMPLE.replacen(from, to, 1);
        assert_ne!(text, EXAMPLE, "{from} is not in the example");
        assert_eq!(refused(&text), line);
    }
}

#[test]
fn a_file_that_cannot_be_read_has_no_key() {
    let error = load::<Shop>(Path::new("/nowhere/shop.toml")).map(drop).unwrap_err();
    assert_eq!(error.to_string(), "/nowhere/shop.toml: cannot be read: No such file or directory (os error 2)");
    assert_eq!(error.key, None);
}

#[test]
fn entries_that_have_no_name_of_their_own_go_by_their_place() {
    for (name, key) in [("front", "till[1].drawers"), ("a b", "till[1].drawers"), ("yard", "till.yard.drawers")] {
        let text = EXAMPLE.replace("\"back\"", &format!("\"{name}\"")).replace("drawer_count = 2", "drawers = 2");
        assert!(refused(&text).starts_with(&format!("shop.toml: {key}: ")), "{}", refused(&text));
    }
}

#[test]
fn a_key_never_breaks_the_line() {
    let text = format!("\"a\\nb.c\" = 1\n{EXAMPLE}");
    assert!(refused(&text).starts_with("shop.toml: \"a\\nb.c\": is not a key"), "{}", refused(&text));
}

/// Even where the type's own error message repeats the value.
#[test]
fn a_value_is_repeated_by_no_reason() {
    #[derive(Debug)]
    struct Loud;
    impl<'de> Deserialize<'de> for Loud {
        fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            let text = String::deserialize(from)?;
            Err(serde::de::Error::custom(format!("cannot take\n{text}")))
        }
    }
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "read, not used")]
    struct Of {
        secret: Loud,
        #[serde(default)]
        either: Option<Either>,
    }
    #[derive(Debug, Deserialize)]
    #[serde(untagged)]
    #[expect(dead_code, reason = "read, not used")]
    enum Either {
        One(u8),
        Two([u8; 2]),
    }
    impl Check for Of {
        fn check(&self) -> Result<(), InvalidValue> {
            Ok(())
        }
    }
    let refused = |text: &str| parse::<Of>(text, "f").map(drop).unwrap_err().to_string();
    assert_eq!(refused("secret = 'geheim'"), "f: secret: is not of the form that is wanted (line 1)");
    assert_eq!(
        refused("either = 'geheim'\nsecret = ''"),
        "f: either: data did not match any variant of untagged enum Either (line 1)"
    );
    assert_eq!(
        refused("secret = host=x password=geheim"),
        "f: secret: unexpected key or value, expected newline, `#` (line 1)"
    );
    for broken in [
        "secret = \"host=x password=\"geheim\"",
        "secret = \"host=x\npassword=geheim\"",
        "secret = \"host=x \\q geheim\"",
        "secret = \"\"\"host=x\npassword=geheim",
        "secret = 'host=x password=geheim",
        "secret: 'geheim'",
        "secret 'geheim'",
        "secret = ['geheim' 'geheim']",
        "secret = { a = 'geheim', a = 'geheim' }",
        "secret = 'geheim'\nsecret = 'geheim'",
        "[secret]\na = 'geheim'\na = 'geheim'",
        "secret = geheim",
        "secret = 'a'\n\"geheim",
        "secret = \n 'geheim'",
        "secret = 0geheim",
    ] {
        let line = refused(broken);
        assert!(!line.contains("geheim") && !line.contains('\n'), "{line}");
    }
}
