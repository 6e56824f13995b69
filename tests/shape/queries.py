"""Every question whose answers are held side by side. `<alpha>` in a question is that client's
connection id."""
import dataclasses

SETUPS = ("open", "secured", "accounts", "shared")


@dataclasses.dataclass(frozen=True)
class Query:
    """One document: how the server is configured, what is asked, and what in the answer is
    compared."""
    setup: str
    path: str
    # Keys of the top level that this one question leaves out; the reason stands where it is used.
    without: tuple = ()
    # Only these accounts' entries of a subscription list are compared: the others are the server's
    # own.
    accounts: tuple = ()

    @property
    def endpoint(self):
        name = self.path.split("?")[0].strip("/")
        return "subsz" if name == "subscriptionsz" else name

    def __str__(self):
        return f"{self.setup}:{self.path}"


# The server's own subscriptions are in the list, so its length is not comparable.
OWN = ("total",)


def queries_of(setup, paths, **options):
    return [Query(setup, path, **options) for path in paths]


DOCUMENTS = [
    *(query for setup in SETUPS for query in queries_of(setup, [
        "/varz", "/connz", "/routez", "/gatewayz", "/leafz", "/accountz", "/accstatz",
        "/accstatz?unused=1", "/jsz",
        "/healthz", "/subsz", "/subscriptionsz", "/connz?auth=1&subs=detail&state=all"])),
    *queries_of("open", [
        "/connz?subs=1", "/connz?subs=true", "/connz?subs=detail", "/connz?subs=DETAIL",
        "/connz?subs=0", "/connz?auth=1", "/connz?auth=true&subs=detail", "/connz?state=open",
        "/connz?state=closed", "/connz?state=any", "/connz?state=all", "/connz?state=CLOSED",
        "/connz?state=closed&subs=1", "/connz?state=closed&subs=detail", "/connz?limit=2",
        "/connz?limit=2&offset=2", "/connz?limit=2&offset=4", "/connz?offset=4",
        "/connz?offset=99", "/connz?offset=-3", "/connz?limit=0", "/connz?limit=-1",
        "/connz?limit=100000", "/connz?limit=%2B2", "/connz?state=all&limit=3&offset=4",
        "/connz?state=closed&limit=1", "/connz?acc=$G", "/connz?acc=%24G",
        "/connz?filter_subject=orders.new", "/connz?nonsense=1", "/connz?SORT=subs",
        "/connz?sort=", "/connz?sort=cid", "/connz?sort=start", "/connz?sort=subs",
        "/connz?sort=msgs_to", "/connz?sort=msgs_from", "/connz?sort=bytes_to",
        "/connz?sort=bytes_from", "/connz?sort=subs&limit=2", "/connz?sort=start&state=all",
        "/connz?sort=stop&state=closed", "/connz?sort=reason&state=closed",
        "/connz?limit=1&limit=2", "/connz?limit=%zz", "/connz?auth=1;subs=1",
        "/connz?sort=msgs_to&limit=1&offset=1", "/routez?subs=1", "/routez?subs=detail",
        "/gatewayz?accs=1", "/gatewayz?subs=1", "/gatewayz?acc_name=$G", "/leafz?subs=1",
        "/leafz?acc=$G", "/leafz?acc=NOPE", "/accountz?acc=$G", "/accountz?acc=%24G",
        "/accountz?acc=", "/subsz?subs=0", "/subsz?acc=$G", "/subsz?offset=5",
        "/subsz?subs=1&acc=NOPE", "/subsz?subs=1&test=orders.new", "/subsz?subs=1&test=limited",
        "/subsz?subs=1&test=nothing.here", "/subsz?subs=1&test=orders.new&acc=$G",
        "/subsz?test=orders.new", "/subscriptionsz?subs=1&test=limited", "/jsz?accounts=1",
        "/jsz?streams=1", "/jsz?consumers=true&config=true&raft=true", "/jsz?acc=$G",
        "/jsz?acc=NOPE", "/jsz?offset=1&limit=1", "/healthz?js-enabled-only=true",
        "/healthz?js-enabled=1", "/healthz?js-server-only=true", "/accstatz?unused=0",
        "/connz?auth=T&subs=detail&limit=1", "/connz?subs=DETAIL&limit=1", "/connz?limit=-5",
        "/connz?offset=-1&limit=0", "/connz?state=ANY", "/connz?state=Closed",
        "/connz?filter_subject=x", "/subsz?subs=true&acc=NOPE", "/jsz?offset=1&accounts=1",
        "/gatewayz?gw_name=none", "/gatewayz?gw_name=none&accs=1"]),
    *queries_of("open", ["/connz?cid=<alpha>", "/connz?cid=<alpha>&subs=detail",
                         "/connz?cid=999999", "/connz?cid=0",
                         "/connz?state=closed&cid=<zeta>", "/connz?state=all&cid=<zeta>",
                         "/connz?state=closed&cid=99999",
                         "/connz?user=nobody", "/connz?mqtt_client=nobody"]),
    *queries_of("open", ["/subsz?subs=1", "/subsz?subs=1&acc=$G", "/subsz?subs=true&limit=1000"],
                accounts=("$G",), without=OWN),
    # The stock server stores no account for closed clients of $G and so finds none of them: ours
    # may.
    Query("open", "/connz?acc=$G&state=closed",
          without=("connections", "num_connections", "total")),
    # For an unknown account the stock server leaves its own id empty.
    Query("open", "/connz?acc=NOPE", without=("server_id",)),
    *queries_of("accounts", [
        "/connz?auth=1", "/connz?auth=1&state=closed", "/connz?auth=1&state=all&subs=1",
        "/connz?acc=APP", "/connz?acc=TEAM&subs=1", "/connz?acc=APP&state=closed",
        "/connz?acc=APP&state=all&auth=1&subs=detail", "/connz?acc=APP&limit=1&offset=1",
        "/connz?auth=1&state=closed&acc=APP&limit=1", "/connz?state=closed&subs=detail",
        "/accountz?acc=APP", "/accountz?acc=TEAM", "/accountz?acc=$G",
        "/subsz?subs=1&acc=TEAM&test=team.work", "/subsz?subs=1&test=orders.new"]),
    *queries_of("secured", ["/connz?auth=1", "/connz?auth=1&state=closed", "/connz?state=closed",
                            "/connz?auth=1&acc=$G", "/connz?auth=1&subs=1", "/accountz?acc=$G"]),
    *queries_of("secured", ["/connz?user=alice", "/connz?user=alice&auth=1",
                            "/connz?user=mallory&state=closed&auth=1"]),
    *queries_of("accounts", ["/connz?user=alice", "/connz?user=alice&auth=1",
                             "/connz?user=bob&state=all",
                             "/connz?user=mallory&state=closed&auth=1",
                             "/connz?user=alice&acc=TEAM"]),
    *queries_of("accounts", ["/subsz?subs=1", "/subsz?subs=1&acc=APP"], accounts=("APP", "TEAM"),
                without=OWN),
    *queries_of("shared", ["/accountz?acc=APP", "/accountz?acc=TEAM"]),
]

