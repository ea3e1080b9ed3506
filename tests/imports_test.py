"""The rooms of the house: imports run one way, read from the files."""

import ast
import collections
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parent.parent
# What a room may import beside itself and the files at the top of the package.
ROOMS = {
    "photos": set(),
    "data": {"photos"},
    "models": set(),
    "inference": set(),
    "detail": {"models", "inference"},
    "client": {"photos", "data", "pretrained"},
    "pretrained": set(),
}


def imports():
    """Pairs of a module and one that it imports, both of this project; imports within functions count."""
    files = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
             for top in ("attr2image_tf", "trainers", "export") for path in (ROOT / top).rglob("*.py")}
    pairs = set()
    for name, path in files.items():
        for node in ast.walk(ast.parse(path.read_text())):
            found = []
            if isinstance(node, ast.Import):
                found = [each.name for each in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found = [f"{node.module}.{each.name}" if f"{node.module}.{each.name}" in files else node.module
                         for each in node.names]
            pairs |= {(name, other) for other in found if other in files and other != name}
    return pairs


def circle(pairs):
    """Nodes that import each other in a circle, or nothing."""
    following = collections.defaultdict(set)
    for one, other in pairs:
        following[one].add(other)
    done, path = set(), []

    def visit(node):
        if node in path:
            return path[path.index(node):]
        if node in done:
            return []
        path.append(node)
        found = next((each for each in map(visit, sorted(following[node])) if each), [])
        path.pop()
        done.add(node)
        return found

    return next((found for found in map(visit, sorted(following)) if found), [])


def room(module):
    """The folder of a module below its package, or the package; files at the top of the package are one by one."""
    parts = module.split(".")
    if parts[0] != "attr2image_tf":
        return ".".join(parts[:2]) if parts[:2] == ["export", "studio"] else parts[0]
    folder = ROOT / parts[0] / parts[1] if len(parts) > 1 else None
    return parts[1] if folder is not None and folder.is_dir() else module


def test_no_file_imports_itself_by_way_of_others():
    # A package's __init__ offers what its files define, and is imported before them.
    pairs = {(one, other) for one, other in imports() if not (ROOT / pathlib.Path(*one.split("."))).is_dir()
             and not (ROOT / pathlib.Path(*other.split("."))).is_dir()}
    assert circle({("a", "b"), ("b", "c"), ("c", "b")}) == ["b", "c"]
    assert len(pairs) > 200 and circle(pairs) == []


def test_no_room_imports_itself_by_way_of_others():
    pairs = {(room(one), room(other)) for one, other in imports()} - {("attr2image_tf", "attr2image_tf.trained")}
    assert circle({(one, other) for one, other in pairs if one != other}) == []


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_knows_no_more_than_it_needs(name):
    found = {room(other) for one, other in imports() if room(one) == name} - {name}
    assert {each for each in found if "." not in each and each != "attr2image_tf"} <= ROOMS[name]


def test_the_library_knows_neither_mains_nor_flags():
    assert not {(one, other) for one, other in imports() if one.startswith("attr2image_tf")
                and not other.startswith("attr2image_tf")}
    for path in (ROOT / "attr2image_tf").rglob("*.py"):
        assert "absl import flags" not in path.read_text(), path
