//! Requests and answers: JSON over HTTP, with the session's token.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, StatusCode, header::SET_COOKIE};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{Error, Result, wire::Problem};

/// A network that swallows everything never says no.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// The server itself gives up on a request after 30 seconds.
const PATIENCE: Duration = Duration::from_secs(40);

/// What came of a request that may begin a session.
pub(crate) enum Begun<T, Wanted> {
    /// Its token, and what came with it.
    Session(String, Box<T>),
    Not(Wanted),
}

/// The server closes a connection that has been idle for ten: no request is to meet it at that moment.
const KEEP: Duration = Duration::from_secs(5);

/// A server, and perhaps the token of a session on it.
pub(crate) struct Api {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl Api {
    /// `base`: `http://host:port`.
    pub fn new(base: &str) -> Self {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_PATIENCE)
            .timeout(PATIENCE)
            .pool_idle_timeout(KEEP)
            .build();
        Api {
            // Only a TLS library that does not start could fail, and there is none.
            http: http.unwrap_or_default(),
            base: base.trim_end_matches('/').to_owned(),
            token: String::new(),
        }
    }

    pub fn with_token(self, token: String) -> Self {
        Api { token, ..self }
    }

    pub fn token(&self) -> &str {
        &self.token
    }

    pub fn base(&self) -> &str {
        &self.base
    }

    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        Ok(accepted(self.request(Method::GET, path).send().await?).await?.json().await?)
    }

    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        Ok(accepted(self.request(Method::POST, path).json(body).send().await?).await?.json().await?)
    }

    pub async fn patch<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        Ok(accepted(self.request(Method::PATCH, path).json(body).send().await?).await?.json().await?)
    }

    /// For answers without a body.
    pub async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        Ok(accepted(self.request(Method::DELETE, path).send().await?).await?.json().await?)
    }

    pub async fn tell(&self, method: Method, path: &str, body: &impl Serialize) -> Result<()> {
        accepted(self.request(method, path).json(body).send().await?).await.map(drop)
    }

    /// A POST whose answer begins a session: the token is in its cookie, and nowhere else.
    pub async fn begin_session<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<(String, T)> {
        match self.begin_session_or::<T, Value>(path, body).await? {
            Begun::Session(token, session) => Ok((token, *session)),
            Begun::Not(_) => Err(Error::Connection("no session, where one was to begin".to_owned())),
        }
    }

    /// As [`Api::begin_session`], where the server may want something else first (202).
    pub async fn begin_session_or<T: DeserializeOwned, Wanted: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Begun<T, Wanted>> {
        let response = accepted(self.request(Method::POST, path).json(body).send().await?).await?;
        if response.status() == StatusCode::ACCEPTED {
            return Ok(Begun::Not(response.json().await?));
        }
        let token = response
            .headers()
            .get_all(SET_COOKIE)
            .iter()
            .filter_map(|cookie| cookie.to_str().ok()?.split(';').next()?.split_once('='))
            .find(|(name, _)| matches!(*name, "entrenous" | "__Host-entrenous"))
            .map(|(_, token)| token.to_owned())
            .ok_or_else(|| Error::Connection("the session came without its cookie".to_owned()))?;
        Ok(Begun::Session(token, Box::new(response.json().await?)))
    }

    /// Whatever one wants to say, and whatever the server answers.
    pub async fn raw(&self, method: Method, path: &str, body: Option<&Value>) -> Result<(u16, Value)> {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        Ok((status, serde_json::from_slice(&response.bytes().await?).unwrap_or(Value::Null)))
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}/api{path}", self.base));
        if self.token.is_empty() { request } else { request.bearer_auth(&self.token) }
    }
}

async fn accepted(response: Response) -> Result<Response> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let Problem { code, message } = response.json().await?;
    Err(Error::Refused { status: status.as_u16(), code, message })
}

/// A query string of what is there.
pub(crate) fn query<const N: usize>(parameters: [(&str, Option<String>); N]) -> String {
    let pairs: Vec<_> = parameters
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", percent_encoded(&value?))))
        .collect();
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}

pub(crate) fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_carries_any_text() {
        let pairs = [("q", Some("Élo & co".to_owned())), ("cursor", None), ("limit", Some("5".to_owned()))];
        assert_eq!(query(pairs), "?q=%C3%89lo%20%26%20co&limit=5");
        assert_eq!(query([("q", None)]), "");
    }
}
