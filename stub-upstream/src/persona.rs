//! The people who can sign in, as the standard claims of OpenID Connect Core, section 5.1, and the civil
//! status that a national provider adds.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::scenario::at_line;

const FILE: &str = include_str!("../personas.toml");

/// One invented person.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Persona {
    /// The login name.
    pub id: String,
    /// What the person is good for in a test.
    #[serde(default)]
    pub about: About,
    /// All given names, in order; one may hold a space or a hyphen.
    #[serde(default)]
    pub given_names: Vec<String>,
    /// The name at birth.
    #[serde(default)]
    pub family_name: String,
    /// The usage name.
    pub preferred_username: Option<String>,
    /// `female`, `male` or `unspecified`.
    pub gender: Option<String>,
    /// `YYYY-MM-DD`; parts may be `00`.
    pub birthdate: Option<String>,
    /// An INSEE code; empty for those born abroad.
    pub birthplace: Option<String>,
    /// An INSEE code.
    pub birthcountry: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
    /// The telephone number.
    pub phone_number: Option<String>,
    /// Any other claim, by its name; it outranks what would be derived.
    #[serde(default)]
    pub claims: BTreeMap<String, Value>,
}

/// One sentence in two languages.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// French.
    pub fr: String,
    /// English.
    pub en: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    persona: Vec<toml::Spanned<Persona>>,
}

/// The people in the order of the file. Clones share them.
#[derive(Clone)]
pub struct Personas(Arc<Vec<Arc<Persona>>>);

impl Personas {
    /// Those that come with the simulator.
    pub fn bundled() -> Result<Self, String> {
        Self::parse(FILE)
    }

    /// Reads a file of people. A refusal names the line and the reason.
    pub fn parse(text: &str) -> Result<Self, String> {
        let file: File =
            toml::from_str(text).map_err(|error| at_line(text, error.span(), error.message()))?;
        let mut people: Vec<Arc<Persona>> = Vec::new();
        for spanned in file.persona {
            let span = spanned.span();
            let persona = spanned.into_inner();
            let known = people.iter().any(|other| other.id == persona.id);
            let checked = if known { Err(format!("{} comes twice", persona.id)) } else { persona.check() };
            checked.map_err(|reason| at_line(text, Some(span), &reason))?;
            people.push(Arc::new(persona));
        }
        if people.is_empty() {
            return Err("line 1: there is no [[persona]]".to_owned());
        }
        Ok(Self(Arc::new(people)))
    }

    /// These people and those; whoever has the login name of an earlier one takes the place.
    pub fn and(&self, others: &Self) -> Self {
        others.iter().fold(self.clone(), |all, person| all.with(Arc::clone(person)))
    }

    pub(crate) fn with(&self, person: Arc<Persona>) -> Self {
        let mut people = self.0.to_vec();
        match people.iter_mut().find(|other| other.id == person.id) {
            Some(place) => *place = person,
            None => people.push(person),
        }
        Self(Arc::new(people))
    }

    pub(crate) fn without(&self, id: &str) -> Self {
        Self(Arc::new(self.iter().filter(|person| person.id != id).cloned().collect()))
    }

    /// Everybody.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Persona>> {
        self.0.iter()
    }

    /// The person with this login name; `load-000001` and the like need not be in the file.
    pub fn find(&self, id: &str) -> Option<Arc<Persona>> {
        let listed = self.0.iter().find(|persona| persona.id == id).cloned();
        listed.or_else(|| {
            let number = id.strip_prefix("load-").filter(|digits| digits.len() == 6)?;
            Some(Arc::new(Persona::load(number.parse().ok()?)))
        })
    }
}

