"""LFW: splits, joins and masks from small files in the official layout, and every way in which these can be broken."""

import collections
import copy
import functools
import gzip
import hashlib
import http.server
import io
import pathlib
import shutil
import subprocess
import sys
import tarfile
import textwrap
import threading

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from attr2image_tf.data import foreground
from attr2image_tf.data.dataset import SPLITS
from attr2image_tf.data.errors import DataError
from attr2image_tf.data.lfw import builder as lfw
from attr2image_tf.data.lfw import files as lfw_files
from tests.data.official import one_sentence, write_archive

SIZE = 32
TRAIN_PEOPLE = [f"Ann_Train_{number:02d}" for number in range(50)]
TEST_PEOPLE = [f"Bob_Test_{number:02d}" for number in range(20)]
QUICK = foreground.Settings(epochs=1, widths=(4, 8))


@functools.cache
def disc(name):
    """A bright disc on dark noise, and where it is: bool [250, 250]."""
    generator = np.random.default_rng(list(name.encode()))
    row, column = generator.uniform(90, 160, 2)
    rows, columns = np.mgrid[:250, :250]
    inside = (rows - row) ** 2 + (columns - column) ** 2 < generator.uniform(30, 60) ** 2
    picture = np.where(inside[..., None], [250, 220, 200], generator.integers(0, 60, [250, 250, 3]))
    return picture.astype(np.uint8), inside


@functools.cache
def jpeg(name):
    buffer = io.BytesIO()
    Image.fromarray(disc(name)[0]).save(buffer, "jpeg", quality=95)
    return buffer.getvalue()


@functools.cache
def label(name):
    inside = disc(name)[1]
    labels = np.where(inside[..., None], [0, 255, 0], [0, 0, 255])
    labels[:125][inside[:125]] = [255, 0, 0]  # the upper half is hair
    buffer = io.BytesIO()
    Image.fromarray(labels.astype(np.uint8)).save(buffer, "ppm")
    return buffer.getvalue()


class Source:
    """Official files of 50 training people (two pictures each, the first with a label) and 20 test people (one)."""

    def __init__(self, folder):
        self.folder = folder / "source"
        self.lfw = self.folder / "lfw"
        self.lfw.mkdir(parents=True)
        names = [f"{person}_{number:04d}" for person in TRAIN_PEOPLE for number in (1, 2)]
        names += [f"{person}_0001" for person in TEST_PEOPLE]
        self.pictures = {name: jpeg(name) for name in names}
        self.labels = {f"{person}_0001": label(f"{person}_0001") for person in TRAIN_PEOPLE}
        generator = np.random.default_rng(0)
        self.scores = {name: [f"{score:.4f}" for score in generator.normal(size=73)] for name in names}
        self.header = list(lfw_files.ATTRIBUTE_NAMES)
        self.people = {lfw_files.TRAIN_PEOPLE: list(TRAIN_PEOPLE), lfw_files.TEST_PEOPLE: list(TEST_PEOPLE)}

    def write(self):
        write_archive(self.lfw / lfw_files.PICTURES,
                      {f"lfw_funneled/{name.rpartition('_')[0]}/{name}.jpg": content
                       for name, content in self.pictures.items()})
        write_archive(self.lfw / lfw_files.LABELS,
                      {f"parts_lfw_funneled_gt_images/{name}.ppm": content for name, content in self.labels.items()})
        lines = ["# lfw_attributes.txt", "\t".join(["#", "person", "imagenum", *self.header])]
        for name, scores in self.scores.items():
            person, _, number = name.rpartition("_")
            lines.append("\t".join([person.replace("_", " "), str(int(number)), *scores]))
        (self.lfw / lfw_files.SCORES).write_text("\n".join(lines) + "\n")
        for file, people in self.people.items():
            (self.lfw / file).write_text("\n".join([str(len(people)), *(f"{person}\t2" for person in people)]) + "\n")
        return self


def prepared_builder(source, prepared):
    lfw.prepare_lfw(image_size=SIZE, source_dir=source, prepared_dir=prepared, predicted_masks=False)
    return lfw._builder(SIZE, False, None, prepared)


def read(builder):
    return {split: {example["name"].decode(): example
                    for example in builder.as_dataset(split=split).as_numpy_iterator()} for split in SPLITS}


