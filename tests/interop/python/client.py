"""The official Python client (nats-py) through every case of tests/interop/cases.py."""

import asyncio
import hashlib
import json
import sys

import nats
from nats import errors

checks = 0


def check(holds, message):
    global checks
    checks += 1
    if not holds:
        raise AssertionError(message)


def equal(got, expected, what):
    check(got == expected, f"{what}: got {got!r}, expected {expected!r}")


def say(document):
    print(json.dumps(document), flush=True)


async def step(step_name, **facts):
    """Tells the driver where we are and waits until it has acted."""
    say({"step": step_name, **facts})
    line = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    check(line.strip() == "go", f"the driver said {line!r}")


async def connect(arguments, **options):
    return await nats.connect(arguments.url, **{"connect_timeout": 10, **options})


async def settle(client):
    """Returns when the server has acted on all that the client was told. This client's flush sends
    its PING ahead of what is still queued, which goes out behind it; the second one comes after."""
    await client.flush()
    await client.flush()


async def collect(subscription, count, timeout=20):
    return [await subscription.next_msg(timeout) for _ in range(count)]


async def none_left(subscription, what):
    try:
        extra = await subscription.next_msg(0.3)
    except errors.TimeoutError:
        return check(True, what)
    check(False, f"{what}: one message too many, on {extra.subject}: {extra.data[:80]!r}")


async def publish_subscribe(arguments):
    publisher, subscriber = await connect(arguments), await connect(arguments)
    subscription = await subscriber.subscribe("orders.new")
    await settle(subscriber)
    for number in range(1000):
        await publisher.publish("orders.new", b"%d" % number)
    await publisher.publish("orders.old", b"other")
    await publisher.publish("orders.new", b"")
    messages = await collect(subscription, 1001)
    equal([m.data for m in messages], [b"%d" % n for n in range(1000)] + [b""], "payloads in order")
    equal({m.subject for m in messages}, {"orders.new"}, "subjects")
    await none_left(subscription, "nothing else")
    await publisher.close()
    await subscriber.close()


async def wildcards(arguments):
    client = await connect(arguments)
    sent = ["a", "a.b", "a.c", "a.b.c", "a.b.c.d", "b", "b.b", "x.b.c"]
    expected = {
        "a.*": ["a.b", "a.c"],
        "a.>": ["a.b", "a.c", "a.b.c", "a.b.c.d"],
        "*": ["a", "b"],
        "*.b.*": ["a.b.c", "x.b.c"],
        "a.*.c": ["a.b.c"],
        ">": sent,
    }
    subscriptions = {pattern: await client.subscribe(pattern) for pattern in expected}
    await settle(client)
    for subject in sent:
        await client.publish(subject, subject.encode())
    for pattern, subjects in expected.items():
        messages = await collect(subscriptions[pattern], len(subjects))
        equal([m.subject for m in messages], subjects, f"subjects on {pattern}")
        await none_left(subscriptions[pattern], f"nothing else on {pattern}")
    await client.close()


async def queue_groups(arguments):
    members = [await connect(arguments) for _ in range(4)]
    seen = [[] for _ in members]

    def keep(index):
        async def callback(message):
            seen[index].append(int(message.data))

        return callback

    for index, member in enumerate(members):
        await member.subscribe("work.*", "workers", cb=keep(index))
        await settle(member)
    plain = await connect(arguments)
    everything = await plain.subscribe("work.>")
    other = await plain.subscribe("work.item", "auditors")
    await settle(plain)
    publisher = await connect(arguments)
    for number in range(2000):
        await publisher.publish("work.item", b"%d" % number)
    await settle(publisher)
    equal(len(await collect(everything, 2000)), 2000, "the plain subscriber")
    equal(len(await collect(other, 2000)), 2000, "the other group's only member")
    for _ in range(200):
        if sum(map(len, seen)) >= 2000:
            break
        await asyncio.sleep(0.05)
    equal(sorted(sum(seen, [])), list(range(2000)), "each message once in the group")
    for index, numbers in enumerate(seen):
        check(len(numbers) > 250, f"member {index} got only {len(numbers)} of 2000")
        equal(numbers, sorted(numbers), f"order at member {index}")
    for client in [*members, plain, publisher]:
        await client.close()


