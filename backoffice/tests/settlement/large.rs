//! A large day after months of journal: how long closing takes, and how much memory.

use std::fs;
use std::time::Instant;

use jiff::civil::date;

use crate::child::folder;
use crate::scenario::{Day, files_below};

/// `$1` movements at a hundred merchants on `$2`: one in five of a foreign card, one in fifty reversed.
const MOVEMENTS: &str = "
    WITH numbered AS (
      SELECT (10::int8 << 40) + (date '{day}' - date '2026-01-01') * 1000000 + n AS id, n, n % 5 = 0 AS foreign_card, n % 50 = 49 AS reversal,
        'SWYD9' || lpad((n % 100)::text, 10, '0') AS merchant, 100 + n % 5000 AS minor
      FROM generate_series(1, {count}) n),
    moved AS (INSERT INTO auth (auth_id, requested_minor, approved_minor, batch_seq, local_at, received_at, idem_date, business_date, cycle,
        lane_instance, stan, kind, role, bucket, hash_version, class, currency, mcc, batch_pos, advice, response_code, idem, digest, pan_index,
        link, acquirer, issuer, merchant, terminal, entry_mode, rrn, approval_code, lifecycle, why, original_date, original_idem)
      SELECT id, minor, minor - CASE WHEN reversal THEN 1 ELSE 0 END, n, timestamp '{day} 08:00' + n * interval '0.1 second', now(), '{day}', '{day}', '{day}', 2560, n % 1000000,
        (CASE WHEN reversal THEN 'reversal' ELSE 'purchase' END)::auth_kind, (CASE WHEN foreign_card THEN 'acquired' ELSE 'on-us' END)::auth_role,
        55, 2, 2, 978, 5411, 0, false, '00', substr(sha256(int8send(id)), 1, 16), '\\x00', decode(repeat('77', 32), 'hex'),
        'terminals', '400012', CASE WHEN foreign_card THEN 'issuer-510051' END, merchant, 'T' || lpad((n % 1000)::text, 7, '0'), '051',
        lpad(n::text, 12, '0'), '123456', 'SWYL' || lpad(n::text, 11, '0'), '',
        CASE WHEN reversal THEN date '{day}' END, CASE WHEN reversal THEN substr(sha256(int8send(id - 100)), 1, 16) END
      FROM numbered RETURNING auth_id, bucket, kind, approved_minor, merchant, role)
    INSERT INTO posting (auth_id, amount_minor, business_date, cycle, payer_kind, payee_kind, bucket, currency, payer_ref, payee_ref)
      SELECT auth_id, CASE WHEN kind = 'reversal' THEN -approved_minor ELSE approved_minor END, '{day}', '{day}',
        (CASE WHEN role = 'acquired' THEN 'network' ELSE 'cardholder' END)::account_kind, 'merchant', bucket, 978,
        CASE WHEN role = 'acquired' THEN 'issuer-510051' ELSE '1001' END, merchant FROM moved";

/// What a process used most, since it was last reset.
fn peak_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

#[tokio::test]
#[ignore = "takes minutes; SWITCHYARD_MOVEMENTS says how many movements the day has, 200,000 without it"]
#[expect(clippy::print_stdout, reason = "the figures are what one asks for")]
async fn a_large_day_is_closed() {
    let wanted = std::env::var("SWITCHYARD_MOVEMENTS").ok().and_then(|text| text.parse().ok()).unwrap_or(200_000_u32);
    let day = Day::of_trade().await;
    let merchants =
        "INSERT INTO merchant SELECT 'SWYD9' || lpad(n::text, 10, '0'), 'Shop ' || n, 5411, 'Berlin', '276',
        'DE02120300000000202051' FROM generate_series(0, 99) n";
    day.change(merchants).await;
    for month in 5..=10 {
        let before = format!("2026-{month:02}-15");
        day.change(&format!("SELECT journal_partitions('{before}', '{before}')")).await;
        day.change(&MOVEMENTS.replace("{day}", &before).replace("{count}", "100000")).await;
    }
    day.change(&MOVEMENTS.replace("{day}", "2026-11-20").replace("{count}", &wanted.to_string())).await;
    day.change("SELECT brin_summarize_new_values(c.oid) FROM pg_class c JOIN pg_am m ON m.oid = c.relam WHERE m.amname = 'brin' AND c.relkind = 'i'").await;
    day.change("ANALYZE").await;
    let out = folder("large");
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let (before, started) = (peak_mib(), Instant::now());
    day.close(date(2026, 11, 20), &out).await.unwrap();
    let (closed, peak) = (started.elapsed(), peak_mib());
    let started = Instant::now();
    day.close(date(2026, 11, 20), &out).await.unwrap();
    let lines = day.number("SELECT count(*) FROM settlement_line").await;
    let files = files_below(&out).len();
    println!(
        "{lines} lines, {files} files: closed in {:.1} s, again in {:.1} s; memory {before} MiB before, at most {peak} MiB",
        closed.as_secs_f64(),
        started.elapsed().as_secs_f64()
    );
}
