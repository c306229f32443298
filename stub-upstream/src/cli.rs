//! The program: arguments, what is printed, exit codes (0 done, 1 failed, 2 wrong usage).

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

use crate::builder::{BuildError, Builder};
use crate::client::Client;
use crate::fault::{FAULTS, Fault};
use crate::keys::Alg;
use crate::persona::Personas;
use crate::profiles::PROFILES;
use crate::scenario::Scenario;
use crate::serve::serve;
use crate::stub::Stub;

const CLIENT_ID: &str = "relais";
/// Public on purpose: it protects invented people only.
const CLIENT_SECRET: &str = "simulated-secret-for-development-only";
const REDIRECT_URIS: [&str; 2] = ["http://127.0.0.1:8080/callback/fc", "http://127.0.0.1:8080/callback/oidc"];
const POST_LOGOUT_REDIRECT_URIS: [&str; 2] =
    ["http://127.0.0.1:8080/logout/return/fc", "http://127.0.0.1:8080/logout/return/oidc"];

/// A simulated national identity provider: OpenID Connect with made-up people, broken on demand.
#[derive(Parser)]
#[command(name = "stub-upstream", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve every profile, each under its own issuer
    Serve(Box<Serve>),
    /// List the people who can sign in
    Personas {
        #[command(flatten)]
        people: People,
        /// As a JSON array
        #[arg(long)]
        json: bool,
    },
    /// List what can be broken, and what a client should do about it
    Faults {
        /// As a JSON array
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
struct People {
    /// Take these people (TOML) instead of its own
    #[arg(long = "personas", value_name = "FILE")]
    file: Option<PathBuf>,
    /// Take these people (TOML) too
    #[arg(long = "extra-personas", value_name = "FILE")]
    extra: Option<PathBuf>,
}

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
struct Serve {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:8081")]
    listen: SocketAddr,
    /// How browsers and clients call it: scheme, host, port [default: http:// and the address it listens on]
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// The client's id
    #[arg(long, default_value = CLIENT_ID)]
    client_id: String,
    /// The client's secret
    #[arg(long, value_name = "SECRET", conflicts_with = "client_secret_file")]
    client_secret: Option<String>,
    /// A file that holds the client's secret; a line end is not part of it
    #[arg(long, value_name = "FILE")]
    client_secret_file: Option<PathBuf>,
    /// Where the client receives answers; may be repeated
    #[arg(long, value_name = "URI")]
    redirect_uri: Vec<String>,
    /// Where the client may send people after logout; may be repeated
    #[arg(long, value_name = "URI")]
    post_logout_redirect_uri: Vec<String>,
    /// Sign with RS256 instead of ES256, where a client may choose
    #[arg(long)]
    rs256: bool,
    /// What `id_token`s of `franceconnect_v1` name as issuer [default: the base URL, without a path]
    #[arg(long, value_name = "URL")]
    v1_issuer: Option<String>,
    /// The client's public keys, a JWK set: for encryption (`use` enc) and for `private_key_jwt` (`use` sig)
    #[arg(long, value_name = "FILE")]
    client_jwks: Option<PathBuf>,
    /// More clients (TOML), a `[[client]]` each: `id`, `secret`, `redirect_uris`, `post_logout_redirect_uris`,
    /// `id_token_signed_response_alg`, `sector`, `scopes`, `jwks`
    #[arg(long, value_name = "FILE")]
    clients: Option<PathBuf>,
    #[command(flatten)]
    people: People,
    /// Drop parameters that a strict provider refuses
    #[arg(long)]
    lenient: bool,
    /// What the first logins meet (TOML)
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// Keep no journal of logins
    #[arg(long)]
    no_journal: bool,
    /// Make codes and tokens repeatable
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Sign this person in without showing a page; `load` is somebody else each time. No journal is kept
    #[arg(long, value_name = "PERSONA")]
    auto_login: Option<String>,
    /// Break every login this way
    #[arg(long, value_name = "NAME", value_parser = fault)]
    fault: Option<Fault>,
    /// Listen on an address that others can reach: whoever reaches it can sign in as anybody
    #[arg(long)]
    i_know: bool,
}

const AFTER_HELP: &str = "\
Without options it knows one client:
  client_id                  relais
  client_secret              simulated-secret-for-development-only
  redirect_uri               http://127.0.0.1:8080/callback/fc
                             http://127.0.0.1:8080/callback/oidc
  post_logout_redirect_uri   http://127.0.0.1:8080/logout/return/fc
                             http://127.0.0.1:8080/logout/return/oidc";

/// Why the program ends with 1, or with 2 where the arguments are at fault.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(
        "{0} can be reached by others, who could then sign in as anybody; add --i-know if that is wanted"
    )]
    NotLoopback(SocketAddr),
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{}: {reason}", path.display())]
    Content { path: PathBuf, reason: String },
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error("cannot listen on {address}: {source}")]
    Listen { address: SocketAddr, source: io::Error },
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let done = match cli.command {
        Command::Serve(arguments) => run(&arguments),
        Command::Personas { people, json } => list_people(&people, json),
        Command::Faults { json } => say(&faults(json)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(io::stderr(), "stub-upstream: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

impl Failure {
    fn exit_code(&self) -> u8 {
        let usage = matches!(
            self,
            Self::NotLoopback(_)
                | Self::Content { .. }
                | Self::Build(
                    BuildError::Base(_)
                        | BuildError::RedirectUri(_)
                        | BuildError::Persona(_)
                        | BuildError::Jwks(_)
                )
        );
        if usage { 2 } else { 1 }
    }
}

fn run(arguments: &Serve) -> Result<(), Failure> {
    if !arguments.listen.ip().is_loopback() && !arguments.i_know {
        return Err(Failure::NotLoopback(arguments.listen));
    }
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false).init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let address = arguments.listen;
        let listener =
            TcpListener::bind(address).await.map_err(|source| Failure::Listen { address, source })?;
        let base = match &arguments.base_url {
            Some(base) => base.clone(),
            None => format!("http://{}", listener.local_addr()?),
        };
        let client = client(arguments)?;
        let hello = |stub: &Stub| hello(stub, &base, &client, arguments);
        let personas = people(&arguments.people)?;
        let scenario = arguments.scenario.as_deref().map(|path| scenario(path, &personas)).transpose()?;
        let mut builder = Stub::builder(&base);
        if let Some(path) = &arguments.clients {
            let content = |reason| Failure::Content { path: path.clone(), reason };
            builder = Client::parse_file(&read(path)?)
                .map_err(content)?
                .into_iter()
                .fold(builder, Builder::register);
        }
        if let Some(seed) = arguments.seed {
            builder = builder.seed(seed);
        }
        let stub = builder
            .personas(personas)
            .scenario(scenario)
            .lenient(arguments.lenient)
            .journal(!arguments.no_journal)
            .register(client.clone())
            .v1_issuer(arguments.v1_issuer.as_deref())
            .auto_login(arguments.auto_login.as_deref())
            .fault(arguments.fault)
            .build()?;
        say(&hello(&stub))?;
        serve(listener, stub, asked_to_stop()).await?;
        Ok(())
    })
}

