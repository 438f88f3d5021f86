"""What objectives with a critic share: it tells two sets of values at named sites apart."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from dgmppl.adversarial import Divergence, JensenShannon, Regularizer, TwoTraces, Wasserstein
from dgmppl.binding import Binding, Site
from dgmppl.objectives.objective import Loss, Objective, ObjectiveError, Phase, Progress
from dgmppl.traces import isolated

__all__ = ["Criticised", "Judge"]

#: The sites' values → one number a datum, `[B, …]`.
Judge = Callable[[tuple[Tensor, ...]], Tensor]


@dataclass(frozen=True)
class Criticised(Objective):
    """A critic that learns to tell values beside the data from values that are drawn.

    The program's `critic` is called with the sites' values in their order, and returns one number a
    datum `[B]`, or several `[B, …]`, each of which counts. It is a module, whose parameters are
    the role "critic"; or a method, whose arguments then are named after sites.

    Arguments:
        sites: Names of sites, or one name.
        divergence: The game.
        regularizer: What keeps the critic smooth, or `None`.
        critic_steps: Batches for each move of the others.
        critic: The program's attribute, and the role's name; it begins with "critic".
    """

    sites: tuple[str, ...] | str = ("x",)
    divergence: Divergence = field(default_factory=JensenShannon)
    regularizer: Regularizer | None = None
    critic_steps: int = 1
    critic: str = "critic"

    direction = -1.0
    measure = "divergence"

    def __post_init__(self) -> None:
        object.__setattr__(self, "sites", names_of(self.sites))
        self._at_least("critic_steps", 1)
        if not self.critic.startswith("critic"):
            raise ValueError(f"Expected a name that begins with 'critic', got '{self.critic}'.")

    def _at_least(self, name: str, least: int) -> None:
        if getattr(self, name) < least:
            raise ValueError(
                f"Expected {name} of at least {least}, got {getattr(self, name)}. Try {least}."
            )

    @property
    def compared(self) -> tuple[str, ...]:
        """The sites that the critic is shown, in its arguments' order."""
        return names_of(self.sites)

    @abstractmethod
    def traces(self, binding: Binding, x: Any, *, moving: bool) -> TwoTraces:
        """The values to tell apart.

        Arguments:
            binding: The program.
            x: A batch.
            moving: Whether gradients are kept and running statistics move on.
        """

    @abstractmethod
    def _check_site(self, binding: Binding, site: Site) -> None:
        """Raises ObjectiveError where a site cannot be compared."""

    def critic_phase(self, binding: Binding) -> Phase:
        """The critic's move, at every batch."""
        project = self.regularizer.project if self.regularizer else None
        return Phase((self.critic,), self.criticise, project=project)

    def state(self, binding: Binding, x: Any) -> nn.Module | None:
        """What the regulariser keeps."""
        if self.regularizer is None:
            return None
        return self.regularizer.state(self._module(binding))

    def check(self, binding: Binding) -> None:
        """Known sites that can be compared, and a critic that learns."""
        name = type(self).__name__
        known = {**binding.sites, **dict.fromkeys(binding.deterministic)}
        for site in self.compared:
            if site not in known:
                raise ObjectiveError(
                    f"{name} compares the sites {list(self.compared)}; the program has "
                    f"{list(known)}, not '{site}'. Try names of those."
                )
        if not callable(getattr(binding.program, self.critic, None)):
            raise ObjectiveError(
                f"{name} needs a critic of {', '.join(self.compared)}; the program has no "
                f"'{self.critic}'. Try self.{self.critic} = nn.Sequential(…), from those values to "
                "one number a datum."
            )
        if not binding.roles.get(self.critic):
            raise ObjectiveError(
                f"{name} needs a critic with parameters; '{self.critic}' has none. Try a module, "
                f"or a method whose arguments are named after the sites {list(self.compared)}."
            )
        if isinstance(self.divergence, Wasserstein) and self.regularizer is None:
            raise ObjectiveError(
                f"{name} with Wasserstein() needs a critic of bounded slope. Try "
                "regularizer=GradientPenalty(), SpectralNorm() or WeightClipping()."
            )
        for site in self.compared:
            if site in binding.sites:
                self._check_site(binding, binding.sites[site])

    def criticise(self, binding: Binding, x: Any, progress: Progress) -> Loss:
        """Minus the critic's gain, and the regulariser's price."""
        traces = self.traces(binding, x, moving=False).detach()
        with self.judging(binding, progress) as judge:
            gain = self._gain(judge, traces)
            price = None
            if self.regularizer is not None:
                packed = self.seen(traces.data), self.seen(traces.draws)
                price = self.regularizer.penalty(judge, *packed)
        estimate = self.divergence.estimate(gain.detach())
        terms = {"loss_critic": -gain.detach()}
        terms |= {} if price is None else {"penalty": price.detach()}
        return Loss(-gain if price is None else price - gain, estimate, terms)

    def seen(self, values: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The values in the form in which the critic is shown them."""
        return values

    def _gain(self, judge: Callable[..., Tensor], traces: TwoTraces) -> Tensor:
        on_data = self.divergence.on_data(judge(self.seen(traces.data))).mean()
        return on_data + self.divergence.on_draws(judge(self.seen(traces.draws))).mean()

    @contextmanager
    def judging(self, binding: Binding, progress: Progress) -> Iterator[Judge]:
        """The critic as a function of the sites' values."""
        fn: Any = getattr(binding.program, self.critic)
        module, state = self._module(binding), progress.with_state(0).state

        def judge(values: tuple[Tensor, ...]) -> Tensor:
            found: Tensor = fn(*values)
            if not found.dim() or len(found) != len(values[0]):
                raise ObjectiveError(
                    f"Expected one number a datum from '{self.critic}', [{len(values[0])}, …], got "
                    f"shape {list(found.shape)}. Try nn.Flatten(0) after its last layer."
                )
            return found

        with isolated(binding.program):
            if self.regularizer is None:
                yield judge
                return
            with self.regularizer.around(module, state or self.regularizer.state(module)):
                yield judge

    def _module(self, binding: Binding) -> nn.Module:
        """The critic, or the program where the critic is a method of it."""
        fn: Any = getattr(binding.program, self.critic)
        return fn if isinstance(fn, nn.Module) else binding.program


def names_of(names: tuple[str, ...] | str) -> tuple[str, ...]:
    """One name, or several, as a tuple."""
    return (names,) if isinstance(names, str) else tuple(names)
