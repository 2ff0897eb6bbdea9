"""A service: answers every path with its environment as JSON, or 503 while a file `sick` exists."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Handler(BaseHTTPRequestHandler):
    """Answers GET."""

    def do_GET(self) -> None:
        """Send the environment."""
        body = json.dumps(dict(os.environ)).encode()
        self.send_response(503 if Path("sick").exists() else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


server = ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler)
print(f"listening on port {server.server_port}", flush=True)
server.serve_forever()
