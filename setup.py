"""Package metadata: ``pip install .``, or ``make install`` for a whole development environment."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
# Top-level folders whose YAML files travel in the package.
FOLDERS = {"moe_nmt.configs": "configs", "moe_nmt.data": "data"}


def version() -> str:
    """Read ``__version__`` from the package without importing it, which needs torch."""
    source = (ROOT / "moe_nmt" / "__init__.py").read_text(encoding="utf-8")
    match = re.search(r'^__version__ = "([^"]+)"$', source, re.MULTILINE)
    if match is None:
        raise RuntimeError("moe_nmt/__init__.py defines no __version__")
    return match[1]


def long_description() -> str:
    """Return the README, the project's page on a package index."""
    return (ROOT / "README.md").read_text(encoding="utf-8")


setup(
    name="moe_nmt",
    version=version(),
    description="Mixture-of-experts recurrent networks for neural machine translation in fairseq",
    long_description=long_description(),
    long_description_content_type="text/markdown",
    author="The moe_nmt authors",
    license="MIT",
    license_files=["LICENSE"],
    keywords=["machine translation", "mixture of experts", "LSTM", "fairseq", "PyTorch"],
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Text Processing :: Linguistic",
    ],
    project_urls={
        "Paper": "https://arxiv.org/abs/1701.06538",
        "fairseq": "https://github.com/facebookresearch/fairseq",
    },
    packages=[*find_packages(include=["moe_nmt", "moe_nmt.*"]), *FOLDERS],
    package_dir=FOLDERS,
    package_data={
        "moe_nmt": ["py.typed"],
        "moe_nmt.serving": ["page.html", "page.css", "page.js"],
        "moe_nmt.insight": ["page.html", "page.css", "page.js"],
        **{package: ["*.yaml"] for package in FOLDERS},
    },
    # 3.14 prints optional types in a way that fairseq does not read, and breaks the help of hydra.
    python_requires=">=3.11,<3.14",
    install_requires=[
        "torch>=2.13,<2.16",  # what is tested
        "fairseq-fixed==0.12.3.1",
        "hydra-core",
        "langcodes",
        "numpy>=2",
        "omegaconf",
        "pyyaml",
        "regex",
        "sacrebleu>=2.4",
        "safetensors",
        "sentencepiece",
        "subword-nmt",
        "tabulate",
        "typing_extensions",
    ],
    extras_require={
        "plot": ["matplotlib"],
        "moses": ["sacremoses"],
        "languages": ["eldc>=0.4"],
        "serve": ["starlette", "uvicorn"],
        "zstd": ["backports.zstd"],
        "dev": [
            "eldc>=0.4",
            "sacremoses",
            "starlette",
            "uvicorn",
            "httpx",
            "selenium",
            "backports.zstd",
            "pytest",
            "pytest-xdist",
            "hypothesis",
            "ruff",
            "mypy",
            "types-PyYAML",
            "types-regex",
            "types-setuptools",
        ],
    },
    entry_points={
        "console_scripts": [
            "moe-nmt-average = moe_nmt.cli.average:main",
            "moe-nmt-consolidate = moe_nmt.cli.consolidate:main",
            "moe-nmt-extend = moe_nmt.cli.extend:main",
            "moe-nmt-inspect = moe_nmt.cli.inspect:main",
            "moe-nmt-pack = moe_nmt.cli.pack:main",
            "moe-nmt-serve = moe_nmt.cli.serve:main",
            "moe-nmt-translate = moe_nmt.cli.translate:main",
            "moe-nmt-score = moe_nmt.cli.score:main",
            "moe-nmt-subword = moe_nmt.cli.subword:main",
            "moe-nmt-tune = moe_nmt.cli.tune:main",
            "moe-nmt-plan = moe_nmt.cli.plan:main",
            "moe-nmt-prepare = moe_nmt.cli.prepare:main",
        ],
    },
    zip_safe=False,
)
