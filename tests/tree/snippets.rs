//! The reader itself, on snippets: a rule that sees nothing cannot fail.

use crate::reader::{names, tokens, without_tests};

#[cfg(test)]
fn kept(text: &str) -> String {
    let kept = without_tests(&tokens(text), &mut Vec::new());
    kept.into_iter().collect::<proc_macro2::TokenStream>().to_string().replace([' ', '\n'], "")
}

/// What `text` names, as a file of the module `a::b`.
#[cfg(test)]
fn named(text: &str) -> Vec<String> {
    let module = ["a", "b"].map(str::to_owned);
    let code = without_tests(&tokens(text), &mut Vec::new());
    names(&code, &module).into_iter().map(|name| name.path.join("::")).collect()
}

#[test]
fn only_the_item_for_tests_is_left_out() {
    for (text, left) in [
        ("#[cfg(test)] mod tests { use x::y; } fn f() {}", "fnf(){}"),
        ("#[cfg(test)] use a::{b, c}; use d::e;", "used::e;"),
        ("#[cfg(test)] mod tests; mod code;", "modcode;"),
        ("#[cfg(test)] pub(crate) mod testing; mod code;", "modcode;"),
        (
            "#[cfg(test)] #[must_use] pub(super) async fn f<A, B>(a: A) -> B where A: X { a } struct S;",
            "structS;",
        ),
        (
            "/// Words.\n#[cfg(all(unix, test))]\nconst fn f() {} const A: [u8; 1] = [1];",
            "constA:[u8;1]=[1];",
        ),
        ("#[cfg(test)] const A: S = S { a: 1 }; const B: u8 = 2;", "constB:u8=2;"),
        ("#[test] fn t() {} fn f() {}", "fnf(){}"),
        ("#![cfg(test)] fn f() {}", ""),
        ("mod m { #![cfg(test)] fn f() {} } fn g() {}", "modm{}fng(){}"),
        ("struct S { #[cfg(test)] a: Map<A, B>, b: C }", "structS{b:C}"),
        ("enum E { #[cfg(test)] A { x: u8 }, B(u8) }", "enumE{B(u8)}"),
        ("impl S { #[cfg(test)] fn f(&self) {} fn g(&self) {} }", "implS{fng(&self){}}"),
        ("fn f() { #[cfg(test)] let a = if b { 1 } else { 2 }; c(); }", "fnf(){c();}"),
        ("fn f() { #[cfg(test)] if a { b() } else { c() } d(); }", "fnf(){d();}"),
        ("fn f() { #[cfg(test)] { a(); } b(); }", "fnf(){b();}"),
        ("fn f() { match a { #[cfg(test)] B { c } => { d() } E => f(), } }", "fnf(){matcha{E=>f(),}}"),
        ("fn f() { match a { #[cfg(test)] B => d(x, y), E => f(), } }", "fnf(){matcha{E=>f(),}}"),
    ] {
        assert_eq!(kept(text), left, "{text}");
    }
}

#[test]
fn what_is_not_for_tests_alone_stays() {
    for text in [
        "#[cfg(not(test))] fn f() {}",
        "#[cfg(any(test, feature = \"demo\"))] fn f() {}",
        "#[cfg(feature = \"test\")] fn f() {}",
        "#[cfg_attr(test, derive(Debug))] struct S;",
        "#[derive(Debug)] struct S;",
    ] {
        assert_eq!(kept(text), text.replace(' ', ""), "{text}");
    }
}

#[test]
fn every_way_to_name_a_module_is_seen() {
    for (text, expected) in [
        ("use crate::web::App;", vec!["crate::web::App"]),
        (
            "use crate::{c, d::{self, e::F}, g as h};",
            vec!["crate::c", "crate::d", "crate::d::e::F", "crate::g"],
        ),
        ("use { crate::c, super::super::d };", vec!["crate::c", "crate::d"]),
        ("use super::super::web::App;", vec!["crate::web::App"]),
        ("use super::{c, super::web::App};", vec!["crate::a::c", "crate::web::App"]),
        ("use self::c;", vec!["crate::a::b::c"]),
        ("use super::super::*; use crate as all;", vec!["crate::*", "crate"]),
        ("mod inner { fn f() { super::super::super::web::g() } }", vec!["crate::web::g"]),
        ("mod inner { fn f() { super::super::c::g() } }", vec!["crate::a::c::g"]),
        (
            "fn f(x: &crate::web::X) -> Vec<super::super::c::Y> { vec![crate::d::e()] }",
            vec!["crate::web::X", "crate::c::Y", "crate::d::e"],
        ),
        ("macro_rules! m { () => { $crate::web::f() } }", vec!["crate::web::f"]),
        ("html! { p { (crate::web::f()) } }", vec!["crate::web::f"]),
        ("fn f() -> <X as crate::web::Y>::Z { a.b::<crate::c::D>() }", vec!["crate::web::Y", "crate::c::D"]),
        ("fn f() { ::axum::serve() }", vec!["axum::serve"]),
        ("use ::axum; extern crate axum as other;", vec!["axum", "axum"]),
        ("fn f() { for x in 0..crate::c::D {} }", vec!["crate::c::D"]),
        ("#[cfg(test)] mod tests { use crate::c; } fn f() { crate::d::e() }", vec!["crate::d::e"]),
        ("#[cfg(test)] use crate::c;\nuse crate::d;", vec!["crate::d"]),
        ("// crate::c::d\n/// crate::c::d\nconst A: &str = \"crate::c::d\";", vec![]),
        ("pub(crate) fn f() {} pub(in crate::a) fn g() -> impl A + use<> {}", vec!["crate::a"]),
    ] {
        assert_eq!(named(text), expected, "{text}");
    }
}
