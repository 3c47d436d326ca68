//! The transport of the running service: the only place that sends for real.
