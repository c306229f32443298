//! The frame that all pages share.

use maud::{DOCTYPE, Markup, html};

use super::assets::{ICON, STYLE};
use crate::message::Lang;

/// A page. `base` is the path below which the relay stands.
pub(super) fn layout(title: &str, base: &str, lang: Lang, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(lang.tag()) {
            head {
                meta charset="utf-8";
                title { (title) " – relais" }
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex, nofollow";
                link rel="stylesheet" href={ (base) "/static/" (STYLE.name()) };
                link rel="icon" type="image/svg+xml" href={ (base) "/static/" (ICON.name()) };
            }
            body {
                a class="skip" href="#main" { (lang.pick("Aller au contenu", "Skip to content")) }
                header { span class="mark" { "relais" } " – " (lang.pick("connexion sécurisée", "secure sign-in")) }
                main id="main" { (content) }
            }
        }
    }
}
