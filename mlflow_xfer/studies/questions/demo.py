"""The demo: on the embedded suite, one intermediate task helps, one does nothing, one conflicts;
and why alignment carries it.

``attribute`` teaches what ``choice`` asks for; ``attribute_null`` is the same training with the labels
permuted; ``position`` teaches tags that conflict with ``pos``. The control repeats baseline and helper on a
random encoder: if the gain were learnt from English alone, it would show there too.
"""

from __future__ import annotations

from mlflow_xfer.studies.study import Arm, Study

SHARED = {"target": "choice,pos,retrieval", "seeds": "0,1,2"}

DEMO = Study(
    name="demo",
    question="Which intermediate task makes the model transfer best to languages without labels?",
    shared=SHARED,
    seeds={"registered": "0,1,2,3,4,5,6,7,8,9"},
    minutes={"quick": 5.3},
    arms=(
        Arm("baseline", {"intermediate": "none"}),
        Arm("attribute", {"intermediate": "attribute"}, "baseline"),
        Arm("attribute+mlm", {"intermediate": "attribute", "mlm_share": "0.5"}, "baseline"),
        Arm("attribute_null", {"intermediate": "attribute_null"}, "baseline"),
        Arm("position", {"intermediate": "position"}, "baseline"),
        Arm("random encoder", {"intermediate": "none", "control": "random"}),
        Arm(
            "random encoder, attribute", {"intermediate": "attribute", "control": "random"}, "random encoder"
        ),
    ),
)
