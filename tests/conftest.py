"""What all tests share: settings of TensorFlow, the official files of LFW, and how tests are spread over processes."""

import atexit
import os
import pathlib
import shutil
import tempfile
import time

import pytest

# Before multiprocessing's own, so that it runs after it: what lies there is in use until then.
_to_remove = []
atexit.register(lambda: [shutil.rmtree(place, ignore_errors=True) for place in _to_remove])

from attr2image_tf.files import lock  # noqa: E402
from tests import once, processes  # noqa: E402

# Set before TensorFlow is imported, which reads it once.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Read before a test takes it away.
DATA = os.environ.get("ATTR2IMAGE_DATA")

# Of the folder of temporary files, and what says that its run is under way.
PREFIX, HELD = "attr2image_tests_", pytest.StashKey()
# What takes longest comes first, so that no process works alone at the end.
FIRST = ("tests/readme_walk_test.py", "tests/lfw_path_test.py", "tests/trainers/loop_test.py",
         "tests/extending_test.py", "tests/export/latent_optimizer_test.py", "tests/client/client_test.py",
         "tests/sharpening/sharpener_test.py", "tests/conformance_test.py", "tests/trainers/prepare_test.py",
         "tests/trainers/evaluate_test.py", "tests/export/litert_test.py", "tests/models/rewrites_test.py",
         "tests/inference/latent_optimizer_test.py", "tests/evaluation/experiments_test.py")


@pytest.hookimpl(trylast=True)  # once pytest knows its own temporary folder
def pytest_configure(config):
    # One file after the other goes to the process that is free, not those of most tests first.
    config.option.loadscopereorder = False
    if hasattr(config, "workerinput"):
        return  # what is set here is inherited
    config._tmp_path_factory.getbasetemp()
    # Processes that are killed or leave by os._exit, as forked ones do, leave temporary files (TensorFlow's autograph,
    # thousands). They lie in one folder, which goes when everything else has ended.
    for left in pathlib.Path(tempfile.gettempdir()).glob(f"{PREFIX}*/lock"):
        # Of a run that was killed: nobody holds its lock.
        if time.time() - left.stat().st_mtime > 60 and (free := lock(left)):
            free.close()
            shutil.rmtree(left.parent, ignore_errors=True)
    place = pathlib.Path(tempfile.mkdtemp(prefix=PREFIX))
    _to_remove.append(place)
    config.stash[HELD] = lock(place / "lock")
    (place / "t").mkdir()
    tempfile.tempdir = os.environ["TMPDIR"] = str(place / "t")
    once.set_place(place)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        # Or -m "not slow" would have those of the night that are marked with it alone.
        if item.get_closest_marker("nightly"):
            item.add_marker("slow")
    places = {name: place for place, name in enumerate(FIRST)}

    def place(item):
        file = item.nodeid.partition("::")[0]
        # The load test has a time for each request, which the first of a signature may take.
        return places.get(file, len(places)), file.startswith("tests/benchmarks/")

    items.sort(key=place)
    processes.leave_graphs_as_they_are()


@pytest.fixture(scope="session")
def real_lfw() -> tuple[str, pathlib.Path]:
    """The folder of the official files, and what `trainers.train_foreground` prepares of them at 32 x 32 pixels."""
    if not DATA or not (pathlib.Path(DATA) / "lfw").is_dir():
        pytest.skip("ATTR2IMAGE_DATA does not name a folder with lfw/ and the official files in it")
    return DATA, once.made("real_lfw", lambda folder: processes.run(
        "trainers.train_foreground", "--epochs=1", "--image_size=32", f"--data_dir={DATA}",
        f"--prepared_dir={folder}"))
