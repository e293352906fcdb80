"""WMT'14 in miniature: archives with the real names, members and traps, and their descriptions.

Every corpus has the same few traps at its beginning; ``TAKEN`` tells what cleaning takes of them.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Mapping, Sequence
from gzip import compress
from pathlib import Path

import yaml
from sacrebleu.dataset import DATASETS

ROOT = Path(__file__).parents[1]
CORPORA = {
    "en-fr": ["europarl", "commoncrawl", "un", "news_commentary", "giga"],
    "en-de": ["europarl", "commoncrawl", "news_commentary"],
}
DEV, TEST = ["wmt12", "wmt13"], "wmt14/full"
PAIRS, HELD_OUT = 60, 8  # sentences of a corpus, and of a set, from the generated text
LONG = "very " * 175 + "long"

# raw bytes of both sides -> what cleaning makes of the source, or the filter that takes the pair
TRAPS: list[tuple[bytes, bytes, str]] = [
    (b"\xef\xbb\xbfThe first line.", b"La premiere ligne.", "The first line."),
    (b"one\rtwo three", b"un\rdeux trois", "one two three"),
    (b"one\x0btwo four", b"un deux quatre", "one two four"),
    ("one\u0085two five".encode(), b"un deux cinq", "one two five"),
    ("one\u2028two six".encode(), "un\u2028deux six".encode(), "one two six"),
    (b"one two\x07 seven\r", b"un deux sept", "one two seven"),
    ("caffe\u0301 noir".encode(), b"cafe noir", "caff\u00e9 noir"),
    (b"bad \xff bytes here", b"octets bons", "not UTF-8"),
    (b"octets bons", b"bad \xc3( bytes", "not UTF-8"),
    (b"", b"vide", "empty"),
    ("\u00a0\u2028\r".encode(), b"vide aussi", "empty"),
    (b"empty", b"", "empty"),
    (LONG.encode(), LONG.encode(), "too long"),
    (b"a b c d", b"a b", "ratio"),
    (b"a b", b"a b c d", "ratio"),
]
TAKEN = {"not UTF-8": 2, "empty": 3, "too long": 1, "ratio": 2, "held out": 2}
# when it was; what was downloaded; with which command
NOT_COMPARED = {".stages", "archives", "preparation.json"}
TRAP_DUPLICATES = 7  # of the traps that are left, in every corpus but the first


def tar(members: Mapping[str, bytes]) -> bytes:
    """An archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def text_of(lines: Sequence[bytes]) -> bytes:
    """A file whose last line has no newline."""
    return b"\n".join(lines)


def sgm(lines: Sequence[str], kind: str) -> bytes:
    """A file of WMT's test sets: not XML, in spite of its looks."""
    segments = [f'<seg id="{n}">{line}</seg>\n' for n, line in enumerate(lines, start=1)]
    head = f'<{kind}set setid="newstest" srclang="any">\n<doc docid="a & b" origlang="en">\n<hl>\n'
    return f"{head}{''.join(segments)}</hl>\n</doc>\n</{kind}set>\n".encode()


def is_balanced(source: str, target: str) -> bool:
    """Whether the filter of the ratio lets a pair pass."""
    shorter, longer = sorted((len(source.split()), len(target.split())))
    return longer <= 1.5 * shorter


