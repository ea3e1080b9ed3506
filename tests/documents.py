"""What README.md and the other documents tell a reader to type."""

import pathlib
import re
import shlex
from typing import NamedTuple

ROOT = pathlib.Path(__file__).parents[1]
FILES = ("README.md", "BUILD.md", *sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/**/*.md")))


class Command(NamedTuple):
    """`python -m MODULE ARGUMENTS` of a document."""

    file: str
    module: str
    arguments: tuple[str, ...]

    def __str__(self):
        return f"{self.file}: {shlex.join(('python', '-m', self.module, *self.arguments))}"


def shell_blocks(file: str) -> list[str]:
    """The blocks of a document that are indented or fenced without a language other than sh."""
    text = (ROOT / file).read_text()
    fenced = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
    blocks = [block for language, block in fenced.findall(text) if language in ("", "sh", "bash")]
    return blocks + re.findall(r"(?:^    .*\n)+", fenced.sub("", text), re.MULTILINE)


def commands(file: str) -> list[Command]:
    """Every start of a module in the shell blocks of a document."""
    found = []
    for block in shell_blocks(file):
        # Of a loop the first round.
        for name, values in re.findall(r"for (\w+) in ([^;\n]+)", block):
            block = block.replace(f"${name}", values.split()[0])
        # Lines that go on are joined, and commands of one line parted.
        for line in re.sub(r"\\\n\s*", "", block).splitlines():
            words = _words(line)
            for place, word in enumerate(words[:-2]):
                if re.fullmatch(r"(\S*/)?python3?", word) and words[place + 1] == "-m":
                    rest = words[place + 3:]
                    ends = [rest.index(end) for end in ("&&", ";", "|", "&") if end in rest]
                    found.append(Command(file, words[place + 2], tuple(rest[:min(ends, default=len(rest))])))
    return found


def _words(line):
    try:
        return shlex.split(line, comments=True)
    except ValueError:
        return []  # prose or output, in which an apostrophe stands
