//! Commands of operators: links, unacknowledged messages, sign-off and sign-on, cut-over.

use crate::business_day::BusinessDay;
use crate::event::{Command, Effect, Reply, SafId, Ticket};
use crate::parts::Parts;
use crate::saf::SafMessage;
use crate::turn::Turn;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Carries out a command. Its answer is an effect, of this turn or of a later one.
pub(super) fn operate(
    turn: &mut Turn<'_>,
    parts: &mut Parts,
    day: &mut BusinessDay,
    operator: Ticket,
    command: Command,
) {
    let reply = match command {
        Command::CutOver { date, force } => return day.cut_over(turn, operator, date, force),
        Command::Links => Reply::Done(links(parts, day)),
        Command::Owed => Reply::Done(owed(parts, turn.now.wall_ms)),
        Command::SignOff(name) => sign(turn, parts, &name, false),
        Command::SignOn(name) => sign(turn, parts, &name, true),
    };
    turn.push(Effect::Reply(operator, reply));
}

fn links(parts: &Parts, day: &BusinessDay) -> Value {
    let listeners = parts.intake.shown().map(|listener| {
        json!({
            "name": listener.name,
            "kind": "listener",
            "connections": listener.connections,
            "signed_on": listener.signed_on,
            "refused_by_element": by_element(listener.refused),
        })
    });
    let destinations = parts.destinations.ids().map(|id| {
        let shown = parts.destinations.shown(id);
        json!({
            "name": shown.name,
            "kind": "destination",
            "state": shown.state,
            "connections": shown.connections,
            "in_flight": shown.in_flight,
            "owed": parts.saf.depth(id),
        })
    });
    json!({
        "business_date": day.date().to_string(),
        "links": listeners.chain(destinations).collect::<Vec<_>>(),
    })
}

fn by_element(refused: &BTreeMap<u8, u64>) -> Value {
    refused.iter().map(|(element, count)| (format!("DE{element}"), Value::from(*count))).collect::<Map<_, _>>().into()
}

/// Messages that are shown of each list, the oldest: the core does nothing else meanwhile.
const SHOWN: usize = 500;

/// The messages of store and forward that no destination has acknowledged, and the dead letters: how many, and the oldest.
fn owed(parts: &Parts, wall_ms: i64) -> Value {
    let oldest = parts.saf.unacknowledged().take(SHOWN);
    let owed: Vec<Value> = oldest.map(|(id, owed)| shown(parts, id, owed, wall_ms)).collect();
    let dead = parts.saf.dead_letters().take(SHOWN).map(|(id, owed, why)| {
        let mut shown = shown(parts, id, owed, wall_ms);
        shown["why"] = why.as_str().into();
        shown
    });
    let counts = (parts.saf.len(), parts.saf.dead_letters().count());
    json!({ "count": counts.0, "owed": owed, "dead_letter_count": counts.1, "dead_letters": dead.collect::<Vec<_>>() })
}

/// Id, destination, key, age and attempts of a message; of its content nothing but the MTI.
fn shown(parts: &Parts, id: SafId, owed: &SafMessage, wall_ms: i64) -> Value {
    json!({
        "id": id.0,
        "destination": parts.destinations.name(owed.destination),
        "mti": parts.destinations.read_own(&owed.message).ok().map(|message| message.mti().to_string()),
        "key": owed.key,
        "age_ms": wall_ms - owed.since_ms,
        "attempts": owed.attempts,
        "stepped_aside": owed.stepped_aside,
        "late_answer": owed.late.map(|code| code.to_string()),
    })
}

fn sign(turn: &mut Turn<'_>, parts: &mut Parts, name: &str, on: bool) -> Reply {
    let Some(id) = parts.destinations.named(name) else {
        return Reply::Refused(format!("no destination is called {name:?}"));
    };
    parts.destinations.set_signed_on(turn, id, on);
    Reply::Done(json!({ "name": name, "signed_off": !on }))
}