def leftovers(prepared):
    """Files and folders of examples that a failed run left."""
    return [str(path.relative_to(prepared)) for path in pathlib.Path(prepared).rglob("*")
            if "tfrecord" in path.name or "incomplete" in path.name or path.name == "1.0.0"]


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    monkeypatch.delenv("ATTR2IMAGE_DATA", raising=False)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Complete small files, prepared: (source, folder of prepared sets, examples by split and name)."""
    folder = tmp_path_factory.mktemp("small")
    source = Source(folder).write()
    return source, folder / "prepared", read(prepared_builder(source.folder, folder / "prepared"))


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """Small files with base set, network and predicted masks: (source, folder of prepared sets)."""
    folder = tmp_path_factory.mktemp("chain")
    source = Source(folder).write()
    lfw.prepare_lfw(image_size=SIZE, source_dir=source.folder, prepared_dir=folder / "prepared", settings=QUICK)
    return source, folder / "prepared"


def test_every_picture_with_a_row_is_in_one_split_and_nobody_is_in_two(small):
    source, _, examples = small
    people = {split: {example["person"].decode() for example in examples[split].values()} for split in SPLITS}
    assert people["test"] == set(TEST_PEOPLE)
    assert people["train"] | people["validation"] == set(TRAIN_PEOPLE)
    assert not people["train"] & people["validation"]
    assert len(people["validation"]) == len(TRAIN_PEOPLE) // 10
    names = collections.Counter(name for split in SPLITS for name in examples[split])
    assert set(names) == set(source.pictures) and set(names.values()) == {1}
    assert all(example["person"].decode() == name.rpartition("_")[0]
               for split in SPLITS for name, example in examples[split].items())


@pytest.mark.slow
def test_the_split_does_not_depend_on_the_order_of_the_lists(tmp_path, small):
    source = Source(tmp_path)
    source.people = {file: people[::-1] for file, people in source.people.items()}
    source.write()
    again = read(prepared_builder(source.folder, tmp_path / "prepared"))
    assert {split: set(again[split]) for split in SPLITS} == {split: set(small[2][split]) for split in SPLITS}


def test_attributes_are_the_scores_of_the_picture(small):
    source, _, examples = small
    for split in SPLITS:
        for name, example in examples[split].items():
            np.testing.assert_array_equal(example["attributes"], np.float32(source.scores[name]))


def test_pictures_are_the_face_region(small):
    source, _, examples = small
    name = sorted(examples["train"])[0]
    whole = Image.open(io.BytesIO(source.pictures[name]))
    region = whole.crop((45, 45, 205, 205)).resize((SIZE, SIZE), Image.Resampling.LANCZOS)
    # At the border the antialiasing of the reader sees what lies beyond the region, which a crop has lost.
    inner = slice(2, -2)
    np.testing.assert_allclose(examples["train"][name]["image"][inner, inner], np.asarray(region)[inner, inner],
                               atol=1.01, rtol=0)


def test_masks_lie_on_their_pictures(small):
    agreements = []
    for example in small[2]["train"].values():
        if example["mask_source"] == lfw.DRAWN:
            bright = example["image"].min(-1) > 130
            agreements.append((bright == (example["mask"][..., 0] > 127)).mean())
            # Soft at the border, full inside: the mask is the share of foreground in each pixel.
            assert example["mask"].max() == 255 and example["mask"].min() == 0
            assert ((example["mask"] > 0) & (example["mask"] < 255)).any()
    # Masks moved by one pixel would agree at no more than 0.97.
    assert min(agreements) > 0.985


def test_the_mean_of_a_mask_is_the_labelled_share(small):
    _, _, examples = small
    for name, example in examples["validation"].items():
        if example["mask_source"] == lfw.DRAWN:
            share = disc(name)[1][45:205, 45:205].mean()
            assert example["mask"].mean() / 255 == pytest.approx(share, abs=2e-3)


def test_mask_source_says_whether_a_label_exists(small):
    source, prepared, examples = small
    for split in SPLITS:
        for name, example in examples[split].items():
            assert example["mask_source"] == (lfw.DRAWN if name in source.labels else lfw.NO_MASK)
            assert (example["mask"].max() > 0) == (name in source.labels)
    drawn = lfw._builder(SIZE, False, None, prepared).info.metadata["drawn"]
    assert drawn == {"train": 45, "validation": 5, "test": 0}


def test_schema_is_numpys_statistics_of_the_training_split(small):
    _, prepared, examples = small
    attributes = np.stack([example["attributes"] for example in examples["train"].values()]).astype(np.float64)
    dataset = lfw.open_lfw(image_size=SIZE, prepared_dir=prepared, masks="drawn")
    schema = dataset.schema
    assert schema.names == lfw_files.ATTRIBUTE_NAMES
    np.testing.assert_array_equal(schema.minimum, attributes.min(0).astype(np.float32))
    np.testing.assert_array_equal(schema.maximum, attributes.max(0).astype(np.float32))
    np.testing.assert_allclose(schema.mean, attributes.mean(0), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(schema.covariance, np.cov(attributes, rowvar=False), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(schema.standard_deviation, attributes.std(0, ddof=1), rtol=1e-5)


def test_drawn_masks_alone(small):
    source, prepared, _ = small
    dataset = lfw.open_lfw(image_size=SIZE, prepared_dir=prepared, masks="drawn")
    for split in SPLITS:
        examples = list(dataset.examples(split).as_numpy_iterator())
        assert len(examples) == dataset.counts[split]
        assert all(example["name"].decode() in source.labels for example in examples)


def test_the_elements_are_what_is_promised(small):
    dataset = lfw.open_lfw(image_size=SIZE, prepared_dir=small[1], masks="drawn")
    specification = dataset.examples("train").element_spec
    shapes = {name: (spec.dtype.name, tuple(spec.shape)) for name, spec in specification.items()}
    assert shapes == {"image": ("uint8", (SIZE, SIZE, 3)), "mask": ("uint8", (SIZE, SIZE, 1)),
                      "attributes": ("float32", (73,)), "name": ("string", ()), "mask_source": ("int32", ())}


def test_a_prepared_set_is_read_again_in_the_same_order_without_its_source(tmp_path, small):
    dataset = lfw.open_lfw(image_size=SIZE, source_dir=tmp_path / "gone", prepared_dir=small[1], masks="drawn")
    first, second = ([example["name"] for example in dataset.examples("train").as_numpy_iterator()] for _ in range(2))
    assert first == second
    assert first != sorted(first)


def test_the_folder_of_the_files_may_be_named_itself(small):
    assert lfw_files.find_files(small[0].lfw) == lfw_files.find_files(small[0].folder)


@pytest.mark.slow
def test_other_sizes(tmp_path, small):
    lfw.prepare_lfw(image_size=48, source_dir=small[0].folder, prepared_dir=tmp_path, predicted_masks=False)
    example = next(iter(lfw.open_lfw(image_size=48, prepared_dir=tmp_path, masks="drawn").examples("train")))
    assert example["image"].shape == (48, 48, 3) and example["mask"].shape == (48, 48, 1)


@pytest.mark.slow
def test_what_does_not_fit_is_counted_named_and_skipped(tmp_path):
    source = Source(tmp_path)
    del source.pictures["Ann_Train_07_0002"]
    del source.scores["Ann_Train_08_0002"]
    source.pictures["Ann_Train_09_0002"] = source.pictures["Ann_Train_09_0002"][:2000]
    buffer = io.BytesIO()
    Image.new("RGB", (100, 250)).save(buffer, "jpeg")
    source.pictures["Ann_Train_10_0002"] = buffer.getvalue()
    source.labels["Nobody_Here_0001"] = source.labels["Ann_Train_11_0001"]
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64)).save(buffer, "ppm")
    source.labels["Ann_Train_12_0001"] = buffer.getvalue()
    source.pictures["Carl_Unlisted_0001"] = source.pictures["Ann_Train_11_0001"]
    source.scores["Carl_Unlisted_0001"] = source.scores["Ann_Train_11_0001"]
    source.write()
    builder = prepared_builder(source.folder, tmp_path / "prepared")
    assert {kind: number for kind, number in builder.info.metadata["skipped"].items() if number} == {
        "rows without a picture": 1, "pictures without a row": 1, "pictures that cannot be used": 2,
        "labels without a picture": 1, "labels that cannot be used": 1,
        "pictures of people who are in neither list": 1}
    named = (pathlib.Path(builder.data_dir) / "skipped.txt").read_text()
    for name in ("Ann_Train_07_0002", "Ann_Train_08_0002", "Ann_Train_09_0002", "Ann_Train_10_0002",
                 "Nobody_Here_0001", "Ann_Train_12_0001", "Carl_Unlisted_0001"):
        assert name in named
    examples = read(builder)
    names = {name for split in SPLITS for name in examples[split]}
    assert names == set(source.pictures) & set(source.scores) - {"Ann_Train_09_0002", "Ann_Train_10_0002",
                                                                 "Carl_Unlisted_0001"}
    hatless = [examples[split]["Ann_Train_12_0001"] for split in SPLITS if "Ann_Train_12_0001" in examples[split]]
    assert hatless[0]["mask_source"] == lfw.NO_MASK


def without(file):
    def damage(source):
        (source.lfw / file).unlink()
    return damage


def truncated(file, share):
    def damage(source):
        content = (source.lfw / file).read_bytes()
        (source.lfw / file).write_bytes(content[:int(len(content) * share)])
    return damage


def cut_between_members(source):
    """The archive ends early, but at the end of a member, and gzip's own end is missing."""
    raw = gzip.decompress((source.lfw / lfw_files.PICTURES).read_bytes())
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        end = archive.getmembers()[40].offset
    whole = gzip.compress(raw[:end], compresslevel=1)
    (source.lfw / lfw_files.PICTURES).write_bytes(whole[:-8])


