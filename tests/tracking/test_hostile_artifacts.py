"""An artifact store that lists what leads elsewhere: one clear error, and nothing is written."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from mlflow_xfer.errors import XferError
from mlflow_xfer.tracking import artifacts
from mlflow_xfer.tracking.store import Store

API = "/api/2.0/mlflow-artifacts/artifacts"


@pytest.fixture
def listing():
    """A server of artifacts, and the names that it lists in every folder."""
    files: list[dict] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            asked = urlsplit(self.path)
            content = b"content"
            if asked.path == API:
                folder = parse_qs(asked.query)["path"][0]
                of_file = any(not one["is_dir"] and folder.endswith(one["path"]) for one in files)
                content = json.dumps({"files": [] if of_file else files}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}{API}", files
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    "name, is_dir",
    [
        ("../../escaped", False),
        ("/tmp/escaped", False),
        ("a/../../../escaped", False),
        ("..\\escaped", False),
        ("C:\\escaped", False),
        ("%2e%2e/escaped", False),
        ("again", True),
    ],
)
def test_names_that_lead_elsewhere_are_refused(own_store, listing, tmp_path, name, is_dir):
    uri, files = listing
    files.append({"path": name, "is_dir": is_dir, "file_size": 6})
    with Store.open() as store:
        with pytest.raises(XferError, match="cannot stand there"):
            artifacts.files_under(store, uri, "predictions")
        assert not list(tmp_path.rglob("*escaped*")) and not Path("/tmp/escaped").exists()


def test_what_is_in_order_is_read(own_store, listing):
    uri, files = listing
    files += [{"path": name, "is_dir": False, "file_size": 7} for name in ("pos.txt", "qa.txt")]
    with Store.open() as store:
        found = artifacts.files_under(store, uri, "predictions")
    assert found == {"predictions/pos.txt": b"content", "predictions/qa.txt": b"content"}
