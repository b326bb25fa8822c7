//! The application: its state, its routes on one screen, and what happens to every request.

use std::ops::Deref;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state, map_request};
use axum::response::{IntoResponse, Response};
use e2ee::opaque::server::ServerSetup as Opaque;
use quick_cache::sync::Cache;
use serde::Serialize;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::csrf::CsrfLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::trace::TraceLayer;
use tracing::Instrument;
use utoipa::openapi::{OpenApi as Description, Server};
use utoipa::{OpenApi, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::clock::{Clock, Millis};
use crate::cluster::Cluster;
use crate::config::Config;
use crate::db::Db;
use crate::error::{Code, Error, Problem, Result};
use crate::indicators::pulse::{self, Pulse};
use crate::limits::Limits;
use crate::live::Live;
use crate::live::poll::Shelf;
use crate::mail::Mail;
use crate::meters::Meters;
use crate::organisation::{Language, Organisation, SignUp};
use crate::passkeys::webauthn::Site;
use crate::privacy::Agreements;
use crate::writer::Writer;
use crate::{
    addresses, administration, audit, blocks, conversations, credentials, epochs, erasure, event, factor,
    indicators, invitations, keys, live, login, messages, monitoring, organisation, passkeys, people,
    pictures, privacy, profile, reports, resets, scheduled, sessions, sign_up, survey, web_files,
};

/// Enough for the largest vault in base64.
const MAX_BODY_BYTES: usize = 1 << 20;
const MAX_REQUEST_TIME: Duration = Duration::from_secs(30);
/// Conversations and epochs kept in memory: some 48 bytes each.
const REMEMBERED: usize = 100_000;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What every handler can reach; cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Parts>);

pub struct Parts {
    pub config: Config,
    pub clock: Clock,
    pub db: Db,
    pub opaque: Opaque,
    pub limits: Limits,
    pub meters: Arc<Meters>,
    pub started_at: Millis,
    pub live: Live,
    pub shelf: Shelf,
    pub writer: Writer,
    /// What is noted of messages on their way, for the administrators' figures.
    pub pulse: Arc<Pulse>,
    /// Rung when a message was scheduled, or another time was set for one.
    pub schedule: Notify,
    /// None where no mail is sent.
    pub mail: Option<Mail>,
    /// What must end before the process does.
    pub tasks: TaskTracker,
    /// Who belongs to a conversation, and the numbers of its epochs: never changes once written.
    pub members: Cache<Uuid, (Uuid, Uuid)>,
    pub epochs: Cache<(Uuid, Uuid), i64>,
    pub agreements: Agreements,
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl App {
    pub fn new(config: Config, clock: Clock, db: Db, opaque: Opaque, cluster: Cluster) -> Result<Self> {
        let live = Live::new(clock.clone(), cluster.clone());
        let meters = Arc::new(Meters::default());
        let pulse = Arc::new(Pulse::new(clock.clone(), live.clone(), meters.clone()));
        Ok(Self(Arc::new(Parts {
            limits: Limits::new(&config, clock.clone(), cluster),
            writer: Writer::start(&db, live.clone(), meters.clone(), pulse.clone(), clock.clone())?,
            started_at: clock.now(),
            meters,
            pulse,
            schedule: Notify::new(),
            mail: Mail::new(&config).map_err(Error::internal)?,
            tasks: TaskTracker::new(),
            members: Cache::new(REMEMBERED),
            epochs: Cache::new(REMEMBERED),
            agreements: Agreements::new(REMEMBERED),
            config,
            clock,
            db,
            opaque,
            live,
            shelf: Shelf::default(),
        })))
    }
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Entre Nous", description = "The HTTP API of an Entre Nous server. Byte strings are base64url without padding; times are milliseconds since 1970. Every refusal is a `Problem`."),
    servers((url = "/api")),
    components(schemas(event::Frame, event::Event)),
)]
struct Api;

