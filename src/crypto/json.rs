//! JSON (RFC 8259) as a verifier may read it: UTF-8, each member of an object once, bounded depth.
//!
//! RFC 7515 (section 4) and RFC 7519 (section 4) ask for unique member names: where two parsers choose
//! differently among duplicates, one of them can be made to check what the other does not use.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The greatest depth of nested arrays and objects.
pub const MAX_DEPTH: usize = 32;

/// The bytes are not JSON, repeat a member, nest too deep, or are not an object where one is due.
#[derive(Debug, thiserror::Error)]
#[error("not acceptable JSON")]
pub struct NotJson;

/// The object that `bytes` hold, and nothing after it.
pub fn object(bytes: &[u8]) -> Result<Map<String, Value>, NotJson> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth: 0 }.deserialize(&mut deserializer).map_err(|_| NotJson)?;
    deserializer.end().map_err(|_| NotJson)?;
    match value {
        Value::Object(object) => Ok(object),
        _ => Err(NotJson),
    }
}

/// Reads one value at a depth.
#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH { Err(E::custom("too deep")) } else { Ok(Self { depth: self.depth + 1 }) }
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON with each member once")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut object = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value_seed(inner)?;
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("a member twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_objects_keep_their_order() {
        let text = r#"{"z":[1,-2,1.5,null,true],"a":{"b":"é"}}"#;
        let object = object(text.as_bytes()).unwrap();
        assert_eq!(serde_json::to_string(&object).unwrap(), text);
    }

    #[test]
    fn what_is_ambiguous_or_unbounded_is_refused() {
        let deep = |n: usize| format!("{{\"a\":{}{}}}", "[".repeat(n), "]".repeat(n));
        assert!(object(deep(MAX_DEPTH - 1).as_bytes()).is_ok());
        let cases: [&[u8]; 12] = [
            b"",
            b"[]",
            b"\"a\"",
            b"{\"a\":1,\"a\":1}",
            b"{\"a\":1,\"\\u0061\":2}",
            b"{\"x\":{\"a\":1,\"a\":2}}",
            b"{'a':1}",
            b"{\"a\":1}x",
            b"{\"a\":1",
            b"{\"a\":\"\xff\"}",
            b"{\"a\":1e999}",
            b"\xef\xbb\xbf{}",
        ];
        for case in cases {
            assert!(object(case).is_err(), "{}", String::from_utf8_lossy(case));
        }
        for depth in [MAX_DEPTH, 500, 100_000] {
            assert!(object(deep(depth).as_bytes()).is_err(), "{depth}");
        }
    }
}
