"""A look at a program on a batch, before learning: its sites, plates and parameters' roles."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from pyro.distributions import Delta
from pyro.poutine.indep_messenger import CondIndepStackFrame
from torch import Tensor, nn

from dgmppl.dependencies import Dependencies, find_dependencies
from dgmppl.distributions import Implicit
from dgmppl.distributions.parameters import free_parameters
from dgmppl.handlers import Replay
from dgmppl.program import Adopted, guide_of
from dgmppl.site_checks import (
    ProgramError,
    check_names,
    check_parameters,
    check_plates,
    check_sites,
    explain,
)
from dgmppl.sites import Kind, base_distribution, site_kind
from dgmppl.traces import evaluating, isolated, sample_sites, subsample_sites, trace

__all__ = ["Binding", "ProgramError", "Site", "bind"]


@dataclass(frozen=True)
class Site:
    """What is known of one site.

    Arguments:
        name: Its name.
        kind: Explicit, implicit or energy.
        distribution: Name of its distribution in the model (or the guide, if it is only there).
        batch_shape: Shape of its independent draws on the batch that was looked at.
        event_shape: Shape of one draw.
        support: Where its values lie.
        observed: Whether the batch gives its value.
        in_model: Whether the model has it.
        in_guide: Whether the guide has it.
        local: Whether it lies inside the data plate (one value a datum) or is shared by all data.
        reparameterised: Whether gradients pass through its draws; of the guide's distribution where
            the guide has the site.
        enumerable: Whether its values are finitely many and can be listed.
        count: How many they are, of the guide's distribution where the guide has the site; else 0.
        point: Whether the guide gives it a single value (a Delta).
        auxiliary: Whether it belongs to the guide alone by declaration.
        discrete: Whether its values have probabilities, not densities.
        implicit_guide: Whether the guide draws it without a density.
    """

    name: str
    kind: Kind
    distribution: str
    batch_shape: tuple[int, ...]
    event_shape: tuple[int, ...]
    support: str
    observed: bool
    in_model: bool
    in_guide: bool
    local: bool
    reparameterised: bool
    enumerable: bool
    count: int = 0
    point: bool = False
    auxiliary: bool = False
    discrete: bool = False
    implicit_guide: bool = False

    @property
    def factor(self) -> bool:
        """Whether it is a `pyro.factor`, which has no value."""
        return self.distribution == "Unit"


@dataclass(frozen=True)
class Binding:
    """A program together with what a look at one batch told about it.

    Arguments:
        program: The program.
        sites: Every site by name, the model's first, in the order of the program.
        data_plate: Name of the plate over the data, `None` if there is none.
        data_dim: Its dimension (negative).
        particle_dim: The dimension for particles: left of every plate.
        roles: Role → names of the parameters it owns.
        aligned: Plates whose rows the model chooses while the guide would draw its own.
        dependencies: Which draws each density looks at, where some draw passes no gradient;
            empty where all of them do.
        deterministic: Names of the model's deterministic sites.
        opaque: Sites with parameters that no gradient through their draws reaches: of the guide
            where it has the site.
    """

    program: nn.Module
    sites: dict[str, Site]
    data_plate: str | None
    data_dim: int
    particle_dim: int
    roles: dict[str, tuple[str, ...]] = field(default_factory=dict)
    aligned: frozenset[str] = frozenset()
    dependencies: Dependencies = field(default_factory=Dependencies)
    deterministic: tuple[str, ...] = ()
    opaque: frozenset[str] = frozenset()
    learned: frozenset[str] = frozenset()

    @property
    def latents(self) -> list[Site]:
        """The model's unobserved sites."""
        return [s for s in self.sites.values() if s.in_model and not s.observed]

    @property
    def observed(self) -> list[Site]:
        """The model's observed sites."""
        return [s for s in self.sites.values() if s.in_model and s.observed]

    @property
    def draws(self) -> list[Site]:
        """The guide's random sites: what a score or a pathwise gradient is needed for."""
        return [s for s in self.sites.values() if s.in_guide and not s.point]

    @cached_property
    def all_local(self) -> bool:
        """Whether every site has one value a datum."""
        return all(site.local for site in self.sites.values())

    @property
    def has_guide(self) -> bool:
        """Whether the program has a guide."""
        return guide_of(self.program) is not None

    def parameters(self, roles: Iterable[str]) -> dict[str, nn.Parameter]:
        """The parameters that some roles own, by name, in the program's order."""
        wanted = {name for role in roles for name in self.roles.get(role, ())}
        return {n: p for n, p in self.program.named_parameters() if n in wanted}

    def is_local(self, frames: Iterable[CondIndepStackFrame]) -> bool:
        """Whether a site under these plates has one value a datum."""
        return any(frame.name == self.data_plate for frame in frames)

    def data_scale(self, frames: Iterable[CondIndepStackFrame]) -> float:
        """What a subsampled data plate multiplies its sites by; it belongs outside any log-sum."""
        for frame in frames:
            if frame.name == self.data_plate and frame.full_size:
                return frame.full_size / frame.size
        return 1.0


