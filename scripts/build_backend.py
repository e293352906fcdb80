"""setuptools as the build backend, whose editable installs fairseq finds by --user-dir moe_nmt.

fairseq looks for a --user-dir in the working folder and beside itself, in site-packages, but not on
Python's path.  setuptools' editable install puts no folder there, so this one adds it: a module
that puts the checkout's package in its own place, and an empty file whose name makes fairseq import
the checkout's file of that name, and so the plugin.
"""

from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403

PACKAGE = Path(__file__).resolve().parents[1] / "moe_nmt"
INIT = f'''"""The package of a checkout, installed by pip install -e."""
import sys
from importlib.util import module_from_spec, spec_from_file_location
package = {str(PACKAGE)!r}
spec = spec_from_file_location(
    __name__, f"{{package}}/__init__.py", submodule_search_locations=[package, *__path__]
)
sys.modules[__name__] = module_from_spec(spec)
spec.loader.exec_module(sys.modules[__name__])
'''
ADDED = {"moe_nmt/__init__.py": INIT, "moe_nmt/tasks/expert_parallel_translation.py": ""}


def build_editable(folder: str, *arguments: Any) -> str:  # type: ignore[no-redef]
    """The hook of PEP 660: writes a wheel to a folder and returns its name."""
    name: str = build_meta.build_editable(folder, *arguments)
    with ZipFile(Path(folder, name)) as wheel:
        files = {file: wheel.read(file) for file in wheel.namelist()}
    (record,) = (file for file in files if file.endswith(".dist-info/RECORD"))
    for file, text in ADDED.items():
        files[file] = text.encode()
        digest = urlsafe_b64encode(sha256(files[file]).digest()).decode().rstrip("=")
        files[record] += f"{file},sha256={digest},{len(files[file])}\n".encode()
    with ZipFile(Path(folder, name), "w", ZIP_DEFLATED) as wheel:
        for file, data in files.items():
            wheel.writestr(file, data)
    return name
