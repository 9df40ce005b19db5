"""A web server of this host that holds small files in the form of the published ones."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

from mlflow_xfer.data.fetching import archives
from mlflow_xfer.data.fetching import fetch as work
from mlflow_xfer.tasks.paraphrase import PAWSX_LANGUAGES
from mlflow_xfer.tasks.qa import MLQA_LANGUAGES, TYDIQA_NAMES
from mlflow_xfer.tasks.tagging import PANX_LANGUAGES, PANX_R_LANGUAGES, SPLITS

UD = """# text = zum Haus
1-2\tzum\t_\t_\t_\t_\t_\t_\t_\t_
1\tzu\t_\tADP\t_\t_\t3\tcase\t_\t_
2\tdem\t_\tDET\t_\t_\t3\tdet\t_\t_
3\tHa us\t_\tNOUN\t_\t_\t0\troot\t_\t_
3.1\tnichts\t_\tVERB\t_\t_\t_\t_\t_\t_

"""


@dataclass
class Site:
    """What a server gives, and how it behaves."""

    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Path and wanted range of each request."""
    ranges: bool = True
    breaks: int = 0
    """After how many bytes the next answer breaks off; 0: it does not."""
    status: int = 200
    address: str = ""

    def handler(self) -> type[BaseHTTPRequestHandler]:
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                wanted = self.headers.get("Range", "")
                site.asked.append((self.path, wanted))
                content = site.files.get(self.path)
                if content is None or site.status != 200:
                    self.send_error(404 if content is None else site.status)
                    return
                start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and site.ranges else 0
                if start and start >= len(content):
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{len(content)}")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.send_response(206 if start else 200)
                self.send_header("Content-Length", str(len(content) - start))
                self.end_headers()
                rest = content[start:]
                if site.breaks:
                    rest, site.breaks, self.close_connection = rest[: site.breaks], 0, True
                self.wfile.write(rest)

        return Handler


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    with ThreadingHTTPServer(("127.0.0.1", 0), made.handler()) as server:
        made.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield made
        server.shutdown()
        thread.join()


@pytest.fixture
def published(site, monkeypatch) -> Site:
    """The site holds every file that can be fetched, in small; the checksums are theirs."""
    for name, one in archives.DATA_SETS.items():
        made = []
        for archive in one.archives:
            content, parts = small(archive.address), urlsplit(archive.address)
            site.files[f"/{parts.netloc}{parts.path}"] = content
            sha256 = hashlib.sha256(content).hexdigest() if archive.sha256 else ""
            made.append(replace(archive, sha256=sha256))
        monkeypatch.setitem(archives.DATA_SETS, name, replace(one, archives=tuple(made)))
    assert work.DATA_SETS is archives.DATA_SETS
    return site


def small(address: str) -> bytes:
    """A file in the form of the one that this address gives."""
    name = address.rpartition("/")[2]
    if name == "XNLI-1.0.zip":
        row = '{}\t{}\t0\t0\t0\t0\tA "cat" sat.\tA cat\t0\n'
        rows = [row.format(code, label) for code in ("en", "sw") for label in ("neutral", "contradiction")]
        return zipped(
            {
                f"XNLI-1.0/xnli.{split}.tsv": "header\t\t\t\t\t\t\t\n" + "".join(rows)
                for split in ("dev", "test")
            }
        )
    if name == "XNLI-MT-1.0.zip":
        rows = "premise\thypo\tlabel\nIt rains.\tIt's wet.\tentailment\nIt rains.\tIt's dry.\tcontradictory\n"
        return zipped({"XNLI-MT-1.0/multinli/multinli.train.en.tsv": rows})
    if name == "x-final.tar.gz":
        rows = "id\tsentence1\tsentence2\tlabel\n1\tOne two.\tTwo one.\t1\n2\tOne two.\tThree.\t0\n"
        return tarred(
            {f"x-final/{c}/{n}.tsv": rows for c in PAWSX_LANGUAGES for n in ("train", "dev_2k", "test_2k")}
        )
    if name == "ud-treebanks-v2.5.tgz":
        banks = [
            f"{bank}-ud-{split}" for bank in ("de_b", "de_a", "en_x", "cs_x") for split in SPLITS.values()
        ]
        texts = {f"ud-treebanks-v2.5/UD/{bank}.conllu": UD for bank in banks}
        return tarred(texts | {"ud-treebanks-v2.5/UD/README.md": "read me"})
    if name == "panx_dataset.zip":
        rows = "sw:Nairobi\tB-LOC\nsw:ni\tO\nsw:mji\tO\n\nsw:a:b\tB-ORG\n\n"
        inner = tarred(dict.fromkeys(("train", "dev", "test", "extra"), rows))
        return zipped({f"panx_dataset/{code}.tar.gz": inner for code in PANX_LANGUAGES + PANX_R_LANGUAGES})
    if name == "MLQA_V1.zip":
        pairs = [(part, code) for part in ("dev", "test") for code in MLQA_LANGUAGES]
        named = "MLQA_V1/{0}/{0}-context-{1}-question-{1}.json"
        texts = {named.format(*pair): questions("q") for pair in pairs}
        return zipped(texts | {"MLQA_V1/LICENSE": "a licence"})
    if name.startswith("tydiqa"):
        return questions(
            *(f"{language}-{n}-0" for language in TYDIQA_NAMES.values() for n in range(40))
        ).encode()
    if name.endswith(".json"):
        return questions(*map(str, range(100))).encode()
    if name.endswith(".tar.bz2"):
        stem = name.removeprefix("bucc2018-").rpartition("-")[0]
        code, part = stem[:2], stem.partition(".")[2]
        sides = {
            code: f"{code}-1\teins\n{code}-2\tzwei\n",
            "en": "en-1\tone\nen-2\ttwo\n",
            "gold": f"{code}-1\ten-1\n",
        }
        return tarred(
            {f"bucc2018/{code}-en/{code}-en.{part}.{side}": text for side, text in sides.items()}, "w:bz2"
        )
    return "".join(f"line {n} of {name}\n" for n in range(3)).encode()


def questions(*ids: str) -> str:
    asked = [
        {
            "title": one,
            "paragraphs": [
                {
                    "context": f"Where {one} lives.",
                    "qas": [{"id": one, "question": "Who?", "answers": [{"answer_start": 6, "text": one}]}],
                }
            ],
        }
        for one in ids
    ]
    return json.dumps({"version": "1.1", "data": asked})


def zipped(files: Mapping[str, str | bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def tarred(files: Mapping[str, str], mode: str = "w:gz") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content.encode())
            archive.addfile(member, io.BytesIO(content.encode()))
    return stream.getvalue()
