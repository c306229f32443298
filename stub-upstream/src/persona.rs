//! The people who can sign in, as the standard claims of OpenID Connect Core, section 5.1, and the civil
//! status that a national provider adds.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

const FILE: &str = include_str!("../personas.toml");

/// One invented person.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Persona {
    /// The login name.
    pub id: String,
    /// What the person is good for in a test.
    pub about: About,
    /// All given names, in order; one may hold a space or a hyphen.
    pub given_names: Vec<String>,
    /// The name at birth.
    pub family_name: String,
    /// The usage name.
    pub preferred_username: Option<String>,
    /// `female`, `male` or `unspecified`.
    pub gender: Option<String>,
    /// `YYYY-MM-DD`.
    pub birthdate: Option<String>,
    /// An INSEE code; empty for those born abroad.
    pub birthplace: Option<String>,
    /// An INSEE code.
    pub birthcountry: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
    /// The telephone number.
    pub phone_number: Option<String>,
}

/// One sentence in two languages.
#[derive(Clone, Debug, Deserialize)]
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
    persona: Vec<Persona>,
}

/// The people in the order of the file.
#[derive(Clone)]
pub struct Personas(Vec<Arc<Persona>>);

impl Personas {
    /// Those that come with the simulator.
    pub fn bundled() -> Result<Self, toml::de::Error> {
        let file: File = toml::from_str(FILE)?;
        Ok(Self(file.persona.into_iter().map(Arc::new).collect()))
    }

    /// Everybody.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Persona>> {
        self.0.iter()
    }

    /// The person with this login name.
    pub fn find(&self, id: &str) -> Option<&Arc<Persona>> {
        self.0.iter().find(|persona| persona.id == id)
    }
}

impl Persona {
    /// Given names and name at birth, for people to read.
    pub fn display_name(&self) -> String {
        format!("{} {}", self.given_name(), self.family_name)
    }

    /// All given names.
    pub(crate) fn given_name(&self) -> String {
        self.given_names.join(" ")
    }

    /// The value of a claim; `None` where it is not known of this person, or no claim about people.
    pub(crate) fn claim(&self, name: &str) -> Option<Value> {
        let text = |value: &Option<String>| value.as_ref().map(|value| json!(value));
        match name {
            "name" => Some(json!(self.display_name())),
            "given_name" => Some(json!(self.given_name())),
            "given_name_array" => Some(json!(self.given_names)),
            "family_name" => Some(json!(self.family_name)),
            "preferred_username" => text(&self.preferred_username),
            "gender" => text(&self.gender),
            "birthdate" | "idp_birthdate" => text(&self.birthdate),
            "birthplace" => text(&self.birthplace),
            "birthcountry" => text(&self.birthcountry),
            "email" => text(&self.email),
            "email_verified" => self.email.as_ref().map(|_| json!(true)),
            "phone_number" => text(&self.phone_number),
            _ => None,
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
        assert_eq!(personas.iter().count(), 6);
        let ids: HashSet<_> = personas.iter().map(|persona| &persona.id).collect();
        assert_eq!(ids.len(), 6);
        for persona in personas.iter() {
            let id = &persona.id;
            assert!(id.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{id}");
            assert!(!persona.given_names.is_empty() && !persona.family_name.is_empty(), "{id}");
            let date = persona.birthdate.as_deref().unwrap();
            assert!(date.len() == 10 && date.split('-').count() == 3, "{id}");
            let country = persona.birthcountry.as_deref().unwrap();
            assert!(country.len() == 5 && country.starts_with("99"), "{id}");
            let place = persona.birthplace.as_deref().unwrap();
            assert_eq!(place.len(), if country == "99100" { 5 } else { 0 }, "{id}");
            assert!(persona.email.as_ref().is_none_or(|email| email.ends_with("example.org")), "{id}");
        }
        assert!(personas.iter().any(|persona| persona.family_name.chars().count() > 50));
        assert!(personas.iter().any(|persona| persona.email.is_none()));
        assert!(personas.find("angela").is_some() && personas.find("Angela").is_none());
    }
}