fn client(arguments: &Serve) -> Result<Client, Failure> {
    let secret = match (&arguments.client_secret, &arguments.client_secret_file) {
        (Some(secret), _) => secret.clone(),
        (None, Some(path)) => read(path)?.trim_end_matches(['\r', '\n']).to_owned(),
        (None, None) => CLIENT_SECRET.to_owned(),
    };
    let or_default = |given: &[String], default: [&str; 2]| {
        if given.is_empty() { default.map(str::to_owned).to_vec() } else { given.to_vec() }
    };
    let jwks = match &arguments.client_jwks {
        None => None,
        Some(path) => {
            let reason =
                |error: serde_json::Error| Failure::Content { path: path.clone(), reason: error.to_string() };
            Some(serde_json::from_str(&read(path)?).map_err(reason)?)
        }
    };
    Ok(Client {
        jwks,
        redirect_uris: or_default(&arguments.redirect_uri, REDIRECT_URIS),
        post_logout_redirect_uris: or_default(&arguments.post_logout_redirect_uri, POST_LOGOUT_REDIRECT_URIS),
        id_token_signed_response_alg: if arguments.rs256 { Alg::Rs256 } else { Alg::Es256 },
        ..Client::new(&arguments.client_id, secret)
    })
}

/// What is printed once it listens.
fn hello(stub: &Stub, base: &str, client: &Client, arguments: &Serve) -> String {
    let mut text = format!("A simulated identity provider at {base} (Ctrl-C stops it)\n");
    for profile in PROFILES {
        let keyless = profile.encrypted && client.jwks.is_none();
        let needs = if keyless { ", needs --client-jwks" } else { "" };
        let _ = writeln!(text, "  issuer         {}  ({}{needs})", stub.issuer(profile), profile.name);
        if !profile.publishes() {
            let _ = writeln!(text, "  endpoints      {base}{}/…", profile.path);
        }
    }
    let _ = writeln!(text, "  client_id      {}", client.id);
    let own = arguments.client_secret.is_some() || arguments.client_secret_file.is_some();
    let secret = if own { "(as given)" } else { &client.secret };
    let _ = writeln!(text, "  client_secret  {secret}");
    for uri in &client.redirect_uris {
        let _ = writeln!(text, "  redirect_uri   {uri}");
    }
    if let Some(persona) = &arguments.auto_login {
        let _ = writeln!(text, "  everybody is   {persona}");
    }
    if let Some(fault) = arguments.fault {
        let _ = writeln!(text, "  fault          {}: {}", fault.name(), fault.about());
    }
    text
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|source| Failure::Read { path: path.to_owned(), source })
}

