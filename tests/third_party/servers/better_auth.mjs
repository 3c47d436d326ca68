// Runs the SCIM plugin of Better Auth, empty and in memory: see front.mjs for the options.

import { require, serve, token } from "./front.mjs";

const load = async (name) => import(require.resolve(name));
const { betterAuth } = await load("better-auth");
const { getMigrations } = await load("better-auth/db/migration");
const { scim } = await load("@better-auth/scim");
const Database = require("better-sqlite3");

const options = {
  baseURL: "http://127.0.0.1",
  secret: "only-for-tests-only-for-tests-only-for-tests",
  database: new Database(":memory:"),
  logger: { disabled: true },
  telemetry: { enabled: false },
  rateLimit: { enabled: false },
  plugins: [scim({ connections: [{ id: "asker", credentials: [{ type: "bearer", id: "one", token }] }] })],
};
const { runMigrations } = await getMigrations(options);
await runMigrations();
const auth = betterAuth(options);

serve("/api/auth/scim/v2", async ({ method, url, headers, body }) => {
  const request = new Request(`http://127.0.0.1${url}`, {
    method,
    headers,
    body: ["GET", "HEAD"].includes(method) || body === "" ? undefined : body,
  });
  const response = await auth.handler(request);
  return {
    status: response.status,
    headers: Object.fromEntries(response.headers),
    body: await response.text(),
  };
});
