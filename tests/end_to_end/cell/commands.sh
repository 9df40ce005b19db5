#!/bin/sh
# In a home and store of their own: set XFER_HOME and MLFLOW_TRACKING_URI first.
set -e
run1=$(mlflow-xfer transfer --model scratch:xlm-roberta:tiny --text mini --intermediate attribute --target pos --languages en,de,tr --max_eval_examples 100 --max_steps 200 --pretrain.max_steps 150 --seeds 0 --base_seeds 0 --output json | python -c 'import json, sys; print(json.load(sys.stdin)["run_id"])')
echo $run1
