"""Configurations: frozen, typed, checked on creation, and saved as JSON with every run and export."""

import dataclasses
import json
import types
import typing

# `models.CLASSES` has their classes.
MODELS = ("vae", "cvae", "discvae")
PRIORS = ("standard", "gaussian", "flow")
SCHEDULES = ("constant", "cosine")
OBSERVATION_NOISES = ("fixed", "learned", "running", "validation")
# The smallest change of one attribute in a pair of samples for sharpening, in standard deviations.
SMALLEST_CHANGE = 0.5

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
# Number types of the kernels in an export, and in a LiteRT file.
WEIGHTS = ("float32", "float16", "bfloat16")
LITERT_WEIGHTS = ("int8", "float16", "float32")
# The largest float32; everything is computed in that type.
_LARGEST_FLOAT = 3.4028234e38


def choice(default: str, choices: tuple[str, ...]) -> str:
    """A field of a configuration that takes one of several texts."""
    return dataclasses.field(default=default, metadata={"choices": choices})


def choices_of(field: dataclasses.Field) -> tuple[str, ...]:
    """The texts that a field of `choice` takes; empty for other fields."""
    return field.metadata.get("choices", ())


class ConfigError(ValueError):
    """An invalid configuration: the message names the key, the value and what is expected."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Base of all configurations: JSON round trip, types and choices checked, unknown keys refused.

    Numbers must be finite, also as float32.
    """

    def __post_init__(self):
        for name, expected in typing.get_type_hints(type(self)).items():
            object.__setattr__(self, name, _checked(f"{type(self).__name__}.{name}", getattr(self, name), expected))
        for field in dataclasses.fields(self):
            if choices := choices_of(field):
                self.require(getattr(self, field.name) in choices, field.name, f"one of {', '.join(choices)}")

    def require(self, condition: bool, name: str, expected: str):
        """Raises ConfigError naming field `name` unless `condition` holds."""
        if not condition:
            raise ConfigError(f"{name}={getattr(self, name)!r}: expected {expected}.")

    def require_least(self, least: float, *names: str):
        """Raises ConfigError naming the first of the fields that is below `least`."""
        for name in names:
            self.require(getattr(self, name) >= least, name, f"at least {least:g}")

    def to_dict(self) -> dict:
        return dataclasses.asdict(self)

    def to_json(self) -> str:
        """JSON text; `from_json` gives back an equal configuration."""
        return json.dumps(self.to_dict(), indent=2)

    @classmethod
    def from_dict(cls, values: dict):
        """Raises ConfigError unless `values` is a dictionary of known keys, with all that have no default."""
        if not isinstance(values, dict):
            raise ConfigError(f"{cls.__name__}: expected an object of keys and values, got {values!r}.")
        known = typing.get_type_hints(cls)
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ConfigError(f"{cls.__name__}: unknown key {', '.join(unknown)}; known: {', '.join(sorted(known))}.")
        missing = [field.name for field in dataclasses.fields(cls)
                   if field.default is dataclasses.MISSING and field.name not in values]
        if missing:
            raise ConfigError(f"{cls.__name__}: missing key {', '.join(missing)}.")
        return cls(**{name: _config_of(known[name]).from_dict(value)
                      if _config_of(known[name]) and value is not None else value for name, value in values.items()})

    @classmethod
    def from_json(cls, text: str):
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise ConfigError(f"{cls.__name__}: not JSON ({error}).") from None
        return cls.from_dict(values)


def _config_of(kind):
    """The configuration that a field of type `kind` holds, of `Config | None` too; None for other types."""
    kinds = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    return next((each for each in kinds if isinstance(each, type) and issubclass(each, Config)), None)


def _checked(name, value, expected):
    """`value` as the type `expected`; lists become tuples and whole numbers become floats where those are expected."""
    origin = typing.get_origin(expected)
    if origin is tuple:
        kind = typing.get_args(expected)[0]
        if isinstance(value, (list, tuple)):
            return tuple(_checked(name, item, kind) for item in value)
    elif origin is types.UnionType:
        if value is None:
            return None
        return _checked(name, value, next(kind for kind in typing.get_args(expected) if kind is not type(None)))
    elif expected is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        # NaN is no smaller than anything.
        if not abs(value) <= _LARGEST_FLOAT:
            raise ConfigError(f"{name}={value!r}: expected a finite number.")
        return float(value)
    elif isinstance(value, expected) and (expected is bool or not isinstance(value, bool)):
        return value
    raise ConfigError(f"{name}={value!r}: expected {getattr(expected, '__name__', expected)}.")


