// The stock @segment/analytics-node, unchanged, against a whole intake on real servers.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { Analytics } from "@segment/analytics-node";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const PYTHON = [".venv/bin/python", ".venv/Scripts/python.exe"].map((path) => ROOT + path).find(existsSync) ?? "python3";
const AT = new Date("2026-11-22T08:15:00.000Z");

let server;
let lines;
let intake;

async function next() {
  const { value, done } = await lines.next();
  assert.ok(!done, "the server ended");
  return JSON.parse(value);
}

async function events(count) {
  const found = {};
  for (let n = 0; n < count; n++) {
    const event = await next();
    found[event.data.name] = event;
  }
  return found;
}

before(async () => {
  server = spawn(PYTHON, ["-m", "tests.clients.serve"], { cwd: ROOT, stdio: ["pipe", "pipe", "inherit"] });
  lines = createInterface({ input: server.stdout })[Symbol.asyncIterator]();
  intake = await next();
});

after(async () => {
  const exited = once(server, "exit");
  server.stdin.end();
  const [code] = await exited;
  assert.equal(code, 0);
});

function client(writeKey) {
  const failures = [];
  const { origin, pathname } = new URL(intake.url);
  // An absolute path is how the SDK is told of an address below the root of a host.
  const analytics = new Analytics({ writeKey, host: origin, path: `${pathname}/v1/batch`, maxRetries: 1 });
  analytics.on("error", (error) => failures.push(error));
  return { analytics, failures };
}

test("every call of the stock SDK becomes its event", async () => {
  const { analytics, failures } = client(intake.key);

  analytics.identify({
    userId: "user-88",
    anonymousId: "a1b2c3",
    traits: { name: "Matti Virtanen", email: "Matti@example.fi" },
    timestamp: AT,
  });
  analytics.track({
    userId: "user-88",
    event: "Order Completed",
    properties: {
      order_id: "1001",
      total: 129.9,
      currency: "EUR",
      products: [{ sku: "KAHVI-500", name: "Kahvi 500 g", price: 8.95, quantity: 2 }],
    },
    timestamp: AT,
  });
  analytics.page({ userId: "user-88", name: "Etusivu", properties: { url: "https://example.fi/" }, timestamp: AT });
  analytics.screen({ userId: "user-88", name: "Aloitus", timestamp: AT });
  analytics.group({ userId: "user-88", groupId: "0123456-7", traits: { name: "Kahvila Aalto Oy" }, timestamp: AT });
  analytics.alias({ userId: "user-88", previousId: "a1b2c3", timestamp: AT });
  await analytics.closeAndFlush();

  const found = await events(6);
  assert.deepEqual(failures, []);
  assert.deepEqual(Object.keys(found).sort(), ["alias", "group", "identify", "page_view", "purchase", "screen_view"]);
  for (const event of Object.values(found)) {
    assert.equal(event.data.record.key, "user-88");
    assert.equal(event.data.record.kind, "external_id");
    assert.equal(event.data.original_time, "2026-11-22T08:15:00Z");
  }
  assert.deepEqual(found.identify.data.fields, { full_name: "Matti Virtanen", email: "matti@example.fi" });
  assert.equal(found.identify.data.links[0].key, "a1b2c3");
  assert.deepEqual(found.purchase.data.amount, { minor: 12990, currency: "EUR" });
});

test("a key that nobody knows reaches the SDK's error handler", async () => {
  const { analytics, failures } = client("tuttu_0000000000_x");

  analytics.track({ userId: "user-88", event: "Klikkaus", timestamp: AT });
  await analytics.closeAndFlush();

  assert.equal(failures.length, 1);
  assert.match(String(failures[0].reason), /401/);
});
