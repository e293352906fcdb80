"""Put the embedded corpus and its gold translations on the path."""

import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(_HERE.parents[1] / "data"), str(_HERE)]
