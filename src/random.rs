//! The randomness port: jitter and request ids, from a seed where a test wants them repeatable.

use std::sync::{Mutex, PoisonError};

/// A source of random numbers that several tasks may share.
#[derive(Debug)]
pub struct Random(Mutex<fastrand::Rng>);

/// Fills `bytes` with what the system holds to be fit for secrets.
///
/// # Errors
/// When the system has none, which no Linux since 2017 says.
pub fn fill(bytes: &mut [u8]) -> std::io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let count = rustix::rand::getrandom(&mut *rest, rustix::rand::GetRandomFlags::empty())?;
        rest = rest.split_at_mut(count).1;
    }
    Ok(())
}

impl Random {
    /// Numbers that only the seed decides.
    pub fn seeded(seed: u64) -> Self {
        Self(Mutex::new(fastrand::Rng::with_seed(seed)))
    }

    /// Numbers that nobody can repeat. Not for secrets.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that seeds from the system"
    )]
    pub fn system() -> Self {
        Self(Mutex::new(fastrand::Rng::new()))
    }

    /// A number below `bound`; 0 when the bound is 0.
    pub fn below(&self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.with(|rng| rng.u64(0..bound)) }
    }

    /// A random version 4 GUID in text, for request ids.
    pub fn guid(&self) -> String {
        let bits = self.with(|rng| rng.u128(..));
        uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid().to_string()
    }

    fn with<T>(&self, draw: impl FnOnce(&mut fastrand::Rng) -> T) -> T {
        draw(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