async def request_reply(arguments):
    service, asker = await connect(arguments), await connect(arguments)

    async def answer(message):
        await message.respond(b"re:" + message.data)

    await service.subscribe("service.echo", cb=answer)
    await settle(service)
    for number in range(100):
        reply = await asker.request("service.echo", b"%d" % number, timeout=10)
        equal(reply.data, b"re:%d" % number, "reply")
    answers = await asyncio.gather(
        *(asker.request("service.echo", b"p%d" % n, timeout=10) for n in range(100))
    )
    equal([a.data for a in answers], [b"re:p%d" % n for n in range(100)], "parallel replies")
    old = await asker.request("service.echo", b"old", timeout=10, old_style=True)
    equal(old.data, b"re:old", "old-style request")
    await asker.close()
    await service.close()


async def no_responders(arguments):
    client = await connect(arguments)
    try:
        await client.request("nobody.home", b"hello", timeout=5)
    except errors.NoRespondersError:
        check(True, "no responders")
    else:
        check(False, "a request without a service was answered")
    listener = await client.subscribe("nobody.home")
    await settle(client)
    try:
        await client.request("nobody.home", b"hello", timeout=0.3)
    except errors.TimeoutError:
        check(True, "silence")
    else:
        check(False, "a silent service answered")
    equal((await listener.next_msg(5)).data, b"hello", "the silent service heard it")
    await client.close()


async def headers(arguments):
    service, asker = await connect(arguments), await connect(arguments)

    async def answer(message):
        back = {"Seen-" + key: value for key, value in (message.headers or {}).items()}
        await service.publish(message.reply, b"body", headers=back)

    await service.subscribe("with.headers", cb=answer)
    await settle(service)
    sent = {"Trace-Id": "abc:def ghi", "lower-case": "1", "X": "a much longer value " * 20}
    reply = await asker.request("with.headers", b"", timeout=10, headers=sent)
    equal(
        dict(reply.headers),
        {"Seen-" + key: value.strip() for key, value in sent.items()},
        "headers both ways",
    )
    equal(reply.data, b"body", "payload beside headers")
    plain = await asker.subscribe("plain")
    await asker.publish("plain", b"none")
    equal((await plain.next_msg(5)).headers, None, "no headers where none were sent")
    await asker.publish("plain", b"payload", headers={"Only": "one"})
    message = await plain.next_msg(5)
    equal(
        (dict(message.headers), message.data), ({"Only": "one"}, b"payload"), "headers and payload"
    )
    await asker.close()
    await service.close()


async def drain(arguments):
    client, publisher = await connect(arguments), await connect(arguments)
    seen = []

    async def slowly(message):
        await asyncio.sleep(0.001)
        seen.append(int(message.data))

    subscription = await client.subscribe("drain.one", cb=slowly)
    await settle(client)
    for number in range(200):
        await publisher.publish("drain.one", b"%d" % number)
    await settle(publisher)
    await settle(client)
    await subscription.drain()
    await publisher.publish("drain.one", b"999")
    await settle(publisher)
    equal(seen, list(range(200)), "all before the drain, none after it")
    check(client.is_connected, "the connection survives its subscription's drain")
    await client.close()
    seen.clear()
    client = await connect(arguments)
    await client.subscribe("drain.two", cb=slowly)
    await settle(client)
    for number in range(200):
        await publisher.publish("drain.two", b"%d" % number)
    await settle(publisher)
    await settle(client)
    echo = await publisher.subscribe("drain.last")
    await settle(publisher)
    await client.publish("drain.last", b"bye")
    await client.drain()
    equal(seen, list(range(200)), "all before the connection's drain")
    equal((await echo.next_msg(5)).data, b"bye", "what was published before the drain")
    check(client.is_closed, "closed after the drain")
    await publisher.close()


