//! The edge between JavaScript's values and ours.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use js_sys::{Object, Reflect};
use uuid::Uuid;
use wasm_bindgen::prelude::*;

pub type Thrown<T> = Result<T, JsValue>;

/// An error of ours as JavaScript throws it.
pub fn thrown(error: e2ee::Error) -> JsValue {
    error_object(error.code(), &error.to_string())
}

fn error_object(code: &str, message: &str) -> JsValue {
    let error = js_sys::Error::new(message);
    set(&error, "code", &code.into());
    error.into()
}

/// What comes in here comes from the server.
fn bad_answer(what: &str) -> JsValue {
    error_object("bad_answer", what)
}

/// A text among what the server has sent.
pub fn string(value: Thrown<JsValue>) -> Thrown<String> {
    value.ok().and_then(|value| value.as_string()).ok_or_else(|| bad_answer("not a text"))
}

pub fn blob(value: Thrown<JsValue>) -> Thrown<Vec<u8>> {
    bytes(&string(value)?)
}

pub fn version(value: Thrown<JsValue>) -> Thrown<u64> {
    let number = value.ok().and_then(|value| value.as_f64()).ok_or_else(|| bad_answer("not a number"))?;
    Ok(milliseconds(number))
}

pub fn bytes(text: &str) -> Thrown<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| bad_answer("not base64url"))
}

/// 32 bytes that somebody keeps.
pub fn secret(bytes: &[u8]) -> Thrown<[u8; 32]> {
    bytes.try_into().map_err(|_| error_object("bad_argument", "not 32 bytes"))
}

pub fn text(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub fn id(text: &str) -> Thrown<Uuid> {
    Uuid::try_parse(text).map_err(|_| bad_answer("not a UUID"))
}

pub fn json(text: &str) -> Thrown<serde_json::Value> {
    serde_json::from_str(text).map_err(|_| bad_answer("not JSON"))
}

pub fn kind(number: u8) -> Thrown<e2ee::Kind> {
    e2ee::Kind::from_number(number).map_err(thrown)
}

/// JavaScript's numbers are doubles; times and versions are whole and far below 2^53.
pub fn milliseconds(number: f64) -> u64 {
    number as u64
}

pub fn number(integer: u64) -> JsValue {
    (integer as f64).into()
}

/// A plain object, which can be sent from the worker to the page.
pub fn object<T: JsCast>(fields: &[(&str, JsValue)]) -> T {
    let object = Object::new();
    for (name, value) in fields {
        set(&object, name, value);
    }
    object.unchecked_into()
}

fn set(object: &Object, name: &str, value: &JsValue) {
    // It fails only on frozen objects and proxies; ours is neither.
    let _ = Reflect::set(object, &name.into(), value);
}
