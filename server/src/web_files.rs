//! The web application, carried inside the binary, and the headers that guard it.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::app::App;
use crate::config::{PublicUrl, is_local_host};
use crate::error::{Code, Error};

#[derive(RustEmbed)]
#[folder = "../web/dist"]
#[allow_missing = true]
struct Files;

/// Nothing inline, nothing from elsewhere; WebAssembly may be compiled, and scripts may only be made through
/// the two named policies (Svelte's templates, and our own for starting the worker).
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; \
    worker-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self' blob:; media-src blob:; \
    font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types svelte-trusted-html app";

/// A file of the web application; for any other path the page itself, whose router knows the rest.
pub async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return Error::from(Code::MethodNotAllowed).into_response();
    }
    let path = uri.path().trim_start_matches('/');
    if let Some(file) = Files::get(path).filter(|_| !path.is_empty()) {
        return answer(path, file, &headers);
    }
    // A missing script or route must be missing: the page in its place would only be a riddle.
    if path.starts_with("assets/") || path.starts_with("api/") {
        return Error::from(Code::NotFound).into_response();
    }
    match Files::get("index.html") {
        Some(page) => answer("index.html", page, &headers),
        None => {
            (StatusCode::NOT_FOUND, "This binary was built without the web application.\n").into_response()
        }
    }
}

fn answer(path: &str, file: EmbeddedFile, headers: &HeaderMap) -> Response {
    let accepts_brotli =
        headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()).any(
            |value| {
                value.split(',').any(|coding| coding.trim() == "br" || coding.trim().starts_with("br;q=1"))
            },
        );
    let compressed = accepts_brotli.then(|| Files::get(&format!("{path}.br"))).flatten();
    let encoded = compressed.is_some();
    let kind = file.metadata.mimetype().to_owned();
    let file = compressed.unwrap_or(file);

    let hash: String = file.metadata.sha256_hash()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    let etag = format!("\"{hash}\"");
    // Names under assets/ carry a hash of their content; everything else is asked for again.
    let cache = if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut response = if headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|known| known.to_str().is_ok_and(|known| known.contains(&etag)))
    {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, kind)], file.data).into_response()
    };
    let answer = response.headers_mut();
    answer.extend(HeaderValue::from_str(&etag).map(|etag| (header::ETAG, etag)));
    answer.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    answer.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if encoded {
        answer.insert(header::CONTENT_ENCODING, HeaderValue::from_static("br"));
    }
    response
}

/// On every answer, of the API too.
pub async fn strict_headers(State(app): State<App>, request: Request, next: Next) -> Response {
    const FIXED: [(HeaderName, &str); 7] = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
        ),
    ];
    // A browser that was told so would never again speak plain http to anything else on its own machine.
    let is_elsewhere =
        !request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).is_some_and(is_local_host);
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in FIXED {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let is_public = app.config.public_url.as_ref().is_some_and(PublicUrl::is_https);
    if is_public || (app.config.has_tls() && is_elsewhere) {
        let year = HeaderValue::from_static("max-age=31536000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
    response
}