class Miniature:
    """The archives of a pair of languages in a folder to be served, and their descriptions.

    ``source`` and ``target`` are generated sentences, translations of each other.
    """

    def __init__(
        self, pair: str, source: Sequence[str], target: Sequence[str], folder: Path, address: str
    ) -> None:
        self.pair, self.folder, self.address = pair, folder, address
        self.languages = pair.split("-")
        pairs = zip(source, target, strict=True)
        self.sentences = [pair for pair in pairs if is_balanced(*pair)]
        self.descriptions = folder / "descriptions"
        self.descriptions.mkdir(parents=True)
        self.valid = [self.held_out(name, self.draw(HELD_OUT)) for name in DEV]
        test = self.draw(HELD_OUT)
        self.test = self.held_out(TEST, test)
        # one leaks by its source, in capitals and quotation marks, another by its target
        leaks = [
            (f"«{test[0][0].upper()}»", "mot " * len(test[0][0].split())),
            ("word " * len(test[1][1].split()), test[1][1]),
        ]
        self.corpora = [self.training(name, leaks) for name in CORPORA[pair]]

    def draw(self, count: int) -> list[tuple[str, str]]:
        """Takes the last sentences away."""
        drawn, self.sentences = self.sentences[-count:], self.sentences[:-count]
        return drawn

    def training(self, name: str, leaks: Sequence[tuple[str, str]]) -> Path:
        """The archive of a training corpus; returns the path of its description."""
        data = yaml.safe_load((ROOT / f"data/wmt14_{name}.yaml").read_text(encoding="utf-8"))
        pairs = [trap[:2] for trap in TRAPS]
        pairs += [(one.encode(), other.encode()) for one, other in [*leaks, *self.draw(PAIRS)]]
        members = data["pairs"][self.pair]["members"]
        contents = {"README": b"not text\n"}
        for side, language in enumerate(self.languages):
            text = text_of([pair[side] for pair in pairs])
            member = members[language]
            contents[f"./{member}"] = compress(text, mtime=0) if member.endswith("gz") else text
        data["pairs"][self.pair]["lines"] = len(pairs)
        return self.publish(data, name, contents)

    def held_out(self, name: str, pairs: Sequence[tuple[str, str]]) -> Path:
        """The archive of one of sacreBLEU's sets; returns the path of its description.

        The source is escaped; the target has an ampersand that is not.
        """
        dataset = DATASETS[name]
        members = dict(zip(self.languages, dataset.langpairs[self.pair], strict=True))
        source = [f"{line} &quot;R&amp;D&quot;  {n}" for n, (line, _) in enumerate(pairs)]
        target = [f"{line} R&D &amp; {n}" for n, (_, line) in enumerate(pairs)]
        source[1], target[0] = pairs[1][0], pairs[0][1]
        source[0], target[1] = pairs[0][0], pairs[1][1]
        contents = {
            members[self.languages[0]]: sgm(source, "src"),
            members[self.languages[1]]: sgm(target, "ref"),
        }
        name = name.replace("/", "_")
        data = {
            "name": name,
            "archive": {"urls": list(dataset.data)},
            "pairs": {self.pair: {"members": members}},
        }
        return self.publish(data, name, contents)

    def publish(self, data: dict, name: str, contents: Mapping[str, bytes]) -> Path:  # type: ignore[type-arg]
        """Writes an archive where its address says, and its description."""
        path = data["archive"]["urls"][0].split("statmt.org/")[1]
        archive = tar(contents)
        if path.endswith("gz"):
            archive = compress(archive, mtime=0)
        data["archive"] = {
            "urls": [f"{self.address}/{path}"],
            "bytes": len(archive),
            "sha256": hashlib.sha256(archive).hexdigest(),
        }
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(archive)
        description = self.descriptions / f"wmt14_{name}.yaml"
        description.write_text(yaml.safe_dump(data), encoding="utf-8")
        return description

    def options(self, dest: Path, *more: object) -> list[str]:
        """The arguments of moe-nmt-prepare."""
        return [
            *("--languages", *self.languages, "--destdir", str(dest)),
            *("--corpora", *map(str, self.corpora), "--valid-sets", *map(str, self.valid)),
            *("--test-sets", str(self.test), "--vocabulary", "200", *map(str, more)),
        ]


def contents(folder: Path) -> dict[str, bytes]:
    """All files of an output folder that must not depend on how often a run was interrupted."""
    paths = (path.relative_to(folder) for path in folder.rglob("*"))
    return {
        str(path): (folder / path).read_bytes()
        for path in sorted(paths)
        if path.parts[0] not in NOT_COMPARED and (folder / path).is_file()
    }
