//! What a person sees: who asks for what, as whom to sign in (OpenID Connect Core, section 3.1.2.3), and what
//! the simulator is. French first, English beside it.

pub(crate) mod inspector;

use maud::{DOCTYPE, Markup, html};

use crate::fault::{FAULTS, Stage};
use crate::persona::Persona;
use crate::profiles::{PROFILES, PageError, Profile};
use crate::request::AuthorizationRequest;
use crate::stub::Stub;

pub(crate) const STYLE_PATH: &str = "/_stub/style.css";
pub(crate) const STYLE: &str = include_str!("style.css");

fn layout(title: &str, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="fr" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { (title) " — SIMULATEUR" }
                link rel="stylesheet" href=(STYLE_PATH);
            }
            body {
                p class="banner" role="note" {
                    "SIMULATEUR — identités fictives · " span lang="en" { "SIMULATOR — made-up people" }
                }
                main { (content) }
            }
        }
    }
}

/// Two languages, one line; nothing where there is nothing to say.
fn both(fr: &str, en: &str) -> Markup {
    html! { @if !fr.is_empty() || !en.is_empty() { (fr) " · " span lang="en" { (en) } } }
}

/// The choice of a person. `problem` is a login name that nobody has.
pub(crate) fn login(
    stub: &Stub,
    profile: &Profile,
    id: &str,
    request: &AuthorizationRequest,
    signed_in: Option<&Persona>,
    problem: Option<&str>,
) -> Markup {
    let action = format!("{}{}/interaction/{id}", stub.space.prefix, profile.path);
    let hint = problem.or(request.login_hint.as_deref());
    layout(
        "Choisir une identité",
        &html! {
            h1 { (both("Choisissez une identité fictive", "Choose a made-up identity")) }
            table {
                tr { th scope="row" { (both("Application", "Client")) } td { code { (request.client.id) } } }
                tr { th scope="row" { (both("Profil", "Profile")) } td { code { (profile.name) } } }
                tr { th scope="row" { "scope" } td { code { (request.scopes.join(" ")) } } }
                tr { th scope="row" { "acr" } td { code { (request.acr.as_deref().unwrap_or("—")) } } }
            }
            @if let Some(problem) = problem {
                p class="problem" role="alert" {
                    (both("Cette saisie ne convient pas :", "That will not do:")) " " code { (problem) }
                }
            }
            // A session spares the typing, not the page.
            @if let Some(persona) = signed_in {
                form method="post" action=(action) {
                    button type="submit" name="persona" value=(persona.id) {
                        (both("Continuer en tant que", "Continue as")) " " strong { (persona.display_name()) }
                    }
                }
            }
            // The typed name comes first: its button is the one that the Enter key presses.
            form method="post" action=(action) {
                fieldset {
                    legend { (both("Par son identifiant", "By login name")) }
                    label for="login" { (both("Identifiant", "Login name")) }
                    input id="login" name="login" value=[hint] autocomplete="off" autocapitalize="none" spellcheck="false";
                    p {
                        (both("Une personne, une panne, ou les deux :", "A person, a fault, or both:")) " "
                        code { "angela:wrong_nonce" } ". "
                        (both("Ou un code d’erreur :", "Or an error code:")) " " code { "E010004" } "."
                    }
                    button type="submit" { (both("Se connecter", "Sign in")) } " "
                    button class="cancel" type="submit" name="cancel" value="1" { (both("Annuler", "Cancel")) }
                }
                fieldset {
                    legend { (both("Panne à simuler", "Fault to simulate")) }
                    label for="acr" { (both("acr de la réponse", "acr of the answer")) }
                    select id="acr" name="acr" {
                        option value="" { (request.acr.as_deref().unwrap_or("—")) }
                        @for level in profile.levels { option value=(level) { (level) } }
                        option value="inconnu" { "inconnu" }
                    }
                    label for="fault" { (both("Pour cette connexion seulement", "For this login only")) }
                    select id="fault" name="fault" {
                        option value="" { "aucune · none" }
                        @for stage in Stage::ALL {
                            optgroup label=(stage.name()) {
                                @for fault in FAULTS.iter().filter(|fault| fault.stage() == *stage) {
                                    option value=(fault.name()) { (fault.name()) " — " (fault.about()) }
                                }
                            }
                        }
                    }
                }
                fieldset {
                    legend { (both("D’un clic", "With one click")) }
                    @for persona in stub.personas().iter() {
                        button class="persona" type="submit" name="persona" value=(persona.id) {
                            strong { (persona.display_name()) } " " code { (persona.id) } br;
                            (both(&persona.about.fr, &persona.about.en))
                        }
                    }
                }
            }
        },
    )
}