@dataclasses.dataclass(frozen=True)
class ModelConfig(Config):
    """What a model is. The defaults are the paper's layered model for LFW.

    Attributes:
        model: "vae", "cvae" or "discvae".
        image_size: height and width in pixels, a multiple of 32.
        attribute_mean: A floats, subtracted from attributes before the networks see them.
        attribute_standard_deviation: A floats above 0 by which attributes are divided.
        latent_size: latent dimensions of VAE and CVAE.
        foreground_latent_size: latent dimensions of DisCVAE's foreground.
        background_latent_size: latent dimensions of DisCVAE's background.
        width: factor on the channels and hidden units of all networks; 1 is the paper's.
        dropout: rate at the end of the encoders' image streams, in [0, 1).
        observation_noise: how to set the standard deviation that all pixels of a likelihood, p(x | .) or p(x_F | .),
            share: "fixed" keeps it (the paper); "learned" takes gradient steps on its logarithm; "running" follows the
            root mean squared reconstruction error in training, its maximum-likelihood value, by a moving average;
            "validation" uses the error on the validation split after the previous epoch, measured with averaged
            weights and without dropout, which would blur the pictures.
        observation_standard_deviation: its (initial) value, above 0, in units of pixels in [-1, 1].
        shared_observation_noise: whether p(x | .) and p(x_F | .) of DisCVAE share one standard deviation, as in the
            paper and in runs of version 1.
        gate_weight: alpha, the weight of log p(g | y, z_F) in the objective; 0.3 in the authors' release.
        kl_warmup_steps: steps over which the weight of the KL terms rises linearly from 0 to 1; 0 switches it off.
        prior: p(z | y) that pictures are drawn from, fitted after training: "standard" is N(0, I) (the paper),
            "gaussian" is linear in y, "flow" adds a normalising flow to that (`models.latent_prior`).
        precision: Keras dtype policy of training: "float32", "mixed_bfloat16" or "mixed_float16". Weights stay float32,
            and pictures are drawn in float32. mixed_bfloat16 takes 0.6 times as long on processors with instructions
            for it (avx512_bf16: AMD since Zen 4, some Intel), and many times as long on others.
        seed: seed of the initial weights, the noise and the dropout, at least 0.
    """

    model: str = choice("discvae", MODELS)
    image_size: int = 64
    attribute_mean: tuple[float, ...] = ()
    attribute_standard_deviation: tuple[float, ...] = ()
    latent_size: int = 256
    foreground_latent_size: int = 192
    background_latent_size: int = 64
    width: float = 1.0
    dropout: float = 0.5
    observation_noise: str = choice("validation", OBSERVATION_NOISES)
    observation_standard_deviation: float = 0.5
    shared_observation_noise: bool = False
    gate_weight: float = 0.3
    kl_warmup_steps: int = 0
    prior: str = choice("flow", PRIORS)
    precision: str = choice("float32", PRECISIONS)
    seed: int = 0

    def __post_init__(self):
        super().__post_init__()
        self.require(self.image_size > 0 and self.image_size % 32 == 0, "image_size", "a positive multiple of 32")
        self.require(len(self.attribute_mean) > 0, "attribute_mean", "at least one attribute")
        self.require(len(self.attribute_mean) == len(self.attribute_standard_deviation)
                     and all(value > 0 for value in self.attribute_standard_deviation),
                     "attribute_standard_deviation", f"{len(self.attribute_mean)} numbers above 0, one an attribute")
        self.require_least(1, "latent_size", "foreground_latent_size", "background_latent_size")
        self.require(0 < self.width <= 16, "width", "above 0 and at most 16")
        self.require(0 <= self.dropout < 1, "dropout", "at least 0 and below 1")
        self.require(self.observation_standard_deviation > 0, "observation_standard_deviation", "above 0")
        self.require_least(0, "gate_weight")
        self.require(0 <= self.kl_warmup_steps < 2**31, "kl_warmup_steps", "a whole number from 0 to 2147483647")
        self.require(0 <= self.seed < 2**31, "seed", "a whole number from 0 to 2147483647")

    @property
    def attribute_count(self) -> int:
        return len(self.attribute_mean)

    def channels(self, count: int) -> int:
        """The paper's `count` of channels or units, scaled by `width`; at least 1."""
        return max(1, round(count * self.width))


