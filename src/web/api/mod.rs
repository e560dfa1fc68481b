//! The JSON door. Every file is one use case: read the body, call, shape the answer.

pub mod answer;
pub mod elevate;
pub mod jwks;
pub mod logout;
pub mod me;
pub mod register;
pub mod token;
pub mod token_otp;
pub mod two_factor_email;
pub mod two_factor_recovery;
pub mod two_factor_totp;
pub mod verify_email;

use answer::said;
