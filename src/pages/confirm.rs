//! The question before an open session signs somebody in to one more application.

use maud::{Markup, html};

use crate::message::Lang;

use super::{Site, layout};

/// What the confirmation shows.
#[derive(Clone, Copy, Debug)]
pub struct ConfirmView<'a> {
    /// The relay.
    pub site: Site<'a>,
    /// The application that asks.
    pub app_name: &'a str,
    /// The person's display name.
    pub person: &'a str,
    /// The provider whose sign-in is still open, as people call it.
    pub upstream_name: &'a str,
    /// The path that the form is posted to.
    pub action: &'a str,
    /// The form's token.
    pub token: &'a str,
    /// Whether the person has just come from the provider.
    pub fresh: bool,
    /// How somebody else signs in.
    pub other: Other<'a>,
}

/// How somebody other than the person of the page signs in.
#[derive(Clone, Copy, Debug)]
pub enum Other<'a> {
    /// The provider asks anew: the form's `decision=other`.
    Button,
    /// It answers from its own session until that is closed, by way of this address of ours.
    Logout(&'a str),
}

/// The confirmation. Its form posts `token` and `decision`, which is `yes`, `no` or `other`.
pub fn confirm(view: &ConfirmView<'_>, lang: Lang) -> Markup {
    layout(view.site, lang, |lang| {
        let title = match lang {
            Lang::Fr => format!("Se connecter à {} en tant que {}\u{a0}?", view.app_name, view.person),
            Lang::En => format!("Sign in to {} as {}?", view.app_name, view.person),
        };
        let content = html! {
            div.card {
                h1 {
                    (lang.pick("Se connecter à ", "Sign in to "))
                    bdi { (view.app_name) }
                    (lang.pick(" en tant que ", " as "))
                    bdi { (view.person) }
                    (lang.pick("\u{a0}?", "?"))
                }
                p.lead {
                    @if view.fresh {
                        (lang.pick("Cette identité vient d’arriver de ", "This identity has just come from "))
                    } @else {
                        (lang.pick(
                            "Cette identité vient d’une session déjà ouverte dans ce navigateur avec ",
                            "This identity comes from a session already open in this browser with ",
                        ))
                    }
                    bdi { (view.upstream_name) }
                    (lang.pick("\u{a0}; elle sera transmise à ", "; it will be passed on to "))
                    bdi { (view.app_name) }
                    (lang.pick(" si vous continuez.", " if you continue."))
                }
                p {
                    (lang.pick(
                        "Si vous n’avez pas demandé cette connexion, annulez.",
                        "If you did not ask for this sign-in, cancel.",
                    ))
                }
                (decision(view.action, view.token, [lang.pick("Continuer", "Continue"), lang.pick("Annuler", "Cancel")], {
                    matches!(view.other, Other::Button).then_some(lang.pick("Ce n’est pas moi", "This is not me"))
                }))
                @if let Other::Logout(href) = view.other {
                    p {
                        (lang.pick("Si ce n’est pas vous, ", "If this is not you, "))
                        a href=(href) {
                            (lang.pick("fermez d’abord cette session", "close this session first"))
                        }
                        (lang.pick(", puis recommencez depuis l’application.", ", then start again from the application."))
                    }
                }
            }
        };
        (title.into(), content)
    })
}

/// A form with two answers: the first posts `decision=yes`, the second `decision=no`; a third, where there is one,
/// `decision=other`.
pub(super) fn decision(action: &str, token: &str, [yes, no]: [&str; 2], other: Option<&str>) -> Markup {
    html! {
        form method="post" action=(action) {
            input type="hidden" name="token" value=(token);
            p.actions {
                button.button type="submit" name="decision" value="yes" { (yes) }
                button.button.second type="submit" name="decision" value="no" { (no) }
                @if let Some(other) = other {
                    button.button.second type="submit" name="decision" value="other" { (other) }
                }
            }
        }
    }
}
