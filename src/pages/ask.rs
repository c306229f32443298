//! Pages that ask, and the page at the end of a logout.

use maud::{Markup, html};

use super::layout::layout;
use crate::message::Lang;

/// What the confirmation of a sign-in shows.
pub struct ConfirmView {
    /// The application that would be signed in to.
    pub app_name: String,
    /// The person who would be signed in; empty if they have no name.
    pub person: String,
    /// Where the form goes.
    pub action: String,
    /// The form's single-use token.
    pub token: String,
}

/// Asks whether to sign in.
pub fn confirm(view: &ConfirmView, base: &str, lang: Lang) -> Markup {
    let title = lang.pick("Confirmez votre connexion", "Confirm your sign-in");
    let content = html! {
        div class="sheet" {
            h1 { (title) }
            p {
                (lang.pick("L’application ", "The application ")) strong { (view.app_name) }
                (lang.pick(" demande à vous identifier", " asks to identify you"))
                @if view.person.is_empty() { "." } @else {
                    (lang.pick(" en tant que ", " as ")) strong { (view.person) } "."
                }
            }
            p {
                (lang.pick(
                    "Vous êtes déjà connecté dans ce navigateur. Ne continuez que si vous vouliez ouvrir cette application.",
                    "You are already signed in in this browser. Continue only if you meant to open this application.",
                ))
            }
            form method="post" action=(view.action) {
                input type="hidden" name="token" value=(view.token);
                div class="actions" {
                    button type="submit" name="decision" value="continue" { (lang.pick("Continuer", "Continue")) }
                    button class="second" type="submit" name="decision" value="cancel" { (lang.pick("Annuler", "Cancel")) }
                }
            }
        }
    };
    layout(title, base, lang, &content)
}

/// What the confirmation of a logout shows.
pub struct LogoutConfirmView {
    /// The application that asks.
    pub app_name: String,
    /// Where the form goes.
    pub action: String,
    /// The form's single-use token.
    pub token: String,
    /// Where the other way leads.
    pub home_url: String,
}

/// Asks whether to sign out.
pub fn logout_confirm(view: &LogoutConfirmView, base: &str, lang: Lang) -> Markup {
    let title = lang.pick("Se déconnecter ?", "Sign out?");
    let content = html! {
        div class="sheet" {
            h1 { (title) }
            p {
                (lang.pick("Votre session ouverte par ", "Your session opened through "))
                strong { (view.app_name) }
                (lang.pick(
                    " sera fermée ici, puis chez le fournisseur d’identité. Les autres applications qui l’utilisent vous redemanderont de vous connecter.",
                    " will be closed here, then at the identity provider. Other applications that use it will ask you to sign in again.",
                ))
            }
            form method="post" action=(view.action) {
                input type="hidden" name="token" value=(view.token);
                div class="actions" {
                    button type="submit" { (lang.pick("Se déconnecter", "Sign out")) }
                    a class="button second" href=(view.home_url) { (lang.pick("Rester connecté", "Stay signed in")) }
                }
            }
        }
    };
    layout(title, base, lang, &content)
}

/// What the last page of a logout shows.
pub struct SignedOutView {
    /// The application that asked, if it is known.
    pub app_name: Option<String>,
    /// Where the button leads.
    pub home_url: String,
}

/// Says that the session has ended.
pub fn signed_out(view: &SignedOutView, base: &str, lang: Lang) -> Markup {
    let title = lang.pick("Vous êtes déconnecté", "You are signed out");
    let content = html! {
        div class="sheet" {
            h1 { (title) }
            p {
                (lang.pick(
                    "Votre session est fermée. Sur un ordinateur partagé, fermez aussi le navigateur.",
                    "Your session is closed. On a shared computer, close the browser too.",
                ))
            }
            p class="actions" {
                a class="button" href=(view.home_url) {
                    @match &view.app_name {
                        Some(name) => { (lang.pick("Retour à ", "Back to ")) (name) },
                        None => (lang.pick("Retour à l’accueil", "Back to the home page")),
                    }
                }
            }
        }
    };
    layout(title, base, lang, &content)
}
