"""Any program, learned from data with missing entries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from dgmppl.data import map_tensors, missing_as_nan
from dgmppl.handlers import ObservedPart
from dgmppl.networks import Fill
from dgmppl.program import Program, guide_of, with_guide
from dgmppl.site_checks import ProgramError

__all__ = ["Incomplete"]


class Incomplete(Program):
    """A program that reads missing entries and scores the observed ones: p(x_observed, z).

    Missing entries are NaN, or a batch is `{"x": batch, "mask": mask}` with a mask that is true at
    what is observed. The model's likelihoods leave missing entries out, which marginalises them
    exactly where nothing else depends on them; the guide's networks see them filled:
    q(z | fill(x_observed)). So every objective becomes its own missing-data relative: `IWAE` the
    MIWAE bound, `ELBO` that on log p(x_observed), and `evidence` estimates log p(x_observed). This
    is sound where entries are missing at random: why they are is not modelled.

    The model must observe the entries themselves or arithmetic of them (`obs=x / 255`), through
    which NaN passes; a comparison (`x > 0.5`) would make a value of it.

    Arguments:
        program: The program, left as it is; parameters are shared.
        fill: Entries and where they are observed → what the guide sees in their place; zeros by
            default. `Fill(means)` and `FillBesideMask()` are in `dgmppl.networks`; a module learns
            with the guide. It is called for each floating entry of a batch.

    References:
        MIWAE: Deep Generative Modelling and Imputation of Incomplete Data Sets, Pierre-Alexandre
        Mattei and Jes Frellsen, 2019. https://arxiv.org/abs/1812.02633
        Handling Incomplete Heterogeneous Data using VAEs, Alfredo Nazábal et al., 2018.
        https://arxiv.org/abs/1807.03653

    Example:
        >>> import torch, dgmppl
        >>> from dgmppl.models.vae import VAE
        >>> program = dgmppl.Incomplete(VAE(data_dim=2, z_dim=1))
        >>> x = torch.tensor([[1.0, torch.nan], [torch.nan, torch.nan]])
        >>> dgmppl.weights(program, x).log_p["x"][0, 1].item()
        0.0
    """

    reads_missing = True

    def __init__(self, program: nn.Module, fill: Callable[[Tensor, Tensor], Tensor] | None = None):
        super().__init__()
        self.program, self.fill = program, Fill() if fill is None else fill
        self.data_plate = getattr(program, "data_plate", None)
        self.vectorized = getattr(program, "vectorized", True)

    def model(self, x: Any = None, n: int = 1) -> Any:
        """The program's model, with likelihoods of what is observed."""
        try:
            with ObservedPart():
                return self.program.model(missing_as_nan(x), n)  # type: ignore[operator]
        except ValueError as error:
            if "nan" not in str(error) or isinstance(error, ProgramError):
                raise
            raise ProgramError(
                "Something in the model depends on a missing entry besides its own likelihood: "
                f"{str(error).splitlines()[0]} Try a site without obs= (a latent, which the guide "
                "draws) for what others depend on, or data in which it is never missing."
            ) from error

    @property
    def guide(self) -> Callable[[Any], Any] | None:
        """The program's guide as a function of the batch, which it sees filled, or `None`."""
        inner = guide_of(self.program)
        return None if inner is None else lambda x: inner(self._filled(x))

    def with_guide(self, guide: Callable[..., Any]) -> Incomplete:
        """The same model (its parameters shared) with another guide, which sees entries filled."""
        return Incomplete(with_guide(self.program, guide), self.fill)

    def _filled(self, x: Any) -> Any:
        """The batch as the guide sees it."""

        def filled(tensor: Tensor) -> Tensor:
            return self.fill(tensor, ~tensor.isnan()) if tensor.is_floating_point() else tensor

        return map_tensors(filled, missing_as_nan(x))
