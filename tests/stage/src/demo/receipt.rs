//! What a terminal prints: forty columns of text.

use super::report::euros;
use super::terminal_log::Line;

const COLUMNS: usize = 40;

/// The receipt for one line of the terminal log; `None` for what prints none.
pub fn text(line: &Line) -> Option<String> {
    let title = match line.kind.as_str() {
        "purchase" | "completion" => "SALE",
        "preauth" => "PRE-AUTHORIZATION",
        "refund" => "REFUND",
        "reversal" => "CANCELLATION",
        _ => return None,
    };
    let amount = if line.approved_minor == 0 { line.amount_minor } else { line.approved_minor };
    let outcome = match line.rc.as_deref() {
        Some("00") => "APPROVED".to_owned(),
        Some("10") => "APPROVED IN PART".to_owned(),
        Some(code) => format!("DECLINED {code}"),
        None => "NO ANSWER - NOT CHARGED".to_owned(),
    };
    let mut rows = vec![
        centred("SWITCHYARD DEMO STORE"),
        centred(&line.merchant),
        "-".repeat(COLUMNS),
        pair("Terminal", &line.terminal),
        pair("Card", line.pan_masked.as_deref().unwrap_or_default()),
        pair("Trace number", &line.stan),
        pair("Reference", line.rrn.as_deref().unwrap_or_default()),
        pair(title, &format!("EUR {}", euros(amount))),
    ];
    if line.approved_minor != 0 && line.approved_minor != line.amount_minor {
        rows.push(pair("Requested", &format!("EUR {}", euros(line.amount_minor))));
        rows.push(pair("Still to pay", &format!("EUR {}", euros(line.amount_minor - line.approved_minor))));
    }
    if let Some(approval) = line.approval.as_deref().filter(|approval| !approval.is_empty()) {
        rows.push(pair("Approval code", approval));
    }
    rows.push("-".repeat(COLUMNS));
    rows.push(centred(&outcome));
    Some(rows.join("\n") + "\n")
}

fn centred(text: &str) -> String {
    format!("{text:^COLUMNS$}").trim_end().to_owned()
}

fn pair(left: &str, right: &str) -> String {
    let room = COLUMNS.saturating_sub(left.chars().count());
    format!("{left}{right:>room$}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::terminal_log::tests::line;

    #[test]
    fn no_row_is_wider_than_the_paper() {
        let mut sale = line("purchase", "000042", Some("10"), 123_456_789);
        sale.approved_minor = 2_000;
        sale.rrn = Some("632400000042".into());
        sale.approval = Some("ABC123".into());
        sale.pan_masked = Some("400012******1234567".into());
        let text = text(&sale).expect("a sale prints one");
        assert!(text.lines().all(|row| row.chars().count() <= COLUMNS), "{text}");
        assert!(text.contains("EUR 20.00") && text.contains("Still to pay"), "{text}");
        assert!(super::text(&line("echo", "000001", Some("00"), 0)).is_none());
    }
}
