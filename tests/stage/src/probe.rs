//! Plain HTTP requests to a program: readiness, metrics, operator commands.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Status code and body.
pub type Answer = (u16, String);

pub fn get(port: u16, path: &str) -> Result<Answer> {
    exchange(port, "GET", path, "")
}

/// A command to a program that takes them on a Unix socket.
pub fn post_to_socket(socket: &Path, path: &str, json: &str) -> Result<Answer> {
    let stream = UnixStream::connect(socket).with_context(|| socket.display().to_string())?;
    // a cut-over waits for the host for ten seconds
    stream.set_read_timeout(Some(2 * ANSWER_WITHIN))?;
    exchange_over(stream, "POST", path, json).with_context(|| format!("POST {path} at {}", socket.display()))
}

fn exchange(port: u16, method: &str, path: &str, body: &str) -> Result<Answer> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let stream = TcpStream::connect_timeout(&address, ANSWER_WITHIN)?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    exchange_over(stream, method, path, body).with_context(|| format!("{method} http://localhost:{port}{path}"))
}

fn exchange_over(mut stream: impl Read + Write, method: &str, path: &str, body: &str) -> Result<Answer> {
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    parse(&answer)
}

fn parse(answer: &str) -> Result<Answer> {
    let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
    let status = head.split_ascii_whitespace().nth(1).context("no status")?.parse().context("odd status")?;
    if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        return Ok((status, dechunk(body)?));
    }
    Ok((status, body.to_owned()))
}

fn dechunk(mut body: &str) -> Result<String> {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).context("odd chunk size")?;
        if size == 0 {
            return Ok(whole);
        }
        whole.push_str(rest.get(..size).context("chunk cut short")?);
        body = rest.get(size + 2..).context("chunk cut short")?;
    }
    bail!("answer ends inside its chunks")
}

/// The sum of a metric over all its label sets, from `/metrics`; 0 if the metric is absent.
pub fn metric(port: u16, name: &str) -> Result<f64> {
    let (status, text) = get(port, "/metrics")?;
    if status != 200 {
        bail!("/metrics: {status}");
    }
    Ok(sum_of(&text, name))
}

fn sum_of(text: &str, name: &str) -> f64 {
    let values = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        // otherwise it is a longer name with the same beginning
        rest.starts_with([' ', '{']).then(|| rest.rsplit(' ').next()?.parse::<f64>().ok())?
    });
    values.sum()
}

/// Waits until `/readyz` answers 200. Fails with the last answer after the time, or at once if `hopeless` returns true.
pub fn wait_ready(port: u16, within: Duration, hopeless: impl Fn() -> bool) -> Result<()> {
    let deadline = Instant::now() + within;
    loop {
        let answer = get(port, "/readyz");
        if matches!(answer, Ok((200, _))) {
            return Ok(());
        }
        if Instant::now() > deadline || hopeless() {
            let said = answer.map_or_else(|error| error.to_string(), |(status, body)| format!("{status} {body}"));
            bail!("/readyz: {said}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_and_chunked_bodies_read_alike() {
        let plain = parse("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").expect("plain");
        let chunked = parse("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n")
            .expect("chunked");
        assert_eq!(plain, (200, "hello".to_owned()));
        assert_eq!(plain, chunked);
    }

    #[test]
    fn a_metric_is_summed_over_its_labels_and_not_mixed_up_with_longer_names() {
        let text = "# HELP late x\nlate{to=\"a\"} 2\nlate{to=\"b b\"} 3\nlate_total 100\n";
        assert!((sum_of(text, "late") - 5.0).abs() < 1e-9);
        assert!(sum_of(text, "absent").abs() < 1e-9);
    }

    #[test]
    fn a_cut_answer_is_an_error() {
        assert!(parse("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel").is_err());
    }
}
