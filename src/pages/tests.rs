//! What holds for every page, whatever it says.

use maud::Markup;

use serde_json::json;

use super::*;
use crate::message::PublicMessage;

const HOSTILE: &str = "<script>alert(1)</script>\"'&";
const LANGS: [Lang; 2] = [Lang::Fr, Lang::En];
const SITE: Site<'_> = Site { root: "", demo: false };

fn error_view(message: PublicMessage, button: Option<Button<'_>>) -> ErrorView<'_> {
    ErrorView {
        site: SITE,
        message,
        support_code: "K7QF-2M",
        when: "2026-09-30 17:25:14",
        button,
        home_url: None,
    }
}

/// Every kind of page with `name` wherever a name goes.
fn every_page(name: &str, lang: Lang) -> Vec<(&'static str, String)> {
    let button = Button { app_name: name, href: "https://compta.example/" };
    let links = DemoLinks {
        legacy_app: "http://127.0.0.1:8082/",
        stub: "http://127.0.0.1:9400/",
        management: "http://127.0.0.1:8081/",
    };
    let confirm_view = ConfirmView {
        site: SITE,
        app_name: name,
        person: name,
        upstream_name: name,
        action: "/confirm",
        token: "the-token",
        fresh: false,
        other: Other::Button,
    };
    let question = LogoutConfirmView {
        site: SITE,
        app_name: Some(name),
        upstream_name: Some(name),
        action: "/logout",
        token: "the-token",
    };
    let after = SignedOutView {
        site: SITE,
        app_name: Some(name),
        home_url: "https://compta.example/",
        ended: Ended::Now,
        still_open: &[name],
    };
    let page = |what, page: Markup| (what, page.into_string());
    vec![
        page("error", error(&error_view(PublicMessage::Internal, Some(button)), lang)),
        page("error without an application", error(&error_view(PublicMessage::NotFound, None), lang)),
        page("confirm", confirm(&confirm_view, lang)),
        page("logout", logout_confirm(&question, lang)),
        page(
            "logout, bare",
            logout_confirm(&LogoutConfirmView { app_name: None, upstream_name: None, ..question }, lang),
        ),
        page("signed out", signed_out(&after, lang)),
        page("not signed in", signed_out(&SignedOutView { ended: Ended::Before, ..after }, lang)),
        page("home", home(&HomeView { site: SITE, button: None, demo: None }, lang)),
        page(
            "home, after an application",
            home(&HomeView { site: SITE, button: Some(HomeButton::Application(button)), demo: None }, lang),
        ),
        page(
            "home, of a site",
            home(
                &HomeView { site: SITE, button: Some(HomeButton::Site("https://site.example/")), demo: None },
                lang,
            ),
        ),
        page(
            "home, demo",
            home(&HomeView { site: Site { root: "", demo: true }, button: None, demo: Some(links) }, lang),
        ),
    ]
}

/// What is shown of a page, before anybody chooses another language.
fn shown(page: &str) -> &str {
    page.split("<div class=\"page other\"").next().unwrap()
}

fn count(page: &str, what: &str) -> usize {
    page.matches(what).count()
}

#[test]
fn every_message_has_its_page_in_both_languages() {
    for &message in PublicMessage::ALL {
        for lang in LANGS {
            for button in [None, Some(Button { app_name: HOSTILE, href: "https://compta.example/" })] {
                let page = error(&error_view(message, button), lang).into_string();
                let case = format!("{message:?} {lang:?}");
                for part in
                    [message.title(lang), message.advice(lang), message.code(), "K7QF-2M", "17:25:14 UTC"]
                {
                    assert!(page.contains(part), "{case}: no {part}");
                }
                let shown = shown(&page);
                assert_eq!(count(shown, "class=\"button\""), 1, "{case}: one button");
                assert_eq!(count(shown, "role=\"alert\""), 1, "{case}");
                let href = if button.is_some() { "href=\"https://compta.example/\"" } else { "href=\"/\"" };
                assert!(page.contains(href), "{case}");
            }
        }
    }
}

#[test]
fn names_are_text() {
    for lang in LANGS {
        for (what, page) in every_page(HOSTILE, lang) {
            assert_eq!(count(&page, "<script"), 0, "{what}");
            if what != "error without an application" && !what.contains("home") && what != "logout, bare" {
                assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{what}");
            }
        }
    }
}

#[test]
fn every_page_is_well_made() {
    for lang in LANGS {
        for (what, page) in every_page("Comptabilité", lang) {
            let page = shown(&page);
            for once in [
                "<h1",
                "</h1>",
                "<title>",
                "<main",
                "<footer",
                "<header",
                "name=\"viewport\"",
                "name=\"robots\" content=\"noindex\"",
                "rel=\"stylesheet\"",
                &format!("href=\"#content-{}\"", lang.tag()),
                &format!("id=\"content-{}\"", lang.tag()),
            ] {
                assert_eq!(count(page, once), 1, "{what} {lang:?}: {once}");
            }
            assert!(page.starts_with(&format!("<!DOCTYPE html><html lang=\"{}\">", lang.tag())), "{what}");
            for never in ["style=", "<style", "<script", "onclick", "javascript:"] {
                assert_eq!(count(page, never), 0, "{what} {lang:?}: {never}");
            }
        }
    }
}

/// Whatever a page answers, it is there in both languages at once: nothing is asked again for the other.
#[test]
fn every_page_holds_itself_in_the_other_language() {
    for (fr, en) in every_page(HOSTILE, Lang::Fr).into_iter().zip(every_page(HOSTILE, Lang::En)) {
        let [(what, fr), (_, en)] = [fr, en];
        for (page, other, tag) in [(&fr, &en, "en"), (&en, &fr, "fr")] {
            assert!(page.contains(&format!("<a href=\"#{tag}\" lang=\"{tag}\"")), "{what}");
            let there = page.split(&format!("<div class=\"page other\" id=\"{tag}\" lang=\"{tag}\">")).nth(1);
            let alone = shown(other).split(&format!("<div class=\"page\" id=\"{tag}\">")).nth(1);
            let alone = alone.unwrap().trim_end_matches("</body></html>");
            assert!(there.unwrap().starts_with(alone), "{what}: {there:?} instead of {alone}");
            let ids = page.matches(" id=\"").count();
            let mut each: Vec<_> = page.split(" id=\"").skip(1).map(|rest| rest.split('"').next()).collect();
            each.sort_unstable();
            each.dedup();
            assert_eq!(each.len(), ids, "{what}: an id twice");
        }
    }
}

#[test]
fn titles_differ_within_a_language() {
    for lang in LANGS {
        let mut titles: Vec<_> = every_page("Comptabilité", lang)
            .into_iter()
            .filter(|(what, _)| !what.contains(','))
            .map(|(_, page)| {
                page.split_once("<title>").unwrap().1.split_once("</title>").unwrap().0.to_owned()
            })
            .collect();
        let all = titles.len();
        titles.sort();
        titles.dedup();
        assert_eq!(titles.len(), all, "{titles:?}");
    }
}

/// French sets `: ; ? !` off by a space that does not break.
#[test]
fn french_punctuation_does_not_break() {
    let messages =
        PublicMessage::ALL.iter().map(|&message| error(&error_view(message, None), Lang::Fr).into_string());
    let pages = every_page("Comptabilité", Lang::Fr).into_iter().map(|(_, page)| page);
    for page in messages.chain(pages) {
        let body = shown(&page).split_once("<body>").unwrap().1;
        for bad in [" :", " ;", " ?", " !", "' ", "l'", "d'", "n'"] {
            assert!(!body.contains(bad), "{bad:?} in {body}");
        }
    }
}

#[test]
fn decisions_are_posted_with_their_token() {
    for lang in LANGS {
        for (what, page) in every_page("Comptabilité", lang) {
            let asks = what == "confirm" || what.starts_with("logout");
            for part in [
                "<form method=\"post\"",
                "name=\"token\" value=\"the-token\"",
                "name=\"decision\" value=\"yes\"",
                "name=\"decision\" value=\"no\"",
            ] {
                assert_eq!(count(shown(&page), part), usize::from(asks), "{what}: {part}");
            }
        }
    }
}

#[test]
fn addresses_follow_the_root_and_the_content() {
    let site = Site { root: "/relais", demo: true };
    let page =
        error(&ErrorView { site, ..error_view(PublicMessage::NotFound, None) }, Lang::Fr).into_string();
    assert!(page.contains("href=\"/relais/static/relais.css?v="), "{page}");
    assert!(page.contains("href=\"/relais/\""), "{page}");
    assert!(page.contains("Démonstration"), "{page}");
    let (kind, bytes) = asset("/static/relais.css").unwrap();
    assert_eq!(kind, "text/css; charset=utf-8");
    assert!(!String::from_utf8_lossy(bytes).contains("url("), "nothing is fetched from a stylesheet");
    assert_eq!(asset("/static/icon.svg").unwrap().0, "image/svg+xml");
    assert!(asset("/static/../Cargo.toml").is_none());
}

#[test]
fn a_person_has_a_name() {
    for (claims, expected) in [
        (json!({"given_name": "Angéla Claire", "family_name": "DUBOIS"}), "Angéla Claire DUBOIS"),
        (
            json!({"given_name": "Angéla", "family_name": "DUBOIS", "preferred_username": "MARTIN"}),
            "Angéla MARTIN",
        ),
        (json!({"given_name": "Angéla", "family_name": "DUBOIS", "preferred_username": ""}), "Angéla DUBOIS"),
        (json!({"family_name": "DUBOIS"}), "DUBOIS"),
        (json!({"email": "a@b.example"}), "a@b.example"),
        (json!({"given_name": 5}), ""),
    ] {
        assert_eq!(display_name(claims.as_object().unwrap(), Some("preferred_username")), expected);
    }
    assert_eq!(when(Timestamp::from_seconds(1_790_791_514)), "2026-09-30 18:05:14");
    let long = |letters: usize| {
        display_name(json!({ "family_name": "é".repeat(letters) }).as_object().unwrap(), None)
    };
    assert_eq!(long(120), "é".repeat(120));
    assert_eq!(long(121), format!("{}…", "é".repeat(120)), "what is cut says so");
}

/// What `preferred_username` means is the provider's.
#[test]
fn j3_a_login_name_is_no_family_name() {
    for (claims, expected) in [
        (json!({"given_name": "Jean", "family_name": "DURAND", "preferred_username": "jean"}), "Jean DURAND"),
        (json!({"given_name": "Jean", "family_name": "DURAND", "name": "Dr Jean Durand"}), "Dr Jean Durand"),
        (json!({"preferred_username": "jean", "email": "a@b.example"}), "jean"),
        (json!({"email": "a@b.example", "name": "  "}), "a@b.example"),
    ] {
        assert_eq!(display_name(claims.as_object().unwrap(), None), expected);
    }
}

/// A7: a name of characters that nobody sees is none.
#[test]
fn a_name_that_cannot_be_seen_is_replaced() {
    let named = |name: &str| {
        let identity = json!({
            "issuer": "https://fc.example", "subject": { "issued": "0123456789abcdef" },
            "claims": { "given_name": name }, "acr": null, "auth_time": 0, "auth_time_told": false,
            "retention": "session",
        });
        person(&serde_json::from_value::<Identity>(identity).unwrap(), "Corse", None)
    };
    for unseen in [
        "",
        " ",
        "\u{200b}",
        "\u{2060}\u{fe0f}",
        "\u{3164}",
        "\u{115f}\u{1160}\u{ffa0}",
        "\u{202e}",
        "--",
        "💩",
    ] {
        assert_eq!(named(unseen), "Corse · 01234567…", "{unseen:?}");
    }
    for seen in ["Zoé", "李", "R2-D2"] {
        assert_eq!(named(seen), seen);
    }
}