# What runs did whose files name no version.
_VERSION_1 = {"version": 1, "sharpness": 1.0}
_VERSION_1_MODEL = {"shared_observation_noise": True, "prior": "standard"}
# And those before version 5.
_VERSION_4_TUNING = {"expected_attributes": False}


@dataclasses.dataclass(frozen=True)
class SharpeningConfig(Config):
    """How the decoders of a trained run are tuned to draw sharp pictures (`sharpening.Sharpener` has the terms).

    Attributes:
        source: folder of the run whose decoders are tuned, as it was named.
        source_step: the step that it had reached.
        regressor: folder of the regressor for the attribute losses; "" if their weights are 0.
        reconstruction_weight: weight of the bound's reconstruction terms, in nats per value of the picture.
        patch_weight: weight of the discriminator's judgement of patches.
        global_weight: weight of its judgement of whole pictures, and of whether they match their attributes.
        feature_weight: weight of the difference between reconstructions and their pictures in the discriminator's
            features.
        attribute_weight: weight of the squared error of the attributes that the regressor reads from samples.
        change_weight: weight of the squared error of the change that it reads when a single attribute was changed.
        expected_attributes: whether the regressor should read from a sample what it reads on average from real pictures
            with the requested attributes, E[found | y], rather than y itself, which real pictures show less strongly.
        largest_change: largest change of one attribute, in standard deviations, at least 0.5, the smallest.
        background: whether a layered model's background decoder is tuned too; otherwise backgrounds stay as soft as
            they are.
        hidden_background_weight: weight of the squared change of backgrounds where the gate hides them, in nats per
            value of the picture. Nothing else constrains them there, and a change shows along the gate's edge.
        discriminator_width: factor on the channels of the discriminator.
        discriminator_rate: peak learning rate of the discriminator, above 0.
        penalty: weight of its squared gradient on real pictures (R1), at least 0.
        penalty_interval: steps between two of these penalties, each multiplied by this number.
    """

    source: str
    source_step: int
    regressor: str = ""
    reconstruction_weight: float = 1.0
    patch_weight: float = 0.02
    global_weight: float = 0.08
    feature_weight: float = 0.25
    attribute_weight: float = 0.2
    change_weight: float = 0.1
    expected_attributes: bool = True
    largest_change: float = 1.5
    background: bool = True
    hidden_background_weight: float = 1.0
    discriminator_width: float = 1.0
    discriminator_rate: float = 1e-4
    penalty: float = 1.0
    penalty_interval: int = 8

    def __post_init__(self):
        super().__post_init__()
        self.require_least(0, "reconstruction_weight", "patch_weight", "global_weight", "feature_weight",
                           "attribute_weight", "change_weight", "hidden_background_weight", "penalty")
        for name in ("discriminator_width", "discriminator_rate"):
            self.require(getattr(self, name) > 0, name, "above 0")
        self.require_least(SMALLEST_CHANGE, "largest_change")
        self.require_least(1, "penalty_interval")
        self.require(bool(self.regressor) or not self.uses_regressor, "regressor",
                     "the folder of a regressor, which attribute_weight and change_weight need")

    @property
    def uses_regressor(self) -> bool:
        return self.attribute_weight > 0 or self.change_weight > 0


