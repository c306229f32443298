//! What integrators copy is as strict as the page of rules. `tests/parts/examples.py` plays these; here stands that both
//! examples have them, in the right order.

const PHP: &str = include_str!("../../../legacy-client-examples/php/app.php");
const PYTHON: &str = include_str!("../../../legacy-client-examples/python/app.py");

/// Where `what` stands within the function `of`.
fn place(source: &str, of: &str, what: &str) -> usize {
    let start = source.find(of).unwrap_or_else(|| panic!("no {of}"));
    source[start..].find(what).unwrap_or_else(|| panic!("{of} lacks {what}"))
}

#[test]
fn l7_nobody_without_an_attempt_spends_a_reference() {
    for (source, back) in [(PHP, "function back("), (PYTHON, "def back(")] {
        assert!(place(source, back, "no attempt of this browser") < place(source, back, "claim("), "{back}");
    }
    for (source, claim, shape) in [
        (PHP, "function claim(", "preg_match('~^[A-Za-z0-9_-]{43}$~D', $reference)"),
        (PYTHON, "def claim(", "re.fullmatch(\"[A-Za-z0-9_-]{43}\", reference)"),
    ] {
        assert!(place(source, claim, shape) < place(source, claim, "/idp/claim"), "{claim}");
        assert!(place(source, claim, "LONGEST") > 0 && place(source, claim, "until") > 0, "{claim}");
    }
}

#[test]
fn l11_each_attempt_has_its_own_deadline() {
    assert!(place(PYTHON, "def login(", "\"until\": time.time() + ATTEMPT") > 0);
    assert!(place(PYTHON, "def judge(", "attempt[\"until\"] > now") > 0);
    assert!(place(PHP, "function login(", "'until' => time() + ATTEMPT") > 0);
}

#[test]
fn l12_a_session_has_an_end_of_its_own() {
    assert!(place(PHP, "function back(", "'until' => time() + SESSION") > 0);
    assert!(place(PHP, "session_start(", "($_SESSION['until'] ?? PHP_INT_MAX) < time()") > 0);
    assert!(place(PYTHON, "def back(", "self.new_session(SESSION") > 0);
}
