//! What an operator may ask of the keyring: to see it, to rotate it, to end a key.

use serde::{Deserialize, Serialize};

use super::list::{Listed, list};
use super::plan::{Change, newest, next, plan};
use super::record::{KeyUse, Private, Succession};
use super::ring::{Keyring, KeyringError};
use crate::clock::Timestamp;
use crate::event::Step;
use crate::service::UpstreamName;

/// What an operator wants rotated; every succession where nothing is said.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rotation {
    /// The relay that is meant, by its issuer; where it is not this one, nothing is done.
    pub issuer: Option<String>,
    /// Those for this.
    #[serde(rename = "use")]
    pub usage: Option<KeyUse>,
    /// Those of this upstream.
    pub upstream: Option<UpstreamName>,
    /// Whether the successor is used at once, instead of being announced.
    #[serde(rename = "now")]
    pub at_once: bool,
}

/// The key that an operator wants ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// The relay that is meant, as for a rotation.
    pub issuer: Option<String>,
    /// The key's id.
    pub kid: String,
}

impl Rotation {
    fn means(&self, succession: &Succession) -> bool {
        self.usage.is_none_or(|usage| usage == succession.usage)
            && self.upstream.as_ref().is_none_or(|upstream| succession.upstream.as_ref() == Some(upstream))
    }
}

impl Keyring {
    /// Every key, as it is in the store now.
    pub async fn list(&self, now: Timestamp) -> Result<Vec<Listed>, KeyringError> {
        Ok(list(&self.read(now).await?, now, &self.settings.load().policy))
    }

    /// Announces a successor in each succession that is meant, or uses it at once. Tells of these successions.
    pub async fn rotate(&self, rotation: &Rotation, now: Timestamp) -> Result<Vec<Listed>, KeyringError> {
        let at_once = rotation.at_once;
        let turn = self.turn().await?;
        let settings = self.settings.load_full();
        let mut records = self.read(now).await?;
        let meant: Vec<_> =
            settings.wanted.iter().filter(|wanted| rotation.means(&wanted.succession)).collect();
        if meant.is_empty() {
            let all: Vec<_> = settings.wanted.iter().map(|wanted| wanted.succession.to_string()).collect();
            return Err(KeyringError::NotWanted(all.join(", ")));
        }
        for wanted in &meant {
            let change = match newest(&records, &wanted.succession) {
                Some(key) if now < key.active_from && at_once => {
                    Some(Change::Advance { succession: key.succession.clone(), generation: key.generation })
                }
                // The successor is announced already.
                Some(key) if now < key.active_from => None,
                Some(_) if !at_once => Some(next(&records, wanted, now.plus(settings.policy.announce))),
                _ => Some(next(&records, wanted, now)),
            };
            if let Some(change) = change {
                self.apply(change, &mut records, now).await?;
            }
        }
        let mut listed = list(&records, now, &settings.policy);
        listed.retain(|key| meant.iter().any(|wanted| wanted.succession == key.succession));
        self.show(records, now, &turn)?;
        Ok(listed)
    }

    /// Ends a key: from now on it is used for nothing, and its private half is erased. Its succession goes on with the
    /// next, which is made if there is none. Tells of its succession.
    pub async fn revoke(&self, kid: &str, now: Timestamp) -> Result<Vec<Listed>, KeyringError> {
        let turn = self.turn().await?;
        let settings = self.settings.load_full();
        let mut records = self.read(now).await?;
        let found = records.iter_mut().find(|key| key.kid == kid && key.revoked.is_none());
        let ended = found.ok_or_else(|| KeyringError::NoSuchKey(kid.chars().take(80).collect()))?;
        ended.revoked = Some(now);
        ended.private = Private::erased();
        let ended = ended.clone();
        // The next first, so that no node finds the succession without a key.
        for change in plan(&records, &settings.wanted, now, &settings.policy) {
            self.apply(change, &mut records, now).await?;
        }
        self.replace(&ended, now).await?;
        self.say(Step::KeyRevoked, &ended);
        let mut listed = list(&records, now, &settings.policy);
        listed.retain(|key| key.succession == ended.succession);
        self.show(records, now, &turn)?;
        Ok(listed)
    }
}