@dataclasses.dataclass(frozen=True)
class DetailConfig(Config):
    """The second stage of a run, which adds detail to its pictures (`detail.DetailFlow` explains it).

    Attributes:
        source: folder of the run whose pictures get detail, as it was named.
        source_step: the step that it had reached.
        output_size: height and width of the detailed pictures, a multiple of 32 and at least the model's size.
        width: channels of the network's largest grid, at least 1.
        components: numbers that describe the detail of a patch, its principal components, at least 1.
        steps: evaluations of the network per picture, at least 1; twice as many with guidance.
        guidance: how strongly a picture follows its attributes, at least 0: 1 as in training; more makes pictures more
            faithful and less varied.
        temperature: factor on the noise that detail is drawn from, at least 0: 1 as in training; less makes skin
            smoother and hair softer, and leaves out the grain of a network that was trained for a short time.
        attribute_dropout: share of training pictures whose attributes are left out, in [0, 1); guidance needs this.
    """

    source: str = ""
    source_step: int = 0
    output_size: int = 128
    width: int = 64
    components: int = 20
    steps: int = 4
    guidance: float = 1.0
    temperature: float = 1.0
    attribute_dropout: float = 0.1

    def __post_init__(self):
        super().__post_init__()
        self.require(self.output_size > 0 and self.output_size % 32 == 0, "output_size", "a positive multiple of 32")
        self.require_least(1, "width", "components", "steps")
        self.require_least(0, "guidance", "temperature")
        self.require(0 <= self.attribute_dropout < 1, "attribute_dropout", "at least 0 and below 1")


def _renamed(values: dict) -> dict:
    """What a run's file says, by today's names."""
    values = dict(values)
    if "weight_decay" in values:
        values["l2"] = values.pop("weight_decay")
    if isinstance(values.get("sharpening"), (int, float)):
        # It was the augmentation's, and what is called so now was "fine_tuning".
        values["sharpness"] = values.pop("sharpening")
    if "fine_tuning" in values:
        values["sharpening"] = values.pop("fine_tuning")
    return values


