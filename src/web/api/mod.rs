//! The JSON door. Every file is one use case: read the body, call, shape the answer.

pub mod activity;
pub mod admin;
mod answer;
pub mod bootstrap;
pub mod change_email;
pub mod change_password;
pub mod deletion;
pub mod devices;
pub mod elevate;
pub mod export;
pub mod jwks;
pub mod logout;
pub mod me;
pub mod not_me;
pub mod openapi;
pub mod password_reset;
pub mod profile;
pub mod register;
pub mod sessions;
pub mod token;
pub mod token_otp;
pub mod two_factor_email;
pub mod two_factor_recovery;
pub mod two_factor_totp;
pub mod unlock;
pub mod verify_email;
