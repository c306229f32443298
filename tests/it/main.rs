//! Journeys and bad inputs, through the door.

#[cfg(test)]
mod harness;

#[cfg(test)]
mod aliases;
#[cfg(test)]
mod callback_inputs;
#[cfg(test)]
mod claim_inputs;
#[cfg(test)]
mod clock_steps;
#[cfg(test)]
mod connections;
#[cfg(test)]
mod cookies;
#[cfg(test)]
mod coverage;
#[cfg(test)]
mod every_endpoint;
#[cfg(test)]
mod fault_reactions;
#[cfg(test)]
mod field;
#[cfg(test)]
mod field_sessions;
#[cfg(test)]
mod floods;
#[cfg(test)]
mod franceconnect_v1;
#[cfg(test)]
mod fuzz_corpus;
#[cfg(test)]
mod idp_inputs;
#[cfg(test)]
mod journeys;
#[cfg(test)]
mod keyring;
#[cfg(test)]
mod logout_inputs;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod one_answer;
#[cfg(test)]
mod one_logout;
#[cfg(test)]
mod providers;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod shared_store;
#[cfg(test)]
mod silence;
#[cfg(test)]
mod soak;
#[cfg(test)]
mod stalled;
#[cfg(test)]
mod true_pages;
#[cfg(test)]
mod kif_log;
#[cfg(test)]
mod kif_vectors;
#[cfg(test)]
mod other_wires;
#[cfg(test)]
mod repeats;
#[cfg(test)]
mod upgrade;
#[cfg(test)]
mod vectors;
#[cfg(test)]
mod weak_wires;