def bind(program: nn.Module, x: Any) -> Binding:
    """Runs a program once on a batch, checks all that can be checked, and describes it.

    Arguments:
        program: A module with `model` and perhaps `guide`.
        x: A batch: a tensor, or a mapping or tuple of tensors.

    Returns:
        What was found.

    Raises:
        ProgramError: If the guide misses a latent site or has one too many, a site's name is used
            twice, a value does not fit its distribution, or plates disagree; the site and the cure
            are named.
    """
    if not callable(getattr(program, "model", None)):
        raise ProgramError(
            f"Expected a program: a module with model(self, x=None, n=1); {type(program).__name__} "
            "has none. Try dgmppl.Pair(model, guide) for plain Pyro functions."
        )
    adopted = [module for module in program.modules() if isinstance(module, Adopted)]
    for module in adopted:
        module.declaring = True
    try:
        # in evaluation mode, for a look must not move running statistics; roles need gradients
        with (
            torch.random.fork_rng(),
            torch.enable_grad(),
            evaluating(program),
            isolated(program, validate=True),
        ):
            return _look(program, x)
    finally:
        for module in adopted:
            module.declaring = False


def _look(program: nn.Module, x: Any) -> Binding:
    """Two runs, guide then model, each checked."""
    guide, guide_trace = guide_of(program), None
    values: dict[str, Tensor] = {}
    if guide is not None:
        with explain("guide", x):
            guide_trace = trace(guide, x)
        check_parameters(guide_trace, "guide")
        values = {n: s["value"].detach() for n, s in sample_sites(guide_trace).items()}
        values |= {n: s["value"] for n, s in subsample_sites(guide_trace).items()}
    with explain("model", x):
        model_trace = trace(program.model, x, handlers=(Replay(values),))  # type: ignore[arg-type]
    check_parameters(model_trace, "model")
    model_sites = sample_sites(model_trace)
    guide_sites = {} if guide_trace is None else sample_sites(guide_trace)
    guide_sites = {n: s for n, s in guide_sites.items() if not s["is_observed"]}
    plate, dim = _data_plate(getattr(program, "data_plate", None), model_sites)
    check_names(model_sites, guide_sites, has_guide=guide is not None)
    check_plates(model_sites, guide_sites, plate)
    log_p = check_sites(model_sites, "model")
    log_q = check_sites(guide_sites, "guide")
    frames = [
        f for s in (*model_sites.values(), *guide_sites.values()) for f in s["cond_indep_stack"]
    ]
    nesting = max([-dim, *(-f.dim for f in frames if f.dim is not None)])
    sites = _describe(model_sites, guide_sites, plate)
    scored = guide is not None and any(
        site.in_guide and not site.point and not site.reparameterised for site in sites.values()
    )
    return Binding(
        program=program,
        sites=sites,
        data_plate=plate,
        data_dim=dim,
        particle_dim=-nesting - 1,
        roles=_roles(program, model_trace, guide_sites, log_p, log_q),
        aligned=_aligned(model_trace, guide_trace),
        dependencies=(
            find_dependencies(guide, program.model, x)  # type: ignore[arg-type]
            if scored and guide is not None
            else Dependencies()
        ),
        deterministic=_deterministic(model_trace),
        opaque=_opaque(model_sites | guide_sites),
        learned=frozenset(name for name, site in model_sites.items() if _is_learned(site["fn"])),
    )


def _data_plate(name: str | None, sites: dict[str, Any]) -> tuple[str | None, int]:
    """The data plate's name and dimension."""
    frames = {f.name: f for s in sites.values() for f in s["cond_indep_stack"] if f.dim is not None}
    observed = [s["cond_indep_stack"] for s in sites.values() if s["is_observed"]]
    if name is not None and name not in frames:
        raise ProgramError(
            f"Expected a plate named '{name}' over the data, got plates {sorted(frames)}. "
            "Try data_plate=… with one of them."
        )
    if name is None and "data" in frames:
        name = "data"
    if name is None:
        outer = {stack[0].name for stack in observed if stack and stack[0].dim is not None}
        if len(outer) > 1:
            raise ProgramError(
                f"Expected one plate over the data, found {sorted(outer)} outermost. "
                "Try Pair(model, guide, data_plate=…) with the name of the i.i.d. one."
            )
        name = outer.pop() if outer else None
    return name, frames[name].dim if name is not None else -1


def _describe(model: dict[str, Any], guide: dict[str, Any], plate: str | None) -> dict[str, Site]:
    """The table of sites."""
    table = {}
    for name in dict.fromkeys((*model, *guide)):
        site: dict[str, Any] = model[name] if name in model else guide[name]
        drawn = guide.get(name)
        fn = site["fn"]
        mover = fn if drawn is None else drawn["fn"]
        table[name] = Site(
            name=name,
            kind=site_kind(site),
            distribution=type(base_distribution(fn)).__name__,
            batch_shape=tuple(fn.batch_shape),
            event_shape=tuple(fn.event_shape),
            support=_support(fn),
            observed=site["is_observed"],
            in_model=name in model,
            in_guide=drawn is not None,
            local=any(f.name == plate for f in site["cond_indep_stack"]),
            reparameterised=bool(getattr(mover, "has_rsample", False)),
            enumerable=bool(getattr(fn, "has_enumerate_support", False)),
            count=_count(mover),
            point=drawn is not None and isinstance(base_distribution(mover), Delta),
            auxiliary=bool(site["infer"].get("is_auxiliary", False)),
            discrete=_is_discrete(fn),
            implicit_guide=drawn is not None and site_kind(drawn) is Kind.IMPLICIT,
        )
    return table


