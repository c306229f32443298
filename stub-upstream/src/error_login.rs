//! Logins that are error codes, as in the providers' own test environments: whoever types `E010004` gets the
//! page that the provider shows then, with its link back to the service.

/// One login.
pub(crate) struct ErrorLogin {
    /// What follows the letter.
    pub(crate) number: &'static str,
    pub(crate) status: u16,
    /// What the link back says (RFC 6749, section 4.1.2.1).
    pub(crate) error: &'static str,
    pub(crate) about: &'static str,
}

macro_rules! logins {
    ($($number:literal $status:literal $error:literal $about:literal;)*) => {
        /// Every one.
        pub(crate) const ERROR_LOGINS: &[ErrorLogin] = &[
            $(ErrorLogin { number: $number, status: $status, error: $error, about: $about },)*
        ];
    };
}

logins! {
    "010004" 403 "access_denied" "The civil registry finds one person, under another spelling";
    "010006" 403 "access_denied" "The civil registry finds several persons";
    "010007" 403 "access_denied" "The civil registry finds the person by the usage name only";
    "010008" 403 "access_denied" "The civil registry does not find the person";
    "010009" 403 "access_denied" "The civil registry refuses the question";
    "010011" 504 "temporarily_unavailable" "The civil registry does not answer in time";
    "010012" 504 "temporarily_unavailable" "The civil registry cannot be reached";
    "010013" 400 "server_error" "The civil registry's answer is malformed";
    "010015" 403 "access_denied" "The person is recorded as deceased";
    "010016" 403 "access_denied" "The civil registry refuses the identity";
    "020005" 500 "server_error" "The identity provider's answer lacks sub";
    "020007" 502 "server_error" "The identity provider answers with text instead of JSON";
    "020008" 502 "server_error" "The identity provider answers 401";
    "020009" 502 "server_error" "The identity provider answers 500";
    "020010" 502 "server_error" "The identity provider answers 502";
    "020011" 502 "server_error" "The identity provider answers 503";
    "020018" 504 "temporarily_unavailable" "The identity provider answers too late";
    "020023" 403 "access_denied" "The identity provider is not allowed for this service";
    "100011" 403 "access_denied" "The person blocked this identity provider";
    "180001" 403 "access_denied" "The person disabled the account";
    "190001" 401 "access_denied" "The session was not found";
    "420001" 400 "access_denied" "The page was reloaded, or the browser went back";
    "500015" 400 "access_denied" "Employees of the private sector are refused (ProConnect)";
    "600006" 400 "server_error" "The identity is incomplete: no gender, no e-mail address, or a bad code";
}

impl ErrorLogin {
    /// Everything about it, for machines.
    pub(crate) fn described(&self) -> serde_json::Value {
        let login = format!("E{}", self.number);
        serde_json::json!({ "login": login, "status": self.status, "error": self.error, "about": self.about })
    }

    /// The one that was typed: `E…` or `Y…`, in either case.
    pub(crate) fn find(login: &str) -> Option<&'static Self> {
        let number = login.strip_prefix(['E', 'e', 'Y', 'y'])?;
        ERROR_LOGINS.iter().find(|known| known.number == number)
    }
}
