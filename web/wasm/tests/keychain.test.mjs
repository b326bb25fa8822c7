// The module as the browser gets it, against the server's side of the password protocol in Rust
// (e2ee/examples/password_server.rs). Needs the generated module in web/src/generated/wasm, and the Rust tests compiled.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import * as e2ee from "../../src/generated/wasm/wasm.js";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const wasm = new URL("../../src/generated/wasm/wasm_bg.wasm", import.meta.url);
const password = "correct horse battery";

let server;

before(async () => {
  e2ee.initSync({ module: await readFile(wasm) });
  server = passwordServer();
});

after(() => server.stop());

test("two accounts exchange messages, and the password alone opens everything again", async (t) => {
  const alice = await register("alice");
  const bob = await register("bob");
  const { conversation, epoch, entry } = meet(alice, bob);

  const id = randomUUID();
  const text = JSON.stringify({ type: "text", body: "Bonjour, ça va ? 👋" });
  const envelope = alice.keychain.seal(conversation, epoch, id, 1, null, text);
  const opened = bob.keychain.open(conversation, alice.account, envelope, 1, null, id);
  assert.equal(opened, text);

  const vault = bob.keychain.vault();
  const started = performance.now();
  const login = e2ee.Login.start(password);
  const response = await server.ask("login-start", "bob", login.request);
  assert.equal(await server.ask("login-finish", "bob", login.finish("bob", response)), "ok");
  const elsewhere = login.unlock({ ...bob.served, vault });
  t.diagnostic(`log-in: ${Math.round(performance.now() - started)} ms`);
  assert.deepEqual(elsewhere.load_keyring([entry]), { loaded: 1, unreadable: [] });
  assert.equal(elsewhere.open(conversation, alice.account, envelope, 1, null, id), text);
  assert.equal(elsewhere.safety_number(alice.account), alice.keychain.safety_number(bob.account));
});

test("a wrong password gives its error and nothing else", async () => {
  await register("carol");
  for (const handle of ["carol", "nobody"]) {
    const login = e2ee.Login.start("wrong horse battery");
    const response = await server.ask("login-start", handle, login.request);
    throwsCode("wrong_credentials", () => login.finish(handle, response));
  }
});

test("a reloaded page opens with the share of its session, and with no other", async () => {
  const { keychain, served } = await register("dave");
  const session = randomUUID();
  const share = randomBytes(32).toString("base64url");
  const sealed = keychain.seal_for_reload(session, share);
  const kept = keychain.seal_local("outbox", new Uint8Array([1, 2, 3]));

  const again = e2ee.Keychain.open_from_reload({ ...served, session, share, sealed });
  assert.equal(again.account(), keychain.account());
  assert.deepEqual(again.open_local("outbox", kept), new Uint8Array([1, 2, 3]));
  throwsCode("not_authentic", () => again.open_local("index", kept));
  const other = randomBytes(32).toString("base64url");
  throwsCode("not_authentic", () => e2ee.Keychain.open_from_reload({ ...served, session, share: other, sealed }));
});

test("what was changed on the way, and what cannot be read, is thrown with a code", async () => {
  const erin = await register("erin");
  const frank = await register("frank");
  throwsCode("peer_not_pinned", () => erin.keychain.create_epoch(frank.account, null, Date.now()));
  const { conversation, epoch, entry } = meet(erin, frank);
  const id = randomUUID();
  const envelope = erin.keychain.seal(conversation, epoch, id, 1, null, "{}");
  const open = (changes) => {
    const of = { sender: erin.account, kind: 1, target: null, id, envelope, ...changes };
    return frank.keychain.open(conversation, of.sender, of.envelope, of.kind, of.target, of.id);
  };
  assert.equal(open({}), "{}");
  throwsCode("not_authentic", () => open({ sender: frank.account }));
  throwsCode("not_authentic", () => open({ kind: 2, target: id }));
  throwsCode("not_authentic", () => open({ id: randomUUID() }));
  throwsCode("unsupported_version", () => open({ envelope: "Ag" + envelope.slice(2) }));
  throwsCode("bad_envelope", () => open({ envelope: envelope.slice(0, 20) }));
  throwsCode("bad_answer", () => open({ envelope: "no base64!" }));
  throwsCode("unknown_epoch", () => erin.keychain.seal(conversation, randomUUID(), id, 1, null, "{}"));
  throwsCode("password_too_short", () => e2ee.Registration.start("too short"));

  const stranger = await register("grace");
  assert.equal(stranger.keychain.load_keyring([entry]).unreadable.length, 1);
  const changed = { ...stranger.served.key_bundle };
  throwsCode("bad_key_bundle", () => erin.keychain.pin(frank.account, "frank", changed, Date.now()));
});

