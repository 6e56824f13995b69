"""Plain HTTP requests exactly as written: no cleaned paths, no redirects followed."""

import dataclasses
import http.client
import urllib.parse


@dataclasses.dataclass(frozen=True)
class Answer:
    status: int
    headers: dict
    body: bytes

    @property
    def content_type(self):
        return self.headers.get("content-type")


def ask(server, path, method="GET", body=None):
    address = urllib.parse.urlsplit(server.monitor)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=20)
    try:
        connection.request(method, path, body=body)
        answer = connection.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, headers, answer.read())
    finally:
        connection.close()
