use config_file::example_mistakes;

use super::*;

const EXAMPLE: &str = include_str!("../../../config/switch.toml");

fn roles() -> Roles {
    Roles::parse(include_str!("../../../config/links.toml"), "links.toml").expect("valid")
}

#[test]
fn the_example_is_complete() {
    let config = Config::parse(EXAMPLE, "switch.toml", roles()).expect("the example works as it remaining");
    assert!(config.roles.get("terminals").expect("is there").is_ours());
}

#[test]
fn a_mistake_is_refused_with_file_key_and_reason() {
    for (from, to, line) in [
        (
            "admin_address  = \"127.0.0.1:9182\"",
            "admin_address = \"0.0.0.0:9182\"",
            "admin_address: must be a loopback address: it shows links and messages without a password",
        ),
        ("role = \"host\"", "role = \"issuer\"", "destination: exactly one must have role \"host\", and 0 have it"),
        ("destination = \"host\"", "destination = \"hots\"", "route[0].destination: no destination has this name"),
        ("prefix = \"510051\"", "prefix = \"51x051\"", "route[1].prefix: must be 1 to 19 digits"),
        ("from = [\"terminals\"]", "from = [\"terminal\"]", "route[1].from[0]: no listener has this name"),
        (
            "name = \"issuer-510051\"",
            "name = \"terminals\"",
            "destination.terminals.name: is another listener's or destination's name as well",
        ),
        ("connections = 2", "connections = 0", "destination.host.connections: must be 1 to 64"),
        ("framing = \"nac\"", "framing = \"nak\"", "listener.terminals.framing: must be one of NAMES"),
        ("\"zpk/host\"", "\"ZPK host\"", "destination.host.pin_key: is no name for a key"),
        (
            "max_entries = 100000",
            "max_entries = 100",
            "recent.max_entries: must be at least the sum of the destinations' max_in_flight: repeats would post twice",
        ),
        (
            "first_retry_ms = 1000",
            "frist_retry_ms = 1000",
            "owed.frist_retry_ms: is not a key; here may stand first_retry_ms, longest_retry_ms, expire_after_s, not_found_retry_s, step_aside_after, max_in_flight_per_destination, max_messages_per_destination",
        ),
        (
            "prefix = \"510051\"\ndestination = \"issuer-510051\"\nfrom = [\"terminals\"]",
            "prefix = \"400012\"\ndestination = \"host\"",
            "route[1].prefix: is routed twice",
        ),
        (
            "address = \"127.0.0.1:8583\"",
            "address = \"127.0.0.1\"",
            "listener.terminals.address: invalid socket address syntax",
        ),
        ("address = \"127.0.0.1:8590\"", "address = []", "destination.host.address: must be 1 to 64 addresses"),
        (
            "address = \"127.0.0.1:8590\"",
            "address = [\"127.0.0.1:8590\", \"127.0.0.2:8590\", \"127.0.0.1:8590\"]",
            "destination.host.address[2]: remaining twice",
        ),
        (
            "address = \"127.0.0.1:8590\"",
            "address = [\"127.0.0.1:8590\", \"127.0.0.2\"]",
            "destination.host.address[1]: invalid socket address syntax",
        ),
        (
            "address = \"127.0.0.1:8590\"",
            "address = 8590",
            "destination.host.address: must be an address, or a list of addresses, and is a number",
        ),
        ("role = \"issuer\"", "role = \"isuer\"", "destination.issuer-510051.role: must be one of host, issuer"),
        ("mac = true", "mac = true\nrole = \"ours\"", "listener.terminals.role: remaining in the file of links now"),
        (
            "sign_on_required = true",
            "acquirer_ids = [\"510099\"]",
            "listener.acquirer-ascii.acquirer_ids: is acquirer_id, and other_acquirer_ids, in the file of links now",
        ),
    ] {
        let text = EXAMPLE.replacen(from, to, 1);
        assert_ne!(text, EXAMPLE, "{from} is not in the example");
        let refused = Config::parse(&text, "switch.toml", roles()).expect_err(to).to_string();
        let line = line.replace("NAMES", &Framing::NAMES.join(", "));
        assert_eq!(refused.split_once(" (line ").expect("has a line").0, format!("switch.toml: {line}"));
    }
}

#[test]
fn a_destination_has_one_address_or_several() {
    let several = "address = [\"127.0.0.1:8590\", \"127.0.0.2:8590\"]";
    let text = EXAMPLE.replacen("address = \"127.0.0.1:8590\"", several, 1);
    let config = Config::parse(&text, "switch.toml", roles()).expect("valid");
    let addresses: Vec<usize> = config.destinations.iter().map(|d| d.address.0.len()).collect();
    assert_eq!(addresses, [2, 1]);
}

#[test]
fn a_listener_has_the_role_that_the_file_of_links_gives_it() {
    let refused = |text: &str, links: &str| {
        let roles = Roles::parse(links, "links.toml").expect("valid");
        Config::parse(text, "switch.toml", roles).expect_err("must be refused").to_string()
    };
    assert_eq!(
        refused(EXAMPLE, "[terminals]\nours = true"),
        "switch.toml: listener.acquirer-ascii.name: has no row in the file of links (line 57)"
    );
    assert_eq!(
        refused(EXAMPLE, "[terminals]\nacquirer_id = '1'\n[acquirer-ascii]\nacquirer_id = '2'"),
        "switch.toml: listener.terminals.mac: MACs are checked under terminal keys, which an acquirer does not have (line 43)"
    );
}

#[test]
fn every_key_misspelt_is_named_and_no_value_is_repeated() {
    example_mistakes::every_key_is_named_and_no_value_repeated(EXAMPLE, &[], |text| {
        Config::parse(text, "switch.toml", roles())
    });
}

#[test]
fn the_page_has_every_key_that_was_renamed() {
    let page = include_str!("../../../docs/configuration.md");
    for (old, _) in <Config as Check>::RENAMED {
        assert!(page.contains(&format!("| `{old}` |")), "{old}");
    }
}
