//! The verbs that decide, each one script: Redis runs a script whole, between two others.

use redis::Script;

macro_rules! scripts {
    ($($name:ident)*) => {
        /// Every script, by its verb.
        pub(super) struct Scripts {
            $(pub(super) $name: Script,)*
        }

        impl Scripts {
            pub(super) fn new() -> Self {
                Self { $($name: Script::new(concat!(
                    include_str!("common.lua"),
                    include_str!(concat!(stringify!($name), ".lua"))
                )),)* }
            }
        }
    };
}

scripts! { insert replace_if spend take forget owned forget_owned sweep }
