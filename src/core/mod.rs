//! PURE. No async, clock, randomness, logging, file or network; functions return values and findings.

#[cfg(test)]
mod cases;
pub mod coverage;
pub mod derive;
pub mod expression;
pub mod judge;
pub mod mirror;
pub mod model;
pub mod ownership;
pub mod plan;
pub mod policy;
pub mod report;
pub mod rules;
pub mod survey;
pub mod visible;
pub mod words;
