//! A server in miniature, for tests in other languages: the server's side of the password protocol, one
//! request a line on standard input, one answer a line on standard output. Bytes are base64url. It keeps
//! everything in memory.
//!
//! ```text
//! register-start  <handle> <request>       → <response>
//! register-finish <handle> <record>        → ok
//! login-start     <handle> <request>       → <response>
//! login-finish    <handle> <finalization>  → ok
//! ```
//! An error is answered with `error <code>`.

use std::{
    collections::HashMap,
    io::{self, BufRead, Write},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use e2ee::{
    Error, Result,
    opaque::server::{ServerSetup, finish_login, finish_registration},
};

struct Server {
    setup: ServerSetup,
    records: HashMap<String, Vec<u8>>,
    pending: HashMap<String, Vec<u8>>,
}

impl Server {
    fn answer(&mut self, line: &str) -> Result<String> {
        let mut words = line.split_whitespace();
        let (Some(verb), Some(handle), Some(message)) = (words.next(), words.next(), words.next()) else {
            return Err(Error::BadOpaque);
        };
        let message = URL_SAFE_NO_PAD.decode(message).map_err(|_| Error::BadOpaque)?;
        match verb {
            "register-start" => self
                .setup
                .start_registration(handle, &message)
                .map(|response| URL_SAFE_NO_PAD.encode(response)),
            "register-finish" => {
                self.records.insert(handle.to_owned(), finish_registration(&message)?);
                Ok("ok".to_owned())
            }
            "login-start" => {
                let record = self.records.get(handle).map(Vec::as_slice);
                let login = self.setup.start_login(handle, record, &message)?;
                self.pending.insert(handle.to_owned(), login.state.to_vec());
                Ok(URL_SAFE_NO_PAD.encode(login.response))
            }
            "login-finish" => {
                let state = self.pending.remove(handle).ok_or(Error::WrongCredentials)?;
                finish_login(&state, &message).map(|()| "ok".to_owned())
            }
            _ => Err(Error::BadOpaque),
        }
    }
}

fn main() -> io::Result<()> {
    let mut server =
        Server { setup: ServerSetup::generate(), records: HashMap::new(), pending: HashMap::new() };
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let answer = server.answer(&line?).unwrap_or_else(|error| format!("error {}", error.code()));
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}
