"""Intermediate training on real models and real data: stages with their controls, in resumable pieces.

    python benchmarks/real_models.py list                  # the pieces by number, and what of them is run
    python benchmarks/real_models.py plan                  # what they cost; writes real_models_plan.md
    python benchmarks/real_models.py run A-0 --home HOME   # one piece, by name or number
    python benchmarks/real_models.py report                # real_models.md from the tables
    python benchmarks/real_models.py report --track        # and into MLflow, in the store of the home

``--data``: a folder with ``xtreme/`` in XTREME's layout and what ``real_models_tasks.yaml`` names (default:
``XFER_REAL_DATA``); ``--model``: the encoder (default: ``encoder`` in ``XFER_REAL_MODELS``). A piece runs in
one process; ``OMP_NUM_THREADS`` says on how many cores. Stopped, the same command goes on; what is finished
stands in ``real_models/PIECE.parquet``, which is committed, and is not run again.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from real_models_shapes import Piece, Stage  # noqa: E402
from real_models_stages import STAGES, TINY, pieces  # noqa: E402

HOME = "~/.cache/mlflow-xfer-real-runs"


def chosen(named: str, stages: tuple[Stage, ...] = STAGES) -> Piece:
    """The piece of a name or a number, counted from 1."""
    every = pieces(stages)
    by_name = {piece.name: piece for piece in (*every, *pieces((TINY,)))} | {
        str(n): piece for n, piece in enumerate(every, 1)
    }
    if named not in by_name:
        sys.exit(f"There is no piece {named!r}. There are: {', '.join(piece.name for piece in every)}")
    return by_name[named]


def main(given: list[str] | None = None, stages: tuple[Stage, ...] = STAGES) -> None:
    asked = _parser().parse_args(given)
    if asked.command == "report":
        from real_models_report import write

        print(write(asked.rows, asked.out, stages))
        return _track(asked, stages) if asked.track else None
    if asked.command == "list":
        from real_models_report import state

        return print(state(asked.rows, stages))
    lab = _lab(asked)
    if asked.command == "plan":
        from real_models_plan import write_plan

        return print(write_plan(lab, asked.plan, stages))
    from real_models_answers import ask
    from real_models_run import run

    for name in asked.piece:
        piece = chosen(name, stages)
        made = ask(lab, piece) if piece.answers else run(lab, piece)
        print(f"{piece.name}: {made} made; {lab.table(piece)}", flush=True)
    return None


def _path(text: str) -> Path:
    return Path(text).expanduser().absolute()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("list", "plan", "run", "report"))
    parser.add_argument("piece", nargs="*", help="run: names or numbers of pieces")
    parser.add_argument(
        "--home", type=_path, default=HOME, help="encodings, states and the store of the runs"
    )
    parser.add_argument("--data", type=_path, default=os.environ.get("XFER_REAL_DATA"))
    parser.add_argument("--model", type=_path, default=None)
    parser.add_argument(
        "--base", default="intfloat/multilingual-e5-small", help="the model's name on the hub"
    )
    parser.add_argument("--rows", type=_path, default=HERE / "real_models", help="folder of the tables")
    parser.add_argument("--plan", type=_path, default=HERE / "real_models_plan.md")
    parser.add_argument("--out", type=_path, default=HERE / "real_models.md")
    parser.add_argument("--only", nargs="*", default=(), help="run: these targets of a piece alone")
    parser.add_argument("--track", action="store_true", help="report: log it into the store of the home too")
    parser.add_argument("--reuse", choices=("any-code", "same-code", "never"), default="any-code")
    return parser


def _track(asked: argparse.Namespace, stages: tuple[Stage, ...]) -> None:
    _home(asked)
    from real_models_found import Found
    from real_models_track import track

    print(track(Found.read(asked.rows, stages), asked.out, asked.rows))


def _home(asked: argparse.Namespace) -> Path:
    """The home, which holds the store and its artifacts too, for this process."""
    home = asked.home
    home.mkdir(parents=True, exist_ok=True)
    os.chdir(home)  # MLflow puts the artifacts of a new experiment into the current folder
    os.environ["XFER_HOME"] = str(home)
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{home / 'mlflow.db'}"
    return home


def _lab(asked: argparse.Namespace):
    models = os.environ.get("XFER_REAL_MODELS")
    model = asked.model or (models and _path(models) / "encoder")
    home = _home(asked)
    if asked.data is None or model is None:
        sys.exit("Name the data with --data or XFER_REAL_DATA, the encoder with --model or XFER_REAL_MODELS.")
    from real_models_data import Folder
    from real_models_run import Lab

    return Lab(Folder(asked.data, home), str(model), asked.rows, asked.base, asked.reuse, asked.only)


if __name__ == "__main__":
    main()
