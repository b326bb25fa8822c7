//! The port of plain http beside one of https: whoever comes by habit is sent on, and nothing is answered there.

use axum::Router;
use axum::http::Uri;
use axum::response::Redirect;

/// Sends everything to the same path at `address`, for good and with its method.
pub fn router(address: String) -> Router {
    Router::new().fallback(async move |uri: Uri| {
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Redirect::permanent(&format!("{address}{path}"))
    })
}
