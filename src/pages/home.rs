//! The relay's own page: in the demo, where to begin and what to try.

use maud::{Markup, html};

use super::layout::layout;
use crate::message::Lang;

/// What the page shows.
pub struct HomeView {
    /// The parts of the demo, where this is one.
    pub demo: Option<DemoLinks>,
}

/// The addresses of the demo's parts.
#[derive(Clone, Debug)]
pub struct DemoLinks {
    /// The legacy application.
    pub legacy_app: String,
    /// The simulated provider.
    pub stub: String,
    /// The management listener's readiness.
    pub management: String,
}

/// The page.
pub fn home(view: &HomeView, base: &str, lang: Lang) -> Markup {
    match &view.demo {
        Some(links) => demo(links, base, lang),
        None => plain(base, lang),
    }
}

fn plain(base: &str, lang: Lang) -> Markup {
    let title = lang.pick("Service de connexion", "Sign-in service");
    let content = html! {
        div class="sheet" {
            h1 { (title) }
            p {
                (lang.pick(
                    "Ce service relie des applications à un fournisseur d’identité national. Il n’y a rien à faire ici : ouvrez l’application à laquelle vous voulez vous connecter.",
                    "This service connects applications with a national identity provider. There is nothing to do here: open the application that you want to sign in to.",
                ))
            }
        }
    };
    layout(title, base, lang, &content)
}

fn demo(links: &DemoLinks, base: &str, lang: Lang) -> Markup {
    let title = lang.pick("Démonstration de relais", "Demo of relais");
    let content = html! {
        div class="sheet" {
            h1 { (title) }
            p {
                (lang.pick(
                    "Trois parties tournent sur cette machine : une application qui ne connaît que le protocole chiffré, ce relais, et un fournisseur d’identité simulé.",
                    "Three parts run on this machine: an application that knows only the encrypted protocol, this relay, and a simulated identity provider.",
                ))
            }
            p class="actions" {
                a class="button" href=(links.legacy_app) { (lang.pick("Ouvrir l’application", "Open the application")) }
            }
            h2 { (lang.pick("À essayer", "What to try")) }
            ol {
                li { (lang.pick("Connectez-vous depuis l’application, choisissez une personne chez le fournisseur simulé, et lisez chaque vérification faite par l’application.", "Sign in from the application, choose a person at the simulated provider, and read each check that the application made.")) }
                li { (lang.pick("Recommencez avec la remise par référence : l’identité ne passe plus par le navigateur.", "Do it again with delivery by reference: the identity no longer passes through the browser.")) }
                li { (lang.pick("Annulez chez le fournisseur : l’application reçoit un refus, chiffré lui aussi.", "Cancel at the provider: the application gets a refusal, sealed too.")) }
                li { (lang.pick("Choisissez une panne sur la page du fournisseur, et cherchez dans le journal le code que l’application affiche.", "Choose a fault on the provider’s page, and look in the log for the code that the application shows.")) }
                li { (lang.pick("Ouvrez deux onglets, revenez en arrière, rechargez : chaque fois l’application, ou une page avec un bouton.", "Open two tabs, go back, reload: every time the application, or a page with one button.")) }
                li { (lang.pick("Déconnectez-vous : la session se ferme ici, puis chez le fournisseur.", "Sign out: the session closes here, then at the provider.")) }
            }
            h2 { (lang.pick("Les parties", "The parts")) }
            ul {
                li { a href=(links.legacy_app) { (lang.pick("L’application", "The application")) } " – " (links.legacy_app) }
                li { a href=(links.stub) { (lang.pick("Le fournisseur simulé", "The simulated provider")) } " – " (links.stub) }
                li { a href=(links.management) { (lang.pick("L’état du relais", "The relay’s health")) } " – " (links.management) }
            }
        }
    };
    layout(title, base, lang, &content)
}
