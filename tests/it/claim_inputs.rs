//! Bad inputs at `/idp/claim`, row by row.

use axum::body::Body;
use axum::http::{Request, header};
use base64::Engine as _;
use http_body_util::BodyExt as _;
use relais::event::Step;
use relais::peer::Peer;
use tower::ServiceExt as _;

use crate::harness::{Attempt, Browser, LegacyApp, RELAY_HOST, Setup, World, parameter};
use crate::idp_inputs::{humantime, sign_in};

const FROM: &str = "192.0.2.200";

pub struct Claimed {
    pub status: u16,
    pub body: String,
    headers: axum::http::HeaderMap,
}

/// The call that an application's server makes.
async fn claim(world: &World, user: &str, password: &str, reference: &str) -> Claimed {
    call(world, Some((user, password)), &format!("ref={reference}"), FROM).await
}

pub async fn call(world: &World, credentials: Option<(&str, &str)>, form: &str, from: &str) -> Claimed {
    let mut request = Request::builder()
        .method("POST")
        .uri("/idp/claim")
        .header(header::HOST, RELAY_HOST)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .extension(Peer::at(format!("{from}:1").parse().unwrap()));
    if let Some((user, password)) = credentials {
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        request = request.header(header::AUTHORIZATION, format!("Basic {basic}"));
    }
    let response =
        world.relay.clone().oneshot(request.body(Body::from(form.to_owned())).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    Claimed { status: parts.status.as_u16(), body, headers: parts.headers }
}

/// Signs in with `reference` delivery; returns the attempt and the reference.
async fn reference(world: &World, app: &LegacyApp) -> (Attempt, String) {
    let (attempt, url) = app.start(world.now());
    let mut browser = Browser::new(world);
    let page = browser.open(&url).await;
    let back = sign_in(&mut browser, page).await;
    let reference = parameter(&back.url, "info").unwrap_or_else(|| panic!("no info in {}", back.url));
    assert_eq!(reference.len(), 43);
    (attempt, reference)
}

#[tokio::test]
async fn a_reference_is_exchanged_once() {
    let world = World::new().await;
    let app = world.legacy("etat-civil");
    let (attempt, reference) = reference(&world, &app).await;
    let claimed = claim(&world, app.id, &app.claim_password(), &reference).await;
    assert_eq!(claimed.status, 200);
    assert!(claimed.headers[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/plain"));
    assert_eq!(claimed.headers[header::CACHE_CONTROL], "no-store");
    let answer = app.accept(&claimed.body, &attempt);
    assert!(!answer["family_name"].as_str().unwrap().is_empty());
    let (accepted, claimed) = (world.events(Step::LegacyRequestAccepted), world.events(Step::LegacyClaimed));
    assert_eq!(accepted[0].login, claimed[0].login, "one login id from `/idp` to delivery");
    let again = claim(&world, app.id, &app.claim_password(), &reference).await;
    assert_eq!((again.status, again.body.as_str()), (404, ""), "CLM-03");
    assert_eq!(world.last_reason(), "legacy.claim_unknown", "CLM-03");
}

#[tokio::test]
async fn what_is_not_a_claim() {
    let world = World::new().await;
    let app = world.legacy("etat-civil");
    let other = world.legacy("compta");
    let (attempt, good) = reference(&world, &app).await;
    let password = app.claim_password();
    let anonymous = call(&world, None, &format!("ref={good}"), FROM).await;
    assert_eq!((anonymous.status, anonymous.body.as_str()), (401, ""), "CLM-01");
    assert!(anonymous.headers[header::WWW_AUTHENTICATE].to_str().unwrap().starts_with("Basic"), "CLM-01");
    let unknown = "A".repeat(43);
    let malformed = "!".repeat(43);
    let huge = "A".repeat(10 * 1024);
    for reference in [unknown.as_str(), malformed.as_str(), "", huge.as_str()] {
        let claimed = claim(&world, app.id, &password, reference).await;
        assert_eq!((claimed.status, claimed.body.as_str()), (404, ""), "CLM-02");
    }
    for form in ["", "other=1", &format!("ref={good}&ref={good}")] {
        let claimed = call(&world, Some((app.id, &password)), form, FROM).await;
        assert_eq!((claimed.status, claimed.body.as_str()), (404, ""), "CLM-02 {form}");
    }
    let stolen = claim(&world, other.id, &other.claim_password(), &good).await;
    assert_eq!((stolen.status, stolen.body.as_str()), (404, ""), "CLM-04");
    for (user, wrong) in [
        (app.id, other.claim_password()),
        (app.id, LegacyApp::key_hex(app.id)),
        (app.id, password.to_uppercase()),
        (app.id, String::new()),
        ("inconnue", password.clone()),
    ] {
        let claimed = claim(&world, user, &wrong, &good).await;
        assert_eq!((claimed.status, claimed.body.as_str()), (401, ""), "CLM-06");
    }
    let got = Browser::new(&world).get(&format!("http://{RELAY_HOST}/idp/claim")).await;
    assert_eq!((got.status, got.header("allow")), (405, "POST"), "CLM-07");
    // And after all this it is still claimable by its owner.
    let claimed = claim(&world, app.id, &password, &good).await;
    assert_eq!(claimed.status, 200, "CLM-04");
    app.accept(&claimed.body, &attempt);
}

/// L18, ALL-11, ALL-22: the application's server is told what was wrong with the body, without a page.
#[tokio::test]
async fn l18_a_body_too_long_or_too_slow() {
    let server = Setup { more: "[limit]\nbody_seconds = 1\n".to_owned(), ..Setup::default() };
    let world = World::with(server).await;
    let app = world.legacy("etat-civil");
    let (_, good) = reference(&world, &app).await;
    let password = app.claim_password();
    let long = format!("ref={good}&pad={}", "x".repeat(70_000));
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("{}:{password}", app.id));
    let send = async |body: Body, announced: Option<usize>| {
        let mut request = Request::post("/idp/claim")
            .header(header::HOST, RELAY_HOST)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::AUTHORIZATION, format!("Basic {basic}"));
        if let Some(length) = announced {
            request = request.header(header::CONTENT_LENGTH, length);
        }
        let response = world.relay.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        (status, response.into_body().collect().await.unwrap().to_bytes().len(), world.last_reason())
    };
    assert_eq!(send(Body::from(long.clone()), None).await, (413, 0, "server.too_large"), "L18");
    let length = long.len();
    assert_eq!(send(Body::from(long), Some(length)).await, (413, 0, "server.too_large"), "L18: announced");
    assert_eq!(send(Body::new(Pending), None).await, (408, 0, "server.slow"), "L18");
    assert_eq!(world.recorder.events().pop().unwrap().step, Step::RequestRefused);
    assert_eq!(claim(&world, app.id, &password, &good).await.status, 200, "and nothing was spent");
}

/// A body that never goes on.
struct Pending;

impl axum::body::HttpBody for Pending {
    type Data = axum::body::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Self::Data>, Self::Error>>> {
        std::task::Poll::Pending
    }
}

#[tokio::test]
async fn a_reference_lives_a_minute() {
    let world = World::new().await;
    let app = world.legacy("etat-civil");
    let (_, good) = reference(&world, &app).await;
    world.advance(60);
    assert_eq!(claim(&world, app.id, &app.claim_password(), &good).await.status, 200, "CLM-05");
    let (_, late) = reference(&world, &app).await;
    world.advance(61);
    assert_eq!(claim(&world, app.id, &app.claim_password(), &late).await.status, 404, "CLM-05");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_claims_and_one_answer() {
    let world = std::sync::Arc::new(World::new().await);
    let app = world.legacy("etat-civil");
    let (_, good) = reference(&world, &app).await;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (world, app, good) = (world.clone(), app.clone(), good.clone());
        calls.spawn(async move { claim(&world, app.id, &app.claim_password(), &good).await.status });
    }
    let statuses = calls.join_all().await;
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "CLM-03");
    assert_eq!(statuses.iter().filter(|status| **status == 404).count(), 49, "CLM-03");
}

