"""What a training of this package asks of ``transformers.Trainer``."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from transformers import TrainingArguments

from mlflow_xfer.params.settings import TrainingSettings
from mlflow_xfer.training.devices import resolved

OPTIMIZERS = {
    "adamw": "adamw_torch_fused",
    "adamw8bit": "adamw_bnb_8bit",
    "paged_adamw8bit": "paged_adamw_8bit",
}
"""What Trainer calls the values of ``optimizer``."""

BETA2 = {"language modelling": 0.98, "fine-tuning": 0.999}  # of Adam; 0.98: Liu et al. 2019 §3.1


def arguments(
    settings: TrainingSettings,
    device: torch.device,
    folder: Path,
    total: int,
    fine_tuning: bool,
    seed: int,
) -> TrainingArguments:
    """Trainer's own settings for a training of ``total`` steps; what it would save, log or show is off."""
    precision = resolved(settings.precision, device)
    made = TrainingArguments(
        output_dir=str(folder),
        max_steps=total,
        per_device_train_batch_size=1,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="linear",
        # The rate of the first step of a rise is 0: of a single step nothing would be trained.
        warmup_steps=math.ceil(total * settings.warmup_ratio) if total > 1 else 0,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        adam_beta2=BETA2["fine-tuning" if fine_tuning else "language modelling"],
        optim=OPTIMIZERS[settings.optimizer],
        bf16=precision == "bf16",
        fp16=precision == "fp16",
        use_cpu=device.type == "cpu",
        seed=seed,
        save_strategy="no",
        eval_strategy="no",
        logging_strategy="no",
        logging_nan_inf_filter=False,
        report_to=[],
        disable_tqdm=True,
        ignore_data_skip=True,  # batches are asked for by their step: nothing is skipped
        remove_unused_columns=False,
        dataloader_pin_memory=False,
    )
    if made.n_gpu > 1:  # else Trainer splits a batch over all GPUs it sees: these batches are not made for it
        made._n_gpu = 1
    return made
