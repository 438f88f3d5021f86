"""Parts of a recipe exchanged from text, with types checked."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from dgmppl.data import DynamicBinarisation, StaticBinarisation, load
from dgmppl.guides import Amortized, InverseAutoregressive, Reflected, Sylvester
from dgmppl.models.vae import VAE
from dgmppl.models.vae import recipes as vae_recipes
from dgmppl.objectives import ELBO, IWAE, DoublyReparameterized
from dgmppl.overrides import OverrideError, apply_overrides
from dgmppl.recipes import Recipe
from dgmppl.schedules import Linear

RECIPE = Recipe(program=partial(VAE, z_dim=3), objective=IWAE(num_particles=5))


def test_paths_go_through_dataclasses_and_partials() -> None:
    texts = ["program.z_dim=20", "objective.num_particles=50", "optimizer.lr=0.1", "epochs=7"]
    recipe = apply_overrides(RECIPE, [*texts, "data.split=test"])
    assert recipe.program.keywords == {"z_dim": 20}
    assert recipe.objective == IWAE(num_particles=50)
    assert recipe.optimizer.keywords["lr"] == 0.1 and recipe.epochs == 7
    assert recipe.data.keywords["split"] == "test"
    assert RECIPE.program.keywords == {"z_dim": 3}, "the recipe itself stays"


def test_paths_go_through_mappings() -> None:
    adam = partial(torch.optim.Adam, lr=1e-3)
    recipe = Recipe(program=VAE, optimizer={"model": adam, "critic": adam})
    changed = apply_overrides(recipe, ["optimizer.critic.lr=0.5"]).optimizer
    assert changed["critic"].keywords["lr"] == 0.5 and changed["model"].keywords["lr"] == 1e-3
    with pytest.raises(OverrideError, match=r"has no 'critc'\. Try 'critic'"):
        apply_overrides(recipe, ["optimizer.critc.lr=0.5"])


def test_values_may_be_objects_of_the_library() -> None:
    texts = [
        "objective=ELBO(temper={'z': Linear(0.0, 1.0, epochs=5)})",
        "data.pixels=StaticBinarisation(seed=3)",
        "optimizer=SGD(lr=0.5)",
    ]
    recipe = apply_overrides(RECIPE, texts)
    assert recipe.objective == ELBO(temper={"z": Linear(0.0, 1.0, epochs=5)})
    assert recipe.data.keywords["pixels"] == StaticBinarisation(seed=3)
    optimizer = recipe.optimizer([torch.nn.Parameter(torch.zeros(1))])
    assert isinstance(optimizer, torch.optim.SGD) and optimizer.defaults["lr"] == 0.5
    recipe = apply_overrides(RECIPE, ["objective.gradient=DoublyReparameterized()"])
    assert recipe.objective.gradient == DoublyReparameterized()


def test_families_of_guides_are_exchanged() -> None:
    recipe = vae_recipes["iaf-vae"]
    for text, family in {
        "guide.family=InverseAutoregressive(depth=4)": InverseAutoregressive(depth=4),
        "guide.family=Sylvester(2, basis=Reflected(3))": Sylvester(2, Reflected(3)),
        "guide.family.hidden_features=7": InverseAutoregressive(hidden_features=7),
    }.items():
        exchanged = apply_overrides(recipe, [text, "guide.hidden_features=5", "program.z_dim=3"])
        modules = exchanged.build(load("digits")).modules()
        assert [m.family for m in modules if isinstance(m, Amortized)] == [family]
    with pytest.raises(OverrideError, match="expected Family, got ELBO"):
        apply_overrides(recipe, ["guide.family=ELBO()"])


def test_whole_numbers_serve_as_floats_and_none_where_allowed() -> None:
    recipe = apply_overrides(RECIPE, ["objective.temper=2", "batch_size=None"])
    assert recipe.objective.temper == 2 and recipe.batch_size is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("program.zdim=3", "Try 'z_dim'"),
        ("objectiv.num_particles=3", "Try 'objective'"),
        ("program.z_dim=a", "expected int, got 'a'"),
        ("program.z_dim=2.5", "expected int"),
        ("epochs=True", "expected int"),
        ("objective.num_particles", "path=value"),
        ("objective=IWEA(5)", "Unknown name 'IWEA'"),
        ("objective=IWAE(particles=5)", "particles"),
        ("objective=3", "expected Objective"),
        ("objective=__import__('os')", "Unknown name"),
    ],
)
def test_mistakes_name_the_cure(text: str, message: str) -> None:
    with pytest.raises(OverrideError, match=message.replace("(", r"\(")):
        apply_overrides(RECIPE, [text])


def test_no_code_is_run() -> None:
    with pytest.raises((OverrideError, ValueError)):
        apply_overrides(RECIPE, ["objective=().__class__.__bases__"])


def test_a_recipe_takes_the_width_of_its_data() -> None:
    data = load("digits", pixels=DynamicBinarisation())
    assert RECIPE.build(data).decoder[-1].out_features == 64
    fixed = Recipe(program=partial(VAE, data_dim=9)).build(data)
    assert fixed.decoder[-1].out_features == 9