#[tokio::test]
async fn wrong_passwords_are_limited_and_right_ones_never() {
    let world = World::new().await;
    let app = world.legacy("etat-civil");
    let (_, good) = reference(&world, &app).await;
    let mut statuses = Vec::new();
    for _ in 0..61 {
        statuses.push(claim(&world, app.id, "wrong", &good).await.status);
    }
    assert!(statuses[..60].iter().all(|status| *status == 401), "CLM-06");
    assert_eq!(statuses[60], 429, "CLM-06");
    assert_eq!(claim(&world, app.id, &app.claim_password(), &good).await.status, 200, "CLM-06");
}

#[tokio::test]
async fn the_password_of_a_previous_key() {
    let date = humantime(1_790_791_514 + 30);
    let section = format!("previous_key_file = \"etat-civil.previous.key\"\nprevious_key_until = \"{date}\"");
    let world = World::with(Setup { app: [("etat-civil", section)].into(), ..Setup::default() }).await;
    let old = LegacyApp::with_previous_key("etat-civil");
    let new = world.legacy("etat-civil");
    let (attempt, first) = reference(&world, &old).await;
    let (_, second) = reference(&world, &old).await;
    // The new key's password does not open what was asked under the old one.
    assert_eq!(claim(&world, new.id, &new.claim_password(), &first).await.status, 404, "CLM-08");
    let claimed = claim(&world, old.id, &old.claim_password(), &first).await;
    assert_eq!(claimed.status, 200, "CLM-08");
    old.accept(&claimed.body, &attempt);
    world.advance(31);
    assert_eq!(claim(&world, old.id, &old.claim_password(), &second).await.status, 401, "CLM-08");
}
