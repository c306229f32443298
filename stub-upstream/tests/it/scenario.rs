//! Scenarios, by the control API.

use stub_upstream::Scenario;

use crate::harness::{World, fc};

const API: &str = "/_stub/api/v1/scenario";

async fn status(world: &mut World) -> Option<u16> {
    let code = world.get_with("/api/v2/authorize", &fc(&[])).await.parameter("code")?;
    Some(world.fc_token(&code).await.status)
}

#[tokio::test]
async fn logins_meet_one_step_after_the_other() {
    let mut world = World::new();
    let text = "[[step]]\npersona = 'angela'\nfault = 'token_500'\ntimes = 2\n\
                [[step]]\npersona = 'corse'\n[[step]]\npersona = 'angela'\nfault = 'access_denied'\n";
    assert_eq!(world.put(API, text).await.status, 204);
    assert_eq!(status(&mut world).await, Some(500));
    assert_eq!(status(&mut world).await, Some(500));
    assert_eq!(status(&mut world).await, Some(200));
    let answer = world.get_with("/api/v2/authorize", &fc(&[])).await;
    assert_eq!(answer.parameter("error").as_deref(), Some("access_denied"));
    assert_eq!(
        world.get_with("/api/v2/authorize", &fc(&[])).await.status,
        200,
        "the page, when it is used up"
    );
    let broken = world.put(API, "[[step]]\nfault = 'nothing'").await;
    assert!(broken.status == 400 && broken.json()["error"].as_str().unwrap().starts_with("line 1: "));
}

#[tokio::test]
async fn a_step_waits_for_the_person() {
    let mut world = World::new();
    world.stub.set_scenario(Some(Scenario::parse("[[step]]\nfault = 'token_500'", |_| true).unwrap()));
    let page = world.get_with("/api/v2/authorize", &fc(&[])).await;
    let code = world.post(&page.action(), &[("login", "angela")]).await.parameter("code").unwrap();
    assert_eq!(world.fc_token(&code).await.status, 500);
    world.put(API, "[[step]]\nfault = 'token_500'").await;
    assert_eq!(world.delete(API).await.status, 204);
    world.stub.set_auto_login(Some("angela"));
    assert_eq!(status(&mut world).await, Some(200));
}
