"""Scores of how well a trunk's representation suits a task, without training the trunk.

`features`: float [rows, width], the trunk's representation. `labels`: int [rows], classes 0 to
k - 1; some scores accept float labels of regression too. Higher is better for every score.
"""

from __future__ import annotations

import warnings

from components.data.lazy import Floats, np

ITERATIONS = 100
NEIGHBOURS = 5
ENERGY = 0.8
"""Share of the variance that the principal components of NLEEP keep."""
COMPONENTS_PER_CLASS = 5


def log_me(features: Floats, labels: np.ndarray) -> float:
    """LogME: log of the maximum evidence, per row, of a Bayesian linear model on the features.

    The mean over one-versus-rest models for classes; float labels are accepted (You et al. 2021,
    ICML, algorithm 1; fixed point of You et al. 2022, JMLR 23).
    """
    targets = _one_hot(labels) if labels.dtype.kind in "iu" else np.asarray(labels)[:, None]
    left, singular, _ = np.linalg.svd(np.asarray(features, np.float64), full_matrices=False)
    projected = left.T @ targets
    evidences = [
        _evidence(singular**2, x**2, float(y @ y), len(y), features.shape[1])
        for x, y in zip(projected.T, targets.T, strict=True)
    ]
    return float(np.mean(evidences))


def _evidence(spectrum: Floats, projected: Floats, squares: float, rows: int, width: int) -> float:
    """Maximum log evidence per row, over the precisions alpha (weights) and beta (noise).

    spectrum: squared singular values. projected: squared coordinates of the labels in their basis.
    squares: squared norm of the labels.
    """
    alpha = beta = 1.0
    apart = max(squares - float(projected.sum()), 0.0)

    def fit(ratio: float) -> tuple[float, float, float]:
        """The effective number of weights, their squared norm and the squared residual."""
        kept = spectrum / (spectrum + ratio)
        weights = float((projected * spectrum / (spectrum + ratio) ** 2).sum())
        return float(kept.sum()), weights, apart + float((projected * (1 - kept) ** 2).sum())

    for _ in range(ITERATIONS):
        ratio = alpha / beta
        effective, weights, residual = fit(ratio)
        alpha = effective / max(weights, 1e-12)
        beta = (rows - effective) / max(residual, 1e-12)
        if abs(alpha / beta - ratio) <= 1e-5 * ratio:
            break
    _, weights, residual = fit(alpha / beta)
    determinant = float(np.log(alpha + beta * spectrum).sum())
    determinant += (width - len(spectrum)) * np.log(alpha)
    evidence = width * np.log(alpha) + rows * np.log(beta / (2 * np.pi)) - determinant
    return float((evidence - beta * residual - alpha * weights) / (2 * rows))


def leep(source: Floats, labels: np.ndarray) -> float:
    """LEEP: mean log-likelihood of the labels given a source model's predictions.

    Nguyen et al. 2020, ICML, equation 2. source: [rows, source classes], probabilities.
    """
    joint = _one_hot(labels).T @ source / len(labels)
    conditional = joint / np.maximum(joint.sum(axis=0), 1e-300)
    return float(np.mean(np.log((source @ conditional.T)[np.arange(len(labels)), labels])))


def n_leep(features: Floats, labels: np.ndarray) -> float:
    """NLEEP: LEEP for a trunk without a head (Li et al. 2021, CVPR, section 3.2).

    The source classes are the components of a Gaussian mixture on the principal components. Their
    covariances are diagonal, so that 5 components per class can be fitted to few rows. The code of
    SFDA (Shao et al. 2022), which others compare with, uses full ones: its scores differ.
    """
    from sklearn.decomposition import PCA
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    reduced = PCA(ENERGY, svd_solver="full", random_state=0).fit_transform(features)
    components = min(COMPONENTS_PER_CLASS * (int(labels.max()) + 1), max(2, len(labels) // 10))
    mixture = GaussianMixture(components, covariance_type="diag", random_state=0, max_iter=50)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # an approximate mixture is enough
        mixture.fit(reduced)
    return leep(mixture.predict_proba(reduced), labels)


def h_score(features: Floats, labels: np.ndarray) -> float:
    """H-score: between-class variance relative to the covariance of the features, shrunk.

    Bao et al. 2019, ICIP; Ibrahim, Ponomareva and Mazumder 2022, ECML PKDD, section 3.
    """
    from sklearn.covariance import ledoit_wolf

    centred = features - features.mean(axis=0)
    covariance, shrinkage = ledoit_wolf(centred, assume_centered=True)
    members = _one_hot(labels)
    means = (members.T @ centred) / np.maximum(members.sum(axis=0), 1)[:, None]
    between = (means * members.mean(axis=0)[:, None]).T @ means
    return float((1 - shrinkage) * np.trace(np.linalg.pinv(covariance, hermitian=True) @ between))


def nearest_neighbours(features: Floats, labels: np.ndarray) -> float:
    """Accuracy of leave-one-out k-nearest-neighbour prediction by cosine similarity.

    For float labels, the share of variance explained by the neighbours' mean (Renggli et al. 2022,
    CVPR).
    """
    length = np.linalg.norm(features, axis=1, keepdims=True)
    unit = features / np.maximum(length, 1e-12)
    near = np.empty((len(unit), NEIGHBOURS), np.int64)
    for start in range(0, len(unit), 1024):
        rows = np.arange(start, min(start + 1024, len(unit)))
        likeness = unit[rows] @ unit.T
        likeness[np.arange(len(rows)), rows] = -np.inf
        near[rows] = np.argpartition(-likeness, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
    if labels.dtype.kind in "iu":
        votes = _one_hot(labels)[near].sum(axis=1)
        return float(np.mean(votes.argmax(axis=1) == labels))
    return _explained(labels, labels[near].mean(axis=1))


def linear_probe(
    features: Floats, labels: np.ndarray, test: Floats, test_labels: np.ndarray
) -> float:
    """Accuracy of a linear model on held-out rows; for float labels, the variance explained."""
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if labels.dtype.kind not in "iu":
        ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 4, 7)))
        return _explained(test_labels, ridge.fit(features, labels).predict(test))
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300))
    return float(np.mean(probe.fit(features, labels).predict(test) == test_labels))


def _explained(true: np.ndarray, predicted: np.ndarray) -> float:
    spread = max(((true - true.mean()) ** 2).sum(), 1e-12)
    return 1 - float(((true - predicted) ** 2).sum() / spread)


def _one_hot(labels: np.ndarray) -> Floats:
    members: Floats = np.eye(int(labels.max()) + 1)[labels]
    return members
