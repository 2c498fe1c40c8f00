use tracing_subscriber::EnvFilter;

/// Starts logging: one JSON object a line on standard error, with the fields of the enclosing spans.
///
/// `default_filter` (such as `info,tokio_postgres=warn`) applies unless the environment has `RUST_LOG`. A second call
/// in one process (tests) changes nothing.
pub fn init_log(default_filter: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default_filter));
    let _already_set = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_writer(std::io::stderr)
        .with_env_filter(filter)
        .try_init();
}
