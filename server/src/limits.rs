//! How often something may be tried: per network address and per handle, so that neither many guesses at one
//! account nor one guess at many accounts gets far. And how often somebody types.

use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::app::App;
use crate::clock::Clock;
use crate::cluster::{Cluster, Notice};
use crate::config::{AddressHeader, Config, TrustedProxy};
use crate::error::{Error, Result};
use crate::listen::Peer;
use crate::mail::Address;
use crate::tokens;

/// Looking whether a handle is free happens while one types, so it may happen this much more often.
const LOOKS_PER_ATTEMPT: u32 = 10;
/// A page says that one types every three seconds; a person may have several.
const TYPING_PER_MINUTE: u32 = 60;
/// A code has six digits, and three are good at any moment. With ten guesses, and ten more an hour, whoever knows the
/// password meets one in a day with a chance of less than one in a thousand.
const GUESSES: u32 = 10;
const GUESSES_PER_HOUR: u32 = 10;
/// Mails that anybody can have sent to one address: three, and then one every four hours, whoever asks.
const MAILS: u32 = 3;
const MAIL_EVERY: Duration = Duration::from_secs(4 * 60 * 60);

type Keyed<K> = RateLimiter<K, DashMapStateStore<K>, Clock, NoOpMiddleware<Nanos>>;

/// What other nodes are told of.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Attempt {
    ByAddress {
        address: IpAddr,
    },
    OnHandle {
        handle: String,
    },
    Look {
        address: IpAddr,
    },
    Guess {
        handle: String,
    },
    /// Known by its hash: the other nodes need no more.
    Mail {
        to: String,
    },
}

pub struct Limits {
    clock: Clock,
    cluster: Cluster,
    by_address: Keyed<IpAddr>,
    by_handle: Keyed<String>,
    looks: Keyed<IpAddr>,
    guesses: Keyed<String>,
    mails: Keyed<String>,
    typing: Keyed<Uuid>,
}

impl Limits {
    pub fn new(config: &Config, clock: Clock, cluster: Cluster) -> Self {
        Self {
            by_address: keyed(config.attempts_per_address, &clock),
            by_handle: keyed(config.attempts_per_handle, &clock),
            looks: keyed(config.attempts_per_address.saturating_mul(LOOKS_PER_ATTEMPT), &clock),
            guesses: RateLimiter::new(guesses(), DashMapStateStore::default(), clock.clone()),
            mails: RateLimiter::new(mails(), DashMapStateStore::default(), clock.clone()),
            typing: keyed(TYPING_PER_MINUTE, &clock),
            clock,
            cluster,
        }
    }

    /// One attempt to sign up.
    pub fn attempt(&self, address: &ClientAddress) -> Result<()> {
        self.check(&self.by_address, &address.0)?;
        self.tell(Attempt::ByAddress { address: address.0 });
        Ok(())
    }

    /// One attempt to log in to `handle`, whether or not it exists; or to do something else, by another name.
    pub fn attempt_on(&self, address: &ClientAddress, handle: &str) -> Result<()> {
        self.attempt(address)?;
        let handle = handle.to_owned();
        self.check(&self.by_handle, &handle)?;
        self.tell(Attempt::OnHandle { handle });
        Ok(())
    }

    /// One look at whether a handle is free.
    pub fn look(&self, address: &ClientAddress) -> Result<()> {
        self.check(&self.looks, &address.0)?;
        self.tell(Attempt::Look { address: address.0 });
        Ok(())
    }

    /// One guess at the code of the second factor of `handle`.
    pub fn guess(&self, address: &ClientAddress, handle: &str) -> Result<()> {
        self.attempt(address)?;
        let handle = handle.to_owned();
        self.check(&self.guesses, &handle)?;
        self.tell(Attempt::Guess { handle });
        Ok(())
    }

    /// One mail that somebody has sent to an address, of which nobody knows yet whose it is.
    pub fn mail(&self, network: &ClientAddress, address: &Address) -> Result<()> {
        self.attempt(network)?;
        let to = BASE64.encode(&tokens::hash(&address.to_string())[..16]);
        self.check(&self.mails, &to)?;
        self.tell(Attempt::Mail { to });
        Ok(())
    }

