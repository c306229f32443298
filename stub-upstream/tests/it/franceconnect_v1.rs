//! FranceConnect v1, as KIF's README and log samples have it.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use stub_upstream::{Client, Fault, Profile, Stub};

use crate::harness::{AFTER, BACK, BASE, ID, NOW, SECRET, World, fc_token, opened};

/// What KIF sends: short `state` and `nonce`, no level.
const KIF: [(&str, &str); 6] = [
    ("response_type", "code"),
    ("client_id", ID),
    ("redirect_uri", BACK),
    (
        "scope",
        "openid gender birthdate birthcountry birthplace given_name family_name email address preferred_username phone",
    ),
    ("state", "1f2e3d4c5b6a7"),
    ("nonce", "7a6b5c4d3e2f1"),
];

async fn login(world: &mut World) -> Value {
    let code = code(world).await;
    let tokens = world.post("/api/v1/token", &fc_token(&code)).await;
    assert_eq!(tokens.status, 200, "{}", tokens.body);
    tokens.json()
}

async fn code(world: &mut World) -> String {
    let page = world.get_with("/api/v1/authorize", &KIF).await;
    let answer = if page.status == 303 {
        page
    } else {
        assert_eq!(page.status, 200, "{}", page.body);
        world.post(&page.action(), &[("persona", "angela")]).await
    };
    assert!(answer.parameter("iss").is_none());
    assert_eq!(answer.parameter("state").as_deref(), Some("1f2e3d4c5b6a7"));
    answer.parameter("code").unwrap()
}

fn is_signed(jws: &str, secret: &str) -> bool {
    let (input, signature) = jws.rsplit_once('.').unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hmac::verify(&key, input.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).is_ok()
}

#[tokio::test]
async fn tokens_are_those_of_the_surviving_sample() {
    let mut world = World::new();
    let tokens = login(&mut world).await;
    let id_token = tokens["id_token"].as_str().unwrap();
    let (header, claims) = opened(id_token);
    assert_eq!(header.to_string(), r#"{"typ":"JWT","alg":"HS256"}"#);
    assert!(is_signed(id_token, SECRET) && !is_signed(id_token, "another"));
    let mut names: Vec<_> = claims.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["acr", "amr", "aud", "exp", "iat", "idp", "iss", "nonce", "sub"]);
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!(BASE), &json!(ID)), "no path in iss");
    assert_eq!((&claims["iat"], &claims["exp"]), (&json!(NOW), &json!(NOW + 1200)));
    assert_eq!(
        (&claims["idp"], &claims["amr"], &claims["acr"]),
        (&json!("FC"), &json!([]), &json!("eidas2"))
    );
    assert_eq!(claims["nonce"], "7a6b5c4d3e2f1");

    let userinfo = world.userinfo("/api/v1/userinfo", tokens["access_token"].as_str().unwrap()).await;
    assert_eq!((userinfo.status, userinfo.header("content-type")), (200, "application/json; charset=utf-8"));
    let userinfo = userinfo.json();
    assert_eq!((&userinfo["sub"], &userinfo["gender"]), (&claims["sub"], &json!("female")));
    // No second page within its session.
    let page = world.get_with("/api/v1/authorize", &KIF).await;
    assert_eq!(page.status, 303);

    // Of one profile is not of another.
    assert_eq!(
        world.userinfo("/api/v2/userinfo", tokens["access_token"].as_str().unwrap()).await.status,
        401
    );
}

#[tokio::test]
async fn there_is_nothing_to_discover_and_only_post_authenticates() {
    let mut world = World::new();
    for path in
        ["/api/v1/.well-known/openid-configuration", "/api/v1/jwks", "/.well-known/openid-configuration"]
    {
        assert_eq!(world.get(path).await.status, 404, "{path}");
    }
    let basic = world.post_basic("/api/v1/token", &[("grant_type", "authorization_code")], ID, SECRET).await;
    assert_eq!((basic.status, basic.body.as_str()), (401, r#"{"error":"invalid_client"}"#));
    let used = code(&mut world).await;
    assert_eq!(world.post("/api/v1/token", &fc_token(&used)).await.status, 200);
    for bad in [used.as_str(), "unknown"] {
        let refused = world.post("/api/v1/token", &fc_token(bad)).await;
        assert_eq!((refused.status, refused.body.as_str()), (400, r#"{"error":"invalid_request"}"#));
        assert_eq!(refused.body.len(), 27);
        assert_eq!(refused.header("content-type"), "application/json; charset=utf-8");
    }
    for (name, value) in
        [("client_id", "-"), ("redirect_uri", "http://evil.example/"), ("state", ""), ("nonce", "")]
    {
        let changed: Vec<_> = KIF.iter().map(|(n, v)| (*n, if *n == name { value } else { *v })).collect();
        assert_eq!(world.get_with("/api/v1/authorize", &changed).await.status, 400, "{name}");
    }
}

#[tokio::test]
async fn a_fault_of_the_header_shows_without_keys() {
    let mut world = World::new();
    world.stub.set_fault(Fault::parse("crit_unknown"));
    let tokens = login(&mut world).await;
    let (header, _) = opened(tokens["id_token"].as_str().unwrap());
    assert_eq!(header["crit"], json!(["urn:example:extension"]));
}

#[tokio::test]
async fn logout_returns_without_state() {
    let mut world = World::new();
    let tokens = login(&mut world).await;
    let hint = tokens["id_token"].as_str().unwrap();
    let (input, _) = hint.rsplit_once('.').unwrap();
    for bad in ["", "x", &format!("{input}."), &format!("{input}.AAAA")] {
        let query = [("id_token_hint", bad), ("post_logout_redirect_uri", AFTER)];
        assert_eq!(world.get_with("/api/v1/logout", &query).await.status, 400, "{bad}");
    }
    let query = [("id_token_hint", hint), ("post_logout_redirect_uri", AFTER), ("state", "s")];
    // A hint of one profile is not of another.
    assert_eq!(world.get_with("/generic/logout", &query).await.status, 400);
    let answer = world.get_with("/api/v1/logout", &query).await;
    assert_eq!((answer.status, answer.header("location")), (303, AFTER));
    assert_eq!(world.get_with("/api/v1/authorize", &KIF).await.status, 200, "the session ended");
}

#[test]
fn its_issuer_may_be_another() {
    let v1 = Profile::find("franceconnect_v1").unwrap();
    let stub = Stub::builder(BASE).register(Client::new(ID, SECRET));
    assert_eq!(stub.build().unwrap().issuer(v1), BASE);
    let stub = Stub::builder(BASE).v1_issuer(Some("http://fenyo.example/fc-idp")).build().unwrap();
    assert_eq!(stub.issuer(v1), "http://fenyo.example/fc-idp");
    assert_eq!(stub.issuer(Profile::find("generic").unwrap()), format!("{BASE}/generic"));
}
