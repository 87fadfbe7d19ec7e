"""A Slurm of this worker, and what runs on it."""

import pytest

from tests.cluster.slurm import Slurm, absent, started


@pytest.fixture(scope="session")
def slurm():
    """A Slurm without accounting, or a skipped test."""
    pytest.importorskip("snakemake_executor_plugin_slurm")
    if why := absent():
        pytest.skip(why)
    with started() as slurm:
        yield slurm


@pytest.fixture(scope="session")
def accounted() -> Slurm:
    """A Slurm with accounting, or a skipped test."""
    pytest.importorskip("snakemake_executor_plugin_slurm")
    if why := absent(accounting=True):
        pytest.skip(why)
    with started(accounting=True) as slurm:
        yield slurm
