//! A foreign acquirer's files against the running system: what no message captured is captured by the file, through the host, and
//! everyone is paid once.

use std::path::PathBuf;

use anyhow::{Context, Result};
use codecs::value::{ApprovalCode, Minor, ProcessingCode, Rrn};
use e2e::{TestSystem, code, euros};
use pos_sim::exchange::RequestKind;
use pos_sim::moment::Moment;
use pos_sim::presentment::{Capture, FileId, Mode, Presentment, PresentmentFile};
use pos_sim::reading::Instrument;
use serde_json::Value;
use stage::tool::Tool;

/// Writes and reads a file of the acquirer; returns its path and what the back office says of it.
fn present(system: &TestSystem, sequence: u32, presentments: &[Presentment]) -> Result<(PathBuf, Value)> {
    let dialect = codecs::dialect::load(&system.stage.options.checkout.join("config/dialects"), "ipm")?;
    let sender = system.world.acquirer.institution();
    let id = FileId { sender, at: Moment::utc(jiff::Timestamp::now()), sequence };
    let folder = system.stage.options.state.join("from-acquirer");
    std::fs::create_dir_all(&folder)?;
    let file = PresentmentFile::build(&dialect, id, Mode::Production, presentments)?
        .write(&folder, &format!("{sender}-{sequence}"))?;
    let said = system.stage.run_tool(Tool::BackOffice, "present-in", &[file.to_str().context("UTF-8")?])?;
    Ok((file, serde_json::from_str(&said)?))
}

/// What the acquirer is owed for presentments, and what it has not presented.
async fn acquirer(system: &TestSystem) -> Result<(i64, i64)> {
    let sum = "SELECT coalesce(sum(amount_minor) FILTER (WHERE account_kind = 'position'), 0)::int8,
                      coalesce(sum(amount_minor) FILTER (WHERE account_kind = 'unpresented'), 0)::int8 FROM ledger_leg";
    let row = system.books().await?.query_one(sum, &[]).await?;
    Ok((row.get(0), row.get(1)))
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_file_brings_everyone_is_paid_once() -> Result<()> {
    let system = TestSystem::open("clearing").await?;
    let abroad = &system.world.acquirer;
    let card = system.world.card("hotel")?;
    let at = async |kind, minor| abroad.transact(kind, &euros(Instrument::Chip(card.clone()), minor)).await;
    let dual = at(RequestKind::PreAuthorization, 5_000).await?;
    let twice = at(RequestKind::PreAuthorization, 10_000).await?;
    let sale = at(RequestKind::Purchase, 2_000).await?;
    assert_eq!([&dual, &twice, &sale].map(|of| code(&of.exchange)), ["00", "00", "00"]);
    assert_eq!(system.available("hotel").await?, 100_000 - 17_000);

    let capture = |of, minor| abroad.capture_of(of, Minor(minor));
    let unknown = |of: Capture| Capture { rrn: None, approval: None, life_cycle: None, ..of };
    let forced = Capture {
        rrn: Rrn::new("999999999999"),
        approval: ApprovalCode::new("999999"),
        ..unknown(capture(&sale, 700)?)
    };
    let refund = Capture { processing: ProcessingCode::REFUND, ..unknown(capture(&sale, 600)?) };
    let captures = [
        capture(&dual, 4_800)?,
        capture(&twice, 6_000)?,
        capture(&twice, 3_000)?,
        capture(&sale, 2_300)?,
        forced,
        refund,
    ];
    let institution = abroad.institution();
    let presentments: Vec<_> =
        captures.into_iter().zip(1..).map(|(capture, number)| Presentment::of(capture, institution, number)).collect();
    let (file, said) = present(&system, 1, &presentments)?;
    let outcomes = &said["outcomes"];
    assert_eq!(
        ["captured", "matched", "forced", "credited"].map(|word| outcomes[word].as_u64()),
        [Some(3), Some(1), Some(1), Some(1)],
        "{said}"
    );
    let paid = 4_800 + 6_000 + 3_000 + 2_300 + 700 - 600;
    assert_eq!(acquirer(&system).await?, (paid, 0));
    assert_eq!(system.available("hotel").await?, 100_000 - paid, "and no hold is left");

    // the same file again, and the host killed meanwhile: nothing moves
    system.stage.kill9(stage::supervisor::Program::Host)?;
    let again = system.stage.run_tool(Tool::BackOffice, "present-in", &[file.to_str().context("UTF-8")?])?;
    assert!(serde_json::from_str::<Value>(&again)?["already"].is_string(), "{again}");

    // taken back in another file: what a file captured, and a part of what a message did; the host is back by itself
    let today = Moment::utc(jiff::Timestamp::now());
    let back = |capture, number| Presentment::of(capture, institution, number).taking_back(today);
    let (_, said) = present(&system, 2, &[back(capture(&dual, 4_800)?, 1), back(capture(&sale, 500)?, 4)])?;
    assert_eq!(said["outcomes"]["withdrawn"].as_u64(), Some(2), "{said}");
    let paid = paid - 4_800 - 500;
    assert_eq!(acquirer(&system).await?, (paid, 0));
    assert_eq!(system.available("hotel").await?, 100_000 - paid);
    assert_eq!(system.unbalanced().await?, 0);
    let audit = system.stage.run_tool(Tool::BackOffice, "audit", &["--json"])?;
    assert_eq!(serde_json::from_str::<Value>(&audit)?["differences"], 0, "{audit}");
    Ok(())
}
