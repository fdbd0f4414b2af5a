"""`ecrnn serve` under load: requests a second, p50 and p99, memory, and what a stop loses.

Writes one JSON line a run. Clients are threads of another process, each with one connection; every request is one JPEG.
One at a time (--max-batch 1, one client after another) stands beside it, in turn, in one run:

    python benchmarks/serve_load.py --bundle cifar10 --requests 10000 --clients 32 --out results/speed/serve.json
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import os
import queue
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image


def jpegs(count: int, side: int) -> list[bytes]:
    draw, found = np.random.default_rng(0), []
    for _ in range(count):
        small = Image.fromarray(draw.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        buffer = io.BytesIO()
        small.resize((side, side), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
        found.append(buffer.getvalue())
    return found


def memory(pid: int) -> float:
    """Resident MiB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def start(bundle: str, *options: str) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-m", "ecrnn", "serve", bundle, "--port", "0", "--json", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    url = json.loads(process.stdout.readline())["url"]
    while True:
        try:
            httpx.get(f"{url}ready", timeout=60).raise_for_status()
            return process, url
        except httpx.TransportError:
            time.sleep(0.1)


def load(url: str, images: list[bytes], requests: int, clients: int) -> tuple[list[float], Counter[str], float]:
    """Seconds of each request, how many ended how, and seconds in all.

    A request ends with its status, as "refused" where there was no connection any more, or as "lost" where it was sent
    and no answer came.
    """
    work: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(requests):
        work.put(number)
    seconds: list[float] = []
    endings: Counter[str] = Counter()
    address = url.removeprefix("http://").strip("/")

    def client() -> None:
        connection = http.client.HTTPConnection(address, timeout=60)
        while True:
            try:
                number = work.get_nowait()
            except queue.Empty:
                connection.close()
                return
            begun = time.perf_counter()
            ending = _ask(connection, images[number % len(images)])
            if ending == "closed":  # between two requests; a new connection is asked for
                ending = _ask(connection, images[number % len(images)])
            seconds.append(time.perf_counter() - begun)
            endings[ending] += 1

    threads = [threading.Thread(target=client) for _ in range(clients)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seconds, endings, time.perf_counter() - begun


def _ask(connection: http.client.HTTPConnection, image: bytes) -> str:
    try:
        connection.request("POST", "/predict", image, {"content-type": "image/jpeg"})
        answer = connection.getresponse()
        answer.read()
        return str(answer.status)
    except ConnectionRefusedError:
        connection.close()
        return "refused"
    except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
        connection.close()
        return "closed"  # before any byte of an answer: taken for lost only if it was not idle
    except (http.client.HTTPException, OSError):
        connection.close()
        return "lost"


def measured(bundle: str, images: list[bytes], requests: int, clients: int, *options: str) -> dict[str, Any]:
    process, url = start(bundle, *options)
    load(url, images, 200, clients)  # warm
    before = memory(process.pid)
    seconds, endings, whole = load(url, images, requests, clients)
    after = memory(process.pid)
    process.send_signal(signal.SIGTERM)
    process.wait(60)
    quantiles = statistics.quantiles(seconds, n=100)
    return {
        "clients": clients,
        "options": options,
        "requests": requests,
        "endings": dict(endings),
        "requests_a_second": requests / whole,
        "p50_ms": 1000 * quantiles[49],
        "p99_ms": 1000 * quantiles[98],
        "memory_before_mib": before,
        "memory_after_mib": after,
    }


def stopped(bundle: str, images: list[bytes], clients: int) -> dict[str, Any]:
    """How requests end when the server is told to stop while many are under way; none should be lost."""
    process, url = start(bundle)
    found: list[Counter[str]] = []
    thread = threading.Thread(target=lambda: found.append(load(url, images, 3000, clients)[1]))
    thread.start()
    time.sleep(2.0)
    process.send_signal(signal.SIGTERM)
    thread.join()
    process.wait(60)
    return {"stopped_after_seconds": 2.0, "endings": dict(found[0])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", default="cifar10")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--side", type=int, default=64, help="of the JPEGs, in pixels")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    images, runs = jpegs(64, chosen.side), []
    for pair in range(chosen.pairs):
        requests = chosen.requests if pair == 0 else chosen.requests // 5
        for options, count, many in (
            ((), chosen.clients, requests),
            (("--max-batch", "1", "--max-wait-ms", "0"), chosen.clients, requests // 5),
            ((), 1, requests // 10),
        ):
            runs.append(measured(chosen.bundle, images, many, count, *options))
            print(json.dumps(runs[-1]), flush=True)
    stop = stopped(chosen.bundle, images, chosen.clients)
    print(json.dumps(stop), flush=True)
    if chosen.out:
        chosen.out.write_text(json.dumps({"runs": runs, "stop": stop}, indent=1) + "\n")


if __name__ == "__main__":
    main()
