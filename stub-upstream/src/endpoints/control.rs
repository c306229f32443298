//! The control API, `/_stub/api/v1` in every namespace: what a test changes and reads. One line per operation;
//! the `OpenAPI` document is made from the same list.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, delete, get, post, put};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::realm::{Here, Named};
use crate::fault::{FAULTS, Fault};
use crate::persona::Persona;
use crate::profiles::PROFILES;
use crate::scenario::Scenario;
use crate::space::{AutoLogin, Hands, Live};
use crate::stub::Stub;

/// One operation of the API.
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) about: &'static str,
    /// An example of the body, where there is one.
    pub(super) body: Option<&'static str>,
    route: fn() -> MethodRouter<Stub>,
}

macro_rules! operations {
    ($($kind:ident $path:literal $handler:ident $about:literal $(<- $body:literal)?;)*) => {
        /// Every operation.
        pub(super) const OPERATIONS: &[Operation] = &[$(Operation {
            method: stringify!($kind),
            path: $path,
            about: $about,
            body: [$(Some($body),)? None][0],
            route: || $kind($handler),
        },)*];
    };
}

operations! {
    get "/state" state "The namespace as it stands";
    delete "/state" reset "Back to how the namespace began";
    get "/openapi.json" openapi "This document";
    get "/namespaces" namespaces "The names of the namespaces beside the default one";
    delete "/namespaces/{id}" remove_namespace "Forgets a namespace";
    get "/profiles" profiles "The profiles, their issuers and features";
    get "/personas" personas "The people";
    get "/personas/{id}" persona "One person";
    put "/personas/{id}" put_persona "Adds a person, or replaces one"
        <- r#"{"given_names":["Aube"],"family_name":"NOUVELLE","email":"aube@example.org"}"#;
    delete "/personas/{id}" remove_persona "Removes a person";
    get "/faults" faults "What can be broken, and what a client should do about it";
    get "/fault" fault "The fault in force";
    put "/fault" put_fault "Breaks every exchange, or the next `times` calls where it shows, or one client's"
        <- r#"{"name":"token_500","times":2,"client":"relais"}"#;
    delete "/fault" remove_fault "Breaks nothing";
    put "/auto-login" put_auto_login "Signs a person in without a page; `load` is somebody else each time"
        <- r#"{"persona":"angela"}"#;
    delete "/auto-login" remove_auto_login "Brings the page back";
    put "/scenario" put_scenario "Puts a scenario in force, as TOML" <- "[[step]]\nfault = \"token_500\"\ntimes = 2\n";
    delete "/scenario" remove_scenario "Ends the scenario";
    put "/mode" put_mode "Strict as the provider, or lenient" <- r#"{"lenient":true}"#;
    get "/clock" clock "What time it is here";
    put "/clock" put_clock "Sets the clock ahead or back by `offset` seconds, or stops it at `frozen`"
        <- r#"{"offset":3600}"#;
    delete "/clock" remove_clock "Lets the clock follow the machine's again";
    post "/keys/rotate" rotate_keys "Signs with new keys; the ones before stay published";
    delete "/sessions" remove_sessions "Signs everybody out";
    get "/calls" calls "How often each endpoint was called";
    get "/logins" logins "The last logins, newest first";
    get "/logins/{id}" login "One login: requests, answers, tokens, expectations";
    delete "/logins" remove_logins "Empties the journal";
}

pub(super) fn router() -> Router<Stub> {
    let router = Router::new();
    let router = OPERATIONS.iter().fold(router, |router, one| router.route(one.path, (one.route)()));
    router.layer(from_fn(same_site))
}

/// Another site's page, open in the developer's browser, changes nothing here.
async fn same_site(headers: HeaderMap, request: Request, next: Next) -> Response {
    let from = headers.get("sec-fetch-site").and_then(|value| value.to_str().ok());
    if from == Some("cross-site") {
        return refused(StatusCode::FORBIDDEN, "asked from another site");
    }
    next.run(request).await
}

fn answer(status: StatusCode, body: &Value) -> Response {
    let headers = [(CONTENT_TYPE, "application/json; charset=utf-8"), (CACHE_CONTROL, "no-store")];
    (status, headers, body.to_string()).into_response()
}

