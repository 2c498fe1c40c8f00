//! How a program connects to Postgres: where, as whom, over TLS or not, and what the server must not lack.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Pool, PoolError, RecyclingMethod, Runtime};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;
use tokio_postgres::NoTls;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::StoreError;

/// A setting of Postgres without which a commit, or what was committed, can be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// Commits reach the disk.
    Fsync,
    /// A page that was half written when the power failed can be repaired.
    FullPageWrites,
    /// A page that the disk changed is noticed.
    DataChecksums,
    /// A commit is answered when it is on the disk, not before. A role, a database or a session may have its own value.
    SynchronousCommit,
}

impl Durability {
    const ALL: [Self; 4] = [Self::Fsync, Self::FullPageWrites, Self::DataChecksums, Self::SynchronousCommit];

    /// The name that Postgres has for it.
    #[must_use]
    pub const fn setting(self) -> &'static str {
        match self {
            Self::Fsync => "fsync",
            Self::FullPageWrites => "full_page_writes",
            Self::DataChecksums => "data_checksums",
            Self::SynchronousCommit => "synchronous_commit",
        }
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.setting())
    }
}

/// Why a connection string cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAConnection {
    #[error("is no libpq connection string")]
    Syntax,
    #[error("sslmode asks for TLS, and postgres_root_certificates does not say who vouches for the server")]
    WithoutRoots,
    #[error("there are postgres_root_certificates, and sslmode does not ask for TLS: it has to be verify-full")]
    WithoutTls,
}

/// How to connect to a database.
#[derive(Clone, Debug)]
pub struct Connection {
    parameters: tokio_postgres::Config,
    /// PEM file of those who vouch for the server. With it, TLS or nothing.
    roots: Option<PathBuf>,
    may_lack: Vec<Durability>,
}

impl Connection {
    /// From a libpq connection string. With `sslmode=verify-full`, or `require`, which means the same here, the server proves with
    /// a certificate that it is the host of that name, and `roots` is the PEM file of those who may vouch for it; other connections
    /// over TCP are not encrypted. On a Unix socket neither matters.
    pub fn new(text: &str, roots: Option<&Path>) -> Result<Self, NotAConnection> {
        // the client knows no verify-full; what it calls require is made to verify below
        let text = text.replace("sslmode=verify-full", "sslmode=require");
        let parameters: tokio_postgres::Config = text.parse().map_err(|_| NotAConnection::Syntax)?;
        let mut connection = Self::from(parameters);
        let over_tcp = connection.parameters.get_hosts().iter().any(|host| matches!(host, Host::Tcp(_)))
            || !connection.parameters.get_hostaddrs().is_empty();
        if !over_tcp {
            connection.parameters.ssl_mode(SslMode::Disable);
            return Ok(connection);
        }
        match (connection.parameters.get_ssl_mode() == SslMode::Require, roots) {
            (true, None) => return Err(NotAConnection::WithoutRoots),
            (false, Some(_)) => return Err(NotAConnection::WithoutTls),
            (_, roots) => connection.roots = roots.map(Path::to_owned),
        }
        Ok(connection)
    }

    /// The same for a server that may lack these settings.
    #[must_use]
    pub fn may_lack(mut self, settings: &[Durability]) -> Self {
        settings.clone_into(&mut self.may_lack);
        self
    }

    /// The parameters, for whoever looks.
    #[must_use]
    pub const fn parameters(&self) -> &tokio_postgres::Config {
        &self.parameters
    }

    /// Adds settings of the session, as `-c name=value`, to those that the connection string has.
    #[must_use]
    pub fn with_options(mut self, options: &str) -> Self {
        let given = self.parameters.get_options().map(|given| format!("{given} ")).unwrap_or_default();
        self.parameters.options(format!("{given}{options}"));
        self
    }

    /// Names the connection to those who look at Postgres' activity.
    #[must_use]
    pub fn called(mut self, application_name: &str) -> Self {
        self.parameters.application_name(application_name);
        self
    }

    fn manager(&self) -> Result<Manager, StoreError> {
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let parameters = self.parameters.clone();
        Ok(match &self.roots {
            None => Manager::from_config(parameters, NoTls, recycling),
            Some(roots) => Manager::from_config(parameters, MakeRustlsConnect::new(verifying(roots)?), recycling),
        })
    }
}

impl From<tokio_postgres::Config> for Connection {
    fn from(parameters: tokio_postgres::Config) -> Self {
        Self { parameters, roots: None, may_lack: Vec::new() }
    }
}

impl FromStr for Connection {
    type Err = NotAConnection;

    fn from_str(text: &str) -> Result<Self, NotAConnection> {
        Self::new(text, None)
    }
}

/// TLS that verifies certificate and host name.
fn verifying(roots: &Path) -> Result<ClientConfig, StoreError> {
    let unusable = |reason: &dyn fmt::Display| StoreError::Roots { path: roots.to_owned(), reason: reason.to_string() };
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(roots).map_err(|error| unusable(&error))? {
        store.add(certificate.map_err(|error| unusable(&error))?).map_err(|error| unusable(&error))?;
    }
    if store.is_empty() {
        return Err(unusable(&"no certificate is in it"));
    }
    Ok(ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&error))?
        .with_root_certificates(store)
        .with_no_client_auth())
}

/// A pool of at most `size` connections. Each is refused when it is made if the server may lose what it commits.
pub fn pool(connection: &Connection, size: usize) -> Result<Pool, StoreError> {
    let may_lack = connection.may_lack.clone();
    let pool = Pool::builder(connection.manager()?)
        .max_size(size)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(Duration::from_secs(5)))
        .create_timeout(Some(Duration::from_secs(5)))
        .post_create(Hook::async_fn(move |client, _| {
            let may_lack = may_lack.clone();
            Box::pin(async move {
                match lacking(client, &may_lack).await.map_err(HookError::Backend)? {
                    Some(setting) => Err(HookError::message(setting.setting())),
                    None => Ok(()),
                }
            })
        }))
        .build()?;
    Ok(pool)
}

/// What this session lacks and may not.
async fn lacking(
    client: &tokio_postgres::Client,
    may_lack: &[Durability],
) -> Result<Option<Durability>, tokio_postgres::Error> {
    let settings = Durability::ALL.map(|of| format!("current_setting('{of}')")).join(", ");
    let row = client.query_one(&format!("SELECT {settings}"), &[]).await?;
    let off = Durability::ALL
        .into_iter()
        .enumerate()
        .find(|(at, of)| row.get::<_, &str>(*at) == "off" && !may_lack.contains(of));
    Ok(off.map(|(_, of)| of))
}

impl From<PoolError> for StoreError {
    fn from(error: PoolError) -> Self {
        match &error {
            PoolError::PostCreateHook(HookError::Message(name)) => {
                Durability::ALL.into_iter().find(|of| of.setting() == name).map_or(Self::Pool(error), Self::NotDurable)
            }
            _ => Self::Pool(error),
        }
    }
}
