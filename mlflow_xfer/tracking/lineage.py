"""From any run back to its base model.

Lineage is our own tags: a run's inputs are ``xfer.input_run_ids``, a request points to its result
with ``xfer.result_run_id``, and what a chain starts from is ``xfer.base_model``. MLflow's parent tag
says who launched a run; it is followed only downwards, from a transfer or study to its phases.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mlflow_xfer.errors import XferError
from mlflow_xfer.tracking.runs import RESULT_TAG, RunView
from mlflow_xfer.tracking.session import Session

_GROUPS = ("transfer", "condition", "search", "trial", "study")
_RELATIONS = {"result": "result of", "input": "made from", "part": "consists of", "base": "starts from"}


@dataclass(frozen=True)
class Node:
    """A run, or at the end of a chain the base model, with what it came from.

    Args:
        relation: how the node above came by it: ``result``, ``input``, ``part`` or ``base``.
        run: None for a base model and for a run that the store no longer has.
        title: what it is, in words.
        sources: what it was made from.
    """

    relation: str
    run: RunView | None
    title: str
    sources: tuple[Node, ...] = field(default=())

    def runs(self) -> list[RunView]:
        """All runs of the tree, each once, this one first."""
        runs = {self.run.run_id: self.run} if self.run else {}
        for source in self.sources:
            runs |= {run.run_id: run for run in source.runs()}
        return list(runs.values())

    def base_models(self) -> list[str]:
        """The base models at the ends of the tree, each once."""
        titles = [self.title] if self.relation == "base" else []
        for source in self.sources:
            titles += [base for base in source.base_models() if base not in titles]
        return titles


def lineage(store: Session, run_id: str) -> Node:
    """The tree of what ``run_id`` came from; raises :class:`XferError` if there is no such run."""
    return _node(store, store.get(run_id), "", {}, ())


def text(node: Node) -> str:
    """The tree as indented lines; a run shown before is only named again."""
    lines: list[str] = []
    shown: set[str] = set()

    def add(node: Node, depth: int) -> None:
        arrow = f"{'   ' * (depth - 1)}└─ {_RELATIONS.get(node.relation, node.relation)} " if depth else ""
        again = node.run is not None and node.run.run_id in shown
        lines.append(f"{arrow}{node.title}{' (see above)' if again and node.sources else ''}")
        if node.run:
            shown.add(node.run.run_id)
        for source in () if again else node.sources:
            add(source, depth + 1)

    add(node, 0)
    return "\n".join(lines)


def _node(
    store: Session, run: RunView, relation: str, known: dict[str, Node], above: tuple[str, ...]
) -> Node:
    if run.run_id in above:  # tags can be edited by hand; a circle must end somewhere
        return Node(relation, run, f"{_title(run)} (circular)")
    if run.run_id in known:
        made = known[run.run_id]
        return Node(relation, made.run, made.title, made.sources)
    above = (*above, run.run_id)
    sources: list[Node] = []
    if result := run.tags.get(RESULT_TAG):
        sources.append(_follow(store, result, "result", known, above))
    sources += [_follow(store, run_id, "input", known, above) for run_id in run.inputs]
    if run.kind in _GROUPS:
        listed = {source.run.run_id for source in sources if source.run}
        parts = [part for part in store.children(run.run_id) if part.run_id not in listed]
        sources += [_node(store, part, "part", known, above) for part in parts]
    if not sources and (base := run.tags.get("xfer.base_model")):
        sources.append(Node("base", None, base))
    node = Node(relation, run, _title(run), tuple(sources))
    known[run.run_id] = node
    return node


def _follow(
    store: Session, run_id: str, relation: str, known: dict[str, Node], above: tuple[str, ...]
) -> Node:
    try:
        return _node(store, store.get(run_id), relation, known, above)
    except XferError as error:
        if error.exit_code != 2:
            raise
        return Node(relation, None, f"run {run_id}, which this store no longer has")


def _title(run: RunView) -> str:
    what = run.tags.get("xfer.phase") or run.kind or "run"
    parts = [what if run.kind in ("", "phase") else run.kind, run.name, run.run_id]
    tasks = run.tags.get("xfer.tasks") or run.tags.get("xfer.target")
    if tasks:
        parts.append(f"on {tasks}")
    if seed := run.tags.get("xfer.seed"):
        parts.append(f"seed {seed}")
    ended = "" if run.status == "FINISHED" else f" [{run.status}]"
    return " · ".join(part for part in parts if part) + ended + (" [deleted]" if run.deleted else "")
