"""Far more requests than can be answered: bounded, and nobody else waits for them."""
import contextlib
import statistics
import time

from tests.faults.tools import SLOWNESS
from tests.system.asker import Asker, NoResponders, start

REQUESTS = 100_000


def resident(server):
    with open(f"/proc/{server.pid}/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmRSS:"))


def test_a_flood_of_requests():
    with start("clearwing") as server, Asker(server, "admin") as flooder, Asker(server, "ann") as ann:
        ann.subscribe("echo")
        flooder.json("$SYS.REQ.SERVER.PING.CONNZ")
        before = resident(server)
        flooder.raw.socket.settimeout(60)
        piece = b"PUB $SYS.REQ.SERVER.PING.CONNZ nowhere 0\r\n\r\n" * 1000
        times = []
        for _ in range(REQUESTS // 1000):
            flooder.raw.send(piece)
            begin = time.monotonic()
            ann.send("PUB echo 2\r\nhi\r\n")
            while ann.next(60) is None:
                pass
            times.append(time.monotonic() - begin)
        grown = resident(server) - before
        print(f"\nmedian of a message to itself {statistics.median(times) * 1e3:.2f} ms, {grown / 1e6:.1f} MB grown")
        assert statistics.median(times) < 0.1 * SLOWNESS
        if SLOWNESS <= 1:
            assert grown < 24 << 20  # the queue's bound, and what the answers take
        # Those that found no room were told so at once; once it is over, all is as before.
        deadline = time.monotonic() + 30 * SLOWNESS
        while True:
            try:
                assert ann.json("$SYS.REQ.USER.INFO")["data"]["user"] == "ann"
                break
            except NoResponders:
                assert time.monotonic() < deadline
                time.sleep(0.05)


def test_a_requester_who_does_not_read():
    """Its answers wait for it as any message would, and cost it its own connection at most."""
    with start("clearwing") as server, Asker(server, "admin") as deaf, Asker(server, "admin") as other:
        deaf.send("SUB answers 1\r\n")
        for _ in range(50):
            with contextlib.suppress(ConnectionError):
                deaf.raw.send(b"PUB $SYS.REQ.SERVER.PING.VARZ answers 0\r\n\r\n" * 100)
            assert other.json("$SYS.REQ.SERVER.PING.IDZ", seconds=30)["name"] == "one"
