//! The one integration binary: a real gateway, a raw upstream, raw sockets. `support` is the stage; each other file is a
//! group of cases, named by the ids of the security page where one applies.

mod browser;
mod browser_driver;
mod client;
mod flows;
mod flows_binary;
mod flows_client;
mod flows_mail;
mod flows_pages;
mod flows_process;
mod flows_races;
mod flows_sessions;
mod guard;
mod hosts;
mod identity;
mod identity_values;
mod jwt;
mod jwt_forge;
mod jwt_forms;
mod jwt_use;
mod keys;
mod leftovers;
mod metrics;
mod paths;
mod refresh_answers;
mod sessions;
mod streaming;
mod support;
mod upstream_python;