/// The people of the files, or those that come with the program.
fn people(arguments: &People) -> Result<Personas, Failure> {
    let from = |path: &PathBuf| {
        let content = |reason| Failure::Content { path: path.clone(), reason };
        Personas::parse(&read(path)?).map_err(content)
    };
    let own = match &arguments.file {
        Some(path) => from(path)?,
        None => Personas::bundled().map_err(BuildError::Personas)?,
    };
    match &arguments.extra {
        Some(path) => Ok(own.and(&from(path)?)),
        None => Ok(own),
    }
}

fn scenario(path: &Path, people: &Personas) -> Result<Scenario, Failure> {
    let content = |reason| Failure::Content { path: path.to_owned(), reason };
    Scenario::parse(&read(path)?, |id| people.find(id).is_some()).map_err(content)
}

fn list_people(arguments: &People, json: bool) -> Result<(), Failure> {
    let people = people(arguments)?;
    if json {
        let all: Vec<_> = people.iter().map(|persona| serde_json::json!(**persona)).collect();
        return say(&format!("{}\n", serde_json::Value::from(all)));
    }
    let mut text = String::new();
    for persona in people.iter() {
        let _ =
            writeln!(text, "{:<18} {}\n{:<18} {}", persona.id, persona.display_name(), "", persona.about.en);
    }
    say(&text)
}

fn faults(json: bool) -> String {
    if json {
        let all: Vec<_> = FAULTS.iter().map(|fault| fault.described()).collect();
        return format!("{}\n", serde_json::Value::from(all));
    }
    let mut text = String::new();
    for fault in FAULTS {
        let _ = writeln!(text, "{:<24} {:<10} {}", fault.name(), fault.stage().name(), fault.about());
    }
    text
}

fn fault(name: &str) -> Result<Fault, String> {
    Fault::parse(name).ok_or_else(|| "no such fault; `stub-upstream faults` lists them".to_owned())
}

fn say(text: &str) -> Result<(), Failure> {
    match io::stdout().write_all(text.as_bytes()) {
        // Whoever reads the list through `head` has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => Ok(done?),
    }
}

/// Ctrl-C, or a polite kill.
async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let interrupted = tokio::signal::ctrl_c();
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        let _ = interrupted.await;
        return;
    };
    tokio::select! {
        _ = interrupted => {}
        _ = terminate.recv() => {}
    }
}
