// The official JavaScript client (@nats-io/transport-node) through every case of
// tests/interop/cases.py.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import readline from "node:readline";
import { connect as dial, deadline, errors, headers as newHeaders } from "@nats-io/transport-node";

const { version } = createRequire(import.meta.url)("@nats-io/transport-node/package.json");
let checks = 0;
let input;

function check(holds, message) {
  checks++;
  if (!holds) throw new Error(message);
}

function equal(got, expected, what) {
  checks++;
  assert.deepStrictEqual(
    got,
    expected,
    `${what}: got ${JSON.stringify(got)?.slice(0, 2000)}, expected ` +
      JSON.stringify(expected)?.slice(0, 2000),
  );
}

const say = (document) => process.stdout.write(JSON.stringify(document) + "\n");
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const count = (n, from = 0) => Array.from({ length: n }, (_, index) => from + index);

async function step(name, facts = {}) {
  input ??= readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  say({ step: name, ...facts });
  const { value } = await input.next();
  check(value === "go", `the driver said ${value}`);
}

const connect = (task, options = {}) => dial({ servers: task.url, timeout: 10_000, ...options });

async function collect(subscription, number, timeout = 20_000) {
  const messages = [];
  const read = (async () => {
    while (messages.length < number) {
      const { value, done } = await subscription.next_();
      if (done) throw new Error("the subscription ended early");
      messages.push(value);
    }
  })();
  try {
    await deadline(read, timeout);
  } catch (error) {
    throw new Error(
      `${messages.length} of ${number} messages on ${subscription.getSubject()}: ${error}`,
    );
  }
  return messages;
}

// One iterator per subscription, kept open, so that messages can be taken a few at a time.
function listen(client, subject, options) {
  const subscription = client.subscribe(subject, options);
  const iterator = subscription[Symbol.asyncIterator]();
  let pending = null;
  subscription.next_ = () => {
    const result = pending ?? iterator.next();
    pending = null;
    return result;
  };
  subscription.noneLeft = async (what) => {
    pending ??= iterator.next();
    const first = await Promise.race([pending, sleep(300)]);
    check(
      first === undefined || first.done,
      `${what}: one message too many, on ${first?.value?.subject}`,
    );
  };
  return subscription;
}

async function publish_subscribe(task) {
  const [publisher, subscriber] = [await connect(task), await connect(task)];
  const subscription = listen(subscriber, "orders.new");
  await subscriber.flush();
  for (const number of count(1000)) publisher.publish("orders.new", `${number}`);
  publisher.publish("orders.old", "other");
  publisher.publish("orders.new");
  const messages = await collect(subscription, 1001);
  equal(
    messages.map((m) => m.string()),
    [...count(1000).map(String), ""],
    "payloads in order",
  );
  equal([...new Set(messages.map((m) => m.subject))], ["orders.new"], "subjects");
  await subscription.noneLeft("nothing else");
  await publisher.close();
  await subscriber.close();
}

async function wildcards(task) {
  const client = await connect(task);
  const sent = ["a", "a.b", "a.c", "a.b.c", "a.b.c.d", "b", "b.b", "x.b.c"];
  const expected = {
    "a.*": ["a.b", "a.c"],
    "a.>": ["a.b", "a.c", "a.b.c", "a.b.c.d"],
    "*": ["a", "b"],
    "*.b.*": ["a.b.c", "x.b.c"],
    "a.*.c": ["a.b.c"],
    ">": sent,
  };
  const subscriptions = Object.fromEntries(
    Object.keys(expected).map((p) => [p, listen(client, p)]),
  );
  await client.flush();
  for (const subject of sent) client.publish(subject, subject);
  for (const [pattern, subjects] of Object.entries(expected)) {
    const messages = await collect(subscriptions[pattern], subjects.length);
    equal(
      messages.map((m) => m.subject),
      subjects,
      `subjects on ${pattern}`,
    );
    await subscriptions[pattern].noneLeft(`nothing else on ${pattern}`);
  }
  await client.close();
}

