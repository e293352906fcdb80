"""The layer and the modules serve any torch program."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
import moe_nmt.moe, moe_nmt.modules, moe_nmt.distributed
import moe_nmt.modules.attention, moe_nmt.modules.attentive_lstm, moe_nmt.modules.dropout
import moe_nmt.modules.lstm, moe_nmt.modules.projected_loss, moe_nmt.modules.stack
print([name for name in sys.modules if name.partition(".")[0] in ("fairseq", "omegaconf", "hydra")])
"""


def test_the_layer_and_the_modules_import_torch_alone():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
