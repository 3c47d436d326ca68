// Runs the SCIM side of Ory Polis (the package @boxyhq/saml-jackson), empty and in memory: see front.mjs for the options.

import { require, serve, token } from "./front.mjs";

const { controllers } = require("@boxyhq/saml-jackson");

const silent = { error: () => {}, info: () => {}, warn: () => {} };
const jackson = await controllers({
  externalUrl: "http://127.0.0.1",
  samlAudience: "https://polis.example.no",
  samlPath: "/api/oauth/saml",
  scimPath: "/api/scim/v2.0",
  db: { engine: "sql", type: "sqlite", url: ":memory:" },
  logger: silent,
  noAnalytics: true,
});
const sync = jackson.directorySyncController;
const { data: directory, error } = await sync.directories.create({
  tenant: "asker.example.no",
  product: "intranet",
  name: "Asker",
  type: "generic-scim-v2",
});
if (error) throw new Error(error.message);

serve(`/api/scim/v2.0/${directory.id}`, async ({ method, url, headers, body }) => {
  const { pathname, searchParams } = new URL(url, "http://127.0.0.1");
  const [resourceType = "", resourceId] = pathname.split("/").slice(5).map(decodeURIComponent);
  const number = (name) => (searchParams.has(name) ? Number(searchParams.get(name)) : undefined);
  const given = (headers.authorization ?? "").replace(/^Bearer /, "");
  const answered = await sync.requests.handle({
    method,
    body: body === "" ? undefined : JSON.parse(body),
    directoryId: directory.id,
    resourceType,
    resourceId,
    // Polis makes up its own secret; the test knows the token of the command line.
    apiSecret: given === token ? directory.scim.secret : "-".repeat(directory.scim.secret.length),
    query: {
      count: number("count"),
      startIndex: number("startIndex"),
      filter: searchParams.get("filter") ?? undefined,
    },
  });
  return {
    status: answered.status,
    headers: { "content-type": "application/json" },
    body: JSON.stringify(answered.data ?? {}),
  };
});
