"""Which of several guides is nearest to the posterior."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from dgmppl.posterior.comparison import Comparison
from dgmppl.posterior.diagnose import diagnose
from dgmppl.posterior.diagnosis import Diagnosis
from dgmppl.posterior.leave_one_out import leave_one_out
from dgmppl.posterior.source import hold
from dgmppl.randomness import seeded
from dgmppl.site_checks import ProgramError
from dgmppl.traces import evaluating

__all__ = ["compare_guides"]


def compare_guides(
    programs: Mapping[str, nn.Module],
    x: Any,
    num_samples: int = 1000,
    *,
    seed: int | None = None,
) -> Comparison:
    """Ranks programs by how their guides do on the same batch; differences are paired.

    What is right to compare depends on where the latents are.

    * Each datum has its own: the guides' bounds, datum by datum. With one and the same model their
      difference is that of KL(q(z|x) ‖ p(z|x)). log p(x) by importance weights stands beside them:
      it judges the model, and one model has one, up to what weights of poor guides miss.
      Leave-one-out is no question here: with its latent a datum is left out as a whole.
    * All data share them: log p(xᵢ | x₋ᵢ) by Pareto-smoothed importance sampling with weights that
      correct for the guide (`arviz.loo` takes the guide's draws for the posterior's).

    Arguments:
        programs: Name → program; one model with several guides is
            `{name: with_guide(program, guide)}`.
        x: A batch: a tensor, or a mapping or tuple of tensors.
        num_samples: Draws of each guide a datum.
        seed: For the draws of each; `None` goes on with the present state.

    Returns:
        Numbers, a table (`.table()`) and a verdict in words when printed.

    Raises:
        ProgramError: If a program cannot be diagnosed, some have latents that all data share and
            others not, or one has both kinds.
        NoDensityError: If a site has no density.
        ValueError: If there is no program.

    References:
        Practical Bayesian model evaluation using leave-one-out cross-validation and WAIC, Aki
        Vehtari, Andrew Gelman, Jonah Gabry, 2016. https://arxiv.org/abs/1507.04544

    Example:
        >>> from dgmppl.models.vae import VAE
        >>> vaes = {"narrow": VAE(data_dim=4, z_dim=1), "wide": VAE(data_dim=4, z_dim=3)}
        >>> compare_guides(vaes, torch.ones(5, 4), 100, seed=0).table().row_count
        2
    """
    if not programs:
        raise ValueError("Expected at least one program, got none. Try {'guide': program}.")
    diagnoses = {n: diagnose(program, x, num_samples, seed=seed) for n, program in programs.items()}
    kinds = {found.joint for found in diagnoses.values()}
    if len(kinds) > 1:
        shared = [name for name, found in diagnoses.items() if found.joint]
        raise ProgramError(
            "Expected programs whose latents lie alike, got data that share all latents in "
            f"{shared} only. Try evidence(program, x) on each."
        )
    scores = {}
    for name, program in programs.items():
        randomness = nullcontext() if seed is None else seeded(seed)
        with torch.no_grad(), evaluating(program), randomness:
            scores[name] = _score(program, x, diagnoses[name], num_samples)
    order = sorted(scores, key=lambda name: -float(scores[name].mean()))
    return Comparison({n: diagnoses[n] for n in order}, {n: scores[n] for n in order}, kinds.pop())


def _score(program: nn.Module, x: Any, found: Diagnosis, num_samples: int) -> Tensor:
    """What a program is ranked by, `[B]`."""
    source = hold(program, x)
    shared = [site.name for site in source.binding.draws if not site.local]
    if found.joint:
        return leave_one_out(source, num_samples)
    if shared:
        raise ProgramError(
            "Expected latents that lie all inside or all outside the data plate, got "
            f"'{shared[0]}' outside beside others. Try evidence(program, x) on each."
        )
    return found.elbo
