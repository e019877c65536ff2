"""An S3 server that holds a good copy of a repository and answers whatever it likes.

hostile.py DIRECTORY SEED SHARE: listens on a free port of this machine, prints "ready PORT", and serves DIRECTORY as bucket
"varve", prefix "repo"; SHARE per cent of the answers are wrong, each in another way.  What it did, it writes to stderr.  The
choice follows from SEED, the request and how often it came, so that a run can be had again.
"""

import hashlib
import http.server
import os
import random
import socket
import socketserver
import sys
import threading
import urllib.parse

TOP, SEED, SHARE = sys.argv[1], sys.argv[2], int(sys.argv[3])
CHUNK = b"\0" * 65536
LIMIT = 1 << 28  # bytes of an endless answer, so that this one ends too
lock = threading.Lock()
asked: dict[str, int] = {}


def objects() -> list[tuple[str, int]]:
    found = []
    for where, _, names in os.walk(TOP):
        for name in names:
            path = os.path.join(where, name)
            found.append((os.path.relpath(path, TOP), os.path.getsize(path)))
    return sorted(found)


OBJECTS = objects()


def read(name: str) -> bytes | None:
    path = os.path.normpath(os.path.join(TOP, name))
    if not path.startswith(TOP + os.sep) or not os.path.isfile(path):
        return None
    with open(path, "rb") as f:
        return f.read()


def entry(key: str, size: object) -> str:
    return f"<Contents><Key>{key}</Key><Size>{size}</Size><ETag>&quot;0&quot;</ETag></Contents>"


def page(body: str, token: str = "") -> bytes:
    more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>" if token else \
        "<IsTruncated>false</IsTruncated>"
    return f'<?xml version="1.0" encoding="UTF-8"?><ListBucketResult>{more}{body}</ListBucketResult>'.encode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if "Content-Length" not in (headers or {}):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    # --- What is right ---

    def serve(self, data: bytes) -> None:
        asked_range = self.headers.get("Range", "")
        if not asked_range.startswith("bytes="):
            self.answer(200, data)
            return
        first, _, last = asked_range[6:].partition("-")
        begin = int(first) if first else len(data) - int(last)
        end = min(int(last), len(data) - 1) if first and last else len(data) - 1
        if begin >= len(data):
            self.answer(416, b"")
            return
        self.answer(206, data[begin:end + 1], {"Content-Range": f"bytes {begin}-{end}/{len(data)}"})

    def listing(self, prefix: str) -> list[str]:
        return [entry("repo/" + n, s) for n, s in OBJECTS if ("repo/" + n).startswith(prefix)]

    # --- What is not ---

    def endless(self, headers: dict[str, str]) -> None:
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.close_connection = True
        for _ in range(LIMIT // len(CHUNK)):
            if headers.get("Transfer-Encoding") == "chunked":
                self.wfile.write(b"%x\r\n%s\r\n" % (len(CHUNK), CHUNK))
            else:
                self.wfile.write(CHUNK)

    def wrong_listing(self, r: random.Random, prefix: str) -> None:
        good = "".join(self.listing(prefix))
        digits = "".join(r.choice("0123456789abcdef") for _ in range(64))
        evil = [
            lambda: page(good, "the same again"),
            lambda: page("", digits),
            lambda: page(good + entry(prefix + "../../../../tmp/out", 5) + entry("/etc/passwd", 5) + entry(prefix, 1) +
                         entry(prefix + "a%00b", 1) + entry(prefix + "x" * 2000, 1)),
            lambda: page(good + entry(prefix + digits, (1 << 64) - 1) + entry(prefix + "aa/" + digits, 1 << 63)),
            lambda: page("".join(entry(prefix + "%064x" % i, i) for i in range(50000))),
            lambda: page(good * 3),
            lambda: page(""),
            lambda: b'<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
                    b'<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><ListBucketResult>' + b"&c;" * 5000 + b"</ListBucketResult>",
            lambda: b"<a>" * 300000,
            lambda: page(good)[:-r.randrange(1, 200)],
            lambda: b"\0" * (20 << 20),
        ]
        which = r.randrange(len(evil))
        print(f"listing {prefix} {which}", file=sys.stderr, flush=True)
        self.answer(200, evil[which]())

    def wrong_object(self, r: random.Random, name: str, data: bytes | None) -> None:
        data = data or b""
        other = r.choice(OBJECTS)[0]
        longer = {"Content-Length": str(len(data) + (1 << 40))}
        evil = [
            lambda: self.serve(read(other) or b""),
            lambda: self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>"),
            lambda: self.answer(200, b""),
            lambda: self.answer(206, data[:1], {"Content-Range": "bytes 0-0/1"}),
            lambda: self.answer(206, data, {"Content-Range": f"bytes 0-{1 << 62}/{1 << 63}"}),
            lambda: self.answer(200, data, longer),
            lambda: self.serve(r.randbytes(len(data) or 1)),
            lambda: self.serve(data + data),
            lambda: self.serve(data[:len(data) // 2]),
            lambda: self.serve(data[:-1] + bytes([data[-1] ^ 1]) if data else b"x"),
            lambda: self.endless({"Transfer-Encoding": "chunked"}),
            lambda: self.endless({"Connection": "close"}),
            lambda: self.answer(307, b"", {"Location": self.path}),
            lambda: self.answer(200, data, {f"X-Long-{i}": "x" * 1000 for i in range(500)}),
            lambda: self.answer(503, b"\0" * 100000, {"Retry-After": "99999999999999999999"}),
            lambda: self.answer(403, b"<Error><Code>\x1b[31mAccessDenied</Code><Message>" + b"m" * 100000 + b"</Message></Error>"),
            lambda: self.wfile.write(r.randbytes(1000)),
            lambda: self.connection.shutdown(socket.SHUT_RDWR),
        ]
        which = r.randrange(len(evil))
        print(f"object {name} {which}", file=sys.stderr, flush=True)
        self.close_connection = True
        evil[which]()

    # --- Requests ---

    def do_GET(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(url.query)
        key = urllib.parse.unquote(url.path)[len("/varve/"):]
        what = f"{SEED} {self.command} {self.path} {self.headers.get('Range', '')}"
        with lock:
            asked[what] = asked.get(what, 0) + 1
            what += f" {asked[what]}"
        r = random.Random(hashlib.sha256(what.encode()).digest())
        wrong = r.randrange(100) < SHARE
        try:
            if "list-type" in query:
                prefix = query.get("prefix", [""])[0]
                if wrong or "continuation-token" in query:
                    self.wrong_listing(r, prefix)
                else:
                    self.answer(200, page("".join(self.listing(prefix))))
                return
            data = read(key[len("repo/"):]) if key.startswith("repo/") else None
            if wrong:
                self.wrong_object(r, key, data)
            elif data is None:
                self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
            else:
                self.serve(data)
        except (BrokenPipeError, ConnectionResetError, OSError):
            self.close_connection = True

    do_HEAD = do_GET


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        pass


server = Server(("127.0.0.1", 0), Handler)
print("ready", server.server_address[1], flush=True)
server.serve_forever()
