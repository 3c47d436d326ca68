//! TARGET EDGE: speaks SCIM 2.0 (RFC 7643, RFC 7644) to one platform.

pub mod dialect;
