//! The relay's pages: pure functions of a view and a language. Fixed sentences, values escaped, no script, one
//! stylesheet.

mod ask;
mod assets;
mod error;
mod home;
mod layout;

use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::clock::Timestamp;

pub use ask::{ConfirmView, LogoutConfirmView, SignedOutView, confirm, logout_confirm, signed_out};
pub use assets::asset;
pub use error::{Button, ErrorView, error};
pub use home::{DemoLinks, HomeView, home};

/// A time as people and support can both read it: RFC 3339, UTC, whole seconds.
pub fn utc(at: Timestamp) -> String {
    let seconds = i64::try_from(at.seconds()).unwrap_or_default();
    let date = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    date.format(&Rfc3339).unwrap_or_default()
}

/// The name of a person, from the claims of their identity; empty where there is none.
pub fn person(claims: &Map<String, Value>) -> String {
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default().trim();
    let family = [text("preferred_username"), text("usual_name"), text("family_name")];
    let family = family.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
    let name = format!("{} {family}", text("given_name"));
    let name = if name.trim().is_empty() { text("name") } else { name.trim() };
    if name.is_empty() { text("email").to_owned() } else { name.chars().take(120).collect() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::message::{Lang, PublicMessage};

    const HOSTILE: &str = "<script>alert(1)</script>\" onload=\"x";

    fn sound(html: &str) {
        assert_eq!(html.matches("<h1").count(), 1, "{html}");
        assert!(html.starts_with("<!DOCTYPE html>") && html.ends_with("</html>"), "{html}");
        for forbidden in ["<script", "style=", " onload=\"", "javascript:"] {
            assert!(!html.contains(forbidden), "{forbidden} in {html}");
        }
        assert!(html.contains("<main id=\"main\"") && html.contains("href=\"#main\""), "{html}");
    }

    #[test]
    fn every_message_in_both_languages() {
        for &message in PublicMessage::ALL {
            for lang in [Lang::Fr, Lang::En] {
                for name in [None, Some(HOSTILE.to_owned())] {
                    let view = ErrorView {
                        message,
                        support_code: "K7QF-2M".to_owned(),
                        when: utc(Timestamp::from_seconds(1_790_791_514)),
                        button: Button { name, href: "https://app.example/?a=1&b=2".to_owned() },
                    };
                    let html = error(&view, "/base", lang).0;
                    sound(&html);
                    for part in [message.code(), "K7QF-2M", lang.tag(), "2026-09-30T18:05:14Z", message.title(lang)] {
                        assert!(html.contains(part), "{part} missing: {html}");
                    }
                    assert_eq!(html.matches("class=\"button\"").count(), 1);
                    assert!(html.contains("/base/static/"));
                }
            }
        }
    }

    #[test]
    fn questions_name_who_and_what() {
        for lang in [Lang::Fr, Lang::En] {
            let view = ConfirmView {
                app_name: HOSTILE.to_owned(),
                person: "Angéla D'ARC".to_owned(),
                action: "/idp/confirm".to_owned(),
                token: "token".to_owned(),
            };
            let html = confirm(&view, "", lang).0;
            sound(&html);
            assert!(html.contains("Angéla D'ARC") && html.contains("&lt;script&gt;"));
            let view = LogoutConfirmView {
                app_name: HOSTILE.to_owned(),
                action: "/logout/a".to_owned(),
                token: "token".to_owned(),
                home_url: "https://a.example/".to_owned(),
            };
            sound(&logout_confirm(&view, "", lang).0);
            let view = SignedOutView { app_name: None, home_url: "https://a.example/".to_owned() };
            sound(&signed_out(&view, "", lang).0);
            for demo in [
                None,
                Some(DemoLinks { legacy_app: "http://a".into(), stub: "http://b".into(), management: "http://c".into() }),
            ] {
                sound(&home(&HomeView { demo }, "", lang).0);
            }
        }
    }

    #[test]
    fn a_person_has_a_name() {
        for (claims, expected) in [
            (json!({"given_name": "Angéla Claire", "family_name": "DUBOIS"}), "Angéla Claire DUBOIS"),
            (json!({"given_name": "Angéla", "family_name": "DUBOIS", "preferred_username": "MARTIN"}), "Angéla MARTIN"),
            (json!({"family_name": "DUBOIS"}), "DUBOIS"),
            (json!({"email": "a@b.example"}), "a@b.example"),
            (json!({"given_name": 5}), ""),
        ] {
            assert_eq!(person(claims.as_object().unwrap()), expected);
        }
    }
}
