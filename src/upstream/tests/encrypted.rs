//! What comes encrypted, and what we sign ourselves.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;
use crate::crypto::jwe::DecryptionKey;
use crate::crypto::jwe::testing::{Recipient, Wrap, seal};
use crate::crypto::jws::sign::SigningKey;
use crate::crypto::jws::testing::decoded_by_the_library;
use crate::crypto::jws::{Jws, Signers};

/// FranceConnect+, which has one of our keys.
async fn plus(recipient: &Recipient) -> Provider {
    let key = DecryptionKey::from_pem("enc".into(), &recipient.pem()).ok().unwrap();
    Provider::start(|settings| {
        settings.profile = Profile::find("franceconnect_plus").unwrap();
        settings.userinfo = settings.profile.userinfo;
        settings.decryption_keys = DecryptionKeys::new(vec![key]);
        settings.encrypted_id_token = true;
        settings.credentials = Credentials::Post(Secret::new("s3cr&t:é".into()));
    })
    .await
}

fn encrypting(to: Recipient, wrap: Wrap<'static>) -> Box<dyn Fn(String) -> String + Send> {
    Box::new(move |jwt| seal(&to, &wrap, &jwt))
}

#[tokio::test]
async fn a_login_whose_tokens_are_nested() {
    for (recipient, alg) in [(Recipient::rsa(), "RSA-OAEP-256"), (Recipient::ec(), "ECDH-ES")] {
        let provider = plus(&recipient).await;
        let signed_in = provider
            .login(|script| {
                script.id_token["acr"] = "eidas3".into();
                script.encrypt = Some(encrypting(recipient, Wrap::new(alg, "enc")));
            })
            .await;
        let signed_in = signed_in.unwrap_or_else(|error| panic!("{alg}: {error:?}"));
        assert_eq!(signed_in.identity.claims["family_name"], "DUBOIS");
        assert_eq!(signed_in.identity.acr.unwrap().0, "eidas3", "above what was asked");
        // Logout wants the signed token, which the upstream would otherwise have to decrypt with our key.
        let hint = signed_in.id_token.expose();
        assert!(Jws::parse(hint, Signers::Keys(&[Alg::Es256])).is_ok(), "{alg}");
    }
}

/// Userinfo and `id_token` come encrypted each by itself.
#[tokio::test]
async fn l16_encrypted_userinfo_forces_no_encrypted_id_token() {
    for (id_token, userinfo) in [(false, true), (true, false)] {
        let recipient = Recipient::ec();
        let key = DecryptionKey::from_pem("enc".into(), &recipient.pem()).ok().unwrap();
        let provider = Provider::start(|settings| {
            settings.profile = Profile::find("franceconnect_plus").unwrap();
            settings.userinfo = if userinfo { UserinfoKind::EncryptedJwt } else { UserinfoKind::SignedJwt };
            settings.decryption_keys = DecryptionKeys::new(vec![key]);
            settings.encrypted_id_token = id_token;
            settings.credentials = Credentials::Post(Secret::new("secret".into()));
        })
        .await;
        // Only what is the person's gets wrapped, or only what is not.
        let wrap = move |jwt: String| {
            let payload = URL_SAFE_NO_PAD.decode(jwt.split('.').nth(1).unwrap()).unwrap();
            let is_userinfo = String::from_utf8(payload).unwrap().contains("DUBOIS");
            if is_userinfo == userinfo { seal(&recipient, &Wrap::new("ECDH-ES", "enc"), &jwt) } else { jwt }
        };
        let signed_in = provider.login(|script| script.encrypt = Some(Box::new(wrap))).await;
        assert!(signed_in.is_ok(), "{id_token} {userinfo}: {:?}", signed_in.err());
        let refused = provider.login(|script| script.encrypt = None).await;
        untrusted(refused, reasons::upstream::NOT_ENCRYPTED);
    }
}

/// How a case is wrapped, if at all.
type Wrapping = fn() -> Option<Wrap<'static>>;

#[tokio::test]
async fn what_is_not_encrypted_for_us() {
    use reasons::upstream as R;
    let cases: [(&str, Wrapping, Reason); 8] = [
        ("in clear", || None, R::NOT_ENCRYPTED),
        ("another kid", || Some(Wrap::new("ECDH-ES", "other")), R::DECRYPTION_KEY),
        ("another algorithm", || Some(Wrap::new("RSA-OAEP-256", "enc")), R::DECRYPTION_KEY),
        ("an algorithm off the list", || Some(Wrap::new("dir", "enc")), R::ENCRYPTION_ALG),
        (
            "content by another",
            || Some(Wrap { enc: "A128GCM", ..Wrap::new("ECDH-ES", "enc") }),
            R::ENCRYPTION_ALG,
        ),
        (
            "compressed",
            || Some(Wrap { more: "\"zip\":\"DEF\",", ..Wrap::new("ECDH-ES", "enc") }),
            R::JWT_HEADER,
        ),
        ("no JWT inside", || Some(Wrap { cty: None, ..Wrap::new("ECDH-ES", "enc") }), R::JWT_HEADER),
        (
            "another aud in front",
            || Some(Wrap { more: "\"aud\":\"other\",", ..Wrap::new("ECDH-ES", "enc") }),
            R::AUDIENCE,
        ),
    ];
    for (what, wrap, reason) in cases {
        let recipient = Recipient::ec();
        let provider = plus(&recipient).await;
        let result =
            provider.login(|script| script.encrypt = wrap().map(|wrap| encrypting(recipient, wrap))).await;
        let (got, code, ..) = told(result);
        assert_eq!((got.slug(), code), (reason.slug(), RefusalCode::ServerError), "{what}");
    }
    let provider = plus(&Recipient::ec()).await;
    let result = provider
        .login(|script| script.encrypt = Some(encrypting(Recipient::ec(), Wrap::new("ECDH-ES", "enc"))))
        .await;
    untrusted(result, R::DECRYPTION);
    // Encrypted, but signed by nobody: encryption proves nothing.
    let recipient = Recipient::ec();
    let provider = plus(&recipient).await;
    let result = provider
        .login(|script| {
            script.key = TestKey::generate(Alg::Es256);
            script.jwks = Some(key_set(&TestKey::generate(Alg::Es256), "k"));
            script.encrypt = Some(encrypting(recipient, Wrap::new("ECDH-ES", "enc")));
        })
        .await;
    untrusted(result, R::SIGNATURE);
    // Where nothing is encrypted, nothing encrypted is taken.
    let provider = Provider::generic().await;
    let result = provider
        .login(|script| script.encrypt = Some(encrypting(Recipient::ec(), Wrap::new("ECDH-ES", "enc"))))
        .await;
    untrusted(result, R::ID_TOKEN_MALFORMED);
}

