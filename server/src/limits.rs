//! How often something may be tried: per network address and per handle, so that neither many guesses at one
//! account nor one guess at many accounts gets far. And how often somebody types.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use uuid::Uuid;

use crate::app::App;
use crate::clock::Clock;
use crate::config::Config;
use crate::error::{Error, Result};

/// Looking whether a handle is free happens while one types, so it may happen this much more often.
const LOOKS_PER_ATTEMPT: u32 = 10;
/// A page says that one types every three seconds; a person may have several.
const TYPING_PER_MINUTE: u32 = 60;

type Keyed<K> = RateLimiter<K, DashMapStateStore<K>, Clock, NoOpMiddleware<Nanos>>;

pub struct Limits {
    clock: Clock,
    by_address: Keyed<IpAddr>,
    by_handle: Keyed<String>,
    looks: Keyed<IpAddr>,
    typing: Keyed<Uuid>,
}

impl Limits {
    pub fn new(config: &Config, clock: Clock) -> Self {
        Self {
            by_address: keyed(config.attempts_per_address, &clock),
            by_handle: keyed(config.attempts_per_handle, &clock),
            looks: keyed(config.attempts_per_address.saturating_mul(LOOKS_PER_ATTEMPT), &clock),
            typing: keyed(TYPING_PER_MINUTE, &clock),
            clock,
        }
    }

    /// One attempt to sign up.
    pub fn attempt(&self, address: &ClientAddress) -> Result<()> {
        self.check(&self.by_address, &address.0)
    }

    /// One attempt to log in to `handle`, whether or not it exists.
    pub fn attempt_on(&self, address: &ClientAddress, handle: &str) -> Result<()> {
        self.attempt(address)?;
        self.check(&self.by_handle, &handle.to_owned())
    }

    /// One look at whether a handle is free.
    pub fn look(&self, address: &ClientAddress) -> Result<()> {
        self.check(&self.looks, &address.0)
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

/// Who is at the other end, as far as limits are concerned. A household with IPv6 has a /64 to itself, so that
/// is what counts as one address.
#[derive(Clone, Debug)]
pub struct ClientAddress(pub IpAddr);

impl FromRequestParts<App> for ClientAddress {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self> {
        let ConnectInfo(peer) = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .ok_or_else(|| Error::internal("a request without a peer address"))?;
        Ok(Self(match peer.ip().to_canonical() {
            IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64)).into(),
            v4 => v4,
        }))
    }
}
