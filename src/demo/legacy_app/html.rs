//! The application's pages, in French and English.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_LANGUAGE;
use maud::{DOCTYPE, Markup, html};

use super::Delivery;
use super::answer::{Check, Identity, Outcome, Receipt};

/// A language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tongue {
    French,
    English,
}

impl Tongue {
    /// The one of the two that the browser likes better.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let header = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let weight = |language: &str| {
            let weights = header.split(',').filter_map(|range| {
                let (tag, q) = range.split_once(';').unwrap_or((range, "q=1"));
                let primary = tag.trim().split('-').next().unwrap_or_default();
                let matches = primary.eq_ignore_ascii_case(language);
                matches
                    .then(|| q.trim().strip_prefix("q=").and_then(|q| q.parse::<f32>().ok()).unwrap_or(0.0))
            });
            weights.fold(0.0, f32::max)
        };
        if weight("en") > weight("fr") { Self::English } else { Self::French }
    }

    fn say(self, fr: &'static str, en: &'static str) -> &'static str {
        match self {
            Self::French => fr,
            Self::English => en,
        }
    }
}

fn page(tongue: Tongue, title: &str, content: &Markup) -> Markup {
    let site = tongue.say("Bibliothèque de démonstration", "Demonstration library");
    html! {
        (DOCTYPE)
        html lang=(tongue.say("fr", "en")) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                meta name="color-scheme" content="light dark";
                title { (title) " – " (site) }
                link rel="stylesheet" href="/style.css";
            }
            body {
                a.skip href="#content" { (tongue.say("Aller au contenu", "Skip to content")) }
                header {
                    p.site { (site) }
                    p { (tongue.say("Une application raccordée au relais par messages scellés", "An application connected to the relay by sealed messages")) }
                }
                main id="content" tabindex="-1" { (content) }
                footer {
                    p { (tongue.say("Application fictive\u{a0}: elle oublie tout quand elle s’arrête.", "A fictitious application: it forgets everything when it stops.")) }
                }
            }
        }
    }
}

/// The first page: who is signed in, or how to.
pub(super) fn home(identity: Option<&Identity>, receipt: Option<&Receipt>, tongue: Tongue) -> Markup {
    let title = match identity {
        Some(_) => tongue.say("Votre compte", "Your account"),
        None => tongue.say("Bienvenue", "Welcome"),
    };
    let failure = receipt.filter(|receipt| !matches!(receipt.outcome, Outcome::SignedIn(_)));
    let content = html! {
        @if let Some(receipt) = failure { (alert(receipt, tongue)) }
        @match identity {
            Some(identity) => {
                h1 { (tongue.say("Bonjour ", "Hello ")) bdi { (name(identity)) } }
                form method="post" action="/logout" {
                    button type="submit" { (tongue.say("Se déconnecter", "Sign out")) }
                }
                (table(identity, tongue))
            }
            None => {
                h1 { (title) }
                p { (tongue.say("Connectez-vous pour voir votre compte de lecteur.", "Sign in to see your reader’s account.")) }
                (ways_in(tongue))
            }
        }
        @if let Some(receipt) = receipt { (checks(receipt, tongue)) }
        @if identity.is_some() {
            h2 { (tongue.say("Se connecter de nouveau", "Sign in again")) }
            (ways_in(tongue))
        }
    };
    page(tongue, title, &content)
}

fn ways_in(tongue: Tongue) -> Markup {
    html! {
        ul.ways {
            li {
                a.button href="/login?delivery=query" { (tongue.say("Se connecter", "Sign in")) }
                p {
                    (tongue.say(
                        "L’identité revient scellée dans l’adresse, par le navigateur.",
                        "The identity comes back sealed in the address, through the browser.",
                    ))
                }
            }
            li {
                a.button href="/login?delivery=reference" { (tongue.say("Se connecter par référence", "Sign in by reference")) }
                p {
                    (tongue.say(
                        "Le navigateur ne rapporte qu’une référence\u{a0}; l’application l’échange contre l’identité, de serveur à serveur.",
                        "The browser brings back a mere reference; the application exchanges it for the identity, server to server.",
                    ))
                }
            }
        }
    }
}

