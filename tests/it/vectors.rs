//! The wire, byte for byte, against vectors made elsewhere.

use relais::clock::Timestamp;
use relais::entropy::Entropy;
use relais::legacy::{Direction, MasterKey, wires};
use relais::service::ServiceId;
use serde::Deserialize;

#[derive(Deserialize)]
struct File {
    vectors: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    id: String,
    wire: String,
    app: String,
    key: String,
    direction: Option<String>,
    derived: Option<String>,
    ts: Option<u64>,
    iv: Option<String>,
    plaintext: Option<String>,
    token: Option<String>,
    refused: Option<String>,
}

/// Chance that is not: gives the row's IV.
struct Given(Vec<u8>);

impl Entropy for Given {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(&self.0);
    }
}

fn direction(name: &str) -> Direction {
    Direction::ALL.into_iter().find(|direction| direction.as_str() == name).unwrap()
}

#[test]
fn every_row_of_the_wire_vectors() {
    let file: File = serde_json::from_str(include_str!("../vectors/wire-vectors.json")).unwrap();
    let (mut sealed, mut refused, mut claims) = (0, 0, 0);
    for row in &file.vectors {
        let key = MasterKey::from_hex(&row.key).unwrap();
        let app = ServiceId::parse(&row.app).unwrap();
        if row.wire == "claim" {
            assert_eq!(Some(key.claim_password(&app).expose()), row.derived.as_ref(), "{}", row.id);
            claims += 1;
            continue;
        }
        let direction = direction(row.direction.as_deref().unwrap());
        let wire = wires::find(&row.wire).unwrap();
        let keyed = wire.keyed(&key, &app, None).unwrap();
        let token = row.token.as_deref().unwrap();
        if let Some(cause) = &row.refused {
            assert!(keyed.open(direction, token).is_err(), "{} opens: {cause}", row.id);
            refused += 1;
            continue;
        }
        let derived = hex::encode(wire.message_key(&key, direction, &app).expose());
        assert_eq!(Some(&derived), row.derived.as_ref(), "{}", row.id);
        let iv = hex::decode(row.iv.as_deref().unwrap()).unwrap();
        let (ts, plaintext) =
            (Timestamp::from_seconds(row.ts.unwrap_or_default()), row.plaintext.as_deref().unwrap());
        assert_eq!(keyed.seal(direction, ts, &Given(iv), plaintext.as_bytes()), token, "{}", row.id);
        let opened = keyed.open(direction, token).unwrap();
        assert_eq!(opened.plaintext, plaintext.as_bytes(), "{}", row.id);
        assert_eq!(opened.sealed_at, row.ts.map(Timestamp::from_seconds), "{}", row.id);
        sealed += 1;
    }
    assert_eq!((sealed, refused, claims), (30, 63, 3), "the file has other rows than it had");
}
