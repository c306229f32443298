//! The page of a refusal: what happened, what to do, what to tell the support, and one way on.

use maud::{Markup, html};

use super::layout::layout;
use crate::message::{Lang, PublicMessage};

/// What the page shows.
pub struct ErrorView {
    /// The sentence.
    pub message: PublicMessage,
    /// Links the page to the operator's event.
    pub support_code: String,
    /// When it happened, in UTC.
    pub when: String,
    /// The one way on.
    pub button: Button,
}

/// The one button of a page.
pub struct Button {
    /// The application it leads to; the relay's own page if absent.
    pub name: Option<String>,
    /// Where it leads.
    pub href: String,
}

/// The page.
pub fn error(view: &ErrorView, base: &str, lang: Lang) -> Markup {
    let ErrorView { message, support_code, when, button } = view;
    let content = html! {
        div class="sheet alert" data-code=(message.code()) data-support-code=(support_code) {
            div role="alert" {
                h1 { (message.title(lang)) }
                p { (message.advice(lang)) }
            }
            p class="actions" { a class="button" href=(button.href) { (label(button, lang)) } }
            div class="support" {
                dl {
                    dt { (lang.pick("Code pour le support", "Code for the support")) }
                    dd { code { (support_code) } }
                    dt { (lang.pick("Erreur", "Error")) }
                    dd { code class="small" { (message.code()) } }
                    dt { (lang.pick("Date (UTC)", "Time (UTC)")) }
                    dd { (when) }
                    @if let Some(name) = &button.name {
                        dt { (lang.pick("Application", "Application")) }
                        dd { (name) }
                    }
                }
            }
        }
    };
    layout(message.title(lang), base, lang, &content)
}

fn label(button: &Button, lang: Lang) -> String {
    match &button.name {
        Some(name) => format!("{} {name}", lang.pick("Retour à", "Back to")),
        None => lang.pick("Retour à l’accueil", "Back to the home page").to_owned(),
    }
}