/// Rows of the bad inputs: what was encrypted is looked into once, and by the two algorithms alone.
#[tokio::test]
async fn encryption_has_one_depth_and_two_algorithms() {
    use reasons::upstream as R;
    const COUNT: &str = "\"p2s\":\"AAAA\",\"p2c\":10000000,";
    let cases = [
        ("CBK-39", Wrap::new("RSA1_5", "enc"), R::ENCRYPTION_ALG),
        ("CBK-39", Wrap { more: COUNT, ..Wrap::new("PBES2-HS256+A128KW", "enc") }, R::ENCRYPTION_ALG),
        ("CBK-39", Wrap { more: "\"zip\":\"DEF\",", ..Wrap::new("ECDH-ES", "enc") }, R::JWT_HEADER),
    ];
    for (row, wrap, reason) in cases {
        let recipient = Recipient::ec();
        let provider = plus(&recipient).await;
        let result = provider.login(|script| script.encrypt = Some(encrypting(recipient, wrap))).await;
        let (got, code, ..) = told(result);
        assert_eq!((got.slug(), code), (reason.slug(), RefusalCode::ServerError), "{row}");
    }
    // CBK-40: a JWE in a JWE, each of them for us.
    let recipient = Recipient::ec();
    let provider = plus(&recipient).await;
    let wrap = Wrap::new("ECDH-ES", "enc");
    let twice = move |jwt: String| seal(&recipient, &wrap, &seal(&recipient, &wrap, &jwt));
    let result = provider.login(|script| script.encrypt = Some(Box::new(twice))).await;
    untrusted(result, R::ID_TOKEN_MALFORMED);
}

/// `private_key_jwt`: who we are is said by our key, for this endpoint, for a minute, once.
#[tokio::test]
async fn an_assertion_of_our_key() {
    let pair = rcgen::KeyPair::generate().unwrap();
    let pem = Secret::new(pair.serialize_pem());
    for (audience, path) in [(AssertionAudience::TokenEndpoint, "/token"), (AssertionAudience::Issuer, "")] {
        let key = SigningKey::from_pem("sig".into(), None, &pem).ok().unwrap();
        let provider = Provider::start(|settings| {
            settings.credentials = Credentials::PrivateKeyJwt(AssertionKey::Given(key.into()), audience);
        })
        .await;
        for _ in 0..2 {
            provider.login(|_| ()).await.unwrap();
        }
        let script = provider.script.lock().unwrap();
        assert!(script.heads.iter().all(|head| !head.contains("authorization: Basic")));
        let point = pair.public_key_raw();
        let mut seen = Vec::new();
        for post in &script.posts {
            let form: Vec<(String, String)> =
                url::form_urlencoded::parse(post.as_bytes()).into_owned().collect();
            let field =
                |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
            assert_eq!(field("client_id"), Some("client id"));
            assert_eq!(field("client_secret"), None);
            assert_eq!(
                field("client_assertion_type"),
                Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
            );
            let assertion = field("client_assertion").unwrap();
            let told = decoded_by_the_library(assertion, point, "client id");
            assert_eq!((told.header.kid.as_deref(), told.header.typ.as_deref()), (Some("sig"), Some("JWT")));
            let claims = told.claims;
            assert_eq!(claims["aud"], format!("{}{path}", provider.issuer()));
            assert_eq!((&claims["iat"], &claims["exp"]), (&json!(NOW), &json!(NOW + 60)));
            let jti = claims["jti"].as_str().unwrap().to_owned();
            assert_eq!(URL_SAFE_NO_PAD.decode(&jti).unwrap().len(), 16);
            seen.push(jti);
        }
        assert_ne!(seen[0], seen[1]);
    }
}

/// Where the client secret is registered to sign, a key of the provider does not, and the reverse.
#[tokio::test]
async fn the_client_secret_signs_where_it_is_registered_to() {
    use crate::crypto::jws::testing::hs256;
    const SHARED: &str = "a client secret of more than 32 bytes";
    let shared = || async {
        Provider::start(|settings| {
            settings.signatures = Signatures::Shared(Secret::new(SHARED.into()));
            settings.userinfo = UserinfoKind::Off;
        })
        .await
    };
    untrusted(shared().await.login(|_| ()).await, reasons::upstream::ALG_REFUSED);
    let provider = shared().await;
    let (_, handshake) = provider.begin(&Ask::default()).await.unwrap();
    let id_token = provider.script.lock().unwrap().id_token.to_string();
    let jwt = hs256(SHARED.as_bytes(), r#"{"alg":"HS256"}"#, &id_token);
    provider.script.lock().unwrap().token_more = json!({ "id_token": jwt });
    assert!(provider.complete(&handshake, &provider.good_return(&handshake)).await.is_ok());
}
