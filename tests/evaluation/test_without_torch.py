"""Scores need neither torch nor fairseq, so that the commands start at once."""

import subprocess
import sys


def test_the_commands_import_no_torch() -> None:
    code = (
        "import sys, moe_nmt.cli.score, moe_nmt.cli.tune\n"
        "sys.exit(', '.join({'torch', 'fairseq'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() == ""
