//! The pages that people read: pure functions from a view and a language to HTML.
//!
//! A view holds display values only, never an error, a secret or a type of another module that could carry one.
//! Names come from configuration and from upstreams, so they are written as text, never as markup. No page
//! needs a script, and none has an inline style: the policy in their headers forbids both.

mod assets;
mod confirm;
mod error;
mod home;
mod logout;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use maud::{DOCTYPE, Markup, html};
use serde_json::{Map, Value};
use time::OffsetDateTime;

use crate::clock::Timestamp;
use crate::identity::Identity;
use crate::message::Lang;
use crate::visible::marked;

pub use assets::asset;
pub use confirm::{ConfirmView, Other, confirm};
pub use error::{Button, ErrorView, error};
pub use home::{DemoLinks, HomeButton, HomeView, home};
pub use logout::{Ended, LogoutConfirmView, SignedOutView, logout_confirm, signed_out};

/// How many characters of a name are shown.
const NAME: usize = 120;

/// What every page must know about the relay that shows it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Site<'a> {
    /// The path of the public URL without a final slash: empty, or `/relais` behind a shared host.
    pub root: &'a str,
    /// Whether this is a demonstration, which every page then says.
    pub demo: bool,
}

/// The frame that all pages share. `page` gives a page's title, and what stands inside `main`, in a language.
///
/// Every page holds itself in the other languages too, which a link shows by its fragment alone: many pages answer what
/// cannot be asked a second time, and an address with `msg`, `code` or `state` is no link.
fn layout(site: Site<'_>, lang: Lang, page: impl Fn(Lang) -> (Cow<'static, str>, Markup)) -> Markup {
    let (title, content) = page(lang);
    let others = Lang::ALL.into_iter().filter(|other| *other != lang);
    html! {
        (DOCTYPE)
        html lang=(lang.tag()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                meta name="color-scheme" content="light dark";
                title { (title) " – relais" }
                link rel="stylesheet" href=(assets::stylesheet_url(site.root));
                link rel="icon" type="image/svg+xml" href=(assets::icon_url(site.root));
            }
            body {
                div.page id=(lang.tag()) { (frame(site, lang, &content)) }
                @for other in others {
                    div.page.other id=(other.tag()) lang=(other.tag()) { (frame(site, other, &page(other).1)) }
                }
            }
        }
    }
}

/// What surrounds the content in one language.
fn frame(site: Site<'_>, lang: Lang, content: &Markup) -> Markup {
    let anchor = format!("content-{}", lang.tag());
    html! {
        a.skip href={ "#" (anchor) } { (lang.pick("Aller au contenu", "Skip to content")) }
        header {
            @if site.demo {
                p.notice {
                    (lang.pick(
                        "Démonstration\u{a0}: les identités et les applications sont fictives.",
                        "Demonstration: the identities and the applications are fictitious.",
                    ))
                }
            }
            div.frame.top {
                p.brand {
                    img src=(assets::icon_url(site.root)) width="32" height="32" alt="";
                    span { "relais " small { (lang.pick("service de connexion", "sign-in service")) } }
                }
                (language_choice(lang))
            }
        }
        main.frame id=(anchor) tabindex="-1" { (content) }
        footer.frame {
            p {
                (lang.pick(
                    "Ce service vous connecte à une application\u{a0}; il ne connaît pas votre mot de passe.",
                    "This service signs you in to an application; it does not know your password.",
                ))
            }
        }
    }
}

fn language_choice(shown: Lang) -> Markup {
    html! {
        nav aria-label=(shown.pick("Langue", "Language")) {
            ul.languages {
                @for lang in Lang::ALL {
                    @let (tag, name) = (lang.tag(), match lang { Lang::Fr => "Français", Lang::En => "English" });
                    li {
                        @if lang == shown {
                            span lang=(tag) aria-current="true" { (name) }
                        } @else {
                            a href={ "#" (tag) } lang=(tag) hreflang=(tag) { (name) }
                        }
                    }
                }
            }
        }
    }
}

/// A time as people read it, in UTC: `2026-09-30 18:05:14`.
pub fn when(at: Timestamp) -> String {
    let seconds = i64::try_from(at.seconds()).unwrap_or_default();
    let date = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
    format!("{year}-{month:02}-{day:02} {:02}:{:02}:{:02}", date.hour(), date.minute(), date.second())
}

/// The name of a person, from the claims of their identity: given name and `usage_name`, where their provider has such a
/// claim, before the birth name; elsewhere `name` first. Empty where there is none.
pub fn display_name(claims: &Map<String, Value>, usage_name: Option<&str>) -> String {
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default().trim();
    let first = |names: &[&str]| {
        names.iter().copied().map(text).find(|name| !name.is_empty()).unwrap_or_default().to_owned()
    };
    let family = first(&[usage_name.unwrap_or_default(), "family_name"]);
    let whole = format!("{} {family}", text("given_name"));
    let candidates = match usage_name {
        Some(_) => [whole, first(&["name", "email"])],
        None => [
            first(&["name"]),
            if whole.trim().is_empty() { first(&["preferred_username", "email"]) } else { whole },
        ],
    };
    let name = candidates.iter().map(|name| name.trim()).find(|name| !name.is_empty());
    shortened(name.unwrap_or_default())
}

/// At most as much of a name as a page has room for, and whether there is more.
fn shortened(name: &str) -> String {
    match name.char_indices().nth(NAME) {
        Some((end, _)) => format!("{}…", name.get(..end).unwrap_or(name).trim_end()),
        None => name.to_owned(),
    }
}

/// What tells a person apart from others: their name, or, where it has no character that can be seen, their provider and
/// the beginning of their `sub`.
pub fn person(identity: &Identity, upstream_name: &str, usage_name: Option<&str>) -> String {
    let name = display_name(&identity.claims, usage_name);
    if name.chars().any(can_be_read) {
        // A `title` knows no `bdi`.
        return marked(&name).into_owned();
    }
    let sub: String = identity.subject.as_str().chars().take(8).collect();
    format!("{upstream_name} · {sub}…")
}

/// A letter or digit that has a shape: the fillers of Hangul are letters and show nothing (UAX 44,
/// `Default_Ignorable_Code_Point`).
fn can_be_read(letter: char) -> bool {
    letter.is_alphanumeric() && !matches!(letter, '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}')
}

/// The address of the relay's own first page.
fn home_href(site: Site<'_>) -> Cow<'_, str> {
    if site.root.is_empty() { "/".into() } else { format!("{}/", site.root).into() }
}
