"""How well each datum is foretold by the others, from a guide of latents that they share."""

from __future__ import annotations

import torch
from torch import Tensor

from dgmppl.posterior.arviz_versions import smoothed
from dgmppl.posterior.source import Source, chunks

__all__ = ["leave_one_out"]


def leave_one_out(source: Source, num_samples: int) -> Tensor:
    """log p(xᵢ | x₋ᵢ) of each datum, where all latents are shared by the data.

    Draws are weighted by p(z, x) / (q(z) p(xᵢ|z)): the guide need not be the posterior, which
    `arviz.loo` takes it for.

    Arguments:
        source: The program on a batch.
        num_samples: S.

    Returns:
        Nats, `[B]`.

    References:
        Practical Bayesian model evaluation using leave-one-out cross-validation and WAIC, Aki
        Vehtari, Andrew Gelman, Jonah Gabry, 2016. https://arxiv.org/abs/1507.04544
        Bayesian leave-one-out cross-validation for large data, Måns Magnusson et al., 2019.
        https://arxiv.org/abs/1904.10679
    """
    weights, likelihoods = [], []
    seen = [site.name for site in source.binding.observed if site.local]
    for number in chunks(source.binding, num_samples):
        tables = source.weigh(number)
        local, shared = tables.ratio()
        weights.append((torch.as_tensor(local).sum(1, keepdim=True) + shared).double())
        likelihoods.append(torch.stack([tables.log_p[name] for name in seen]).sum(0).double())
    log_w, likelihood = torch.cat(weights).cpu(), torch.cat(likelihoods).cpu()
    share = torch.from_numpy(smoothed((log_w - likelihood).T.numpy()))
    return torch.logsumexp(share + likelihood.T, 1)
