"""Puts a WSGI application on a free loopback port and says where it is."""

import argparse
import os
import signal
import sys
from collections.abc import Callable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server


class Server(WSGIServer):
    # The default backlog of five refuses a client that opens eight connections at once.
    request_queue_size = 128

    def server_bind(self) -> None:
        # The inherited method looks up the name of the host, which may take long on a closed network.
        super(WSGIServer, self).server_bind()
        self.server_name, self.server_port = self.server_address[:2]
        self.setup_environ()


class QuietHandler(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Says nothing: requests may hold people's data."""


def run(path: str, make_app: Callable[[str, str], Any]) -> None:
    """Serves make_app(url, token) until it is told to end.

    The URL is written to the file of --port-file once requests are answered, whole or not at all.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--port-file", required=True, help="file that receives the base URL")
    parser.add_argument("--token", default="third-party", help="bearer token to ask for")
    arguments = parser.parse_args()
    with make_server("127.0.0.1", 0, None, Server, QuietHandler) as server:
        url = f"http://127.0.0.1:{server.server_port}{path}"
        server.set_app(make_app(url, arguments.token))
        with open(f"{arguments.port_file}.new", "w") as file:
            file.write(f"{url}\n")
        os.replace(f"{arguments.port_file}.new", arguments.port_file)
        print(url, flush=True)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass
