//! The JSON door. Every file is one use case: read the body, call, shape the answer.

mod answer;
pub mod jwks;
pub mod logout;
pub mod me;
pub mod openapi;
pub mod register;
pub mod token;
pub mod verify_email;
