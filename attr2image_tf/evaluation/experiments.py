"""The paper's experiments by name, and what runs them one after another."""

import dataclasses
import time
from collections.abc import Callable, Sequence

from absl import logging

from attr2image_tf.evaluation import disentanglement, edits, generation, groups, identity, known_factors, posterior
from attr2image_tf.evaluation.context import Context, EvaluationData
from attr2image_tf.evaluation.workspace import Workspace, duration


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A question to a model, answered by estimates and pictures.

    Attributes:
        name: text, in commands and as the heading.
        text: how to read the estimates.
        measure: function of a Context to estimates and pictures by title.
        reference: function of EvaluationData to the same estimates of real pictures, or of what any model should beat;
            or None.
        layered_only: whether it is of layered models alone.
        rendered_only: whether it is of data sets alone whose scenes are known.
        faces_only: whether it is of data sets of faces alone.
    """

    name: str
    text: str
    measure: Callable
    reference: Callable | None = None
    layered_only: bool = False
    rendered_only: bool = False
    faces_only: bool = False

    def suits(self, data: EvaluationData) -> bool:
        """Whether the data set is such that it can be measured."""
        return ((data.scenes is not None or not self.rendered_only)
                and (data.face_box is not None or not self.faces_only))

    def applies(self, context: Context) -> bool:
        """Whether the run and its data set are such that it can be measured."""
        return (context.model.layered or not self.layered_only) and self.suits(context.data)


# In the order of the report; what takes long comes last.
EXPERIMENTS = {experiment.name: experiment for experiment in (
    Experiment(
        "faithfulness",
        "For the attributes of each test picture one sample is drawn. A judge, an attribute regressor, reads the "
        "attributes of the sample, and they are compared with the request, standardised unless raw. Higher cosine, "
        "correlation and accuracy are better. The column of real pictures is what the judge reaches on them, and what "
        "a perfect sampler would reach; typical pictures can score more. A sample that ignores its request scores as "
        "with another request.",
        generation.faithfulness, generation.real_faithfulness),
    Experiment(
        "diversity",
        "Root mean squared difference of two samples for one request. A model that draws one picture per request has "
        "0. The column of real pictures compares different requests.",
        generation.diversity, generation.real_diversity),
    Experiment(
        "sharpness",
        "Root mean squared difference of neighbouring pixels in [0, 1], and power above half the Nyquist frequency, "
        "which holds contours and grain. Relative to real pictures, 1 is best; less means blur, more means grain.",
        generation.sharpness, generation.real_sharpness),
    Experiment(
        "distances",
        "Between samples for the test attributes and the real test pictures; lower is better. The column of real "
        "pictures compares training with test pictures. The Frechet distance is biased upwards for few pictures; the "
        "kernel distance is not, and can fall below 0.",
        generation.distances, generation.real_distances),
    Experiment(
        "retrieval",
        "Distance to the nearest training picture. Values far below those of real test pictures, which show people "
        "who are not in the training data, mean copying; blurred pictures are nearer to everything in pixels. The "
        "share of reconstructed training pictures that find their original says whether a blurred copy would be "
        "noticed.",
        generation.retrieval, generation.real_retrieval),
    Experiment(
        "progression",
        "Slope: how the judge's reading grows with an attribute, over samples for test attributes or over real "
        "pictures; alone, with all other attributes held, or with the others free. These two columns compare. "
        "Response: one attribute moves from its training minimum to its maximum, from the mean or from test requests, "
        "alone or with its correlates; the change in the judge's reading is divided by the change asked for. Real "
        "pictures have no response.",
        generation.progression, generation.real_progression),
    Experiment(
        "leakage",
        "R^2 of linear regressions from one half of the latents, as the encoder gives them, to what belongs to the "
        "other layer. 0 or less: it knows nothing; 1: it knows everything. Layers are correlated in real pictures, so "
        "some of this is no leakage: the column of real pictures regresses from 8 x 8 pixels of the layer itself (and "
        "from the attributes for z_F, whose encoder sees them).",
        disentanglement.leakage, disentanglement.real_leakage, layered_only=True),
    Experiment(
        "swap",
        "Samples with their background latents exchanged. The foreground layer and the gate must not change at all; "
        "the picture changes where the gate is open.",
        disentanglement.swap, layered_only=True),
    Experiment(
        "factors",
        "Rendered scenes with known factors. MIG, SAP, FactorVAE, DCI: 1 is best, each factor has a latent dimension "
        "to itself. What a half of the latents knows of a factor: how far above chance a random forest tells its "
        "level (0 is chance, 1 is always). Factors beyond the attributes are told by no attribute. What a half knows "
        "of the other layer is leakage.",
        known_factors.disentanglement, rendered_only=True),
    Experiment(
        "exchange",
        "Background latents of one scene with the foreground latents of another, compared with the picture that the "
        "renderer makes of the two. Squared error, pixels in [0, 1].",
        known_factors.exchange, layered_only=True, rendered_only=True),
    Experiment(
        "changes",
        "One attribute of a scene changes and its noise stays, compared with the picture that the renderer makes of "
        "the change. Response: the share of the true change that is drawn, 1 is all. Elsewhere: what else changes, as "
        "a share of the true change.",
        known_factors.changes, rendered_only=True),
    Experiment(
        "identity",
        "Identity in samples, by dlib's face recognition network, which was trained elsewhere. A lower kernel "
        "distance is better; training pictures, in the column of real ones, have the lowest. A nearest training face "
        "far nearer than those of real test pictures means copying.",
        identity.identity, identity.real_identity, faces_only=True),
    Experiment(
        "two_samples",
        "How often a classifier trained on half of the people tells samples from photos, on the other half. 0.5 means "
        "that it cannot. The column of real pictures compares training with test pictures.",
        edits.two_samples, edits.real_two_samples),
    Experiment(
        "edits",
        "Photos of test people with one attribute moved. Distance of the person, by dlib's face recognition network: "
        "on LFW two pictures of one person are 0.43 apart, of different people 0.82, a picture and itself at 64 "
        "pixels 0.13. Told from photos: as for samples, 0.5 is best. Pixels left alone: the share that equals the "
        "photo to the last bit. Response: the change in the judge's reading divided by the change asked for. Others "
        "off: how far the other attributes are from where they should be, in standard deviations. Attributes that are "
        "yes or no are turned to what they were not. Answer reached: how often the judge then finds the new answer. "
        "Other answers kept: the share of the other turned attributes for which it finds what it found on the photo.",
        edits.edits, edits.real_edits, faces_only=True),
    Experiment(
        "groups",
        "How evenly people are served: the same measures for test pictures with and without an attribute, by the data "
        "set's own scores. Faithfulness of samples, higher is better (the column of real pictures shows how evenly "
        "the judge sees); squared error of reconstructions from the encoder's mean, lower is better.",
        groups.groups, groups.real_groups, faces_only=True),
    Experiment(
        "bounds",
        "Lower bounds on the log-likelihood of test pictures, higher is better. They rise with the number of draws k "
        "towards the log-likelihood. For bits, lower is better. With the run's prior p(z | y) and with N(0, I), as it "
        "was trained. Only the bounds of the picture alone compare models, because the layered model also explains "
        "the foreground and the mask.",
        posterior.bounds),
    Experiment(
        "reconstruction",
        "Test pictures with known attributes. Pixels in [0, 1]; lower error, higher PSNR (dB) and SSIM are better. "
        "The column of real pictures is the mean training picture.",
        posterior.reconstruction, posterior.real_reconstruction),
    Experiment(
        "completion",
        "Test pictures with known attributes and a hidden patch; errors are measured in the patch. The column of real "
        "pictures pastes in the mean training picture.",
        posterior.completion, posterior.real_completion),
)}


def measure_references(data: EvaluationData, workspace: Workspace, names: Sequence[str]):
    """Writes the references of the named experiments that are not there yet."""
    for name in names:
        reference = EXPERIMENTS[name].reference
        if reference and EXPERIMENTS[name].suits(data) and workspace.read(name) is None:
            logging.info("Reference of %s.", name)
            _measure(workspace, name, reference, data)


def measure_run(context: Context, names: Sequence[str]):
    """Writes the named experiments of one run that are not there yet; those that apply to it."""
    names = [name for name in names if EXPERIMENTS[name].applies(context)]
    for place, name in enumerate(names, start=1):
        if context.workspace.read(name) is not None:
            continue
        logging.info("%s: experiment %d of %d, %s.", context.workspace.path.name, place, len(names), name)
        seconds = _measure(context.workspace, name, EXPERIMENTS[name].measure, context)
        logging.info("%s: %s took %s.", context.workspace.path.name, name, duration(seconds))


def _measure(workspace, name, measure, subject):
    """Writes what an experiment's function says of a run or the data; returns the seconds it took."""
    started = time.monotonic()
    estimates, pictures = measure(subject)
    seconds = time.monotonic() - started
    workspace.write(name, estimates, pictures, seconds)
    return seconds
