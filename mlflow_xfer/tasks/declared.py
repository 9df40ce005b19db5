"""An entry of a task file, with where it stands and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mlflow_xfer import registry
from mlflow_xfer.errors import Problems, XferError
from mlflow_xfer.tasks.entry import Entry
from mlflow_xfer.tasks.yaml_source import Located


class Declared:
    """The entry ``name`` of a file; what does not fit together goes to ``problems``."""

    def __init__(self, name: str, entry: Entry, content: Located, problems: Problems):
        self.name, self.entry, self.content, self.problems = name, entry, content, problems
        self.folder = content.path.parent

    def bad(self, field: str, what: str, hint: str = "") -> None:
        """Something is wrong with a field, or with the whole entry."""
        self.problems.add(
            f"{self.content.at('tasks', self.name, *filter(None, [field]))}: task {self.name!r}: {what}", hint
        )

    def order(self, field: str, said: Iterable[str]) -> tuple[str, ...]:
        """What files say for the first choice, the second, …; a mapping says at which place each stands."""
        if not isinstance(said, Mapping):
            return tuple(said)
        if set(said.values()) != set(map(str, range(len(said)))):
            last = len(said) - 1
            self.bad(
                field,
                f"labels are {{in the file: place of a choice}}, with places from 0 to {last}, each once.",
                f"Or what the file says for the first choice, the second, …: labels: [{', '.join(said)}]",
            )
            return ()
        return tuple(sorted(said, key=lambda name: int(said[name])))

    def unknown(self, what: str, name: str, known: Iterable[str], *place: str, see: str = "") -> None:
        """A name at ``place`` is none of those that are ``known``."""
        here = self.content.at("tasks", self.name, *place)
        self.problems.add(XferError(f"{here}: {registry.unknown(what, name, known, see)}"))