# Requests whose status, content type and text must be the stock server's to the byte (ours may end
# in a line feed).
REFUSED = [
    "/connz?sort=bogus", "/connz?sort=CID", "/connz?sort=stop", "/connz?sort=reason",
    "/connz?sort=stop&state=all", "/connz?sort=reason&state=any", "/connz?auth=abc",
    "/connz?auth=yes", "/connz?auth=on", "/connz?auth=2", "/connz?auth=tRUE", "/connz?auth=maybe",
    "/connz?callback=cb&auth=maybe", "/connz?subs=2", "/connz?subs=abc", "/connz?subs=details",
    "/connz?offset=abc", "/connz?offset=1.5", "/connz?limit=abc",
    "/connz?limit=99999999999999999999", "/connz?limit=-99999999999999999999", "/connz?limit=%20",
    "/connz?limit=+2", "/connz?limit=0x10", "/connz?limit=1_000", "/connz?cid=abc",
    "/connz?cid=-1", "/connz?cid=+1", "/connz?cid=18446744073709551616", "/connz?state=bogus",
    "/connz?state=bogus&sort=bogus", "/connz?auth=x&subs=x&limit=x", "/connz?limit=%22quoted%22",
    "/connz?limit=%0A", "/connz?limit=%C3%A9", "/connz?limit=%3Cb%3E", "/subsz?test=foo.*",
    "/subsz?test=foo.%3E", "/subsz?test=foo..bar", "/subsz?subs=1&test=.", "/subsz?subs=abc",
    "/subsz?subs=detail", "/subsz?offset=x", "/subsz?limit=x", "/routez?subs=x", "/leafz?subs=x",
    "/leafz?subs=detail", "/gatewayz?accs=x", "/ipqueuesz?all=x", "/accountz?acc=NOPE",
    "/accstatz?unused=x", "/jsz?streams=x",
    "/jsz?accounts=x", "/jsz?consumers=x", "/jsz?config=x", "/jsz?limit=x", "/jsz?offset=x",
    "/jsz?leader-only=x", "/jsz?leader-only=1", "/healthz?js-enabled=x",
    "/healthz?js-enabled-only=x", "/healthz?js-server-only=x", "/nope", "/varz/", "/VARZ",
    "/expvarz", "/varz/connz", "/connz%2f", "/.well-known",
]

