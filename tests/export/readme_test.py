"""The examples of README.md and BUILD.md run as they are written, with a folder and with a server."""

import pathlib
import re

import pytest

import attr2image_tf
from attr2image_tf.client import connect
from tests.export import tiny_models

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[2]
SIZE = 32
NOTEBOOK, CLIENT = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
TENSORFLOW, BUILD = re.findall(r"```python\n(.*?)```", (ROOT / "BUILD.md").read_text(), re.DOTALL)
ADDRESSES = {"REST": "http://localhost:8501", "gRPC": "grpc://localhost:8500"}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working directory with a folder `models` of exports."""
    (tmp_path / "models").symlink_to(tiny_models.exported())
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def server():
    return dict(zip(ADDRESSES, tiny_models.served(), strict=True))


def run(code):
    """The names that a block defines, once what its comments say of types and shapes has been found true."""
    names = {}
    exec(compile(code, "README.md", "exec"), names)
    said = re.findall(r"^(.+?) +# (\w+) \[([\d, ]+)\]", code, re.MULTILINE)
    for statement, dtype, shape in said:
        value = eval(statement.split(" = ")[0], names)
        # Its models are of 64 and 128 pixels.
        expected = tuple(SIZE if size in ("64", "128") else int(size) for size in shape.split(", "))
        assert (str(getattr(value.dtype, "name", value.dtype)), tuple(value.shape)) == (dtype, expected), statement
    return names, len(said)


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("way", ["folder", *ADDRESSES])
def test_the_client(way, server):
    code = CLIENT
    if way != "folder":
        assert code.count('"models"') == 1 and f'"{ADDRESSES[way]}"' in code
        code = code.replace('"models"', repr(server[way]))
    names, said = run(code)
    assert said == 1
    assert names["older"].shape == names["faces"].shape[1:] and (names["older"] != names["faces"][0]).any()
    assert set(names["found"].attributes) == set(tiny_models.NAMES)


@pytest.mark.usefixtures("place")
def test_the_notebook(monkeypatch):
    assert NOTEBOOK.count('attr2image_tf.load("pretrained:faces")') == 1
    monkeypatch.setattr(attr2image_tf, "load", lambda name: connect("models"))
    names, said = run(NOTEBOOK)
    assert said == 1 and (names["older"] != names["faces"][0]).any()


@pytest.mark.usefixtures("place")
def test_tensorflow_alone():
    assert "import" in TENSORFLOW and "export" not in TENSORFLOW
    names, said = run(TENSORFLOW)
    assert said == 1
    also, = re.findall(r"in \[0, 1\]; also ([\w, ]+)", TENSORFLOW)
    assert {"images", *also.split(", ")} == set(names["drawn"])
    assert 0.0 <= float(names["drawn"]["images"].numpy().min()) < float(names["drawn"]["images"].numpy().max()) <= 1.0


def test_build(server):
    assert f'"{ADDRESSES["gRPC"]}"' in BUILD
    names, _ = run(BUILD.replace(f'"{ADDRESSES["gRPC"]}"', repr(server["gRPC"])))
    assert names["faces"].shape == (4, SIZE, SIZE, 3)
