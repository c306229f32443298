//! Whether this build reproduces the messages that KIF's documentation prints.

use async_trait::async_trait;

use super::{Check, Finding, Patient};
use crate::clock::Timestamp;
use crate::entropy::SystemEntropy;
use crate::legacy::wires::{self, FIXED_IV};
use crate::legacy::{Direction, MasterKey};
use crate::service::ServiceId;

pub(super) struct Wires;

/// The key that KIF's README publishes, which no configuration takes.
const KEY: &str = concat!("a6a7ee7abe681c9c4cede8e3366a9ded", "96b92668ea5e26a31a4b0856341ed224");
/// The IV beside it.
const IV: [u8; FIXED_IV] =
    [0x87, 0xb7, 0x22, 0x5d, 0x16, 0xea, 0x2a, 0xe1, 0xf4, 0x1d, 0x0b, 0x13, 0xfd, 0xce, 0x9b, 0xba];

/// A wire, a text, and the message that KIF's documentation prints for it.
const DOCUMENTED: [(&str, &str, &str); 2] = [
    (
        "kif-cbc",
        "https://fenyo.net/fc/identite.cgi?nonce=2ff22cb9663990d009fd0dfe87d997c6&state=f894bb7061a7c2a2",
        concat!(
            "16610e03c5c406a59cbeb6fa493c768d0a5f9db91bc46d3c4f660007816b2f6115ea2c6e9e2433ff4e92293678416dbe",
            "46826ee6c4ff23daa0f18c4e111dd4f70f92acd7be3e6707fd03218bea4bce32abd1ba45adafc09d4030b28ae6742428",
        ),
    ),
    (
        "kif-gcm",
        "https://application.societe.fr/fc/identite.cgi?nonce=2ff22cb9663990d009fd0dfe87d997c6&state=f894bb7061a7c2a2",
        concat!(
            "0c6989f6007c3cba68a4930767b5a1a50d2e9756effeb2a348cd2b1778633da45028b1dc72fdbc59ea0c8df3816667ee",
            "bfe396ac5dd152279b695612f348eade1ff4bb7c9deee7068a2d2abb45cd24b8fa0cb9803ff4b6941935aaa39f7e196e",
            "55999587ebd29a2db4563b88126a2b687547e909feb316ce2baf833c",
        ),
    ),
];

#[async_trait]
impl Check for Wires {
    async fn run(&self, _: &Patient) -> Vec<Finding> {
        let one = |(name, text, message)| {
            let area = format!("wire {name}");
            if reproduces(name, text, message) {
                Finding::ok(&area, "seals and opens the message that KIF documents")
            } else {
                let advice = "do not serve with this build; rebuild it, and report it";
                Finding::fail(&area, "does not reproduce the message that KIF documents", advice)
            }
        };
        DOCUMENTED.map(one).into()
    }
}

fn reproduces(name: &str, text: &str, message: &str) -> bool {
    let keyed = || {
        let (key, id) = (MasterKey::from_hex(KEY).ok()?, ServiceId::parse("kif")?);
        wires::find(name)?.keyed(&key, &id, Some(IV))
    };
    let Some(keyed) = keyed() else { return false };
    let sealed = keyed.seal(Direction::Request, Timestamp::default(), &SystemEntropy::new(), text.as_bytes());
    let opened = keyed.open(Direction::Request, message);
    sealed == message && opened.is_ok_and(|opened| opened.plaintext == text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_message_is_noticed() {
        for (name, text, message) in DOCUMENTED {
            assert!(reproduces(name, text, message), "{name}");
            assert!(!reproduces(name, &text.replace("fc", "fd"), message), "{name}");
            assert!(!reproduces(name, text, &message.replacen('0', "1", 1)), "{name}");
        }
    }
}
