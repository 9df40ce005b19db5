"""What translators said, kept under ``XFER_HOME`` by the digest of the model and of the text:
an interrupted translation goes on, and a repeated one costs nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from mlflow_xfer.home import home


@dataclass(frozen=True)
class Said:
    """A translation. ``cut``: it is not of the whole text, or was not ended."""

    text: str
    cut: bool = False


class Kept:
    """What one model has said, by text: a file to which lines are added, each a digest, a translation and
    whether it was cut. Lines that a killed process left half-written are passed over."""

    def __init__(self, identity: str) -> None:
        self.path = home() / "translations" / f"{identity}.jsonl"
        self.said: dict[str, Said] = {}
        try:
            lines = self.path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return
        for line in lines:
            try:
                key, text, cut = json.loads(line.decode("utf-8", "surrogatepass"))
            except ValueError:
                continue
            self.said[key] = Said(text, cut)

    def __contains__(self, text: str) -> bool:
        return _key(text) in self.said

    def __getitem__(self, text: str) -> Said:
        return self.said[_key(text)]

    def add(self, pairs: Iterable[tuple[str, Said]]) -> None:
        """Keep what was said of texts."""
        new = {_key(text): said for text, said in pairs}
        self.said |= new
        lines = [json.dumps([key, said.text, said.cut], ensure_ascii=False) for key, said in new.items()]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as file:  # begins a line, whatever was left half-written before it
            file.write("".join(f"\n{line}" for line in lines).encode("utf-8", "surrogatepass"))


def _key(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
