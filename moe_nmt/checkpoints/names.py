"""What fairseq calls the checkpoints of a training."""

from __future__ import annotations

import re

KINDS = {
    "epoch": re.compile(r"checkpoint(\d+)\.pt"),
    "update": re.compile(r"checkpoint_\d+_(\d+)\.pt"),
}
# Of --keep-best-checkpoints; checkpoint_best.pt and checkpoint_last.pt are copies.
BEST = re.compile(r"checkpoint\.best_.*\.pt")
