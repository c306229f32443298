//! The steps of a login and its end: what is asked, what comes, and what comes when it is asked again.

use relais::clock::{Clock as _, SystemClock};

use super::RELAY;
use super::http::{Answer, Cookies, Request, Silence, ask};
use super::legacy_app::{Attempt, LegacyApp, parameter};
use super::nodes::{APP, Site};

/// What an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// On to the provider: to sign in, or to sign out there.
    ToProvider,
    /// The page that asks.
    Question,
    /// Back to the application, with an answer.
    ToApplication,
    /// The sealed answer itself.
    Claimed,
    /// The page that says that nobody is signed in.
    SignedOut,
    /// To the question anew.
    AskedAgain,
    /// A page, or a status, that refuses.
    Refused,
    /// A failure of ours; never expected.
    Failed,
}

impl Kind {
    pub fn of(answer: &Answer) -> Self {
        let to = answer.location.as_deref().unwrap_or_default();
        match answer.status {
            303 if to.contains("/retour.cgi?") => Self::ToApplication,
            303 if to.contains("/generic/") => Self::ToProvider,
            303 if to.ends_with(&format!("/logout/{APP}")) => Self::AskedAgain,
            200 if answer.token().is_some() => Self::Question,
            200 if answer.body.starts_with("<!") => Self::SignedOut,
            200 => Self::Claimed,
            400..500 => Self::Refused,
            _ => Self::Failed,
        }
    }
}

/// One step.
pub struct Step {
    /// Its name.
    pub name: &'static str,
    /// What the relay has promised once its answer is here.
    pub acknowledged: &'static str,
    /// How it is asked.
    pub ask: fn(&Walk) -> Request,
    /// What comes.
    pub first: Kind,
    /// What comes when the same request is sent again, at whatever node.
    pub again: Kind,
    /// What comes instead once the step of each name was answered.
    pub since: &'static [(&'static str, Kind)],
    /// What comes where only marks and references are known: at another node with affinity, or after a restart.
    pub elsewhere: Kind,
    /// The step that spends it there too; it is refused from then on.
    pub spent: Option<&'static str>,
    /// What comes after a restart that has lost the ephemeral class.
    pub forgotten: Kind,
}

/// What is known where a step is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    /// All that was acknowledged.
    All,
    /// What is durable with affinity.
    Marks,
    /// Nothing ephemeral.
    Nothing,
}

use Kind::{AskedAgain, Claimed, Question, Refused, SignedOut, ToApplication, ToProvider};

/// Every step, in order.
#[rustfmt::skip]
pub const STEPS: &[Step] = &[
    Step { name: "begin", acknowledged: "the login waits under its state", ask: |walk| walk.get(&walk.message),
        first: ToProvider, again: ToProvider, since: &[("callback", Question), ("confirm", ToApplication), ("claim", Refused)],
        elsewhere: ToProvider, spent: Some("confirm"), forgotten: Refused },
    Step { name: "callback", acknowledged: "the state is spent, the session is open", ask: |walk| walk.get(&walk.returned),
        first: Question, again: Question, since: &[("confirm", ToApplication), ("claim", Refused)], elsewhere: Refused, spent: None, forgotten: Refused },
    Step { name: "confirm", acknowledged: "the message is spent, its answer waits to be claimed",
        ask: |walk| Request::post(&format!("{RELAY}/idp/confirm"), &[("token", &walk.token), ("decision", "yes")], &walk.cookies),
        first: ToApplication, again: ToApplication, since: &[("claim", Refused)], elsewhere: Refused, spent: None, forgotten: Refused },
    Step { name: "message of another", acknowledged: "nothing", ask: |walk| Request::get(&walk.message, &Cookies::new()),
        first: Refused, again: Refused, since: &[], elsewhere: Refused, spent: None, forgotten: Refused },
    Step { name: "claim", acknowledged: "the reference is spent",
        ask: |walk| walk.claim(&walk.reference),
        first: Claimed, again: Refused, since: &[], elsewhere: Claimed, spent: Some("claim"), forgotten: Refused },
    Step { name: "session", acknowledged: "the session serves", ask: |walk| walk.get(&walk.second),
        first: Question, again: Question, since: &[("logout confirm", ToProvider)],
        elsewhere: ToProvider, spent: None, forgotten: Refused },
    Step { name: "logout", acknowledged: "the question waits", ask: |walk| walk.get(&format!("{RELAY}/logout/{APP}")),
        first: Question, again: Question, since: &[("logout confirm", SignedOut)],
        elsewhere: SignedOut, spent: None, forgotten: SignedOut },
    Step { name: "logout confirm", acknowledged: "the session has ended",
        ask: |walk| Request::post(&format!("{RELAY}/logout/{APP}"), &[("token", &walk.token)], &walk.cookies),
        first: ToProvider, again: ToProvider, since: &[("logout return", SignedOut)],
        elsewhere: AskedAgain, spent: None, forgotten: AskedAgain },
    Step { name: "logout return", acknowledged: "nothing", ask: |walk| walk.get(&walk.returned),
        first: SignedOut, again: SignedOut, since: &[], elsewhere: SignedOut, spent: None, forgotten: SignedOut },
    Step { name: "after logout", acknowledged: "the login waits under its state",
        ask: |walk| Request::get(&walk.third, &walk.signed_in),
        first: ToProvider, again: ToProvider, since: &[], elsewhere: ToProvider, spent: None, forgotten: Refused },
];

/// The place of a step.
pub fn place(name: &str) -> usize {
    STEPS.iter().position(|step| step.name == name).unwrap()
}

impl Step {
    /// What it gets once the step at `reached` was answered, for the first time.
    pub fn next(&self, reached: usize, keeps: Keeps) -> Kind {
        if keeps == Keeps::All { self.first } else { self.repeated(reached, keeps) }
    }

