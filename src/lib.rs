//! Manntall keeps the accounts of a collaboration platform true to Microsoft Entra ID.

pub mod sim;
