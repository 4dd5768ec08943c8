// The signup, tested in a sandbox: real verification, offline, in moments.
//
//     npm install && indicia sandbox -- npm test

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { beforeEach, test } from "node:test";

import { register, standing } from "./signup.js";

const sandbox = `${process.env.AWS_ENDPOINT_URL_SESV2}/indicia/v1/sandbox`;

/** Steers the sandbox: its DNS, its clock, its mail. */
async function steer(method, place, body) {
  const headers = { "content-type": "application/json" };
  const sent = method === "GET" ? undefined : JSON.stringify(body ?? {});
  const answer = await fetch(`${sandbox}/${place}`, { method, headers, body: sent });
  assert.ok(answer.ok, `${method} ${place} answered ${answer.status}`);
  return answer.json();
}

/** Publishes a domain's records as a person at a shell would. */
function publish(...words) {
  execFileSync("indicia", ["sandbox", "publish", ...words]);
}

beforeEach(() => steer("POST", "reset"));

test("a domain becomes a sender when its records are published", async () => {
  const { records } = await register("shop.example");
  const before = await standing("shop.example");
  for (const { name, type, value } of records) {
    await steer("PUT", "records", { name, type, values: [value] });
  }

  assert.deepEqual([before.maySend, before.status], [false, "PENDING"]);
  assert.deepEqual(await standing("shop.example"), { maySend: true, status: "SUCCESS", problem: null });
});

test("a panel that appends the zone is told, and mended it is forgotten", async () => {
  await register("shop.example");
  publish("shop.example", "--break", "DOUBLED_ZONE");
  const wrong = await standing("shop.example");
  publish("shop.example");

  assert.deepEqual(wrong, { maySend: false, status: "PENDING", problem: "HOST_NOT_FOUND" });
  assert.equal((await standing("shop.example")).maySend, true);
});

test("a customer who never publishes has failed after three days", async () => {
  await register("forgotten.example");
  await steer("POST", "clock", { advance: "73h" });

  assert.equal((await standing("forgotten.example")).status, "FAILED");
});

test("an address becomes a sender by the link in its mail", async () => {
  await register("ada@shop.example");
  const { mails } = await steer("GET", "outbox");
  const [link] = mails[0].links;
  const answer = await fetch(link, { method: "POST" });

  assert.deepEqual(mails[0].to, ["ada@shop.example"]);
  assert.ok(answer.ok);
  assert.equal((await standing("ada@shop.example")).maySend, true);
});

test("what is no domain, what is there already and what is not there is said", async () => {
  const bad = await register("-shop-.example");
  await register("shop.example");
  const twice = await register("shop.example");

  assert.ok(bad.problem);
  assert.equal(twice.problem, "shop.example is registered already");
  assert.equal((await standing("nobody.example")).problem, "nobody.example is not registered");
});
