"""The registry: every name leads to a function with the shared arguments."""

import inspect
from importlib import import_module
from importlib.util import find_spec

import pytest

from redoubt import attacks
from redoubt.errors import RedoubtError


@pytest.mark.parametrize("name", attacks.names())
def test_every_attack_takes_the_shared_arguments(name):
    taken = inspect.signature(attacks.get(name)).parameters
    assert list(taken)[:3] == ["model", "x", "y"]
    assert {"eps", "norm", "seed", "batch_size"} <= set(taken)
    assert all(p.kind is inspect.Parameter.KEYWORD_ONLY for p in list(taken.values())[3:])


def test_parameters_are_what_is_left_with_its_defaults():
    assert attacks.parameters("pgd")["steps"] == 20
    assert not {"model", "x", "y", "eps", "norm", "seed", "batch_size"} & set(attacks.parameters("pgd"))
    assert attacks.parameters("transfer")["surrogate"] is inspect.Parameter.empty


@pytest.mark.parametrize("name", attacks.names())
def test_parameters_read_from_the_source_are_those_of_the_function(name):
    taken = inspect.signature(attacks.get(name)).parameters
    real = {k: taken[k].default for k in list(taken)[3:] if k not in ("eps", "norm", "seed", "batch_size")}
    read = attacks.parameters(name)
    assert list(read) == list(real)
    for key, value in read.items():
        if value is attacks.COMPUTED:
            assert isinstance(real[key], int | float)  # a sweep of it is one, as of any single value
        else:
            assert (value, type(value)) == (real[key], type(real[key]))


def test_an_unknown_name_is_an_error_with_the_nearest_one():
    for ask in (attacks.get, attacks.parameters, attacks.module_of):
        with pytest.raises(RedoubtError, match="did you mean: apgd_ce"):
            ask("apgd_c")


@pytest.mark.parametrize("name", attacks.names())
def test_the_module_of_an_attack_holds_it(name):
    module = import_module(attacks.module_of(name))
    assert find_spec(attacks.module_of(name)) is not None
    assert attacks.get(name).__name__ in vars(module)
