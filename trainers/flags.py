"""How mains begin, and flags that several of them share or that stand for fields of a configuration.

    define_config(RegressorConfig, skip=("dataset",))       # a flag a field: its default, its type, its documentation
    config = config_from_flags(RegressorConfig, values, dataset="lfw")

    if __name__ == "__main__":
        run(main)                                           # main(values), with errors reported in one sentence
"""

import codecs
import dataclasses
import inspect
import json
import math
import os
import re
import signal
import sys
import typing
from collections.abc import Callable

from absl import app, flags, logging
from google.protobuf import json_format

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
        with clear_errors():
            arguments = [arguments[0], *expand_flag_files(arguments[1:])]
        if not others:
            return app.parse_flags_with_usage(arguments)
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
        try:
            with clear_errors():
                _check_values(values)
                main(values, arguments[1:]) if others else main(values)
        except KeyboardInterrupt:
            sys.exit(128 + signal.SIGINT)

    app.run(start, flags_parser=parse)


def expand_flag_files(arguments: list[str], within: tuple[str, ...] = ()) -> list[str]:
    """Arguments with the lines of the files in the place of each --flagfile.

    A value in quotation marks is what they enclose, as on a command line, and files that begin with the mark of UTF-8
    are read too, none of which absl does.

    Args:
        arguments: of the command line, without the program's name.
        within: the flag files that are being read.

    Raises:
        ValueError: a file cannot be read, is no UTF-8 or reads itself.
    """
    expanded, rest = [], list(arguments)
    while rest:
        argument = rest.pop(0)
        name, given, path = argument.partition("=")
        if argument == "--":
            return [*expanded, argument, *rest]
        if name not in ("-flagfile", "--flagfile"):
            expanded.append(argument)
            continue
        if not given and not rest:
            raise ValueError("--flagfile names no file.")
        path = path.strip() if given else rest.pop(0)
        if path in within:
            raise ValueError(f"--flagfile={path!r} reads itself.")
        if path:
            lines = [line.strip() for line in _read_flag_file(path).splitlines()]
            expanded += expand_flag_files([_unquoted(line) for line in lines if line and line[0] != "#"
                                           and not line.startswith("//")], (*within, path))
    return expanded


def _read_flag_file(path):
    try:
        content = as_path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"--flagfile={path!r} cannot be read: {error.strerror}.") from None
    if not content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            text = content.decode("utf-8-sig")
            if "\0" not in text:
                return text
        except UnicodeDecodeError:
            pass
    raise ValueError(f"--flagfile={path!r} is no text in UTF-8; save it as that.")


def _unquoted(line):
    name, given, value = line.partition("=")
    marked = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" and value[0] not in value[1:-1]
    return f"{name}{given}{value[1:-1]}" if marked else line


def _check_values(values):
    """Raises ValueError for what no flag can be: a number that is not finite, a home folder that nobody knows."""
    for name in values:
        value = values[name].value
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, float) and not math.isfinite(each):
                raise ValueError(f"{name}={each!r}: expected a finite number.")
            if isinstance(values[name].parser, (_PathParser, _PathListParser)) and each:
                try:
                    as_path(each)
                except ValueError as error:
                    raise ValueError(f"{name}={error}") from None


def require(values, name: str, advice: str):
    """Raises ValueError with the advice where flag `name` was not given."""
    if not values[name].value:
        raise ValueError(f"--{name} is missing; {advice}.")


class _PathParser(flags.ArgumentParser):
    """A path, ~ for the home folder."""

    syntactic_help = "a path"

    def parse(self, argument):
        # "" stays: it says that nothing is named.
        return _known_path(argument) if argument else argument

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
        return [_known_path(path) for path in super().parse(argument)]


def _known_path(text):
    try:
        return str(as_path(text))
    except ValueError:
        # Reported by `run`: a default may be read while a main is imported.
        return text


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


def warn_of_unseen(schema: data.AttributeSchema, request: str):
    """Says which answers of a request go together in no training picture."""
    for pair in schema.unseen(schema.parse(request)):
        logging.warning("No training picture has both %s and %s; what is drawn for them is made up.", *pair)


def load_dataset(values) -> data.AttributeDataset:
    """The data set that the flags name."""
    entry = data.ENTRIES.get(values.dataset)
    name = f"{entry.name}:{values[entry.flag].value}" if entry is not None and entry.flag else values.dataset
    return _open(name, values.image_size, values)


def load_run_dataset(values, run: RunConfig, schema: data.AttributeSchema, image_size: int | None = None
                     ) -> data.AttributeDataset:
    """The data set that a run was trained on, at the model's size or another.

    Raises:
        ValueError: the files that the flags name are of other attributes, or other pictures.
    """
    dataset = _open(run.dataset, image_size or run.model.image_size, values)
    if dataset.schema.names != schema.names:
        raise ValueError(f"data set {dataset.name!r} has {len(dataset.schema)} attributes, the run {len(schema)}, or "
                         "others; name the files that the run was trained on.")
    if image_size in (None, run.model.image_size):
        run.check_dataset(dataset.fingerprint)
    return dataset


def _open(name, image_size, values):
    try:
        return data.load(name, image_size=image_size, source_dir=values.data_dir, prepared_dir=values.prepared_dir)
    except (KeyError, json.JSONDecodeError, json_format.ParseError) as error:
        # What stands beside the pictures is cut or lost.
        raise ValueError(f"data set {name!r} cannot be opened, its prepared files are damaged ({type(error).__name__}: "
                         f"{str(error).splitlines()[0]}); delete them and prepare it again.") from error
