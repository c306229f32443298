//! The relay's own first page: modest in production, a guided tour in the demonstration.

use maud::{Markup, html};

use crate::message::Lang;

use super::{Button, Site, layout};

/// What the first page shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct HomeView<'a> {
    /// The relay.
    pub site: Site<'a>,
    /// Where people go on; none, and there is no button.
    pub button: Option<HomeButton<'a>>,
    /// The parts of the demonstration, if this is one.
    pub demo: Option<DemoLinks<'a>>,
}

/// Where people go on from here.
#[derive(Clone, Copy, Debug)]
pub enum HomeButton<'a> {
    /// To an application.
    Application(Button<'a>),
    /// To the page that the operator has for whoever comes from nowhere.
    Site(&'a str),
}

/// Where the parts of the demonstration answer.
#[derive(Clone, Copy, Debug)]
pub struct DemoLinks<'a> {
    /// The application that speaks the legacy protocol.
    pub legacy_app: &'a str,
    /// The simulated provider.
    pub stub: &'a str,
    /// The management listener.
    pub management: &'a str,
}

/// The first page.
pub fn home(view: &HomeView<'_>, lang: Lang) -> Markup {
    layout(view.site, lang, |lang| {
        let (title, content) = match view.demo {
            Some(links) => (
                lang.pick("Essayer le relais", "Try the relay"),
                html! { (parts(links, lang)) (tour(links, lang)) },
            ),
            None => (
                lang.pick("Service de connexion", "Sign-in service"),
                html! { (purpose(lang)) (way_on(view.button, lang)) },
            ),
        };
        (title.into(), html! { div.card { h1 { (title) } (content) } })
    })
}

fn way_on(button: Option<HomeButton<'_>>, lang: Lang) -> Markup {
    html! {
        @match button {
            Some(HomeButton::Application(button)) => p.actions {
                a.button href=(button.href) {
                    span { (lang.pick("Aller à ", "Go to ")) bdi { (button.app_name) } }
                }
            },
            Some(HomeButton::Site(href)) => p.actions {
                a.button href=(href) { (lang.pick("Aller à l’accueil", "Go to the home page")) }
            },
            None => {},
        }
    }
}

fn purpose(lang: Lang) -> Markup {
    html! {
        p.lead {
            (lang.pick(
                "Ce service relie des applications à un fournisseur d’identité, auprès duquel vous vous identifiez.",
                "This service connects applications to an identity provider, where you identify yourself.",
            ))
        }
        p {
            (lang.pick(
                "Il n’y a rien à faire ici\u{a0}: pour vous connecter, partez de l’application que vous souhaitez utiliser.",
                "There is nothing to do here: to sign in, start from the application that you want to use.",
            ))
        }
    }
}

fn parts(links: DemoLinks<'_>, lang: Lang) -> Markup {
    html! {
        p.lead {
            (lang.pick(
                "Le relais et ses voisins tournent sur cette machine\u{a0}: rien n’en sort.",
                "The relay and its neighbours run on this machine: nothing leaves it.",
            ))
        }
        ul.parts {
            li {
                a href=(links.legacy_app) { (lang.pick("L’application de démonstration", "The demonstration application")) }
                p {
                    (lang.pick(
                        "Un site ordinaire, qui ne parle que le protocole de messages scellés.",
                        "An ordinary site, which speaks nothing but the protocol of sealed messages.",
                    ))
                }
            }
            li {
                a href=(links.stub) { (lang.pick("Le fournisseur d’identité simulé", "The simulated identity provider")) }
                p {
                    (lang.pick(
                        "Ses personnes fictives, et les pannes qu’on peut lui demander.",
                        "Its fictitious people, and the faults that it can be asked for.",
                    ))
                }
            }
            li {
                a href=(links.management) { (lang.pick("L’accès de gestion", "The management listener")) }
                p { (lang.pick("Ce que l’exploitant voit de l’état du relais.", "What the operator sees of the relay’s state.")) }
            }
        }
    }
}

fn tour(links: DemoLinks<'_>, lang: Lang) -> Markup {
    html! {
        h2 { (lang.pick("Que faire\u{a0}?", "What to try")) }
        ol.steps {
            li {
                (lang.pick("Ouvrez ", "Open "))
                a href=(links.legacy_app) { (lang.pick("l’application", "the application")) }
                (lang.pick(
                    " et connectez-vous. Chez le fournisseur simulé, choisissez une personne.",
                    " and sign in. At the simulated provider, choose a person.",
                ))
            }
            li {
                (lang.pick(
                    "De retour dans l’application, lisez l’identité reçue et les contrôles qu’elle a faits.",
                    "Back in the application, read the identity it received and the checks it made.",
                ))
            }
            li {
                (lang.pick(
                    "Connectez-vous par référence\u{a0}: l’identité passe de serveur à serveur et le navigateur ne la voit plus. Comme votre session est ouverte, le relais demande d’abord votre accord.",
                    "Sign in by reference: the identity goes from server to server and the browser no longer sees it. As your session is open, the relay asks you first.",
                ))
            }
            li {
                (lang.pick(
                    "Déconnectez-vous, recommencez et annulez chez le fournisseur\u{a0}: l’application reçoit un refus scellé.",
                    "Sign out, start again and cancel at the provider: the application receives a sealed refusal.",
                ))
            }
            li {
                (lang.pick("Demandez une panne au ", "Ask the "))
                a href=(links.stub) { (lang.pick("fournisseur simulé", "simulated provider")) }
                (lang.pick(
                    ", recommencez et notez le code de support.",
                    " for a fault, start again and note the support code.",
                ))
            }
            li {
                (lang.pick(
                    "Cherchez ce code dans le journal du relais\u{a0}: la ligne dit la cause, que la page taisait.",
                    "Look for this code in the relay’s log: the line tells the cause, which the page did not.",
                ))
            }
            li {
                (lang.pick(
                    "Déconnectez-vous de l’application, puis du relais et du fournisseur.",
                    "Sign out of the application, then of the relay and of the provider.",
                ))
            }
        }
    }
}
