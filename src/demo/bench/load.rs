//! The browsers: they sign in, begin and do not return, or bring messages that do not open.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use serde::Deserialize;

use super::parties::{CALLBACK, Party};
use crate::clock::{Clock as _, SystemClock, Timestamp};
use crate::demo::http_client::{HttpClient, Reply};
use crate::entropy::Entropy;
use crate::legacy::wires::Keyed;
use crate::legacy::{Direction, MasterKey, wires};

/// How many browsers are at work at once.
const BROWSERS: usize = 16;

/// What browsers do.
#[derive(Clone, Copy)]
pub(super) enum Doing {
    /// A whole login, each by a browser and a person of its own.
    SignIn(Party),
    /// The way to the provider, and no return.
    Begin(Party),
    /// A message of the right length that does not open.
    Garbage,
}

/// How long they do it.
#[derive(Clone)]
pub(super) enum Until {
    /// Nothing is begun after this instant.
    At(Timestamp),
    /// So often.
    Times(Arc<AtomicI64>),
}

impl Until {
    pub(super) fn after(time: Duration) -> Self {
        Self::At(SystemClock.now().plus(time))
    }

    pub(super) fn times(times: u64) -> Self {
        Self::Times(Arc::new(AtomicI64::new(i64::try_from(times).unwrap_or(i64::MAX))))
    }

    fn once_more(&self) -> bool {
        match self {
            Self::At(end) => SystemClock.now() < *end,
            Self::Times(left) => left.fetch_sub(1, Ordering::Relaxed) > 0,
        }
    }
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Count {
    pub done: u64,
    pub errors: u64,
}

/// Everybody who uses the relay.
#[derive(Clone)]
pub(super) struct Load(Arc<People>);

struct People {
    provider: SocketAddr,
    parties: [(Party, Box<dyn Keyed>); 2],
    entropy: Arc<dyn Entropy>,
    visitors: AtomicU32,
}

impl Load {
    /// `None` if the applications cannot be made.
    pub(super) fn new(provider: SocketAddr, keys: &[String; 2], entropy: Arc<dyn Entropy>) -> Option<Self> {
        let wire = wires::WIRES.first()?;
        let keyed = |party: Party, key: &str| {
            Some((party, wire.keyed(&MasterKey::from_hex(key).ok()?, &party.app_id()?, None)?))
        };
        let ([first, second], [first_key, second_key]) = (Party::ALL, keys);
        let (first, second) = (keyed(first, first_key), keyed(second, second_key));
        let visitors = AtomicU32::new(0);
        Some(Self(Arc::new(People { provider, parties: [first?, second?], entropy, visitors })))
    }

    /// Has all browsers do something at `relay`.
    pub(super) async fn run(&self, relay: SocketAddr, doing: Doing, until: Until) -> Count {
        let (done, errors) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let browsers: Vec<_> = (0..BROWSERS)
            .map(|_| {
                let (people, until, done, errors) =
                    (self.0.clone(), until.clone(), done.clone(), errors.clone());
                tokio::spawn(async move { people.browse(relay, doing, &until, &done, &errors).await })
            })
            .collect();
        for browser in browsers {
            let _ = browser.await;
        }
        Count { done: done.load(Ordering::SeqCst), errors: errors.load(Ordering::SeqCst) }
    }
}

impl People {
    /// One browser after another on the same connections: each without a cookie at first.
    async fn browse(
        &self,
        relay: SocketAddr,
        doing: Doing,
        until: &Until,
        done: &AtomicU64,
        errors: &AtomicU64,
    ) {
        while let (Ok(mut to_relay), Ok(mut to_provider)) =
            (HttpClient::connect(relay).await, HttpClient::connect(self.provider).await)
        {
            loop {
                if !until.once_more() {
                    return;
                }
                let came_well = match doing {
                    Doing::SignIn(party) => self.sign_in(&mut to_relay, &mut to_provider, party).await,
                    Doing::Begin(party) => self.begin(&mut to_relay, party).await,
                    Doing::Garbage => self.garbage(&mut to_relay).await,
                };
                let count = if matches!(came_well, Ok(true)) { done } else { errors };
                count.fetch_add(1, Ordering::Relaxed);
                if came_well.is_err() {
                    break;
                }
            }
        }
    }