fn api() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Api::openapi())
        .routes(routes!(config))
        .routes(routes!(sign_up::handle_availability))
        .routes(routes!(sign_up::register_start))
        .routes(routes!(sign_up::register_finish))
        .routes(routes!(login::login_start))
        .routes(routes!(login::login_finish))
        .routes(routes!(factor::login_code))
        .routes(routes!(factor::turn_on_second_factor))
        .routes(routes!(factor::turn_off_second_factor))
        .routes(routes!(factor::replace_backup_codes))
        .routes(routes!(passkeys::login_passkey_start))
        .routes(routes!(passkeys::login_code_passkey))
        .routes(routes!(passkeys::login_passkey))
        .routes(routes!(passkeys::start_passkey))
        .routes(routes!(passkeys::add_passkey))
        .routes(routes!(passkeys::rename_passkey))
        .routes(routes!(passkeys::remove_passkey))
        .routes(routes!(credentials::start))
        .routes(routes!(credentials::finish))
        .routes(routes!(credentials::start_recovery))
        .routes(routes!(credentials::finish_recovery))
        .routes(routes!(credentials::check_recovery_code))
        .routes(routes!(resets::start_reset))
        .routes(routes!(resets::finish_reset))
        .routes(routes!(resets::make_reset_link))
        .routes(routes!(erasure::ask_for_erasure, erasure::take_erasure_back))
        .routes(routes!(erasure::receipt))
        .routes(routes!(erasure::decide_erasure, erasure::undo_erasure))
        .routes(routes!(resets::by_mail::ask_for_reset, resets::by_mail::call_off_reset))
        .routes(routes!(addresses::own_address, addresses::set_address))
        .routes(routes!(addresses::remove_address))
        .routes(routes!(addresses::confirm_address))
        .routes(routes!(invitations::ask_to_sign_up))
        .routes(routes!(addresses::change_digest))
        .routes(routes!(addresses::unsubscribe, addresses::open_unsubscribe))
        .routes(routes!(sessions::session))
        .routes(routes!(sessions::sessions, sessions::end_other_sessions))
        .routes(routes!(sessions::end_session))
        .routes(routes!(sessions::logout))
        .routes(routes!(profile::change_profile))
        .routes(routes!(privacy::privacy, privacy::change_privacy))
        .merge(pictures())
        .merge(reported())
        .routes(routes!(profile::avatar))
        .routes(routes!(people::search))
        .routes(routes!(people::person))
        .routes(routes!(blocks::blocked))
        .routes(routes!(blocks::block, blocks::unblock))
        .routes(routes!(keys::key_bundle))
        .routes(routes!(keys::vault, keys::write_vault))
        .routes(routes!(keys::keyring, keys::add_to_keyring))
        .routes(routes!(conversations::conversations, conversations::open_conversation))
        .routes(routes!(conversations::conversation))
        .routes(routes!(epochs::epochs, epochs::open_epoch))
        .routes(routes!(messages::history, messages::send_message))
        .routes(routes!(messages::delete_message))
        .routes(routes!(messages::remove_reaction))
        .routes(routes!(messages::versions))
        .routes(routes!(messages::send_receipt))
        .routes(routes!(pulse::took))
        .routes(routes!(scheduled::scheduled_messages))
        .routes(routes!(scheduled::schedule, scheduled::withdraw))
        .routes(routes!(scheduled::send_now))
        .routes(routes!(organisation::organisation, organisation::change_organisation))
        .routes(routes!(organisation::logo))
        .routes(routes!(invitations::invitations, invitations::invite))
        .routes(routes!(invitations::revoke_invitation))
        .routes(routes!(administration::accounts))
        .routes(routes!(administration::change_role))
        .routes(routes!(administration::suspend, administration::resume))
        .routes(routes!(administration::end_sessions))
        .routes(routes!(monitoring::monitoring))
        .routes(routes!(monitoring::log))
        .routes(routes!(indicators::indicators))
        .routes(routes!(indicators::export_indicator))
        .routes(routes!(survey::survey_settings, survey::change_survey))
        .routes(routes!(survey::ask_everyone))
        .routes(routes!(survey::survey))
        .routes(routes!(survey::answer_survey))
        .routes(routes!(survey::put_survey_off))
        .routes(routes!(audit::audit))
        .routes(routes!(audit::export_audit))
        .routes(routes!(monitoring::trouble))
        .routes(routes!(audit::own_audit))
        .routes(routes!(live::presence::attending))
        .routes(routes!(live::presence::presence))
        .routes(routes!(live::presence::typing))
        .routes(routes!(live::socket::live))
        .routes(routes!(live::stream::live_stream))
        .routes(routes!(live::poll::live_poll))
}