impl Persona {
    /// The same person for the same number, for load.
    pub(crate) fn load(number: u64) -> Self {
        const GIVEN: [&str; 8] = ["Aloïs", "Brune", "Côme", "Daphné", "Éloi", "Faustine", "Gaëtan", "Hélène"];
        const FAMILY: [&str; 8] = [
            "ARBELLIN",
            "BROUSSADE",
            "CHANTERELE",
            "DURVALLON",
            "ESCOUBAZ",
            "FONTRIEUX",
            "GARDENAC",
            "HURTEVAL",
        ];
        let pick = |list: [&'static str; 8], at: u64| {
            list.get(usize::try_from(at % 8).unwrap_or_default()).copied().unwrap_or_default().to_owned()
        };
        let number = number % 1_000_000;
        Self {
            id: format!("load-{number:06}"),
            about: About { fr: "Pour la charge".to_owned(), en: "For load".to_owned() },
            given_names: vec![pick(GIVEN, number), pick(GIVEN, number / 64)],
            family_name: format!("{}-{number:06}", pick(FAMILY, number / 8)),
            preferred_username: None,
            gender: Some(if number.is_multiple_of(2) { "female" } else { "male" }.to_owned()),
            birthdate: Some(format!(
                "{}-{:02}-{:02}",
                1930 + number % 75,
                1 + number / 75 % 12,
                1 + number / 900 % 28
            )),
            birthplace: Some(format!("{:05}", 1001 + number % 94_000)),
            birthcountry: Some("99100".to_owned()),
            email: Some(format!("load-{number:06}@example.org")),
            phone_number: None,
            claims: BTreeMap::new(),
        }
    }

