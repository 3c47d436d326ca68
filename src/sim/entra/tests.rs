//! The fake tenant, asked as a client would ask it.
#![expect(clippy::unwrap_used, reason = "tests fail loudly")]

mod delta;
mod history;
mod login;
mod reads;

use serde_json::Value;

use super::*;
use crate::sim::world::{GeneratorOptions, generate};

const NOW: u64 = 1_795_000_000;

/// A tenant, its endpoints, and a client that has a token.
struct Bench {
    world: World,
    entra: Entra,
    token: String,
    prefer: Option<&'static str>,
}

impl Bench {
    fn new(seed: u64) -> Self {
        let options =
            GeneratorOptions { users: 20, groups: 5, memberships: 60, seed, ..Default::default() };
        let mut entra = Entra::new(EntraOptions { seed, ..Default::default() });
        let world = generate(&options);
        let token = login::fresh_token(&mut entra, &world);
        Self { world, entra, token, prefer: None }
    }

    /// Sends a GET with the bearer token; absolute links are taken to lead to us.
    fn get(&mut self, target: &str) -> Response {
        self.get_with(target, &[])
    }

    fn get_with(&mut self, target: &str, headers: &[(&str, &str)]) -> Response {
        let target = target.strip_prefix(&self.entra.options.graph_url).unwrap_or(target);
        let authorization = format!("Bearer {}", self.token);
        let mut all = vec![("authorization", authorization.as_str())];
        all.extend(self.prefer.map(|prefer| ("prefer", prefer)));
        all.extend(headers);
        let headers =
            all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let request = Request {
            method: "GET".to_owned(),
            target: target.to_owned(),
            headers,
            body: Vec::new(),
        };
        self.entra.handle(&self.world, &request, NOW)
    }

    /// The body of a request that succeeds.
    fn read(&mut self, target: &str) -> Value {
        let response = self.get(target);
        assert_eq!(response.status, 200, "{target}: {}", String::from_utf8_lossy(&response.body));
        json(&response)
    }

    /// The status and error code of a request that does not.
    fn refusal(&mut self, target: &str) -> (u16, String) {
        let response = self.get(target);
        let code = json(&response)["error"]["code"].as_str().unwrap().to_owned();
        (response.status, code)
    }

    /// All pages from `start` on, and the delta link at the end.
    fn round(&mut self, start: &str) -> (Vec<Value>, String) {
        let (mut pages, mut target) = (Vec::new(), start.to_owned());
        loop {
            let page = self.read(&target);
            pages.push(page);
            let page = pages.last().unwrap();
            match (page.get("@odata.nextLink"), page.get("@odata.deltaLink")) {
                (Some(next), None) => next.as_str().unwrap().clone_into(&mut target),
                (None, Some(delta)) => {
                    let delta = delta.as_str().unwrap().to_owned();
                    return (pages, delta);
                }
                _ => unreachable!("a page has one link"),
            }
            assert!(pages.len() < 5_000, "the round does not end");
        }
    }
}

fn json(response: &Response) -> Value {
    serde_json::from_slice(&response.body).unwrap()
}

/// The objects of all pages.
fn objects(pages: &[Value]) -> Vec<Value> {
    pages.iter().flat_map(|page| page["value"].as_array().unwrap()).cloned().collect()
}
