//! JSON (RFC 8259) as a verifier may read it: UTF-8, each member of an object once, bounded depth.
//!
//! RFC 7515 (section 4) and RFC 7519 (section 4) ask for unique member names: where two parsers choose
//! differently among duplicates, one of them can be made to check what the other does not use.
//!
//! What other parties send is read as [`Members`]: what is used is asked for with its type, what nobody asks for is
//! passed over, and `null` is absence.

use std::fmt;
use std::ops::Deref;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

/// The greatest depth of nested arrays and objects.
pub const MAX_DEPTH: usize = 32;

/// The bytes are not JSON, repeat a member, nest too deep, or are not an object where one is due.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotJson(String);

/// A member is there, and is not what it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its {0} has the wrong type")]
pub struct WrongType(pub &'static str);

/// The members of an object that another party wrote; those that are `null` are not there. No `Debug`: they may be
/// somebody's.
#[derive(Clone, Default)]
pub struct Members(Map<String, Value>);

impl Members {
    /// Reads them.
    pub fn read(bytes: &[u8]) -> Result<Self, NotJson> {
        object(bytes).map(Self::from)
    }

    /// A text that is used: absent, or not empty.
    pub fn text(&self, name: &'static str) -> Result<Option<&str>, WrongType> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
            Some(_) => Err(WrongType(name)),
        }
    }

    /// A text that is of use where it is one, and passed over where it is not.
    pub fn text_or_nothing(&self, name: &'static str) -> Option<&str> {
        self.text(name).unwrap_or(None)
    }

    /// A truth value that is used.
    pub fn truth(&self, name: &'static str) -> Result<Option<bool>, WrongType> {
        self.0.get(name).map(|value| value.as_bool().ok_or(WrongType(name))).transpose()
    }

    /// All of them.
    pub fn into_map(self) -> Map<String, Value> {
        self.0
    }
}

impl From<Map<String, Value>> for Members {
    fn from(mut members: Map<String, Value>) -> Self {
        members.retain(|_, value| !value.is_null());
        Self(members)
    }
}

impl Deref for Members {
    type Target = Map<String, Value>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// The object that `bytes` hold, and nothing after it.
pub fn object(bytes: &[u8]) -> Result<Map<String, Value>, NotJson> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    // What the library says of a text names a place in it, and nothing that stands there.
    let not_json = |error: serde_json::Error| NotJson(error.to_string());
    let value = Strict { depth: 0 }.deserialize(&mut deserializer).map_err(not_json)?;
    deserializer.end().map_err(not_json)?;
    match value {
        Value::Object(object) => Ok(object),
        _ => Err(NotJson("no object".to_owned())),
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
            let place = object.entry(name);
            if let Entry::Occupied(first) = &place {
                let name: String = first.key().chars().take(64).collect();
                return Err(A::Error::custom(format_args!("the member {name:?} twice")));
            }
            place.or_insert(value);
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
    fn what_is_used_is_read_strictly_and_null_is_absence() {
        let members = Members::read(br#"{"a":"x","n":null,"e":"","i":1,"t":true,"o":{"n":null}}"#).unwrap();
        assert_eq!(members.text("a"), Ok(Some("x")));
        assert_eq!((members.text("n"), members.text("z")), (Ok(None), Ok(None)));
        assert_eq!((members.text("e"), members.text("i")), (Err(WrongType("e")), Err(WrongType("i"))));
        assert_eq!((members.text_or_nothing("i"), members.text_or_nothing("a")), (None, Some("x")));
        assert_eq!((members.truth("t"), members.truth("n")), (Ok(Some(true)), Ok(None)));
        assert_eq!(members.truth("a"), Err(WrongType("a")));
        assert!(!members.contains_key("n"));
    }

    #[test]
    fn what_is_wrong_is_said_and_never_what_stands_there() {
        let why = |bytes: &[u8]| object(bytes).unwrap_err().to_string();
        assert_eq!(why(br#"{"sub":"secret","sub":"other"}"#), "the member \"sub\" twice at line 1 column 30");
        assert_eq!(why(b"[]"), "no object");
        assert_eq!(why(b"<html>secret"), "expected value at line 1 column 1");
        assert!(!why(br#"{"a": secret}"#).contains("secret"));
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