async function queue_groups(task) {
  const members = [];
  const seen = [[], [], [], []];
  for (const index of count(4)) {
    const member = await connect(task);
    member.subscribe("work.*", {
      queue: "workers",
      callback: (_, m) => seen[index].push(Number(m.string())),
    });
    await member.flush();
    members.push(member);
  }
  const plain = await connect(task);
  const everything = listen(plain, "work.>");
  const other = listen(plain, "work.item", { queue: "auditors" });
  await plain.flush();
  const publisher = await connect(task);
  for (const number of count(2000)) publisher.publish("work.item", `${number}`);
  await publisher.flush();
  equal((await collect(everything, 2000)).length, 2000, "the plain subscriber");
  equal((await collect(other, 2000)).length, 2000, "the other group's only member");
  for (let turn = 0; turn < 200 && seen.flat().length < 2000; turn++) await sleep(50);
  equal(
    seen.flat().sort((a, b) => a - b),
    count(2000),
    "each message once in the group",
  );
  seen.forEach((numbers, index) => {
    check(numbers.length > 250, `member ${index} got only ${numbers.length} of 2000`);
    equal(
      numbers,
      [...numbers].sort((a, b) => a - b),
      `order at member ${index}`,
    );
  });
  for (const client of [...members, plain, publisher]) await client.close();
}

async function request_reply(task) {
  const [service, asker] = [await connect(task), await connect(task)];
  service.subscribe("service.echo", { callback: (_, m) => m.respond("re:" + m.string()) });
  await service.flush();
  const ask = async (text, options = {}) =>
    (await asker.request("service.echo", text, { timeout: 10_000, ...options })).string();
  for (const number of count(100)) equal(await ask(`${number}`), `re:${number}`, "reply");
  equal(
    await Promise.all(count(100).map((n) => ask(`p${n}`))),
    count(100).map((n) => `re:p${n}`),
    "parallel replies",
  );
  equal(
    await ask("old", { noMux: true, reply: "my.own.reply" }),
    "re:old",
    "a request with its own subscription",
  );
  await asker.close();
  await service.close();
}

async function failure(promise, what) {
  let result;
  try {
    result = await promise;
  } catch (error) {
    return error;
  }
  return check(false, `${what}: ${result}`);
}

async function no_responders(task) {
  const client = await connect(task);
  const error = await failure(
    client.request("nobody.home", "hello", { timeout: 5000 }),
    "answered without a service",
  );
  check(
    error instanceof errors.NoRespondersError || error.isNoResponders?.(),
    `no responders: ${error}`,
  );
  const listener = listen(client, "nobody.home");
  await client.flush();
  const silence = await failure(
    client.request("nobody.home", "hello", { timeout: 300 }),
    "a silent service answered",
  );
  check(silence instanceof errors.TimeoutError, `silence: ${silence}`);
  equal((await collect(listener, 1))[0].string(), "hello", "the silent service heard it");
  await client.close();
}

async function headers(task) {
  const [service, asker] = [await connect(task), await connect(task)];
  service.subscribe("with.headers", {
    callback: (_, m) => {
      const back = newHeaders();
      for (const key of m.headers.keys())
        for (const value of m.headers.values(key)) back.append("Seen-" + key, value);
      m.respond("body", { headers: back });
    },
  });
  await service.flush();
  const sent = newHeaders();
  sent.append("Trace-Id", "abc:def ghi");
  sent.append("Trace-Id", "second");
  sent.append("lower-case", "1");
  sent.append("X", "a much longer value ".repeat(20).trim());
  const reply = await asker.request("with.headers", "", { timeout: 10_000, headers: sent });
  equal(
    reply.headers.keys().sort(),
    ["Seen-Trace-Id", "Seen-X", "Seen-lower-case"],
    "header names",
  );
  for (const key of sent.keys())
    equal(reply.headers.values("Seen-" + key), sent.values(key), `values of ${key}`);
  equal(reply.string(), "body", "payload beside headers");
  const plain = listen(asker, "plain");
  asker.publish("plain", "none");
  equal((await collect(plain, 1))[0].headers, undefined, "no headers where none were sent");
  await asker.close();
  await service.close();
}