/// Routes whose bodies are large.
fn pictures() -> OpenApiRouter<App> {
    let routes = OpenApiRouter::new()
        .routes(routes!(profile::set_avatar, profile::remove_avatar))
        .routes(routes!(organisation::set_logo));
    routes.layer(DefaultBodyLimit::max(pictures::MAX_BYTES))
}

fn reported() -> OpenApiRouter<App> {
    let routes = OpenApiRouter::new()
        .routes(routes!(reports::reports, reports::report))
        .routes(routes!(reports::close_report));
    routes.layer(DefaultBodyLimit::max(reports::MAX_REPORT_BYTES))
}

/// For whoever watches over the process; not under `/api`.
fn health() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(healthz)).routes(routes!(readyz)).routes(routes!(monitoring::metrics))
}

/// The description of the API, as in `openapi.json`.
pub fn description() -> Description {
    let mut description = api().split_for_parts().1;
    for (path, mut item) in health().split_for_parts().1.paths.paths {
        item.servers = Some(vec![Server::new("/")]);
        description.paths.paths.insert(path, item);
    }
    description
}

pub fn router(app: App) -> Router {
    let csrf = CsrfLayer::new();
    let csrf = match &app.config.public_url {
        // Behind a proxy that rewrites `Host`, the public origin is still ours.
        Some(url) => csrf.add_trusted_origin(&url.origin).expect("a public URL is an origin"),
        None => csrf,
    };
    let (api, _) = api()
        .layer(csrf.with_rejection_response(|_| Error::from(Code::BadOrigin).into_response()))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn(in_time))
        .layer(from_fn_with_state(app.clone(), to_its_end))
        .split_for_parts();
    let api = api.fallback(async || Error::from(Code::NotFound)).layer(from_fn(uncached));
    Router::new()
        .nest("/api", api)
        .merge(health().split_for_parts().0)
        .fallback(web_files::serve)
        .method_not_allowed_fallback(async || Error::from(Code::MethodNotAllowed))
        .layer(from_fn_with_state(app.clone(), web_files::strict_headers))
        .layer(from_fn_with_state(app.clone(), count))
        .layer(CatchPanicLayer::custom(|_| Error::internal("a handler panicked").into_response()))
        .layer(TraceLayer::new_for_http().make_span_with(span).on_request(()).on_failure(()).on_response(log))
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
        .layer(map_request(without_request_id))
        .with_state(app)
}

/// What the page needs to know before anybody is signed in.
#[derive(Serialize, ToSchema)]
pub struct PublicConfig {
    /// The name of this messenger.
    name: String,
    /// Its accent colour, as #rrggbb.
    accent: Option<String>,
    version: &'static str,
    /// The next sign-up needs the code that the server printed.
    setup_code_needed: bool,
    sign_up: SignUp,
    /// Whose addresses let one sign up, where that is so.
    domains: Vec<String>,
    /// For browsers that speak none of our languages.
    language: Option<Language>,
    /// Names its logo, a picture under `/api/logo/`.
    logo: Option<Uuid>,
    /// This server sends mail.
    mail: bool,
    /// And with it the link to begin anew, for who has lost everything.
    reset_by_mail: bool,
    /// Plain text of the organisation's own, for the pages to log in and to sign up; perhaps empty.
    welcome: String,
    /// After how many days messages disappear for all; none for ever.
    messages_days: Option<u32>,
    /// The name of the address that passkeys work under; none where there can be no passkeys.
    passkeys: Option<String>,
}