    /// Whether the person can be used.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.id.is_empty()
            || self.id.len() > 64
            || self.id.contains(|c: char| c.is_whitespace() || c == ':')
        {
            return Err("id is a word of 1 to 64 bytes without spaces and colons".to_owned());
        }
        if crate::fault::Fault::parse(&self.id).is_some() {
            return Err(format!("{} is the name of a fault", self.id));
        }
        if self.given_names.is_empty() && self.family_name.is_empty() {
            return Err(format!("{} has neither given_names nor family_name", self.id));
        }
        match ["sub", "iss", "aud", "exp", "iat", "nonce"]
            .iter()
            .find(|name| self.claims.contains_key(**name))
        {
            Some(name) => Err(format!("{name} is not the person's to say")),
            None => Ok(()),
        }
    }

    /// Given names and name at birth, for people to read.
    pub fn display_name(&self) -> String {
        format!("{} {}", self.given_name(), self.family_name).trim().to_owned()
    }

    /// All given names.
    pub(crate) fn given_name(&self) -> String {
        self.given_names.join(" ")
    }

    /// The value of a claim; `None` where it is not known of this person, or no claim about people.
    pub(crate) fn claim(&self, name: &str) -> Option<Value> {
        if let Some(value) = self.claims.get(name) {
            return Some(value.clone());
        }
        let text = |value: &Option<String>| value.as_ref().map(|value| json!(value));
        let filled = |value: String| (!value.is_empty()).then(|| json!(value));
        match name {
            "name" => Some(json!(self.display_name())),
            "given_name" => filled(self.given_name()),
            "given_name_array" => (!self.given_names.is_empty()).then(|| json!(self.given_names)),
            "family_name" => filled(self.family_name.clone()),
            "usual_name" => text(&self.preferred_username).or_else(|| filled(self.family_name.clone())),
            "preferred_username" => text(&self.preferred_username),
            "gender" => text(&self.gender),
            "birthdate" | "idp_birthdate" => text(&self.birthdate),
            "birthplace" => text(&self.birthplace),
            "birthcountry" => text(&self.birthcountry),
            "email" => text(&self.email),
            "email_verified" => self.email.as_ref().map(|_| json!(true)),
            "phone_number" => text(&self.phone_number),
            "uid" => Some(json!(self.id)),
            "siren" => self.claims.get("siret")?.as_str()?.get(..9).map(|siren| json!(siren)),
            "idp_acr" => Some(json!("eidas1")),
            // The national register presumes the day and the month that are not known.
            "rnipp_birthdate" => self.birthdate.as_ref().map(|date| json!(date.replace("-00", "-01"))),
            _ => self.claim(name.strip_prefix("rnipp_")?),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_file_is_sound() {
        let personas = Personas::bundled().unwrap();
        let ids: HashSet<_> = personas.iter().map(|persona| &persona.id).collect();
        assert!(ids.len() >= 25, "{}", ids.len());
        for persona in personas.iter() {
            let id = &persona.id;
            assert!(
                id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'),
                "{id}"
            );
            assert!(!persona.about.fr.is_empty() && !persona.about.en.is_empty(), "{id}");
            assert!(persona.email.as_ref().is_none_or(|email| email.ends_with("example.org")), "{id}");
        }
        let some = |what: &str, test: &dyn Fn(&Persona) -> bool| {
            assert!(personas.iter().any(|persona| test(persona)), "nobody: {what}");
        };
        some("accents", &|persona| persona.given_name().contains('é'));
        some("compound", &|persona| persona.family_name.contains('-'));
        some("usage name", &|persona| persona.preferred_username.is_some());
        some("one name only", &|persona| persona.given_names.is_empty());
        some("29 February", &|persona| {
            persona.birthdate.as_deref().is_some_and(|date| date.ends_with("-02-29"))
        });
        some("Corsica", &|persona| {
            persona.birthplace.as_deref().is_some_and(|place| place.starts_with("2A"))
        });
        some("Corsica", &|persona| {
            persona.birthplace.as_deref().is_some_and(|place| place.starts_with("2B"))
        });
        some("overseas", &|persona| {
            persona.birthplace.as_deref().is_some_and(|place| place.starts_with("97"))
        });
        some("abroad", &|persona| persona.birthplace.as_deref() == Some(""));
        some("very long", &|persona| persona.family_name.chars().count() > 50);
        some("no e-mail", &|persona| persona.email.is_none());
        some("another script", &|persona| persona.given_name().contains('م'));
        some("partial date", &|persona| {
            persona.birthdate.as_deref().is_some_and(|date| date.contains("-00"))
        });
        some("organisation", &|persona| persona.claims.contains_key("siret"));
        let all = "name given_name family_name middle_name nickname preferred_username profile picture website \
                   email email_verified gender birthdate zoneinfo locale phone_number phone_number_verified \
                   address updated_at";
        some("all standard claims", &|persona| all.split(' ').all(|claim| persona.claim(claim).is_some()));
        assert!(personas.find("angela").is_some() && personas.find("Angela").is_none());
        assert_eq!(personas.find("load-000042").unwrap().family_name, Persona::load(42).family_name);
    }

    #[test]
    fn a_broken_file_is_refused_with_its_line() {
        let one = "[[persona]]\nid = 'a'\nfamily_name = 'A'\n";
        assert_eq!(Personas::parse(one).unwrap().iter().count(), 1);
        for (text, line, reason) in [
            (String::new(), 1, "missing field"),
            (format!("{one}{one}"), 4, "a comes twice"),
            (format!("{one}[[persona]]\nid = 'b'"), 4, "neither"),
            (format!("{one}[[persona]]\nid = 'b b'\nfamily_name='B'"), 4, "spaces"),
            (format!("{one}[[persona]]\nid = 'token_500'\nfamily_name='B'"), 4, "name of a fault"),
            (format!("{one}\nshoe_size = 44"), 5, "unknown field"),
            (format!("{one}birthdate = 1980"), 4, "expected a string"),
            (format!("{one}[persona.claims]\nsub = 'x'"), 1, "not the person's"),
            ("[[persona]\n".to_owned(), 1, ""),
        ] {
            let error = Personas::parse(&text).err().unwrap();
            assert!(
                error.starts_with(&format!("line {line}: ")) && error.contains(reason),
                "{text}: {error}"
            );
        }
    }
}
