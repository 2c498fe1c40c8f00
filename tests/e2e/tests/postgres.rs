//! What the programs demand of a Postgres server, on servers that do not have it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use e2e::options;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use stage::config::{Edits, copy_edited};
use stage::layout::Layout;
use stage::ports;
use stage::postgres::{Cluster, Manner};
use stage::supervisor::Supervisor;

/// A server of its own for one test, and a place for files.
struct Server {
    cluster: Cluster,
    options: stage::Options,
    supervisor: Supervisor,
    layout: Layout,
}

impl Server {
    fn create(name: &str, manner: Manner) -> Result<Self> {
        let options = options(name)?;
        let layout = Layout::claim(&options.state)?;
        let cluster = Cluster::create_in_manner(&layout, manner)?;
        Ok(Self { cluster, options, supervisor: Supervisor::new(), layout })
    }

    fn start(name: &str, manner: Manner) -> Result<Self> {
        let server = Self::create(name, manner)?;
        server.cluster.start(&server.supervisor)?;
        Ok(server)
    }

    /// Runs a verb of `authhost`: whether it succeeded, and what it said.
    fn authhost(&self, verb: &str, file: &Path) -> Result<(bool, String)> {
        let output = Command::new(self.options.programs.join("authhost"))
            .args([verb, "--config"])
            .arg(file)
            .current_dir(&self.options.checkout)
            .stdin(Stdio::null())
            .output()
            .context("authhost")?;
        Ok((output.status.success(), String::from_utf8(output.stderr)?))
    }

    /// Why `authhost serve` does not start. The database is empty, so that it ends in any case.
    fn refusal(&self, connection: &str, may_lack: &[&str]) -> Result<String> {
        let may_lack = may_lack.iter().map(|setting| toml::Value::from(*setting)).collect::<Vec<_>>();
        let edits: Edits =
            vec![("postgres".into(), connection.into()), ("postgres_may_lack".into(), toml::Value::Array(may_lack))];
        let file = self.layout.config().join("host.toml");
        copy_edited(&self.options.checkout.join("config/host.toml"), &file, &edits)?;
        let (started, said) = self.authhost("serve", &file)?;
        assert!(!started);
        Ok(said)
    }

    fn may_not_lack(&self, connection: &str, setting: &str) -> Result<()> {
        let refused = self.refusal(connection, &[])?;
        assert!(refused.contains(&format!("{setting} is off in Postgres")), "{setting}: {refused}");
        // the rest of them do not excuse it
        let others: Vec<_> = SETTINGS.into_iter().filter(|other| *other != setting).collect();
        let refused = self.refusal(connection, &others)?;
        assert!(refused.contains(&format!("{setting} is off in Postgres")), "{setting}: {refused}");
        let allowed = self.refusal(connection, &[setting])?;
        assert!(allowed.contains("the database has no schema yet"), "{setting} may be off: {allowed}");
        Ok(())
    }
}

const SETTINGS: [&str; 4] = ["fsync", "full_page_writes", "data_checksums", "synchronous_commit"];

fn off(setting: &str) -> Manner {
    Manner { settings: vec![format!("{setting}=off")], ..Manner::default() }
}

#[test]
fn a_server_that_may_lose_what_it_commits_is_refused_and_the_setting_named() -> Result<()> {
    for setting in ["fsync", "full_page_writes", "synchronous_commit"] {
        let server = Server::start(&format!("off-{}", setting.replace('_', "-")), off(setting))?;
        server.may_not_lack(&server.cluster.connection("switchyard"), setting)?;
    }
    let server = Server::start("off-checksums", Manner { checksums: false, ..Manner::default() })?;
    server.may_not_lack(&server.cluster.connection("switchyard"), "data_checksums")?;
    Ok(())
}

#[test]
fn a_role_whose_commits_are_answered_early_is_refused() -> Result<()> {
    let server = Server::start("off-role", Manner::default())?;
    server.cluster.divide(
        &(std::fs::read_to_string(server.options.checkout.join("config/postgres-roles.sql"))?
            + "ALTER ROLE authhost SET synchronous_commit = off"),
    )?;
    server.may_not_lack(&server.cluster.connection_of("authhost"), "synchronous_commit")?;
    let allowed = server.refusal(&server.cluster.connection_of("issuing"), &[])?;
    assert!(allowed.contains("the database has no schema yet"), "{allowed}");
    Ok(())
}

