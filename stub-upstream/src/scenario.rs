//! A scenario: what the next logins meet, one step after the other (`--scenario FILE`, `PUT /scenario`).

use serde::Deserialize;

use crate::fault::Fault;

/// A scenario, and how far it has come.
#[derive(Clone)]
pub struct Scenario {
    steps: Vec<(Step, u32)>,
    repeat: bool,
    seed: u64,
    drawn: u64,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    /// The name of a fault, or `none`.
    #[serde(default = "none")]
    fault: String,
    /// For this many logins.
    #[serde(default = "once")]
    times: u32,
    /// For ever.
    #[serde(default)]
    always: bool,
    /// How likely the fault is; the step is used up either way.
    #[serde(default = "certain")]
    probability: f64,
    /// Only for logins of this client; others pass by.
    client: Option<String>,
    /// Signs this person in without a page.
    persona: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    seed: u64,
    #[serde(default)]
    repeat: bool,
    #[serde(default)]
    step: Vec<toml::Spanned<Step>>,
}

/// What a login meets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Draw {
    pub(crate) fault: Option<Fault>,
    pub(crate) persona: Option<String>,
}

fn none() -> String {
    "none".to_owned()
}

fn once() -> u32 {
    1
}

fn certain() -> f64 {
    1.0
}

impl Scenario {
    /// Reads a scenario in TOML. A refusal names the line and the reason; `persona` says whether there is
    /// somebody of that name.
    pub fn parse(text: &str, persona: impl Fn(&str) -> bool) -> Result<Self, String> {
        let file: File =
            toml::from_str(text).map_err(|error| at_line(text, error.span(), error.message()))?;
        if file.step.is_empty() {
            return Err("line 1: there is no [[step]]".to_owned());
        }
        let mut steps = Vec::new();
        for spanned in file.step {
            let wrong = |reason: &str| Err(at_line(text, Some(spanned.span()), reason));
            let step = spanned.get_ref();
            if step.fault != "none" && Fault::parse(&step.fault).is_none() {
                return wrong(&format!("there is no fault {}", step.fault));
            }
            if !(0.0..=1.0).contains(&step.probability) {
                return wrong("probability lies between 0 and 1");
            }
            if step.times == 0 {
                return wrong("times is at least 1");
            }
            if let Some(unknown) = step.persona.as_deref().filter(|id| !persona(id)) {
                return wrong(&format!("there is no persona {unknown}"));
            }
            steps.push((step.clone(), step.times));
        }
        Ok(Self { steps, repeat: file.repeat, seed: file.seed, drawn: 0 })
    }

    /// What the next login of this client meets; `None` where no step is left for it.
    pub(crate) fn draw(&mut self, client: &str) -> Option<Draw> {
        let fits = |step: &Step| step.client.as_deref().is_none_or(|only| only == client);
        if self.repeat && !self.steps.iter().any(|(step, left)| fits(step) && (*left > 0 || step.always)) {
            self.steps.iter_mut().filter(|(step, _)| fits(step)).for_each(|(step, left)| *left = step.times);
        }
        let (step, left) =
            self.steps.iter_mut().find(|(step, left)| fits(step) && (*left > 0 || step.always))?;
        *left = left.saturating_sub(1);
        self.drawn = self.drawn.wrapping_add(1);
        let hit = fraction(self.seed, self.drawn) < step.probability;
        Some(Draw { fault: Fault::parse(&step.fault).filter(|_| hit), persona: step.persona.clone() })
    }
}

/// A number from 0 up to 1, always the same for the same seed and count (`SplitMix64`).
fn fraction(seed: u64, count: u64) -> f64 {
    let mut z = seed.wrapping_add(count.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let top = u32::try_from((z ^ (z >> 31)) >> 32).unwrap_or_default();
    f64::from(top) / (f64::from(u32::MAX) + 1.0)
}

/// `line N: reason`.
pub(crate) fn at_line(text: &str, span: Option<std::ops::Range<usize>>, reason: &str) -> String {
    let before = span.and_then(|span| text.get(..span.start)).unwrap_or_default();
    format!("line {}: {}", before.matches('\n').count() + 1, reason.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Scenario, String> {
        Scenario::parse(text, |id| id == "angela")
    }

    #[test]
    fn steps_follow_one_another() {
        let mut scenario = read(
            "[[step]]\nfault = 'token_500'\ntimes = 2\n[[step]]\nclient = 'a'\nfault = 'wrong_nonce'\n\
             [[step]]\npersona = 'angela'",
        )
        .unwrap();
        let mut next =
            |client: &str| scenario.draw(client).map(|draw| (draw.fault.map(Fault::name), draw.persona));
        assert_eq!(next("b"), Some((Some("token_500"), None)));
        assert_eq!(next("a"), Some((Some("token_500"), None)));
        assert_eq!(next("b"), Some((None, Some("angela".to_owned()))));
        assert_eq!(next("b"), None);
        assert_eq!(next("a"), Some((Some("wrong_nonce"), None)));
        assert_eq!(next("a"), None);
        let mut again = read("repeat = true\n[[step]]\nfault = 'token_500'\n[[step]]").unwrap();
        let round: Vec<_> = (0..4).map(|_| again.draw("a").unwrap().fault.is_some()).collect();
        assert_eq!(round, [true, false, true, false]);
    }

    #[test]
    fn a_seed_repeats_chance() {
        let hits = |seed: u64| {
            let text = format!("seed = {seed}\n[[step]]\nfault='token_500'\nalways=true\nprobability=0.25");
            let mut scenario = read(&text).unwrap();
            (0..1000).map(|_| scenario.draw("a").unwrap().fault.is_some()).collect::<Vec<_>>()
        };
        assert_eq!(hits(1), hits(1));
        assert_ne!(hits(1), hits(2));
        let count = hits(1).into_iter().filter(|hit| *hit).count();
        assert!((200..300).contains(&count), "{count}");
    }

    #[test]
    fn a_broken_file_is_refused_with_its_line() {
        for (text, line, reason) in [
            ("", 1, "no [[step]]"),
            ("[[step]]\n\n[[step]]\nfault = 'nothing'", 3, "no fault nothing"),
            ("[[step]]\nprobability = 2", 1, "between 0 and 1"),
            ("[[step]]\ntimes = 0", 1, "at least 1"),
            ("[[step]]\npersona = 'x'", 1, "no persona x"),
            ("[[step]]\nfalt = 'x'", 2, "unknown field"),
            ("seed = 1\n[[step", 2, ""),
        ] {
            let error = read(text).err().unwrap();
            assert!(
                error.starts_with(&format!("line {line}: ")) && error.contains(reason),
                "{text}: {error}"
            );
        }
    }
}