    /// What was allowed on another node counts here too, so that many nodes allow no more than one.
    pub fn attempted_elsewhere(&self, attempt: &Attempt) {
        let _ = match attempt {
            Attempt::ByAddress { address } => self.by_address.check_key(address),
            Attempt::OnHandle { handle } => self.by_handle.check_key(handle),
            Attempt::Look { address } => self.looks.check_key(address),
            Attempt::Guess { handle } => self.guesses.check_key(handle),
            Attempt::Mail { to } => self.mails.check_key(to),
        };
    }

    fn tell(&self, attempt: Attempt) {
        self.cluster.tell(&Notice::Attempt { attempt });
    }

    /// One word that somebody types.
    pub fn typing(&self, account: Uuid) -> Result<()> {
        self.check(&self.typing, &account)
    }

    /// Forget those who have been quiet long enough.
    pub fn tidy(&self) {
        self.by_address.retain_recent();
        self.by_handle.retain_recent();
        self.looks.retain_recent();
        self.guesses.retain_recent();
        self.mails.retain_recent();
        self.typing.retain_recent();
    }

    fn check<K: Hash + Eq + Clone>(&self, limiter: &Keyed<K>, key: &K) -> Result<()> {
        limiter.check_key(key).map_err(|early| {
            let wait = early.wait_time_from(governor::clock::Clock::now(&self.clock));
            Error::TooManyAttempts { retry_after_seconds: wait.as_secs() + 1 }
        })
    }
}

fn keyed<K: Hash + Eq + Clone>(per_minute: u32, clock: &Clock) -> Keyed<K> {
    let quota = Quota::per_minute(NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN));
    RateLimiter::new(quota, DashMapStateStore::default(), clock.clone())
}

fn guesses() -> Quota {
    let burst = NonZeroU32::new(GUESSES).unwrap_or(NonZeroU32::MIN);
    let hourly = NonZeroU32::new(GUESSES_PER_HOUR).unwrap_or(NonZeroU32::MIN);
    Quota::per_hour(hourly).allow_burst(burst)
}

fn mails() -> Quota {
    let burst = NonZeroU32::new(MAILS).unwrap_or(NonZeroU32::MIN);
    Quota::with_period(MAIL_EVERY).unwrap_or(Quota::per_hour(NonZeroU32::MIN)).allow_burst(burst)
}

/// Who is at the other end, as far as limits are concerned. A household with IPv6 has a /64 to itself, so that
/// is what counts as one address.
#[derive(Clone, Debug)]
pub struct ClientAddress(pub IpAddr);

impl FromRequestParts<App> for ClientAddress {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let peer = parts.extensions.get::<Peer>();
        let peer = *peer.ok_or_else(|| Error::internal("a request without a peer"))?;
        let said = is_trusted(&app.config.trusted_proxies, peer)
            .then(|| said_address(&parts.headers, app.config.address_header))
            .flatten();
        let address = match (said, peer) {
            (Some(address), _) | (None, Peer::Address(address)) => address.to_canonical(),
            // All who come through the Unix socket are one, as long as nobody tells them apart.
            (None, Peer::Local) => Ipv4Addr::UNSPECIFIED.into(),
        };
        Ok(Self(match address {
            IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64)).into(),
            v4 => v4,
        }))
    }
}

fn is_trusted(proxies: &[TrustedProxy], peer: Peer) -> bool {
    proxies.iter().any(|proxy| match (proxy, peer) {
        (TrustedProxy::Network(network), Peer::Address(address)) => network.contains(&address),
        (TrustedProxy::Unix, Peer::Local) => true,
        _ => false,
    })
}

/// The last entry is the proxy's own; what stands before it is the client's word.
fn said_address(headers: &HeaderMap, header: AddressHeader) -> Option<IpAddr> {
    let last = headers.get_all(header.name()).iter().next_back()?.to_str().ok()?;
    last.rsplit(',').next()?.trim().parse().ok()
}