/// Somebody who vouches for servers.
fn authority() -> Result<CertifiedIssuer<'static, KeyPair>> {
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Ok(CertifiedIssuer::self_signed(parameters, KeyPair::generate()?)?)
}

/// A server on a port of its own. With `authority` it speaks TLS, as `localhost`, and admits nobody over TCP without it.
fn listening(name: &str, authority: Option<&CertifiedIssuer<'static, KeyPair>>) -> Result<(Server, u16)> {
    let [port] = ports::choose()?;
    let settings = if authority.is_some() { vec!["ssl=on".to_owned()] } else { Vec::new() };
    let server = Server::create(name, Manner { port: Some(port), settings, ..Manner::default() })?;
    if let Some(authority) = authority {
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(["localhost".to_owned()])?.signed_by(&key, authority)?;
        server.cluster.add_file("server.crt", certificate.pem().as_bytes())?;
        server.cluster.add_file("server.key", key.serialize_pem().as_bytes())?;
        server.cluster.add_file("pg_hba.conf", b"local all all trust\nhostssl all all 127.0.0.1/32 trust\n")?;
    }
    server.cluster.start(&server.supervisor)?;
    Ok((server, port))
}

fn pem_file(server: &Server, name: &str, authority: &CertifiedIssuer<'static, KeyPair>) -> Result<PathBuf> {
    let path = server.layout.config().join(name);
    std::fs::write(&path, authority.pem())?;
    Ok(path)
}

/// `authhost migrate` with these parameters: whether it brought the schema up to date, and what it said.
fn migrate(server: &Server, connection: &str, roots: Option<&Path>) -> Result<(bool, String)> {
    let file = server.layout.config().join("migrate.toml");
    let roots = roots.map(|path| format!("postgres_root_certificates = '{}'\n", path.display())).unwrap_or_default();
    std::fs::write(&file, format!("postgres = \"user=switchyard dbname=switchyard {connection}\"\n{roots}"))?;
    server.authhost("migrate", &file)
}

#[test]
fn over_tcp_the_server_proves_who_it_is_or_nothing_is_sent() -> Result<()> {
    let (ours, stranger) = (authority()?, authority()?);
    let (server, port) = listening("tls", Some(&ours))?;
    let (right, wrong) = (pem_file(&server, "right.pem", &ours)?, pem_file(&server, "wrong.pem", &stranger)?);
    let here = format!("host=localhost port={port} sslmode=verify-full");

    let (migrated, said) = migrate(&server, &here, Some(&wrong))?;
    assert!(!migrated && said.contains("certificate"), "somebody else vouches: {said}");
    let other_name = format!("host=127.0.0.1 port={port} sslmode=verify-full");
    let (migrated, said) = migrate(&server, &other_name, Some(&right))?;
    assert!(!migrated && said.contains("certificate"), "the certificate has another name: {said}");
    let plain = format!("host=localhost port={port}");
    let (migrated, said) = migrate(&server, &plain, None)?;
    assert!(!migrated && said.contains("pg_hba.conf"), "this server admits nobody without TLS: {said}");

    let (migrated, said) = migrate(&server, &here, Some(&right))?;
    assert!(migrated && said.contains("applied 0001"), "{said}");
    let required = format!("host=localhost port={port} sslmode=require");
    assert!(migrate(&server, &required, Some(&right))?.0, "the same under the other name");
    assert!(!migrate(&server, &required, Some(&wrong))?.0, "and no less");
    let socket = server.cluster.connection("switchyard") + " sslmode=verify-full";
    assert!(migrate(&server, &socket, Some(&right))?.0, "on the Unix socket there is no TLS");
    Ok(())
}

#[test]
fn a_server_without_tls_is_refused_where_it_is_demanded() -> Result<()> {
    let (server, port) = listening("plain", None)?;
    let roots = pem_file(&server, "roots.pem", &authority()?)?;
    let (migrated, said) = migrate(&server, &format!("host=localhost port={port} sslmode=verify-full"), Some(&roots))?;
    assert!(!migrated && said.contains("does not support TLS"), "{said}");
    assert!(migrate(&server, &format!("host=localhost port={port}"), None)?.0, "the server itself is well");
    Ok(())
}
