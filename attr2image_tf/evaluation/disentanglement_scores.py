"""The field's scores of how latents divide known factors among themselves: MIG, SAP, FactorVAE, DCI.

Pure functions of codes float [N, Z], the encoder's means, and levels int [N] of a factor. Definitions are those of the
papers. Bins and counts follow disentanglement_lib (Locatello et al., Challenging common assumptions in the
unsupervised learning of disentangled representations, ICML 2019). Three things do not: SAP is by balanced accuracy, as
Kumar et al. have it; DCI is by random forests, as in its paper, where the library boosts; and FactorVAE's score leaves
dimensions out by the variance that its paper names. scikit-learn does the fitting; it is the extra `evaluation`.
"""

import importlib.util

import numpy as np

BINS = 20
# Dimensions whose variance over the data is below this are not used by the encoder; the prior's is 1.
_UNUSED = 0.05


def missing() -> str | None:
    """Why nothing can be scored, where scikit-learn is not installed; or None."""
    if importlib.util.find_spec("sklearn"):
        return None
    return 'scikit-learn is not installed: pip install "attr2image-tf[evaluation]"'


def discretise(codes: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Each column of codes [N, Z] in `bins` equal parts of its range, int [N, Z]."""
    low, high = codes.min(0), codes.max(0)
    return np.minimum(((codes - low) / np.maximum(high - low, 1e-12) * bins).astype(int), bins - 1)


def mutual_information_gap(codes: np.ndarray, levels: np.ndarray) -> float:
    """MIG of one factor (Chen et al., NeurIPS 2018), in [0, 1].

    The mutual information of the factor with the dimension that knows most of it, less that with the second, divided by
    the factor's entropy.
    """
    from sklearn.metrics import mutual_info_score
    information = np.sort([mutual_info_score(levels, column) for column in discretise(codes).T])
    return float((information[-1] - information[-2]) / mutual_info_score(levels, levels))


def separated_attribute_predictability(codes: np.ndarray, levels: np.ndarray, test_codes: np.ndarray,
                                       test_levels: np.ndarray) -> float:
    """SAP of one factor (Kumar et al., ICLR 2018), in [0, 1].

    The balanced accuracy of a linear classifier on the best single dimension, less that on the second, on test rows: a
    level that is rare counts as much as one that is not.
    """
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.metrics import balanced_accuracy_score
    count = len(np.unique(levels))
    accuracies = np.sort([balanced_accuracy_score(test_levels, LinearDiscriminantAnalysis(
        priors=np.full(count, 1.0 / count)).fit(column, levels).predict(test_column))
        for column, test_column in zip(codes.T[:, :, None], test_codes.T[:, :, None], strict=True)])
    return float(accuracies[-1] - accuracies[-2])


def importances(codes: np.ndarray, levels: np.ndarray, test_codes: np.ndarray, test_levels: np.ndarray,
                seed: int = 0) -> tuple[np.ndarray, float]:
    """The importance of each dimension to a random forest that classifies one factor, float [Z] of sum 1, and its
    accuracy."""
    from sklearn.ensemble import RandomForestClassifier
    # Every split chooses among all dimensions: where it may not, importance goes to those that know nothing.
    forest = RandomForestClassifier(100, min_samples_leaf=3, max_features=None, random_state=seed, n_jobs=-1)
    forest.fit(codes, levels)
    return forest.feature_importances_, float(forest.score(test_codes, test_levels))


def disentanglement_and_completeness(table: np.ndarray) -> tuple[float, float]:
    """D and C of DCI (Eastwood and Williams, ICLR 2018), each in [0, 1], of importances [Z, K] of K factors.

    Disentanglement is 1 where each dimension matters to one factor alone, completeness where one dimension alone
    matters to each factor. Dimensions and factors count as much as their importances.
    """
    def concentrated(rows):
        total = rows.sum(1, keepdims=True)
        shares = rows / np.maximum(total, 1e-12)
        entropy = -(shares * np.log(np.maximum(shares, 1e-12))).sum(1) / np.log(rows.shape[1])
        return float(((1.0 - entropy) * total[:, 0]).sum() / total.sum())

    return concentrated(table), concentrated(table.T)


def factor_vae_score(deviations: np.ndarray, fixed: np.ndarray, overall: np.ndarray) -> tuple[float, float]:
    """The score of FactorVAE (Kim and Mnih, ICML 2018), in [0, 1], accuracy of a majority vote, and its standard error.

    Args:
        deviations: [M, Z]. Standard deviations of the codes in M sets of scenes that have one factor in common.
        fixed: int [M]. Which factor that is. The first half of the sets makes the votes, the other is for the score.
        overall: [Z]. Standard deviations of the codes over all scenes.
    """
    used = np.square(overall) >= min(_UNUSED, np.square(overall).max())
    steadiest = np.argmin(deviations[:, used] / overall[used], axis=1)
    votes = np.zeros((used.sum(), fixed.max() + 1), int)
    half = len(fixed) // 2
    np.add.at(votes, (steadiest[:half], fixed[:half]), 1)
    score = float((votes.argmax(1)[steadiest[half:]] == fixed[half:]).mean())
    return score, (score * (1.0 - score) / (len(fixed) - half)) ** 0.5