test("a passkey opens its slot with the 32 bytes it gives, and with no others", async () => {
  const { keychain, served } = await register("ivan");
  const output = randomBytes(32);
  const slot = keychain.add_passkey(output, Date.now());
  assert.equal(slot.kind, "passkey");
  const again = e2ee.Keychain.unlock_with_passkey(output, { ...served, slot });
  assert.equal(again.account(), keychain.account());
  throwsCode("not_authentic", () => e2ee.Keychain.unlock_with_passkey(randomBytes(32), { ...served, slot }));
  throwsCode("bad_argument", () => e2ee.Keychain.unlock_with_passkey(randomBytes(31), { ...served, slot }));
  throwsCode("bad_argument", () => keychain.add_passkey(new Uint8Array(), Date.now()));
});

test("the recovery code is seven groups of four", async () => {
  const { recovery_code: code } = await register("heidi");
  assert.match(code, /^([0-9A-HJKMNP-TV-Z]{4}-){6}[0-9A-HJKMNP-TV-Z]{4}$/);
});

async function register(handle) {
  const registration = e2ee.Registration.start(password);
  const response = await server.ask("register-start", handle, registration.request);
  const account = randomUUID();
  const registered = registration.finish(handle, account, response, Date.now());
  const { material } = registered;
  assert.equal(await server.ask("register-finish", handle, material.record), "ok");
  const slot = material.slots.find((slot) => slot.kind === "password");
  const served = { account, handle, slot, vault: material.vault, key_bundle: material.key_bundle };
  return { ...registered, account, served };
}

/** Both pin each other, the first one makes the epoch, the second one adopts it. */
function meet(one, other) {
  for (const [here, there] of [[one, other], [other, one]]) {
    const { account, handle, key_bundle } = there.served;
    assert.equal(here.keychain.pin(account, handle, key_bundle, Date.now()), "new");
    assert.equal(here.keychain.pin(account, handle, key_bundle, Date.now()), "known");
  }
  const conversation = one.keychain.conversation_id(other.account);
  const now = Date.now();
  const created = one.keychain.create_epoch(other.account, null, now);
  const adopted = other.keychain.adopt_epoch(one.account, created.grant, null);
  assert.equal(adopted.epoch, created.epoch);
  assert.equal(adopted.number, 1);
  assert.deepEqual([created.created_at, adopted.created_at], [now, now]);
  const entry = { conversation, epoch: adopted.epoch, box: adopted.keyring };
  return { conversation, epoch: created.epoch, entry };
}

function throwsCode(code, action) {
  assert.throws(action, (error) => error instanceof Error && error.code === code, `not ${code}`);
}

function passwordServer() {
  const program = spawn(`${root}target/debug/examples/password_server`, { stdio: ["pipe", "pipe", "inherit"] });
  const answers = createInterface({ input: program.stdout })[Symbol.asyncIterator]();
  return {
    async ask(...words) {
      program.stdin.write(words.join(" ") + "\n");
      const { value, done } = await answers.next();
      assert.ok(!done, "the password server has ended");
      return value;
    },
    stop: () => program.stdin.end(),
  };
}
