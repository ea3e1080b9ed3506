"""What all tests share: settings of TensorFlow, the official files of LFW, and how tests are spread over processes."""

import functools
import os
import pathlib

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests import processes

# Set before TensorFlow is imported, which reads it once.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Read before a test takes it away.
DATA = os.environ.get("ATTR2IMAGE_DATA")

# What files share, by its name in them. Those that share run in one process, so that it is made once; every other file
# is a group by itself.
SHARED = ("tiny_models", "real_lfw")
# What takes longest comes first, so that no process works alone at the end.
FIRST = (*SHARED, "tests/readme_walk_test.py", "tests/extending_test.py", "tests/conformance_test.py",
         "tests/models/rewrites_test.py", "tests/trainers/loop_test.py", "tests/inference/latent_optimizer_test.py",
         "tests/trainers/prepare_test.py", "tests/trainers/evaluate_test.py",
         "tests/evaluation/attribute_regressor_test.py", "tests/evaluation/experiments_test.py",
         "tests/export/litert_test.py", "tests/data/celeba_test.py", "tests/data/foreground_test.py")


@functools.cache
def group(file: str) -> str:
    """The group that a file of tests belongs to."""
    text = (processes.ROOT / file).read_text()
    return next((name for name in SHARED if name in text), file)


class Scheduling(LoadScopeScheduling):
    """One group after the other goes to the process that is free."""

    def _split_scope(self, nodeid):
        return group(nodeid.partition("::")[0])


def pytest_xdist_make_scheduler(config, log):
    config.option.loadscopereorder = False  # by the number of tests, which says nothing of their time
    return Scheduling(config, log)


def pytest_collection_modifyitems(items):
    places = {name: place for place, name in enumerate(FIRST)}

    def place(item):
        file = item.nodeid.partition("::")[0]
        # The load test has a time for each request, which the first of a signature may take.
        return places.get(group(file), len(places)), file.startswith("tests/benchmarks/")

    items.sort(key=place)
    processes.leave_graphs_as_they_are()


@pytest.fixture(scope="session")
def real_lfw(tmp_path_factory) -> tuple[str, pathlib.Path]:
    """The folder of the official files, and what `trainers.train_foreground` prepares of them at 32 x 32 pixels."""
    if not DATA or not (pathlib.Path(DATA) / "lfw").is_dir():
        pytest.skip("ATTR2IMAGE_DATA does not name a folder with lfw/ and the official files in it")
    prepared = tmp_path_factory.mktemp("real_lfw")
    processes.run("trainers.train_foreground", "--epochs=1", "--image_size=32", f"--data_dir={DATA}",
                  f"--prepared_dir={prepared}")
    return DATA, prepared
