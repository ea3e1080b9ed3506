"""The field's scores of how latents divide known factors among themselves: MIG, SAP, FactorVAE, DCI.

Pure functions of codes float [N, Z], the encoder's means, and levels int [N] of a factor. Definitions are those of the
papers; bins, regularisation and counts follow disentanglement_lib (Locatello et al., Challenging common assumptions in
the unsupervised learning of disentangled representations, ICML 2019). scikit-learn does the fitting; it is the extra
`evaluation`.
"""

import importlib.util

import numpy as np

BINS = 20
# Dimensions whose variance over the data is below this share of the largest are not used by the encoder.
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

    The accuracy of a linear classifier on the best single dimension, less that on the second, on test rows.
    """
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    accuracies = np.sort([LinearDiscriminantAnalysis().fit(column, levels).score(test_column, test_levels)
                          for column, test_column in zip(codes.T[:, :, None], test_codes.T[:, :, None], strict=True)])
    return float(accuracies[-1] - accuracies[-2])


def importances(codes: np.ndarray, levels: np.ndarray, test_codes: np.ndarray, test_levels: np.ndarray,
                seed: int = 0) -> tuple[np.ndarray, float]:
    """How much each dimension tells a random forest of one factor, float [Z] of sum 1, and its accuracy."""
    from sklearn.ensemble import RandomForestClassifier
    forest = RandomForestClassifier(100, min_samples_leaf=3, max_features=0.3, random_state=seed, n_jobs=-1)
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


def factor_vae_score(deviations: np.ndarray, fixed: np.ndarray, spread: np.ndarray) -> float:
    """The score of FactorVAE (Kim and Mnih, ICML 2018), in [0, 1]: accuracy of a majority vote.

    Args:
        deviations: [M, Z]. Standard deviations of the codes in M sets of scenes that have one factor in common.
        fixed: int [M]. Which factor that is. The first half of the sets makes the votes, the other is for the score.
        spread: [Z]. Standard deviations of the codes over all scenes.
    """
    used = spread > np.sqrt(_UNUSED) * spread.max()
    steadiest = np.argmin(deviations[:, used] / spread[used], axis=1)
    votes = np.zeros((used.sum(), fixed.max() + 1), int)
    half = len(fixed) // 2
    np.add.at(votes, (steadiest[:half], fixed[:half]), 1)
    return float((votes.argmax(1)[steadiest[half:]] == fixed[half:]).mean())