def damaged_content(source):
    content = bytearray((source.lfw / lfw_files.PICTURES).read_bytes())
    content[len(content) // 2] ^= 0xFF
    (source.lfw / lfw_files.PICTURES).write_bytes(bytes(content))


def line(file, number, change):
    def damage(source):
        lines = (source.lfw / file).read_text().splitlines()
        lines[number - 1] = change(lines[number - 1])
        (source.lfw / file).write_text("\n".join(lines) + "\n")
    return damage


def without_test_pictures(source):
    source.pictures = {name: content for name, content in source.pictures.items() if name.startswith("Ann")}
    source.write()


def without_pictures(source):
    source.pictures = {}
    source.write()


def with_undecodable_pictures(source):
    for name in sorted(source.pictures)[:4]:
        source.pictures[name] = b"not a jpeg"
    source.write()


BROKEN = {
    **{f"without {file}": (without(file), [file, "is missing", lfw_files.OFFICIAL_FILES[file].url])
       for file in lfw_files.OFFICIAL_FILES},
    **{f"{file} cut at {share}": (truncated(file, share), [file, "truncated or damaged"])
       for file in (lfw_files.PICTURES, lfw_files.LABELS) for share in (0.0, 0.5, 0.999)},
    "pictures cut between members": (cut_between_members, [lfw_files.PICTURES, "truncated or damaged"]),
    "a damaged byte": (damaged_content, [lfw_files.PICTURES, "truncated or damaged"]),
    "a short row": (line(lfw_files.SCORES, 17, lambda text: text.rpartition("\t")[0]),
                    [lfw_files.SCORES, "line 17", "74 fields"]),
    "a word for a score": (line(lfw_files.SCORES, 9, lambda text: text.rpartition("\t")[0] + "\tmany"),
                           [lfw_files.SCORES, "line 9", "numbers"]),
    "an infinite score": (line(lfw_files.SCORES, 9, lambda text: text.rpartition("\t")[0] + "\tinf"),
                          [lfw_files.SCORES, "line 9", "finite"]),
    "a row twice": (line(lfw_files.SCORES, 4, lambda text: text.replace("Train 00\t2", "Train 00\t1")),
                    [lfw_files.SCORES, "line 4", "line 3"]),
    "an unknown attribute": (line(lfw_files.SCORES, 2, lambda text: text.replace("Smiling", "Grinning")),
                             [lfw_files.SCORES, "line 2", "'Grinning'"]),
    "another order of attributes": (line(lfw_files.SCORES, 2, lambda text: text.replace("Asian\tWhite",
                                                                                              "White\tAsian")),
                                    [lfw_files.SCORES, "line 2", "order"]),
    "a wrong number of people": (line(lfw_files.TRAIN_PEOPLE, 1, lambda text: "51"),
                                 [lfw_files.TRAIN_PEOPLE, "51", "50"]),
    "a person in two splits": (line(lfw_files.TEST_PEOPLE, 2, lambda text: "Ann_Train_03\t1"),
                               [lfw_files.TEST_PEOPLE, "Ann_Train_03"]),
}
UNFIT = {
    "a damaged byte": BROKEN["a damaged byte"],
    "an empty split": (without_test_pictures, ["test split is empty", lfw_files.PICTURES]),
    "no pictures": (without_pictures, ["split is empty", "0 pictures"]),
    "many undecodable pictures": (with_undecodable_pictures, [lfw_files.PICTURES, "cannot be used"]),
}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Official files that are whole."""
    return Source(tmp_path_factory.mktemp("written")).write()


@pytest.mark.parametrize("damage, words", BROKEN.values(), ids=BROKEN)
def test_readers_say_in_one_sentence_what_is_broken(damage, words, written, tmp_path):
    shutil.copytree(written.folder, tmp_path / "source")
    source = copy.copy(written)
    source.folder, source.lfw = tmp_path / "source", tmp_path / "source" / "lfw"
    damage(source)
    with one_sentence(words):
        files = lfw_files.find_files(source.folder)
        lfw_files.read_scores(files[lfw_files.SCORES])
        lfw._split_people(files)
        for name, ending in ((lfw_files.PICTURES, ".jpg"), (lfw_files.LABELS, ".ppm")):
            collections.deque(lfw_files.read_archive(files[name], ending), maxlen=0)


@pytest.mark.parametrize("damage, words", UNFIT.values(), ids=UNFIT)
def test_files_that_are_of_no_use_end_in_one_sentence_and_leave_nothing(damage, words, tmp_path):
    source = Source(tmp_path).write()
    damage(source)
    prepared = tmp_path / "prepared"
    with one_sentence(words):
        prepared_builder(source.folder, prepared)
    assert leftovers(prepared) == []


def test_no_disk_space_is_said_before_anything_is_written(tmp_path, small, monkeypatch):
    usage = collections.namedtuple("usage", "total used free")
    monkeypatch.setattr(lfw.shutil, "disk_usage", lambda path: usage(1, 1, 1000))
    with pytest.raises(DataError, match="No space left .* are needed; free some"):
        prepared_builder(small[0].folder, tmp_path)
    assert leftovers(tmp_path) == []


def test_a_disk_that_fills_up_meanwhile(tmp_path, small, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(lfw.LfwAttributes, "finish", full)
    with pytest.raises(DataError, match="No space left"):
        prepared_builder(small[0].folder, tmp_path)
    assert leftovers(tmp_path) == []


@pytest.mark.nightly
def test_a_run_that_was_killed_is_made_good_by_the_next(tmp_path, small):
    script = textwrap.dedent("""
        import os, signal, sys
        from attr2image_tf.data.lfw import builder as lfw
        from attr2image_tf.data.lfw import files as lfw_files
        assert not any(name.startswith("attr2image_tf.models") for name in sys.modules), "data imports models"
        decode, calls = lfw_files.decode_picture, []

        def decode_or_die(*arguments):
            calls.append(1)
            if len(calls) > 60:
                os.kill(os.getpid(), signal.SIGKILL)
            return decode(*arguments)

        lfw_files.decode_picture = decode_or_die
        lfw.prepare_lfw(image_size=int(sys.argv[1]), source_dir=sys.argv[2], prepared_dir=sys.argv[3])
    """)
    killed = subprocess.run([sys.executable, "-c", script, str(SIZE), str(small[0].folder), str(tmp_path)],
                            capture_output=True, text=True, cwd=pathlib.Path(__file__).parents[2])
    assert killed.returncode == -9, killed.stderr
    assert leftovers(tmp_path), "the run was killed before it wrote anything"
    examples = read(prepared_builder(small[0].folder, tmp_path))
    assert not [path for path in leftovers(tmp_path) if "incomplete" in path]
    assert {split: set(examples[split]) for split in SPLITS} == {split: set(small[2][split]) for split in SPLITS}


@pytest.fixture
def mirror(small, monkeypatch):
    """The official addresses lead to a server on this machine that has the small files."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(small[0].lfw))
    handler.log_message = None
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    files = {}
    for name in lfw_files.OFFICIAL_FILES:
        content = (small[0].lfw / name).read_bytes()
        files[name] = lfw_files.OfficialFile(f"http://127.0.0.1:{server.server_port}/{name}", len(content),
                                             hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(lfw_files, "OFFICIAL_FILES", files)

    def register(files):
        info = tfds.core.download.checksums.UrlInfo
        monkeypatch.setattr(lfw.LfwAttributes, "url_infos",
                            {file.url: info(file.size, file.sha256, name) for name, file in files.items()})

    register(files)
    yield files, register
    server.shutdown()
    server.server_close()


@pytest.mark.slow
def test_files_are_downloaded_when_no_folder_is_named(tmp_path, small, mirror):
    examples = read(prepared_builder(None, tmp_path))
    assert {split: set(examples[split]) for split in SPLITS} == {split: set(small[2][split]) for split in SPLITS}


def test_a_download_with_another_checksum_is_refused(tmp_path, mirror):
    files, register = mirror
    files[lfw_files.PICTURES] = lfw_files.OfficialFile(files[lfw_files.PICTURES].url, files[lfw_files.PICTURES].size,
                                                       "0" * 64)
    register(files)
    with pytest.raises(DataError, match=f"{lfw_files.PICTURES} .* not the official file: .* SHA-256 {'0' * 64}"):
        prepared_builder(None, tmp_path)
    assert leftovers(tmp_path) == []


def test_a_download_that_fails_says_where_to_put_the_file(tmp_path, small, mirror):
    files, register = mirror
    address = files[lfw_files.SCORES].url + ".gone"
    files[lfw_files.SCORES] = lfw_files.OfficialFile(address, 1, "0" * 64)
    register(files)
    with pytest.raises(DataError, match=f"{lfw_files.SCORES} cannot be downloaded from .*put it into FOLDER/lfw/"):
        prepared_builder(None, tmp_path)
    assert leftovers(tmp_path) == []


def test_a_folder_without_the_files_makes_no_folder(tmp_path):
    with pytest.raises(DataError, match="is missing"):
        prepared_builder(tmp_path / "nowhere", tmp_path / "prepared")
    assert not list(tmp_path.iterdir())


def test_the_environment_names_the_source(tmp_path, small, monkeypatch):
    monkeypatch.setenv("ATTR2IMAGE_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="nowhere"):
        lfw.open_lfw(image_size=SIZE, prepared_dir=tmp_path, masks="drawn")


@pytest.mark.parametrize("masks", ["all", "", None])
def test_unknown_masks_are_refused(masks, small):
    with pytest.raises(ValueError, match="'any' or 'drawn'"):
        lfw.open_lfw(image_size=SIZE, prepared_dir=small[1], masks=masks)


def test_an_unknown_split_is_refused(small):
    with pytest.raises(ValueError, match="train, validation, test"):
        lfw.open_lfw(image_size=SIZE, prepared_dir=small[1], masks="drawn").examples("dev")


@pytest.mark.slow
def test_drawn_masks_stay_and_the_others_are_the_networks(chain):
    source, prepared = chain
    base, network = read(lfw._builder(SIZE, False, None, prepared)), foreground.load(lfw.network_dir(SIZE, prepared))
    dataset = lfw.open_lfw(image_size=SIZE, prepared_dir=prepared)
    assert dataset.counts == {split: len(base[split]) for split in SPLITS}
    for split in SPLITS:
        examples = list(dataset.examples(split).as_numpy_iterator())
        assert len(examples) == len(base[split])
        for example in examples:
            name = example["name"].decode()
            assert example["mask_source"] == (lfw.DRAWN if name in source.labels else lfw.PREDICTED)
            np.testing.assert_array_equal(example["image"], base[split][name]["image"])
            np.testing.assert_array_equal(example["attributes"], base[split][name]["attributes"])
            if name in source.labels:
                np.testing.assert_array_equal(example["mask"], base[split][name]["mask"])
            else:
                predicted = foreground.predict(network, example["image"][None])[0]
                # Another batch size may round the other way.
                assert np.abs(predicted.astype(int) - example["mask"]).max() <= 1


@pytest.mark.slow
def test_the_network_is_measured_on_other_people_than_it_is_trained_on(chain, monkeypatch):
    source, prepared = chain
    seen = {}

    def train(images, masks, settings):
        seen["train"] = images
        return foreground.build(SIZE, QUICK.widths)

    def predict(network, images):
        seen["held out"] = images
        return np.zeros(images.shape[:3] + (1,), np.uint8)

    monkeypatch.setattr(foreground, "train", train)
    monkeypatch.setattr(foreground, "predict", predict)
    monkeypatch.setattr(foreground, "save", lambda *arguments: None)
    monkeypatch.setattr(lfw.shutil, "rmtree", lambda *arguments, **options: None)
    metrics = lfw.train_foreground(image_size=SIZE, prepared_dir=prepared, settings=QUICK)
    base = read(lfw._builder(SIZE, False, None, prepared))

    def people(images):
        known = {example["image"].tobytes(): name.rpartition("_")[0]
                 for split in SPLITS for name, example in base[split].items()}
        return {known[image.tobytes()] for image in images}

    assert not people(seen["train"]) & people(seen["held out"])
    assert (metrics["examples"], metrics["held_out_examples"]) == (45, 5)


@pytest.mark.slow
def test_a_new_network_takes_the_old_ones_masks_with_it(chain, tmp_path):
    shutil.copytree(chain[1], tmp_path, dirs_exist_ok=True)
    predicted = lfw._builder(SIZE, True, None, tmp_path)
    assert predicted.is_prepared()
    lfw.train_foreground(image_size=SIZE, prepared_dir=tmp_path,
                         settings=foreground.Settings(epochs=1, widths=(4, 8), seed=1))
    assert not pathlib.Path(predicted.data_dir).exists()
    assert foreground.is_trained(lfw.network_dir(SIZE, tmp_path))


def test_without_a_home_a_folder_is_asked_for(monkeypatch, tmp_path):
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    monkeypatch.chdir(tmp_path)

    def no_home(path):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(pathlib.Path, "expanduser", lambda path: no_home(path) if str(path).startswith("~") else path)
    with pytest.raises(ValueError, match=r"home folder is not known.*Prepared data sets go to --prepared_dir=FOLDER"):
        lfw.open_lfw(image_size=SIZE)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_without_labels_no_network_can_be_trained(tmp_path):
    source = Source(tmp_path)
    source.labels = {}
    source.write()
    with pytest.raises(DataError, match=f"no drawn mask.*{lfw_files.LABELS}"):
        lfw.prepare_lfw(image_size=SIZE, source_dir=source.folder, prepared_dir=tmp_path / "prepared", settings=QUICK)


# The real files, where they are at hand.

@pytest.fixture(scope="module")
def real(real_lfw):
    """The folder of the files, the prepared set, and its examples by split and name."""
    source, prepared = real_lfw
    builder = lfw._builder(SIZE, False, None, prepared)
    return source, builder, read(builder)


@pytest.mark.nightly
def test_real_files_give_the_people_disjoint_splits(real):
    source, builder, examples = real
    people = {split: {example["person"] for example in examples[split].values()} for split in SPLITS}
    assert not people["train"] & people["validation"] | people["train"] & people["test"]
    assert not people["validation"] & people["test"]
    rows, scores = lfw_files.read_scores(lfw_files.find_files(source)[lfw_files.SCORES])
    for split in SPLITS:
        for name, example in examples[split].items():
            np.testing.assert_array_equal(example["attributes"], scores[rows[name]])
    skipped = builder.info.metadata["skipped"]
    assert sum(map(len, examples.values())) == len(rows) - skipped["rows without a picture"]
    assert len(examples["train"]) + len(examples["validation"]) > 3 * len(examples["test"]) > 0


@pytest.mark.nightly
def test_real_labels_are_faces(real):
    """Drawn foregrounds fill the middle of the picture, leave its corners and about a third of it."""
    masks = [example["mask"] for example in real[2]["train"].values() if example["mask_source"] == lfw.DRAWN]
    mean = np.mean(masks, 0)[..., 0] / 255
    third, eighth = SIZE // 3, SIZE // 8
    assert mean[third:-third, third:-third].min() > 0.9
    for corner in (mean[:eighth, :eighth], mean[:eighth, -eighth:], mean[-eighth:, :eighth], mean[-eighth:, -eighth:]):
        assert corner.mean() < 0.3
    assert 0.55 < mean.mean() < 0.75
