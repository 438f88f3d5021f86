"""Whether a classifier can tell draws from data that it has not seen."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dgmppl.evaluation.measure import Measure

__all__ = ["classifier_two_sample_test"]


def classifier_two_sample_test(
    data: Tensor, draws: Tensor, *, classifier: Any = None, seed: int = 0
) -> Measure:
    """Accuracy of a classifier, learned on one half, on the other: ½ where nothing tells apart.

    Arguments:
        data: `[n, …]`.
        draws: `[n, …]`, as many.
        classifier: An estimator of scikit-learn; `None` takes a network of 64 units.
        seed: Of the halves and the network.

    References:
        Revisiting Classifier Two-Sample Tests, David Lopez-Paz and Maxime Oquab, 2016.
        https://arxiv.org/abs/1610.06545
    """
    from scipy.stats import norm  # type: ignore[import-untyped]
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.model_selection import train_test_split
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if data.shape != draws.shape:
        raise ValueError(
            f"Expected as many draws as data, got shapes {tuple(draws.shape)} and "
            f"{tuple(data.shape)}. Try data[:n] and draws[:n]."
        )
    joint = torch.cat([data, draws]).flatten(1).cpu().double().numpy()
    labels = np.repeat([0, 1], len(data))
    if classifier is None:
        network = MLPClassifier((64,), early_stopping=True, random_state=seed)
        classifier = make_pipeline(StandardScaler(), network)
    halves = train_test_split(joint, labels, test_size=0.5, stratify=labels, random_state=seed)
    seen, unseen, seen_labels, unseen_labels = halves
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        classifier.fit(seen, seen_labels)
    accuracy = float((classifier.predict(unseen) == unseen_labels).mean())
    number = len(unseen)
    error = math.sqrt(accuracy * (1 - accuracy) / number)
    p_value = float(norm.sf((accuracy - 0.5) / math.sqrt(0.25 / number)))
    caution = "½ also where the classifier is too weak"
    return Measure("classifier's accuracy", accuracy, error, caution, p_value)
