"""Which rows a phase reads: named by task, split and language, identified by their content."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Rows:
    """The rows of one split in one language.

    Attributes:
        task, split, language: what they are.
        provider: ``hub``, ``folder``, ``file`` (a task file), ``mini``.
        location: path or hub id, for people; not part of the identity.
        identity: ``sha256:<hex>``, ``hub:<id>@<commit>:<config>:<split>``,
            ``mini:<version>:<entry>:<params>``, or ``unresolved:…`` where the content is not known yet: then
            no reuse is claimed.
        params: parameters of a generator.
        paths: the files read, absolute.
        ids, exclude_ids: files of ids that choose rows, absolute.
        source: which of the task's sources of this provider they come from.
    """

    task: str
    split: str
    language: str
    provider: str
    location: str
    identity: str
    params: Mapping[str, Any] = field(default_factory=dict)
    paths: tuple[str, ...] = ()
    ids: str = ""
    exclude_ids: str = ""
    source: int = 0

    def spec(self) -> dict[str, str]:
        """The canonical, JSON-able form of what affects a result."""
        return {"task": self.task, "split": self.split, "language": self.language, "identity": self.identity}

    @property
    def resolved(self) -> bool:
        return not self.identity.startswith("unresolved")
