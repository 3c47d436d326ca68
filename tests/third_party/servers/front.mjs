// The HTTP side of a SCIM server written in JavaScript: a free loopback port, the URL on stdout, and refusals on demand.
//
//     --port-file FILE      receives the base URL once requests are answered, whole or not at all
//     --token TOKEN         bearer token to ask for; "third-party" unless given
//     --refuse-create TEXT  a POST whose body holds TEXT is answered with 403, as for an account that is protected
//     --fail-change TEXT    a PATCH or PUT of what was created by a body that holds TEXT is answered with 500
//     --seconds N           ends by itself after N seconds; 600 unless given

import { createServer } from "node:http";
import { createRequire } from "node:module";
import { renameSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";

// The packages are installed apart from this file (setup.sh), where an import would not look for them.
export const require = createRequire(new URL("../../../target/third-party/servers/", import.meta.url));

const { values } = parseArgs({
  options: {
    "port-file": { type: "string" },
    token: { type: "string", default: "third-party" },
    "refuse-create": { type: "string" },
    "fail-change": { type: "string" },
    seconds: { type: "string", default: "600" },
  },
});
export const token = values.token;

function scimError(status, detail) {
  const body = { schemas: ["urn:ietf:params:scim:api:messages:2.0:Error"], status: String(status), detail };
  return { status, headers: { "content-type": "application/scim+json" }, body: JSON.stringify(body) };
}

// serve(path, answer) serves below `path`, and at /front/writes how many requests other than GET there were.
// answer({ method, url, headers, body }) gives { status, headers, body }, all text.
export function serve(path, answer) {
  const failing = new Set();
  let writes = 0;
  const handle = async (request) => {
    const { method, url, body } = request;
    if (url === "/front/writes") {
      return { status: 200, headers: { "content-type": "application/json" }, body: JSON.stringify({ writes }) };
    }
    if (method !== "GET") writes += 1;
    if (values["refuse-create"] && method === "POST" && body.includes(values["refuse-create"])) {
      return scimError(403, "this resource is protected");
    }
    if (["PATCH", "PUT"].includes(method) && failing.has(url.split(/[?/]/).at(-1))) {
      return scimError(500, "internal error");
    }
    const answered = await answer(request);
    if (values["fail-change"] && method === "POST" && body.includes(values["fail-change"])) {
      failing.add(JSON.parse(answered.body).id);
    }
    return answered;
  };
  const server = createServer(async (incoming, outgoing) => {
    const chunks = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const request = {
      method: incoming.method,
      url: incoming.url,
      headers: incoming.headers,
      body: Buffer.concat(chunks).toString(),
    };
    // The text of an error may hold people's data: it is not written out.
    const answered = await handle(request).catch(() => scimError(500, "internal error"));
    outgoing.writeHead(answered.status, answered.headers).end(answered.body);
  });
  server.listen(0, "127.0.0.1", () => {
    const url = `http://127.0.0.1:${server.address().port}${path}`;
    writeFileSync(`${values["port-file"]}.new`, `${url}\n`);
    renameSync(`${values["port-file"]}.new`, values["port-file"]);
    process.stdout.write(`${url}\n`);
  });
  process.on("SIGTERM", () => process.exit(0));
  setTimeout(() => process.exit(0), Number(values.seconds) * 1000);
}