@dataclasses.dataclass(frozen=True)
class RunConfig(Config):
    """Everything that the result of a training run depends on, saved as config.json in the run folder.

    Attributes:
        dataset: name of the data set, as in `--dataset`.
        model: ModelConfig.
        epochs: passes over the training split; only this may be raised when a run is continued.
        batch_size: examples per step over all replicas.
        learning_rate: peak learning rate of Adam, above 0.
        schedule: schedule of the learning rate: "constant" (as in the release), or "cosine", which rises over the first
            twentieth of all steps and falls to 0 by half a cosine. More epochs raise the rate of a finished run again,
            to where the longer schedule is at that step.
        l2: coefficient of the L2 penalty on kernels, at least 0. The release uses 0.004 on a loss summed over 32
            examples; here the loss is their mean, so 0.004 acts 32 times as strongly.
        clip_norm: largest global norm of the gradients; 0 switches clipping off.
        average_decay: decay of the moving average of the weights, in [0, 1).
        flip: whether pictures are mirrored at random; switch it off if attributes tell left from right.
        rotation: largest angle of a random rotation, in radians.
        crop: whether training pictures are cropped at random; for data sets whose pictures have a border.
        sharpness: largest strength of random sharpening of training pictures, at least 0; 0 switches it off.
        prior_steps: most steps of training the prior's flow at the end; 0 leaves the flow out.
        sharpening: how the decoders of another run were tuned (`trainers.sharpen`); None in a run trained from the
            start.
        detail: the second stage, trained on the pictures of another run (`trainers.detail`); None without one.
        fingerprint: fingerprint of the data set (`AttributeDataset.fingerprint`); "" in runs before version 5.
        version: version of this format. 1, whose files do not say so, had one standard deviation for both likelihoods
            of DisCVAE, no fitted prior, and a blur in `sharpness` that made it two thirds as strong; 2 had no sharpened
            runs; 3 no schedule; 4 no `expected_attributes`, `fingerprint` and `detail`.
    """

    dataset: str
    model: ModelConfig
    epochs: int = 20
    batch_size: int = 32
    learning_rate: float = 3e-4
    schedule: str = choice("constant", SCHEDULES)
    l2: float = 0.004
    clip_norm: float = 0.0
    average_decay: float = 0.999
    flip: bool = True
    rotation: float = 0.0
    crop: bool = False
    sharpness: float = 1.5
    prior_steps: int = 2000
    sharpening: SharpeningConfig | None = None
    detail: DetailConfig | None = None
    fingerprint: str = ""
    version: int = 5

    @classmethod
    def from_dict(cls, values: dict):
        if isinstance(values, dict):
            values = _renamed(values)
        if isinstance(values, dict) and isinstance(values.get("model"), dict) and "version" not in values:
            model = _VERSION_1_MODEL | values["model"]
            values = _VERSION_1 | values | {"model": model}
        if isinstance(values, dict) and isinstance(values.get("sharpening"), dict) and values.get("version") != 5:
            values = values | {"sharpening": _VERSION_4_TUNING | values["sharpening"]}
        return super().from_dict(values)

    def check_dataset(self, fingerprint: str):
        """Raises ConfigError unless a fingerprint is that of the pictures that the run was trained on."""
        if self.fingerprint and fingerprint and self.fingerprint != fingerprint:
            raise ConfigError(f"dataset={self.dataset!r}: the run was trained on other pictures of this name; the data "
                              "set was prepared again from other files or in another way. Prepare it as before, or "
                              "train on the new pictures in a new folder.")

    @property
    def main(self) -> str:
        """The main that makes such a run."""
        if self.detail is not None:
            return "trainers.detail"
        return "trainers.train" if self.sharpening is None else "trainers.sharpen"

    def continuing(self, before: "RunConfig") -> "RunConfig":
        """This configuration as one that continues a run of `before`: an older version's ways in place of today's
        defaults."""
        def inherit(new, old, names):
            defaults = {field.name: field.default for field in dataclasses.fields(new)}
            inherited = {name: getattr(old, name) for name in names if getattr(new, name) == defaults[name]}
            return dataclasses.replace(new, **inherited)

        if before.version > 1:
            tuning = self.sharpening
            if before.version < 5 and tuning is not None and before.sharpening is not None:
                tuning = inherit(tuning, before.sharpening, _VERSION_4_TUNING)
            return dataclasses.replace(self, sharpening=tuning, version=before.version)
        return inherit(dataclasses.replace(self, model=inherit(self.model, before.model, _VERSION_1_MODEL)), before,
                       _VERSION_1)

    def __post_init__(self):
        super().__post_init__()
        self.require(1 <= self.version <= 5, "version", "1 to 5; a newer one needs a newer version of this package")
        self.require_least(1, "epochs", "batch_size")
        self.require(self.learning_rate > 0, "learning_rate", "above 0")
        self.require_least(0, "l2", "clip_norm", "rotation", "sharpness", "prior_steps")
        self.require(0 <= self.average_decay < 1, "average_decay", "at least 0 and below 1")


@dataclasses.dataclass(frozen=True)
class FittingConfig(Config):
    """How a prior is fitted.

    Attributes:
        mirrored: whether each picture counts mirrored too, as training with flips sees it.
        ridge: ridge of the regression as a share of the number of pictures, at least 0. Attributes are standardised, so
            0.01 damps directions in which they vary by less than a tenth of a standard deviation.
        steps: most steps of the flow's training; 0 leaves the flow at the identity.
        checked: steps between measurements on the validation split; the weights of the best one are used.
        patience: measurements without improvement after which the flow's training ends.
        batch_size: posteriors per step of the flow's training.
        learning_rate: peak learning rate of the flow; it rises over the first twentieth of the steps and falls to 0 by
            a cosine.
        dropout: dropout rate of the flow, in [0, 1).
        largest: most posteriors that the flow is trained on; beyond that, evenly spaced ones are used.
        calibrated: whether the flow's input is calibrated on the validation split.
        seed: seed of the draws.
    """

    mirrored: bool = True
    ridge: float = 0.01
    steps: int = 2000
    checked: int = 50
    patience: int = 8
    batch_size: int = 256
    learning_rate: float = 1e-3
    dropout: float = 0.1
    largest: int = 200_000
    calibrated: bool = True
    seed: int = 0

    def __post_init__(self):
        super().__post_init__()
        self.require_least(1, "checked", "patience", "batch_size", "largest")
        self.require_least(0, "ridge", "steps")
        self.require(self.learning_rate > 0, "learning_rate", "above 0")
        self.require(0 <= self.dropout < 1, "dropout", "at least 0 and below 1")
