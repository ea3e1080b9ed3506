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
        "One sample is drawn for the attributes of each test picture; a judge, an attribute regressor, estimates the "
        "attributes of the sample, which are compared with those asked for. Standardised unless raw. Cosine, "
        "correlation and sign accuracy: higher is better; the column of real pictures is what the judge reaches on "
        "them, and a perfect model too. A picture that ignores its request scores as with another request.",
        generation.faithfulness, generation.real_faithfulness),
    Experiment(
        "diversity",
        "Root mean squared difference of two samples for one request. Higher is more diverse; a model that draws one "
        "picture for each request has 0. The column of real pictures is of different requests.",
        generation.diversity, generation.real_diversity),
    Experiment(
        "sharpness",
        "Root mean squared difference of neighbouring pixels in [0, 1], and power above half the Nyquist frequency, "
        "where contours are and grain too. Beside real pictures 1 is best: below it pictures are blurred, above it "
        "they have grain.",
        generation.sharpness, generation.real_sharpness),
    Experiment(
        "distances",
        "Between samples for the test attributes and the real test pictures. Lower is better; the column of real "
        "pictures is training pictures against test pictures. The Frechet distance is biased upwards for few pictures; "
        "the kernel distance is not, and may be below 0.",
        generation.distances, generation.real_distances),
    Experiment(
        "retrieval",
        "Distance to the nearest of the training pictures. Far below the column of real test pictures, of people who "
        "are not in the training data, means copying; blurred pictures are nearer to everything in pixels.",
        generation.retrieval, generation.real_retrieval),
    Experiment(
        "progression",
        "An attribute moves from its training minimum to its maximum, alone or with the others that go with it in the "
        "training data. The response is the change of the judge's estimate, divided by the change asked for. Even real "
        "pictures stay below 1, since a regressor errs towards the mean: their column has the slope of the judge's "
        "estimate on the attribute, and its partial slope with the other attributes held. The ratio compares the two.",
        generation.progression, generation.real_progression),
    Experiment(
        "leakage",
        "R^2 of linear regressions from one half of the latents, as the encoder gives them, to what belongs to the "
        "other layer: 0 or below, it knows nothing; 1, it knows all. In real pictures the layers go together, so some "
        "is no leakage: the column of real pictures has the same regressions from 8 x 8 pixels of the layer itself "
        "(with the attributes for z_F, whose encoder is given them).",
        disentanglement.leakage, disentanglement.real_leakage, layered_only=True),
    Experiment(
        "swap",
        "Samples whose background latents are exchanged for another's. The foreground layer and the gate must not "
        "change at all; the picture changes where the gate is open.",
        disentanglement.swap, layered_only=True),
    Experiment(
        "factors",
        "Rendered scenes, whose factors are known. MIG, SAP, FactorVAE and DCI: 1 is best, where each factor has a "
        "dimension of the latents to itself. What a half of the latents knows of a factor: how far above chance a "
        "random forest tells its level from them; 0 is chance, 1 is always. Beyond the attributes are factors that no "
        "attribute tells. What a half knows of the other layer is leakage.",
        known_factors.disentanglement, rendered_only=True),
    Experiment(
        "exchange",
        "The background latents of one scene with the foreground latents of another, beside the picture that the "
        "renderer makes of the one's foreground over the other's background. Squared error, pixels in [0, 1].",
        known_factors.exchange, layered_only=True, rendered_only=True),
    Experiment(
        "changes",
        "One attribute of a scene changed and its noise kept, beside the picture that the renderer makes of the "
        "change. The response is how much of the true change is drawn, 1 is all; elsewhere is what else changes, as a "
        "share of the true change.",
        known_factors.changes, rendered_only=True),
    Experiment(
        "identity",
        "Who is in samples, by dlib's face network, which nobody here trained. Lower kernel distance is better, as low "
        "as that of training pictures in the column of real ones; a nearest training face far nearer than that of real "
        "test pictures means copying.",
        identity.identity, identity.real_identity, faces_only=True),
    Experiment(
        "two_samples",
        "How often a network that was trained on half of the people tells a sample from a photo, on the other half. "
        "0.5: it cannot; the column of real pictures is training pictures against test pictures.",
        edits.two_samples, edits.real_two_samples),
    Experiment(
        "edits",
        "Photos of test people with one attribute moved. Distance of the person, by dlib's face network: on LFW two "
        "pictures of one person lie 0.43 apart, of different people 0.82, and a picture and itself at 64 pixels 0.13. "
        "Told from photos: as for samples, 0.5 is best. Pixels left alone: the share that is the photo's to the last "
        "bit. Response: the change of the judge's estimate beside the change asked for; others off: by how much the "
        "other attributes moved that should not, in standard deviations.",
        edits.edits, edits.real_edits, faces_only=True),
    Experiment(
        "groups",
        "How evenly people are served: the same measures of the test pictures that have an attribute, by the data "
        "set's own scores, and of those that have not. Of samples the faithfulness, higher is better (the column of "
        "real pictures says how evenly the judge itself sees); of reconstructions by the encoder's mean the squared "
        "error, lower is better.",
        groups.groups, groups.real_groups, faces_only=True),
    Experiment(
        "bounds",
        "Lower bounds on the log-likelihood of test pictures, higher is better; k draws, rising with k towards the "
        "log-likelihood. Bits: lower is better. By the run's prior p(z | y) and, as it was trained, by N(0, I). Only "
        "the bounds of the picture alone compare models, since the layered model explains the foreground and the mask "
        "as well.",
        posterior.bounds),
    Experiment(
        "reconstruction",
        "Test pictures of known attributes. Pixels in [0, 1]; lower error, higher PSNR (dB) and SSIM are better. The "
        "column of real pictures is the mean training picture.",
        posterior.reconstruction, posterior.real_reconstruction),
    Experiment(
        "completion",
        "Test pictures of known attributes with a hidden patch; measured in the patch alone. The column of real "
        "pictures is the mean training picture pasted in.",
        posterior.completion, posterior.real_completion),
)}


def measure_references(data: EvaluationData, workspace: Workspace, names: Sequence[str]):
    """Writes the references of the named experiments that are not there yet."""
    for name in names:
        reference = EXPERIMENTS[name].reference
        if reference and EXPERIMENTS[name].suits(data) and workspace.read(name) is None:
            logging.info("Reference of %s.", name)
            started = time.monotonic()
            estimates, pictures = reference(data)
            workspace.write(name, estimates, pictures, time.monotonic() - started)


def measure_run(context: Context, names: Sequence[str]):
    """Writes the named experiments of one run that are not there yet; those that apply to it."""
    names = [name for name in names if EXPERIMENTS[name].applies(context)]
    for place, name in enumerate(names, start=1):
        if context.workspace.read(name) is not None:
            continue
        logging.info("%s: experiment %d of %d, %s.", context.workspace.path.name, place, len(names), name)
        started = time.monotonic()
        estimates, pictures = EXPERIMENTS[name].measure(context)
        seconds = time.monotonic() - started
        context.workspace.write(name, estimates, pictures, seconds)
        logging.info("%s: %s took %s.", context.workspace.path.name, name, duration(seconds))
