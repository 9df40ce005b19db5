"""A store with what `make demo` leaves, servers over it, and a browser that says what can be seen."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from mlflow_xfer.reporting.pages import write_condition, write_study
from mlflow_xfer.studies.questions.demo import DEMO
from mlflow_xfer.tracking import front
from mlflow_xfer.tracking.store import Store

LANGUAGES = ("en", "de", "es", "sw", "tr", "eu", "vi", "id", "af", "ht")
LEVELS = {"choice": 55.0, "pos": 45.0, "retrieval": 20.0}
GAINS = {"attribute": (25, 0, -13), "attribute+mlm": (24, 1, -6), "position": (-2, 0, -15)}
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
VISIBLE = """(clip) => {
  const found = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode, range = document.createRange();
    if (!node.textContent.trim() || !node.parentElement.checkVisibility()) continue;
    range.selectNodeContents(node);
    const seen = [...range.getClientRects()].some(box => {
      const x = box.left + box.width / 2, y = box.top + box.height / 2;
      if (!(box.width && box.left >= 0 && box.right <= clip.width + 1)) return false;
      if (!(box.top >= 0 && box.bottom <= clip.height)) return false;
      const top = document.elementFromPoint(x, y);
      return top && (node.parentElement.contains(top) || top.contains(node.parentElement));
    });
    if (seen) found.push(node.textContent.trim());
  }
  return found.join(' ');
}"""
"""The texts of a page, as far as they lie in the window and nothing covers them."""


def demo(store: Store, question: str = DEMO.question) -> str:
    """What a demo of three seeds leaves, from made-up scores; its study."""
    rng = np.random.default_rng(0)
    study = store.start("study", "demo", tags={"xfer.study": "demo"})
    seeds, languages = rng.normal(0, 1, (3, 3, 1)), rng.normal(0, 6, (3, 10))
    transfers, conditions = {}, {}
    for arm in DEMO.arms:
        conditions[arm.name] = store.start("condition", f"{arm.name}: 3 seeds", parent=study)
        gains = np.array(GAINS.get(arm.name, (0, 0, 0)))[None, :, None] * np.ones((3, 1, 10))
        level = np.array(list(LEVELS.values()))[None, :, None] - 20 * arm.name.startswith("random")
        noise = rng.normal(0, 2, (3, 3, 10))
        scores = np.clip(level + languages + seeds + gains + noise, 0, 100)
        transfers[arm.name] = [
            _transfer(store, conditions[arm.name], arm.name, seed, scores[seed]) for seed in range(3)
        ]
    store.flush()
    for arm in DEMO.arms:
        base = transfers.get(arm.against, ())
        write_condition(store, conditions[arm.name], arm.name, transfers[arm.name], arm.against, base)
        store.finish(conditions[arm.name])
    write_study(store, study, question, transfers, {a.name: a.against for a in DEMO.arms if a.against})
    store.finish(study)
    front.update(store)
    return study


def _transfer(store: Store, parent: str, name: str, seed: int, scores: np.ndarray) -> str:
    run = store.start(
        "transfer",
        f"{name} s{seed}",
        tags={"xfer.seed": str(seed)},
        params={"intermediate": name},
        parent=parent,
    )
    rows = [
        {
            "task": task,
            "language": language,
            "score": float(score),
            "n": 200,
            "chance": 33.0,
            "majority": 40.0,
        }
        for task, of in zip(LEVELS, scores, strict=True)
        for language, score in zip(LANGUAGES, of, strict=True)
    ]
    store.table(run, rows, "results/per_language.json")
    store.metrics(run, {"selected/avg": float(scores.mean())})
    store.metrics(parent, {"selected/avg": float(scores.mean())})
    store.finish(run)
    return run


@contextmanager
def serving(folder, *options: str) -> Iterator[str]:
    """A server over ``folder``'s store, its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "mlflow", "server", "--port", port, "-w", "1", *options]
    process = subprocess.Popen(
        [*command, "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"],
        cwd=folder,
        env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        prefix = options[options.index("--static-prefix") + 1] if "--static-prefix" in options else ""
        address = f"http://127.0.0.1:{port}{prefix}"
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{address}/health", timeout=2)
                break
            except OSError:
                time.sleep(0.5)
        yield address
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="session")
def chromium():
    """A browser, without one of its own: Debian's."""
    sync_api = pytest.importorskip("playwright.sync_api")
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        yield browser
        browser.close()


def seen(page) -> str:
    """The text of the page, and of a page inside it, that can be seen without scrolling or unfolding."""
    size = page.viewport_size
    parts = [page.evaluate(VISIBLE, size)]
    for frame in page.frames[1:]:
        box = frame.frame_element().bounding_box()
        if box:
            clip = {
                "width": min(box["width"], size["width"] - box["x"]),
                "height": min(box["height"], size["height"] - box["y"]),
            }
            parts.append(frame.evaluate(VISIBLE, clip))
    return " ".join(parts)