    /// Whether the login ended in an answer that the application can open, and that answers it.
    async fn sign_in(
        &self,
        relay: &mut HttpClient,
        provider: &mut HttpClient,
        party: Party,
    ) -> io::Result<bool> {
        let Some(asked) = self.ask(party) else { return Ok(false) };
        let from = [("X-Forwarded-For", self.address())];
        let begun = relay.get(&asked.target, &from).await?;
        let authorized = provider.get(&target(&begun), &[]).await?;
        let [forwarded] = from;
        let fields = [forwarded, ("Cookie", begun.cookies.join("; "))];
        let answered = relay.get(&target(&authorized), &fields).await?;
        let info = answered.location.as_deref().and_then(|to| to.strip_prefix(CALLBACK));
        let info = info.and_then(|rest| rest.strip_prefix("?info="));
        Ok(answered.status == 303 && info.is_some_and(|info| self.is_answer(info, party, &asked)))
    }

    /// Whether the login went to the provider.
    async fn begin(&self, relay: &mut HttpClient, party: Party) -> io::Result<bool> {
        let Some(asked) = self.ask(party) else { return Ok(false) };
        let begun = relay.get(&asked.target, &[("X-Forwarded-For", self.address())]).await?;
        Ok(begun.status == 303)
    }

    /// Whether the message was refused for what it is: everybody comes from another address, so that nobody is told
    /// to wait.
    async fn garbage(&self, relay: &mut HttpClient) -> io::Result<bool> {
        let message = hex::encode(self.entropy.bytes::<139>());
        let target = format!("/idp/{}?msg={message}", Party::Es256.app());
        let refused = relay.get(&target, &[("X-Forwarded-For", self.address())]).await?;
        Ok(refused.status == 400)
    }

    fn ask(&self, party: Party) -> Option<Asked> {
        let [state, nonce] = [(); 2].map(|()| hex::encode(self.entropy.bytes::<16>()));
        let callback = format!("{CALLBACK}?state={state}&nonce={nonce}");
        let now = SystemClock.now();
        let msg = self.keyed(party)?.seal(Direction::Request, now, &*self.entropy, callback.as_bytes());
        Some(Asked { target: format!("/idp/{}?msg={msg}", party.app()), state, nonce })
    }

    fn is_answer(&self, info: &str, party: Party, asked: &Asked) -> bool {
        let opened = self.keyed(party).and_then(|keyed| keyed.open(Direction::Response, info).ok());
        let answer = opened.and_then(|opened| serde_json::from_slice::<Answer>(&opened.plaintext).ok());
        answer.is_some_and(|answer| {
            answer.aud == party.app()
                && answer.state == asked.state
                && answer.nonce == asked.nonce
                && !answer.sub.is_empty()
                && !answer.family_name.is_empty()
        })
    }

    fn keyed(&self, party: Party) -> Option<&dyn Keyed> {
        self.parties.iter().find_map(|(of, keyed)| (*of == party).then_some(&**keyed))
    }

    /// The address of somebody new, as the proxy in front tells it.
    fn address(&self) -> String {
        let number = self.visitors.fetch_add(1, Ordering::Relaxed) % (1 << 24);
        Ipv4Addr::from_bits(Ipv4Addr::new(10, 0, 0, 0).to_bits() | number).to_string()
    }
}

/// What an application asked.
struct Asked {
    target: String,
    state: String,
    nonce: String,
}

/// What an application must find in the answer.
#[derive(Deserialize)]
struct Answer {
    sub: String,
    aud: String,
    state: String,
    nonce: String,
    family_name: String,
}

/// Path and query of where an answer redirects to.
fn target(reply: &Reply) -> String {
    let location = reply.location.as_deref().unwrap_or_default();
    let path = location.split_once("://").and_then(|(_, rest)| rest.split_once('/'));
    format!("/{}", path.map(|(_, path)| path).unwrap_or_default())
}
