"""How mains begin, and flags that several of them share or that stand for fields of a configuration.

    define_config(RegressorConfig, skip=("dataset",))       # a flag a field: its default, its type, its documentation
    config = config_from_flags(RegressorConfig, values, dataset="lfw")

    if __name__ == "__main__":
        run(main)                                           # main(values), with errors reported in one sentence
"""

import dataclasses
import inspect
import os
import re
import sys
import typing
from collections.abc import Callable

from absl import app, flags, logging

from attr2image_tf import data, runtime
from attr2image_tf.config import RunConfig, choices_of
from attr2image_tf.errors import clear_errors
from attr2image_tf.files import as_path

# What is defined by a call of this module's functions is a flag of the main that calls them: --help shows it.
flags.disclaim_key_flags()


def run(main: Callable, *, computes: bool = True, others: bool = False):
    """Starts a main: reads the flags, and reports what the user can mend in one sentence.

    Args:
        main: function of the flag values.
        computes: whether this process trains or draws (`runtime.prepare`, with --threads where there is one).
        others: whether flags that are not ours are passed to `main` as a second argument, a list of texts, which must
            refuse those that nobody knows.
    """
    def parse(arguments):
        try:
            return flags.FLAGS(arguments, known_only=True)
        except flags.Error as error:
            print(f"FATAL Flags parsing error: {error}\nPass --helpshort or --helpfull to see help on flags.",
                  file=sys.stderr)
            sys.exit(1)

    def start(arguments):
        if len(arguments) > 1 and not others:
            raise app.UsageError(f"unexpected argument {arguments[1]!r}; flags begin with --.")
        values = flags.FLAGS
        if not values["verbosity"].present:
            logging.set_verbosity(logging.INFO)
        if computes:
            runtime.prepare(values.threads if "threads" in values else 0)
        with clear_errors():
            main(values, arguments[1:]) if others else main(values)

    app.run(start, flags_parser=parse if others else app.parse_flags_with_usage)


def require(values, name: str, advice: str):
    """Raises ValueError with the advice where flag `name` was not given."""
    if not values[name].value:
        raise ValueError(f"--{name} is missing; {advice}.")


class _PathParser(flags.ArgumentParser):
    """A path, ~ for the home folder."""

    syntactic_help = "a path"

    def parse(self, argument):
        # "" stays: it says that nothing is named.
        return str(as_path(argument)) if argument else argument

    def flag_type(self):
        return "path"


def define_path(name: str, default: str | None, text: str):
    """A flag that names a file or folder, as text; ~ is the home folder."""
    return flags.DEFINE(_PathParser(), name, default, text, serializer=flags.ArgumentSerializer())


def define_paths(name: str, text: str):
    """A flag that may be given several times, each with one path; none by default."""
    return flags.DEFINE_multi(_PathParser(), flags.ArgumentSerializer(), name, [], text)


def define_path_list(name: str, text: str):
    """A flag of several paths with commas between; none by default."""
    return flags.DEFINE(_PathListParser(), name, [], text, serializer=flags.CsvListSerializer(","))


class _PathListParser(flags.ListParser):

    def parse(self, argument):
        return [str(as_path(path)) for path in super().parse(argument)]


def define_config(config: type, *, skip: tuple[str, ...] = (), only: tuple[str, ...] = ()):
    """A flag for each field of a configuration with a default: named, typed and explained as the field is.

    Args:
        config: a Config class, or another dataclass whose docstring has an "Attributes:" part.
        skip: names of fields without a flag.
        only: names of the only fields with a flag; all by default.
    """
    texts = _documented(config)
    hints = typing.get_type_hints(config)
    for field in dataclasses.fields(config):
        if field.name in skip or only and field.name not in only or field.default is dataclasses.MISSING:
            continue
        kind, choices = hints[field.name], choices_of(field)
        common = field.name, field.default, texts[field.name]
        if choices:
            flags.DEFINE_enum(field.name, field.default, choices, texts[field.name])
        elif typing.get_origin(kind) is tuple:
            flags.DEFINE_list(field.name, [str(value) for value in field.default], texts[field.name])
        else:
            {bool: flags.DEFINE_bool, int: flags.DEFINE_integer, float: flags.DEFINE_float,
             str: flags.DEFINE_string}[kind](*common)


def config_from_flags(config: type, values, **others):
    """A configuration from the flags that `define_config` made, and from fields that have none.

    Raises:
        ConfigError: a value out of its range.
    """
    chosen = {}
    for field in dataclasses.fields(config):
        if field.name in others:
            chosen[field.name] = others[field.name]
        elif field.name in values:
            kind = typing.get_type_hints(config)[field.name]
            value = values[field.name].value
            chosen[field.name] = tuple(map(typing.get_args(kind)[0], value)) if isinstance(value, list) else value
    return config(**chosen)


def _documented(config):
    """What the docstring says of each field, as a sentence."""
    _, _, part = inspect.cleandoc(config.__doc__).partition("Attributes:\n")
    entries = re.split(r"^    (\w+): ", part, flags=re.MULTILINE)[1:]
    texts = {name: " ".join(text.split()) for name, text in zip(entries[::2], entries[1::2], strict=True)}
    return {name: text[:1].upper() + text[1:] for name, text in texts.items()}


def define_dataset_flags():
    """--dataset, the flags of single data sets, --data_dir, --prepared_dir, --image_size."""
    flags.DEFINE_string("dataset", "emblems", f"Data set: {data.names()}. emblems is rendered on the fly and needs no "
                        "files.")
    for entry in data.ENTRIES.values():
        if entry.flag:
            flags.DEFINE_enum(entry.flag, entry.details[0], entry.details, entry.help)
    define_source_flags()
    flags.DEFINE_integer("image_size", 64, "Height and width in pixels; a multiple of 32.", lower_bound=32)


def define_source_flags():
    """--data_dir, --prepared_dir."""
    define_path("data_dir", os.environ.get("ATTR2IMAGE_DATA"),
                "Folder that holds the official archives, such as lfw/lfw-funneled.tgz; by default the environment "
                "variable ATTR2IMAGE_DATA. Without either, files are downloaded.")
    define_path("prepared_dir", None, "Folder for prepared data sets; ~/tensorflow_datasets by default.")


def define_threads():
    """--threads."""
    flags.DEFINE_integer("threads", 0, "Threads for computation; 0 for one a core.", lower_bound=0)


def load_dataset(values) -> data.AttributeDataset:
    """The data set that the flags name."""
    entry = data.ENTRIES.get(values.dataset)
    name = f"{entry.name}:{values[entry.flag].value}" if entry is not None and entry.flag else values.dataset
    return data.load(name, image_size=values.image_size, source_dir=values.data_dir,
                     prepared_dir=values.prepared_dir)


def load_run_dataset(values, run: RunConfig, schema: data.AttributeSchema) -> data.AttributeDataset:
    """The data set that a run was trained on.

    Raises:
        ValueError: the files that the flags name are of other attributes.
    """
    dataset = data.load(run.dataset, image_size=run.model.image_size, source_dir=values.data_dir,
                        prepared_dir=values.prepared_dir)
    if dataset.schema.names != schema.names:
        raise ValueError(f"data set {dataset.name!r} has {len(dataset.schema)} attributes, the run {len(schema)}, or "
                         "others; name the files that the run was trained on.")
    return dataset