def _count(fn: Any) -> int:
    """How many values a distribution lists, 0 where it lists none."""
    if not getattr(fn, "has_enumerate_support", False):
        return 0
    try:
        return len(fn.enumerate_support(expand=False))
    except NotImplementedError:  # such as binomials of different lengths
        return 0


def _is_discrete(fn: Any) -> bool:
    try:
        return bool(fn.support.is_discrete)
    except NotImplementedError:
        return False


def _support(fn: Any) -> str:
    """The support's name without its wrapper."""
    try:
        support = fn.support
    except NotImplementedError:
        return "?"
    return str(getattr(support, "base_constraint", support)).removesuffix("()")


def _roles(
    program: nn.Module,
    model: Any,
    guide: dict[str, Any],
    log_p: list[Tensor],
    log_q: list[Tensor],
) -> dict[str, tuple[str, ...]]:
    """Which parameters autograd reaches from the model's sites, the guide's, and critics."""
    drawn = [s["value"] for s in guide.values()]
    sites = sample_sites(model).values()
    implicit = [s["fn"].rsample() for s in sites if site_kind(s) is Kind.IMPLICIT]
    roles = {"model": _reached(program, [*log_p, *implicit])}
    if guide:
        roles["guide"] = _reached(program, [*log_q, *drawn])
    values = {name: node["value"] for name, node in model.nodes.items() if "value" in node}
    for name in dir(type(program)) + [name for name, _ in program.named_children()]:
        if name.startswith("critic"):
            roles[name] = _critics_own(program, name, values)
    override = getattr(program, "roles", None)
    return roles | {k: tuple(v) for k, v in (override() if override else {}).items()}


def _critics_own(program: nn.Module, name: str, values: dict[str, Any]) -> tuple[str, ...]:
    """A critic's parameters: the module's, or those that a method's value depends on."""
    critic: Any = getattr(program, name)
    if isinstance(critic, nn.Module):
        own = {id(parameter) for parameter in critic.parameters() if parameter.requires_grad}
        return tuple(n for n, parameter in program.named_parameters() if id(parameter) in own)
    arguments = inspect.signature(critic).parameters
    if any(p.default is p.empty and n not in values for n, p in arguments.items()):
        return ()
    with explain(name, {n: values[n] for n in arguments if n in values}):
        return _reached(program, [critic(**{n: values[n] for n in arguments if n in values})])


def _deterministic(model: Any) -> tuple[str, ...]:
    """Names of deterministic sites."""
    samples = {n: s for n, s in model.nodes.items() if s["type"] == "sample"}
    return tuple(n for n, s in samples.items() if s["infer"].get("_deterministic", False))


def _opaque(sites: dict[str, Any]) -> frozenset[str]:
    """Sites without reparameterised draws whose distributions have learned parameters."""
    return frozenset(
        name
        for name, site in sites.items()
        if not getattr(site["fn"], "has_rsample", False) and _is_learned(site["fn"])
    )


def _is_learned(fn: Any) -> bool:
    """Whether a gradient passes through a distribution's parameters, or an implicit draw."""
    tensors = [fn.rsample()] if isinstance(fn, Implicit) else free_parameters(fn).values()
    return any(tensor.requires_grad for tensor in tensors)


def _reached(program: nn.Module, tensors: list[Tensor]) -> tuple[str, ...]:
    parameters = {n: p for n, p in program.named_parameters() if p.requires_grad}
    tensors = [t for t in tensors if t.requires_grad]
    if not parameters or not tensors:
        return ()
    total = torch.stack([t.sum() for t in tensors]).sum()
    grads = torch.autograd.grad(total, [*parameters.values()], allow_unused=True, retain_graph=True)
    return tuple(n for n, g in zip(parameters, grads, strict=True) if g is not None)


def _aligned(model: Any, guide: Any) -> frozenset[str]:
    """Plates with rows chosen by the model where the guide draws a random subset of its own."""
    if guide is None:
        return frozenset()
    model_rows, guide_rows = subsample_sites(model), subsample_sites(guide)
    return frozenset(
        name
        for name in model_rows.keys() & guide_rows.keys()
        if len(model_rows[name]["value"]) < model_rows[name]["fn"].size
        and (
            (model_rows[name]["fn"].subsample_size is None)
            > (guide_rows[name]["fn"].subsample_size is None)
            or not torch.equal(model_rows[name]["value"], guide_rows[name]["value"])
        )
    )