fn ok(body: &Value) -> Response {
    answer(StatusCode::OK, body)
}

fn refused(status: StatusCode, reason: &str) -> Response {
    answer(status, &json!({ "error": reason }))
}

fn unknown(what: &str) -> Response {
    refused(StatusCode::NOT_FOUND, &format!("there is no such {what}"))
}

fn done() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

fn read<T: for<'de> Deserialize<'de>>(body: &Bytes) -> Result<T, Response> {
    serde_json::from_slice(body).map_err(|error| refused(StatusCode::BAD_REQUEST, &error.to_string()))
}

async fn openapi() -> Response {
    ok(&super::openapi::document())
}

async fn state(Here(stub): Here) -> Response {
    let issuers = PROFILES.iter().map(|profile| (profile.name.to_owned(), json!(stub.issuer(profile))));
    let issuers: serde_json::Map<_, _> = issuers.collect();
    let settings = stub.space.settings(Clone::clone);
    let auto_login = settings.auto_login.map(|who| match who {
        AutoLogin::Load => "load".to_owned(),
        AutoLogin::Persona(persona) => persona.id.clone(),
    });
    let scenario = stub.space.scenario.lock().is_ok_and(|scenario| scenario.is_some());
    ok(&json!({
        "namespace": stub.space.name,
        "issuers": issuers,
        "fault": settings.live.as_ref().map(shown),
        "auto_login": auto_login,
        "scenario": scenario,
        "lenient": settings.lenient,
        "journal": stub.space.journal.is_on(),
        "now": stub.now(),
    }))
}

async fn reset(Here(stub): Here) -> Response {
    stub.reset();
    done()
}

async fn namespaces(Here(stub): Here) -> Response {
    ok(&json!(stub.inner.spaces.names()))
}

async fn remove_namespace(Here(stub): Here, Named(name): Named) -> Response {
    if stub.inner.spaces.remove(&name) { done() } else { unknown("namespace") }
}

async fn profiles(Here(stub): Here) -> Response {
    let profiles: Vec<_> = PROFILES
        .iter()
        .map(|profile| {
            let features =
                profile.features().into_iter().map(|(name, value)| (name.to_owned(), json!(value)));
            let features: serde_json::Map<_, _> = features.collect();
            let issuer = stub.issuer(profile);
            json!({ "name": profile.name, "about": profile.about, "issuer": issuer, "features": features })
        })
        .collect();
    ok(&json!(profiles))
}

async fn personas(Here(stub): Here) -> Response {
    let people: Vec<_> = stub.personas().iter().map(|persona| json!(**persona)).collect();
    ok(&json!(people))
}

async fn persona(Here(stub): Here, Named(id): Named) -> Response {
    stub.personas().find(&id).map_or_else(|| unknown("persona"), |persona| ok(&json!(*persona)))
}

async fn put_persona(Here(stub): Here, Named(id): Named, body: Bytes) -> Response {
    let mut value: Value = match read(&body) {
        Ok(value) => value,
        Err(response) => return response,
    };
    if let Some(members) = value.as_object_mut() {
        members.insert("id".to_owned(), json!(id));
    }
    let read = serde_json::from_value::<Persona>(value).map_err(|error| error.to_string());
    let persona = match read.and_then(|persona| persona.check().map(|()| persona)) {
        Ok(persona) => persona,
        Err(reason) => return refused(StatusCode::BAD_REQUEST, &reason),
    };
    stub.space.change(|settings| settings.personas = settings.personas.with(Arc::new(persona)));
    done()
}

async fn remove_persona(Here(stub): Here, Named(id): Named) -> Response {
    if !stub.personas().iter().any(|persona| persona.id == id) {
        return unknown("persona");
    }
    stub.space.change(|settings| settings.personas = settings.personas.without(&id));
    done()
}

async fn faults() -> Response {
    ok(&json!(FAULTS.iter().map(|fault| fault.described()).collect::<Vec<_>>()))
}

fn shown(live: &Live) -> Value {
    json!({ "name": live.fault.name(), "times": live.times, "client": live.client })
}

