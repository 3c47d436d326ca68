//! The plain request and response that the fakes answer with.
//!
//! These types belong to the simulator alone: the clients have their own, so that a misspelt header or
//! field cannot cancel out on both sides.

/// One HTTP request as it reached a fake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Upper-case method, for example `GET`.
    pub method: String,
    /// Path with query as sent on the wire, percent-encoded, for example `/v1.0/users/delta?$select=id`.
    pub target: String,
    /// Header names in lower case with their values.
    pub headers: Vec<(String, String)>,
    /// Body bytes; empty where there is none.
    pub body: Vec<u8>,
}

/// What a fake answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Status code, for example 200.
    pub status: u16,
    /// Header names in lower case with their values.
    pub headers: Vec<(String, String)>,
    /// Body bytes; empty where there is none.
    pub body: Vec<u8>,
}

impl Request {
    /// First value of the header `name` (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl Response {
    /// First value of the header `name` (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}
