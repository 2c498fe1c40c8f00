//! `report.html`: the run on one self-contained page – figures, steps, who owes whom, latency.

use std::fmt::Write;

use super::narrate::Step;

/// One figure in the row at the top.
#[derive(Debug, Clone)]
pub struct Figure {
    pub label: &'static str,
    pub value: String,
}

/// One party's share of one sale, in minor units; positive if it receives the amount.
#[derive(Debug, Clone)]
pub struct Share {
    pub party: String,
    pub what: String,
    pub minor: i64,
}

/// The content of the page.
#[derive(Debug)]
pub struct Page<'a> {
    pub figures: Vec<Figure>,
    pub steps: &'a [Step],
    /// Printed line by line.
    pub timeline: &'a [String],
    pub shares: &'a [Share],
    /// (share of requests answered, within these microseconds), rising in both.
    pub latency: Vec<(f64, u64)>,
    /// Answers in each second of the load.
    pub per_second: Vec<u64>,
}

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}\
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2.2rem}table{border-collapse:collapse;width:100%}\
td,th{text-align:left;padding:.25rem .6rem;border-bottom:1px solid #d8dee4;vertical-align:top}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}\
.figures{display:flex;flex-wrap:wrap;gap:.8rem}.figures div{border:1px solid #d8dee4;border-radius:6px;padding:.5rem .9rem}\
.figures b{display:block;font-size:1.25rem}.ok{color:#116329}.no{color:#a40e26;font-weight:600}pre{background:#f6f8fa;padding:.8rem;overflow:auto;font-size:13px}\
svg{width:100%;height:auto}svg text{font:11px system-ui,sans-serif;fill:#57606a}\
@media(prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}td,th,.figures div{border-color:#30363d}pre{background:#161b22}.ok{color:#3fb950}.no{color:#ff7b72}svg text{fill:#9da7b1}}";

impl Page<'_> {
    pub fn html(&self) -> String {
        let mut page = String::new();
        page.push_str(
            "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
        );
        let _ = write!(page, "<title>Switchyard: a run</title><style>{STYLE}</style><h1>Switchyard: a run</h1>");
        page.push_str("<div class=figures>");
        for Figure { label, value } in &self.figures {
            let _ = write!(page, "<div><b>{}</b>{}</div>", escape(value), escape(label));
        }
        page.push_str("</div>");
        self.shares_table(&mut page);
        if !self.latency.is_empty() {
            let _ = write!(page, "<h2>Latency of the load</h2>{}", latency_plot(&self.latency));
        }
        if self.per_second.len() > 1 {
            let _ = write!(page, "<h2>Answers per second</h2>{}", rate_plot(&self.per_second));
        }
        if !self.timeline.is_empty() {
            let _ = write!(page, "<h2>An answer lost on the way</h2><pre>{}</pre>", escape(&self.timeline.join("\n")));
        }
        self.steps_table(&mut page);
        page.push_str("</html>\n");
        page
    }

    fn shares_table(&self, page: &mut String) {
        if self.shares.is_empty() {
            return;
        }
        page.push_str("<h2>Who owes whom for one sale</h2><table><tr><th>party<th>for<th class=n>EUR</tr>");
        for Share { party, what, minor } in self.shares {
            let _ = write!(page, "<tr><td>{}<td>{}<td class=n>{}</tr>", escape(party), escape(what), euros(*minor));
        }
        let sum: i64 = self.shares.iter().map(|share| share.minor).sum();
        let _ = write!(page, "<tr><th>sum<th><th class=n>{}</tr></table>", euros(sum));
    }

    fn steps_table(&self, page: &mut String) {
        page.push_str("<h2>Steps</h2><table><tr><th>step<th>check<th>expected<th>came<th></tr>");
        for step in self.steps {
            for (place, check) in step.checks.iter().enumerate() {
                let title = if place == 0 { escape(&step.title) } else { String::new() };
                let (class, word) = if check.held { ("ok", "held") } else { ("no", "did not hold") };
                let _ = write!(
                    page,
                    "<tr><td>{title}<td>{}<td>{}<td>{}<td class={class}>{word}</tr>",
                    escape(&check.what),
                    escape(&check.expected),
                    escape(&check.came)
                );
            }
        }
        page.push_str("</table>");
    }
}

/// Minor units of a currency with two decimals.
pub fn euros(minor: i64) -> String {
    let sign = if minor < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", minor.abs() / 100, minor.abs() % 100)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 60.0;
const BOTTOM: f64 = 24.0;

/// Percentiles on the horizontal axis, each mark ten times rarer than the one before; time on the vertical axis, logarithmic.
fn latency_plot(points: &[(f64, u64)]) -> String {
    let rarity = |share: f64| -(1.0 - share.min(0.9999)).log10();
    let lowest = points.iter().map(|(_, us)| *us).min().unwrap_or(1).max(1) as f64;
    let highest = points.iter().map(|(_, us)| *us).max().unwrap_or(1).max(2) as f64;
    let (floor, ceiling) = (lowest.log10().floor(), highest.log10().ceil());
    let x = |share: f64| LEFT + rarity(share) / 4.0 * WIDTH;
    let y = |us: f64| (1.0 - (us.max(1.0).log10() - floor) / (ceiling - floor).max(1.0)) * HEIGHT;
    let mut plot = frame();
    for decade in floor as i32..=ceiling as i32 {
        let us = 10f64.powi(decade);
        let label = if us >= 1e6 {
            format!("{} s", us / 1e6)
        } else if us >= 1e3 {
            format!("{} ms", us / 1e3)
        } else {
            format!("{us} µs")
        };
        gridline(&mut plot, y(us), &label);
    }
    for (share, label) in [(0.0, "0"), (0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (0.999, "p99.9"), (0.9999, "p99.99")]
    {
        let _ = write!(plot, "<text x='{:.1}' y='{}' text-anchor='middle'>{label}</text>", x(share), HEIGHT + 16.0);
    }
    line(&mut plot, points.iter().map(|(share, us)| (x(*share), y(*us as f64))));
    plot + "</svg>"
}

fn rate_plot(per_second: &[u64]) -> String {
    let highest = per_second.iter().copied().max().unwrap_or(1).max(1) as f64;
    let last = (per_second.len() - 1).max(1) as f64;
    let y = |rate: f64| (1.0 - rate / highest) * HEIGHT;
    let mut plot = frame();
    for part in [0.0, 0.5, 1.0] {
        gridline(&mut plot, y(highest * part), &format!("{:.0}", highest * part));
    }
    let _ = write!(plot, "<text x='{}' y='{}' text-anchor='end'>{last} s</text>", LEFT + WIDTH, HEIGHT + 16.0);
    line(
        &mut plot,
        per_second.iter().enumerate().map(|(second, rate)| (LEFT + second as f64 / last * WIDTH, y(*rate as f64))),
    );
    plot + "</svg>"
}

fn frame() -> String {
    format!("<svg role=img viewBox='0 -8 {} {}'>", LEFT + WIDTH + 30.0, HEIGHT + BOTTOM + 8.0)
}

fn gridline(plot: &mut String, y: f64, label: &str) {
    let _ = write!(
        plot,
        "<line x1='{LEFT}' x2='{}' y1='{y:.1}' y2='{y:.1}' stroke='currentColor' stroke-opacity='.15'/>\
         <text x='{}' y='{:.1}' text-anchor='end'>{label}</text>",
        LEFT + WIDTH,
        LEFT - 6.0,
        y + 4.0
    );
}

fn line(plot: &mut String, points: impl Iterator<Item = (f64, f64)>) {
    let points: Vec<_> = points.map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let _ = write!(plot, "<polyline points='{}' fill='none' stroke='#0969da' stroke-width='2'/>", points.join(" "));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::narrate::Check;

    #[test]
    fn the_page_shows_what_did_not_hold_and_escapes_what_came() {
        let check = Check { what: "answer".into(), expected: "00".into(), came: "<51>".into(), held: false };
        let steps = [Step { title: "A purchase".into(), checks: vec![check] }];
        let page =
            Page { figures: vec![], steps: &steps, timeline: &[], shares: &[], latency: vec![], per_second: vec![] };
        let html = page.html();
        assert!(html.contains("did not hold") && html.contains("&lt;51&gt;") && !html.contains("<51>"));
    }

    #[test]
    fn plots_stay_within_their_frame() {
        let plot = latency_plot(&[(0.0, 300), (0.5, 900), (0.99, 4_000), (1.0, 25_000)]);
        let points = plot.split("points='").nth(1).and_then(|rest| rest.split('\'').next()).expect("a line");
        for point in points.split(' ') {
            let (x, y) = point.split_once(',').expect("x,y");
            assert!((LEFT..=LEFT + WIDTH).contains(&x.parse::<f64>().expect("x")), "{point}");
            assert!((0.0..=HEIGHT).contains(&y.parse::<f64>().expect("y")), "{point}");
        }
    }

    #[test]
    fn minor_units_keep_their_sign_below_one() {
        assert_eq!(euros(-5), "-0.05");
        assert_eq!(euros(123_456), "1234.56");
    }
}