async fn fault(Here(stub): Here) -> Response {
    ok(&stub.space.settings(|settings| settings.live.as_ref().map_or(Value::Null, shown)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PutFault {
    name: String,
    times: Option<u32>,
    client: Option<String>,
}

async fn put_fault(Here(stub): Here, body: Bytes) -> Response {
    let PutFault { name, times, client } = match read(&body) {
        Ok(put) => put,
        Err(response) => return response,
    };
    let Some(fault) = Fault::parse(&name) else {
        return refused(StatusCode::BAD_REQUEST, &format!("there is no fault {name}"));
    };
    if times == Some(0) {
        return refused(StatusCode::BAD_REQUEST, "times is at least 1");
    }
    stub.set_live(Some(Live { fault, times, client }));
    done()
}

async fn remove_fault(Here(stub): Here) -> Response {
    stub.set_fault(None);
    done()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PutAutoLogin {
    persona: String,
}

async fn put_auto_login(Here(stub): Here, body: Bytes) -> Response {
    match read::<PutAutoLogin>(&body) {
        Err(response) => response,
        Ok(put) if stub.set_auto_login(Some(&put.persona)) => done(),
        Ok(_) => refused(StatusCode::BAD_REQUEST, "there is no such persona"),
    }
}

async fn remove_auto_login(Here(stub): Here) -> Response {
    stub.set_auto_login(None);
    done()
}

async fn put_scenario(Here(stub): Here, body: Bytes) -> Response {
    let people = stub.personas();
    let Ok(text) = std::str::from_utf8(&body) else {
        return refused(StatusCode::BAD_REQUEST, "the body is no UTF-8");
    };
    match Scenario::parse(text, |id| people.find(id).is_some()) {
        Err(reason) => refused(StatusCode::BAD_REQUEST, &reason),
        Ok(scenario) => {
            stub.set_scenario(Some(scenario));
            done()
        }
    }
}

async fn remove_scenario(Here(stub): Here) -> Response {
    stub.set_scenario(None);
    done()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PutMode {
    lenient: bool,
}

async fn put_mode(Here(stub): Here, body: Bytes) -> Response {
    match read::<PutMode>(&body) {
        Err(response) => response,
        Ok(put) => {
            stub.space.change(|settings| settings.lenient = put.lenient);
            done()
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum PutClock {
    Offset(i64),
    Frozen(u64),
}

async fn clock(Here(stub): Here) -> Response {
    let hands = match stub.space.settings(|settings| settings.hands) {
        Hands::Offset(seconds) => json!({ "offset": seconds }),
        Hands::Frozen(at) => json!({ "frozen": at }),
    };
    ok(&json!({ "now": stub.now(), "hands": hands }))
}

async fn put_clock(Here(stub): Here, body: Bytes) -> Response {
    let hands = match read(&body) {
        Ok(PutClock::Offset(seconds)) => Hands::Offset(seconds),
        Ok(PutClock::Frozen(at)) => Hands::Frozen(at),
        Err(response) => return response,
    };
    stub.space.change(|settings| settings.hands = hands);
    clock(Here(stub)).await
}

async fn remove_clock(Here(stub): Here) -> Response {
    stub.space.change(|settings| settings.hands = Hands::Offset(0));
    done()
}

async fn rotate_keys(Here(stub): Here) -> Response {
    if stub.rotate_keys() { done() } else { refused(StatusCode::INTERNAL_SERVER_ERROR, "no keys") }
}

async fn remove_sessions(Here(stub): Here) -> Response {
    stub.space.sessions.clear();
    done()
}

async fn calls(Here(stub): Here) -> Response {
    ok(&json!(stub.calls()))
}

async fn logins(Here(stub): Here) -> Response {
    ok(&json!(stub.space.journal.all()))
}

async fn login(Here(stub): Here, Named(id): Named) -> Response {
    let found = id.parse().ok().and_then(|id| stub.space.journal.find(id));
    found.map_or_else(|| unknown("login"), |flow| ok(&json!(flow)))
}

async fn remove_logins(Here(stub): Here) -> Response {
    stub.space.journal.clear();
    done()
}
