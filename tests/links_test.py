"""Every relative link of a document leads to a file, and to a heading in it where it names one."""

import re

import pytest

from tests.documents import ROOT

FILES = sorted(path.relative_to(ROOT).as_posix() for path in (
    *ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/**/*.md")))


def text_of(path):
    """A document without its blocks of code, in which brackets mean something else."""
    return re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)


def anchors(path):
    """What GitHub makes of the headings."""
    headings = re.findall(r"^#+ (.+)$", text_of(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("file", FILES)
def test_links_lead_somewhere(file):
    for link in re.findall(r"\]\(([^)\s]+)\)", text_of(ROOT / file)):
        if re.match(r"\w+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (ROOT / file).parent / name if name else ROOT / file
        assert target.exists(), f"{file}: {link}"
        assert not anchor or anchor in anchors(target), f"{file}: {link} names no heading"


def test_every_page_is_linked():
    linked = {((ROOT / file).parent / link.partition("#")[0]).resolve()
              for file in FILES for link in re.findall(r"\]\(([^)\s]+)\)", text_of(ROOT / file))}
    for path in ROOT.glob("docs/**/*.md"):
        assert path.resolve() in linked, f"nothing leads to {path.relative_to(ROOT)}"


@pytest.mark.parametrize("file", FILES)
def test_files_that_are_named_exist(file):
    folders = "attr2image_tf|trainers|export|tests|benchmarks|docs"
    for name in re.findall(rf"`((?:{folders})/[\w/.-]+\.\w+)`", text_of(ROOT / file)):
        assert (ROOT / name).exists(), f"{file}: `{name}`"
