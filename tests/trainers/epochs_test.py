"""Laws of the loop over epochs, with a learner of one number: what is lost, damaged, stopped or no longer finite."""

import csv
import os
import pathlib
import shutil
import signal
import types

import numpy as np
import pytest
import tensorflow as tf

from attr2image_tf.config import ConfigError, ModelConfig, RunConfig
from attr2image_tf.data.augmentation import AugmentationConfig
from attr2image_tf.data.batches import BatchReader
from attr2image_tf.data.dataset import AttributeDataset
from attr2image_tf.data.schema import AttributeSchema
from attr2image_tf.learner import Diverged, Learner
from attr2image_tf.run_folder import RunFolder
from trainers import training
from trainers.loop import Loop

EPOCHS, BATCH, COUNTS = 3, 2, {"train": 8, "validation": 3, "test": 1}
PER_EPOCH = COUNTS["train"] // BATCH
SIZE = 16
MODEL = ModelConfig(attribute_mean=(0.0,), attribute_standard_deviation=(1.0,))


class Number(Learner):
    """Learns a number; what it becomes depends on every picture, their order and the validation before."""

    terms, shown = ("error",), "error"

    def __init__(self, config, steps):
        noise = types.SimpleNamespace(standard_deviations=lambda: {"image": 0.5})
        super().__init__(types.SimpleNamespace(variables=[], observation_noise=noise))
        self.value, self.iterations, self.skipped = (tf.Variable(zero, trainable=False) for zero in (
            0.0, tf.constant(0, tf.int64), tf.constant(0, tf.int64)))
        self.variables, self.state = [self.value], {"iterations": self.iterations, "skipped": self.skipped}
        self.called, self.on_evaluation = [], lambda: None

    def training_step(self, batch):
        error = tf.reduce_sum(batch["attributes"][:, 0] - self.value)
        self.value.assign_add(0.1 * error)
        self.iterations.assign_add(1)
        return {"error": error, "count": tf.reduce_sum(batch["weight"])}

    def evaluation_step(self, batch, seed):
        tf.py_function(lambda: self.on_evaluation(), [], [])
        return {"distance": tf.reduce_sum(batch["weight"] * (batch["attributes"][:, 0] - self.value)),
                "count": tf.reduce_sum(batch["weight"])}

    def before_epoch(self, loop, epoch):
        self.called.append(("before", epoch, loop.validation and loop.validation["distance"]))
        if loop.validation:
            loop.in_both(lambda: self.value.assign_add(0.01 * loop.validation["distance"]))

    def after_epoch(self, loop):
        self.called.append(("after", self.value.numpy()))

    def describe(self, row):
        return f"{row['train_error']} {row['validation_distance']}"


def make_dataset(there=COUNTS):
    def examples(split):
        numbers = np.arange(there[split], dtype=np.float32)[:, np.newaxis]
        return tf.data.Dataset.from_tensor_slices({
            "image": np.zeros([len(numbers), SIZE, SIZE, 3], np.uint8),
            "mask": np.zeros([len(numbers), SIZE, SIZE, 1], np.uint8), "attributes": numbers})

    return AttributeDataset("numbers", SIZE, AttributeSchema.measure(("number",), [[0.0], [1.0]]), COUNTS, examples)


def make_loop(path, epochs=EPOCHS, there=COUNTS, **options):
    reader = BatchReader(make_dataset(there), batch_size=BATCH, seed=0, augmentation=AugmentationConfig())
    config = RunConfig(dataset="numbers", model=MODEL, epochs=epochs, batch_size=BATCH)
    return Loop(config, reader, tf.distribute.OneDeviceStrategy("CPU:0"), RunFolder(path), steps_per_execution=1,
                learner=Number, **options)


def rows(path):
    with open(path / "log.csv", newline="") as file:
        return [{name: value for name, value in row.items() if name != "pictures_per_second"}
                for row in csv.DictReader(file)]


