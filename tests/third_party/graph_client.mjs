// Walks users/delta and groups/delta with Microsoft's own JavaScript client:
//
//     NODE_EXTRA_CA_CERTS=ca.pem node graph_client.mjs GRAPH_URL TOKEN [USERS_DELTA_LINK GROUPS_DELTA_LINK]
//
// GRAPH_URL is an https origin: the client takes absolute links for its own only if they are https.
// Prints {users: [ids], removedUsers: [ids], groups: [{id, members: [ids]}], removedGroups: [ids],
// deltaLink: {users, groups}}, everything sorted. Retrying 429 and 503 is the client's own affair.

import { createRequire } from "node:module";

// The packages are installed apart from this file (setup.sh), where an import would not look for them.
const require = createRequire(new URL("../../target/third-party/node/", import.meta.url));
const { Client, PageIterator } = require("@microsoft/microsoft-graph-client");

const [graphUrl, token, usersLink, groupsLink] = process.argv.slice(2);
if (!graphUrl?.startsWith("https://") || !token) {
  console.error("usage: graph_client.mjs GRAPH_URL TOKEN [USERS_DELTA_LINK GROUPS_DELTA_LINK]");
  process.exit(64);
}

const client = Client.init({
  baseUrl: `${graphUrl.replace(/\/$/, "")}/`,
  customHosts: new Set([new URL(graphUrl).hostname]),
  authProvider: (done) => done(null, token),
});

async function walk(link, visit) {
  const first = await client.api(link).get();
  const pages = new PageIterator(client, first, (item) => {
    visit(item);
    return true;
  });
  await pages.iterate();
  if (!pages.isComplete() || !pages.getDeltaLink()) {
    throw new Error(`the round of ${link} ended without a delta link`);
  }
  return pages.getDeltaLink();
}

const users = new Set();
const removedUsers = new Set();
const groups = new Map();
const removedGroups = new Set();

const deltaLink = {
  users: await walk(usersLink ?? "/users/delta?$select=id,displayName,accountEnabled", (user) => {
    (user["@removed"] ? removedUsers : users).add(user.id);
    (user["@removed"] ? users : removedUsers).delete(user.id);
  }),
  groups: await walk(groupsLink ?? "/groups/delta?$select=id,displayName,members", (group) => {
    if (group["@removed"]) {
      groups.delete(group.id);
      removedGroups.add(group.id);
      return;
    }
    removedGroups.delete(group.id);
    // A group comes in pieces: each appearance adds to what came before.
    const members = groups.get(group.id) ?? new Set();
    groups.set(group.id, members);
    for (const member of group["members@delta"] ?? []) {
      members[member["@removed"] ? "delete" : "add"](member.id);
    }
  }),
};

const result = {
  users: [...users].sort(),
  removedUsers: [...removedUsers].sort(),
  groups: [...groups].map(([id, members]) => ({ id, members: [...members].sort() })),
  removedGroups: [...removedGroups].sort(),
  deltaLink,
};
result.groups.sort((left, right) => (left.id < right.id ? -1 : 1));
console.log(JSON.stringify(result));