async def auto_unsubscribe(arguments):
    client = await connect(arguments)
    early = await client.subscribe("limited")
    await early.unsubscribe(limit=5)
    late = await client.subscribe("limited")
    control = await client.subscribe("limited")
    await settle(client)
    for number in range(3):
        await client.publish("limited", b"%d" % number)
    equal(len(await collect(late, 3)), 3, "before the limit is set")
    await late.unsubscribe(limit=5)
    for number in range(3, 20):
        await client.publish("limited", b"%d" % number)
    equal([int(m.data) for m in await collect(control, 20)], list(range(20)), "the unlimited one")
    equal([int(m.data) for m in await collect(early, 5)], list(range(5)), "five messages")
    equal([int(m.data) for m in await collect(late, 2)], [3, 4], "two more, five in all")
    await step("subscriptions", expected=1)
    await client.close()


async def large_payload(arguments):
    client = await connect(arguments)
    equal(client.max_payload, 1048576, "max_payload in INFO")
    subscription = await client.subscribe("large")
    await settle(client)
    for size in (1048576, 65536, 1048576, 1):
        payload = hashlib.shake_128(b"%d" % size).digest(size)
        await client.publish("large", payload)
        message = await subscription.next_msg(20)
        check(message.data == payload, f"{size} bytes came back changed")
    await client.close()


async def max_payload_error(arguments):
    client = await connect(arguments)
    try:
        await client.publish("large", b"x" * 1048577)
    except errors.MaxPayloadError:
        check(True, "refused")
    else:
        check(False, "a payload above max_payload was accepted")
    subscription = await client.subscribe("large")
    await client.publish("large", b"small")
    equal((await subscription.next_msg(5)).data, b"small", "the connection still works")
    await client.close()


async def rtt_flush(arguments):
    client = await connect(arguments)
    for _ in range(20):
        start = asyncio.get_running_loop().time()
        await client.flush(timeout=5)
        check(asyncio.get_running_loop().time() - start < 5, "a flush within its time-out")
    await client.close()


async def connection_visible(arguments):
    client = await connect(arguments, name="interop python")
    await settle(client)
    await step("connz", name="interop python", lang="python3", version=nats.aio.client.__version__)
    await client.close()


async def reconnect(arguments):
    lost, back = asyncio.Event(), asyncio.Event()

    async def on_lost():
        lost.set()

    async def on_back():
        back.set()

    client = await connect(
        arguments,
        reconnect_time_wait=0.1,
        max_reconnect_attempts=-1,
        disconnected_cb=on_lost,
        reconnected_cb=on_back,
    )
    plain = await client.subscribe("again.*")
    queue = await client.subscribe("again.>", "group")
    await settle(client)
    await step("restart")
    await asyncio.wait_for(lost.wait(), 20)
    await asyncio.wait_for(back.wait(), 20)
    await settle(client)
    other = await connect(arguments)
    for number in range(10):
        await other.publish("again.x", b"%d" % number)
    await settle(other)
    for subscription in (plain, queue):
        equal(
            [int(m.data) for m in await collect(subscription, 10)],
            list(range(10)),
            "after the reconnect",
        )
    await other.close()
    await client.close()


async def round_trip(arguments, **options):
    client = await connect(arguments, **options)
    subscription = await client.subscribe("with.credentials")
    await client.publish("with.credentials", b"in")
    equal((await subscription.next_msg(5)).data, b"in", "a message with credentials")
    await client.close()


async def refused(arguments, **options):
    seen = []

    async def on_error(error):
        seen.append(error)

    try:
        client = await connect(arguments, allow_reconnect=False, error_cb=on_error, **options)
    except Exception as error:
        check("authorization violation" in str(error).lower(), f"the error says why: {error!r}")
        check(isinstance(error, errors.Error), f"one of the client's own errors: {error!r}")
    else:
        await client.close()
        check(False, "connected with wrong credentials")


