//! The page of everything that went wrong: a sentence of the closed list, two codes, and one way on.

use std::borrow::Cow;

use maud::{Markup, html};

use crate::message::{Lang, PublicMessage};

use super::{Site, home_href, layout};

/// What the error page shows.
#[derive(Clone, Copy, Debug)]
pub struct ErrorView<'a> {
    /// The relay.
    pub site: Site<'a>,
    /// The sentence.
    pub message: PublicMessage,
    /// The code that finds the event.
    pub support_code: &'a str,
    /// When it happened, in UTC, as people read it: `2026-09-30 17:25:14`.
    pub when: &'a str,
    /// The way back to the application; without one the button leads to the relay's own first page.
    pub button: Option<Button<'a>>,
    /// Where the button leads without an application, if not to the relay's own first page.
    pub home_url: Option<&'a str>,
}

/// The way back to an application.
#[derive(Clone, Copy, Debug)]
pub struct Button<'a> {
    /// The application's name.
    pub app_name: &'a str,
    /// Its home page, from the configuration.
    pub href: &'a str,
}

/// The error page.
pub fn error(view: &ErrorView<'_>, lang: Lang) -> Markup {
    layout(view.site, lang, |lang| {
        let title = view.message.title(lang);
        let content = html! {
            div.card.failure {
                div role="alert" {
                    p.kicker { (lang.pick("Erreur", "Error")) }
                    h1 { (title) }
                    p.lead { (view.message.advice(lang)) }
                }
                p.actions { (way_on(view, lang)) }
                (for_the_support(view, lang))
            }
        };
        (format!("{}{title}", lang.pick("Erreur\u{a0}: ", "Error: ")).into(), content)
    })
}

fn way_on(view: &ErrorView<'_>, lang: Lang) -> Markup {
    html! {
        @match view.button {
            Some(button) => a.button href=(button.href) {
                span { (lang.pick("Retour à ", "Back to ")) bdi { (button.app_name) } }
            },
            None => a.button href=(view.home_url.map_or_else(|| home_href(view.site), Cow::Borrowed)) {
                (lang.pick("Aller à l’accueil de ce service", "Go to the home page of this service"))
            },
        }
    }
}

fn for_the_support(view: &ErrorView<'_>, lang: Lang) -> Markup {
    let id = format!("support-{}", lang.tag());
    html! {
        section.support aria-labelledby=(id) {
            h2 id=(id) { (lang.pick("Pour le support", "For the support")) }
            dl.facts {
                dt { (lang.pick("Code de l’erreur", "Error code")) }
                dd { code translate="no" { (view.message.code()) } }
                dt { (lang.pick("Code de support", "Support code")) }
                dd { code translate="no" { (view.support_code) } }
                dt { (lang.pick("Date et heure", "Date and time")) }
                dd { (view.when) " UTC" }
                @if let Some(button) = view.button {
                    dt { "Application" }
                    dd { bdi { (button.app_name) } }
                }
            }
        }
    }
}