fn alert(receipt: &Receipt, tongue: Tongue) -> Markup {
    html! {
        div.alert role="alert" {
            @match &receipt.outcome {
                Outcome::Refused { code, reference } => {
                    p { strong { (tongue.say("Vous n’avez pas été connecté par cette tentative.", "This attempt did not sign you in.")) } }
                    p { (reason(code, tongue)) " " code { (code) } }
                    @if !reference.is_empty() {
                        p { (tongue.say("Code de support\u{a0}: ", "Support code: ")) code { (reference) } }
                    }
                }
                Outcome::Failed | Outcome::SignedIn(_) => {
                    p { strong { (tongue.say("L’application n’a pas cru cette réponse.", "The application did not believe this answer.")) } }
                    p { (tongue.say("Le contrôle qui a échoué est dit plus bas. Recommencez.", "The check that failed is named below. Try again.")) }
                }
            }
        }
    }
}

fn reason(code: &str, tongue: Tongue) -> &'static str {
    match code {
        "access_denied" => tongue.say(
            "La connexion a été annulée ou refusée chez le fournisseur d’identité.",
            "The sign-in was cancelled or refused at the identity provider.",
        ),
        "login_required" => {
            tongue.say("Il faut s’identifier de nouveau.", "You have to identify yourself again.")
        }
        "temporarily_unavailable" => {
            tongue.say("Le fournisseur d’identité est indisponible.", "The identity provider is unavailable.")
        }
        "unmet_authentication_requirements" => tongue.say(
            "La connexion n’était pas assez sûre pour cette application.",
            "The sign-in was not strong enough for this application.",
        ),
        _ => tongue
            .say("Une erreur est survenue pendant la connexion.", "An error occurred during the sign-in."),
    }
}

fn table(identity: &Identity, tongue: Tongue) -> Markup {
    html! {
        table {
            caption {
                @match identity.delivery {
                    Delivery::Query => (tongue.say("Identité reçue dans l’adresse", "Identity received in the address")),
                    Delivery::Reference => (tongue.say("Identité échangée contre une référence", "Identity exchanged for a reference")),
                }
            }
            thead {
                tr {
                    th scope="col" { (tongue.say("Donnée", "Claim")) }
                    th scope="col" { (tongue.say("Valeur", "Value")) }
                }
            }
            tbody {
                @for (name, value) in &identity.claims {
                    tr {
                        th scope="row" {
                            @if let Some(label) = label(name, tongue) { (label) " " }
                            code { (name) }
                        }
                        td { bdi { (value) } }
                    }
                }
            }
        }
    }
}

fn label(claim: &str, tongue: Tongue) -> Option<&'static str> {
    Some(match claim {
        "iss" => tongue.say("Relais", "Relay"),
        "sub" => tongue.say("Identifiant", "Identifier"),
        "aud" => tongue.say("Destinataire", "Audience"),
        "iat" => tongue.say("Émise à", "Issued at"),
        "exp" => tongue.say("Expire à", "Expires at"),
        "acr" => tongue.say("Niveau de garantie", "Level of assurance"),
        "auth_time" => tongue.say("Authentification à", "Authenticated at"),
        "given_name" => tongue.say("Prénoms", "Given names"),
        "family_name" => tongue.say("Nom de naissance", "Birth name"),
        "preferred_username" => tongue.say("Nom d’usage", "Preferred name"),
        "birthdate" => tongue.say("Date de naissance", "Date of birth"),
        "birthplace" => tongue.say("Commune de naissance", "Place of birth"),
        "birthcountry" => tongue.say("Pays de naissance", "Country of birth"),
        "gender" => tongue.say("Sexe", "Gender"),
        "email" => tongue.say("Courriel", "Email"),
        _ => return None,
    })
}