async function drain(task) {
  const publisher = await connect(task);
  for (const whole of [false, true]) {
    const client = await connect(task);
    const seen = [];
    const subscription = client.subscribe("drain.it", {
      callback: (_, m) => seen.push(Number(m.string())),
    });
    await client.flush();
    for (const number of count(200)) publisher.publish("drain.it", `${number}`);
    await publisher.flush();
    const echo = listen(publisher, "drain.last");
    await publisher.flush();
    client.publish("drain.last", "bye");
    await (whole ? client.drain() : subscription.drain());
    equal((await collect(echo, 1))[0].string(), "bye", "what was published before the drain");
    publisher.publish("drain.it", "999");
    await publisher.flush();
    equal(seen, count(200), "all before the drain, none after it");
    equal(client.isClosed(), whole, "closed after the connection's drain only");
    await client.close();
    echo.unsubscribe();
  }
  await publisher.close();
}

async function auto_unsubscribe(task) {
  const client = await connect(task);
  const early = listen(client, "limited", { max: 5 });
  const late = listen(client, "limited");
  const control = listen(client, "limited");
  await client.flush();
  for (const number of count(3)) client.publish("limited", `${number}`);
  equal((await collect(late, 3)).length, 3, "before the limit is set");
  late.unsubscribe(5);
  for (const number of count(17, 3)) client.publish("limited", `${number}`);
  const numbers = (messages) => messages.map((m) => Number(m.string()));
  equal(numbers(await collect(control, 20)), count(20), "the unlimited one");
  equal(numbers(await collect(early, 5)), count(5), "five messages");
  equal(numbers(await collect(late, 2)), [3, 4], "two more, five in all");
  await step("subscriptions", { expected: 1 });
  await client.close();
}

async function large_payload(task) {
  const client = await connect(task);
  equal(client.info.max_payload, 1048576, "max_payload in INFO");
  const subscription = listen(client, "large");
  await client.flush();
  for (const size of [1048576, 65536, 1048576, 1]) {
    const payload = createHash("shake128", { outputLength: size }).update(`${size}`).digest();
    client.publish("large", payload);
    const [message] = await collect(subscription, 1);
    check(Buffer.compare(payload, message.data) === 0, `${size} bytes came back changed`);
  }
  await client.close();
}

async function max_payload_error(task) {
  const client = await connect(task);
  let error;
  try {
    client.publish("large", new Uint8Array(1048577));
  } catch (caught) {
    error = caught;
  }
  check(
    error instanceof errors.InvalidArgumentError && /max_payload/.test(error.message),
    `refused: ${error}`,
  );
  const subscription = listen(client, "large");
  client.publish("large", "small");
  equal((await collect(subscription, 1))[0].string(), "small", "the connection still works");
  await client.close();
}

async function rtt_flush(task) {
  const client = await connect(task);
  for (const _ of count(20)) {
    const rtt = await client.rtt();
    check(rtt >= 0 && rtt < 5000, `round trip of ${rtt} ms`);
    await deadline(client.flush(), 5000);
  }
  await client.close();
}

async function connection_visible(task) {
  const client = await connect(task, { name: "interop javascript" });
  await client.flush();
  await step("connz", { name: "interop javascript", lang: "nats.js", version });
  await client.close();
}

async function reconnect(task) {
  const client = await connect(task, {
    reconnectTimeWait: 100,
    reconnectJitter: 0,
    maxReconnectAttempts: -1,
  });
  const seen = [];
  const back = (async () => {
    for await (const status of client.status()) {
      seen.push(status.type);
      if (status.type === "reconnect") return;
    }
  })();
  const plain = listen(client, "again.*");
  const queue = listen(client, "again.>", { queue: "group" });
  await client.flush();
  await step("restart");
  await deadline(back, 30_000);
  check(seen.includes("disconnect"), `status events: ${seen}`);
  await client.flush();
  const other = await connect(task);
  for (const number of count(10)) other.publish("again.x", `${number}`);
  await other.flush();
  for (const subscription of [plain, queue]) {
    equal(
      (await collect(subscription, 10)).map((m) => Number(m.string())),
      count(10),
      "after the reconnect",
    );
  }
  await other.close();
  await client.close();
}

async function roundTrip(task, options) {
  const client = await connect(task, options);
  const subscription = listen(client, "with.credentials");
  client.publish("with.credentials", "in");
  equal((await collect(subscription, 1))[0].string(), "in", "a message with credentials");
  await client.close();
}