    /// What the same request gets once the step at `reached` was answered.
    pub fn repeated(&self, reached: usize, keeps: Keeps) -> Kind {
        let has = |name: &str| reached >= place(name);
        match (keeps, self.since) {
            (Keeps::Nothing, _) => self.forgotten,
            (Keeps::Marks, _) if self.spent.is_some_and(has) => Refused,
            (Keeps::Marks, _) => self.elsewhere,
            (Keeps::All, since) => {
                since.iter().rev().find(|(name, _)| has(name)).map_or(self.again, |(_, kind)| *kind)
            }
        }
    }

    /// Whether a second success would be a double spend.
    pub fn is_single_use(&self) -> bool {
        self.first != self.again
    }
}

/// The time, in whole seconds, as messages are stamped.
pub fn seconds() -> u64 {
    SystemClock.now().seconds()
}

/// One browser's way through the steps, and what it was told.
#[derive(Clone)]
pub struct Walk {
    app: LegacyApp,
    attempt: Attempt,
    provider: u16,
    pub cookies: Cookies,
    /// The cookies as they were while somebody was signed in.
    signed_in: Cookies,
    message: String,
    second: String,
    third: String,
    returned: String,
    pub token: String,
    pub reference: String,
    /// What was asked so far, each as it was sent.
    pub asked: Vec<Request>,
    /// Where the answer sent the browser.
    pub answer: Option<String>,
}

impl Walk {
    /// A person with a fresh browser, who comes from the application.
    pub fn new(site: &Site) -> Self {
        Self::stamped(site, 0)
    }

    /// The same, from an application whose clock is so many seconds ahead of ours.
    pub fn stamped(site: &Site, ahead: i64) -> Self {
        let now = seconds().saturating_add_signed(ahead);
        let (attempt, message) = site.app.start(now);
        Self {
            attempt,
            message,
            second: site.app.start(now).1,
            third: site.app.start(now).1,
            app: site.app.clone(),
            provider: site.provider,
            cookies: Cookies::new(),
            signed_in: Cookies::new(),
            returned: String::new(),
            token: String::new(),
            reference: String::new(),
            asked: Vec::new(),
            answer: None,
        }
    }

    /// A person with a fresh browser, who comes with this message.
    pub fn with(site: &Site, message: String) -> Self {
        Self { message, ..Self::new(site) }
    }

    fn get(&self, url: &str) -> Request {
        Request::get(url, &self.cookies)
    }

    fn claim(&self, reference: &str) -> Request {
        let credentials = format!("{APP}:{}", self.app.claim_password());
        let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, credentials);
        let authorization = Some(format!("Basic {encoded}"));
        let form = [("ref", reference)];
        Request { authorization, ..Request::post(&format!("{RELAY}/idp/claim"), &form, &Cookies::new()) }
    }

    /// The request of the next step.
    pub fn next(&self) -> Request {
        (STEPS[self.asked.len()].ask)(self)
    }

    /// Takes the answer to `request`, as a browser, the provider and the application would.
    pub fn took(&mut self, mut request: Request, answer: &Answer) -> Kind {
        let kind = Kind::of(answer);
        // Again means: by the browser that had this answer.
        answer.add(&mut request.cookies);
        self.asked.push(request);
        answer.keep(&mut self.cookies);
        let location = answer.location.clone().unwrap_or_default();
        match kind {
            ToProvider => self.returned = self.at_provider(location),
            Question => {
                answer.token().unwrap().clone_into(&mut self.token);
                self.signed_in = self.cookies.clone();
            }
            ToApplication => {
                self.reference = parameter(&location, "info").unwrap();
                self.answer = Some(location);
            }
            Claimed => {
                self.app.accept(&answer.body, &self.attempt);
            }
            SignedOut | AskedAgain | Refused | Kind::Failed => {}
        }
        kind
    }

    /// Follows the provider until it sends the browser back.
    fn at_provider(&mut self, mut url: String) -> String {
        for _ in 0..8 {
            if url.strip_prefix(RELAY).is_some_and(|rest| rest.starts_with('/')) {
                return url;
            }
            let answer = ask(self.provider, &self.get(&url)).unwrap();
            answer.keep(&mut self.cookies);
            let location = answer.location.unwrap_or_else(|| panic!("{}: {}", answer.status, answer.body));
            url = url::Url::parse(&url).unwrap().join(&location).unwrap().into();
        }
        panic!("the provider goes round in circles");
    }

    /// Asks the next step of a node that is there.
    pub fn step(&mut self, port: u16) -> Result<Kind, Silence> {
        let request = self.next();
        let answer = ask(port, &request)?;
        Ok(self.took(request, &answer))
    }

    /// Goes on to the end of the step of this name.
    pub fn through(&mut self, name: &str, port: u16) -> Kind {
        while self.asked.len() < place(name) {
            self.step(port).unwrap();
        }
        self.step(port).unwrap()
    }

    /// Sends every step so far again; each must come as it should.
    pub fn repeat_all(&self, port: u16, keeps: Keeps, context: &str) {
        let reached = self.asked.len() - 1;
        for (step, request) in STEPS.iter().zip(&self.asked) {
            let mut request = request.clone();
            // The browser reloads: with the session that it has by now.
            if step.name == "begin" {
                request.cookies = self.cookies.clone();
            }
            let answer = ask(port, &request).unwrap();
            let (kind, right) = (Kind::of(&answer), step.repeated(reached, keeps));
            assert_eq!(kind, right, "{context}: `{}` again, after `{}`", step.name, STEPS[reached].name);
            if kind == ToApplication {
                assert_eq!(answer.location, self.answer, "{context}: the same answer, not another");
            }
        }
    }
}