fn name(identity: &Identity) -> String {
    let claim =
        |name: &str| identity.claims.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let parts: Vec<&str> = [claim("given_name"), claim("family_name")].into_iter().flatten().collect();
    if parts.is_empty() { identity.sub.clone() } else { parts.join(" ") }
}

fn checks(receipt: &Receipt, tongue: Tongue) -> Markup {
    html! {
        h2 { (tongue.say("Les contrôles de la dernière réponse", "The checks of the last answer")) }
        ol.checks {
            @for (check, passed) in &receipt.checks {
                li.failed[!passed] {
                    @if *passed {
                        span aria-hidden="true" { "✔" } " "
                        strong { (tongue.say("Oui", "Yes")) }
                    } @else {
                        span aria-hidden="true" { "✘" } " "
                        strong { (tongue.say("Non", "No")) }
                    }
                    (tongue.say("\u{a0}: ", ": ")) (question(*check, tongue))
                }
            }
        }
    }
}

/// What a check asks, so that yes is good.
fn question(check: Check, tongue: Tongue) -> &'static str {
    match check {
        Check::Expected => tongue.say(
            "ce navigateur a commencé une connexion il y a moins de 15 minutes",
            "this browser began a sign-in less than 15 minutes ago",
        ),
        Check::OneAnswer => tongue.say(
            "la réponse est une identité ou un refus, une seule fois",
            "the answer is an identity or a refusal, and only once",
        ),
        Check::Claimed => tongue.say(
            "le relais a échangé la référence, de serveur à serveur",
            "the relay exchanged the reference, server to server",
        ),
        Check::Opened => tongue.say(
            "le sceau est intact, sous la clef de cette application et de ce sens",
            "the seal is whole, under the key of this application and direction",
        ),
        Check::Fresh => tongue.say(
            "la réponse a été scellée il y a moins de 5 minutes",
            "the answer was sealed less than 5 minutes ago",
        ),
        Check::Readable => tongue.say("le texte est du JSON en UTF-8", "the text is JSON in UTF-8"),
        Check::State => tongue.say("state est celui de cette tentative", "state is this attempt’s"),
        Check::Nonce => tongue.say("nonce est celui de cette tentative", "nonce is this attempt’s"),
        Check::Issuer => tongue.say("iss est notre relais", "iss is our relay"),
        Check::Audience => tongue.say("aud est notre identifiant d’application", "aud is our application id"),
        Check::Subject => tongue.say("sub désigne quelqu’un", "sub names somebody"),
    }
}

/// The session here is closed; the relay's may not be.
pub(super) fn signed_out(relay: &str, sealed: Option<&str>, tongue: Tongue) -> Markup {
    let title = tongue.say("Session fermée ici", "Session closed here");
    let content = html! {
        h1 { (title) }
        p {
            (tongue.say(
                "Cette application ne vous connaît plus. Le relais et le fournisseur d’identité, si.",
                "This application has forgotten you. The relay and the identity provider have not.",
            ))
        }
        ul.ways {
            li {
                a.button href=(relay) { (tongue.say("Fermer aussi la session du relais", "Close the relay’s session too")) }
                p { (tongue.say("Il demandera confirmation.", "It will ask you to confirm.")) }
            }
            @if let Some(sealed) = sealed {
                li {
                    a.button href=(sealed) { (tongue.say("La fermer sans question", "Close it without a question")) }
                    p {
                        (tongue.say(
                            "L’application scelle la demande, que le relais peut donc croire.",
                            "The application seals the request, so that the relay can believe it.",
                        ))
                    }
                }
            }
        }
        p { a href="/" { (tongue.say("Revenir à l’accueil", "Back to the first page")) } }
    };
    page(tongue, title, &content)
}
