"""A server of the small design in a process of its own, and what is said to it."""

import http.client
import json
import os
import queue
import signal
import subprocess
import sys
import threading

START = "2024-05-01T00:00:00Z"
START_S = 1_714_521_600
SERVE = (
    "import sys; from pathlib import Path; from sixfold.serving.server import serve; "
    "serve(Path(sys.argv[1]), port=0, workers=1, clock=sys.argv[2])"
)
ITEMS = [{"item_id": i, "shop_id": f"s{i % 4}", "price": i, "listed": i != 7} for i in range(20)]


class Server:
    """A server in a process of its own, and what is said to it."""

    def __init__(self, workdir, clock=START):
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(workdir), clock],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        lines = queue.Queue()
        threading.Thread(target=lambda: lines.put(self.process.stdout.readline()), daemon=True).start()
        self.ready = lines.get(timeout=60)
        assert " on http://" in self.ready, self.process.stderr.read()
        self.port = int(self.ready.rsplit(":", 1)[1])

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
            connection.request(method, path, raw)
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if path != "/metrics" else text.decode()
        finally:
            connection.close()

    def get(self, path):
        return self.ask("GET", path)

    def post(self, path, body=None):
        return self.ask("POST", path, body)

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        status = self.process.wait(timeout=30)
        self.process.stdout.close()
        self.process.stderr.close()
        return status


def visit(person, item, at=START_S, **more):
    return {"person_id": person, "item_id": item, "at": at, "bought": True, **more}
