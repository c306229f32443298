//! KIF's own paths, where the configuration keeps them: logout and error page.

use relais::event::Step;

use crate::harness::{Browser, RELAY, Setup, World};
use crate::idp_inputs::sign_in;

async fn with_aliases() -> World {
    let server = r#"aliases = { logout = "/j_spring_security_logout", error = "/authenticationError" }"#;
    World::with(Setup { server: server.to_owned(), ..Setup::default() }).await
}

#[tokio::test]
async fn the_logout_alias_is_the_default_application_s() {
    let world = with_aliases().await;
    let alias = format!("{RELAY}/j_spring_security_logout");
    // OUT-16: without a session straight to the return address.
    let page = Browser::new(&world).get(&alias).await;
    assert_eq!((page.status, page.location()), (303, Some("https://compta.example/accueil")), "OUT-16");
    // OUT-16: with one, a question; nothing closed before the answer.
    let (attempt, url) = world.legacy("compta").start(world.now());
    let mut browser = world.browser();
    let page = browser.open(&url).await;
    let back = sign_in(&mut browser, page).await;
    world.legacy("compta").identity(&back.url, &attempt);
    for _ in 0..2 {
        let page = browser.clone().get(&alias).await;
        assert!(page.status == 200 && page.body.contains("<form"), "OUT-16: {} {}", page.status, page.body);
    }
    let page = browser.get(&format!("{alias}?a=1&a=2")).await;
    assert_eq!((page.status, page.code().as_str()), (400, "INVALID_REQUEST"), "OUT-15 at the alias");
    let page = browser.get(&alias).await;
    let page = browser.submit(&page, ("decision", "yes")).await;
    assert_eq!((page.status, page.button().as_str()), (200, "https://compta.example/accueil"));
    assert!(page.url.starts_with(&format!("{RELAY}/logout/return/fc")), "through the upstream: {}", page.url);
    assert_eq!(world.stub.calls().logout, 1);
    let page = browser.get(&alias).await;
    assert_eq!((page.status, page.location()), (303, Some("https://compta.example/accueil")));
    // The question posts to the path proper, so the alias takes no form.
    let page = browser.post(&alias, &[]).await;
    assert_eq!((page.status, page.header("allow")), (405, "GET"));
}

#[tokio::test]
async fn the_error_alias_is_the_error_page() {
    let world = with_aliases().await;
    let page = world.browser().get(&format!("{RELAY}/authenticationError")).await;
    assert_eq!((page.status, page.code().as_str()), (400, "INVALID_REQUEST"));
    assert!(page.location().is_none());
    let refused = world.events(Step::RequestRefused).pop().unwrap();
    assert_eq!(refused.reason.unwrap().slug(), "server.error_alias");
    let page = world.browser().post(&format!("{RELAY}/authenticationError"), &[]).await;
    assert_eq!((page.status, page.header("allow")), (405, "GET, HEAD"));
}

#[tokio::test]
async fn without_a_word_there_are_none() {
    let world = World::new().await;
    for path in ["j_spring_security_logout", "authenticationError", "openid_connect_login"] {
        assert_eq!(world.browser().get(&format!("{RELAY}/{path}")).await.status, 404, "{path}");
    }
    // One spelling, as everywhere.
    let world = with_aliases().await;
    for path in [
        "j_spring_security_logout/",
        "J_spring_security_logout",
        "authenticationError/x",
        "%6a_spring_security_logout",
    ] {
        assert_eq!(world.browser().get(&format!("{RELAY}/{path}")).await.status, 404, "{path}");
    }
}