/// How this server is set up.
#[utoipa::path(get, path = "/config", tag = "accounts", responses(
    (status = 200, body = PublicConfig), (status = "default", body = Problem)))]
async fn config(State(app): State<App>, headers: HeaderMap) -> Result<axum::Json<PublicConfig>> {
    let decided = Organisation::load(app.db.read()).await?;
    let accent = app.config.accent.as_ref().map(|accent| accent.0.clone());
    Ok(axum::Json(PublicConfig {
        name: decided.name.unwrap_or_else(|| app.config.name.clone()),
        accent: decided.accent.or(accent),
        version: env!("CARGO_PKG_VERSION"),
        setup_code_needed: sign_up::setup_code(&app).await?.is_some(),
        domains: if decided.sign_up == SignUp::Domain { decided.domains } else { Vec::new() },
        sign_up: decided.sign_up,
        language: decided.language,
        logo: decided.logo,
        mail: app.mail.is_some(),
        reset_by_mail: decided.reset_by_mail && app.mail.is_some(),
        welcome: decided.welcome,
        messages_days: decided.messages_days,
        passkeys: Site::of(&app.config, &headers).map(|site| site.name),
    }))
}

/// Whether the process lives.
#[utoipa::path(get, path = "/healthz", tag = "health", responses((status = 200, body = String), (status = "default", body = Problem)))]
async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether it can work: the database answers, and messages are taken.
#[utoipa::path(get, path = "/readyz", tag = "health", responses((status = 200, body = String), (status = "default", body = Problem)))]
async fn readyz(State(app): State<App>) -> Result<&'static str> {
    app.db.ping().await?;
    if !app.writer.is_running() {
        return Err(Code::Unavailable.into());
    }
    // Still ready: to take it away for a full disk would keep people from reading, too.
    Ok(if app.writer.is_storing() {
        "ready\n"
    } else {
        "ready to be read; nothing can be stored: see the log\n"
    })
}

/// What is answered, how fast, and who logs in. Connections that stay open are no requests.
async fn count(State(app): State<App>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let path = request.uri().path();
    let begins = ["/api/login/start", "/api/login/passkey/start"].contains(&path);
    let leads_in = ["/api/login/finish", "/api/login/code", "/api/login/passkey"].contains(&path);
    let stays_open = path.starts_with("/api/live");
    let response = next.run(request).await;
    let status = response.status();
    if !stays_open {
        app.meters.answered(status.as_u16(), began.elapsed());
    }
    // Where a code is still wanted (202), nobody is in yet.
    match status {
        StatusCode::OK if begins => app.meters.begun_to_sign_in(),
        StatusCode::OK if leads_in => app.meters.signed_in(),
        _ => {}
    }
    response
}

/// A change that was begun is made and told of, also when whoever asked for it has hung up meanwhile.
async fn to_its_end(State(app): State<App>, request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    let change = app.tasks.spawn(next.run(request).in_current_span());
    change.await.unwrap_or_else(|error| resume_unwind(error.into_panic()))
}

async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(MAX_REQUEST_TIME, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Error::from(Code::TooSlow).into_response(),
    }
}

/// Answers of the API are about one person at one moment, unless they say otherwise.
async fn uncached(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Ours is the only one: what a client calls its request has no place in our log.
async fn without_request_id(mut request: Request) -> Request {
    request.headers_mut().remove(REQUEST_ID);
    request
}

/// The path without its query: searches are nobody's business.
fn span<B>(request: &axum::http::Request<B>) -> tracing::Span {
    let id = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default();
    tracing::info_span!("request", id, method = %request.method(), path = request.uri().path())
}

fn log<B>(response: &axum::http::Response<B>, latency: Duration, _: &tracing::Span) {
    let status = response.status().as_u16();
    tracing::info!(status, ms = latency.as_millis() as u64, "answered");
}
