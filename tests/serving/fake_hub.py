"""A hub of the few addresses that `ecrnn push` and `pull` use, on this machine."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class FakeHub:
    """Repositories by name: commits, each a mapping of names to contents, the newest last.

    ``sizes`` are what it says instead of the true ones; ``endless`` are names of files that never end, ``silent`` of
    those that stay away for a while, "" of what it says of repositories; ``refuses`` is the
    status of every answer.
    """

    def __init__(self) -> None:
        self.commits: dict[str, list[dict[str, bytes]]] = {}
        self.private: dict[str, bool] = {}
        self.sizes: dict[str, int] = {}
        self.endless: set[str] = set()
        self.silent: set[str] = set()
        self.says: Any = None  # of a repository, in place of what is true
        self.sent = 0  # bytes of them
        self.refuses: int | None = None
        self.asked: list[str] = []
        self.tokens: set[str | None] = set()
        self.endpoint = ""

    def sha(self, name: str, number: int) -> str:
        return hashlib.sha1(f"{name} {number}".encode()).hexdigest()

    def files(self, name: str, revision: str) -> dict[str, bytes] | None:
        commits = self.commits.get(name, [])
        for number, files in enumerate(commits):
            if revision == self.sha(name, number) or (revision in ("main", "") and number == len(commits) - 1):
                return files
        return None


@contextlib.contextmanager
def serving(hub: FakeHub) -> Iterator[FakeHub]:
    """Let the hub answer on this machine while inside."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def answer(self, status: int, content: bytes | Any, **headers: str) -> None:
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for key, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(key.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def noted(self) -> bytes:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            hub.asked.append(f"{self.command} {self.path.split('?')[0]}")
            hub.tokens.add(self.headers.get("Authorization"))
            return body

        def do_GET(self) -> None:
            self.noted()
            if hub.refuses:
                return self.answer(hub.refuses, {"error": "no"})
            path = self.path.split("?")[0]
            if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", path):
                return self.info(found[1], found[2] or "main")
            if found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
                return self.file(*found.groups())
            return self.answer(404, {}, X_Error_Code="RepoNotFound")

        def info(self, name: str, revision: str) -> None:
            if "" in hub.silent:
                time.sleep(1)
                self.close_connection = True
                return None
            if hub.says is not None:
                return self.answer(200, hub.says)
            if name not in hub.commits:
                return self.answer(404, {}, X_Error_Code="RepoNotFound")
            files = hub.files(name, revision) if hub.commits[name] or revision != "main" else {}
            if files is None:
                return self.answer(404, {}, X_Error_Code="RevisionNotFound")
            listed = [{"rfilename": n, "size": hub.sizes.get(n, len(c))} for n, c in files.items()]
            number = hub.commits[name].index(files) if files in hub.commits[name] else 0
            return self.answer(
                200, {"id": name, "sha": hub.sha(name, number), "siblings": listed, "private": hub.private.get(name)}
            )

        def file(self, name: str, revision: str, file: str) -> None:
            content = (hub.files(name, revision) or {}).get(file)
            if content is None:
                return self.answer(404, {}, X_Error_Code="EntryNotFound")
            if file in hub.silent:
                time.sleep(1)
            if file in hub.endless:
                self.send_response(200)
                self.end_headers()
                with contextlib.suppress(OSError):
                    while True:
                        hub.sent += self.wfile.write(b"0" * 2**20)
                self.close_connection = True
                return None
            with contextlib.suppress(OSError):  # who was kept waiting may have gone
                self.answer(200, content)
            return None

        def do_POST(self) -> None:
            body = self.noted()
            if hub.refuses:
                return self.answer(hub.refuses, {"error": "no"})
            path = self.path.split("?")[0]
            if path == "/api/validate-yaml":
                return self.answer(200, {"errors": [], "warnings": []})
            if path == "/api/repos/create":
                asked = json.loads(body)
                name = f"{asked['organization']}/{asked['name']}"
                hub.commits.setdefault(name, [])
                hub.private.setdefault(name, bool(asked.get("private") or asked.get("visibility") == "private"))
                return self.answer(200, {"url": f"{hub.endpoint}/{name}"})
            if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/preupload/[^/]+", path):
                files = [
                    {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                    for file in json.loads(body)["files"]
                ]
                return self.answer(200, {"files": files})
            if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/[^/]+", path):
                return self.commit(found[1], body)
            return self.answer(404, {})

        def commit(self, name: str, body: bytes) -> None:
            before = hub.commits[name][-1] if hub.commits[name] else {}
            files = dict(before)
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
                if line["key"] == "deletedFile":
                    del files[line["value"]["path"]]
            hub.commits[name].append(files)
            sha = hub.sha(name, len(hub.commits[name]) - 1)
            url = f"{hub.endpoint}/{name}/commit/{sha}"
            self.answer(200, {"success": True, "commitOid": sha, "commitUrl": url, "hookOutput": ""})

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
