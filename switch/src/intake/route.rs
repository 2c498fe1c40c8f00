//! Routing: the destination of a card is that of the longest matching PAN prefix among the routes for the message class
//! and the listener.

use crate::config::{Config, RouteClass};
use crate::event::{DestinationId, ListenerId};
use codecs::value::Pan;

#[derive(Debug)]
struct Route {
    prefix: Vec<u8>,
    classes: Vec<RouteClass>,
    from: Vec<ListenerId>,
    destination: DestinationId,
}

/// The routing table, longest prefix first.
#[derive(Debug)]
pub struct Routes(Vec<Route>);

impl Routes {
    /// `config` has been checked: every name in a route exists.
    pub fn new(config: &Config) -> Self {
        let mut routes: Vec<Route> = config
            .routes
            .iter()
            .filter_map(|route| {
                let destination = config.destinations.iter().position(|d| d.name == route.destination)?;
                let listener = |name: &String| config.listeners.iter().position(|l| l.name == *name).map(ListenerId);
                Some(Route {
                    prefix: route.prefix.clone().into_bytes(),
                    classes: route.classes.clone(),
                    from: route.from.iter().filter_map(listener).collect(),
                    destination: DestinationId(destination),
                })
            })
            .collect();
        // stable: of equally long prefixes the one that remaining first in the file is tried first
        routes.sort_by_key(|route| std::cmp::Reverse(route.prefix.len()));
        Self(routes)
    }

    /// `None` if no route matches: response code 92.
    pub fn find(&self, pan: &Pan, class: RouteClass, from: ListenerId) -> Option<DestinationId> {
        let serves = |route: &&Route| {
            pan.expose().starts_with(&route.prefix)
                && (route.classes.is_empty() || route.classes.contains(&class))
                && (route.from.is_empty() || route.from.contains(&from))
        };
        self.0.iter().find(serves).map(|route| route.destination)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn table() -> Routes {
        let shipped = include_str!("../../../config/switch.toml");
        let more = "\n[[route]]\nprefix = \"40001299\"\ndestination = \"issuer-510051\"\nclasses = [\"authorization\"]\n\
                    [[route]]\nprefix = \"40\"\ndestination = \"issuer-510051\"\n";
        let roles = include_str!("../../../config/links.toml");
        let roles = link::role::Roles::parse(roles, "links.toml").expect("valid");
        Routes::new(&Config::parse(&format!("{shipped}{more}"), "test", roles).expect("valid"))
    }

    fn pan(digits: &str) -> Pan {
        Pan::from_digits(digits.as_bytes()).expect("digits")
    }

    #[test]
    fn the_longest_prefix_wins_within_class_and_listener() {
        let (host, issuer) = (Some(DestinationId(0)), Some(DestinationId(1)));
        let (terminals, acquirer) = (ListenerId(0), ListenerId(1));
        use RouteClass::{Authorization, Financial};
        for (digits, class, from, expected) in [
            ("4000120000000000", Financial, terminals, host),
            ("4000121900000000000", Financial, acquirer, host),
            ("4000129000000000", Authorization, acquirer, host),
            ("4000129900000000", Authorization, acquirer, issuer),
            ("4000129900000000", Financial, acquirer, host),
            ("4100000000000000", Financial, terminals, None),
            ("4099990000000000", Financial, terminals, issuer),
            ("5100510000000000", Financial, terminals, issuer),
            ("5100510000000000", Financial, acquirer, None),
            ("5100520000000000", Financial, terminals, None),
        ] {
            assert_eq!(table().find(&pan(digits), class, from), expected, "{digits} {class:?} {from:?}");
        }
    }

    proptest! {
        /// Against the definition: no routed prefix that fits is longer than the one chosen.
        #[test]
        fn no_longer_prefix_fits(digits in "(400012|510051|4)[0-9]{13}", class in 0..2, from in 0usize..2) {
            let class = if class == 0 { RouteClass::Authorization } else { RouteClass::Financial };
            let (routes, pan, from) = (table(), pan(&digits), ListenerId(from));
            let fits = |r: &&Route| digits.as_bytes().starts_with(&r.prefix)
                && (r.classes.is_empty() || r.classes.contains(&class))
                && (r.from.is_empty() || r.from.contains(&from));
            let longest = routes.0.iter().filter(fits).max_by_key(|r| r.prefix.len());
            prop_assert_eq!(routes.find(&pan, class, from), longest.map(|r| r.destination));
        }
    }
}
