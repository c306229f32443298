//! `wire` of an application, and what the weak ones need besides: an IV, a delivery that settles their faults or
//! the word of who accepts them, and the date on which they end.

use crate::clock::Timestamp;
use crate::config::Purpose;
use crate::config::file::Section;
use crate::config::value::{Raw, Wrong, boolean, choice, instant, text, texts};
use crate::legacy::wires::{Dialect, FIXED_IV, WIRES, Wire};
use crate::legacy::{Delivery, RelayClaim};

/// What the section says of the wire.
pub(super) struct Choice {
    pub(super) wire: &'static dyn Wire,
    pub(super) iv: Option<[u8; FIXED_IV]>,
    pub(super) sunset: Option<Timestamp>,
    pub(super) relay_claims: Vec<RelayClaim>,
}

/// The IV that KIF's README publishes.
const PUBLISHED_IV: [u8; FIXED_IV] =
    [0x87, 0xb7, 0x22, 0x5d, 0x16, 0xea, 0x2a, 0xe1, 0xf4, 0x1d, 0x0b, 0x13, 0xfd, 0xce, 0x9b, 0xba];

/// The keys that only KIF's wires have.
const OF_KIF: [&str; 4] = ["iv", "sunset", "relay_claims", "accept_forgeable_identities"];

pub(super) fn read(section: &Section<'_>, delivery: Delivery, purpose: Purpose) -> Option<Choice> {
    let wire = section.optional("wire", wire);
    let iv = section.optional("iv", iv);
    let sunset = section.optional("sunset", instant);
    let relay_claims = section.or("relay_claims", Vec::new(), relay_claims);
    let accepted = section.or("accept_forgeable_identities", false, boolean);
    let wire = wire.or_else(|| WIRES.first().copied().filter(|_| !section.has("wire")))?;
    if wire.dialect() != Dialect::Kif {
        for key in OF_KIF.into_iter().filter(|key| section.has(key)) {
            section.warn(key, "changes nothing: only the wires kif-gcm and kif-cbc have it");
        }
        return Some(Choice { wire, iv: None, sunset: None, relay_claims: Vec::new() });
    }
    let missing = |key: &str, right: &str| section.fault(key, Wrong::new("is missing", right));
    if !section.has("sunset") {
        missing("sunset", "write when the application will have moved, such as \"2027-12-31T23:59:59Z\"");
    }
    if !section.has("iv") {
        missing("iv", "write the IV that the application has: 32 hexadecimal digits");
    }
    if iv == Some(PUBLISHED_IV) && purpose != Purpose::Demo {
        let right = "choose another, here and in the application";
        section.fault("iv", Wrong::new("is the sample that KIF publishes", right));
    }
    judge(section, wire.name(), delivery, accepted);
    Some(Choice { wire, iv: Some(iv?), sunset: Some(sunset?), relay_claims })
}

/// A weak wire starts only where its faults do no harm, or where somebody has accepted them.
fn judge(section: &Section<'_>, name: &str, delivery: Delivery, accepted: bool) {
    match (delivery, accepted) {
        (Delivery::Query, false) => {
            let wrong = format!("{name:?} lets users forge the identity that the application receives");
            let right =
                "write delivery = \"reference\", or add accept_forgeable_identities = true".to_owned();
            section.fault("wire", Wrong { wrong, right });
        }
        (Delivery::Query, true) => {
            let text = format!("{name:?}: users can forge identities, as accept_forgeable_identities allows");
            section.warn("wire", &text);
        }
        (Delivery::Reference, _) => {
            section.warn("wire", &format!("{name:?} is weak: its requests can be read and forged"));
        }
    }
    if accepted && delivery == Delivery::Reference {
        section.warn("accept_forgeable_identities", "changes nothing while delivery is \"reference\"");
    }
}

fn wire(raw: &Raw<'_>) -> Result<&'static dyn Wire, Wrong> {
    let list: Vec<_> = WIRES.iter().map(|wire| (wire.name(), *wire)).collect();
    choice(&list)(raw)
}

fn iv(raw: &Raw<'_>) -> Result<[u8; FIXED_IV], Wrong> {
    let text = text(raw)?;
    let mut iv = [0; FIXED_IV];
    match hex::decode_to_slice(&text, &mut iv) {
        Ok(()) => Ok(iv),
        Err(_) => Err(Wrong::new("is no IV", "write the 32 hexadecimal digits that the application has")),
    }
}

fn relay_claims(raw: &Raw<'_>) -> Result<Vec<RelayClaim>, Wrong> {
    let list = texts(raw)?;
    let known = |name: &String| RelayClaim::ALL.into_iter().find(|claim| claim.as_str() == name.as_str());
    list.iter()
        .map(|name| {
            known(name).ok_or_else(|| Wrong {
                wrong: format!("names {name:?}"),
                right: "list some of \"iat\", \"exp\", \"iss\", \"aud\", \"jti\", \"acr\"".to_owned(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::config::tests::{faults, place, read};

    #[test]
    fn a_weak_wire_needs_a_date_an_iv_and_somebody_who_answers_for_it() {
        let dir = place();
        let with = |lines: &str| {
            include_str!("../../../config/relais.toml")
                .replace("key_file = \"compta.key\"", &format!("key_file = \"compta.key\"\n{lines}"))
        };
        let weak = "wire = \"kif-gcm\"\n";
        let rest = "iv = \"00112233445566778899AABBCCDDEEFF\"\nsunset = \"2027-12-31T23:59:59Z\"\n";
        assert_eq!(
            faults(&with(weak), dir.path(), &[]),
            "legacy.compta.sunset: is missing; write when the application will have moved, such as \"2027-12-31T23:59:59Z\"\n\
             legacy.compta.iv: is missing; write the IV that the application has: 32 hexadecimal digits\n\
             legacy.compta.wire: \"kif-gcm\" lets users forge the identity that the application receives; \
             write delivery = \"reference\", or add accept_forgeable_identities = true"
        );
        let odd =
            format!("{weak}{}", rest.replace("00112233445566778899AABBCCDDEEFF", "87b7225d16ea2ae1f41d0b13"));
        assert!(faults(&with(&odd), dir.path(), &[]).contains("legacy.compta.iv: is no IV"));
        let published = rest.replace("00112233445566778899AABBCCDDEEFF", "87b7225d16ea2ae1f41d0b13fdce9bba");
        let lines = format!("{weak}{published}delivery = \"reference\"");
        assert!(
            faults(&with(&lines), dir.path(), &[])
                .contains("legacy.compta.iv: is the sample that KIF publishes")
        );
        for settled in ["delivery = \"reference\"", "accept_forgeable_identities = true"] {
            let config = read(&with(&format!("{weak}{rest}{settled}")), dir.path(), &[]);
            let config = config.unwrap_or_else(|faults| panic!("{faults}"));
            let warned: Vec<_> = config.warnings.iter().map(|warning| warning.path.as_str()).collect();
            assert_eq!(warned, ["legacy.compta.wire"], "{settled}");
            assert!(config.apps[0].sunset.is_some());
        }
        let config = read(&with(rest), dir.path(), &[]).unwrap_or_else(|faults| panic!("{faults}"));
        assert_eq!(config.warnings.len(), 2, "iv and sunset change nothing on other wires");
    }
}
