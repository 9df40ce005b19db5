"""Which intermediate task helps, for which language, how sure? Somebody who knows only the link that a
command printed sees it at once; from any other page of the experiment it is one click away.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from mlflow_xfer.tracking import front, links
from mlflow_xfer.tracking.store import Store
from tests.ui.conftest import demo, seen, serving

pytestmark = pytest.mark.slow
INTERVAL = r"[+−]?\d+\.\d \[[+−]?\d+\.\d, [+−]?\d+\.\d\]"
WINDOW = {"width": 1280, "height": 800}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Three experiments, each with a demo: (its folder, the study of the last, what its command prints)."""
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as there:
        there.chdir(folder)
        there.setenv("XFER_HOME", str(folder / "home"))
        there.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
        for name in ("first", "second", "third"):
            with Store.open(name) as opened:
                study = demo(opened)
                printed = opened.link(study)
    return folder, study, printed


@pytest.fixture(scope="module")
def address(store):
    with serving(store[0]) as found:
        yield found


def at(printed: str, address: str) -> str:
    """The printed link on the server that the test runs."""
    link = printed.splitlines()[-1]
    assert link.startswith("http://127.0.0.1:5000/#/")
    return link.replace("http://127.0.0.1:5000", address)


def opened(chromium, link: str, *, shows: str):
    return shown(chromium.new_page(viewport=WINDOW), link, shows)


def shown(page, link: str, shows: str):
    page.goto(link)
    wait(page, shows)
    return page


def answers(text: str) -> None:
    """The verdict, the best condition with its interval, languages with theirs, the null, and its reach."""
    assert re.search(rf"attribute(\+mlm)? is better than baseline: {INTERVAL} points on average", text), text
    assert re.search(rf"on choice {INTERVAL}; (all|at least \d+ of) 10 languages gain", text)
    assert len(re.findall(rf"(Swahili|German|Turkish|Basque|Spanish) {INTERVAL}", text)) >= 3
    assert re.search(rf"attribute_null {INTERVAL}", text)
    assert "3 seeds: a demonstration, not a verdict" in text


def test_the_first_link_answers(chromium, store, address):
    page = opened(chromium, at(store[2], address), shows="a demonstration")
    answers(seen(page))


def test_under_a_path_prefix(chromium, store):
    with serving(store[0], "--static-prefix", "/team/mlflow") as address:
        page = opened(chromium, at(store[2], address), shows="a demonstration")
        answers(seen(page))
        page.goto(f"{address}/#/experiments/{experiment(store)}/runs?workflowType=machine_learning")
        answers(seen(clicked(page)))


def test_for_a_user_who_may_only_read(chromium, store, guarded):
    """A server with MLflow's own users: hers has the right to read the experiments, and no other."""
    address, reader = guarded
    with pytest.raises(MlflowException, match="Permission denied"):
        MlflowClient(address).set_experiment_tag(experiment(store), "note", "hers")
    context = chromium.new_context(viewport=WINDOW, http_credentials=reader)
    refused = []
    page = context.new_page()
    page.on("response", lambda answer: refused.append(answer.url) if answer.status == 401 else None)
    answers(seen(shown(page, at(store[2], address), "a demonstration")))
    link = f"{address}/#/experiments/{experiment(store)}/runs?workflowType=machine_learning"
    answers(seen(clicked(shown(context.new_page(), link, "demo: attribute"))))
    assert not refused


@pytest.fixture
def guarded(store, monkeypatch):
    """A server over the store that asks who one is; its address and the user who may only read."""
    pytest.importorskip("flask_wtf")
    from mlflow.server.auth.client import AuthServiceClient

    settings = Path(store[0] / "auth.ini")
    settings.write_text(
        "[mlflow]\ndefault_permission = READ\nadmin_username = admin\nadmin_password = of-the-administrator\n"
        f"database_uri = sqlite:///{store[0] / 'users.db'}\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    monkeypatch.setenv("MLFLOW_AUTH_CONFIG_PATH", str(settings))
    monkeypatch.setenv("MLFLOW_FLASK_SERVER_SECRET_KEY", "of this test")
    with serving(store[0], "--app-name", "basic-auth") as address:
        reader = {"username": "reader", "password": "reader-password"}
        for name, value in (("USERNAME", "admin"), ("PASSWORD", "of-the-administrator")):
            monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", value)
        AuthServiceClient(address).create_user(**reader)
        for name, value in reader.items():
            monkeypatch.setenv(f"MLFLOW_TRACKING_{name.upper()}", value)
        yield address, reader


@pytest.mark.parametrize("view", ["", *(view.key for view in front.VIEWS.values())])
def test_any_page_of_the_experiment_leads_there_by_one_click(chromium, store, address, view):
    """With a saved view, and without one, as where MLflow ignores it."""
    share = f"&viewStateShareKey={view}" if view else ""
    link = f"{address}/#/experiments/{experiment(store)}/runs?workflowType=machine_learning{share}"
    page = opened(chromium, link, shows="demo: attribute")
    assert re.search(rf"demo: attribute(\+mlm)? {INTERVAL}; choice \+2\d\.\d", seen(page))
    answers(seen(clicked(page)))


def test_the_view_of_conditions_shows_them_with_their_scores(chromium, store, address):
    view = front.VIEWS["Conditions"]
    link = f"{address}/{links.inside_view(experiment(store), view.key)}"
    page = opened(chromium, link, shows="attribute_null: 3 seeds")
    text = seen(page)
    names = set(re.findall(r"(attribute\+mlm|attribute_null|position|baseline): 3 seeds", text))
    assert names == {"attribute+mlm", "attribute_null", "position", "baseline"}
    assert "7 matching runs" in text and view.name in text and "selected/avg" in text


def clicked(page):
    """The page behind the experiment's first line, which opens beside this one."""
    with page.expect_popup() as beside:
        page.get_by_role("link", name=re.compile("^demo: ")).first.click()
    wait(beside.value, "a demonstration")
    return beside.value


def wait(page, shows: str) -> None:
    """Until the page, or one inside it, has this text."""
    for _ in range(150):
        if any(shows in frame.evaluate("document.body?.innerText ?? ''") for frame in page.frames):
            break
        page.wait_for_timeout(200)
    page.wait_for_timeout(500)


def test_the_newest_answer_is_named_before_the_server_starts(store):
    folder, _, printed = store
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    verdict, link = front.newest(MlflowClient(uri), uri).splitlines()
    assert verdict.startswith("demo: attribute+mlm +") and link == printed.splitlines()[-1]


def experiment(store) -> str:
    return store[2].splitlines()[-1].split("/experiments/")[1].split("/")[0]


@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing_serious_in_the_report(chromium, store, width):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = chromium.new_page(viewport={"width": width, "height": 844})
    (report,) = store[0].glob(f"**/{store[1]}/artifacts/report.html")
    page.goto(report.as_uri())
    found = axe.Axe().run(page).response["violations"]
    assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "nothing runs off the page"
