//! The question before a session is closed, and the page after.

use maud::{Markup, html};

use crate::message::Lang;

use super::confirm::decision;
use super::{Site, layout};

/// What the question shows.
#[derive(Clone, Copy, Debug)]
pub struct LogoutConfirmView<'a> {
    /// The relay.
    pub site: Site<'a>,
    /// The application that sent the person here, if any.
    pub app_name: Option<&'a str>,
    /// The provider whose session will be closed too, if it offers that.
    pub upstream_name: Option<&'a str>,
    /// The path that the form is posted to.
    pub action: &'a str,
    /// The form's token.
    pub token: &'a str,
}

/// The question. Its form posts `token` and `decision`, which is `yes` or `no`.
pub fn logout_confirm(view: &LogoutConfirmView<'_>, lang: Lang) -> Markup {
    layout(view.site, lang, |lang| {
        let title = lang.pick("Fermer votre session\u{a0}?", "Close your session?");
        let content = html! {
            div.card {
                h1 { (title) }
                p.lead {
                    @if let Some(app_name) = view.app_name {
                        (lang.pick("Vous venez de ", "You come from "))
                        bdi { (app_name) }
                        ". "
                    }
                    (lang.pick(
                        "Votre session auprès de ce service de connexion est encore ouverte.",
                        "Your session with this sign-in service is still open.",
                    ))
                }
                p {
                    @match view.upstream_name {
                        Some(upstream_name) => {
                            (lang.pick("La fermer ferme aussi votre session avec ", "Closing it also closes your session with "))
                            bdi { (upstream_name) }
                            ". "
                        }
                        None => {}
                    }
                    (lang.pick(
                        "Sur un ordinateur partagé, fermez-la.",
                        "On a shared computer, close it.",
                    ))
                }
                (decision(
                    view.action,
                    view.token,
                    [
                        lang.pick("Fermer la session", "Close the session"),
                        lang.pick("La garder ouverte", "Keep it open"),
                    ],
                    None,
                ))
            }
        };
        (title.into(), content)
    })
}

/// What the page after shows.
#[derive(Clone, Copy, Debug)]
pub struct SignedOutView<'a> {
    /// The relay.
    pub site: Site<'a>,
    /// The application to return to; without one the button leads to the relay's own first page.
    pub app_name: Option<&'a str>,
    /// Where the button leads, from the configuration.
    pub home_url: &'a str,
    /// When the session ended.
    pub ended: Ended,
    /// The providers whose own sessions may still be open, since they could not be told.
    pub still_open: &'a [&'a str],
}

/// When a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By this logout.
    Now,
    /// There was none.
    Before,
}

/// The page after.
pub fn signed_out(view: &SignedOutView<'_>, lang: Lang) -> Markup {
    layout(view.site, lang, |lang| {
        let title = match view.ended {
            Ended::Now => lang.pick("Votre session est fermée", "Your session is closed"),
            Ended::Before => lang.pick("Aucune session n’est ouverte", "No session is open"),
        };
        let content = html! {
            div.card {
                h1 { (title) }
                p.lead {
                    (lang.pick(
                        "Cela ne concerne que ce service de connexion. Les applications que vous avez ouvertes gardent leur propre session\u{a0}: déconnectez-vous de chacune.",
                        "This concerns this sign-in service only. The applications that you have opened keep sessions of their own: sign out of each.",
                    ))
                }
                @if !view.still_open.is_empty() {
                    p.lead {
                        (lang.pick("Attention\u{a0}: votre session avec ", "Beware: your session with "))
                        @for (n, name) in view.still_open.iter().enumerate() {
                            @if n > 0 { (lang.pick(" et avec ", " and with ")) }
                            bdi { (name) }
                        }
                        (lang.pick(
                            " est peut-être encore ouverte. Déconnectez-vous-en sur son propre site.",
                            " may still be open. Sign out of it on its own site.",
                        ))
                    }
                }
                p {
                    (lang.pick(
                        "Sur un ordinateur partagé, fermez ensuite toutes les fenêtres du navigateur.",
                        "On a shared computer, then close all the windows of the browser.",
                    ))
                }
                p.actions {
                    a.button href=(view.home_url) {
                        @match view.app_name {
                            Some(name) => span { (lang.pick("Retour à ", "Back to ")) bdi { (name) } },
                            None => (lang.pick("Aller à l’accueil de ce service", "Go to the home page of this service")),
                        }
                    }
                }
            }
        };
        (title.into(), content)
    })
}
