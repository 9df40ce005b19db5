"""docs/tasks.md says what the code does."""

from __future__ import annotations

import re

from mlflow_xfer.tasks.task_file import fields, load_task_file


def page(project) -> str:
    return (project / "docs" / "tasks.md").read_text("utf-8")


def test_the_example_is_a_task_file(project, tmp_path):
    [example] = re.findall(r"```yaml\n(.*?)```", page(project), re.DOTALL)
    (tmp_path / "tasks.yaml").write_text(example, encoding="utf-8")
    found = {task.name: task for task in load_task_file(tmp_path / "tasks.yaml")}
    assert list(found) == ["sick", "news-topics", "pubmed-questions", "stories", "answers", "my-mnli"]
    assert found["news-topics"].languages == ("de", "no") and found["news-topics"].train_languages == ("en",)


def test_the_table_has_every_field(project):
    wanted = [f"| `{name}` | {text} |" for name, text in fields() if text]
    between = page(project).split("<!-- fields -->\n")[1].split("\n<!-- /fields -->")[0]
    assert between.split("\n") == ["| field | meaning |", "|---|---|", *wanted]