# What releases after 2.9.10 refuse, and ours with them: the answers are a newer server's, where one is at hand.
NEWER_REFUSED = [
    "/gatewayz?subs=x", "/gatewayz?subs=2", "/gatewayz?subs=x&accs=y", "/jsz?raft=x",
    "/jsz?direct-consumers=x", "/jsz?stream-leader-only=x", "/jsz?raft=x&direct-consumers=y",
    "/jsz?config=x&direct-consumers=y", "/jsz?offset=x&direct-consumers=y", "/jsz?raft=x&offset=y",
    "/jsz?raft=x&stream-leader-only=y", "/jsz?leader-only=1&raft=x", "/healthz?js-meta-only=x",
    "/healthz?details=x", "/healthz?details=x&js-meta-only=y", "/healthz?stream=S",
    "/healthz?stream=S&details=true", "/healthz?stream=S&details=x", "/healthz?consumer=C",
    "/healthz?account=A&consumer=C", "/healthz?account=A&consumer=C&details=1",
    "/healthz?consumer=C&stream=S", "/healthz?js-enabled-only=1&stream=S", "/raftz",
    "/raftz?acc=$G", "/raftz?group=_meta_&acc=x",
]
# And what they take.
NEWER_DOCUMENTS = [
    "/gatewayz?subs=detail", "/gatewayz?subs=1&accs=1", "/jsz?raft=1", "/jsz?direct-consumers=true&stream-leader-only=1",
    "/healthz?details=true", "/healthz?js-meta-only=1", "/healthz?account=A", "/healthz?account=A&stream=S&consumer=C",
    "/healthz?account=A&stream=S&details=1", "/connz?auth=1&state=any&sort=cid",
    "/subsz?limit=5&offset=3", "/subsz?subs=1&test=nothing.here&limit=7",
]

# Methods are not looked at: each runs the handler.
METHODS = [(method, path) for path in ("/healthz", "/varz", "/connz", "/nope", "/connz?sort=bogus")
           for method in ("HEAD", "POST", "PUT", "DELETE", "OPTIONS")]

UNCLEAN = ["//varz", "/a/../varz", "/./varz", "/varz/../connz?limit=1", "/varz//", "//"]