/// The browser stays here, unless there is a way back.
pub(crate) fn error(error: &PageError, back: Option<&str>) -> Markup {
    layout(
        "Erreur",
        &html! {
            h1 { (both("Une erreur est survenue", "Something went wrong")) }
            p { "Code " code { (error.code) } }
            p lang="en" { (error.text) }
            @if let Some(back) = back {
                p { a href=(back) { (both("Revenir au service", "Back to the service")) } }
            }
        },
    )
}

/// An answer that the person must send by hand, as often as there are links.
pub(crate) fn by_hand(url: &str, links: usize) -> Markup {
    layout(
        "Réponse en attente",
        &html! {
            h1 { (both("La réponse attend", "The answer waits")) }
            p { (both("Elle part quand vous suivez le lien.", "It leaves when you follow the link.")) }
            @for number in 1..=links {
                p { a href=(url) { (both("Répondre", "Answer")) " (" (number) ")" } }
            }
        },
    )
}

/// An answer as a form (OAuth 2.0 Form Post Response Mode).
pub(crate) fn form_post(action: &str, parameters: &[(&str, &str)]) -> Markup {
    layout(
        "Réponse par formulaire",
        &html! {
            h1 { (both("La réponse est un formulaire", "The answer is a form")) }
            form method="post" action=(action) {
                @for (name, value) in parameters { input type="hidden" name=(name) value=(value); }
                button type="submit" { (both("Répondre", "Answer")) }
            }
        },
    )
}

/// After a logout that leads nowhere.
pub(crate) fn signed_out() -> Markup {
    layout(
        "Déconnexion",
        &html! {
            h1 { (both("Vous êtes bien déconnecté", "You are signed out")) }
        },
    )
}

/// What this is and how to use it.
pub(crate) fn root(stub: &Stub) -> Markup {
    layout(
        "Fournisseur d’identité simulé",
        &html! {
            h1 { (both("Fournisseur d’identité national simulé", "A simulated national identity provider")) }
            p {
                (both(
                    "Il parle OpenID Connect avec des personnes inventées, et tombe en panne sur demande.",
                    "It speaks OpenID Connect with made-up people, and breaks on demand.",
                ))
            }
            p {
                a href={ (stub.space.prefix) "/_stub/logins" } { (both("Les dernières connexions", "The last logins")) }
                " · "
                a href={ (stub.space.prefix) "/_stub/api/v1/openapi.json" } { (both("API de pilotage", "Control API")) }
            }
            h2 { (both("Émetteurs", "Issuers")) }
            @for profile in PROFILES {
                @let issuer = stub.issuer(profile);
                @let discovery = format!("{issuer}/.well-known/openid-configuration");
                p {
                    strong { (profile.name) } " — " span lang="en" { (profile.about) } br;
                    "issuer " code { (issuer) } br;
                    @if profile.publishes() {
                        a href=(discovery) { (discovery) }
                    } @else {
                        (both("sans découverte : adresses sous", "no discovery: addresses below")) " "
                        code { (stub.space.prefix) (profile.path) }
                    }
                }
            }
            h2 { (both("Applications", "Clients")) }
            p {
                (both(
                    "Donnez à votre application un émetteur, l’identifiant et le secret affichés au démarrage.",
                    "Give your application an issuer, and the id and secret printed at the start.",
                ))
            }
            @for client in stub.inner.clients.all() {
                h3 { code { (client.id) } }
                ul {
                    @for uri in &client.redirect_uris { li { "redirect_uri " code { (uri) } } }
                    @for uri in &client.post_logout_redirect_uris {
                        li { "post_logout_redirect_uri " code { (uri) } }
                    }
                }
            }
            h2 { (both("Personnes", "People")) }
            table {
                tr { th scope="col" { (both("Identifiant", "Login name")) } th scope="col" { (both("Nom", "Name")) } }
                @for persona in stub.personas().iter() {
                    tr {
                        td { code { (persona.id) } }
                        td { (persona.display_name()) br; (both(&persona.about.fr, &persona.about.en)) }
                    }
                }
            }
            h2 { (both("Pannes", "Faults")) }
            p {
                (both("Sur la page de connexion, ou pour toutes :", "On the login page, or for every login:")) " "
                code { "--fault" }
            }
            table lang="en" {
                tr { th scope="col" { "Name" } th scope="col" { "On the wire" } }
                @for fault in FAULTS { tr { td { code { (fault.name()) } } td { (fault.about()) } } }
            }
        },
    )
}
