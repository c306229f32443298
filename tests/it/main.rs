//! Journeys and bad inputs, through the door.

mod harness;

mod callback_inputs;
mod claim_inputs;
mod connections;
mod coverage;
mod every_endpoint;
mod idp_inputs;
mod journeys;
mod logout_inputs;
mod sessions;
mod silence;
mod vectors;