async function refused(task, options) {
  const error = await failure(
    connect(task, { reconnect: false, ...options }),
    "connected with wrong credentials",
  );
  check(
    error instanceof errors.AuthorizationError,
    `the error's type: ${error.name}: ${error.message}`,
  );
  check(/authorization violation/i.test(error.message), `the error says why: ${error.message}`);
}

const user_password = (task) => roundTrip(task, { user: task.user, pass: task.password });
const wrong_password = (task) => refused(task, { user: task.user, pass: task.password });
const missing_credentials = (task) => refused(task, {});
const token = (task) => roundTrip(task, { token: task.user });
const wrong_token = (task) => refused(task, { token: task.user });

async function permission_violation(task) {
  const client = await connect(task, { user: task.user, pass: task.password });
  const status = client.status()[Symbol.asyncIterator]();
  const nextError = async () => {
    for (;;) {
      const { value } = await deadline(status.next(), 10_000);
      if (value.type === "error") return value.error;
    }
  };
  client.publish("closed.subject", "no");
  const publish = await nextError();
  check(publish instanceof errors.PermissionViolationError, `the error's type: ${publish}`);
  equal([publish.operation, publish.subject], ["publish", "closed.subject"], "the parsed error");
  client.subscribe("closed.listen", { queue: "group", callback: () => {} });
  const subscribe = await nextError();
  equal(
    [subscribe.operation, subscribe.subject, subscribe.queue],
    ["subscription", "closed.listen", "group"],
    "the parsed error of a subscription",
  );
  const subscription = listen(client, "open.subject");
  client.publish("open.subject", "yes");
  equal((await collect(subscription, 1))[0].string(), "yes", "what is allowed still works");
  await client.close();
}

async function many_connections(task) {
  const [publishers, subscribers, each] = [10, 5, 10_000];
  const total = publishers * each;
  const [listeners, senders, counts, wrong, waits] = [[], [], [], [], []];
  for (const index of count(subscribers)) {
    const client = await connect(task);
    const nexts = Array(publishers).fill(0);
    counts.push(0);
    waits.push(
      new Promise((resolve) =>
        client.subscribe("load.*", {
          callback: (_, message) => {
            const [publisher, number] = message.string().split(":").map(Number);
            if (nexts[publisher] !== number)
              wrong.push([index, publisher, number, nexts[publisher]]);
            nexts[publisher] = number + 1;
            if (++counts[index] === total) resolve();
          },
        }),
      ),
    );
    await client.flush();
    listeners.push(client);
  }
  for (const _ of count(publishers)) senders.push(await connect(task));
  let size = 0;
  await Promise.all(
    senders.map(async (sender, index) => {
      for (const number of count(each)) {
        const text = `${index}:${number}`;
        size += text.length;
        sender.publish(`load.${index}`, text);
        if (number % 500 === 499) await sender.flush();
      }
    }),
  );
  await deadline(Promise.all(waits), 180_000);
  equal(wrong.slice(0, 5), [], "order per publisher (subscriber, publisher, got, expected)");
  equal(counts, Array(subscribers).fill(total), "messages at each subscriber");
  await step("counts", {
    in_msgs: total,
    out_msgs: total * subscribers,
    in_bytes: size,
    out_bytes: size * subscribers,
    connections: publishers + subscribers,
  });
  for (const client of [...listeners, ...senders]) await client.close();
}

const cases = {
  publish_subscribe,
  wildcards,
  queue_groups,
  request_reply,
  no_responders,
  headers,
  drain,
  auto_unsubscribe,
  large_payload,
  max_payload_error,
  rtt_flush,
  connection_visible,
  reconnect,
  user_password,
  wrong_password,
  missing_credentials,
  token,
  wrong_token,
  permission_violation,
  many_connections,
};

const [name, url, monitor, user, password] = process.argv.slice(2);
if (name === "--list") {
  process.stdout.write(Object.keys(cases).join("\n") + "\n");
} else {
  let failed = null;
  try {
    await cases[name]({ url, monitor, user, password });
  } catch (error) {
    failed = `${error.name}: ${error.message}`;
  }
  say({ case: name, ok: failed === null, checks, ...(failed === null ? {} : { error: failed }) });
  process.exitCode = failed === null ? 0 : 1;
  if (failed !== null || input) process.stdin.destroy();
  if (failed !== null) setTimeout(() => process.exit(1), 100);
}