def result(loop):
    return float(loop.learner.value), rows(loop.folder.path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder and the result of a run that nothing happened to, and of one with an epoch less."""
    path = tmp_path_factory.mktemp("runs")
    loops = [make_loop(path / str(epochs), epochs) for epochs in (EPOCHS - 1, EPOCHS)]
    assert all(loop.run() for loop in loops)
    return path / str(EPOCHS - 1), result(loops[-1])


@pytest.fixture
def begun(whole, tmp_path):
    """A run with an epoch to go."""
    shutil.copytree(whole[0], tmp_path / "run")
    return tmp_path / "run"


def checkpoint(run, epoch, ending):
    return next((run / "checkpoints").glob(f"ckpt-{epoch * PER_EPOCH}.{ending}*"))


def cut(path):
    os.truncate(path, path.stat().st_size // 2)


def zeros(path):
    path.write_bytes(bytes(path.stat().st_size))


def empty(path):
    path.write_bytes(b"")


HARMS = [cut, zeros, empty, pathlib.Path.unlink]


@pytest.mark.slow
def test_learners_are_called_before_and_after_each_epoch(tmp_path):
    loop = make_loop(tmp_path)
    assert loop.run()
    befores, afters = loop.learner.called[::2], loop.learner.called[1::2]
    distances = [float(row["validation_distance"]) for row in rows(tmp_path)]
    assert befores == [("before", 0, None), ("before", 1, distances[0]), ("before", 2, distances[1])]
    # What is measured is the averaged number, which is in place after an epoch.
    assert [1.0 - after for _, after in afters] == pytest.approx(distances, rel=1e-5)
    assert abs(float(loop.learner.value) - afters[-1][1]) > 1e-3


def test_a_run_goes_on_with_what_it_has(begun, whole):
    loop = make_loop(begun)
    assert loop.step == 2 * PER_EPOCH and loop.run()
    assert result(loop) == whole[1]


@pytest.mark.parametrize("step", [1, PER_EPOCH + 2, EPOCHS * PER_EPOCH - 1])
@pytest.mark.slow
def test_a_run_that_dies_within_an_epoch_goes_on_with_the_next_batch(step, whole, tmp_path):
    loop = make_loop(tmp_path, checkpoint_seconds=0.0)
    save = loop.save

    def die():
        save()
        if loop.step == step:
            raise MemoryError

    loop.save = die
    with pytest.raises(MemoryError):
        loop.run()
    loop = make_loop(tmp_path)
    assert loop.step == step and loop.run()
    assert result(loop) == whole[1]


@pytest.mark.slow
@pytest.mark.parametrize("harm", HARMS)
def test_a_lost_list_of_checkpoints_changes_nothing(begun, whole, harm):
    harm(begun / "checkpoints" / "checkpoint")
    loop = make_loop(begun)
    assert loop.step == 2 * PER_EPOCH and loop.run()
    assert result(loop) == whole[1]
    # TensorFlow has its list again, and removes what is older than the last two.
    assert len(list((begun / "checkpoints").glob("*.index"))) == 2


@pytest.mark.slow
@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("ending", ["index", "data"])
def test_a_damaged_checkpoint_costs_no_more_than_the_way_from_the_one_before(begun, whole, harm, ending, caplog):
    harm(checkpoint(begun, 2, ending))
    loop = make_loop(begun)
    assert loop.step == PER_EPOCH and f"ckpt-{2 * PER_EPOCH}" in caplog.text
    assert f"ckpt-{PER_EPOCH}, an older one." in caplog.text
    assert loop.run() and result(loop) == whole[1]


@pytest.mark.slow
def test_without_a_whole_checkpoint_nothing_is_written_over(begun):
    before = rows(begun)
    for epoch in (1, 2):
        cut(checkpoint(begun, epoch, "data"))
    with pytest.raises(ConfigError, match=r"no checkpoint that is whole: .*ckpt-8.*ckpt-4.*\. Put a copy back"):
        make_loop(begun)
    shutil.rmtree(begun / "checkpoints")
    with pytest.raises(ConfigError, match="log.csv has epochs, and there is no checkpoint in"):
        make_loop(begun)
    assert rows(begun) == before and not (begun / "checkpoints").exists()
    # What was killed before its first checkpoint was complete begins again.
    (begun / "log.csv").unlink()
    (begun / "checkpoints").mkdir()
    (begun / "checkpoints" / "ckpt-1.data-00000-of-00001").write_bytes(b"x")
    assert make_loop(begun).step == 0


@pytest.mark.slow
@pytest.mark.parametrize(("harm", "left"), [
    (empty, []), (zeros, []), (pathlib.Path.unlink, []), (lambda path: os.truncate(path, 20), []),
    (lambda path: os.truncate(path, path.stat().st_size - 3), ["1"])])
def test_no_row_of_the_log_is_invented(begun, whole, harm, left, caplog):
    harm(begun / "log.csv")
    loop = make_loop(begun)
    assert loop.run()
    value, log = whole[1]
    # That of the last epoch is made anew: its weights are there.
    assert [row["epoch"] for row in rows(begun)] == [*left, "2", "3"]
    assert rows(begun) == [row for row in log if row["epoch"] in (*left, "2", "3")]
    assert float(loop.learner.value) == value
    assert left or "no row for epoch 1; these rows stay missing" in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("epoch", [2, 3])
def test_a_signal_while_an_epoch_is_measured_stops_the_run(tmp_path, whole, number, epoch):
    loop = make_loop(tmp_path, on_epoch=lambda *_: None)

    def interrupt():
        if loop.step == epoch * PER_EPOCH:
            loop.learner.on_evaluation = lambda: None
            os.kill(os.getpid(), number)

    loop.learner.on_evaluation = interrupt
    before = signal.getsignal(number)
    assert not loop.run() and loop.stopped_by == number and signal.getsignal(number) == before
    assert len(rows(tmp_path)) == epoch - 1 and loop.step == epoch * PER_EPOCH
    loop = make_loop(tmp_path)
    assert loop.run() and result(loop) == whole[1]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_at_the_very_end_is_not_swallowed(tmp_path, whole, number):
    loop = make_loop(tmp_path, on_epoch=lambda loop, epoch, row: epoch == 2 and os.kill(os.getpid(), number))
    assert not loop.run() and loop.stopped_by == number
    assert result(loop) == whole[1]
    assert make_loop(tmp_path).run()


@pytest.mark.slow
def test_a_second_interrupt_ends_at_once_and_a_second_termination_does_not(tmp_path):
    handlers = []

    def interrupt(loop, epoch, row):
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        handlers.append(signal.getsignal(signal.SIGINT))

    assert not make_loop(tmp_path, on_epoch=interrupt).run()
    assert handlers == [signal.SIG_DFL]


@pytest.mark.slow
def test_what_is_no_longer_finite_ends_the_run_again_and_again(tmp_path):
    for _ in range(2):
        loop = make_loop(tmp_path)
        # A step of training may well be finite where the average is not.
        loop.average.averages[0].assign(np.nan)
        with pytest.raises(Diverged, match=r"after epoch 1 the validation loss is not finite \(distance nan\);"):
            loop.run()
        assert not (tmp_path / "log.csv").exists()


@pytest.mark.slow
@pytest.mark.parametrize("split", ["train", "validation"])
def test_a_data_set_with_too_few_pictures_is_said(tmp_path, split):
    with pytest.raises(ValueError, match=f"fewer pictures in its {split} split than the {COUNTS[split]} that it says"):
        make_loop(tmp_path, there=COUNTS | {split: COUNTS[split] - 1}).run()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_was_stopped_has_a_status_of_its_own(number):
    """While it trains, and while what comes after is done; nothing is done after it was asked to stop."""
    done = []
    stopped = types.SimpleNamespace(chief=False, run=lambda: False, stopped_by=number)
    with pytest.raises(SystemExit) as caught:
        training.train(stopped, None, lambda: done.append(1))
    assert caught.value.code == 128 + number and not done
    finished = types.SimpleNamespace(chief=True, run=lambda: True, stopped_by=None, folder=None, config=None)
    before = signal.getsignal(number)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as caught:
        patch.setattr(training, "Journal", lambda *_: None)
        training.train(finished, None, lambda: os.kill(os.getpid(), number))
    assert caught.value.code == 128 + number and signal.getsignal(number) == before
    # One worker was asked, and all stop.
    with pytest.raises(SystemExit) as caught:
        training.train(types.SimpleNamespace(chief=False, run=lambda: False, stopped_by=None), None)
    assert caught.value.code == 128 + signal.SIGTERM