async def user_password(arguments):
    await round_trip(arguments, user=arguments.user, password=arguments.password)


async def wrong_password(arguments):
    await refused(arguments, user=arguments.user, password=arguments.password)


async def missing_credentials(arguments):
    await refused(arguments)


async def token(arguments):
    await round_trip(arguments, token=arguments.user)


async def wrong_token(arguments):
    await refused(arguments, token=arguments.user)


async def permission_violation(arguments):
    seen = asyncio.Queue()

    async def on_error(error):
        await seen.put(str(error))

    client = await connect(
        arguments, user=arguments.user, password=arguments.password, error_cb=on_error
    )
    await client.publish("closed.subject", b"no")
    text = await asyncio.wait_for(seen.get(), 10)
    check('permissions violation for publish to "closed.subject"' in text.lower(), text)
    await client.subscribe("closed.listen")
    text = await asyncio.wait_for(seen.get(), 10)
    check('permissions violation for subscription to "closed.listen"' in text.lower(), text)
    subscription = await client.subscribe("open.subject")
    await client.publish("open.subject", b"yes")
    equal((await subscription.next_msg(5)).data, b"yes", "what is allowed still works")
    await client.close()


async def many_connections(arguments):
    publishers, subscribers, each = 10, 5, 10_000
    total = publishers * each
    done = [asyncio.Event() for _ in range(subscribers)]
    nexts = [[0] * publishers for _ in range(subscribers)]
    counts, wrong = [0] * subscribers, []

    def keep(index):
        async def callback(message):
            publisher, number = map(int, message.data.split(b":"))
            if nexts[index][publisher] != number and len(wrong) < 5:
                wrong.append((index, publisher, number, nexts[index][publisher]))
            nexts[index][publisher] = number + 1
            counts[index] += 1
            if counts[index] == total:
                done[index].set()

        return callback

    listeners = [await connect(arguments) for _ in range(subscribers)]
    for index, client in enumerate(listeners):
        await client.subscribe(
            "load.*", cb=keep(index), pending_msgs_limit=-1, pending_bytes_limit=-1
        )
        await settle(client)
    senders = [await connect(arguments) for _ in range(publishers)]

    async def send(index):
        for number in range(each):
            await senders[index].publish(f"load.{index}", b"%d:%d" % (index, number))
            if number % 500 == 499:
                await senders[index].flush(timeout=60)

    await asyncio.gather(*(send(index) for index in range(publishers)))
    await asyncio.wait_for(asyncio.gather(*(event.wait() for event in done)), 180)
    equal(wrong, [], "order per publisher (subscriber, publisher, got, expected)")
    equal(counts, [total] * subscribers, "messages at each subscriber")
    size = sum(
        len(b"%d:%d" % (index, number)) for index in range(publishers) for number in range(each)
    )
    await step(
        "counts",
        in_msgs=total,
        out_msgs=total * subscribers,
        in_bytes=size,
        out_bytes=size * subscribers,
        connections=publishers + subscribers,
    )
    for client in [*listeners, *senders]:
        await client.close()


CASES = [
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
]


class Arguments:
    def __init__(self, words):
        self.url, self.monitor, *rest = words
        self.user, self.password = (rest + [None, None])[:2]


def main():
    by_name = {case.__name__: case for case in CASES}
    if sys.argv[1:] == ["--list"]:
        print("\n".join(by_name))
        return 0
    name = sys.argv[1]
    try:
        asyncio.run(by_name[name](Arguments(sys.argv[2:])))
    except BaseException as error:
        say(
            {
                "case": name,
                "ok": False,
                "checks": checks,
                "error": f"{type(error).__name__}: {error}",
            }
        )
        return 1
    say({"case": name, "ok": True, "checks": checks})
    return 0


if __name__ == "__main__":
    sys.exit(main())
