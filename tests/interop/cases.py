"""The cases every official client must pass, and what the driver does around each of them.

A client program is started as `program CASE URL MONITOR [USER PASSWORD | TOKEN]`. It talks JSON
lines on standard output:
  {"step": "NAME", ...}                      the driver acts, then writes "go"
  {"case": "NAME", "ok": true, "checks": 12} the result, last; a failed case says why in "error"
`program --list` prints the names of its cases, one a line: a test holds that list against this
table, so that a case
which one client lacks is a failure and not a silence.
"""

import dataclasses

USER, PASSWORD, TOKEN = "interop", "correct horse", "a-token-of-some-length"

PERMISSIONS = """
authorization {
  users = [
    { user: "limited", password: "limited", permissions: { publish: ["open.>", "_INBOX.>"],
                                                          subscribe: ["open.>", "_INBOX.>"] } }
  ]
}
"""


@dataclasses.dataclass(frozen=True)
class Case:
    """One case: how the server is started, what the client is told, and how long it may take."""

    server: tuple = ()
    client: tuple = ()
    config: str = None
    seconds: int = 60


PASSWORD_SERVER = ("--user", USER, "--pass", PASSWORD)

CASES = {
    "publish_subscribe": Case(),
    "wildcards": Case(),
    "queue_groups": Case(),
    "request_reply": Case(),
    "no_responders": Case(),
    "headers": Case(),
    "drain": Case(),
    "auto_unsubscribe": Case(),
    "large_payload": Case(),
    "max_payload_error": Case(),
    "rtt_flush": Case(),
    "connection_visible": Case(),
    "reconnect": Case(),
    "user_password": Case(PASSWORD_SERVER, (USER, PASSWORD)),
    "wrong_password": Case(PASSWORD_SERVER, (USER, "wrong")),
    "missing_credentials": Case(PASSWORD_SERVER),
    "token": Case(("--auth", TOKEN), (TOKEN,)),
    "wrong_token": Case(("--auth", TOKEN), ("wrong",)),
    "permission_violation": Case((), ("limited", "limited"), PERMISSIONS),
    "many_connections": Case(seconds=240),
}
