//! On real servers: time-outs, restarts, failover, TLS.
